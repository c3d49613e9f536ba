/* Layer: rlimits, and the mark for the kernel's out-of-memory killer.
 *
 * They bound each process; the tree is bounded by the watch (watch.c). Values
 * and their reasons: sandbox.md §3 and §4. RLIMIT_AS stays unset: threads and
 * graphics drivers reserve far more than they use. */
#include "layers.h"

#include "../base/err.h"
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define KIB 1024LL
#define MIB (1024LL * KIB)

/* RLIMIT_DATA counts thread stacks and arenas that are never touched. It is to
 * stop one huge allocation; what is really used is the watch's to judge. */
#define DATA_HEAD_ROOM (1024 * MIB)
/* The watch says process_limit when there are more than limits.processes. */
#define PROCESSES_HEAD_ROOM 4

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1 /* its shadow memory is private, writable and huge */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifndef HAS_ASAN
#define HAS_ASAN 0
#endif

struct rlimit_row {
    int resource;
    const char *name;
    int64_t soft;       /* -1: leave it alone */
    int64_t hard_extra; /* what hard is above soft */
};

/* Never above what is allowed already: only root may raise a hard limit, and
 * in a container not even root. */
static int set_limit(const struct rlimit_row *row, struct err *e)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)row->resource, &now) < 0)
        return err_errno(e, -errno, FAULT_HOST, "read limit %s", row->name);
    rlim_t hard = (rlim_t)(row->soft + row->hard_extra);
    if (now.rlim_max != RLIM_INFINITY && now.rlim_max < hard)
        hard = now.rlim_max;
    rlim_t soft = (rlim_t)row->soft < hard ? (rlim_t)row->soft : hard;
    struct rlimit wanted = {.rlim_cur = soft, .rlim_max = hard};
    if (setrlimit((__rlimit_resource_t)row->resource, &wanted) < 0)
        return err_errno(e, -errno, FAULT_HOST, "set limit %s", row->name);
    return 0;
}

static int64_t data_bytes(const struct limits *l)
{
    return HAS_ASAN || l->memory_bytes <= 0 ? -1 : l->memory_bytes + DATA_HEAD_ROOM;
}

/* The kernel counts a uid's tasks; where the uid is not the box's own, those
 * that it has already come on top. */
static int64_t process_count(const struct box_plan *p)
{
    if (p->limits.processes <= 0)
        return -1;
    int64_t others = p->uid ? 0 : sweep_count_tasks(getuid());
    return p->limits.processes + others + PROCESSES_HEAD_ROOM;
}

static int64_t file_bytes(const struct box_plan *p)
{
    int64_t bytes = p->limits.disk_bytes;
    if (box_is_encoder(p->profile) && p->limits.output_bytes > bytes)
        bytes = p->limits.output_bytes;
    return bytes > 0 ? bytes : -1;
}

/* To be killed first is a courtesy of the box to the worker, no wall: a host
 * that will not have it (a read-only /proc) is no reason to refuse a job. */
static void volunteer_for_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t written = write(fd, "1000", 4);
    (void)written; /* see above */
    close(fd);
}

int layer_rlimits(const struct box_plan *p, struct err *e)
{
    const struct limits *l = &p->limits;
    const struct rlimit_row rows[] = {
        {RLIMIT_CORE, "core", 0, 0},
        {RLIMIT_MEMLOCK, "memlock", 64 * KIB, 0},
        {RLIMIT_SIGPENDING, "sigpending", 512, 0},
        {RLIMIT_MSGQUEUE, "msgqueue", 0, 0},
        {RLIMIT_STACK, "stack", 8 * MIB, 0},
        {RLIMIT_NOFILE, "nofile", box_is_scene(p->profile) ? 512 : 256, 0},
        {RLIMIT_NPROC, "nproc", process_count(p), 0},
        {RLIMIT_FSIZE, "fsize", file_bytes(p), 0},
        {RLIMIT_CPU, "cpu", l->cpu_ms > 0 ? (l->cpu_ms + 999) / 1000 : -1, 2},
        {RLIMIT_DATA, "data", data_bytes(l), 0},
    };
    volunteer_for_oom_killer();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = rows[i].soft < 0 ? 0 : set_limit(&rows[i], e);
        if (rc < 0)
            return rc;
    }
    return 0;
}
