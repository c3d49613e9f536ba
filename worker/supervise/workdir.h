/* The directories of attempts, beneath one work directory that several
 * supervisors may share.
 *
 *   WORK_DIR/ID.NONCE8/     mode 0711: the boxes' uids may pass, not list
 *
 * Who uses one holds a lock (flock) on the directory itself. A directory is
 * made under a hidden name, locked, then renamed to its own, so that one that
 * can be seen and locked by another is a dead supervisor's. */
#ifndef MANIMD_WORKDIR_H
#define MANIMD_WORKDIR_H

#include <limits.h>

#include "../manimd.h"

struct attempt;
struct err;

struct workdir {
    int fd;
    char path[PATH_MAX - 128]; /* absolute */
};
#define WORKDIR_INIT \
    {                \
        .fd = -1     \
    }

struct attempt_dir {
    int fd; /* locked; -1: none */
    char name[JOB_ID_MAX + 16];
    char path[PATH_MAX];
};
#define ATTEMPT_DIR_INIT \
    {                    \
        .fd = -1         \
    }

/* Makes it when it is not there, and sweeps it. */
int workdir_open(struct workdir *w, const char *path, struct err *e);
void workdir_done(struct workdir *w);
/* Removes the directories that nobody holds; returns how many. */
int workdir_sweep(const struct workdir *w);
/* With job.json, and urls.json if the attempt has any (mode 0600), in it. */
int workdir_make(const struct workdir *w, const struct attempt *a, struct attempt_dir *ret,
                 struct err *e);
/* Removes it with all that is in it; 0 also when there is none. */
int workdir_remove(const struct workdir *w, struct attempt_dir *d, struct err *e);

#endif
