/* The outbox on a real Redis: every transition of a webhook, and what is not
 * believed. Jobs are made by hand, and ended by the real scripts. */
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../unit.h"

#include "../redis_fixture.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/own.h"
#include "intake/outbox.h"
#include "intake/producer.h"

#define KEY(name) "manimd:{default}:" name

struct world {
    struct redis_fixture redis;
    struct loop *loop;
    struct config config;
    struct outbox *outbox;
    struct producer *producer;
    const struct hook *hooks[32];
    int lent;
    char warning[300];
};

static void on_hook(void *arg, const struct hook *hook)
{
    struct world *w = arg;
    w->hooks[w->lent++ % 32] = hook;
}

static void on_warning(void *arg, const char *text)
{
    struct world *w = arg;
    snprintf(w->warning, sizeof(w->warning), "%s", text);
}

static struct outbox *open_outbox(struct world *w, int room)
{
    const struct outbox_events events = {.on_hook = on_hook, .on_warning = on_warning, .arg = w};
    struct outbox *o = NULL;
    assert_int_equal(outbox_open(w->loop, &w->config, &events, &o, NULL), 0);
    outbox_room(o, room);
    return o;
}

static int set_up(void **state)
{
    struct world *w = own_calloc(1, sizeof(*w));
    redis_fixture_start(&w->redis, NULL);
    char url[160];
    snprintf(url, sizeof(url), "--redis-url=%s", w->redis.url);
    char *argv[] = {url, (char *)"--webhook-timeout-s=1", (char *)"--lease-ms=500",
                    (char *)"--webhook-tries=3", NULL};
    int argc = 4;
    assert_int_equal(config_load(&w->config, &argc, argv, NULL), 0);
    w->loop = loop_new();
    assert_int_equal(producer_open(w->loop, &w->config, &w->producer, NULL), 0);
    w->outbox = open_outbox(w, 8);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    outbox_close(w->outbox);
    producer_close(w->producer);
    loop_free(w->loop);
    config_done(&w->config);
    redis_fixture_stop(&w->redis);
    free(w);
    return 0;
}

/* Runs the loop until `done` or 10 s. */
static void wait_lent(struct world *w, int count)
{
    int64_t until_ms = clock_now_ms() + 10000;
    while (w->lent < count && clock_now_ms() < until_ms)
        loop_step(w->loop, 50);
    assert_int_equal(w->lent, count);
}

static void wait_quiet(struct world *w)
{
    int64_t until_ms = clock_now_ms() + 10000;
    outbox_look(w->outbox);
    while (!outbox_quiet(w->outbox) && clock_now_ms() < until_ms)
        loop_step(w->loop, 50);
    assert_true(outbox_quiet(w->outbox));
}

static void put_job(struct world *w, const char *id, const char *webhook)
{
    freeReplyObject(redis_fixture_do(
        &w->redis, "HSET " KEY("job:%s") " state queued payload x attempt 0 webhook %s", id,
        webhook));
    freeReplyObject(redis_fixture_do(&w->redis, "ZADD " KEY("ready") " 1 %s", id));
}

/* A cancelled job: an end that needs no worker. */
static void end_job(struct world *w, const char *id)
{
    enum job_state state;
    assert_int_equal(producer_cancel(w->producer, id, &state, NULL), 0);
}

static char *field(struct world *w, const char *id, const char *name)
{
    redisReply *r = redis_fixture_do(&w->redis, "HGET " KEY("job:%s") " %s", id, name);
    char *text = own_strdup(r->type == REDIS_REPLY_STRING ? r->str : "(none)");
    freeReplyObject(r);
    return text;
}

#define assert_field(w, id, name, wanted)                 \
    do {                                                  \
        own_free char *found_ = field((w), (id), (name)); \
        assert_string_equal(found_, (wanted));            \
    } while (0)

static int64_t number(struct world *w, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    redisReply *r = redisvCommand(w->redis.control, format, ap);
    va_end(ap);
    assert_non_null(r);
    int64_t n = r->type == REDIS_REPLY_INTEGER  ? r->integer
                : r->type == REDIS_REPLY_STRING ? (int64_t)strtod(r->str, NULL)
                                                : -1;
    freeReplyObject(r);
    return n;
}

