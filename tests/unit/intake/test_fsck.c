/* The consistency check: each kind of damage is planted in a queue that holds a
 * job of every state, must be named, must be mended, and must then be gone. */
#include "queue_world.h"

#include "base/json.h"
#include "intake/fsck.h"
#include "intake/producer.h"

#define JOB(id) KEY("job:") id

struct seen {
    struct fsck_counts counts;
    char lines[64][400]; /* "key kinds" */
    int n;
};

static void on_finding(void *arg, const struct fsck_finding *f)
{
    struct seen *s = arg;
    if (s->n < 64)
        snprintf(s->lines[s->n++], sizeof(s->lines[0]), "%s %s", f->key, f->kinds);
}

static bool saw(const struct seen *s, const char *line)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->lines[i], line) == 0)
            return true;
    return false;
}

static void check(struct world *w, bool repair, struct seen *ret)
{
    struct err e = ERR_INIT;
    struct producer *p = NULL;
    *ret = (struct seen){0};
    const struct fsck_spec spec = {
        .config = &w->config, .repair = repair, .on_finding = on_finding, .arg = ret};
    if (producer_open(w->loop, &w->config, &p, &e) < 0 || fsck_run(p, &spec, &ret->counts, &e) < 0)
        fail_msg("%s", e.text);
    producer_close(p);
}

static void assert_clean(struct world *w)
{
    struct seen seen;
    check(w, false, &seen);
    if (seen.n)
        fail_msg("%s", seen.lines[0]);
    assert_int_equal(seen.counts.found, 0);
}

