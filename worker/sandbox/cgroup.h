/* A box's cgroup, of version 2: what bounds memory and processes exactly, also
 * the kinds of memory that no process can be seen to hold.
 *
 *   the worker   cgroup_begin(): a place of ours in the hierarchy, where the
 *                controllers memory and pids may be given on
 *   the keeper   cgroup_box_make(): a leaf in it for one attempt
 *   the scene    enters it in the seal (box_plan.cgroup_fd)
 *   the keeper   cgroup_box_look(), cgroup_box_kill(), cgroup_box_done()
 *   the worker   cgroup_end()
 *
 * The place is our own cgroup when nobody else is in it (systemd's Delegate=yes,
 * a container of our own): we then move into a leaf "worker" beneath it, since
 * what has children with controllers may hold no processes (cgroup-v2.rst, "no
 * internal process constraint"). Else, as root, it is a directory manimd-PID at
 * the top of the hierarchy. */
#ifndef MANIMD_BOX_CGROUP_H
#define MANIMD_BOX_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../manimd.h"

struct err;

struct cgroup_home {
    char path[PATH_MAX]; /* "": there is none */
    bool moved;          /* we are in path/worker */
    bool made;           /* the directory is ours to remove */
};
#define CGROUP_HOME_INIT \
    {                    \
        .path = ""       \
    }

/* 0, or a negative errno and why there is no such place; nothing is left then. */
int cgroup_begin(struct cgroup_home *ret, struct err *e);
/* Removes what was made and moves us back; safe on one that has none. */
void cgroup_end(struct cgroup_home *h);

struct cgroup_box {
    int dir_fd; /* -1: none */
    char path[PATH_MAX];
};
#define CGROUP_BOX_INIT \
    {                   \
        .dir_fd = -1    \
    }

/* A fresh leaf `name`; one that a dead keeper left is emptied first. Its memory
 * is limits.memory_bytes and `shared_bytes` of ours that the box touches first
 * (the ring), without swap; its tasks limits.processes and a few, so that the
 * watch sees more than the limit and says so. */
int cgroup_box_make(const char *home, const char *name, const struct limits *limits,
                    int64_t shared_bytes, struct cgroup_box *ret, struct err *e);
void cgroup_box_kill(const struct cgroup_box *b);
/* Kills, waits a moment for the end of all, removes; -EBUSY: something stays. */
int cgroup_box_done(struct cgroup_box *b);

struct cgroup_seen {
    int64_t cpu_ms;      /* of all that ever ran in it */
    int64_t peak_bytes;  /* 0: this kernel does not say (before 5.19) */
    int64_t oom_kills;   /* processes killed for memory.max */
    int64_t fork_denied; /* forks refused for pids.max */
};
void cgroup_look(int dir_fd, struct cgroup_seen *ret);

#endif
