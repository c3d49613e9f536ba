/* Which Redis may hold jobs: real servers of each kind that can be had, and the
 * words of those that cannot. */
#include "queue_world.h"

#include "intake/producer.h"
#include "intake/vet.h"

static int open_queue(struct world *w, struct err *e)
{
    w->loop = loop_new();
    world_config(w, "w1");
    return world_try_open(w, e);
}

static void good_one_gets_the_protocol(void **state)
{
    struct world w;
    struct err e = ERR_INIT;
    struct producer *p = NULL;
    char unsure[PRODUCER_UNSURE_CHARS];
    (void)state;
    world_start(&w, NULL);
    assert_int_equal(world_int(&w, "HGET %s %s", KEY("meta"), "proto"), 1);
    assert_int_equal(producer_open(w.loop, &w.config, &p, &e), 0);
    assert_int_equal(producer_vet(p, unsure, &e), 0);
    assert_string_equal(unsure, "");
    freeReplyObject(redis_fixture_do(&w.redis, "CONFIG SET maxmemory-policy allkeys-lru"));
    assert_int_equal(producer_vet(p, unsure, &e), -EINVAL);
    assert_non_null(strstr(e.text, "CONFIG SET maxmemory-policy noeviction"));
    producer_close(p);
    world_stop(&w);
}

static void another_protocol(void **state)
{
    struct world w = {0};
    struct err e = ERR_INIT;
    (void)state;
    redis_fixture_start(&w.redis, NULL);
    freeReplyObject(redis_fixture_do(&w.redis, "HSET " KEY("meta") " proto 2"));
    world_push_id(&w, "other", "");
    assert_true(open_queue(&w, &e) < 0);
    assert_non_null(strstr(e.text, "protocol \"2\" and this manimd speaks 1"));
    assert_int_equal(world_int(&w, "LLEN %s", IN, ""), 1);
    assert_int_equal(world_int(&w, "HGET %s %s", KEY("meta"), "proto"), 2);
    world_stop(&w);
}

/* One that changes while a worker is connected is left alone from then on. */
static void another_protocol_later(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    offer(&w, 1);
    freeReplyObject(redis_fixture_do(&w.redis, "HSET " KEY("meta") " proto 2"));
    freeReplyObject(redis_fixture_do(&w.redis, "CLIENT KILL TYPE normal"));
    WAIT_FOR(&w, strstr(w.text, "protocol"));
    world_push_id(&w, "other", "");
    world_pass(&w, 300);
    assert_int_equal(world_int(&w, "LLEN %s", IN, ""), 1);
    assert_int_equal(w.claimed, 0);
    world_stop(&w);
}

/* Cuts this worker's lines but the one that waits at the inbox. */
static void cut_all_but_the_blocker(struct world *w)
{
    redisReply *r = redis_fixture_do(&w->redis, "CLIENT LIST");
    int cut = 0;
    while (!strstr(r->str, " cmd=blmove ")) {
        freeReplyObject(r);
        loop_step(w->loop, 10);
        r = redis_fixture_do(&w->redis, "CLIENT LIST");
    }
    for (const char *line = r->str; *line; line += strcspn(line, "\n") + 1) {
        own_free char *text = own_strndup(line, strcspn(line, "\n"));
        own_free char *id = own_strndup(text + strlen("id="), strcspn(text, " ") - strlen("id="));
        if (strstr(text, " name=manimd:") && !strstr(text, " cmd=blmove "))
            cut += world_int(w, "CLIENT KILL ID %s", id, "") == 1;
    }
    freeReplyObject(r);
    assert_int_equal(cut, 2);
}

/* What the line that was not cut shows meanwhile is left alone too. */
static void another_protocol_while_it_waits(void **state)
{
    struct world w;
    (void)state;
    world_start(&w, NULL);
    offer(&w, 1);
    WAIT_FOR(&w, world_inside(&w)->inbox.peeking);
    freeReplyObject(redis_fixture_do(&w.redis, "HSET " KEY("meta") " proto 2"));
    cut_all_but_the_blocker(&w);
    WAIT_FOR(&w, strstr(w.text, "protocol"));
    assert_true(world_inside(&w)->inbox.peeking);
    world_push_id(&w, "other", "");
    WAIT_FOR(&w, !world_inside(&w)->inbox.peeking);
    world_pass(&w, 300);
    assert_int_equal(world_int(&w, "LLEN %s", IN, ""), 1);
    freeReplyObject(redis_fixture_do(&w.redis, "HSET " KEY("meta") " proto 1"));
    freeReplyObject(redis_fixture_do(&w.redis, "CLIENT KILL TYPE normal"));
    WAIT_FOR(&w, w.claimed == 1);
    world_stop(&w);
}