static void doing(struct world *w, const char *command)
{
    redisReply *r = redis_fixture_do(&w->redis, command);
    if (r->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", command, r->str);
    freeReplyObject(r);
}

static void end_one(struct world *w, const char *id, const char *more, enum outcome o)
{
    int before = w->finished;
    finish(w, claim_one(w, id, more), o,
           "{\"id\":\"x\",\"state\":\"completed\",\"outcome\":\"completed\"}");
    WAIT_FOR(w, w->finished == before + 1);
}

#define WEBHOOK ",\"webhook\":\"https://example.com/hook\""

/* One of each: runs, waits, later, retries, good, bad, gone, given-up. */
static void populate(struct world *w)
{
    w->config.retry_base_ms = 600000;
    w->config.lease_ms = 30000;
    end_one(w, "good", WEBHOOK, OUTCOME_completed);
    end_one(w, "bad", "", OUTCOME_scene_error);
    for (int64_t due_ms = 0; due_ms < 1000;) { /* full jitter: may be due at once */
        end_one(w, "retries", "", OUTCOME_host_error);
        due_ms = strtoll(world_field(w, "retries", "due"), NULL, 10) - clock_unix_ms();
        if (due_ms < 60000)
            doing(w, "DEL " JOB("retries")), doing(w, "ZREM " KEY("delayed") " retries");
        due_ms = due_ms < 60000 ? 0 : due_ms;
    }
    w->config.attempts = 1;
    end_one(w, "given-up", "", OUTCOME_host_error);
    claim_one(w, "runs", "");
    offer(w, 0);
    world_push_id(w, "later", ",\"run_at\":\"2100-01-01T00:00:00Z\"");
    world_push_id(w, "waits", ",\"priority\":3");
    doing(w, "SET " KEY("cancel:gone") " 1");
    world_push_id(w, "gone", "");
    world_tick(w);
    WAIT_FOR(w, world_is(w, "gone", "cancelled") && world_is(w, "waits", "queued"));
}

static const struct standing {
    const char *id, *state, *where;
} standings[] = {
    {"runs", "active", "A"},      {"waits", "queued", "R"},   {"later", "delayed", "D"},
    {"retries", "retrying", "D"}, {"good", "completed", "F"}, {"bad", "failed", "F"},
    {"gone", "cancelled", "F"},   {"given-up", "dead", "X"},
};

static void assert_standing(struct world *w, const char *unless)
{
    for (size_t i = 0; i < sizeof(standings) / sizeof(standings[0]); i++) {
        if (unless && strcmp(unless, standings[i].id) == 0)
            continue;
        assert_string_equal(world_field(w, standings[i].id, "state"), standings[i].state);
        assert_string_equal(world_where(w, standings[i].id), standings[i].where);
    }
}

/* Planted, what is named of it, and, where it does not end as it was: of which
 * job and in what state. */
static const struct damage {
    const char *plant[3], *expect[3], *id, *state;
} damages[] = {
    {{"DEL " KEY("ready")}, {"job:waits not_indexed"}, NULL, NULL},
    {{"DEL " KEY("delayed")}, {"job:later not_indexed", "job:retries not_indexed"}, NULL, NULL},
    {{"DEL " KEY("active")}, {"job:runs not_indexed"}, NULL, NULL},
    {{"DEL " KEY("done")},
     {"job:good not_indexed", "job:bad not_indexed", "job:gone not_indexed"},
     NULL,
     NULL},
    {{"DEL " KEY("dead")}, {"job:given-up not_indexed"}, NULL, NULL},
    {{"DEL " KEY("hooks")}, {"job:good no_hook"}, NULL, NULL},
    {{"ZADD " KEY("ready") " 5 ghost"}, {"job:ghost no_job"}, NULL, NULL},
    {{"ZADD " KEY("done") " 9999999999999 ghost", "ZADD " KEY("hooks") " 1 ghost"},
     {"job:ghost no_job"},
     NULL,
     NULL},
    {{"ZADD " KEY("ready") " 5 ../x"}, {"job:../x bad_id"}, NULL, NULL},
    {{"ZADD " KEY("ready") " 5 \x1b[2J\xff"}, {"job:?[2J? bad_id"}, NULL, NULL},
    {{"ZADD " KEY(
         "ready") " 5 waits.................................................................."
                  "........................................"},
     {NULL},
     NULL,
     NULL},
    {{"ZADD " KEY("active") " 5 waits"}, {"job:waits lease"}, NULL, NULL},
    {{"ZADD " KEY("active") " 99999999999999 runs"}, {"job:runs wrong_score"}, NULL, NULL},
    {{"ZREM " KEY("done") " bad", "ZADD " KEY("ready") " 5 bad"},
     {"job:bad wrong_index,not_indexed"},
     NULL,
     NULL},
    {{"ZADD " KEY("dead") " 5 good"}, {"job:good wrong_index"}, NULL, NULL},
    {{"ZADD " KEY("ready") " 5 waits"}, {"job:waits wrong_score"}, NULL, NULL},
    {{"ZADD " KEY("delayed") " 9000000000000 later"}, {"job:later wrong_score"}, NULL, NULL},
    {{"ZADD " KEY("done") " 7 bad"}, {"job:bad wrong_score"}, NULL, NULL},
    {{"ZADD " KEY("hooks") " 1 bad"}, {"job:bad wrong_hook"}, NULL, NULL},
    {{"HDEL " JOB("waits") " score"}, {"job:waits no_score"}, NULL, NULL},
    {{"HDEL " JOB("waits") " score", "DEL " KEY("ready")},
     {"job:waits no_score,not_indexed"},
     NULL,
     NULL},
    {{"PERSIST " JOB("bad")}, {"job:bad no_ttl"}, NULL, NULL},
    {{"EXPIRE " JOB("waits") " 100"}, {"job:waits has_ttl"}, NULL, NULL},
    {{"HDEL " JOB("waits") " state"}, {"job:waits half_gone"}, NULL, NULL},
    {{"HDEL " JOB("later") " state"}, {"job:later half_gone"}, NULL, NULL},
    {{"HDEL " JOB("retries") " state"}, {"job:retries half_gone"}, NULL, NULL},
    {{"HDEL " JOB("runs") " state"}, {"job:runs half_gone"}, NULL, NULL},
    {{"HDEL " JOB("good") " state outcome"}, {"job:good half_gone"}, NULL, NULL},
    {{"HDEL " JOB("gone") " state fin"}, {"job:gone half_gone"}, NULL, NULL},
    {{"HDEL " JOB("given-up") " state payload"}, {"job:given-up half_gone"}, NULL, NULL},
    {{"HDEL " JOB("bad") " result fin payload"}, {"job:bad half_gone"}, NULL, NULL},
    {{"HSET " JOB("bad") " state nonsense"}, {"job:bad half_gone"}, NULL, NULL},
    {{"HDEL " JOB("later") " due"}, {"job:later half_gone"}, NULL, NULL},
    {{"HDEL " JOB("waits") " sha enq prio"}, {"job:waits half_gone"}, NULL, NULL},
    {{"HDEL " JOB("good") " hookid"}, {"job:good no_hook"}, NULL, NULL},
    {{"HDEL " JOB("waits") " payload"}, {"job:waits half_gone"}, "waits", "dead"},
    {{"HDEL " JOB("retries") " state payload due sha score fails"},
     {"job:retries half_gone"},
     "retries",
     "dead"},
    {{"HDEL " JOB("runs") " token"}, {"job:runs half_gone,lease,not_indexed"}, "runs", "queued"},
};

static void one_damage(struct world *w, const struct damage *d)
{
    struct seen before, mended;
    for (int i = 0; i < 3 && d->plant[i]; i++)
        doing(w, d->plant[i]);
    check(w, false, &before);
    for (int i = 0; i < 3 && d->expect[i]; i++)
        if (!saw(&before, d->expect[i]))
            fail_msg("%s: no word of \"%s\", but \"%s\"", d->plant[0], d->expect[i],
                     before.lines[0]);
    if (!before.counts.found || before.counts.mended || before.counts.left)
        fail_msg("%s: found %d", d->plant[0], (int)before.counts.found);
    check(w, true, &mended);
    if (mended.counts.found != mended.counts.mended)
        fail_msg("%s: left \"%s\"", d->plant[0], mended.lines[0]);
    assert_clean(w);
    assert_standing(w, d->id);
    if (d->id)
        assert_string_equal(world_field(w, d->id, "state"), d->state);
}

static void names_and_mends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct world w;
        world_start(&w, NULL);
        populate(&w);
        assert_standing(&w, NULL);
        assert_clean(&w);
        one_damage(&w, &damages[i]);
        world_stop(&w);
    }
}

