/* A job that lost its worker twice may be what kills it: it runs with nothing
 * beside it, so that its neighbours' crashes are not counted as theirs. */
#include "queue_world.h"

static void mark(struct world *w, const char *id, int crashes)
{
    freeReplyObject(redis_fixture_do(&w->redis, "HSET " KEY("job:%s") " crashes %d", id, crashes));
}

/* Jobs queued while nobody takes them. */
static void queue_up(struct world *w, const char *const *ids)
{
    offer(w, 0);
    for (; *ids; ids++) {
        world_push_id(w, *ids, "");
        world_tick(w);
        WAIT_FOR(w, world_is(w, *ids, "queued"));
    }
}

static void runs_alone(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    queue_up(&w, (const char *const[]){"s1", "a2", "s3", NULL});
    mark(&w, "s1", SUSPECT_CRASHES);
    mark(&w, "s3", SUSPECT_CRASHES);
    offer(&w, 3);
    WAIT_FOR(&w, w.claimed == 1);
    world_pass(&w, 300);
    assert_int_equal(w.claimed, 1); /* nothing beside the suspect */
    assert_string_equal(w.claims[0]->job.id, "s1");
    finish(&w, w.claims[0], OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.claimed == 2);
    assert_string_equal(w.claims[1]->job.id, "a2");
    world_pass(&w, 300);
    assert_int_equal(w.claimed, 2); /* and no suspect beside another */
    assert_true(world_is(&w, "s3", "queued"));
    finish(&w, w.claims[1], OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.claimed == 3);
    assert_string_equal(w.claims[2]->job.id, "s3");
    world_stop(&w);
}

/* It waits for its turn, and does not wait for ever. */
static void stands_aside(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    struct claim *long_one = claim_one(&w, "a1", "");
    queue_up(&w, (const char *const[]){"s2", "a3", NULL});
    mark(&w, "s2", SUSPECT_CRASHES);
    offer(&w, 1);
    world_pass(&w, 300);
    assert_int_equal(w.claimed, 1); /* else a3, a4 … would keep it waiting */
    /* Somebody else has taken it: known by the next tick. */
    freeReplyObject(redis_fixture_do(&w.redis, "ZREM " KEY("ready") " s2"));
    world_tick(&w);
    WAIT_FOR(&w, w.claimed == 2);
    assert_string_equal(w.claims[1]->job.id, "a3");
    finish(&w, long_one, OUTCOME_completed, RESULT);
    WAIT_FOR(&w, w.finished == 1);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_alone),
        cmocka_unit_test(stands_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
