#include "cgroup_file.h"

#include "../base/own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EMPTY_MS 2000
#define DEPTH_MAX 3 /* a home, a job's, its leaves */

int cgroup_put(int dir_fd, const char *name, const char *text)
{
    own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int cgroup_put_number(int dir_fd, const char *name, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)number);
    return cgroup_put(dir_fd, name, text);
}

void cgroup_get(int dir_fd, const char *name, char ret[CGROUP_FILE_BYTES])
{
    own_fd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, CGROUP_FILE_BYTES - 1);
    ret[n > 0 ? n : 0] = 0;
}

int64_t cgroup_get_number(int dir_fd, const char *name, const char *key)
{
    char text[CGROUP_FILE_BYTES];
    size_t n = strlen(key);
    cgroup_get(dir_fd, name, text);
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
        if (strncmp(at, key, n) == 0 && (n == 0 || at[n] == ' '))
            return strtoll(at + n, NULL, 10);
    }
    return 0;
}

int cgroup_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int cgroup_enter(int dir_fd)
{
    return cgroup_put(dir_fd, "cgroup.procs", "0");
}

int cgroup_give_on(int dir_fd)
{
    int rc = cgroup_put(dir_fd, "cgroup.subtree_control", "+memory +pids");
    if (rc == 0)
        (void)cgroup_put(dir_fd, "cgroup.subtree_control", "+cpu"); /* the probe tells (probe.c) */
    return rc;
}

/* cgroup.events tells of a change by POLLPRI. */
static void await_empty(int dir_fd)
{
    own_fd int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    struct pollfd change = {.fd = fd, .events = POLLPRI};
    while (fd >= 0 && cgroup_get_number(dir_fd, "cgroup.events", "populated") == 1) {
        char text[CGROUP_FILE_BYTES];
        if (pread(fd, text, sizeof text, 0) < 0 || poll(&change, 1, EMPTY_MS) != 1)
            break;
    }
}

static void remove_children(int dir_fd, int depth)
{
    int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    for (const struct dirent *d; dir && (d = readdir(dir));) {
        if (d->d_type != DT_DIR || d->d_name[0] == '.')
            continue;
        own_fd int child = openat(dir_fd, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (child >= 0 && depth < DEPTH_MAX)
            remove_children(child, depth + 1);
        (void)unlinkat(dir_fd, d->d_name, AT_REMOVEDIR); /* one in use stays */
    }
    if (dir)
        closedir(dir);
    else
        own_close_fd(&copy);
}

void cgroup_clear(int dir_fd)
{
    (void)cgroup_put(dir_fd, "cgroup.kill", "1"); /* from 5.14; there is the uid besides */
    await_empty(dir_fd);
    remove_children(dir_fd, 1);
}