static void replica(void **state)
{
    struct redis_fixture primary;
    struct world w = {0};
    struct err e = ERR_INIT;
    char port[16];
    (void)state;
    redis_fixture_start(&primary, NULL);
    snprintf(port, sizeof(port), "%d", primary.port);
    redis_fixture_start(&w.redis, (const char *[]){"--replicaof", "127.0.0.1", port, NULL});
    assert_true(open_queue(&w, &e) < 0);
    assert_non_null(strstr(e.text, "is a replica of 127.0.0.1:"));
    assert_non_null(strstr(e.text, "name the primary"));
    freeReplyObject(redis_fixture_do(&w.redis, "REPLICAOF NO ONE"));
    world_open(&w);
    WAIT_FOR(&w, w.up);
    world_stop(&w);
    redis_fixture_stop(&primary);
}

static void cluster(void **state)
{
    struct world w = {0};
    struct err e = ERR_INIT;
    char port[16], bus[16];
    int n;
    (void)state;
    /* A cluster's second port is 10000 above the first, unless it can be told. */
    do {
        n = redis_fixture_port();
    } while (n > 55535);
    snprintf(port, sizeof(port), "%d", n);
    snprintf(bus, sizeof(bus), "%d", redis_fixture_port());
    redis_fixture_start(
        &w.redis, (const char *[]){"--cluster-enabled", "yes", "--port", port,
                                   redis_fixture_is("v=6.") ? NULL : "--cluster-port", bus, NULL});
    assert_true(open_queue(&w, &e) < 0);
    assert_non_null(strstr(e.text, "a cluster, which is not supported yet"));
    world_stop(&w);
}

static enum vet_verdict judge(const char *info, char why[VET_WHY_CHARS])
{
    redisReply r = {.type = REDIS_REPLY_STRING, .str = (char *)(uintptr_t)info};
    r.len = strlen(info);
    return vet_judge(&vet_questions[0], &r, why);
}

static void versions(void **state)
{
    char why[VET_WHY_CHARS];
    (void)state;
    static const char *const old[] = {"5.0.7", "6.0.16", "6.1.240", "2.8"};
    for (size_t i = 0; i < 4; i++) {
        own_free char *info =
            own_printf("# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\n", old[i]);
        assert_int_equal(judge(info, why), VET_BAD);
        assert_non_null(strstr(why, old[i]));
        assert_non_null(strstr(why, "6.2 or newer"));
    }
    static const char *const good[] = {"6.2.0", "7.0.15", "8.0", "10.1.1"};
    for (size_t i = 0; i < 4; i++) {
        own_free char *info =
            own_printf("# Server\r\nredis_version:%s\r\nrole:master\r\n", good[i]);
        assert_int_equal(judge(info, why), VET_GOOD);
    }
    assert_int_equal(judge("# Server\r\nredis_version:7.0.0\r\nredis_mode:sentinel\r\n", why),
                     VET_BAD);
    assert_non_null(strstr(why, "sentinel"));
    /* Valkey gives its rank under another name. */
    assert_int_equal(judge("# Server\r\nredis_version:7.2.4\r\nserver_mode:cluster\r\n", why),
                     VET_BAD);
    assert_non_null(strstr(why, "cluster"));
    assert_int_equal(judge("", why), VET_UNSURE);
    redisReply denied = {.type = REDIS_REPLY_ERROR, .str = (char[]){"NOPERM no"}};
    for (int i = 0; i < vet_questions_count; i++)
        assert_int_equal(vet_judge(&vet_questions[i], &denied, why), VET_UNSURE);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_one_gets_the_protocol),
        cmocka_unit_test(another_protocol),
        cmocka_unit_test(another_protocol_later),
        cmocka_unit_test(another_protocol_while_it_waits),
        cmocka_unit_test(replica),
        cmocka_unit_test(cluster),
        cmocka_unit_test(versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
