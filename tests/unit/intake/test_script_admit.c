/* Jobs of one call, mostly texts of the inbox that are admitted: each is judged by what
 * those before it have made of the queue, though much of it is looked at, and written,
 * only once. */
#include "script_world.h"

#define DIGEST "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define OTHER "0000000000000000000000000000000000000000"

static void push(struct answers *a, const char *text)
{
    freeReplyObject(redis_fixture_do(&a->w.redis, "LPUSH %s %s", IN, text));
}

struct asked {
    const char *text, *id, *digest, *due, *nonce;
};

static void admit(struct answers *a, struct asked of)
{
    char sha1[41];
    sha1_hex(of.text, strlen(of.text), sha1);
    struct script_call call = {.script = SCRIPT_admit,
                               .id = of.id,
                               .argc = 10,
                               .argv = {sha1, of.digest, "0", of.due ? of.due : "0", "0", "0", "0",
                                        "", "", of.nonce ? of.nonce : ""}};
    script_run(&a->line, &call, on_answer, a);
}

/* As a worker with a slot: lent, if nobody is before it. */
static void admit_new(struct answers *a, const char *id)
{
    admit(a, (struct asked){.text = id, .id = id, .digest = DIGEST, .nonce = NONCE});
}

static void push_and_admit(struct answers *a, const char *id)
{
    push(a, id);
    admit_new(a, id);
}

static void refuse(struct answers *a, const char *text, const char *id)
{
    char sha1[41];
    sha1_hex(text, strlen(text), sha1);
    struct script_call call = {
        .script = SCRIPT_refuse, .id = id, .argc = 4, .argv = {sha1, "", "{}", "\"no job\""}};
    script_run(&a->line, &call, on_answer, a);
}

static void said(struct answers *a, const char *const *words, int count)
{
    wait_answers(a, count);
    for (int i = 0; i < count; i++)
        assert_string_equal(a->words[i], words[i]);
}

static long long left(struct answers *a)
{
    return world_int(&a->w, "LLEN %s", IN, "");
}

static void each_by_itself(void **state)
{
    struct answers *a = *state;
    push_and_admit(a, "a");
    push(a, "!");
    admit(a, (struct asked){.text = "!", .id = "", .digest = ""});
    push(a, "a again");
    admit(a, (struct asked){.text = "a again", .id = "a", .digest = DIGEST, .nonce = NONCE});
    push(a, "a, another");
    admit(a, (struct asked){.text = "a, another", .id = "a", .digest = OTHER, .nonce = NONCE});
    push(a, "b");
    admit(a, (struct asked){.text = "b", .id = "b", .digest = OTHER, .due = "9000000000000"});
    push_and_admit(a, "c");
    push(a, "[");
    refuse(a, "[", "");
    push(a, "{d");
    refuse(a, "{d", "d");
    push(a, "{d twice");
    refuse(a, "{d twice", "d");
    said(a,
         (const char *const[]){"active", "wake", "duplicate", "conflict", "delayed", "active",
                               "rejected", "rejected", "rejected"},
         9);
    assert_int_equal(left(a), 0);
    assert_string_equal(world_where(&a->w, "a"), "A");
    assert_string_equal(world_where(&a->w, "b"), "D");
    assert_string_equal(world_where(&a->w, "c"), "A");
    assert_true(world_is(&a->w, "d", "failed"));
    assert_int_equal(world_events(&a->w, "failed", "d"), 1);
    assert_int_equal(world_int(&a->w, "LLEN %s", KEY("rejected"), ""), 4);
}

/* What is not there any more is left; what is behind it is not touched. */
static void up_to_what_is_there(void **state)
{
    struct answers *a = *state;
    push(a, "a");
    push(a, "b");
    push(a, "c");
    admit_new(a, "a");
    admit_new(a, "x");
    admit_new(a, "b");
    said(a, (const char *const[]){"active", "moved", "active"}, 3);
    assert_int_equal(left(a), 1);
    admit_new(a, "c");
    admit_new(a, "c");
    wait_answers(a, 5);
    assert_string_equal(a->words[3], "active");
    assert_string_equal(a->words[4], "empty");
}

/* Nobody overtakes: not those that were queued before, not those of this call. */
static void behind_the_queued(void **state)
{
    struct answers *a = *state;
    push_and_admit(a, "first");
    push(a, "full");
    admit(a, (struct asked){.text = "full", .id = "full", .digest = DIGEST});
    push_and_admit(a, "late");
    said(a, (const char *const[]){"active", "queued", "queued"}, 3);
    push_and_admit(a, "later");
    wait_answers(a, 4);
    assert_string_equal(a->words[3], "queued");
    assert_int_equal(world_int(&a->w, "ZRANK %s %s", KEY("ready"), "full"), 0);
    assert_int_equal(world_int(&a->w, "ZRANK %s %s", KEY("ready"), "later"), 2);
}