/* What cannot be known is left, said, and touched by nobody. */
static void leaves_to_a_person(void **state)
{
    struct world w;
    struct seen seen;
    (void)state;
    world_start(&w, NULL);
    populate(&w);
    doing(&w, "SET " JOB("theirs") " value");
    doing(&w, "SET " JOB("waits") " value");
    doing(&w, "HSET " KEY("job:../up") " a b");
    doing(&w, "HSET " KEY("job:\x1b[2J") " a b");
    doing(&w, "HDEL " JOB("runs") " payload");
    check(&w, true, &seen);
    assert_true(saw(&seen, "job:theirs wrong_type"));
    assert_true(saw(&seen, "job:waits wrong_type,no_job"));
    assert_true(saw(&seen, "job:../up bad_id"));
    assert_true(saw(&seen, "job:?[2J bad_id"));
    assert_true(saw(&seen, "job:runs half_gone"));
    assert_int_equal(seen.counts.left, 5);
    assert_int_equal(world_int(&w, "STRLEN %s", JOB("theirs"), ""), 5);
    assert_string_equal(world_where(&w, "waits"), "");
    check(&w, true, &seen);
    assert_int_equal(seen.counts.found, 5); /* said again, nothing else */
    finish(&w, w.claims[w.claimed - 1], OUTCOME_completed, RESULT);
    WAIT_FOR(&w, world_is(&w, "runs", "completed")); /* its worker could, and did */

    doing(&w, "DEL " KEY("ready"));
    doing(&w, "SET " KEY("ready") " value");
    doing(&w, "DEL " KEY("in"));
    doing(&w, "SET " KEY("in") " value");
    check(&w, true, &seen);
    assert_true(saw(&seen, "ready wrong_type"));
    assert_true(saw(&seen, "in wrong_type"));
    assert_int_equal(seen.counts.left, 2);
    world_stop(&w);
}

/* An old index comes back from a dump: some of its jobs have moved on, some that
 * came later are not in it. */
