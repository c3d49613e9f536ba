/* The box: what a stranger's program is put into, and how it is emptied.
 *
 * A box has one uid of its own (as root) or the worker's (basic), and layers
 * that each stop something else (sandbox.md §0): uid, no_new_privs, dropped
 * capabilities, Landlock, seccomp allow-list, rlimits, closed descriptors,
 * clean environment. Levels: strong adds namespaces and a cgroup; standard is
 * what root in an unprivileged container can have; basic is a user's laptop.
 *
 *   before     box_plan_init(), box_plan_allow()…  (paths opened O_PATH)
 *   in the     box_seal(): every layer in the order of sandbox.md §5, in one
 *   child      call that never returns half-done
 *   outside    box_watch…: memory, processes, CPU, disk, by looking
 *   at the end box_empty(): everything that ran in it is dead
 */
#ifndef MANIMD_BOX_H
#define MANIMD_BOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../manimd.h"

struct err;
struct buf;

enum box_level { BOX_NONE, BOX_BASIC, BOX_STANDARD, BOX_STRONG };

/* Which allow-list of system calls, which limits: one per kind of process. */
enum box_profile {
    BOX_SCENE,   /* Python, TeX, dvisvgm: may fork and exec, no sockets */
    BOX_ENCODER, /* libav: no exec, no sockets, no fork but threads */
    BOX_FETCH,   /* libcurl: connects by IP, listens to nobody; no exec, no fork but threads */
    /* The same with what a GPU's driver asks for (docs/gpu.md): OpenGL by EGL
     * for a scene, NVENC for an encoder. The kernel's driver is exposed then. */
    BOX_SCENE_GPU,
    BOX_ENCODER_GPU,
};

enum box_layer {
    LAYER_UID,
    LAYER_CAPABILITIES,
    LAYER_NO_NEW_PRIVS,
    LAYER_LANDLOCK,
    LAYER_SECCOMP,
    LAYER_RLIMITS,
    LAYER_DESCRIPTORS,
    LAYER_NAMESPACES,
    LAYER_CGROUP, /* memory and processes */
    LAYER_CPU,    /* a share of the cores, by the same cgroup; no level needs it */
    LAYER_COUNT
};

enum box_access {
    BOX_READ = 1,   /* files and listings beneath */
    BOX_EXEC = 2,   /* and run them */
    BOX_WRITE = 4,  /* create, write, remove regular files and directories */
    BOX_DEVICE = 8, /* read, write and command a device */
};

#define BOX_PATHS_MAX 96
#define BOX_KEEP_FDS_MAX 16
#define BOX_FILTER_MAX 1024
/* Where a socket for the tripwires must be: above any number of descriptors
 * that a box may have, so that nothing can be there again once it is closed. */
#define BOX_TRIPWIRE_FD 1000
#define BOX_TRIPWIRES_MAX 96

static inline bool box_is_scene(enum box_profile profile)
{
    return profile == BOX_SCENE || profile == BOX_SCENE_GPU;
}
static inline bool box_is_encoder(enum box_profile profile)
{
    return profile == BOX_ENCODER || profile == BOX_ENCODER_GPU;
}

/* A seccomp program (struct sock_filter, 8 bytes each), compiled at build time:
 * the same for every box of a profile and level; it lives for ever. */
struct box_filter {
    const uint64_t *program;
    unsigned length; /* 0: none */
};

/* What box_seal() is to do; plain data, prepared outside, no pointers into the
 * stranger's reach. Paths that do not exist on this machine are left out by
 * box_plan_allow() (returns 1 then).
 *
 * The caller fills uid, gid, dir_fd, limits, parent_death and parent_pid
 * between box_plan_init() and box_seal(); profile and level are fixed by
 * box_plan_init(), which chose the seccomp filter for them. A limit of 0 is
 * not set. `namespaces` may be set at any level but none. */
