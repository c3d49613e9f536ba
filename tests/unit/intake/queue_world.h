/* A queue on a real Redis, and a caller that writes down what it is told. Used
 * by the tests of intake/; see redis_fixture.h for the server. */
#ifndef MANIMD_QUEUE_WORLD_H
#define MANIMD_QUEUE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../redis_fixture.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/own.h"
#include "intake/queue_redis.h"

#define IN "manimd:{default}:in"
#define KEY(name) "manimd:{default}:" name

struct world {
    struct redis_fixture redis;
    struct loop *loop;
    struct config config;
    struct queue *queue;
    struct claim *claims[64];
    int claimed, lost, finished, empty, warnings;
    enum claim_lost why;
    enum queue_verdict verdict;
    bool up, keep_on_lost; /* keep: do not forget what is cancelled */
    char text[600];        /* of the last state */
    char warning[600];     /* the last one */
};

static inline void world_on_claim(void *arg, struct claim *c)
{
    struct world *w = arg;
    w->claims[w->claimed++ % 64] = c;
}

static inline void world_on_lost(void *arg, struct claim *c, enum claim_lost why)
{
    struct world *w = arg;
    w->lost++;
    w->why = why;
    if (why == CLAIM_STALE)
        w->queue->ops->forget(w->queue, c);
}

static inline void world_on_finished(void *arg, struct claim *c, enum queue_verdict v)
{
    struct world *w = arg;
    (void)c;
    w->finished++;
    w->verdict = v;
}

static inline void world_on_empty(void *arg)
{
    ((struct world *)arg)->empty++;
}

static inline void world_on_state(void *arg, bool up, const char *why)
{
    struct world *w = arg;
    w->up = up;
    snprintf(w->text, sizeof(w->text), "%s", why);
}

static inline void world_on_warning(void *arg, const char *text)
{
    struct world *w = arg;
    w->warnings++;
    snprintf(w->warning, sizeof(w->warning), "%s", text);
}

static inline int world_try_open(struct world *w, struct err *e)
{
    const struct queue_events events = {
        .on_claim = world_on_claim,
        .on_lost = world_on_lost,
        .on_finished = world_on_finished,
        .on_empty = world_on_empty,
        .on_state = world_on_state,
        .on_warning = world_on_warning,
        .arg = w,
    };
    return queue_open_redis(w->loop, &w->config, &events, &w->queue, e);
}

static inline void world_open(struct world *w)
{
    struct err e = ERR_INIT;
    if (world_try_open(w, &e) < 0) {
        fprintf(stderr, "queue: %s\n", e.text);
        abort();
    }
}

static inline void world_config(struct world *w, const char *name)
{
    int argc = 0;
    if (config_load(&w->config, &argc, (char *[]){NULL}, NULL) < 0)
        abort();
    free(w->config.redis_url);
    w->config.redis_url = own_strdup(w->redis.url);
    free(w->config.worker_name);
    w->config.worker_name = own_strdup(name);
    w->config.lease_ms = 2000;
    w->config.retry_base_ms = 1;
}

static inline void world_start(struct world *w, const char *const *extra)
{
    *w = (struct world){0};
    redis_fixture_start(&w->redis, extra);
    w->loop = loop_new();
    world_config(w, "w1");
    world_open(w);
}

static inline void world_stop(struct world *w)
{
    if (w->queue)
        w->queue->ops->close(w->queue);
    loop_free(w->loop);
    config_done(&w->config);
    redis_fixture_stop(&w->redis);
}

static inline struct queue_redis *world_inside(struct world *w)
{
    return queue_redis_of(w->queue);
}

