/* Claims: candidates are read from the ready index, picked here, and confirmed
 * by claim.lua one by one under a nonce made beforehand. A claim whose answer
 * got lost is asked for again with the same nonce. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/own.h"
#include "job.h"
#include "queue_redis.h"

#define LOOK_MORE 7 /* than there are slots: some may be gone, or ours */

/* Randomness is drawn for several at once: each draw costs more than all else here. */
static void make_nonce(struct queue_redis *q, char ret[JOB_NONCE_CHARS + 1])
{
    if (q->random_left == 0) {
        if (RAND_bytes(q->random[0], sizeof(q->random)) != 1)
            abort(); /* no randomness, no fencing */
        q->random_left = NONCES_DRAWN;
    }
    q->random_left--;
    hex_of(q->random[q->random_left], sizeof(q->random[0]), ret);
}

static void ask_claim(struct queue_redis *q, struct lent *l, struct script_line *line, queue_fn *fn)
{
    char crashes[16] = "";
    if (l->state == LENT_CLAIMING && !l->alone)
        snprintf(crashes, sizeof(crashes), "%d", SUSPECT_CRASHES);
    struct script_call call = {
        .script = SCRIPT_claim, .id = l->id, .argc = 2, .argv = {l->claim.nonce, crashes}};
    queue_ask_script(q, line, &call, fn, l);
}

void queue_adopt(struct queue_redis *q, struct lent *l, struct script_line *line, queue_fn *fn)
{
    ask_claim(q, l, line, fn);
}

/* ---- granted ---- */

/* The hash has the last word on times: requeueing clears them there. */
static void read_grant(struct lent *l, const struct reply *reply)
{
    l->claim.attempt = (int)reply_number(reply, 3);
    l->claim.crashes = (int)reply_number(reply, 4);
    l->claim.enqueued_unix_ms = reply_number(reply, 5);
    l->claim.claimed_unix_ms = reply->now_ms;
    l->claim.job.expires_ms = reply_number(reply, 6);
    l->claim.job.deadline_ms = reply_number(reply, 7);
    l->fails = (int)reply_number(reply, 8);
}

static int read_payload(struct queue_redis *q, struct lent *l, const redisReply *payload,
                        struct err *e)
{
    if (!payload || !payload->str)
        return err_set(e, -EINVAL, FAULT_PEER, "job: has no payload");
    job_free(&l->claim.job);
    return job_parse(payload->str, payload->len, q->config, l->id, &l->claim.job, e);
}

static void hold(struct queue_redis *q, struct lent *l)
{
    l->state = LENT_HELD;
    queue_beat_start(q, l);
    queue_hello_soon(q);
}

static void hand_on(struct queue_redis *q, struct lent *l)
{
    q->free_slots--;
    l->known = true;
    q->events.on_claim(q->events.arg, &l->claim);
}

static void granted(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    struct err e = ERR_INIT;
    const redisReply *payload = reply->raw->elements > 2 ? reply->raw->element[2] : NULL;
    int rc = read_payload(q, l, payload, &e);
    if (rc == 0 && strcmp(l->claim.job.id, l->id) != 0)
        rc = err_set(&e, -EINVAL, FAULT_PEER, "job: its payload is of another id");
    read_grant(l, reply);
    hold(q, l);
    if (rc < 0) { /* admitted by a worker with other maxima, or tampered with */
        own_free char *result = queue_plain_result(l->id, OUTCOME_source_rejected, e.text);
        queue_end(q, l, OUTCOME_source_rejected, result);
        return;
    }
    hand_on(q, l);
}

/* The offer was taken back meanwhile. */
static bool give_back(struct queue_redis *q, struct lent *l)
{
    if (q->free_slots > 0)
        return false;
    l->state = LENT_HELD;
    queue_op_release(&q->base, &l->claim);
    return true;
}

static void on_claim(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    l->asked = false;
    if (!reply->raw)
        return; /* queue_claim_again() when the line is back */
    q->claiming--;
    if (reply->error) {
        queue_warn(q, "claim", reply->error); /* the tick tries again */
        queue_lent_drop(q, l);
        return;
    }
    if (strcmp(reply->verdict, "suspect") == 0) {
        q->stands_aside = true; /* until the tick: somebody else may have taken it */
        q->ready_empty = false;
        queue_lent_drop(q, l);
    } else if (strcmp(reply->verdict, "ok") != 0) {
        q->ready_empty = false;
        queue_lent_drop(q, l);
    } else if (!give_back(q, l)) {
        granted(q, l, reply);
    }
    if (q->closed)
        return;
    if (!q->ready_empty)
        queue_look(q);
    queue_feed(q);
}

