/* The queue on a real Redis: what one process can show of the crash table
 * (queue.md §1), and keys that somebody wrote nonsense into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_world.h"

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
    struct claim *c = claim_one(&w, "a1", "");
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

/* Of a claim: the index's answer lies in our socket when the server stops, so
 * the claim is what it reads after we have closed. */
static void lost_grant(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    finish(&w, claim_one(&w, "a0", ""), OUTCOME_completed, RESULT); /* it knows the script */
    WAIT_FOR(&w, w.finished == 1);
    offer(&w, 0);
    world_push_id(&w, "a1", "");
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "a1", "queued"));
    struct queue_redis *q = world_inside(&w);
    WAIT_FOR(&w, !q->looking && !q->inbox.peeking && !q->admitting);
    offer(&w, 1);
    assert_true(q->looking);
    loop_step(w.loop, 0); /* it leaves us at the end of a pass */
    assert_true(q->looking);
    for (int i = 0; i < 2; i++) /* of the second our ZRANGE was answered before */
        freeReplyObject(redis_fixture_do(&w.redis, "PING"));
    kill(w.redis.pid, SIGSTOP);
    WAIT_FOR(&w, q->claiming == 1);
    assert_int_equal(w.claimed, 1);
    lose_answer(&w, "a1", "active");
    WAIT_FOR(&w, w.claimed == 2);
    assert_int_equal(w.claims[1]->attempt, 1);
    assert_string_equal(world_field(&w, "a1", "token"), w.claims[1]->nonce);
    assert_string_equal(world_where(&w, "a1"), "A");
    assert_int_equal(world_events(&w, "active", "a1"), 1);
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

/* A connection that is cut again and again is not an outage; a long one is. */
static void reaps_between_breaks(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    claim_one(&w, "a1", "");
    struct queue_redis *q = world_inside(&w);
    for (int is_long = 0; is_long <= 1; is_long++) {
        may_reap(&w);
        freeReplyObject(redis_fixture_do(
            &w.redis, "HSET " KEY("job:zz") " state active token x payload {} attempt 1"));
        vanish(&w, "zz");
        redis_reconnect(q->commands, "test");
        WAIT_FOR(&w, !redis_is_up(q->commands));
        q->down_since_ms -= is_long ? w.config.lease_ms : 0;
        WAIT_FOR(&w, redis_is_up(q->commands) && w.up);
        world_tick(&w);
        if (!is_long)
            WAIT_FOR(&w, !world_is(&w, "zz", "active"));
    }
    world_pass(&w, 500);
    assert_true(world_is(&w, "zz", "active"));
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
    assert_true(world_is(&w, "a2", "queued")); /* nothing is half done */
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

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale),
        cmocka_unit_test(lost_answers),
        cmocka_unit_test(lost_grant),
        cmocka_unit_test(adopts),
        cmocka_unit_test(reaps),
        cmocka_unit_test(reaps_late),
        cmocka_unit_test(reaps_between_breaks),
        cmocka_unit_test(redis_killed),
        cmocka_unit_test(clients_killed),
        cmocka_unit_test(scripts_flushed),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(broken_hashes),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
