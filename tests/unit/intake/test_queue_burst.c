/* Many at a time: texts admitted in bursts, jobs claimed in bursts. */
#include "queue_world.h"

#define JOBS 40
#define LARGE (200 * 1024)

static void push_jobs(struct world *w)
{
    char id[16];
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "b%d", i);
        world_push_id(w, id, "");
    }
}

/* Few looks at the inbox for many jobs; each claimed once, the oldest first. */
static void bursts(void **state)
{
    struct world w;
    char id[16];
    (void)state;
    world_start(&w, NULL);
    offer(&w, 0);
    push_jobs(&w);
    world_tick(&w);
    WAIT_FOR(&w, world_int(&w, "ZCARD %s", KEY("ready"), "") == JOBS);
    assert_true(world_calls(&w, "lrange") <= 10); /* 1 + 16 + …, and seen to be empty */
    offer(&w, JOBS);
    WAIT_FOR(&w, w.claimed == JOBS);
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "b%d", i);
        assert_string_equal(w.claims[i]->job.id, id);
        assert_int_equal(world_events(&w, "active", id), 1);
    }
    world_stop(&w);
}

/* Straight from the inbox, with slots free: admitted and claimed in one burst. */
static void straight(void **state)
{
    struct world w;
    char id[16];
    (void)state;
    world_start(&w, NULL);
    offer(&w, JOBS);
    push_jobs(&w);
    WAIT_FOR(&w, w.claimed == JOBS);
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "b%d", i);
        assert_int_equal(world_events(&w, "queued", id), 1);
        assert_int_equal(world_events(&w, "active", id), 1);
        assert_string_equal(world_where(&w, id), "A");
        assert_string_equal(world_field(&w, id, "token"), w.claims[i]->nonce);
        assert_int_equal(w.claims[i]->attempt, 1);
        assert_true(w.claims[i]->enqueued_unix_ms > 0);
        for (int k = 0; k < i; k++) /* though they are drawn by the dozen */
            assert_string_not_equal(w.claims[k]->nonce, w.claims[i]->nonce);
    }
    world_stop(&w);
}

/* Read ahead, and taken when a slot comes free: no look at what is queued, and the
 * order is that of the inbox. */
static void ahead(void **state)
{
    struct world w;
    char id[16];
    (void)state;
    world_start(&w, NULL);
    push_jobs(&w);
    world_inside(&w)->leaves_it = true; /* until there is a slot, however slow we are */
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 1 && inbox_waiting(&world_inside(&w)->inbox) > 1);
    long long looks = world_calls(&w, "zrange");
    for (int i = 0; i < JOBS; i++) {
        snprintf(id, sizeof(id), "b%d", i);
        WAIT_FOR(&w, w.claimed == i + 1);
        assert_string_equal(w.claims[i]->job.id, id);
        finish(&w, w.claims[i], OUTCOME_completed, RESULT);
        WAIT_FOR(&w, w.finished == i + 1);
        offer(&w, 1);
    }
    assert_true(world_calls(&w, "zrange") - looks < JOBS / 2);
    world_stop(&w);
}

/* Others take what was read ahead, or what is read again is in part on its way out:
 * nothing is taken twice, and nothing is left. */
static void others_are_faster(void **state)
{
    struct world w;
    char id[16];
    (void)state;
    world_start(&w, NULL);
    push_jobs(&w);
    world_inside(&w)->leaves_it = true; /* until there is a slot, however slow we are */
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 1 && inbox_waiting(&world_inside(&w)->inbox) > 3);
    for (int i = 0; i < 3; i++) /* b1 to b3 */
        freeReplyObject(redis_fixture_do(&w.redis, "RPOP " IN));
    offer(&w, JOBS);
    WAIT_FOR(&w, w.claimed == JOBS - 3);
    assert_string_equal(w.claims[1]->job.id, "b4");
    for (int i = 4; i < JOBS; i++) {
        snprintf(id, sizeof(id), "b%d", i);
        assert_int_equal(world_events(&w, "active", id), 1);
        assert_int_equal(world_events(&w, "duplicate", id), 0);
    }
    assert_int_equal(world_int(&w, "LLEN %s", IN, ""), 0);
    world_stop(&w);
}

/* Somebody is queued before it: it is not taken past him. */
static void behind_the_queued(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    offer(&w, 1);
    struct queue_redis *q = world_inside(&w);
    WAIT_FOR(&w, q->ready_empty && q->inbox.peeking);
    const char *put = "redis.call('HSET',KEYS[1],'state','queued','payload',ARGV[1],'score','1')"
                      "redis.call('ZADD',KEYS[2],'1','first') redis.call('LPUSH',KEYS[3],ARGV[2])";
    freeReplyObject(redis_fixture_do(&w.redis, "EVAL %s 3 %s %s %s %s %s", put, KEY("job:first"),
                                     KEY("ready"), IN,
                                     "{\"id\":\"first\",\"code\":\"x\",\"scene\":\"S\"}",
                                     "{\"id\":\"second\",\"code\":\"x\",\"scene\":\"S\"}"));
    WAIT_FOR(&w, w.claimed == 1);
    assert_string_equal(w.claims[0]->job.id, "first");
    WAIT_FOR(&w, world_is(&w, "second", "queued"));
    finish(&w, w.claims[0], OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 2);
    assert_string_equal(w.claims[1]->job.id, "second");
    world_stop(&w);
}

/* A burst of texts, each as large as it may be, is more than a reply may be; and
 * so is a single one that is larger, while the tail before it is as it should be. */
static void large_texts(void **state)
{
    struct world w;
    char id[16];
    own_free char *text = own_calloc(1, LARGE + 1);
    own_free char *huge = own_calloc(1, 10 * LARGE + 1);
    (void)state;
    memset(text, 'x', LARGE);
    memset(huge, 'x', 10 * LARGE);
    world_start(&w, NULL);
    offer(&w, 0);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), i < 10 ? "small%d" : "large%d", i);
        own_free char *json =
            own_printf("{\"id\":\"%s\",\"code\":\"%s\",\"scene\":\"S\"}", id, i < 10 ? "x" : text);
        world_push(&w, json);
        if (i == 5)
            world_push(&w, huge);
    }
    for (int i = 0; i < 40 && world_int(&w, "LLEN %s", IN, "") > 0; i++) {
        world_tick(&w);
        world_pass(&w, 100);
    }
    WAIT_FOR(&w, world_int(&w, "ZCARD %s", KEY("ready"), "") == 20);
    assert_int_equal(world_int(&w, "LLEN %s", KEY("rejected"), ""), 1);
    world_stop(&w);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts),
        cmocka_unit_test(straight),
        cmocka_unit_test(ahead),
        cmocka_unit_test(others_are_faster),
        cmocka_unit_test(behind_the_queued),
        cmocka_unit_test(large_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
