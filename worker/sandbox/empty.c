/* Emptying a box: whatever its program started is dead afterwards.
 *
 * With a uid of its own: a helper takes that uid and calls kill(-1), which the
 * kernel makes atomic against fork. A hostile process may kill the helper
 * first, so it is done again until a sweep finds nothing (sandbox.md §2).
 * Without one: by the process group, which the seal makes and seccomp lets
 * nothing leave at that level. Either way the first blow comes before the first
 * look, which takes long while the box has all the cores. */
#include "box.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/own.h"
#include "helper.h"
#include "sweep.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HELPER_MS 200 /* at first; then twice as long each time, for it may starve */
#define HELPER_MAX_MS 1600
#define SETTLE_MS 50

static int64_t kill_all(const void *arg)
{
    (void)arg;
    return kill(-1, SIGKILL) < 0 && errno != ESRCH ? -errno : 0;
}

static int kill_uid(uid_t uid, int within_ms)
{
    /* For our own uid kill(-1) would end ourselves, and everybody. */
    if (uid == getuid() || uid == geteuid())
        return -EINVAL;
    int64_t answer = 0;
    int rc = helper_ask(uid, kill_all, NULL, within_ms, &answer);
    if (rc == -EPIPE) /* by what it was to kill: as if it were late */
        return -ETIMEDOUT;
    return rc < 0 ? rc : (int)answer;
}

/* Whom the group of a box's process may not be: it is struck as a whole. */
struct striker {
    pid_t ours, reapers, last;
};

static struct striker striker_for(pid_t reaper_pid)
{
    return (struct striker){.ours = getpgrp(), .reapers = getpgid(reaper_pid)};
}

/* Killing a group is as atomic against fork as kill(-1): a child that is born
 * while it happens is in the group too. One by one, a chain of processes that
 * each fork and exit would be ahead of the sweep for ever. False: it is no group
 * of the box's. */
static bool strike_group(struct striker *k, pid_t group)
{
    if (group <= 1 || group == k->ours || group == k->reapers)
        return false;
    if (group != k->last)
        kill(-group, SIGKILL); /* gone meanwhile: as well */
    k->last = group;
    return true;
}

/* Those whose parent the reaper is, and with their groups nearly always all there
 * are, at a twentieth of what a look at all of /proc costs. Some hundred processes
 * that never rest leave us a small part of the cores, in turns of milliseconds: a
 * look took up to 6 s then, and a helper was given up for dead three times. Whom
 * this does not reach (a kernel without the file, more children than there is room,
 * a group of its own), a look or the helper finds. */
static void strike_children(uid_t uid, pid_t reaper_pid)
{
    struct striker k = striker_for(reaper_pid);
    char name[64], pids[4096], *end;
    snprintf(name, sizeof name, "task/%d/children", (int)reaper_pid);
    if (sweep_read(reaper_pid, name, pids, sizeof pids) <= 0)
        return;
    for (char *at = pids; *at; at = end + 1) {
        pid_t pid = (pid_t)strtol(at, &end, 10);
        if (*end != ' ')
            return; /* cut short: that is another's number */
        if (!uid || sweep_is_owned(pid, uid))
            (void)strike_group(&k, getpgid(pid));
    }
}

/* Often the box shows only its zombies: the group that one belongs to is what
 * matters, not its state. */
static void strike_descendants(const struct sweep *s, pid_t reaper_pid)
{
    struct striker k = striker_for(reaper_pid);
    for (int i = 0; i < s->count; i++) {
        if (!strike_group(&k, s->all[i].group))
            kill(s->all[i].pid, SIGKILL);
    }
}

/* Whether whatever is in the box was struck: by uid that is certain, by descent
 * only when a look found somebody whose group could be. */
static int strike_all(struct sweep *s, uid_t uid, pid_t reaper_pid, int within_ms, bool *ret_struck)
{
    *ret_struck = true;
    if (reaper_pid)
        strike_children(uid, reaper_pid);
    if (uid)
        return kill_uid(uid, within_ms);
    int rc = sweep_look(s, 0, reaper_pid);
    if (rc < 0)
        return rc;
    strike_descendants(s, reaper_pid);
    *ret_struck = s->count > 0;
    return 0;
}

/* Waits for the ends of those that still live, for a moment. */
static void settle(const struct sweep *s)
{
    int64_t until_ms = clock_now_ms() + SETTLE_MS;
    for (int i = 0; i < s->count; i++) {
        int64_t left_ms = until_ms - clock_now_ms();
        if (left_ms <= 0)
            return;
        if (s->all[i].zombie)
            continue;
        own_fd int fd = (int)syscall(SYS_pidfd_open, s->all[i].pid, 0);
        struct pollfd ended = {.fd = fd, .events = POLLIN};
        if (fd >= 0)
            (void)poll(&ended, 1, (int)left_ms);
    }
}

/* Strikes once, then looks. A look alone proves nothing: what forks and exits
 * all the time can hide from it; after a strike that landed, nothing is born. */
static int strike(struct sweep *s, uid_t uid, pid_t reaper_pid, int within_ms)
{
    bool struck;
    int rc = strike_all(s, uid, reaper_pid, within_ms, &struck);
    if (rc == 0)
        rc = sweep_look(s, uid, reaper_pid);
    if (rc < 0)
        return rc;
    bool empty = s->count == 0 || (struck && sweep_living(s) == 0);
    return empty ? 0 : -EAGAIN;
}

/* In front of everybody, where we may be (CAP_SYS_NICE, which a container's root has
 * not): of hundreds of processes each in a session of its own, which the kernel gives
 * equal parts of the cores, no first blow reaches all, and to start the helper that
 * does took up to 1.7 s. It inherits this. What was before, or -1. */
static int hurry(void)
{
    int before = sched_getscheduler(0);
    const struct sched_param least = {.sched_priority = 1};
    bool can = before != SCHED_FIFO && before != SCHED_RR;
    return can && sched_setscheduler(0, SCHED_RR, &least) == 0 ? before : -1;
}

static void calm_down(const int *before)
{
    const struct sched_param none = {0};
    if (*before >= 0)
        (void)sched_setscheduler(0, *before, &none); /* one may always have less */
}

int box_empty(uid_t uid, pid_t reaper_pid, int64_t within_ms, struct err *e)
{
    own_sweep struct sweep s = SWEEP_INIT;
    int64_t deadline_ms = clock_now_ms() + within_ms;
    int before __attribute__((cleanup(calm_down), unused)) = hurry();
    for (int helper_ms = HELPER_MS;; helper_ms *= helper_ms < HELPER_MAX_MS ? 2 : 1) {
        int rc = strike(&s, uid, reaper_pid, helper_ms);
        if (rc == 0)
            return 0;
        if (rc != -EAGAIN && rc != -ETIMEDOUT)
            return err_errno(e, rc, FAULT_HOST, "empty the box of uid %u", (unsigned)uid);
        settle(&s);
        if (clock_now_ms() >= deadline_ms)
            return err_set(e, -ETIMEDOUT, FAULT_HOST, "empty the box of uid %u: %d are left",
                           (unsigned)uid, box_count(uid, reaper_pid));
    }
}

int box_count(uid_t uid, pid_t reaper_pid)
{
    own_sweep struct sweep s = SWEEP_INIT;
    int rc = sweep_look(&s, uid, reaper_pid);
    return rc < 0 ? rc : sweep_living(&s);
}
