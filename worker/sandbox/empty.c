/* Emptying a box: whatever its program started is dead afterwards.
 *
 * With a uid of its own: a helper takes that uid and calls kill(-1), which the
 * kernel makes atomic against fork. A hostile process may kill the helper
 * first, so it is done again until a sweep finds nothing (sandbox.md §2).
 * Without one: by the process group, which the seal makes and seccomp lets
 * nothing leave at that level. */
#include "box.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/own.h"
#include "helper.h"
#include "sweep.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HELPER_MS 200
#define SETTLE_MS 20

static int64_t kill_all(const void *arg)
{
    (void)arg;
    return kill(-1, SIGKILL) < 0 && errno != ESRCH ? -errno : 0;
}

static int kill_uid(uid_t uid)
{
    /* For our own uid kill(-1) would end ourselves, and everybody. */
    if (uid == getuid() || uid == geteuid())
        return -EINVAL;
    int64_t answer = 0;
    int rc = helper_ask(uid, kill_all, NULL, HELPER_MS, &answer);
    if (rc == -EPIPE) /* by what it was to kill: as if it were late */
        return -ETIMEDOUT;
    return rc < 0 ? rc : (int)answer;
}

/* Killing a group is as atomic against fork as kill(-1): a child that is born
 * while it happens is in the group too. One by one, a chain of processes that
 * each fork and exit would be ahead of the sweep for ever. Often it shows only
 * its zombies: the group that one belongs to is what matters, not its state. */
static void kill_descendants(const struct sweep *s, pid_t reaper_pid)
{
    pid_t ours = getpgrp(), reapers = getpgid(reaper_pid);
    for (int i = 0; i < s->count; i++) {
        const struct sweep_process *p = &s->all[i];
        bool apart = p->group > 1 && p->group != ours && p->group != reapers;
        kill(apart ? -p->group : p->pid, SIGKILL); /* gone meanwhile: as well */
    }
}

/* Whether whatever is in the box was struck: by uid that is certain, by descent
 * only when a look found somebody whose group could be. */
static int strike_all(struct sweep *s, uid_t uid, pid_t reaper_pid, bool *ret_struck)
{
    *ret_struck = true;
    if (uid)
        return kill_uid(uid);
    int rc = sweep_look(s, 0, reaper_pid);
    if (rc < 0)
        return rc;
    kill_descendants(s, reaper_pid);
    *ret_struck = s->count > 0;
    return 0;
}

/* Waits for the end of one that still lives, for a moment. */
static void settle(const struct sweep *s)
{
    for (int i = 0; i < s->count; i++) {
        if (s->all[i].zombie)
            continue;
        own_fd int fd = (int)syscall(SYS_pidfd_open, s->all[i].pid, 0);
        struct pollfd ended = {.fd = fd, .events = POLLIN};
        if (fd >= 0 && poll(&ended, 1, SETTLE_MS) >= 0)
            return;
    }
}

/* Strikes once, then looks. A look alone proves nothing: what forks and exits
 * all the time can hide from it; after a strike that landed, nothing is born. */
static int strike(struct sweep *s, uid_t uid, pid_t reaper_pid)
{
    bool struck;
    int rc = strike_all(s, uid, reaper_pid, &struck);
    if (rc == 0)
        rc = sweep_look(s, uid, reaper_pid);
    if (rc < 0)
        return rc;
    bool empty = s->count == 0 || (struck && sweep_living(s) == 0);
    return empty ? 0 : -EAGAIN;
}

int box_empty(uid_t uid, pid_t reaper_pid, int64_t within_ms, struct err *e)
{
    own_sweep struct sweep s = SWEEP_INIT;
    int64_t deadline_ms = clock_now_ms() + within_ms;
    for (;;) {
        int rc = strike(&s, uid, reaper_pid);
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
