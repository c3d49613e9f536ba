/* Every 5 s: delayed jobs that are due, leases that ran out, and a look at what
 * is ready in case a wake-up got lost. Also, when asked for, whether there is
 * nothing left at all. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "job.h"
#include "queue_redis.h"

#define TICK_MS 5000
#define BATCH "15" /* last index: sixteen at a time */
#define ALREADY_MS 200

static void tick(struct queue_redis *q, struct lent *unused);

/* ---- what is due ---- */

static void look_at_delayed(struct queue_redis *q, struct lent *unused);

void queue_due_in(struct queue_redis *q, int64_t in_ms)
{
    int64_t at_ms = clock_now_ms() + (in_ms > ALREADY_MS ? in_ms : ALREADY_MS);
    if (q->due.timer.set && q->due.timer.at_ms <= at_ms)
        return;
    if (in_ms < TICK_MS * 2)
        queue_timer(q, &q->due, at_ms - clock_now_ms(), look_at_delayed, NULL);
}

static void on_promote(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    if (reply->error) {
        queue_warn(q, "promote", reply->error);
    } else if (reply->raw && strcmp(reply->verdict, "early") == 0) {
        queue_due_in(q, reply_number(reply, 2) - reply->now_ms + 1);
    } else if (reply->raw && strcmp(reply->verdict, "queued") == 0) {
        q->spread++;
        queue_look(q);
    }
}

static void promote(struct queue_redis *q, const char *id)
{
    struct script_call call = {.script = SCRIPT_promote, .id = id};
    queue_ask_script(q, &q->calls, &call, on_promote, NULL);
}

static void on_delayed(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    int64_t now_ms = queue_server_ms(q);
    (void)l;
    if (!reply->raw || reply->error) {
        if (reply->error)
            queue_warn(q, "delayed", reply->error);
        return;
    }
    for (size_t i = 0; i + 1 < reply->raw->elements; i += 2) {
        int64_t due_ms = reply_number(reply, i + 1);
        if (!job_valid_id(reply_text(reply, i)))
            continue;
        if (due_ms <= now_ms)
            promote(q, reply_text(reply, i));
        else if (i == 0)
            queue_due_in(q, due_ms - now_ms + 1);
    }
    queue_sweep(q, &q->sweep_delayed, reply, 2);
}

static void look_at_delayed(struct queue_redis *q, struct lent *unused)
{
    const char *argv[] = {"ZRANGE", q->keys.delayed, "0", BATCH, "WITHSCORES"};
    (void)unused;
    if (queue_usable(q))
        queue_ask(q, q->commands, &(struct redis_request){.argc = 5, .argv = argv}, on_delayed,
                  NULL);
}

/* Claims see cancels; while all slots are busy there are none. */
static void on_waiting(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    queue_sweep(q, &q->sweep_ready, reply, 1);
}

static void look_at_waiting(struct queue_redis *q)
{
    const char *argv[] = {"ZRANGE", q->keys.ready, "0", BATCH};
    if (!queue_takes_more(q))
        queue_ask(q, q->commands, &(struct redis_request){.argc = 4, .argv = argv}, on_waiting,
                  NULL);
}

/* ---- whose worker vanished ---- */

static void on_reap(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    if (reply->error)
        queue_warn(q, "reap", reply->error);
    else if (reply->raw && strcmp(reply->verdict, "queued") == 0)
        queue_look(q);
}

static void on_active(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    char crashes[24];
    int64_t now_ms = queue_server_ms(q);
    (void)l;
    snprintf(crashes, sizeof(crashes), "%lld", (long long)q->config->crashes);
    if (!reply->raw || reply->error) {
        if (reply->error)
            queue_warn(q, "active", reply->error);
        return;
    }
    for (size_t i = 0; i + 1 < reply->raw->elements; i += 2) {
        const char *id = reply_text(reply, i);
        if (reply_number(reply, i + 1) > now_ms || !job_valid_id(id))
            continue;
        struct script_call call = {.script = SCRIPT_reap, .id = id, .argc = 1, .argv = {crashes}};
        queue_ask_script(q, &q->calls, &call, on_reap, NULL);
    }
}

/* After Redis was away, everybody's lease has run out, and whoever comes back
 * first would reap all the others: wait until they have had time to renew. */
static void look_at_active(struct queue_redis *q)
{
    const char *argv[] = {"ZRANGE", q->keys.active, "0", BATCH, "WITHSCORES"};
    if (clock_now_ms() - q->up_since_ms >= q->config->lease_ms + TICK_MS)
        queue_ask(q, q->commands, &(struct redis_request){.argc = 5, .argv = argv}, on_active,
                  NULL);
}

/* ---- nothing left? ---- */

static void on_counts(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    if (!reply->raw || reply->error || q->lents)
        return;
    for (size_t i = 2; i <= 5; i++)
        if (reply_number(reply, i) != 0)
            return;
    q->told_empty = true;
    q->events.on_empty(q->events.arg);
}

void queue_check_empty(struct queue_redis *q)
{
    struct script_call call = {.script = SCRIPT_counts, .id = ""};
    if (q->lents)
        q->told_empty = false;
    if (!q->events.on_empty || q->lents || q->told_empty || !queue_usable(q))
        return;
    queue_ask_script(q, &q->calls, &call, on_counts, NULL);
}

/* ---- the tick ---- */

static void tick(struct queue_redis *q, struct lent *unused)
{
    (void)unused;
    queue_timer(q, &q->tick, clock_jitter_ms(TICK_MS, 10), tick, NULL);
    if (!queue_usable(q))
        return;
    q->leaves_it = false;
    q->stands_aside = false;
    q->inbox.more = true;
    queue_look(q);
    queue_feed(q);
    look_at_delayed(q, NULL);
    look_at_waiting(q);
    look_at_active(q);
    queue_check_empty(q);
}

void queue_tick_start(struct queue_redis *q)
{
    /* Begun anew, a line that is cut every few seconds would keep it from ever coming. */
    if (!q->tick.timer.set)
        queue_timer(q, &q->tick, clock_jitter_ms(TICK_MS, 10), tick, NULL);
    look_at_delayed(q, NULL);
}
