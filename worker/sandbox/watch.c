/* The watch: what a box uses, by looking at it from outside.
 *
 * Where there is no cgroup, this is what bounds the whole of a box; the rlimits
 * bound only each of its processes. Memory is the sum of what /proc/PID/status
 * says, which counts pages twice that forks share; so a sum over the limit only
 * makes us measure, by a helper of the box's uid, each page's share (PSS). What
 * no process may be seen to hold, the box cannot have: filter.c refuses it; what
 * the kernel holds for a process is counted piece by piece (held.c).
 *
 * How far a box gets beyond its limit before it is seen is what it can take
 * between two looks; so we look more often when, at the pace that we saw, the
 * limit would be passed before the next look (docs/limits.md has the figures). */
#include "box.h"

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/own.h"
#include "cgroup.h"
#include "held.h"
#include "helper.h"
#include "spent.h"
#include "sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY_MS 50
#define LOOK_SOON_MS 10
#define DISK_EVERY_MS 300
#define TASK_BYTES (32 * 1024) /* a kernel stack and what the kernel notes of a task */
/* smaps_rollup takes 10 ms a GiB; a box of forks would ask at every look. */
#define PSS_EVERY_MS 100
#define PSS_WITHIN_MS 500
#define PSS_LATE_MAX 2
#define HELD_WITHIN_MS 500
/* A helper may be slow once, a tree may be moved about by chance. */
#define BLIND_LOOKS_MAX 10

static const char *const status_keys[] = {"RssAnon:", "RssShmem:", "VmSwap:", "VmPTE:"};
static const char *const pss_keys[] = {"Pss_Anon:", "Pss_Shmem:", "SwapPss:"};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int64_t sum_fields(const char *text, const char *const *keys, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += sweep_field_bytes(text, keys[i]);
    return sum;
}

static int64_t look_at_memory(const struct sweep *s, int64_t *ret_largest)
{
    int64_t sum = 0;
    *ret_largest = 0;
    char text[8192];
    for (int i = 0; i < s->count; i++) {
        int64_t bytes = TASK_BYTES * (int64_t)s->all[i].tasks;
        if (!s->all[i].zombie && sweep_read(s->all[i].pid, "status", text, sizeof text) > 0)
            bytes += sum_fields(text, status_keys, COUNT(status_keys));
        sum += bytes;
        if (bytes > *ret_largest)
            *ret_largest = bytes;
    }
    return sum;
}

struct shares_question {
    const struct sweep *sweep;
    pid_t init_pid;
};

/* In the helper. Negative when a process would not let itself be measured: it
 * made itself unreadable, which no honest one does. The box's pid 1 has, but is
 * ours: at level basic it has the box's uid, too, and so is listed with it. */
static int64_t measure_shares(const void *arg)
{
    const struct shares_question *q = arg;
    const struct sweep *s = q->sweep;
    int64_t sum = 0;
    char text[4096];
    for (int i = 0; i < s->count; i++) {
        if (s->all[i].pid == q->init_pid)
            continue;
        sum += TASK_BYTES * (int64_t)s->all[i].tasks;
        ssize_t got = sweep_read(s->all[i].pid, "smaps_rollup", text, sizeof text);
        if (got == -EACCES || got == -EPERM)
            return -EACCES;
        if (got <= 0) /* ended meanwhile, a zombie */
            continue;
        sum += sum_fields(text, pss_keys, COUNT(pss_keys));
        if (sweep_read(s->all[i].pid, "status", text, sizeof text) > 0)
            sum += sweep_field_bytes(text, "VmPTE:");
    }
    return sum;
}

static bool memory_over(struct box_watch *w, const struct sweep *s, int64_t now_ms)
{
    int64_t limit = w->limits.memory_bytes + w->shared_bytes;
    int64_t sum = w->usage.memory_bytes;
    if (w->limits.memory_bytes <= 0 || sum <= limit)
        return false;
    if (now_ms < w->next_pss_look_ms && sum < w->pss_at_bytes)
        return false;
    w->next_pss_look_ms = now_ms + PSS_EVERY_MS;
    int64_t shares = 0;
    const struct shares_question q = {s, w->init_pid};
    int rc = helper_ask(w->uid, measure_shares, &q, PSS_WITHIN_MS, &shares);
    w->pss_late = rc == -ETIMEDOUT ? w->pss_late + 1 : 0;
    if (rc == -ETIMEDOUT) /* a busy machine; but no single process may be larger */
        return w->pss_late > PSS_LATE_MAX || w->largest_bytes > limit;
    if (rc < 0 || shares < 0)
        return true;
    shares += w->usage.kernel_bytes;
    /* New pages are in the sum in full: more room than this there is not. */
    w->pss_at_bytes = sum + (limit - shares);
    return shares > limit;
}

/* The next look comes sooner when the limit might be passed before it. */
static int pause_for(const struct box_watch *w, int64_t before_bytes, int64_t now_ms)
{
    int64_t limit = w->limits.memory_bytes + w->shared_bytes;
    int64_t grown = w->usage.memory_bytes - before_bytes;
    int64_t passed = now_ms > w->looked_ms ? now_ms - w->looked_ms : 1;
    if (w->limits.memory_bytes <= 0 || grown <= 0 || !w->looked_ms)
        return LOOK_EVERY_MS;
    bool soon = w->usage.memory_bytes + grown * LOOK_EVERY_MS / passed > limit;
    return soon ? LOOK_SOON_MS : LOOK_EVERY_MS;
}

