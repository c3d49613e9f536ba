/* The queue on a real Redis: every transition, and what one process can show of
 * the crash table (queue.md §1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_world.h"

#define RESULT "{\"state\":\"completed\",\"outputs\":[]}"

static void offer(struct world *w, int n)
{
    w->queue->ops->offer(w->queue, n);
}

static void finish(struct world *w, struct claim *c, enum outcome o, const char *result)
{
    w->queue->ops->finish(w->queue, c, o, result);
}

static struct claim *claim_one(struct world *w, const char *id, const char *more)
{
    int before = w->claimed;
    world_push_id(w, id, more);
    offer(w, 1);
    WAIT_FOR(w, w->claimed == before + 1);
    struct claim *c = w->claims[before % 64];
    assert_string_equal(c->job.id, id);
    return c;
}

/* ---- the straight way ---- */

static void completes(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    struct claim *c = claim_one(&w, "a1", ",\"notify\":true,\"metadata\":{\"k\":1}");
    assert_int_equal(c->attempt, 1);
    assert_int_equal(strlen(c->nonce), 32);
    assert_string_equal(c->job.scene, "S");
    assert_true(c->enqueued_unix_ms > 0 && c->claimed_unix_ms >= c->enqueued_unix_ms);
    assert_string_equal(world_where(&w, "a1"), "A");
    assert_string_equal(world_field(&w, "a1", "token"), c->nonce);
    assert_string_equal(world_field(&w, "a1", "worker"), "w1");
    assert_int_equal(world_int(&w, "LLEN %s", IN, ""), 0);
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(w.verdict, QUEUE_STORED);
    assert_true(world_is(&w, "a1", "completed"));
    assert_string_equal(world_field(&w, "a1", "outcome"), "completed");
    assert_string_equal(world_field(&w, "a1", "result"), RESULT);
    assert_string_equal(world_field(&w, "a1", "token"), "");
    assert_string_equal(world_where(&w, "a1"), "F");
    assert_int_equal(world_events(&w, "completed", "a1"), 1);
    assert_int_equal(world_int(&w, "LLEN %s", KEY("wait:a1"), ""), 1);
    assert_in_range(world_int(&w, "TTL %s", KEY("wait:a1"), ""), 3500, 3600);
    assert_in_range(world_int(&w, "TTL %s", KEY("job:a1"), ""), 604700, 604800);
    world_stop(&w);
}

static void fails(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    struct claim *c = claim_one(&w, "a1", "");
    finish(&w, c, OUTCOME_scene_error, "{}");
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(w.verdict, QUEUE_STORED); /* the scene's fault: never retried */
    assert_true(world_is(&w, "a1", "failed"));
    assert_string_equal(world_field(&w, "a1", "outcome"), "scene_error");
    assert_string_equal(world_where(&w, "a1"), "F");
    assert_int_equal(world_int(&w, "EXISTS %s", KEY("wait:a1"), ""), 0);
    world_stop(&w);
}

static void retries_then_dead(void **state)
{
    struct world w;
    char deads[16];
    (void)state;
    world_start(&w, NULL);
    for (int try = 1; try <= 3; try++) {
        struct claim *c;
        if (try == 1)
            c = claim_one(&w, "a1", "");
        else {
            offer(&w, 1);
            WAIT_FOR(&w, w.claimed == try);
            c = w.claims[try - 1];
        }
        assert_int_equal(c->attempt, try);
        finish(&w, c, OUTCOME_store_failed, "{\"error\":{\"message\":\"no bucket\"}}");
        WAIT_FOR(&w, w.finished == try);
        if (try < 3) {
            assert_int_equal(w.verdict, QUEUE_RETRYING);
            assert_non_null(strstr("DR", world_where(&w, "a1")));
        }
    }
    assert_int_equal(w.verdict, QUEUE_STORED);
    assert_true(world_is(&w, "a1", "dead"));
    assert_string_equal(world_field(&w, "a1", "outcome"), "store_failed");
    assert_string_equal(world_where(&w, "a1"), "X");
    assert_int_equal(world_events(&w, "retrying", "a1"), 2);
    snprintf(deads, sizeof(deads), "%d", world_events(&w, "dead", "a1"));
    assert_string_equal(deads, "1");
    assert_in_range(world_int(&w, "TTL %s", KEY("job:a1"), ""), 2591900, 2592000);
    world_stop(&w);
}

static void releases(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    struct claim *c = claim_one(&w, "a1", "");
    w.queue->ops->release(w.queue, c);
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(w.verdict, QUEUE_STORED);
    assert_true(world_is(&w, "a1", "queued"));
    assert_string_equal(world_field(&w, "a1", "attempt"), "0");
    assert_string_equal(world_where(&w, "a1"), "R");
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 2);
    assert_int_equal(w.claims[1]->attempt, 1);
    WAIT_FOR(&w, world_int(&w, "LLEN %s", IN, "") == 0);
    world_stop(&w);
}

