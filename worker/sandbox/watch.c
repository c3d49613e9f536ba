/* The watch: what a box uses, by looking at it from outside.
 *
 * Where there is no cgroup, this is what bounds the whole of a box; the rlimits
 * bound only each of its processes. Memory is the sum of what /proc/PID/status
 * says, which counts pages twice that forks share; so a sum over the limit only
 * makes us measure, by a helper of the box's uid, each page's share (PSS). What
 * no process may be seen to hold, the box cannot have: filter.c refuses it. */
#include "box.h"

#include "../base/clock.h"
#include "../base/file.h"
#include "held.h"
#include "helper.h"
#include "sweep.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DISK_EVERY_MS 300
/* smaps_rollup takes 10 ms a GiB; a box of forks would ask at every look. */
#define PSS_EVERY_MS 100
#define PSS_WITHIN_MS 500
#define HELD_WITHIN_MS 500

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

static int64_t look_at_memory(const struct sweep *s)
{
    int64_t sum = 0;
    char text[8192];
    for (int i = 0; i < s->count; i++) {
        if (!s->all[i].zombie && sweep_read(s->all[i].pid, "status", text, sizeof text) > 0)
            sum += sum_fields(text, status_keys, COUNT(status_keys));
    }
    return sum;
}

/* In the helper. Negative when a process would not let itself be measured: it
 * made itself unreadable, which no honest one does. */
static int64_t measure_shares(const void *arg)
{
    const struct sweep *s = arg;
    int64_t sum = 0;
    char text[4096];
    for (int i = 0; i < s->count; i++) {
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
    if (w->limits.memory_bytes <= 0 || w->usage.memory_bytes <= limit)
        return false;
    if (now_ms < w->next_pss_look_ms)
        return false;
    w->next_pss_look_ms = now_ms + PSS_EVERY_MS;
    int64_t shares = 0;
    int rc = helper_ask(w->uid, measure_shares, s, PSS_WITHIN_MS, &shares);
    return rc < 0 || shares < 0 || shares > limit;
}

/* A tree that changes under us, a process that ends: measured again soon. */
static void look_at_disk(struct box_watch *w, const struct sweep *s)
{
    int64_t bytes = 0, files = 0, held = 0;
    if (file_tree_usage(w->dir_fd, ".", &bytes, &files) < 0)
        return;
    struct held_question q;
    if (s->count > 0 && held_ask(&q, s, w->dir_fd) == 0 &&
        helper_ask(w->uid, held_measure, &q, HELD_WITHIN_MS, &held) < 0)
        held = 0;
    w->usage.disk_bytes = bytes + held;
    w->usage.files = files;
}

static bool disk_over(struct box_watch *w, const struct sweep *s, int64_t now_ms)
{
    if (w->dir_fd >= 0 && now_ms >= w->next_disk_look_ms) {
        w->next_disk_look_ms = now_ms + DISK_EVERY_MS;
        look_at_disk(w, s);
    }
    return (w->limits.disk_bytes > 0 && w->usage.disk_bytes > w->limits.disk_bytes) ||
           (w->limits.files > 0 && w->usage.files > w->limits.files);
}

static void count(struct box_watch *w, const struct sweep *s)
{
    struct box_usage *u = &w->usage;
    int64_t ticks = 0;
    u->processes = 0;
    for (int i = 0; i < s->count; i++) {
        u->processes += s->all[i].tasks;
        ticks += s->all[i].cpu_ticks;
    }
    /* What a dead child used is in its reaper's count. Where the box has them
     * reaped unseen (SIGCHLD ignored) it is in nobody's: RLIMIT_CPU bounds each
     * of those and the wall clock all of them. */
    u->cpu_ms = ticks * 1000 / sysconf(_SC_CLK_TCK);
    u->memory_bytes = look_at_memory(s);
    if (u->memory_bytes > u->memory_peak_bytes)
        u->memory_peak_bytes = u->memory_bytes;
}

enum outcome box_watch_look(struct box_watch *w)
{
    own_sweep struct sweep s = SWEEP_INIT;
    if (sweep_look(&s, w->uid, w->reaper_pid) < 0)
        return OUTCOME_host_error;
    count(w, &s);
    int64_t now_ms = clock_now_ms();
    if (memory_over(w, &s, now_ms))
        return OUTCOME_memory_limit;
    if (w->limits.processes > 0 && w->usage.processes > w->limits.processes)
        return OUTCOME_process_limit;
    if (disk_over(w, &s, now_ms))
        return OUTCOME_disk_limit;
    if (w->limits.cpu_ms > 0 && w->usage.cpu_ms + w->cpu_ms_reaped > w->limits.cpu_ms)
        return OUTCOME_cpu_limit;
    return OUTCOME_completed;
}