struct box_plan {
    enum box_level level;
    enum box_profile profile;
    uid_t uid; /* 0: keep the uid (basic, none) */
    gid_t gid; /* 0: the same number as uid */
    /* Working directory of the box, which it may read and write without being
     * told by box_plan_allow(); -1: stay where we are, nothing is granted.
     * The seal closes it; the plan does not own it. */
    int dir_fd;
    int path_fds[BOX_PATHS_MAX];
    unsigned path_access[BOX_PATHS_MAX]; /* BOX_… bits */
    char *path_names[BOX_PATHS_MAX];     /* as they were given; owned */
    int paths;
    int keep_fds[BOX_KEEP_FDS_MAX]; /* everything else above 2 is closed */
    int kept;
    struct limits limits;
    /* Mount, network, IPC, UTS and cgroup namespaces of its own (a fetcher keeps
     * the network): it then sees the plan's paths and nothing else (mounts.h). A
     * scene must have been born in a PID namespace of ours (box_pids_begin()). */
    bool namespaces;
    int cgroup_fd;     /* a leaf to enter (cgroup.h); 0: none. The seal closes it */
    bool parent_death; /* die when the parent does */
    pid_t parent_pid;  /* whose death that is; 0: whoever it is now */
    struct box_filter filter;
    /* Profile BOX_SCENE: BOX_TRIPWIRE_FD is a SOCK_SEQPACKET socket, and kept;
     * the seal sends its tripwires' listener there (box_trips_…) and closes it. */
    bool tripwires;
};

/* Defaults for a profile, with the system paths that it needs (sandbox.md §6). */
int box_plan_init(struct box_plan *p, enum box_profile profile, enum box_level level,
                  struct err *e);
/* At level none the filter is empty. */
struct box_filter box_filter_for(enum box_profile profile, enum box_level level);
/* 0, or 1 when there is no such path here (nothing is allowed then). */
int box_plan_allow(struct box_plan *p, const char *path, unsigned access, struct err *e);
/* The plan keeps a duplicate; the caller's descriptor stays the caller's. */
int box_plan_allow_fd(struct box_plan *p, int dir_fd, unsigned access);
/* `fd` survives the seal (no directory may). More than BOX_KEEP_FDS_MAX abort. */
void box_plan_keep(struct box_plan *p, int fd);
/* Closes the plan's descriptors; safe on a zeroed plan and after itself. */
void box_plan_done(struct box_plan *p);

/* In the process to be boxed, which has one thread (-EBUSY else). Returns 0
 * only when every layer of the plan's level holds; else a negative errno and
 * the layer that failed in `e` (the caller must _exit; it may be half-sealed).
 *
 * It closes every descriptor above 2 that is not kept, the plan's own and
 * dir_fd included, sets umask 077, starts a session and lets the process be
 * dumped by its own uid only (which is how memory is measured). Signals are
 * left as they are: their handlers and mask are the caller's. */
int box_seal(const struct box_plan *p, struct err *e);

/* Tripwires: calls that nobody makes but to get out (filter.c). Each is refused,
 * by whoever holds the listener that box_seal() sent: one message, {"tripwires":
 * "active"} with the descriptor, or with the reason why there is none: then the
 * kernel refuses them by itself, and nobody counts. While a listener exists and
 * is not read, such calls wait; once it is closed, they fail (ENOSYS). */
struct box_trips {
    int fd; /* -1: none; poll for POLLIN */
    int64_t total;
    int64_t counts[BOX_TRIPWIRES_MAX]; /* by box_tripwire_name() */
};
/* Answers those that wait, some at a time; closes fd when no box can ask. */
void box_trips_answer(struct box_trips *t);
/* NULL past the last. */
const char *box_tripwire_name(int i);

/* A PID namespace for the next child of this process, which has one thread.
 *
 *   box_pids_begin()   pid 1 of it runs: a reaper of ours, no stranger's code
 *   fork()             the child is pid 2; it is our child, ours to wait for
 *   SIGTERM to pid 1   ends whatever lives in the namespace, at once, and counts
 *                      what it used; so does SIGKILL, which forgets that
 *
 * What the child leaves behind is adopted by pid 1, which is our child too and
 * dies when we do; its rusage has what it reaped. Without root the namespace
 * comes with a user namespace, in which this process then is. Once pid 1 is
 * dead this process cannot fork any more. It ends last of all: reap the others
 * before you wait for it. Call it once in a process. */
int box_pids_begin(pid_t *ret_reaper_pid, struct err *e);
/* fork() for a box that runs one process: as root the child is pid 1 of a PID
 * namespace of its own, and sees nobody; later children of ours are as they
 * were. Else, and without `namespaces`, it is fork(). A negative errno. */
pid_t box_fork_alone(bool namespaces, struct err *e);