/* Of what its processes hold. The helper has their uid, so they can kill it
 * where Landlock does not know signals yet. */
static int look_at_held(struct box_watch *w, const struct sweep *s, int64_t *ret_disk_bytes)
{
    int64_t held[HELPER_ANSWERS] = {0};
    struct held_question q = {.sweep = s, .shared_inode = w->shared_inode};
    if (s->count == 0)
        return 0;
    if (w->dir_fd >= 0 && held_ask(&q, s, w->dir_fd) < 0)
        return 0;
    int64_t born = sweep_last_born(&w->spent->past);
    int rc = helper_ask_all(w->uid, held_measure, &q, HELD_WITHIN_MS, held);
    if (rc < 0)
        return rc;
    sweep_one_was_ours(&w->spent->past, born);
    w->usage.kernel_bytes = held[HELD_KERNEL];
    *ret_disk_bytes = held[HELD_DISK];
    return 0;
}

/* A tree that changes under us, a helper that is late: looked at again soon. */
static void look_at_disk(struct box_watch *w, const struct sweep *s)
{
    int64_t bytes = 0, files = 0, held = 0;
    int rc = look_at_held(w, s, &held);
    if (rc == 0 && w->dir_fd >= 0)
        rc = file_tree_usage(w->dir_fd, ".", w->limits.files, &bytes, &files);
    w->blind = rc < 0 ? w->blind + 1 : 0;
    if (rc < 0)
        return;
    w->usage.disk_bytes = bytes + held;
    w->usage.files = files;
}

static bool disk_over(struct box_watch *w, const struct sweep *s, int64_t now_ms)
{
    if (now_ms >= w->next_disk_look_ms) {
        w->next_disk_look_ms = now_ms + DISK_EVERY_MS;
        look_at_disk(w, s);
    }
    return (w->limits.disk_bytes > 0 && w->usage.disk_bytes > w->limits.disk_bytes) ||
           (w->limits.files > 0 && w->usage.files > w->limits.files);
}

/* Both ways to count are too low, not too high (but by chance): see spent.h. */
static int64_t cpu_used_ms(struct box_watch *w, const struct sweep *s, int64_t now_ms)
{
    int64_t ticks = sweep_cpu_ticks(w->init_pid);
    for (int i = 0; i < s->count; i++)
        ticks += s->all[i].cpu_ticks;
    int64_t second = sysconf(_SC_CLK_TCK);
    int64_t reaped_ms = ticks * 1000 / second + w->cpu_ms_reaped;
    int64_t seen_ms = spent_look(w->spent, s, now_ms);
    if (seen_ms < reaped_ms)
        seen_ms = reaped_ms;
    if (w->cgroup_fd <= 0)
        return seen_ms;
    struct cgroup_seen exact; /* from the moment of its entry */
    cgroup_look(w->cgroup_fd, &exact);
    return exact.cpu_ms > seen_ms ? exact.cpu_ms : seen_ms;
}

static void count(struct box_watch *w, const struct sweep *s, int64_t now_ms)
{
    struct box_usage *u = &w->usage;
    int64_t cpu_ms = cpu_used_ms(w, s, now_ms);
    u->processes = 0;
    for (int i = 0; i < s->count; i++)
        u->processes += s->all[i].tasks;
    if (cpu_ms > u->cpu_ms)
        u->cpu_ms = cpu_ms;
    u->memory_bytes = u->kernel_bytes + look_at_memory(s, &w->largest_bytes);
    if (u->memory_bytes > u->memory_peak_bytes)
        u->memory_peak_bytes = u->memory_bytes;
}

enum outcome box_watch_look(struct box_watch *w)
{
    own_sweep struct sweep s = SWEEP_INIT;
    int64_t before_bytes = w->usage.memory_bytes;
    int64_t now_ms = clock_now_ms(); /* of the sweep, which is what is sampled */
    if (!w->spent)
        w->spent = own_calloc(1, sizeof *w->spent);
    if (sweep_look_again(&s, w->uid, w->reaper_pid, &w->spent->past) < 0)
        return OUTCOME_host_error;
    count(w, &s, now_ms);
    now_ms = clock_now_ms();
    w->pause_ms = pause_for(w, before_bytes, now_ms);
    w->looked_ms = now_ms;
    if (w->limits.processes > 0 && w->usage.processes > w->limits.processes)
        return OUTCOME_process_limit;
    if (memory_over(w, &s, now_ms))
        return OUTCOME_memory_limit;
    if (disk_over(w, &s, now_ms))
        return OUTCOME_disk_limit;
    if (w->limits.cpu_ms > 0 && w->usage.cpu_ms > w->limits.cpu_ms)
        return OUTCOME_cpu_limit;
    return w->blind > BLIND_LOOKS_MAX ? OUTCOME_sandbox_violation : OUTCOME_completed;
}

void box_watch_done(struct box_watch *w)
{
    if (w->spent)
        spent_done(w->spent);
    free(steal_ptr(&w->spent));
}