static void in_order_of_priority(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    offer(&w, 0);
    world_push_id(&w, "late", ",\"priority\":9");
    world_push_id(&w, "first", "");
    world_push_id(&w, "second", "");
    world_tick(&w); /* without a slot only the tick admits */
    WAIT_FOR(&w, world_int(&w, "ZCARD %s", KEY("ready"), "") == 3);
    static const char *const order[] = {"first", "second", "late"};
    for (int i = 0; i < 3; i++) {
        offer(&w, 1);
        WAIT_FOR(&w, w.claimed == i + 1);
        assert_string_equal(w.claims[i]->job.id, order[i]);
    }
    world_stop(&w);
}

static void delayed(void **state)
{
    struct world w;
    char at[64];
    (void)state;
    world_start(&w, NULL);
    offer(&w, 1);
    int64_t due_ms = clock_unix_ms() + 700;
    snprintf(at, sizeof(at), ",\"run_at\":%.3f", (double)due_ms / 1000);
    world_push_id(&w, "a1", at);
    WAIT_FOR(&w, world_is(&w, "a1", "delayed"));
    assert_string_equal(world_where(&w, "a1"), "D");
    WAIT_FOR(&w, w.claimed == 1);
    assert_true(clock_unix_ms() >= due_ms - 5);
    world_stop(&w);
}

static void expires(void **state)
{
    struct world w;
    char at[64];
    (void)state;
    world_start(&w, NULL);
    offer(&w, 1);
    world_push_id(&w, "old", ",\"expires_at\":1700000000,\"notify\":true");
    WAIT_FOR(&w, world_is(&w, "old", "failed"));
    assert_string_equal(world_field(&w, "old", "outcome"), "expired");
    assert_int_equal(world_int(&w, "LLEN %s", KEY("wait:old"), ""), 1);
    offer(&w, 0);
    snprintf(at, sizeof(at), ",\"expires_at\":%.3f", (double)clock_unix_ms() / 1000 + 1);
    world_push_id(&w, "soon", at);
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "soon", "queued"));
    world_pass(&w, 1100);
    offer(&w, 1);
    WAIT_FOR(&w, world_is(&w, "soon", "failed"));
    assert_string_equal(world_where(&w, "soon"), "F");
    assert_int_equal(w.claimed, 0);
    world_stop(&w);
}

/* A deadline that passes while it runs: the caller is told, and says so. */
static void deadline_while_running(void **state)
{
    struct world w;
    char at[64];
    (void)state;
    world_start(&w, NULL);
    snprintf(at, sizeof(at), ",\"deadline_at\":%.3f", (double)clock_unix_ms() / 1000 + 1);
    struct claim *c = claim_one(&w, "a1", at);
    WAIT_FOR(&w, w.lost == 1);
    assert_int_equal(w.why, CLAIM_EXPIRED);
    finish(&w, c, OUTCOME_expired, "{}");
    WAIT_FOR(&w, w.finished == 1);
    assert_string_equal(world_field(&w, "a1", "outcome"), "expired");
    world_stop(&w);
}

/* ---- refused ---- */

static void rejects(void **state)
{
    struct world w;
    static char brackets[JOB_JSON_MAX_BYTES + 1], large[JOB_JSON_MAX_BYTES + 2];
    (void)state;
    world_start(&w, NULL);
    memset(brackets, '[', JOB_JSON_MAX_BYTES);
    memset(large, 'x', JOB_JSON_MAX_BYTES + 1);
    offer(&w, 1);
    world_push(&w, "");
    world_push(&w, "hello");
    world_push(&w, "[1]");
    world_push(&w, "{\"code\":\"x\",\"id\":\"../etc\"}");
    world_push(&w, "\xff\xfe");
    world_push(&w, "{\"code\":\"x\",\"id\":\"a1\",\"fps\":999}");
    world_push(&w, brackets);
    world_push(&w, large);
    world_push_id(&w, "good", "");
    WAIT_FOR(&w, w.claimed == 1);
    assert_string_equal(w.claims[0]->job.id, "good");
    assert_int_equal(world_int(&w, "LLEN %s", KEY("rejected"), ""), 8);
    assert_int_equal(world_int(&w, "LLEN %s", IN, ""), 0);
    /* Whoever asks by the id hears why. */
    assert_true(world_is(&w, "a1", "failed"));
    assert_string_equal(world_field(&w, "a1", "outcome"), "source_rejected");
    assert_non_null(strstr(world_field(&w, "a1", "result"), "outside of 1 to 120"));
    assert_int_equal(world_int(&w, "LLEN %s", KEY("wait:a1"), ""), 1);
    assert_string_equal(world_where(&w, "a1"), "F");
    assert_int_equal(world_events(&w, "rejected", "a1"), 1);
    redisReply *r = redis_fixture_do(&w.redis, "LRANGE " KEY("rejected") " 0 -1");
    for (size_t i = 0; i < r->elements; i++)
        assert_true(r->element[i]->len < 2048);
    assert_non_null(strstr(r->element[0]->str, "has 262145 bytes, at most 262144 allowed"));
    freeReplyObject(r);
    world_stop(&w);
}

