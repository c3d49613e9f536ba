/* Beats: every third of the lease, on a connection of their own, from the loop.
 * The answer carries what the worker has to know: cancelled, too late, or no
 * longer ours. Progress travels with a beat, at most one a second. Between
 * beats, and only while something runs, two looks a second at cancel:<id>. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/json.h"
#include "../base/own.h"
#include "queue_redis.h"

#define PROGRESS_MS 1000
#define PROGRESS_MAX_BYTES 2048
#define CANCEL_POLL_MS 500
#define RETRY_MS 1000
#define GIVE_UP_MS (10 * 60 * 1000) /* without Redis: somebody else has it by then */
#define CANCEL_KEYS_MAX 64

static void on_beat(struct queue_redis *q, struct lent *l, const struct reply *reply);

/* ---- telling the caller ---- */

static void tell_lost(struct queue_redis *q, struct lent *l, enum claim_lost why)
{
    if (l->state != LENT_HELD || !l->known || l->told_end)
        return;
    l->told_end = true;
    l->told_why = why;
    if (why == CLAIM_STALE)
        queue_timer_stop(q, &l->beat);
    if (q->events.on_lost)
        q->events.on_lost(q->events.arg, &l->claim, why);
}

/* ---- when ---- */

static void send_beat(struct queue_redis *q, struct lent *l);

static int64_t third_ms(const struct queue_redis *q)
{
    return clock_jitter_ms(q->config->lease_ms / 3, 10);
}

static void schedule(struct queue_redis *q, struct lent *l)
{
    int64_t due_ms = l->beat_due_ms;
    if (l->gone || l->beating || (l->told_end && l->told_why == CLAIM_STALE))
        return;
    if (l->progress && l->progress_ms + PROGRESS_MS < due_ms)
        due_ms = l->progress_ms + PROGRESS_MS;
    queue_timer(q, &l->beat, due_ms - clock_now_ms(), send_beat, l);
}

static void send_beat(struct queue_redis *q, struct lent *l)
{
    if (l->beating || l->gone)
        return;
    if (clock_now_ms() - l->beat_ok_ms > GIVE_UP_MS) {
        tell_lost(q, l, CLAIM_STALE);
        return;
    }
    struct script_call call = {.script = SCRIPT_beat,
                               .id = l->id,
                               .argc = 2,
                               .argv = {l->claim.nonce, l->progress},
                               .deadline_ms = q->config->lease_ms / 3 + 100};
    l->beating = true;
    if (l->progress) {
        free(l->shown);
        l->shown = steal_ptr(&l->progress);
        l->progress_ms = clock_now_ms();
    }
    queue_ask_script(q, &q->renewals, &call, on_beat, l);
}

static void on_cancels(struct queue_redis *q, struct lent *l, const struct reply *reply);

static void poll_cancels(struct queue_redis *q, struct lent *unused)
{
    char keys[CANCEL_KEYS_MAX][KEY_MAX];
    const char *argv[CANCEL_KEYS_MAX + 1] = {"MGET"};
    int n = 0;
    (void)unused;
    for (const struct lent *l = q->lents; l && n < CANCEL_KEYS_MAX; l = l->next)
        if (l->state == LENT_HELD && !l->told_end) {
            keys_of(&q->keys, "cancel", l->id, keys[n]);
            argv[n + 1] = keys[n];
            n++;
        }
    if (n == 0 || q->polling_cancels)
        return; /* begins again with the next claim */
    q->polling_cancels = true;
    queue_ask(q, q->commands, &(struct redis_request){.argc = n + 1, .argv = argv}, on_cancels,
              NULL);
}

