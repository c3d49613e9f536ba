/* The files of a cgroup v2 directory, by the kernel's cgroup-v2.rst. Private to
 * the room. */
#ifndef MANIMD_BOX_CGROUP_FILE_H
#define MANIMD_BOX_CGROUP_FILE_H

#include <stdint.h>

#define CGROUP_FILE_BYTES 4096

/* 0 or a negative errno. */
int cgroup_put(int dir_fd, const char *name, const char *text);
int cgroup_put_number(int dir_fd, const char *name, int64_t number);
/* "" when it cannot be read. */
void cgroup_get(int dir_fd, const char *name, char ret[CGROUP_FILE_BYTES]);
/* The number behind `key` in a file of lines "key number"; with an empty key,
 * the file is the number; 0 when there is none. */
int64_t cgroup_get_number(int dir_fd, const char *name, const char *key);

/* The descriptor or a negative errno. */
int cgroup_open(const char *path);
/* Moves the calling process. */
int cgroup_enter(int dir_fd);
/* Gives the controllers on to the children: memory and pids, or it fails; cpu
 * where there is one. */
int cgroup_give_on(int dir_fd);
/* Kills what is in it and in its children, waits a moment for the end of all, and
 * removes the children. What is still in use stays. */
void cgroup_clear(int dir_fd);

#endif