static void mends_old_indexes(void **state)
{
    struct world w;
    struct seen seen;
    (void)state;
    world_start(&w, NULL);
    populate(&w);
    redisReply *dump = redis_fixture_do(&w.redis, "DUMP " KEY("ready"));
    assert_int_equal(dump->type, REDIS_REPLY_STRING);
    int claimed = w.claimed;
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == claimed + 1);
    finish(&w, w.claims[w.claimed - 1], OUTCOME_completed, RESULT);
    WAIT_FOR(&w, world_is(&w, "waits", "completed"));
    offer(&w, 0);
    world_push_id(&w, "newer", "");
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "newer", "queued"));
    doing(&w, "DEL " KEY("ready"));
    redisReply *r =
        redis_fixture_do(&w.redis, "RESTORE %s 0 %b", KEY("ready"), dump->str, dump->len);
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
    freeReplyObject(dump);
    check(&w, true, &seen);
    assert_true(saw(&seen, "job:waits wrong_index"));
    assert_true(saw(&seen, "job:newer not_indexed"));
    assert_clean(&w);
    assert_string_equal(world_where(&w, "newer"), "R");
    assert_string_equal(world_where(&w, "waits"), "F");
    world_stop(&w);
}

/* All indexes go, thousands of jobs, several pages. */
static void rebuilds_everything(void **state)
{
    struct world w;
    struct seen seen;
    (void)state;
    world_start(&w, NULL);
    offer(&w, 0);
    for (int i = 0; i < 2000; i++) {
        freeReplyObject(redis_fixture_do(
            &w.redis, "HSET " KEY("job:") "many-%d state queued payload x sha y score %d", i, i));
        freeReplyObject(redis_fixture_do(&w.redis, "HSET " KEY("other:") "%d a b", i));
    }
    check(&w, true, &seen);
    assert_int_equal(seen.counts.jobs, 2000);
    assert_int_equal(seen.counts.mended, 2000);
    assert_int_equal(world_int(&w, "ZCARD %s", KEY("ready"), ""), 2000);
    assert_int_equal(world_int(&w, "ZSCORE %s %s", KEY("ready"), "many-77"), 77);
    assert_true(world_int(&w, "LLEN %s", IN, "") <= 1); /* one wake-up for all */
    assert_clean(&w);
    world_stop(&w);
}

/* Repairs go on while jobs are pushed, claimed, ended, and the indexes are
 * taken away again and again: each is done, and once. */
static void loses_nothing_meanwhile(void **state)
{
    enum { JOBS = 300 };
    struct world w;
    struct seen seen;
    (void)state;
    world_start(&w, NULL);
    int ended = 0;
    for (int pushed = 0; ended < JOBS;) {
        for (int i = 0; i < 10 && pushed < JOBS; i++, pushed++) {
            own_free char *id = own_printf("live-%d", pushed);
            world_push_id(&w, id, "");
        }
        offer(&w, 4);
        if (ended / 20 % 3 == 0)
            doing(&w, "DEL " KEY("ready") " " KEY("active"));
        loop_step(w.loop, 5);
        check(&w, true, &seen);
        for (; ended < w.claimed; ended++)
            finish(&w, w.claims[ended % 64], OUTCOME_completed, RESULT);
        world_tick(&w);
        WAIT_FOR(&w, w.finished == ended);
    }
    assert_int_equal(w.claimed, JOBS);
    assert_int_equal(w.lost, 0);
    for (int i = 0; i < JOBS; i++) {
        own_free char *id = own_printf("live-%d", i);
        assert_string_equal(world_field(&w, id, "state"), "completed");
        assert_string_equal(world_where(&w, id), "F");
        assert_string_equal(world_field(&w, id, "attempt"), "1");
    }
    assert_int_equal(world_int(&w, "HGET %s %s", KEY("stats"), "completed"), JOBS);
    assert_clean(&w);
    world_stop(&w);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_mends),         cmocka_unit_test(leaves_to_a_person),
        cmocka_unit_test(mends_old_indexes),       cmocka_unit_test(rebuilds_everything),
        cmocka_unit_test(loses_nothing_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
