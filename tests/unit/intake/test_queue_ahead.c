/* Texts in hand, read ahead of need, when what was thought of them is wrong. */
#include "queue_world.h"

#define TEXTS 40
#define MANY 300

static void push_some(struct world *w, const char *name, int n)
{
    char id[16];
    for (int i = 0; i < n; i++) {
        snprintf(id, sizeof(id), "%s%d", name, i);
        world_push_id(w, id, "");
    }
}

/* One job is running in the only slot, and texts wait: in hand, not admitted. */
static struct queue_redis *start_full(struct world *w, int texts)
{
    world_start(w, NULL);
    struct queue_redis *q = world_inside(w);
    WAIT_FOR(w, w->up);  /* all three lines: each looks once more when it is */
    q->leaves_it = true; /* they stay where they are, until the tick */
    claim_one(w, "running", "");
    push_some(w, "t", texts);
    q->inbox.more = true;
    queue_peek(q);
    WAIT_FOR(w, inbox_waiting(&q->inbox) == texts && !q->inbox.peeking);
    assert_true(q->ready_empty);
    return q;
}

/* As somebody else queues a job, without a word to anybody. */
static void put_in_ready(struct world *w, const char *id, int crashes)
{
    own_free char *text = own_printf("{\"id\":\"%s\",\"code\":\"x\",\"scene\":\"S\"}", id);
    own_free char *lost = own_printf("%d", crashes);
    freeReplyObject(redis_fixture_do(
        &w->redis, "HSET " KEY("job:") "%s state queued payload %s score 1 crashes %s", id, text,
        lost));
    freeReplyObject(redis_fixture_do(&w->redis, "ZADD " KEY("ready") " 1 %s", id));
}

/* Others took all of it: one is asked for in vain, not every one. */
static void taken_by_others(void **state)
{
    struct world w;
    (void)state;
    struct queue_redis *q = start_full(&w, TEXTS - 10);
    freeReplyObject(redis_fixture_do(&w.redis, "DEL " IN));
    long long before = world_calls(&w, "evalsha");
    offer(&w, 1);
    WAIT_FOR(&w, inbox_waiting(&q->inbox) == 0 && q->inbox.peeking && !q->inbox.more);
    assert_true(world_calls(&w, "evalsha") - before <= 2);
    push_some(&w, "later", 1);
    WAIT_FOR(&w, w.claimed == 2);
    world_stop(&w);
}

/* Without a slot as well; and it leaves them to whoever takes them. */
static void queued_by_others(void **state)
{
    struct world w;
    (void)state;
    struct queue_redis *q = start_full(&w, TEXTS - 10);
    freeReplyObject(redis_fixture_do(&w.redis, "DEL " IN));
    push_some(&w, "later", 3);
    q->leaves_it = false;
    queue_feed(q);
    WAIT_FOR(&w, q->leaves_it && q->admitting == 0);
    long long before = world_calls(&w, "evalsha");
    world_pass(&w, 300);
    assert_int_equal(world_calls(&w, "evalsha"), before);
    assert_int_equal(world_int(&w, "LLEN %s", IN, ""), 3);
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "later2", "queued"));
    world_stop(&w);
}

/* The word that wakes the idle, and nobody is: it is taken away, and all is quiet. */
static void nobody_to_wake(void **state)
{
    struct world w;
    (void)state;
    struct queue_redis *q = start_full(&w, 0);
    q->leaves_it = false;
    put_in_ready(&w, "waiting", 0);
    freeReplyObject(redis_fixture_do(&w.redis, "LPUSH " IN " !"));
    queue_feed(q);
    WAIT_FOR(&w, world_int(&w, "LLEN %s", IN, "") == 0 && q->inbox.peeking && !q->inbox.more);
    long long before = commands_so_far(&w);
    world_pass(&w, 400);
    assert_true(commands_so_far(&w) - before < 25); /* what is due anyway; not hundreds */
    finish(&w, w.claims[0], OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 2);
    world_stop(&w);
}

/* Many wait that are less urgent, and all slots are taken: it is seen to be urgent
 * before they have had their turn. */
static void urgent(void **state)
{
    struct world w;
    char id[16];
    (void)state;
    world_start(&w, NULL);
    claim_one(&w, "running", "");
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), "b%d", i);
        world_push_id(&w, id, ",\"priority\":5");
    }
    world_push_id(&w, "urgent", "");
    int64_t begun_ms = clock_now_ms();
    WAIT_FOR(&w, world_is(&w, "urgent", "queued"));
    assert_true(clock_now_ms() - begun_ms < 5000);
    finish(&w, w.claims[0], OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 2);
    assert_string_equal(w.claims[1]->job.id, "urgent");
    world_stop(&w);
}