/* LPUSH of `bytes` times 'x', written to the socket piece by piece. */
static void push_huge(struct world *w, size_t bytes)
{
    static char piece[1 << 20];
    char head[128];
    redisReply *reply = NULL;
    int n = snprintf(head, sizeof(head), "*3\r\n$5\r\nLPUSH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(IN),
                     IN, bytes);
    int fd = w->redis.control->fd;
    assert_int_equal(write(fd, head, (size_t)n), n);
    memset(piece, 'x', sizeof(piece));
    for (size_t left = bytes; left;) {
        ssize_t done = write(fd, piece, left < sizeof(piece) ? left : sizeof(piece));
        assert_true(done > 0);
        left -= (size_t)done;
    }
    assert_int_equal(write(fd, "\r\n", 2), 2);
    assert_int_equal(redisGetReply(w->redis.control, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    freeReplyObject(reply);
}

/* 512 MB: cut off by its length, at the tail and between others. */
static void oversize(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    push_huge(&w, 536870912);
    world_push_id(&w, "good", "");
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 1);
    assert_string_equal(w.claims[0]->job.id, "good");
    assert_int_equal(world_int(&w, "LLEN %s", KEY("rejected"), ""), 1);
    redisReply *r = redis_fixture_do(&w.redis, "LINDEX " KEY("rejected") " 0");
    assert_non_null(strstr(r->str, "\"bytes\":536870912"));
    freeReplyObject(r);
    assert_int_equal(world_int(&w, "EXISTS %s", KEY("oversize"), ""), 0);
    world_stop(&w);
}

static void duplicate_and_conflict(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    struct claim *c = claim_one(&w, "a1", "");
    offer(&w, 1);
    world_push(&w, "{ \"scene\":\"S\", \"code\":\"x\", \"id\":\"a1\" }"); /* the same */
    WAIT_FOR(&w, world_events(&w, "duplicate", "a1") == 1);
    world_push_id(&w, "a1", ",\"fps\":30"); /* another */
    WAIT_FOR(&w, world_events(&w, "conflict", "a1") == 1);
    assert_int_equal(world_int(&w, "LLEN %s", KEY("rejected"), ""), 1);
    assert_true(world_is(&w, "a1", "active"));
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    world_push_id(&w, "a1", "");
    WAIT_FOR(&w, world_events(&w, "duplicate", "a1") == 2);
    assert_int_equal(w.claimed, 1);
    assert_int_equal(world_events(&w, "completed", "a1"), 1);
    /* Without an id each is a job of its own. */
    offer(&w, 2);
    world_push(&w, "{\"code\":\"x\"}");
    world_push(&w, "{\"code\":\"x\"}");
    WAIT_FOR(&w, w.claimed == 3);
    world_stop(&w);
}

/* ---- cancel ---- */

static void set_cancel(struct world *w, const char *id)
{
    freeReplyObject(redis_fixture_do(&w->redis, "SET " KEY("cancel:") "%s 1 EX 86400", id));
}

static void cancels(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    set_cancel(&w, "early"); /* before it is pushed */
    offer(&w, 1);
    world_push_id(&w, "early", "");
    WAIT_FOR(&w, world_is(&w, "early", "cancelled"));
    assert_int_equal(w.claimed, 0);
    assert_int_equal(world_int(&w, "EXISTS %s", KEY("cancel:early"), ""), 0);

    struct claim *c = claim_one(&w, "running", "");
    int64_t from_ms = clock_now_ms();
    set_cancel(&w, "running");
    WAIT_FOR(&w, w.lost == 1);
    assert_int_equal(w.why, CLAIM_CANCELLED);
    assert_true(clock_now_ms() - from_ms < 1000);
    finish(&w, c, OUTCOME_cancelled, "{}");
    WAIT_FOR(&w, w.finished == 1);
    assert_true(world_is(&w, "running", "cancelled"));
    assert_int_equal(world_events(&w, "cancelled", "running"), 1);

    /* Waiting while all slots are busy, and delayed: found by the tick. */
    offer(&w, 0);
    world_push_id(&w, "waiting", "");
    world_push_id(&w, "delayed", ",\"run_at\":4000000000");
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "waiting", "queued") && world_is(&w, "delayed", "delayed"));
    set_cancel(&w, "waiting");
    set_cancel(&w, "delayed");
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "waiting", "cancelled") && world_is(&w, "delayed", "cancelled"));
    assert_string_equal(world_where(&w, "waiting"), "F");
    assert_string_equal(world_where(&w, "delayed"), "F");

    /* One that is done stays done. */
    c = claim_one(&w, "done", "");
    set_cancel(&w, "done");
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 2);
    assert_true(world_is(&w, "done", "completed"));

    /* Told to end, and forgotten instead of finished: the queue ends it. */
    c = claim_one(&w, "forgotten", "");
    set_cancel(&w, "forgotten");
    WAIT_FOR(&w, w.lost == 2);
    w.queue->ops->forget(w.queue, c);
    WAIT_FOR(&w, world_is(&w, "forgotten", "cancelled"));
    world_stop(&w);
}

