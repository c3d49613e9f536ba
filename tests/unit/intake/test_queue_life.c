/* The queue on a real Redis: starting and stopping, several workers, how fast
 * and how quiet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue_world.h"

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

/* What one worker has queued and cannot take, another that waits hears of. */
static void spreads(void **state)
{
    struct world w, v = {0};
    char at[64];
    (void)state;
    world_start(&w, NULL);
    v.redis = w.redis;
    v.loop = w.loop;
    world_config(&v, "w2");
    world_open(&v);
    offer(&w, 1);
    snprintf(at, sizeof(at), ",\"run_at\":%.3f", (double)clock_unix_ms() / 1000 + 0.5);
    world_push_id(&w, "a1", at);
    WAIT_FOR(&w, world_is(&w, "a1", "delayed"));
    offer(&w, 0); /* it will be due where there is no slot */
    offer(&v, 1);
    queue_timer_stop(world_inside(&v), &world_inside(&v)->tick);
    WAIT_FOR(&w, v.claimed == 1);
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
    world_pass(&w, 15000);
    long long idle = commands_so_far(&w) - before - 1;
    print_message("idle: %lld commands in 15 s\n", idle);
    assert_true(idle <= 15);
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
        cmocka_unit_test(refuses_to_start), cmocka_unit_test(config_blocked),
        cmocka_unit_test(absent_at_start),  cmocka_unit_test(gives_back_on_close),
        cmocka_unit_test(says_empty),       cmocka_unit_test(two_workers),
        cmocka_unit_test(spreads),          cmocka_unit_test(fast_and_quiet),
        cmocka_unit_test(progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