/* Ordinary scenes, many: more than a reply may hold, and no reason to lose the line. */
static void middling_texts(void **state)
{
    struct world w;
    char id[16];
    own_free char *code = own_calloc(1, 30000 + 1);
    (void)state;
    memset(code, 'x', 30000);
    world_start(&w, NULL);
    for (int i = 0; i < TEXTS; i++) {
        snprintf(id, sizeof(id), "b%d", i);
        own_free char *json =
            own_printf("{\"id\":\"%s\",\"code\":\"%s\",\"scene\":\"S\"}", id, code);
        world_push(&w, json);
    }
    long long lines = world_info(&w, "stats", "total_connections_received:");
    offer(&w, TEXTS);
    WAIT_FOR(&w, w.claimed == TEXTS);
    assert_int_equal(world_info(&w, "stats", "total_connections_received:"), lines);
    world_stop(&w);
}

/* It stood aside for a suspect, and ended what it held: the suspect's turn has come. */
static void suspect_before_them(void **state)
{
    struct world w;
    (void)state;
    struct queue_redis *q = start_full(&w, 3);
    put_in_ready(&w, "suspect", SUSPECT_CRASHES);
    q->free_slots = 1; /* of two */
    queue_look(q);
    WAIT_FOR(&w, q->stands_aside);
    finish(&w, w.claims[0], OUTCOME_completed, RESULT);
    int64_t begun_ms = clock_now_ms();
    WAIT_FOR(&w, w.claimed == 2);
    assert_string_equal(w.claims[1]->job.id, "suspect");
    assert_true(clock_now_ms() - begun_ms < 1000);
    world_stop(&w);
}

/* One of a burst could not be admitted: what was queued before it is claimed. */
static void error_behind_the_queued(void **state)
{
    struct world w;
    (void)state;
    struct queue_redis *q = start_full(&w, 1);
    own_free char *later = own_printf(",\"run_at\":%lld", (long long)clock_unix_ms() / 1000 + 3600);
    world_push_id(&w, "later", later);
    q->inbox.more = true;
    queue_peek(q);
    WAIT_FOR(&w, inbox_waiting(&q->inbox) == 2 && !q->inbox.peeking);
    put_in_ready(&w, "before", 0);
    finish(&w, w.claims[0], OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    freeReplyObject(redis_fixture_do(&w.redis, "SET " KEY("delayed") " x"));
    int64_t begun_ms = clock_now_ms();
    offer(&w, 3);
    WAIT_FOR(&w, w.claimed == 3);
    assert_string_equal(w.claims[1]->job.id, "before");
    assert_string_equal(w.claims[2]->job.id, "t0");
    assert_true(clock_now_ms() - begun_ms < 1000);
    world_stop(&w);
}

/* Many are refused at one moment, for one reason: that is one failure, not many. */
static void one_back_off(void **state)
{
    struct world w;
    (void)state;
    struct queue_redis *q = start_full(&w, TEXTS - 10);
    freeReplyObject(redis_fixture_do(&w.redis, "SET " KEY("ready") " x"));
    offer(&w, TEXTS);
    WAIT_FOR(&w, q->admit_tries > 0 && q->admitting == 0);
    assert_true(q->admit_tries <= 2);
    freeReplyObject(redis_fixture_do(&w.redis, "DEL " KEY("ready")));
    int64_t begun_ms = clock_now_ms();
    WAIT_FOR(&w, w.claimed == TEXTS - 9);
    assert_true(clock_now_ms() - begun_ms < 1500);
    world_stop(&w);
}

/* Texts without an id, all alike: as many jobs as were pushed, whatever is in hand. */
static void all_alike(void **state)
{
    struct world w;
    char ids[TEXTS][JOB_ID_MAX + 1];
    (void)state;
    world_start(&w, NULL);
    offer(&w, 3);
    for (int i = 0; i < TEXTS; i++)
        world_push(&w, "{\"code\":\"x\",\"scene\":\"S\"}");
    for (int i = 0; i < TEXTS; i++) {
        WAIT_FOR(&w, w.claimed > i);
        snprintf(ids[i], sizeof(ids[i]), "%s", w.claims[i]->job.id);
        for (int before = 0; before < i; before++)
            assert_string_not_equal(ids[i], ids[before]);
        finish(&w, w.claims[i], OUTCOME_completed, RESULT);
        WAIT_FOR(&w, w.finished == i + 1);
        offer(&w, 3 - (w.claimed - w.finished));
    }
    world_pass(&w, 100);
    assert_int_equal(w.claimed, TEXTS);
    assert_int_equal(world_int(&w, "HGET %s completed", KEY("stats"), ""), TEXTS);
    world_stop(&w);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_by_others),
        cmocka_unit_test(queued_by_others),
        cmocka_unit_test(urgent),
        cmocka_unit_test(nobody_to_wake),
        cmocka_unit_test(middling_texts),
        cmocka_unit_test(suspect_before_them),
        cmocka_unit_test(error_behind_the_queued),
        cmocka_unit_test(one_back_off),
        cmocka_unit_test(all_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