/* ---- fencing ---- */

static void stale(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    struct claim *c = claim_one(&w, "a1", "");
    freeReplyObject(redis_fixture_do(&w.redis, "HSET " KEY("job:a1") " token other"));
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(w.verdict, QUEUE_STALE);
    assert_true(world_is(&w, "a1", "active"));
    assert_string_equal(world_field(&w, "a1", "result"), "");
    claim_one(&w, "a2", "");
    freeReplyObject(redis_fixture_do(&w.redis, "HSET " KEY("job:a2") " token other"));
    WAIT_FOR(&w, w.lost == 1); /* by the beat */
    assert_int_equal(w.why, CLAIM_STALE);
    world_stop(&w);
}

/* The line breaks after the server got the command and before its answer came:
 * the stopped server reads it from a socket that we have closed. */
static void lose_answer(struct world *w, const char *id, const char *state)
{
    redis_reconnect(world_inside(w)->commands, "test");
    kill(w->redis.pid, SIGCONT);
    WAIT_FOR(w, world_is(w, id, state));
}

static void lost_answers(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    /* Of a claim. */
    offer(&w, 0);
    world_push_id(&w, "a1", "");
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "a1", "queued"));
    struct queue_redis *q = world_inside(&w);
    q->free_slots = 1;
    snprintf(q->candidates[0], sizeof(q->candidates[0]), "a1");
    queue_look(q);
    while (!q->lents) /* until the claim is on its way */
        loop_step(w.loop, 5);
    struct claim *c = &q->lents->claim;
    WAIT_FOR(&w, w.claimed == 1);
    assert_ptr_equal(c, w.claims[0]);
    /* Of a finish. */
    kill(w.redis.pid, SIGSTOP);
    finish(&w, c, OUTCOME_completed, RESULT);
    lose_answer(&w, "a1", "completed");
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(w.verdict, QUEUE_STORED);
    assert_int_equal(world_events(&w, "completed", "a1"), 1);
    /* Of a finish that is retried. */
    c = claim_one(&w, "a2", "");
    w.config.retry_base_ms = 600000;
    kill(w.redis.pid, SIGSTOP);
    finish(&w, c, OUTCOME_host_error, "{}");
    lose_answer(&w, "a2", "retrying");
    WAIT_FOR(&w, w.finished == 2);
    assert_int_equal(w.verdict, QUEUE_RETRYING);
    assert_string_equal(world_field(&w, "a2", "fails"), "1");
    /* Of a release. */
    c = claim_one(&w, "a3", "");
    offer(&w, 0);
    kill(w.redis.pid, SIGSTOP);
    w.queue->ops->release(w.queue, c);
    lose_answer(&w, "a3", "queued");
    WAIT_FOR(&w, w.finished == 3);
    assert_int_equal(w.verdict, QUEUE_STORED);
    assert_string_equal(world_field(&w, "a3", "attempt"), "0");
    world_stop(&w);
}

/* The claim itself: granted, but the answer never came. */
static void lost_grant(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    offer(&w, 0);
    world_push_id(&w, "a1", "");
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "a1", "queued"));
    struct queue_redis *q = world_inside(&w);
    offer(&w, 1);
    while (q->looking) { /* the index was read; the claim is being written */
        loop_step(w.loop, 0);
        if (q->claiming)
            kill(w.redis.pid, SIGSTOP);
    }
    if (q->claiming && !w.claimed) {
        lose_answer(&w, "a1", "active");
        WAIT_FOR(&w, w.claimed == 1);
    }
    assert_int_equal(w.claims[0]->attempt, 1);
    assert_string_equal(world_field(&w, "a1", "token"), w.claims[0]->nonce);
    assert_string_equal(world_where(&w, "a1"), "A");
    kill(w.redis.pid, SIGCONT);
    world_stop(&w);
}

