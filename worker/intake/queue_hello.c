/* This worker as others see it: `workers` (name → last seen, ms) and a hash of
 * its own that vanishes a minute after it does. Every 20 s while idle, every 5 s
 * while something runs, and a second after that changes. */
#include <stdio.h>
#include <string.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/limits.h"
#include "queue_redis.h"

#define IDLE_MS 20000
#define BUSY_MS 5000
#define SOON_MS 1000
#define GONE_MS (10 * 60 * 1000)

static void on_hello(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    if (reply->error)
        queue_warn(q, "workers", reply->error);
}

static void ask(struct queue_redis *q, int argc, const char *const *argv)
{
    queue_ask(q, q->commands, &(struct redis_request){.argc = argc, .argv = argv}, on_hello, NULL);
}

static int jobs_json(const struct queue_redis *q, struct buf *ret)
{
    int n = 0;
    (void)buf_add_str(ret, "[");
    for (const struct lent *l = q->lents; l; l = l->next) {
        if (l->state == LENT_CLAIMING)
            continue;
        const char *progress = l->progress ? l->progress : l->shown;
        /* 64 slots of 2 KiB at most: below the ceiling. */
        (void)buf_printf(ret,
                         "%s{\"id\":\"%s\",\"attempt\":%d,\"started_at_ms\":%lld,\"progress\":%s}",
                         n ? "," : "", l->id, l->claim.attempt, (long long)l->claim.claimed_unix_ms,
                         progress ? progress : "null");
        n++;
    }
    (void)buf_add_str(ret, "]");
    return n;
}

static void hello_timer(struct queue_redis *q, struct lent *unused)
{
    (void)unused;
    queue_hello(q);
}

void queue_hello(struct queue_redis *q)
{
    own_buf struct buf jobs = BUF_INIT(CEILING_RESULT_BYTES);
    char key[KEY_MAX], slots[24], seen[24], busy[24], since[24];
    int n = jobs_json(q, &jobs);
    queue_timer(q, &q->hello, clock_jitter_ms(n ? BUSY_MS : IDLE_MS, 10), hello_timer, NULL);
    if (!queue_usable(q))
        return;
    keys_of(&q->keys, "w", q->worker, key);
    snprintf(slots, sizeof(slots), "%lld", (long long)q->config->slots);
    snprintf(busy, sizeof(busy), "%d", n);
    snprintf(seen, sizeof(seen), "%lld", (long long)queue_server_ms(q));
    snprintf(since, sizeof(since), "%lld",
             (long long)(queue_server_ms(q) - (clock_now_ms() - q->started_ms)));
    ask(q, 20,
        (const char *[]){
            "HSET",         key,     "name",        q->worker, "version",
            MANIMD_VERSION, "manim", MANIM_VERSION, "state",   q->draining ? "draining" : "working",
            "since",        since,   "slots",       slots,     "busy",
            busy,           "seen",  seen,          "jobs",    buf_str(&jobs)});
    ask(q, 3, (const char *[]){"EXPIRE", key, "60"});
    ask(q, 4, (const char *[]){"ZADD", q->keys.workers, seen, q->worker});
    q->hello_ms = clock_now_ms();
}

void queue_hello_soon(struct queue_redis *q)
{
    int64_t in_ms = q->hello_ms + SOON_MS - clock_now_ms();
    queue_timer(q, &q->hello, in_ms, hello_timer, NULL);
}

/* Best effort, on the way out; and those that never said it are forgotten. */
void queue_goodbye(struct queue_redis *q)
{
    char key[KEY_MAX], old[24];
    if (!queue_usable(q))
        return;
    keys_of(&q->keys, "w", q->worker, key);
    snprintf(old, sizeof(old), "%lld", (long long)queue_server_ms(q) - GONE_MS);
    ask(q, 2, (const char *[]){"DEL", key});
    ask(q, 3, (const char *[]){"ZREM", q->keys.workers, q->worker});
    ask(q, 4, (const char *[]){"ZREMRANGEBYSCORE", q->keys.workers, "-inf", old});
}
