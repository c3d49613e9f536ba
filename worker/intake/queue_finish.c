/* The end of an attempt is said until it is stored: finish.lua believes it only
 * from the holder of the nonce and knows what it was told before, so a lost
 * answer is simply asked for again. */
#include <stdio.h>
#include <string.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "queue_redis.h"

#define RETRY_BASE_MS 200
#define RETRY_CAP_MS 5000
#define BACKOFF_CAP_MS (10 * 60 * 1000)

static void send_end(struct queue_redis *q, struct lent *l);

char *queue_plain_result(const char *id, enum outcome o, const char *message)
{
    own_buf struct buf b = BUF_INIT(CEILING_RESULT_BYTES);
    (void)buf_printf(&b,
                     "{\"id\":\"%.64s\",\"state\":\"%s\",\"outcome\":\"%s\",\"outputs\":[],"
                     "\"error\":",
                     id, job_state_name(outcome_state(o)), outcome_name(o));
    if (message) {
        (void)buf_printf(&b, "{\"code\":\"%s\",\"message\":", outcome_name(o));
        (void)json_quote(&b, message, strlen(message));
        (void)buf_add_str(&b, "}");
    } else {
        (void)buf_add_str(&b, "null");
    }
    (void)buf_add_str(&b, ",\"metadata\":null}"); /* a sentence: far from the ceiling */
    return own_strdup(buf_str(&b));
}

static void ended(struct queue_redis *q, struct lent *l, enum queue_verdict v)
{
    /* A slot that it has will be offered; what else kept us from taking more ends here. */
    bool fill = !l->known || l->claim.crashes >= SUSPECT_CRASHES || q->stands_aside;
    if (l->known && q->events.on_finished)
        q->events.on_finished(q->events.arg, &l->claim, v);
    if (q->closed)
        return;
    queue_lent_drop(q, l);
    queue_hello_soon(q);
    if (fill)
        queue_fill(q);
    queue_check_empty(q);
}

static void send_end_timer(struct queue_redis *q, struct lent *l)
{
    if (!l->asked)
        send_end(q, l);
}

static void on_adopt(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    l->asked = false;
    if (!reply->raw)
        return; /* queue_end_again() when the line is back */
    if (reply->error) {
        queue_warn(q, "claim", reply->error);
        queue_timer(q, &l->retry, RETRY_CAP_MS, send_end_timer, l);
    } else if (strcmp(reply->verdict, "ok") == 0) {
        send_end(q, l);
    } else {
        ended(q, l, QUEUE_STALE);
    }
}

static void on_end(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    l->asked = false;
    if (!reply->raw)
        return;         /* queue_end_again() when the line is back */
    if (reply->error) { /* OOM, MISCONF, LOADING …: the result is kept */
        queue_warn(q, l->state == LENT_RELEASING ? "release" : "finish", reply->error);
        int64_t in_ms = RETRY_BASE_MS + clock_backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, l->tries++);
        queue_timer(q, &l->retry, in_ms, send_end_timer, l);
        return;
    }
    const char *state = reply_text(reply, 2);
    if (strcmp(reply->verdict, "stale") != 0) {
        bool retrying = strcmp(state, "retrying") == 0;
        if (retrying)
            queue_due_in(q, 0);
        ended(q, l, retrying ? QUEUE_RETRYING : QUEUE_STORED);
    } else if (strcmp(state, "queued") == 0 && l->state == LENT_FINISHING) {
        l->asked = true; /* nobody has it: it is still ours to end */
        queue_adopt(q, l, &q->calls, on_adopt);
    } else {
        ended(q, l, QUEUE_STALE);
    }
}

static void send_finish(struct queue_redis *q, struct lent *l)
{
    char delay[24], tries[24];
    /* Full jitter over 5 s, 20 s, 80 s … (queue.md §1). */
    int64_t delay_ms = clock_backoff_ms(q->config->retry_base_ms, BACKOFF_CAP_MS, 2 * l->fails);
    snprintf(delay, sizeof(delay), "%lld", (long long)delay_ms);
    snprintf(tries, sizeof(tries), "%lld", (long long)q->config->attempts);
    struct script_call call = {
        .script = SCRIPT_finish,
        .id = l->id,
        .argc = 6,
        .argv = {l->claim.nonce, job_state_name(outcome_state(l->outcome)),
                 outcome_name(l->outcome), l->result, delay, tries},
    };
    queue_ask_script(q, &q->calls, &call, on_end, l);
}

static void send_end(struct queue_redis *q, struct lent *l)
{
    l->asked = true;
    if (l->state == LENT_FINISHING) {
        send_finish(q, l);
        return;
    }
    struct script_call call = {
        .script = SCRIPT_release, .id = l->id, .argc = 1, .argv = {l->claim.nonce}};
    queue_ask_script(q, &q->calls, &call, on_end, l);
}

void queue_end_again(struct queue_redis *q)
{
    for (struct lent *l = q->lents; l; l = l->next)
        if ((l->state == LENT_FINISHING || l->state == LENT_RELEASING) && !l->asked)
            send_end(q, l);
}

void queue_end(struct queue_redis *q, struct lent *l, enum outcome o, const char *result)
{
    if (l->state != LENT_HELD)
        return;
    l->state = LENT_FINISHING;
    l->outcome = o;
    l->result = result && strlen(result) <= CEILING_RESULT_BYTES
                    ? own_strdup(result)
                    : queue_plain_result(l->id, o, "its result was too large to keep");
    send_end(q, l);
}

void queue_op_finish(struct queue *base, struct claim *c, enum outcome o, const char *result)
{
    queue_end(queue_redis_of(base), c->queue, o, result);
}

void queue_op_release(struct queue *base, struct claim *c)
{
    struct lent *l = c->queue;
    if (l->state != LENT_HELD)
        return;
    l->state = LENT_RELEASING;
    send_end(queue_redis_of(base), l);
}