static bool held(const struct queue_redis *q, const char *id)
{
    for (const struct lent *l = q->lents; l; l = l->next)
        if (strcmp(l->id, id) == 0)
            return true;
    return false;
}

/* Under a nonce of its own; to be asked for at once. */
static struct lent *new_claim(struct queue_redis *q, const char *id)
{
    struct lent *l = queue_lent_new(q, id);
    make_nonce(q, l->claim.nonce);
    l->state = LENT_CLAIMING;
    l->asked = true;
    q->claiming++;
    return l;
}

static void ask_first(struct queue_redis *q, const char *id)
{
    struct lent *l = new_claim(q, id);
    l->alone = !l->next;
    ask_claim(q, l, &q->calls, on_claim);
}

/* ---- with its admission ---- */

struct lent *queue_claim_ahead(struct queue_redis *q, struct job *job)
{
    if (held(q, job->id))
        return NULL;
    struct lent *l = new_claim(q, job->id);
    l->claim.job = *job;
    *job = (struct job){0};
    return l;
}

/* As new as its text: there was no attempt before. */
static void granted_new(struct queue_redis *q, struct lent *l, int64_t now_ms)
{
    l->claim.attempt = 1;
    l->claim.enqueued_unix_ms = l->claim.claimed_unix_ms = now_ms;
    hold(q, l);
    hand_on(q, l);
}

void queue_claim_admitted(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    l->asked = false;
    if (!reply->raw)
        return; /* queue_claim_again() when the line is back */
    q->claiming--;
    if (reply->error || strcmp(reply->verdict, "active") != 0)
        queue_lent_drop(q, l);
    else if (!give_back(q, l))
        granted_new(q, l, reply->now_ms);
}

void queue_claim_again(struct queue_redis *q)
{
    for (struct lent *l = q->lents; l; l = l->next)
        if (l->state == LENT_CLAIMING && !l->asked) {
            l->asked = true;
            ask_claim(q, l, &q->calls, on_claim);
        }
}

/* ---- what is queued ---- */

static void on_spread(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    if (reply->error)
        queue_warn(q, "wake", reply->error);
}

/* We have queued more than we can take: whoever waits may look. */
static void spread(struct queue_redis *q)
{
    struct script_call call = {.script = SCRIPT_wake, .id = ""};
    if (q->spread == 0)
        return;
    q->spread = 0;
    queue_ask_script(q, &q->calls, &call, on_spread, NULL);
}

bool queue_takes_more(const struct queue_redis *q)
{
    if (q->free_slots <= q->claiming || q->stands_aside)
        return false;
    /* While it asks for its first, that one may be a suspect. */
    for (const struct lent *l = q->lents; l; l = l->next)
        if ((l->state == LENT_CLAIMING && l->alone) || l->claim.crashes >= SUSPECT_CRASHES)
            return false;
    return true;
}

static void on_ready(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    q->looking = false;
    if (!reply->raw || reply->error || reply->raw->type != REDIS_REPLY_ARRAY) {
        if (reply->error)
            queue_warn(q, "ready", reply->error);
        return;
    }
    size_t i = 0, count = reply->raw->elements;
    for (; i < count && queue_takes_more(q); i++) {
        const char *id = reply_text(reply, i);
        if (job_valid_id(id) && !held(q, id))
            ask_first(q, id);
    }
    q->ready_empty = i == count && count < q->looked_for;
    if (count == 0)
        q->spread = 0;
    if (q->look_again)
        queue_look(q);
    queue_feed(q);
}

void queue_look(struct queue_redis *q)
{
    char last[16];
    q->look_again = q->looking;
    if (q->looking || !queue_usable(q))
        return;
    if (!q->lents)
        q->stands_aside = false;
    if (!queue_takes_more(q)) {
        q->ready_empty = false; /* for all we know */
        spread(q);
        return;
    }
    q->looked_for = (size_t)(q->free_slots - q->claiming + LOOK_MORE);
    snprintf(last, sizeof(last), "%zu", q->looked_for - 1);
    const char *argv[] = {"ZRANGE", q->keys.ready, "0", last};
    q->looking = true;
    queue_ask(q, q->commands, &(struct redis_request){.argc = 4, .argv = argv}, on_ready, NULL);
}

void queue_fill(struct queue_redis *q)
{
    if (!q->ready_empty || inbox_waiting(&q->inbox) == 0)
        queue_look(q);
    queue_feed(q);
}
