/* A box's cgroup: made, limited, looked at, killed. */
#include "cgroup.h"

#include "../base/err.h"
#include "../base/own.h"
#include "cgroup_file.h"
#include "layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PROCESSES_HEAD_ROOM 4 /* as in rlimits.c */
/* The kernel's default period, and so a hundredth of it in microseconds is a
 * hundredth of a core (cgroup-v2.rst, cpu.max). */
#define CPU_PERIOD_US 100000
#define CPU_PERCENT_US (CPU_PERIOD_US / 100)

int cgroup_box_limit(int dir_fd, const struct limits *l, int64_t extra_bytes)
{
    int rc = 0;
    if (l->memory_bytes > 0)
        rc = cgroup_put_number(dir_fd, "memory.max", l->memory_bytes + extra_bytes);
    if (rc == 0)
        rc = cgroup_put(dir_fd, "memory.oom.group", "1");
    if (rc == 0 && l->processes > 0)
        rc = cgroup_put_number(dir_fd, "pids.max", l->processes + PROCESSES_HEAD_ROOM);
    if (rc < 0)
        return rc;
    rc = cgroup_put(dir_fd, "memory.swap.max", "0");
    return rc == -ENOENT ? 0 : rc; /* a kernel without swap has no such file */
}

int64_t cgroup_file_bytes(int dir_fd, const struct limits *l)
{
    struct statfs fs;
    if (fstatfs(dir_fd, &fs) < 0 || (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC))
        return 0;
    return l->disk_bytes;
}

/* What a dead keeper left under this name has its counts: it must go. */
static int make_anew(struct cgroup_box *b, struct err *e)
{
    int rc = mkdir(b->path, 0755) < 0 ? -errno : 0;
    if (rc == -EEXIST) {
        own_fd int left = cgroup_open(b->path);
        if (left >= 0)
            cgroup_clear(left);
        rc = rmdir(b->path) < 0 || mkdir(b->path, 0755) < 0 ? -errno : 0;
    }
    if (rc == 0)
        rc = b->dir_fd = cgroup_open(b->path);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "make the cgroup \"%s\"", b->path) : 0;
}

static void name_box(struct cgroup_box *b, const char *above, const char *prefix, const char *name)
{
    *b = (struct cgroup_box)CGROUP_BOX_INIT;
    snprintf(b->path, sizeof b->path, "%.3000s/%s%.200s", above, prefix, name);
}

static int set_cpu(int dir_fd, int cpu_percent)
{
    char text[64];
    if (cpu_percent <= 0)
        return 0;
    snprintf(text, sizeof text, "%lld %d", (long long)cpu_percent * CPU_PERCENT_US, CPU_PERIOD_US);
    return cgroup_put(dir_fd, "cpu.max", text);
}

int cgroup_job_make(const char *home, const char *name, int cpu_percent, struct cgroup_box *ret,
                    struct err *e)
{
    struct cgroup_box b;
    name_box(&b, home, CGROUP_BOX_PREFIX, name);
    int rc = make_anew(&b, e);
    if (rc < 0)
        return rc;
    rc = cgroup_give_on(b.dir_fd);
    if (rc == 0)
        rc = set_cpu(b.dir_fd, cpu_percent);
    if (rc < 0) {
        err_errno(e, rc, FAULT_HOST, "set up the cgroup \"%s\"", b.path);
        (void)cgroup_box_done(&b);
        return rc;
    }
    *ret = b;
    return 0;
}

int cgroup_box_make(const struct cgroup_box *job, const char *name, const struct limits *limits,
                    int64_t extra_bytes, struct cgroup_box *ret, struct err *e)
{
    struct cgroup_box b;
    name_box(&b, job->path, "", name);
    int rc = make_anew(&b, e);
    if (rc < 0)
        return rc;
    rc = limits ? cgroup_box_limit(b.dir_fd, limits, extra_bytes) : 0;
    if (rc < 0) {
        err_errno(e, rc, FAULT_HOST, "set the limits of the cgroup \"%s\"", b.path);
        (void)cgroup_box_done(&b);
        return rc;
    }
    *ret = b;
    return 0;
}

void cgroup_box_kill(const struct cgroup_box *b)
{
    if (b->dir_fd >= 0)
        (void)cgroup_put(b->dir_fd, "cgroup.kill", "1"); /* from 5.14; there is the uid besides */
}

int cgroup_box_done(struct cgroup_box *b)
{
    int rc = 0;
    if (b->dir_fd >= 0) {
        cgroup_clear(b->dir_fd);
        close(steal_fd(&b->dir_fd));
        rc = rmdir(b->path) < 0 && errno != ENOENT ? -errno : 0;
    }
    *b = (struct cgroup_box)CGROUP_BOX_INIT;
    return rc;
}

void cgroup_look(int dir_fd, struct cgroup_seen *ret)
{
    *ret = (struct cgroup_seen){
        .cpu_ms = cgroup_get_number(dir_fd, "cpu.stat", "usage_usec") / 1000,
        .throttled_ms = cgroup_get_number(dir_fd, "cpu.stat", "throttled_usec") / 1000,
        .peak_bytes = cgroup_get_number(dir_fd, "memory.peak", ""),
        .oom_kills = cgroup_get_number(dir_fd, "memory.events", "oom_kill"),
        .over_own_limit = cgroup_get_number(dir_fd, "memory.events", "oom") > 0,
        .fork_denied = cgroup_get_number(dir_fd, "pids.events", "max"),
    };
}

/* In the process to be boxed, before it gives up the right to. */
int layer_cgroup(const struct box_plan *p, struct err *e)
{
    int rc = p->cgroup_fd > 0 ? cgroup_enter(p->cgroup_fd) : 0;
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "enter the cgroup") : 0;
}