static const struct hook *lend_one(struct world *w, const char *id)
{
    int before = w->lent;
    put_job(w, id, "https://h/");
    end_job(w, id);
    outbox_look(w->outbox);
    wait_lent(w, before + 1);
    assert_string_equal(w->hooks[before]->id, id);
    return w->hooks[before];
}

static void end_hook(struct world *w, const struct hook *h, struct hook_verdict v)
{
    outbox_end(w->outbox, h, &v);
    wait_quiet(w);
}

static void test_delivered(void **state)
{
    struct world *w = *state;
    const struct hook *h = lend_one(w, "a.b");
    assert_string_equal(h->url, "https://h/");
    assert_string_equal(h->state, "cancelled");
    assert_contains(h->result, "\"id\":\"a.b\"");
    assert_int_equal(h->tries, 1);
    assert_true(h->finished_unix_ms > 1600000000000);
    assert_contains(h->message, "msg_");
    assert_null(strchr(h->message, '.'));
    assert_field(w, "a.b", "hook", "waiting");
    assert_true(number(w, "ZSCORE " KEY("hooks") " a.b") > clock_unix_ms());
    end_hook(w, h, (struct hook_verdict){.end = HOOK_DELIVERED, .status = 204});
    assert_field(w, "a.b", "hook", "delivered");
    assert_field(w, "a.b", "hookcode", "204");
    assert_int_equal(number(w, "ZCARD " KEY("hooks")), 0);
    int64_t ttl = number(w, "TTL " KEY("job:a.b"));
    assert_true(ttl > w->config.result_ttl_s - 60 && ttl <= w->config.result_ttl_s);
    assert_int_equal(number(w, "HGET " KEY("stats") " webhook_delivered"), 1);
}

static void test_without_webhook_nothing_is_owed(void **state)
{
    struct world *w = *state;
    freeReplyObject(
        redis_fixture_do(&w->redis, "HSET " KEY("job:plain") " state queued payload x"));
    end_job(w, "plain");
    assert_int_equal(number(w, "ZCARD " KEY("hooks")), 0);
    assert_field(w, "plain", "hook", "(none)");
}

/* A short time to live does not cut the tries short. */
static void test_lives_until_the_last_try(void **state)
{
    struct world *w = *state;
    producer_close(w->producer);
    w->config.result_ttl_s = w->config.dead_ttl_s = 5;
    assert_int_equal(producer_open(w->loop, &w->config, &w->producer, NULL), 0);
    outbox_close(w->outbox);
    w->outbox = open_outbox(w, 8);
    const struct hook *h = lend_one(w, "short");
    assert_true(number(w, "TTL " KEY("job:short")) > 4 * 86000);
    end_hook(w, h, (struct hook_verdict){.end = HOOK_DELIVERED, .status = 200});
    assert_true(number(w, "TTL " KEY("job:short")) <= 60);
}

static void test_retrying(void **state)
{
    struct world *w = *state;
    const struct hook *h = lend_one(w, "r");
    char message[64];
    snprintf(message, sizeof(message), "%s", h->message);
    outbox_end(
        w->outbox, h,
        &(struct hook_verdict){.end = HOOK_RETRYING, .status = 500, .delay_ms = 300, .why = "w"});
    wait_lent(w, 2);
    h = w->hooks[1];
    assert_int_equal(h->tries, 2);
    assert_string_equal(h->message, message);
    assert_field(w, "r", "hook", "retrying");
    assert_field(w, "r", "hookcode", "500");
    assert_field(w, "r", "hookwhy", "w");
    outbox_end(w->outbox, h, &(struct hook_verdict){.end = HOOK_DEFERRED, .delay_ms = 50});
    wait_lent(w, 3);
    assert_int_equal(w->hooks[2]->tries, 2); /* it was none */
    end_hook(w, w->hooks[2],
             (struct hook_verdict){.end = HOOK_GIVEN_UP, .status = 410, .why = "x"});
    assert_field(w, "r", "hook", "given up");
    assert_field(w, "r", "hookwhy", "x");
    assert_int_equal(number(w, "ZCARD " KEY("hooks")), 0);
}

