/* Every reply and every timer of the Redis queue comes through here, so that
 * one place knows that a claim or the queue itself may be gone by then. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/own.h"
#include "job.h"
#include "queue_redis.h"

#define WARN_AGAIN_MS 30000

struct ask {
    struct queue_redis *q;
    struct lent *lent;
    queue_fn *fn;
    bool is_script;
};

static void lent_free(struct lent *l)
{
    job_free(&l->claim.job);
    free(l->progress);
    free(l->shown);
    free(l->result);
    free(l);
}

struct lent *queue_lent_new(struct queue_redis *q, const char *id)
{
    struct lent *l = own_calloc(1, sizeof(*l));
    snprintf(l->id, sizeof(l->id), "%s", id);
    l->claim.queue = l;
    l->next = q->lents;
    q->lents = l;
    return l;
}

void queue_lent_drop(struct queue_redis *q, struct lent *l)
{
    struct lent **link = &q->lents;
    if (l->gone)
        return;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
    queue_timer_stop(q, &l->beat);
    queue_timer_stop(q, &l->retry);
    l->gone = true;
    if (l->asks == 0)
        lent_free(l);
    if (!q->lents && q->draining && !q->closed && q->events.on_settled)
        q->events.on_settled(q->events.arg);
}

void queue_enter(struct queue_redis *q)
{
    q->busy++;
}

void queue_leave(struct queue_redis *q)
{
    if (--q->busy > 0 || !q->closed)
        return;
    scripts_done(&q->scripts);
    free(q);
}

static void finish_ask(struct ask *a, const struct reply *reply)
{
    struct queue_redis *q = a->q;
    struct lent *l = a->lent;
    if (reply->now_ms)
        q->clock_off_ms = reply->now_ms - clock_unix_ms();
    /* What the caller has forgotten, nobody hears of. */
    if (!q->closed && !(l && l->gone) && a->fn)
        a->fn(q, l, reply);
    if (l && --l->asks == 0 && l->gone)
        lent_free(l);
    free(a);
    queue_leave(q);
}

static void on_script(void *arg, const struct reply *reply)
{
    struct ask *a = arg;
    finish_ask(a, reply);
}

static void on_command(void *arg, const struct redisReply *raw)
{
    struct reply reply = reply_read(raw, false);
    finish_ask(arg, &reply);
}

/* The queue lives until its last reply: each ask is a callback under way. */
static struct ask *new_ask(struct queue_redis *q, queue_fn *fn, struct lent *l)
{
    struct ask *a = own_calloc(1, sizeof(*a));
    *a = (struct ask){.q = q, .lent = l, .fn = fn};
    queue_enter(q);
    if (l)
        l->asks++;
    return a;
}

void queue_ask_script(struct queue_redis *q, struct script_line *line,
                      const struct script_call *call, queue_fn *fn, struct lent *l)
{
    script_run(line, call, on_script, new_ask(q, fn, l));
}

void queue_ask(struct queue_redis *q, struct redis *r, const struct redis_request *request,
               queue_fn *fn, struct lent *l)
{
    if (r == q->commands)
        script_flush(&q->calls); /* what was asked before is done before */
    redis_command(r, request, on_command, new_ask(q, fn, l));
}

static void on_timer(void *arg)
{
    struct queue_timer *t = arg;
    struct queue_redis *q = t->q;
    queue_enter(q);
    if (!q->closed)
        t->on_time(q, t->lent);
    queue_leave(q);
}

void queue_timer(struct queue_redis *q, struct queue_timer *t, int64_t in_ms, queue_timer_fn *fn,
                 struct lent *l)
{
    if (q->closed || (l && l->gone))
        return;
    t->q = q;
    t->lent = l;
    t->on_time = fn;
    loop_timer(q->loop, &t->timer, in_ms > 0 ? in_ms : 0, on_timer, t);
}

void queue_timer_stop(struct queue_redis *q, struct queue_timer *t)
{
    loop_timer_cancel(q->loop, &t->timer);
}

bool queue_usable(const struct queue_redis *q)
{
    return !q->closed && q->policy == POLICY_GOOD && redis_is_up(q->commands);
}

int64_t queue_server_ms(const struct queue_redis *q)
{
    return clock_unix_ms() + q->clock_off_ms;
}

void queue_warn(struct queue_redis *q, const char *what, const char *error)
{
    char text[sizeof(q->warned)];
    int64_t now_ms = clock_now_ms();
    snprintf(text, sizeof(text), "redis: %s: %.200s", what, error);
    if (strcmp(text, q->warned) == 0 && now_ms - q->warned_ms < WARN_AGAIN_MS)
        return;
    memcpy(q->warned, text, sizeof(text));
    q->warned_ms = now_ms;
    if (q->events.on_warning)
        q->events.on_warning(q->events.arg, text);
    /* A replica or a node that is going: its name may mean another by now. */
    if (strncmp(error, "READONLY", 8) == 0 || strncmp(error, "MASTERDOWN", 10) == 0) {
        redis_reconnect(q->commands, error);
        redis_reconnect(q->beats, error);
        redis_reconnect(q->blocker, error);
    }
}
