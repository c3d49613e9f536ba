/* What a slot does: one function an action of the table, and the end of a stage
 * turned into an event. */
#include "slot.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"
#include "../base/own.h"
#include "slot_report.h"
#include "spawn.h"

#define RENDER_GRACE_MS 30000 /* the keeper enforces the job's own limit */
#define OVERRUN_KILL_MS 5000  /* from SIGTERM to SIGKILL */
#define CANCEL_KILL_MS 3000
#define EMPTY_POLL_MS 20
#define EMPTY_COMPLAIN_MS 30000
#define EMPTY_SLOW_POLL_MS 1000 /* once it has been complained about */

/* Its own session is its process group; a stage that has not come as far as
 * setsid() is reached by its pid. */
static void signal_stage(struct slot *slot, int signo)
{
    if (slot->child.pid <= 0)
        return;
    if (signo == SIGKILL)
        kill(-slot->child.pid, signo);
    kill(slot->child.pid, signo);
}

static void on_kill_time(void *arg)
{
    struct slot *slot = arg;
    log_job(LOG_WARN, slot->id, "stage %s did not stop when asked to, killing it",
            stage_name(slot->stage));
    signal_stage(slot, SIGKILL);
}

static void stop_stage(struct slot *slot, enum slot_stop why, int64_t kill_after_ms)
{
    if (slot->stop != STOP_NONE && why != STOP_CANCEL)
        return;
    bool asked = slot->stop != STOP_NONE;
    slot->stop = why;
    loop_timer_cancel(slot->owner->spec.loop, &slot->deadline);
    if (asked)
        return;
    signal_stage(slot, SIGTERM);
    loop_timer(slot->owner->spec.loop, &slot->kill, kill_after_ms, on_kill_time, slot);
}

static void on_deadline(void *arg)
{
    slot_event(arg, EVENT_DEADLINE);
}

/* ---- the end of a stage ---- */

static void fault_ours(struct slot *slot, const char *what, int number)
{
    slot->end.outcome = OUTCOME_host_error;
    snprintf(slot->end.why, sizeof slot->end.why, "stage %s %s %d", stage_name(slot->stage), what,
             number);
}

static enum slot_event judge_stopped(struct slot *slot)
{
    switch (slot->stop) {
    case STOP_CANCEL:
        slot->end.outcome = OUTCOME_cancelled;
        return EVENT_JOB_FAULT;
    case STOP_RELEASE:
        slot->end.released = true;
        slot->end.outcome = OUTCOME_host_error;
        return EVENT_OUR_FAULT;
    case STOP_NONE:
    case STOP_OVERRUN:
        break;
    }
    slot->end.outcome = OUTCOME_host_error;
    int64_t took_ms = slot->end.stages[slot->stage].end_ms - slot->end.stages[slot->stage].start_ms;
    snprintf(slot->end.why, sizeof slot->end.why,
             "stage %s was stopped after %lld ms: it did not end by itself",
             stage_name(slot->stage), (long long)took_ms);
    return EVENT_OUR_FAULT;
}

/* Judged from outside: who killed it, which exit. Only an exit of 1 or 3 lets
 * the stage's own file say more. */
static enum slot_event judge_exit(struct slot *slot, int status)
{
    if (WIFSIGNALED(status)) {
        fault_ours(slot, "was killed by signal", WTERMSIG(status));
        return EVENT_OUR_FAULT;
    }
    int code = WEXITSTATUS(status);
    if (code == STAGE_DONE)
        return EVENT_DONE;
    if (code != STAGE_JOB_FAULT && code != STAGE_HOST_FAULT) {
        fault_ours(slot, "exited with", code);
        return EVENT_OUR_FAULT;
    }
    const struct supervisor_spec *spec = &slot->owner->spec;
    slot->end.outcome = spec->judge(spec->arg, slot->dir.path, slot->stage, code, slot->end.why);
    return outcome_is_host_fault(slot->end.outcome) ? EVENT_OUR_FAULT : EVENT_JOB_FAULT;
}

