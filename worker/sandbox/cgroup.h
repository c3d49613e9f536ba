/* A job's cgroup, of version 2: what bounds memory, processes and CPU exactly, also
 * the kinds of memory that no process can be seen to hold.
 *
 *   HOME/                  the worker's place, where controllers may be given on
 *   HOME/worker            the worker itself, when HOME is its own cgroup
 *   HOME/box-UID/          one attempt at a job: cpu.max for all of it
 *   HOME/box-UID/scene     memory.max, pids.max, killed as a group
 *   HOME/box-UID/encoder   the same, by what the encoder needs
 *   HOME/box-UID/fetch     the same, for the fetcher's uid: before there is a scene
 *
 *   the worker    cgroup_begin(), which also sweeps what dead workers left
 *   the keeper    cgroup_job_make(), cgroup_box_make() twice
 *   the scene     enters its leaf in the seal (box_plan.cgroup_fd)
 *   the fetch stage  the same three, with one leaf, and its fetcher enters it
 *   the encoder   limits its own (it knows what it needs) and enters it so
 *   the keeper    cgroup_look(), cgroup_box_kill(), cgroup_box_done()
 *   the worker    cgroup_end()
 *
 * The home is our own cgroup when nobody else is in it (systemd's Delegate=yes,
 * a container of our own): we then move into a leaf "worker" beneath it, since
 * what has children with controllers may hold no processes (cgroup-v2.rst, "no
 * internal process constraint"). Else, as root, it is a directory manimd-PID-N at
 * the top of the hierarchy. Whoever lives holds a flock(2) on its home. */
#ifndef MANIMD_BOX_CGROUP_H
#define MANIMD_BOX_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../manimd.h"

struct err;

#define CGROUP_BOX_PREFIX "box-"

struct cgroup_home {
    char path[PATH_MAX]; /* "": there is none */
    bool moved;          /* we are in path/worker */
    bool made;           /* the directory is ours to remove */
    int lock_fd;         /* the directory, locked: not to be swept while we live */
};
#define CGROUP_HOME_INIT \
    {                    \
        .lock_fd = -1    \
    }

/* 0, or a negative errno and why there is no such place; nothing is left then. */
int cgroup_begin(struct cgroup_home *ret, struct err *e);
/* Kills and removes what is in it, and moves us back; safe on one that has none. */
void cgroup_end(struct cgroup_home *h);

struct cgroup_box {
    int dir_fd; /* -1: none */
    char path[PATH_MAX];
};
#define CGROUP_BOX_INIT \
    {                   \
        .dir_fd = -1    \
    }

/* A job's, for leaves. `cpu_percent` of a core, for all of them together; 0: as
 * much as others leave. One of that name that a dead keeper left is emptied. */
int cgroup_job_make(const char *home, const char *name, int cpu_percent, struct cgroup_box *ret,
                    struct err *e);
/* A leaf in it. Its memory is limits.memory_bytes and `extra_bytes`: what of ours it
 * touches first (the ring), files of its that are memory. No swap. Its tasks are
 * limits.processes and a few, so that the watch sees more than the limit and says
 * so. NULL: no limits yet, for cgroup_box_limit(). */
int cgroup_box_make(const struct cgroup_box *job, const char *name, const struct limits *limits,
                    int64_t extra_bytes, struct cgroup_box *ret, struct err *e);
int cgroup_box_limit(int dir_fd, const struct limits *limits, int64_t extra_bytes);
/* Of a box's directory: limits.disk_bytes where its files are memory (tmpfs), which
 * is charged to whoever writes them; 0 on a disk. */
int64_t cgroup_file_bytes(int dir_fd, const struct limits *limits);
void cgroup_box_kill(const struct cgroup_box *b);
/* Kills, waits a moment for the end of all, removes; -EBUSY: something stays. */
int cgroup_box_done(struct cgroup_box *b);

struct cgroup_seen {
    int64_t cpu_ms;       /* of all that ever ran in it */
    int64_t throttled_ms; /* held back by cpu.max */
    int64_t peak_bytes;   /* 0: this kernel does not say (before 5.19) */
    int64_t oom_kills;    /* processes killed for want of memory, whoever was short */
    bool over_own_limit;  /* its own memory.max was what struck */
    int64_t fork_denied;  /* forks refused for pids.max */
};
void cgroup_look(int dir_fd, struct cgroup_seen *ret);

#endif