/* Cancels are heard although they are asked for all at once. */
static void cancelled_among_others(void **state)
{
    struct answers *a = *state;
    freeReplyObject(redis_fixture_do(&a->w.redis, "SET " KEY("cancel:b") " 1"));
    push_and_admit(a, "a");
    push_and_admit(a, "b");
    push_and_admit(a, "c");
    said(a, (const char *const[]){"active", "cancelled", "active"}, 3);
    assert_string_equal(world_where(&a->w, "b"), "F");
    assert_int_equal(world_int(&a->w, "EXISTS %s", KEY("cancel:b"), ""), 0);
}

/* The inbox is emptied all the same: its texts cost as much as what becomes of them. */
static void without_memory(void **state)
{
    struct answers *a = *state;
    push(a, "a");
    push(a, "b");
    push(a, "c");
    push(a, "a, another");
    push(a, "[");
    freeReplyObject(redis_fixture_do(&a->w.redis, "CONFIG SET maxmemory 1"));
    admit_new(a, "a");
    admit_new(a, "b");
    admit_new(a, "c");
    wait_answers(a, 3);
    admit(a, (struct asked){.text = "a, another", .id = "a", .digest = OTHER});
    refuse(a, "[", "");
    said(a, (const char *const[]){"active", "active", "active", "conflict", "rejected"}, 5);
    assert_int_equal(left(a), 0);
    assert_string_equal(world_where(&a->w, "c"), "A");
    assert_int_equal(world_int(&a->w, "LLEN %s", KEY("rejected"), ""), 2);
    assert_int_equal(world_events(&a->w, "conflict", "a"), 1);
}

/* It has no score, and goes back to where its time puts it. */
static void given_back_to_its_place(void **state)
{
    struct answers *a = *state;
    push_and_admit(a, "old");
    wait_answers(a, 1);
    WAIT_FOR(&a->w, clock_unix_ms() > strtoll(world_field(&a->w, "old", "enq"), NULL, 10));
    push(a, "young");
    admit(a, (struct asked){.text = "young", .id = "young", .digest = DIGEST});
    wait_answers(a, 2);
    struct script_call call = {.script = SCRIPT_release, .id = "old", .argc = 1, .argv = {NONCE}};
    script_run(&a->line, &call, on_answer, a);
    wait_answers(a, 3);
    assert_string_equal(a->words[2], "ok");
    assert_int_equal(world_int(&a->w, "ZRANK %s %s", KEY("ready"), "old"), 0);
    assert_int_equal(world_int(&a->w, "ZRANK %s %s", KEY("ready"), "young"), 1);
    assert_true(strlen(world_field(&a->w, "old", "score")) > 0);
}

/* Ends of one call leave their indexes together; one whose index was behind too. */
static void ends_of_one_call(void **state)
{
    struct answers *a = *state;
    push_and_admit(a, "a");
    push_and_admit(a, "b");
    push_and_admit(a, "c");
    wait_answers(a, 3);
    freeReplyObject(redis_fixture_do(&a->w.redis, "ZREM " KEY("active") " b"));
    freeReplyObject(redis_fixture_do(&a->w.redis, "ZADD " KEY("ready") " 1 b"));
    end(a, "a", RESULT);
    end(a, "b", RESULT);
    end(a, "b", RESULT);
    end(a, "c", RESULT);
    wait_answers(a, 7);
    assert_string_equal(a->words[5], "replay");
    static const char *const ids[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        assert_string_equal(world_where(&a->w, ids[i]), "F");
        assert_int_equal(world_events(&a->w, "completed", ids[i]), 1);
    }
}

/* Who is retried has a new place, which the others' clearing up must not take. */
static void retried_among_ends(void **state)
{
    struct answers *a = *state;
    push_and_admit(a, "a");
    push_and_admit(a, "b");
    push_and_admit(a, "c");
    wait_answers(a, 3);
    freeReplyObject(redis_fixture_do(&a->w.redis, "ZREM " KEY("active") " a c"));
    end(a, "a", RESULT);
    struct script_call fails = {.script = SCRIPT_finish,
                                .id = "b",
                                .argc = 6,
                                .argv = {NONCE, "dead", "host_error", "{}", "60000", "3"}};
    script_run(&a->line, &fails, on_answer, a);
    end(a, "b", RESULT); /* it was said before how that ended */
    end(a, "c", RESULT);
    wait_answers(a, 7);
    assert_string_equal(a->words[4], "ok");
    assert_string_equal(a->words[5], "replay");
    assert_string_equal(world_where(&a->w, "a"), "F");
    assert_string_equal(world_where(&a->w, "b"), "D");
    assert_string_equal(world_where(&a->w, "c"), "F");
    assert_true(world_is(&a->w, "b", "retrying"));
}