static void on_stage_exit(void *arg, int status)
{
    struct slot *slot = arg;
    struct loop *loop = slot->owner->spec.loop;
    slot_read_report(slot);
    slot_close_report(slot);
    loop_timer_cancel(loop, &slot->deadline);
    loop_timer_cancel(loop, &slot->kill);
    slot->end.stages[slot->stage].end_ms = clock_now_ms();
    if (slot->state == SLOT_EMPTYING)
        slot_event(slot, EVENT_DONE);
    else if (slot->stop != STOP_NONE)
        slot_event(slot, judge_stopped(slot));
    else
        slot_event(slot, judge_exit(slot, status));
}

/* ---- actions ---- */

static int64_t stage_deadline_ms(const struct slot *slot)
{
    const struct supervisor_spec *spec = &slot->owner->spec;
    switch (slot->stage) {
    case STAGE_FETCH:
        return spec->fetch_ms;
    case STAGE_RENDER:
        return slot->job->limits.wall_ms + RENDER_GRACE_MS;
    case STAGE_STORE:
    case STAGE_COUNT:
        break;
    }
    return spec->store_ms;
}

static int start_stage(struct slot *slot, struct err *e)
{
    const struct supervisor_spec *spec = &slot->owner->spec;
    struct spawn_spec s = {
        .manimd = spec->manimd,
        .stage = slot->stage,
        .dir = slot->dir.path,
        .env = spec->stage_env[slot->stage],
        .nonce = slot->nonce,
        .zygote_fd = -1,
    };
    if (spec->uids)
        s.uids = spec->uids(spec->arg, slot->index);
    own_fd int lent = -1;
    if (slot->stage == STAGE_RENDER && spec->lend)
        lent = spec->lend(spec->arg);
    s.zygote_fd = lent;
    pid_t pid;
    own_fd int report_fd = -1;
    int rc = spawn_stage(&s, &pid, &report_fd, e);
    if (rc)
        return rc;
    slot->end.stages[slot->stage].start_ms = clock_now_ms();
    rc = loop_child(spec->loop, &slot->child, pid, on_stage_exit, slot);
    if (rc) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return err_errno(e, rc, FAULT_HOST, "watch stage %s", stage_name(slot->stage));
    }
    loop_timer(spec->loop, &slot->deadline, stage_deadline_ms(slot), on_deadline, slot);
    return slot_open_report(slot, steal_fd(&report_fd), e);
}

static void action_run(struct slot *slot)
{
    static const enum stage stages[SLOT_STATE_COUNT] = {
        [SLOT_FETCH] = STAGE_FETCH, [SLOT_RENDER] = STAGE_RENDER, [SLOT_STORE] = STAGE_STORE};
    slot->stage = stages[slot->state];
    if (slot->stage == STAGE_FETCH && !slot->job->source && !slot->job->asset_count) {
        slot_event(slot, EVENT_DONE); /* nothing to fetch */
        return;
    }
    struct err e = ERR_INIT;
    if (!start_stage(slot, &e))
        return;
    slot->end.outcome = OUTCOME_host_error;
    snprintf(slot->end.why, sizeof slot->end.why, "%.500s", e.text);
    if (slot->child.pid > 0)
        signal_stage(slot, SIGKILL); /* its exit is our fault, by signal */
    else
        slot_event(slot, EVENT_OUR_FAULT);
}

static void action_overrun(struct slot *slot)
{
    stop_stage(slot, STOP_OVERRUN, OVERRUN_KILL_MS);
}

static void action_cancel(struct slot *slot)
{
    stop_stage(slot, STOP_CANCEL, CANCEL_KILL_MS);
}

static void action_release(struct slot *slot)
{
    stop_stage(slot, STOP_RELEASE, CANCEL_KILL_MS);
}

static void action_report(struct slot *slot)
{
    const struct supervisor_spec *spec = &slot->owner->spec;
    slot->end.dir = slot->dir.path;
    spec->on_end(spec->arg, slot->user, &slot->end);
}