/* Redis forgot that it had lent it (a rollback): the render goes on. */
static void adopts(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    struct claim *c = claim_one(&w, "a1", "");
    const char *forget = "redis.call('HSET',KEYS[1],'state','queued','attempt','0')"
                         "redis.call('HDEL',KEYS[1],'token') redis.call('ZREM',KEYS[2],'a1')"
                         "redis.call('ZADD',KEYS[3],'1','a1')";
    offer(&w, 0);
    freeReplyObject(redis_fixture_do(&w.redis, "EVAL %s 3 %s %s %s", forget, KEY("job:a1"),
                                     KEY("active"), KEY("ready")));
    WAIT_FOR(&w, world_is(&w, "a1", "active"));
    assert_string_equal(world_field(&w, "a1", "token"), c->nonce);
    assert_int_equal(w.lost, 0);
    /* And once more, found by the finish. */
    freeReplyObject(redis_fixture_do(&w.redis, "EVAL %s 3 %s %s %s", forget, KEY("job:a1"),
                                     KEY("active"), KEY("ready")));
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(w.verdict, QUEUE_STORED);
    assert_string_equal(world_where(&w, "a1"), "F");
    world_stop(&w);
}

/* ---- crashes ---- */

/* As if this worker had been connected for long enough to reap. */
static void may_reap(struct world *w)
{
    world_inside(w)->up_since_ms = clock_now_ms() - 3600000;
}

static void vanish(struct world *w, const char *id)
{
    freeReplyObject(redis_fixture_do(&w->redis, "ZADD " KEY("active") " 1 %s", id));
}

static void reaps(void **state)
{
    struct world w;
    const char *lend = "redis.call('HSET',KEYS[1],'state','active','token','gone','worker','w0')"
                       "redis.call('ZREM',KEYS[3],'a1') redis.call('ZADD',KEYS[2],'1','a1')";
    (void)state;
    world_start(&w, NULL);
    offer(&w, 0);
    world_push_id(&w, "a1", "");
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "a1", "queued"));
    for (int crash = 1; crash <= 6; crash++) {
        freeReplyObject(redis_fixture_do(&w.redis, "EVAL %s 3 %s %s %s", lend, KEY("job:a1"),
                                         KEY("active"), KEY("ready")));
        may_reap(&w);
        world_tick(&w);
        if (crash <= 5) {
            world_tick(&w);
            WAIT_FOR(&w, world_is(&w, "a1", "queued"));
            assert_string_equal(world_where(&w, "a1"), "R");
        } else {
            WAIT_FOR(&w, world_is(&w, "a1", "dead"));
        }
        assert_int_equal(atoll(world_field(&w, "a1", "crashes")), crash);
    }
    assert_string_equal(world_field(&w, "a1", "outcome"), "worker_lost");
    assert_string_equal(world_where(&w, "a1"), "X");
    assert_int_equal(world_events(&w, "reaped", "a1"), 5);
    assert_int_equal(world_events(&w, "dead", "a1"), 1);
    world_stop(&w);
}

/* Nobody is reaped by a worker that has only just come back itself. */
static void reaps_late(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    claim_one(&w, "a1", "");
    freeReplyObject(redis_fixture_do(&w.redis, "HSET " KEY("job:zz") " state active token x "
                                                                     "payload {} attempt 1"));
    vanish(&w, "zz");
    world_pass(&w, 6000); /* a tick; lease + 5 s are not over */
    assert_true(world_is(&w, "zz", "active"));
    WAIT_FOR(&w, !world_is(&w, "zz", "active"));
    world_stop(&w);
}

static void redis_killed(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, (const char *[]){"--appendonly", "yes", "--appendfsync", "always", NULL});
    struct claim *c = claim_one(&w, "a1", "");
    world_push_id(&w, "a2", "");
    redis_fixture_kill(&w.redis);
    WAIT_FOR(&w, !w.up);
    finish(&w, c, OUTCOME_completed, RESULT); /* kept until it can be said */
    world_pass(&w, 500);
    assert_int_equal(w.finished, 0);
    redis_fixture_again(&w.redis);
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(w.verdict, QUEUE_STORED);
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 2);
    assert_string_equal(w.claims[1]->job.id, "a2");
    assert_int_equal(w.lost, 0);
    assert_int_equal(world_events(&w, "completed", "a1"), 1);
    world_stop(&w);
}

static void clients_killed(void **state)
{
    struct world w;
    char id[16];
    (void)state;
    world_start(&w, NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "a%d", i);
        world_push_id(&w, id, "");
        offer(&w, 1);
        freeReplyObject(redis_fixture_do(&w.redis, "CLIENT KILL TYPE normal SKIPME yes"));
        WAIT_FOR(&w, w.claimed == i + 1);
        finish(&w, w.claims[i], OUTCOME_completed, RESULT);
        freeReplyObject(redis_fixture_do(&w.redis, "CLIENT KILL TYPE normal SKIPME yes"));
        WAIT_FOR(&w, w.finished == i + 1);
        assert_int_equal(w.verdict, QUEUE_STORED);
        assert_int_equal(world_events(&w, "completed", id), 1);
    }
    world_stop(&w);
}