/* Uids for this worker's slots: three per slot (scene, encoder, fetch), from `base`, or
 * from a random base within 2^30 … 2^31 when `base` is 0 (RLIMIT_NPROC counts
 * a uid's processes on the whole host). Not root: all are 0 (keep). */
struct box_uids {
    uid_t scene, encoder, fetch;
};
struct box_uids box_uids_for_slot(uid_t base, int slot);
uid_t box_random_uid_base(void);

/* Kills whatever the box still runs, until nothing does: by a helper that takes
 * the uid and calls kill(-1), again until a sweep of /proc finds nothing; for a
 * box without its own uid (0), the descendants of `reaper_pid`, which must be a
 * subreaper and is itself spared. 0 when empty, -ETIMEDOUT after `within_ms`.
 * The caller reaps its own children: a zombie holds nothing but its number, so
 * it does not count. */
int box_empty(uid_t uid, pid_t reaper_pid, int64_t within_ms, struct err *e);
/* Processes of the box now, zombies left out (0: empty). */
int box_count(uid_t uid, pid_t reaper_pid);

/* What is seen of a running box, by one look at /proc. */
struct box_usage {
    int64_t memory_bytes;      /* sum of anonymous, shared and swapped pages
                                  and page tables of all its processes, and
                                  the kernel's memory for them */
    int64_t kernel_bytes;      /* of which mappings, descriptors, pipes: as of
                                  the last disk look */
    int64_t memory_peak_bytes; /* the largest of those sums so far */
    int64_t cpu_ms;            /* of all that ever ran, as far as it was seen */
    int processes;             /* tasks: a thread counts as one */
    int64_t disk_bytes, files; /* as of the last disk look */
};
struct box_watch {
    uid_t uid;
    pid_t reaper_pid;
    int dir_fd; /* whose tree is measured; -1: none */
    /* pid 1 of the box's PID namespace, for what it reaped; 0: there is none. */
    pid_t init_pid;
    int cgroup_fd; /* its leaf, for what it used; 0: there is none */
    struct limits limits;
    uint64_t shared_inode; /* of the memfd of ours that it maps (the ring); 0: none */
    int64_t shared_bytes;  /* memory of ours that it maps (the ring): not its own */
    int64_t cpu_ms_reaped; /* the caller adds what reaped children used */
    struct box_usage usage;
    int64_t next_disk_look_ms;
    int64_t next_pss_look_ms;
    int64_t pss_at_bytes;  /* the sum at which shares are measured next, at once */
    int pss_late;          /* times in a row that the shares were not to be had in time */
    int64_t largest_bytes; /* of its processes, shared pages in full */
    int64_t looked_ms;
    int pause_ms; /* out: how long to wait for the next look */
    int blind;    /* looks in a row that its processes kept from being taken */
    struct spent *spent;
};
/* Looks once; call it again after `pause_ms` (50, less when memory grows towards
 * the limit). Returns OUTCOME_completed while all is within the limits, else
 * the outcome that says which was passed; sandbox_violation when the box keeps
 * itself from being looked at. A sum over the memory limit is confirmed by PSS
 * before it counts (sandbox.md §3). */
enum outcome box_watch_look(struct box_watch *w);
void box_watch_done(struct box_watch *w);

/* Doctor: each layer is tried in a child. `ret_layers` holds LAYER_COUNT. */
enum box_layer_state { LAYER_ACTIVE, LAYER_DEGRADED, LAYER_UNAVAILABLE };
struct box_layer_report {
    enum box_layer_state state;
    char reason[160];
};
enum box_level box_probe(struct box_layer_report ret_layers[LAYER_COUNT]);
const char *box_layer_name(enum box_layer layer);
/* What is not contained where the layer is not active: a sentence for people. */
const char *box_layer_missing(enum box_layer layer);
const char *box_level_name(enum box_level level);
/* -1 when it is no level. */
int box_level_from_name(const char *name);
/* {"level":…, "layers":{name: state…}} for results. */
int box_describe(enum box_level level, const struct box_layer_report layers[LAYER_COUNT],
                 struct buf *ret);
/* What box_describe() wrote: a supervisor probes once and hands it to its stages.
 * 0, or -EINVAL with nothing changed. */
int box_read_description(const char *text, enum box_level *ret_level,
                         struct box_layer_report ret_layers[LAYER_COUNT]);

#endif