static void on_poll(void *arg)
{
    struct slot *slot = arg;
    const struct supervisor_spec *spec = &slot->owner->spec;
    struct err e = ERR_INIT;
    int rc = spec->empty ? spec->empty(spec->arg, slot->index) : 0;
    if (!rc)
        rc = workdir_remove(&slot->owner->workdir, &slot->dir, &e);
    if (!rc) {
        slot_event(slot, EVENT_EMPTIED);
        return;
    }
    if (!slot->deadline.set && !slot->complained)
        loop_timer(spec->loop, &slot->deadline, EMPTY_COMPLAIN_MS, on_deadline, slot);
    loop_timer(spec->loop, &slot->poll, slot->complained ? EMPTY_SLOW_POLL_MS : EMPTY_POLL_MS,
               on_poll, slot);
}

static void action_empty(struct slot *slot)
{
    slot->job = NULL; /* the attempt is its owner's no more */
    slot->user = NULL;
    if (slot->child.pid > 0)
        return; /* dropped while its stage ran: its end comes here again */
    loop_timer_cancel(slot->owner->spec.loop, &slot->deadline);
    on_poll(slot);
}

static void action_drop(struct slot *slot)
{
    stop_stage(slot, STOP_CANCEL, CANCEL_KILL_MS);
    action_empty(slot);
}

static void action_complain(struct slot *slot)
{
    slot->complained = true; /* said once; from now on seldom looked at */
    log_job(LOG_ERROR, slot->id,
            "slot %d cannot be emptied: a process of it lives on, or \"%s\" cannot be removed; "
            "the slot stays out of use until it can",
            slot->index, slot->dir.path);
}

static void action_free(struct slot *slot)
{
    const struct supervisor_spec *spec = &slot->owner->spec;
    loop_timer_cancel(spec->loop, &slot->deadline);
    if (spec->on_free)
        spec->on_free(spec->arg, supervisor_free_slots(slot->owner));
}

static void action_ignore(struct slot *slot)
{
    (void)slot;
}

void slot_event(struct slot *slot, enum slot_event event)
{
    static void (*const actions[SLOT_ACTION_COUNT])(struct slot *) = {
        [ACTION_IGNORE] = action_ignore, [ACTION_BUG] = action_ignore,
        [ACTION_RUN] = action_run,       [ACTION_OVERRUN] = action_overrun,
        [ACTION_CANCEL] = action_cancel, [ACTION_RELEASE] = action_release,
        [ACTION_REPORT] = action_report, [ACTION_DROP] = action_drop,
        [ACTION_EMPTY] = action_empty,   [ACTION_COMPLAIN] = action_complain,
        [ACTION_FREE] = action_free,
    };
    struct slot_cell cell = slot_table[event][slot->state];
    if (cell.action == ACTION_BUG)
        log_at(LOG_ERROR, "bug: slot %d: event \"%s\" in state \"%s\"", slot->index,
               slot_event_name(event), slot_state_name(slot->state));
    slot->state = cell.next;
    actions[cell.action](slot);
}

void slot_init(struct slot *slot, struct supervisor *owner, int index)
{
    *slot = (struct slot){
        .owner = owner,
        .index = index,
        .dir = ATTEMPT_DIR_INIT,
        .child = CHILD_INIT,
        .report = WATCH_INIT,
        .line = BUF_INIT(0),
    };
    slot_report_init(slot);
}

void slot_abandon(struct slot *slot, int64_t within_ms)
{
    const struct supervisor_spec *spec = &slot->owner->spec;
    if (slot->child.pid > 0) {
        signal_stage(slot, SIGKILL);
        (void)waitpid(slot->child.pid, NULL, 0); /* SIGKILL is not refused */
        loop_child_forget(&slot->child);
    }
    slot_close_report(slot);
    loop_timer_cancel(spec->loop, &slot->deadline);
    loop_timer_cancel(spec->loop, &slot->kill);
    loop_timer_cancel(spec->loop, &slot->poll);
    int64_t until_ms = clock_now_ms() + within_ms;
    while (slot->state != SLOT_FREE && spec->empty && spec->empty(spec->arg, slot->index) &&
           clock_now_ms() < until_ms)
        usleep(EMPTY_POLL_MS * 1000);
    (void)workdir_remove(&slot->owner->workdir, &slot->dir, NULL); /* going anyway */
}