/* Found too late or cancelled when they are to be lent, with others of the same call. */
static void claims_of_one_call(void **state)
{
    struct answers *a = *state;
    queued(a, "late");
    queued(a, "good");
    queued(a, "off");
    queued(a, "lost");
    freeReplyObject(redis_fixture_do(&a->w.redis, "HSET " KEY("job:late") " expires 1"));
    freeReplyObject(redis_fixture_do(&a->w.redis, "SET " KEY("cancel:off") " 1"));
    freeReplyObject(redis_fixture_do(&a->w.redis, "HDEL " KEY("job:lost") " payload"));
    freeReplyObject(redis_fixture_do(&a->w.redis, "ZREM " KEY("ready") " late"));
    freeReplyObject(redis_fixture_do(&a->w.redis, "ZADD " KEY("delayed") " 1 late"));
    claim(a, "late");
    claim(a, "late");
    claim(a, "good");
    claim(a, "off");
    claim(a, "good");
    claim(a, "lost");
    said(a, (const char *const[]){"expired", "gone", "ok", "cancelled", "ok", "broken"}, 6);
    assert_string_equal(world_where(&a->w, "late"), "F");
    assert_string_equal(world_where(&a->w, "good"), "A");
    assert_string_equal(world_where(&a->w, "off"), "F");
    assert_string_equal(world_where(&a->w, "lost"), "X");
    assert_int_equal(world_events(&a->w, "active", "good"), 1);
    assert_int_equal(world_int(&a->w, "EXISTS %s", KEY("cancel:off"), ""), 0);
}

/* A text that may not be kept as a job stays where it is, until there is memory for what
 * becomes of it; so do those behind it. */
static void refused_without_memory(void **state)
{
    struct answers *a = *state;
    push(a, "{a");
    push(a, "{b");
    freeReplyObject(redis_fixture_do(&a->w.redis, "CONFIG SET maxmemory 1"));
    refuse(a, "{a", "a");
    refuse(a, "{b", "b");
    wait_answers(a, 2);
    assert_true(begins(a->words[0], "OOM "));
    assert_string_equal(a->words[1], "moved");
    assert_int_equal(left(a), 2);
    assert_int_equal(world_int(&a->w, "EXISTS %s", KEY("job:a"), ""), 0);
    freeReplyObject(redis_fixture_do(&a->w.redis, "CONFIG SET maxmemory 0"));
    refuse(a, "{a", "a");
    refuse(a, "{b", "b");
    wait_answers(a, 4);
    assert_string_equal(a->words[3], "rejected");
    assert_int_equal(left(a), 0);
    assert_string_equal(world_where(&a->w, "a"), "F");
    assert_string_equal(world_where(&a->w, "b"), "F");
}

/* Whatever Redis refuses in the midst: the text is in the inbox until its job is there. */
static void what_may_not_be_written_stays(void **state)
{
    struct answers *a = *state;
    push_and_admit(a, "known");
    wait_answers(a, 1);
    push(a, "known");
    push(a, "a");
    push(a, "b");
    freeReplyObject(redis_fixture_do(&a->w.redis, "ACL SETUSER default -hset"));
    admit_new(a, "known");
    admit_new(a, "a");
    admit_new(a, "b");
    wait_answers(a, 4);
    assert_string_equal(a->words[1], "duplicate");
    assert_true(begins(a->words[2], "ERR "));
    assert_int_equal(left(a), 2);
    freeReplyObject(redis_fixture_do(&a->w.redis, "ACL SETUSER default +hset"));
    admit_new(a, "a");
    admit_new(a, "b");
    wait_answers(a, 6);
    assert_string_equal(a->words[5], "active");
    assert_int_equal(left(a), 0);
    assert_string_equal(world_where(&a->w, "a"), "A");
}

/* What one of a call has written is seen by the next, though it was asked for before. */
static void cancels_of_one_call(void **state)
{
    struct answers *a = *state;
    queued(a, "a");
    queued(a, "b");
    call_id(a, SCRIPT_cancel, "later");
    call_id(a, SCRIPT_cancel, "a");
    call_id(a, SCRIPT_cancel, "a");
    call_id(a, SCRIPT_cancel, "b");
    said(a, (const char *const[]){"unknown", "cancelled", "ended", "cancelled"}, 4);
    assert_int_equal(world_int(&a->w, "EXISTS %s %s", KEY("cancel:a"), KEY("cancel:b")), 0);
    assert_int_equal(world_int(&a->w, "EXISTS %s", KEY("cancel:later"), ""), 1);
    assert_string_equal(world_where(&a->w, "a"), "F");
    assert_string_equal(world_where(&a->w, "b"), "F");
    assert_int_equal(world_events(&a->w, "cancelled", "a"), 1);
}

static int begin(void **state)
{
    start(*state = own_calloc(1, sizeof(struct answers)));
    return 0;
}

static int end_it(void **state)
{
    stop(*state);
    free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_by_itself),
        TEST(up_to_what_is_there),
        TEST(behind_the_queued),
        TEST(cancelled_among_others),
        TEST(without_memory),
        TEST(given_back_to_its_place),
        TEST(ends_of_one_call),
        TEST(refused_without_memory),
        TEST(retried_among_ends),
        TEST(claims_of_one_call),
        TEST(what_may_not_be_written_stays),
        TEST(cancels_of_one_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