static void scripts_flushed(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    struct claim *c = claim_one(&w, "a1", "");
    freeReplyObject(redis_fixture_do(&w.redis, "SCRIPT FLUSH"));
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    freeReplyObject(redis_fixture_do(&w.redis, "SCRIPT FLUSH"));
    claim_one(&w, "a2", "");
    assert_int_equal(w.warnings, 0);
    world_stop(&w);
}

/* ---- broken keys ---- */

static long long commands_so_far(struct world *w)
{
    redisReply *r = redis_fixture_do(&w->redis, "INFO stats");
    const char *at = strstr(r->str, "total_commands_processed:");
    long long n = at ? strtoll(at + 25, NULL, 10) : 0;
    freeReplyObject(r);
    return n;
}

static void wrong_types(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    freeReplyObject(redis_fixture_do(&w.redis, "SET " IN " nonsense"));
    offer(&w, 1);
    WAIT_FOR(&w, w.warnings > 0);
    assert_non_null(strstr(w.warning, "WRONGTYPE"));
    long long before = commands_so_far(&w);
    world_pass(&w, 2000);
    assert_true(commands_so_far(&w) - before < 60); /* no busy loop */
    freeReplyObject(redis_fixture_do(&w.redis, "DEL " IN));
    claim_one(&w, "a1", "");

    freeReplyObject(redis_fixture_do(&w.redis, "RENAME %s aside", KEY("active")));
    freeReplyObject(redis_fixture_do(&w.redis, "SET %s nonsense", KEY("active")));
    world_push_id(&w, "a2", "");
    offer(&w, 1);
    WAIT_FOR(&w, strstr(w.warning, "manimd:{default}:active\" is a string and must be a zset"));
    assert_int_equal(world_int(&w, "LLEN %s", IN, ""), 1); /* nothing is half done */
    freeReplyObject(redis_fixture_do(&w.redis, "RENAME aside %s", KEY("active")));
    WAIT_FOR(&w, w.claimed == 2);

    /* What only onlookers read holds nobody up. */
    freeReplyObject(redis_fixture_do(&w.redis, "DEL %s", KEY("ev")));
    freeReplyObject(redis_fixture_do(&w.redis, "SET %s nonsense", KEY("ev")));
    freeReplyObject(redis_fixture_do(&w.redis, "SET %s nonsense", KEY("wait:a3")));
    freeReplyObject(redis_fixture_do(&w.redis, "SET %s nonsense", KEY("rejected")));
    freeReplyObject(redis_fixture_do(&w.redis, "SET %s nonsense", KEY("log:a3")));
    world_push(&w, "nonsense");
    struct claim *c = claim_one(&w, "a3", ",\"notify\":true");
    w.queue->ops->progress(w.queue, c, "{\"percent\":1}");
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    assert_true(world_is(&w, "a3", "completed"));
    world_stop(&w);
}

static void broken_hashes(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    offer(&w, 0);
    for (int i = 0; i < 4; i++) {
        static const char *const ids[] = {"nothing", "empty", "string", "forged"};
        world_push_id(&w, ids[i], "");
    }
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "forged", "queued"));
    freeReplyObject(redis_fixture_do(&w.redis, "DEL " KEY("job:nothing")));
    freeReplyObject(redis_fixture_do(&w.redis, "HDEL " KEY("job:empty") " payload"));
    freeReplyObject(redis_fixture_do(&w.redis, "SET " KEY("job:string") " x"));
    freeReplyObject(redis_fixture_do(&w.redis,
                                     "HSET " KEY("job:forged") " payload %s prio abc attempt -x",
                                     "{\"id\":\"another\",\"code\":\"x\"}"));
    freeReplyObject(redis_fixture_do(&w.redis, "ZADD " KEY("ready") " 1 %s", "../../etc"));
    freeReplyObject(redis_fixture_do(&w.redis, "ZADD " KEY("delayed") " 1 ghost"));
    freeReplyObject(redis_fixture_do(&w.redis, "ZADD " KEY("active") " 1 ghost"));
    claim_one(&w, "good", ",\"priority\":1");
    assert_true(world_is(&w, "empty", "dead"));
    assert_string_equal(world_where(&w, "nothing"), "");
    assert_string_equal(world_where(&w, "string"), "");
    assert_int_equal(world_events(&w, "broken", "string"), 1);
    WAIT_FOR(&w, world_is(&w, "forged", "failed"));
    assert_non_null(strstr(world_field(&w, "forged", "result"), "of another id"));
    may_reap(&w);
    world_tick(&w);
    WAIT_FOR(&w, world_where(&w, "ghost")[0] == 0);
    assert_int_equal(w.claimed, 1);
    world_stop(&w);
}