/* A courier that vanishes: the next one has it after the lease, the late word of
 * the first is not believed, and the tries come to an end. */
static void test_lease_and_fence(void **state)
{
    struct world *w = *state;
    const struct hook *first = lend_one(w, "l");
    struct outbox *other = open_outbox(w, 8);
    wait_lent(w, 2);
    assert_int_equal(w->hooks[1]->tries, 2);
    outbox_end(w->outbox, first, &(struct hook_verdict){.end = HOOK_DELIVERED, .status = 200});
    int64_t until_ms = clock_now_ms() + 500;
    while (clock_now_ms() < until_ms)
        loop_step(w->loop, 50);
    assert_field(w, "l", "hook", "waiting");
    assert_int_equal(number(w, "ZCARD " KEY("hooks")), 1);
    wait_lent(w, 3); /* neither says a word: tries are used up */
    until_ms = clock_now_ms() + 10000;
    while (number(w, "ZCARD " KEY("hooks")) > 0 && clock_now_ms() < until_ms)
        loop_step(w->loop, 50);
    assert_field(w, "l", "hook", "given up");
    assert_field(w, "l", "hookwhy", "the courier died at every try");
    assert_int_equal(w->lent, 3);
    outbox_close(other);
}

static void test_replay(void **state)
{
    struct world *w = *state;
    const struct hook *h = lend_one(w, "again");
    char message[64];
    snprintf(message, sizeof(message), "%s", h->message);
    outbox_room(w->outbox, 0); /* or it is lent at once */
    assert_int_equal(producer_hook_again(w->producer, "again", NULL), 0);
    /* What was in the air when it was asked for is not heard any more. */
    outbox_end(w->outbox, h, &(struct hook_verdict){.end = HOOK_GIVEN_UP, .why = "late"});
    int64_t calls = number(w, "HGET " KEY("job:again") " hookclaims");
    for (int64_t until_ms = clock_now_ms() + 300; clock_now_ms() < until_ms;)
        loop_step(w->loop, 50);
    assert_int_equal(number(w, "HGET " KEY("job:again") " hookclaims"), calls);
    assert_field(w, "again", "hook", "waiting");
    outbox_room(w->outbox, 8);
    wait_lent(w, 2);
    assert_int_equal(w->hooks[1]->tries, 1);
    assert_string_equal(w->hooks[1]->message, message);
    end_hook(w, w->hooks[1], (struct hook_verdict){.end = HOOK_DELIVERED, .status = 200});
    assert_field(w, "again", "hook", "delivered");
    put_job(w, "young", "https://h/");
    assert_int_equal(producer_hook_again(w->producer, "young", NULL), PRODUCER_E_STATE);
    assert_int_equal(producer_hook_again(w->producer, "nobody", NULL), PRODUCER_E_UNKNOWN);
}

/* Sent round again by an operator: what the first end owed is forgotten, the
 * second end has a message of its own. */
static void test_requeue(void **state)
{
    struct world *w = *state;
    const struct hook *h = lend_one(w, "q");
    char message[64];
    snprintf(message, sizeof(message), "%s", h->message);
    freeReplyObject(redis_fixture_do(&w->redis, "HSET " KEY("job:q") " state failed"));
    assert_int_equal(producer_requeue(w->producer, "q", NULL), 0);
    assert_int_equal(number(w, "ZCARD " KEY("hooks")), 0);
    assert_field(w, "q", "hook", "(none)");
    outbox_end(w->outbox, h, &(struct hook_verdict){.end = HOOK_DELIVERED, .status = 200});
    end_job(w, "q");
    outbox_look(w->outbox);
    wait_lent(w, 2);
    assert_string_not_equal(w->hooks[1]->message, message);
    end_hook(w, w->hooks[1], (struct hook_verdict){.end = HOOK_DELIVERED, .status = 200});
}

/* Entries without a job, with half a job, with something that is no job, and
 * such as are no ids: removed; what is good behind them comes. */