static void on_cancels(struct queue_redis *q, struct lent *unused, const struct reply *reply)
{
    bool any = false;
    (void)unused;
    q->polling_cancels = false;
    if (reply->raw && reply->raw->type == REDIS_REPLY_ARRAY)
        for (size_t i = 0; i < reply->raw->elements; i++)
            any = any || reply->raw->element[i]->type == REDIS_REPLY_STRING;
    /* Which one, the beat's answer says; it is also what decides. */
    for (struct lent *l = q->lents, *next; any && l; l = next) {
        next = l->next;
        if (l->state == LENT_HELD && !l->told_end)
            send_beat(q, l);
    }
    queue_timer(q, &q->cancels, CANCEL_POLL_MS, poll_cancels, NULL);
}

void queue_beat_start(struct queue_redis *q, struct lent *l)
{
    l->beat_ok_ms = clock_now_ms();
    l->beat_due_ms = l->beat_ok_ms + third_ms(q);
    schedule(q, l);
    if (!q->cancels.timer.set && !q->polling_cancels)
        queue_timer(q, &q->cancels, CANCEL_POLL_MS, poll_cancels, NULL);
}

void queue_beat_now(struct queue_redis *q)
{
    for (struct lent *l = q->lents, *next; l; l = next) {
        next = l->next; /* telling of a loss may free it */
        if (l->state != LENT_CLAIMING && !(l->told_end && l->told_why == CLAIM_STALE))
            send_beat(q, l);
    }
    if (!q->cancels.timer.set && !q->polling_cancels)
        queue_timer(q, &q->cancels, CANCEL_POLL_MS, poll_cancels, NULL);
}

/* ---- what came back ---- */

static void on_adopt(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    l->beating = false;
    if (!reply->raw || reply->error) {
        l->beat_due_ms = clock_now_ms() + RETRY_MS;
    } else if (strcmp(reply->verdict, "ok") == 0) {
        l->beat_ok_ms = clock_now_ms();
        l->beat_due_ms = l->beat_ok_ms + third_ms(q);
    } else {
        tell_lost(q, l, CLAIM_STALE);
    }
    schedule(q, l);
}

/* Not ours any more. If nobody has it, Redis forgot (rolled back) or we were
 * away for long: take it again under the same nonce, the render goes on. */
static void stale(struct queue_redis *q, struct lent *l, const char *state)
{
    if (l->state != LENT_HELD) { /* its end was stored, or will hear of it */
        l->beat_due_ms = clock_now_ms() + third_ms(q);
        schedule(q, l);
    } else if (strcmp(state, "queued") == 0 && !l->told_end) {
        l->beating = true;
        queue_adopt(q, l, &q->renewals, on_adopt);
    } else {
        tell_lost(q, l, CLAIM_STALE);
    }
}

static void on_beat(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    l->beating = false;
    int64_t now_ms = clock_now_ms();
    l->beat_due_ms = now_ms + RETRY_MS;
    if (!reply->raw || reply->error) {
        if (reply->error)
            queue_warn(q, "beat", reply->error);
        schedule(q, l);
        return;
    }
    if (strcmp(reply->verdict, "stale") == 0) {
        stale(q, l, reply_text(reply, 2));
        return;
    }
    l->beat_ok_ms = now_ms;
    l->beat_due_ms = now_ms + third_ms(q);
    if (strcmp(reply->verdict, "cancel") == 0)
        tell_lost(q, l, CLAIM_CANCELLED);
    else if (strcmp(reply->verdict, "expired") == 0)
        tell_lost(q, l, CLAIM_EXPIRED);
    schedule(q, l);
}

void queue_op_progress(struct queue *base, struct claim *c, const char *json)
{
    struct queue_redis *q = queue_redis_of(base);
    struct lent *l = c->queue;
    size_t bytes = strlen(json);
    own_json cJSON *checked = NULL;
    /* It is put into a channel's message as it is: it must be JSON, and short. */
    if (bytes > PROGRESS_MAX_BYTES || json_parse(json, bytes, 0, &checked, NULL) < 0)
        return;
    free(l->progress);
    l->progress = own_strdup(json);
    schedule(q, l);
}