/* Steps the loop until `cond`, 20 s at most. */
#define WAIT_FOR(w, cond)                                                               \
    do {                                                                                \
        int64_t end_ms_ = clock_now_ms() + 20000;                                       \
        while (!(cond) && clock_now_ms() < end_ms_)                                     \
            loop_step((w)->loop, 5);                                                    \
        if (!(cond))                                                                    \
            fail_msg("waited in vain for %s (%s; %s)", #cond, (w)->text, (w)->warning); \
    } while (0)

/* Lets `ms` pass; for showing that something does not happen. */
static inline void world_pass(struct world *w, int64_t ms)
{
    for (int64_t end_ms = clock_now_ms() + ms, left; (left = end_ms - clock_now_ms()) > 0;)
        loop_step(w->loop, (int)left);
}

static inline void world_push(struct world *w, const char *json)
{
    freeReplyObject(redis_fixture_do(&w->redis, "LPUSH %s %s", IN, json));
}

static inline void world_push_id(struct world *w, const char *id, const char *more)
{
    own_free char *json = own_printf("{\"id\":\"%s\",\"code\":\"x\",\"scene\":\"S\"%s}", id, more);
    world_push(w, json);
}

/* As if the tick came now: admits without a slot, promotes, reaps. */
static inline void world_tick(struct world *w)
{
    struct queue_redis *q = world_inside(w);
    queue_timer(q, &q->tick, 0, q->tick.on_time, NULL);
}

/* A field of a job's hash, in static memory; "" when there is none. */
static inline const char *world_field(struct world *w, const char *id, const char *field)
{
    static char text[4][70000];
    static int turn;
    char *into = text[turn++ % 4];
    redisReply *r = redis_fixture_do(&w->redis, "HGET " KEY("job:") "%s %s", id, field);
    snprintf(into, sizeof(text[0]), "%s", r->str ? r->str : "");
    freeReplyObject(r);
    return into;
}

static inline bool world_is(struct world *w, const char *id, const char *state)
{
    return strcmp(world_field(w, id, "state"), state) == 0;
}

/* An integer reply of any command. */
static inline long long world_int(struct world *w, const char *format, const char *a, const char *b)
{
    redisReply *r = redis_fixture_do(&w->redis, format, a, b);
    long long n = r->type == REDIS_REPLY_INTEGER ? r->integer
                  : r->str                       ? strtoll(r->str, NULL, 10)
                                                 : -1;
    freeReplyObject(r);
    return n;
}

/* In which indexes an id is: one letter each, "R" ready, "D" delayed, "A"
 * active, "F" done, "X" dead. Every known job is in exactly one. */
static inline const char *world_where(struct world *w, const char *id)
{
    static char where[8];
    static const struct {
        const char *key, *letter;
    } indexes[] = {{KEY("ready"), "R"},
                   {KEY("delayed"), "D"},
                   {KEY("active"), "A"},
                   {KEY("done"), "F"},
                   {KEY("dead"), "X"}};
    int n = 0;
    for (size_t i = 0; i < 5; i++)
        if (world_int(w, "ZSCORE %s %s", indexes[i].key, id) >= 0)
            where[n++] = indexes[i].letter[0];
    where[n] = 0;
    return where;
}

/* How many events of a kind the stream has about an id. */
static inline int world_events(struct world *w, const char *event, const char *id)
{
    redisReply *r = redis_fixture_do(&w->redis, "XRANGE " KEY("ev") " - +");
    int n = 0;
    for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
        const redisReply *fields = r->element[i]->element[1];
        bool same_event = false, same_id = false;
        for (size_t f = 0; f + 1 < fields->elements; f += 2) {
            const char *name = fields->element[f]->str, *value = fields->element[f + 1]->str;
            same_event |= strcmp(name, "event") == 0 && strcmp(value, event) == 0;
            same_id |= strcmp(name, "id") == 0 && strcmp(value, id) == 0;
        }
        n += same_event && same_id;
    }
    freeReplyObject(r);
    return n;
}

#define RESULT "{\"state\":\"completed\",\"outputs\":[]}"

static inline void offer(struct world *w, int n)
{
    w->queue->ops->offer(w->queue, n);
}

static inline void finish(struct world *w, struct claim *c, enum outcome o, const char *result)
{
    w->queue->ops->finish(w->queue, c, o, result);
}

static inline struct claim *claim_one(struct world *w, const char *id, const char *more)
{
    int before = w->claimed;
    world_push_id(w, id, more);
    offer(w, 1);
    WAIT_FOR(w, w->claimed == before + 1);
    struct claim *c = w->claims[before % 64];
    assert_string_equal(c->job.id, id);
    return c;
}

/* As if this worker had been connected for long enough to reap. */
static inline void may_reap(struct world *w)
{
    world_inside(w)->up_since_ms = clock_now_ms() - 3600000;
}

static inline void vanish(struct world *w, const char *id)
{
    freeReplyObject(redis_fixture_do(&w->redis, "ZADD " KEY("active") " 1 %s", id));
}

/* A number of INFO's; `name` with what stands between it and the number. 0: it has none. */
static inline long long world_info(struct world *w, const char *section, const char *name)
{
    redisReply *r = redis_fixture_do(&w->redis, "INFO %s", section);
    const char *at = strstr(r->str, name);
    long long n = at ? strtoll(at + strlen(name), NULL, 10) : 0;
    freeReplyObject(r);
    return n;
}

static inline long long commands_so_far(struct world *w)
{
    return world_info(w, "stats", "total_commands_processed:");
}

/* How often a command was called, in scripts too; its name in lower case. */
static inline long long world_calls(struct world *w, const char *command)
{
    own_free char *name = own_printf("cmdstat_%s:calls=", command);
    return world_info(w, "commandstats", name);
}

#endif