/* Out of memory: what is done is kept and said when there is room. */
static void no_memory(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    struct claim *c = claim_one(&w, "a1", "");
    freeReplyObject(redis_fixture_do(&w.redis, "CONFIG SET maxmemory 1"));
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.warnings > 0);
    assert_non_null(strstr(w.warning, "OOM"));
    world_pass(&w, 500);
    assert_int_equal(w.finished, 0);
    freeReplyObject(redis_fixture_do(&w.redis, "CONFIG SET maxmemory 0"));
    WAIT_FOR(&w, w.finished == 1);
    assert_int_equal(w.verdict, QUEUE_STORED);
    assert_int_equal(world_events(&w, "completed", "a1"), 1);
    world_stop(&w);
}

/* ---- starting and stopping ---- */

static void refuses_to_start(void **state)
{
    struct world w = {0};
    struct err e = ERR_INIT;
    (void)state;
    redis_fixture_start(&w.redis, (const char *[]){"--maxmemory-policy", "allkeys-lru", NULL});
    w.loop = loop_new();
    world_config(&w, "w1");
    assert_int_not_equal(world_try_open(&w, &e), 0);
    assert_non_null(strstr(e.text, "allkeys-lru"));
    assert_non_null(strstr(e.text, "CONFIG SET maxmemory-policy noeviction"));
    freeReplyObject(redis_fixture_do(&w.redis, "CONFIG SET maxmemory-policy noeviction"));
    free(w.config.queue);
    w.config.queue = own_strdup("a}b");
    assert_int_not_equal(world_try_open(&w, &e), 0);
    free(w.config.queue);
    w.config.queue = own_strdup("default");
    freeReplyObject(redis_fixture_do(&w.redis, "CONFIG SET requirepass secret"));
    assert_int_not_equal(world_try_open(&w, &e), 0);
    assert_non_null(strstr(e.text, "NOAUTH"));
    w.queue = NULL;
    world_stop(&w);
}

/* A Redis without CONFIG (an ACL, a hosted one): a warning, and on it goes. */
static void config_blocked(void **state)
{
    struct world w = {0};
    (void)state;
    redis_fixture_start(&w.redis, NULL);
    freeReplyObject(redis_fixture_do(&w.redis, "ACL SETUSER w on >p ~* &* +@all -config"));
    w.loop = loop_new();
    world_config(&w, "w1");
    w.config.redis_user = own_strdup("w");
    w.config.redis_password = own_strdup("p");
    world_open(&w);
    WAIT_FOR(&w, w.warnings > 0);
    assert_non_null(strstr(w.warning, "NOPERM"));
    claim_one(&w, "a1", "");
    world_stop(&w);
}

static void absent_at_start(void **state)
{
    struct world w = {0};
    (void)state;
    redis_fixture_start(&w.redis, NULL);
    redis_fixture_kill(&w.redis);
    w.loop = loop_new();
    world_config(&w, "w1");
    world_open(&w); /* waits for 3 s, then goes on without */
    assert_false(w.up);
    assert_non_null(strstr(w.text, "redis \"unix://"));
    redis_fixture_again(&w.redis);
    WAIT_FOR(&w, w.up);
    claim_one(&w, "a1", "");
    world_stop(&w);
}

static void gives_back_on_close(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    claim_one(&w, "a1", "");
    assert_int_equal(world_int(&w, "ZCARD %s", KEY("workers"), ""), 1);
    w.queue->ops->close(w.queue);
    w.queue = NULL;
    for (int i = 0; i < 200 && !world_is(&w, "a1", "queued"); i++)
        poll(NULL, 0, 10);
    assert_true(world_is(&w, "a1", "queued"));
    assert_int_equal(world_int(&w, "ZCARD %s", KEY("workers"), ""), 0);
    world_stop(&w);
}

static void says_empty(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    offer(&w, 1);
    WAIT_FOR(&w, w.empty == 1);
    struct claim *c = claim_one(&w, "a1", "");
    world_pass(&w, 6000);
    assert_int_equal(w.empty, 1);
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.empty == 2);
    world_stop(&w);
}

/* ---- many ---- */

