/* The queue on a real Redis: every transition of queue.md §1, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_world.h"

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

/* What is handed to who waits is kept no longer than the result itself. */
static void leaves_nothing_longer_than_the_result(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    w.queue->ops->close(w.queue);
    w.config.result_ttl_s = 40;
    world_open(&w);
    finish(&w, claim_one(&w, "a1", ",\"notify\":true"), OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    assert_in_range(world_int(&w, "TTL %s", KEY("job:a1"), ""), 1, 40);
    assert_in_range(world_int(&w, "TTL %s", KEY("wait:a1"), ""), 1, 40);
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
    freeReplyObject(redis_fixture_do(&w.redis, "LPUSH " IN " %b", "{\"a\0\"\\}", (size_t)7));
    world_push_id(&w, "good", "");
    WAIT_FOR(&w, w.claimed == 1);
    assert_string_equal(w.claims[0]->job.id, "good");
    assert_int_equal(world_int(&w, "LLEN %s", KEY("rejected"), ""), 9);
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
    assert_non_null(strstr(r->element[0]->str, "\"head\":\"{\\\"a?\\\"\\\\}\""));
    assert_non_null(strstr(r->element[1]->str, "has 262145 bytes, at most 262144 allowed"));
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
    world_push_id(&w, "early", ",\"run_at\":4000000000");
    WAIT_FOR(&w, world_is(&w, "early", "cancelled"));
    assert_int_equal(w.claimed, 0);
    assert_int_equal(world_events(&w, "delayed", "early"), 0);
    assert_int_equal(world_int(&w, "EXISTS %s", KEY("cancel:early"), ""), 0);

    w.config.lease_ms = 30000; /* so that no beat comes by */
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

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completes),
        cmocka_unit_test(leaves_nothing_longer_than_the_result),
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
