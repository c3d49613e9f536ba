/* Slots, attempts, drain, orphans. What a slot does is slot_table.c + slot.c. */
#include "supervisor.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../base/err.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "slot.h"

#define ABANDON_MS 5000

static const char *const stage_names[STAGE_COUNT] = {
    [STAGE_FETCH] = "fetch", [STAGE_RENDER] = "render", [STAGE_STORE] = "store"};

const char *stage_name(enum stage stage)
{
    return stage_names[stage];
}

int stage_from_name(const char *name)
{
    for (int i = 0; i < STAGE_COUNT; i++)
        if (!strcmp(name, stage_names[i]))
            return i;
    return -1;
}

int supervisor_new(const struct supervisor_spec *spec, struct supervisor **ret, struct err *e)
{
    assert(spec->slots >= 1 && spec->slots <= SUPERVISOR_SLOTS_MAX);
    assert(spec->judge && spec->on_end);
    struct supervisor *s = own_calloc(1, sizeof *s);
    s->spec = *spec;
    s->workdir = (struct workdir)WORKDIR_INIT;
    int rc = workdir_open(&s->workdir, spec->work_dir, e);
    if (rc) {
        free(s);
        return rc;
    }
    /* What a killed stage leaves behind comes to us, and is reaped by us. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    s->slots = own_calloc((size_t)spec->slots, sizeof *s->slots);
    for (int i = 0; i < spec->slots; i++)
        slot_init(&s->slots[i], s, i);
    *ret = s;
    return 0;
}

void *supervisor_free(struct supervisor *s)
{
    if (!s)
        return NULL;
    loop_timer_cancel(s->spec.loop, &s->drain);
    for (int i = 0; i < s->spec.slots; i++)
        slot_abandon(&s->slots[i], ABANDON_MS);
    supervisor_reap(s);
    workdir_done(&s->workdir);
    free(s->slots);
    free(s);
    return NULL;
}

int supervisor_free_slots(const struct supervisor *s)
{
    int count = 0;
    for (int i = 0; i < s->spec.slots && !s->draining; i++)
        count += s->slots[i].state == SLOT_FREE;
    return count;
}

bool supervisor_idle(const struct supervisor *s)
{
    for (int i = 0; i < s->spec.slots; i++)
        if (s->slots[i].state != SLOT_FREE)
            return false;
    return true;
}

int supervisor_start(struct supervisor *s, const struct attempt *a, struct err *e)
{
    struct slot *slot = NULL;
    for (int i = 0; i < s->spec.slots && !s->draining && !slot; i++)
        if (s->slots[i].state == SLOT_FREE)
            slot = &s->slots[i];
    if (!slot)
        return err_set(e, -EBUSY, FAULT_HOST, "start job \"%s\": no slot is free", a->job->id);
    struct attempt_dir dir = ATTEMPT_DIR_INIT;
    int rc = workdir_make(&s->workdir, a, &dir, e);
    if (rc)
        return rc;
    slot->dir = dir;
    slot->job = a->job;
    slot->user = a->user;
    slot->end = (struct attempt_end){.outcome = OUTCOME_completed};
    slot->stop = STOP_NONE;
    slot->complained = false;
    snprintf(slot->id, sizeof slot->id, "%s", a->job->id);
    snprintf(slot->nonce, sizeof slot->nonce, "%s", a->nonce);
    slot_event(slot, EVENT_START);
    return 0;
}

static void tell(struct supervisor *s, void *user, enum slot_event event)
{
    for (int i = 0; i < s->spec.slots; i++)
        if (s->slots[i].state != SLOT_FREE && s->slots[i].state != SLOT_EMPTYING &&
            s->slots[i].user == user)
            slot_event(&s->slots[i], event);
}

void supervisor_cancel(struct supervisor *s, void *user)
{
    tell(s, user, EVENT_CANCEL);
}

void supervisor_reload(struct supervisor *s, char **const stage_env[STAGE_COUNT], int64_t fetch_ms,
                       int64_t store_ms)
{
    for (int i = 0; i < STAGE_COUNT; i++)
        s->spec.stage_env[i] = stage_env[i];
    s->spec.fetch_ms = fetch_ms;
    s->spec.store_ms = store_ms;
}

void supervisor_lost(struct supervisor *s, void *user)
{
    tell(s, user, EVENT_LEASE_LOST);
}

void supervisor_reported(struct supervisor *s, void *user)
{
    tell(s, user, EVENT_DONE);
}

static void on_drain_time(void *arg)
{
    struct supervisor *s = arg;
    for (int i = 0; i < s->spec.slots; i++)
        slot_event(&s->slots[i], EVENT_DRAIN);
}

void supervisor_drain(struct supervisor *s, int64_t timeout_ms)
{
    s->draining = true;
    loop_timer_cancel(s->spec.loop, &s->drain);
    if (timeout_ms > 0)
        loop_timer(s->spec.loop, &s->drain, timeout_ms, on_drain_time, s);
    else
        on_drain_time(s);
}

static bool is_known(const struct supervisor *s, pid_t pid)
{
    for (int i = 0; i < s->spec.slots; i++)
        if (s->slots[i].child.pid == pid)
            return true;
    return s->spec.is_child && s->spec.is_child(s->spec.arg, pid);
}

/* Looks at the first dead child without reaping it: one that somebody waits
 * for is left to him, and the rest comes with the next SIGCHLD or poll. */
int supervisor_reap(struct supervisor *s)
{
    int reaped = 0;
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
            return reaped;
        if (is_known(s, info.si_pid) || waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG))
            return reaped;
        reaped++;
    }
}