static void test_damaged_entries(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 40; i++)
        freeReplyObject(redis_fixture_do(&w->redis, "ZADD " KEY("hooks") " 1 ghost%d", i));
    freeReplyObject(redis_fixture_do(&w->redis, "ZADD " KEY("hooks") " 1 %s 1 %s 1 %s",
                                     "no id at all", "text", "half"));
    freeReplyObject(redis_fixture_do(&w->redis, "SET " KEY("job:text") " x"));
    freeReplyObject(redis_fixture_do(&w->redis, "HSET " KEY("job:half") " state completed"));
    const struct hook *h = lend_one(w, "good");
    end_hook(w, h, (struct hook_verdict){.end = HOOK_DELIVERED, .status = 200});
    assert_int_equal(number(w, "ZCARD " KEY("hooks")), 0);
}

/* The key is something else: jobs end all the same, and it is said. */
static void test_hooks_is_no_zset(void **state)
{
    struct world *w = *state;
    freeReplyObject(redis_fixture_do(&w->redis, "SET " KEY("hooks") " x"));
    put_job(w, "j", "https://h/");
    end_job(w, "j");
    assert_field(w, "j", "state", "cancelled");
    int64_t until_ms = clock_now_ms() + 10000;
    outbox_look(w->outbox);
    while (!w->warning[0] && clock_now_ms() < until_ms)
        loop_step(w->loop, 50);
    assert_contains(w->warning, "WRONGTYPE");
}

static void test_room(void **state)
{
    struct world *w = *state;
    outbox_room(w->outbox, 0);
    char id[8];
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof(id), "j%d", i);
        put_job(w, id, "https://h/");
        end_job(w, id);
    }
    outbox_look(w->outbox);
    loop_step(w->loop, 200);
    assert_int_equal(w->lent, 0);
    outbox_room(w->outbox, 2);
    wait_lent(w, 2);
    loop_step(w->loop, 200);
    assert_int_equal(w->lent, 2);
    outbox_room(w->outbox, 3);
    wait_lent(w, 5);
}

/* Two couriers at one outbox: each webhook is lent once. */
static void test_two_couriers(void **state)
{
    struct world *w = *state;
    w->config.lease_ms = 20000;
    struct outbox *other = open_outbox(w, 16);
    outbox_room(w->outbox, 16);
    char id[8];
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "j%d", i);
        put_job(w, id, "https://h/");
        end_job(w, id);
    }
    outbox_look(w->outbox);
    outbox_look(other);
    wait_lent(w, 20);
    loop_step(w->loop, 200);
    assert_int_equal(w->lent, 20);
    outbox_close(other);
}

/* Redis dies with the answer: it is said again. */
static void test_said_again_after_an_outage(void **state)
{
    struct world *w = *state;
    w->config.lease_ms = 20000;
    redis_fixture_stop(&w->redis);
    redis_fixture_start(&w->redis,
                        (const char *[]){"--appendonly", "yes", "--appendfsync", "always", NULL});
    producer_close(w->producer);
    outbox_close(w->outbox);
    free(w->config.redis_url);
    w->config.redis_url = own_strdup(w->redis.url);
    assert_int_equal(producer_open(w->loop, &w->config, &w->producer, NULL), 0);
    w->outbox = open_outbox(w, 8);
    const struct hook *h = lend_one(w, "o");
    redis_fixture_kill(&w->redis);
    outbox_end(w->outbox, h, &(struct hook_verdict){.end = HOOK_DELIVERED, .status = 200});
    loop_step(w->loop, 100);
    redis_fixture_again(&w->redis);
    int64_t until_ms = clock_now_ms() + 10000;
    while (number(w, "ZCARD " KEY("hooks")) > 0 && clock_now_ms() < until_ms)
        loop_step(w->loop, 50);
    assert_field(w, "o", "hook", "delivered");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_delivered),
        TEST(test_without_webhook_nothing_is_owed),
        TEST(test_lives_until_the_last_try),
        TEST(test_retrying),
        TEST(test_lease_and_fence),
        TEST(test_replay),
        TEST(test_requeue),
        TEST(test_damaged_entries),
        TEST(test_hooks_is_no_zset),
        TEST(test_room),
        TEST(test_two_couriers),
        TEST(test_said_again_after_an_outage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