static void two_workers(void **state)
{
    struct world w, v = {0};
    char id[16];
    (void)state;
    world_start(&w, NULL);
    v.redis = w.redis;
    v.loop = w.loop;
    world_config(&v, "w2");
    world_open(&v);
    offer(&w, 1);
    offer(&v, 1);
    world_pass(&w, 50); /* both wait at the inbox */
    int64_t from_ms = clock_now_ms();
    world_push_id(&w, "a1", "");
    world_push_id(&w, "a2", "");
    WAIT_FOR(&w, w.claimed == 1 && v.claimed == 1);
    assert_true(clock_now_ms() - from_ms < 1000); /* not by the tick */
    int done = 2;
    for (int i = 3; i <= 60; i++) {
        snprintf(id, sizeof(id), "a%d", i);
        world_push_id(&w, id, "");
    }
    while (done < 60) {
        struct world *const both[] = {&w, &v};
        for (int i = 0; i < 2; i++) {
            struct world *x = both[i];
            if (x->claimed > x->finished && x->claims[x->finished % 64]) {
                struct claim *c = x->claims[x->finished % 64];
                x->claims[x->finished % 64] = NULL;
                finish(x, c, OUTCOME_completed, RESULT);
                int before = x->finished;
                WAIT_FOR(x, x->finished == before + 1);
                offer(x, 1);
            }
        }
        loop_step(w.loop, 5);
        done = w.claimed + v.claimed;
        assert_true(clock_now_ms() - from_ms < 20000);
    }
    assert_int_equal(done, 60);
    assert_true(w.claimed > 5 && v.claimed > 5);
    v.queue->ops->close(v.queue);
    config_done(&v.config);
    world_stop(&w);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void fast_and_quiet(void **state)
{
    struct world w;
    int64_t took_us[100];
    char id[16];
    (void)state;
    world_start(&w, NULL);
    for (int i = 0; i < 100; i++) {
        offer(&w, 1);
        world_pass(&w, 5); /* it waits at the inbox */
        snprintf(id, sizeof(id), "a%d", i);
        int64_t from_us = clock_now_us();
        world_push_id(&w, id, "");
        WAIT_FOR(&w, w.claimed == i + 1);
        took_us[i] = clock_now_us() - from_us;
        finish(&w, w.claims[i % 64], OUTCOME_completed, RESULT);
        WAIT_FOR(&w, w.finished == i + 1);
    }
    qsort(took_us, 100, sizeof(took_us[0]), by_size);
    print_message("push to claimed: p50 %lld us, p99 %lld us\n", (long long)took_us[50],
                  (long long)took_us[98]);
    assert_true(took_us[50] < 5000);
    offer(&w, 1);
    world_pass(&w, 1500);
    long long before = commands_so_far(&w);
    world_pass(&w, 20000);
    long long idle = commands_so_far(&w) - before - 1;
    print_message("idle: %lld commands in 20 s\n", idle);
    assert_true(idle <= 20);
    world_stop(&w);
}

static void progress(void **state)
{
    struct world w;
    char json[64];
    (void)state;
    world_start(&w, NULL);
    struct claim *c = claim_one(&w, "a1", "");
    int64_t from_ms = clock_now_ms();
    for (int i = 0; clock_now_ms() - from_ms < 2500; i++) {
        snprintf(json, sizeof(json), "{\"percent\":%d}", i);
        w.queue->ops->progress(w.queue, c, json);
        loop_step(w.loop, 1);
    }
    w.queue->ops->progress(w.queue, c, "no json");
    w.queue->ops->progress(w.queue, c, "{\"percent\":99}");
    WAIT_FOR(&w, strcmp(world_field(&w, "a1", "progress"), "{\"percent\":99}") == 0);
    assert_in_range(world_int(&w, "XLEN %s", KEY("log:a1"), ""), 3, 6);
    WAIT_FOR(&w, world_int(&w, "HGET %s busy", KEY("w:w1"), "") == 1);
    finish(&w, c, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    assert_in_range(world_int(&w, "TTL %s", KEY("log:a1"), ""), 604000, 604800);
    world_stop(&w);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completes),
        cmocka_unit_test(fails),
        cmocka_unit_test(retries_then_dead),
        cmocka_unit_test(releases),
        cmocka_unit_test(in_order_of_priority),
        cmocka_unit_test(delayed),
        cmocka_unit_test(expires),
        cmocka_unit_test(deadline_while_running),
        cmocka_unit_test(rejects),
        cmocka_unit_test(oversize),
        cmocka_unit_test(duplicate_and_conflict),
        cmocka_unit_test(cancels),
        cmocka_unit_test(stale),
        cmocka_unit_test(lost_answers),
        cmocka_unit_test(lost_grant),
        cmocka_unit_test(adopts),
        cmocka_unit_test(reaps),
        cmocka_unit_test(reaps_late),
        cmocka_unit_test(redis_killed),
        cmocka_unit_test(clients_killed),
        cmocka_unit_test(scripts_flushed),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(broken_hashes),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(refuses_to_start),
        cmocka_unit_test(config_blocked),
        cmocka_unit_test(absent_at_start),
        cmocka_unit_test(gives_back_on_close),
        cmocka_unit_test(says_empty),
        cmocka_unit_test(two_workers),
        cmocka_unit_test(progress),
        cmocka_unit_test(fast_and_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
