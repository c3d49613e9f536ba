/* Calls of scripts that travel together, on a real Redis: each is answered by
 * itself, whatever becomes of its neighbours. */
#include "script_world.h"

/* One command, which leaves us when the pass ends. */
static void together(void **state)
{
    struct answers a;
    (void)state;
    start(&a);
    queue_all(&a, 3, claim);
    assert_non_null(a.line.waiting);
    loop_step(a.w.loop, 0);
    assert_null(a.line.waiting);
    wait_answers(&a, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(a.words[i], "ok");
    assert_true(world_is(&a.w, "j2", "active"));
    assert_int_equal(world_int(&a.w, "HGET %s %s", KEY("stats"), "active"), 3);
    assert_int_equal(world_calls(&a.w, "evalsha") + world_calls(&a.w, "eval"),
                     2); /* unknown at first */
    stop(&a);
}

static void broken_neighbours(void **state)
{
    struct answers a;
    (void)state;
    start(&a);
    queued(&a, "a1");
    queued(&a, "string");
    queued(&a, "a3");
    freeReplyObject(redis_fixture_do(&a.w.redis, "SET " KEY("job:string") " x"));
    claim(&a, "a1");
    claim(&a, "string");
    claim(&a, "gone");
    claim(&a, "a3");
    wait_answers(&a, 4);
    static const char *const wanted[] = {"ok", "gone", "gone", "ok"};
    for (int i = 0; i < 4; i++)
        assert_string_equal(a.words[i], wanted[i]);
    assert_string_equal(world_where(&a.w, "string"), "");
    assert_int_equal(world_events(&a.w, "broken", "string"), 1);
    assert_string_equal(world_where(&a.w, "a3"), "A");
    /* Raised in the midst of one's writes. */
    static const char *const ids[] = {"h1", "h2", "h3"};
    for (int i = 0; i < 3; i++)
        freeReplyObject(redis_fixture_do(&a.w.redis,
                                         "HSET " KEY("job:") "%s state completed webhook u hookid "
                                                             "m hookclaims %s",
                                         ids[i], i == 1 ? "nonsense" : "1"));
    for (int i = 0; i < 3; i++)
        call_id(&a, SCRIPT_hook_again, ids[i]);
    wait_answers(&a, 7);
    assert_string_equal(a.words[4], "due");
    assert_true(begins(a.words[5], "ERR "));
    assert_non_null(strstr(a.words[5], "not an integer"));
    assert_null(strstr(a.words[5], "user_script"));
    assert_string_equal(a.words[6], "due");
    assert_int_equal(world_int(&a.w, "ZCARD %s", KEY("hooks"), ""), 2);
    stop(&a);
}

/* A broken index is everybody's matter; each is told so, and nothing is half done. */
static void broken_index(void **state)
{
    struct answers a;
    (void)state;
    start(&a);
    queued(&a, "j0");
    queued(&a, "j1");
    freeReplyObject(redis_fixture_do(&a.w.redis, "SET " KEY("active") " nonsense"));
    claim(&a, "j0");
    claim(&a, "j1");
    wait_answers(&a, 2);
    for (int i = 0; i < 2; i++)
        assert_true(begins(a.words[i], "WRONGTYPE key \"" KEY("active")));
    assert_true(world_is(&a.w, "j1", "queued"));
    stop(&a);
}

static void end_some(struct answers *a, const char *id)
{
    end(a, id, RESULT);
}

/* Errors of the server keep their names, for all of a burst. */
static void refused(void **state)
{
    struct answers a;
    (void)state;
    start(&a);
    queue_all(&a, 3, claim);
    wait_answers(&a, 3);
    freeReplyObject(redis_fixture_do(&a.w.redis, "CONFIG SET maxmemory 1"));
    for (int i = 0; i < 3; i++)
        end_some(&a, (const char *[]){"j0", "j1", "j2"}[i]);
    wait_answers(&a, 6);
    for (int i = 3; i < 6; i++)
        assert_true(begins(a.words[i], "OOM "));
    assert_true(world_is(&a.w, "j1", "active"));
    freeReplyObject(redis_fixture_do(&a.w.redis, "CONFIG SET maxmemory 0"));
    freeReplyObject(redis_fixture_do(&a.w.redis, "REPLICAOF 127.0.0.1 1"));
    for (int i = 0; i < 3; i++)
        end_some(&a, (const char *[]){"j0", "j1", "j2"}[i]);
    wait_answers(&a, 9);
    for (int i = 6; i < 9; i++)
        assert_true(begins(a.words[i], "READONLY "));
    freeReplyObject(redis_fixture_do(&a.w.redis, "REPLICAOF NO ONE"));
    freeReplyObject(redis_fixture_do(&a.w.redis, "SCRIPT FLUSH"));
    for (int i = 0; i < 3; i++)
        end_some(&a, (const char *[]){"j0", "j1", "j2"}[i]);
    wait_answers(&a, 12);
    for (int i = 9; i < 12; i++)
        assert_string_equal(a.words[i], "ok");
    assert_int_equal(world_int(&a.w, "ZCARD %s", KEY("done"), ""), 3);
    stop(&a);
}

/* No more than so many, and no more bytes, however many there are. */
static void split(void **state)
{
    struct answers a;
    const int many = 2 * SCRIPT_TOGETHER + 3;
    own_free char *large = own_calloc(1, 41 * 1024);
    (void)state;
    start(&a);
    claim(&a, "none"); /* the script is known from now on */
    wait_answers(&a, 1);
    long long before = world_calls(&a.w, "evalsha");
    queue_all(&a, many, claim);
    wait_answers(&a, 1 + many);
    assert_int_equal(world_calls(&a.w, "evalsha") - before, 3);
    end(&a, "none", "");
    wait_answers(&a, 2 + many);
    memset(large, ' ', 40 * 1024);
    before = world_calls(&a.w, "evalsha");
    end(&a, "j0", large);
    end(&a, "j1", RESULT);
    end(&a, "j2", large);
    end(&a, "j3", large);
    wait_answers(&a, 6 + many);
    assert_int_equal(world_calls(&a.w, "evalsha") - before, 3);
    for (int i = 1; i < 1 + many; i++)
        assert_string_equal(a.words[i], "ok");
    assert_string_equal(a.words[5 + many], "ok");
    stop(&a);
}

/* As they were given, whoever stands between. */
static void in_order(void **state)
{
    struct answers a;
    (void)state;
    start(&a);
    queued(&a, "j0");
    queued(&a, "j1");
    claim(&a, "j0");
    claim(&a, "j1");
    end(&a, "j0", RESULT);
    claim(&a, "j0");
    end(&a, "j1", RESULT);
    end(&a, "j1", RESULT);
    wait_answers(&a, 6);
    static const char *const wanted[] = {"ok", "ok", "ok", "gone", "ok", "replay"};
    for (int i = 0; i < 6; i++)
        assert_string_equal(a.words[i], wanted[i]);
    stop(&a);
}

/* First come, first served, also among those of one call. */
static void keep_their_turn(void **state)
{
    struct world w;
    char id[16];
    (void)state;
    world_start(&w, NULL);
    offer(&w, 0);
    for (int i = 0; i < 30; i++) {
        snprintf(id, sizeof(id), "z%d", 29 - i); /* by name they would stand otherwise */
        world_push_id(&w, id, "");
    }
    world_tick(&w);
    WAIT_FOR(&w, world_int(&w, "ZCARD %s", KEY("ready"), "") == 30);
    redisReply *r = redis_fixture_do(&w.redis, "ZRANGE " KEY("ready") " 0 -1");
    for (int i = 0; i < 30; i++) {
        snprintf(id, sizeof(id), "z%d", 29 - i);
        assert_string_equal(r->element[i]->str, id);
    }
    freeReplyObject(r);
    world_stop(&w);
}

/* Jobs as large as they may be are granted together: that is one large reply. */
static void large_grants(void **state)
{
    struct world w;
    own_free char *text = own_calloc(1, 200 * 1024 + 1);
    char id[16];
    (void)state;
    memset(text, 'x', 200 * 1024);
    world_start(&w, NULL);
    offer(&w, 0);
    for (int i = 0; i < SCRIPT_TOGETHER; i++) {
        snprintf(id, sizeof(id), "l%d", i);
        own_free char *json =
            own_printf("{\"id\":\"%s\",\"code\":\"%s\",\"scene\":\"S\"}", id, text);
        world_push(&w, json);
    }
    WAIT_FOR(&w, (world_tick(&w), world_int(&w, "ZCARD %s", KEY("ready"), "") == SCRIPT_TOGETHER));
    offer(&w, SCRIPT_TOGETHER);
    WAIT_FOR(&w, w.claimed == SCRIPT_TOGETHER);
    assert_int_equal(w.warnings, 0);
    world_stop(&w);
}

/* What waits when a line is closed is sent; what is asked then is answered at once. */
static void closed(void **state)
{
    struct answers a;
    (void)state;
    start(&a);
    queue_all(&a, 2, claim);
    script_line_close(&a.line);
    assert_null(a.line.waiting);
    claim(&a, "j0");
    assert_int_equal(a.nothing, 1);
    a.redis = redis_free(a.redis);
    assert_int_equal(a.count, 3);
    assert_int_equal(a.nothing, 3);
    stop(&a);
}

/* By the first of those who are answered together: the others hear so. */
static void closed_by_an_answer(void **state)
{
    struct answers a;
    (void)state;
    start(&a);
    a.close_at_first = true;
    queue_all(&a, 4, claim);
    wait_answers(&a, 4);
    assert_int_equal(a.nothing, 3);
    stop(&a);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(together),        cmocka_unit_test(broken_neighbours),
        cmocka_unit_test(broken_index),    cmocka_unit_test(refused),
        cmocka_unit_test(split),           cmocka_unit_test(in_order),
        cmocka_unit_test(keep_their_turn), cmocka_unit_test(large_grants),
        cmocka_unit_test(closed),          cmocka_unit_test(closed_by_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
