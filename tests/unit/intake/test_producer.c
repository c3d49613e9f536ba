/* The producer's side against a real Redis and a real queue. */
#include "queue_world.h"

#include <cjson/cJSON.h>

#include "base/json.h"
#include "intake/job.h"
#include "intake/producer.h"

static struct producer *open_producer(struct world *w)
{
    struct producer *p = NULL;
    struct err e = ERR_INIT;
    if (producer_open(w->loop, &w->config, &p, &e) < 0)
        fail_msg("%s", e.text);
    return p;
}

static void push(struct producer *p, const char *json)
{
    struct err e = ERR_INIT;
    if (producer_push(p, json, strlen(json), &e) < 0)
        fail_msg("%s", e.text);
}

static void push_and_follow(void **state)
{
    struct world w;
    struct err e = ERR_INIT;
    own_json cJSON *status = NULL, *counts = NULL, *workers = NULL, *last = NULL;
    char id[JOB_ID_MAX + 1];
    (void)state;
    world_start(&w, NULL);
    struct producer *p = open_producer(&w);
    job_new_id(id);
    assert_int_equal(producer_status(p, id, &status, &e), PRODUCER_E_UNKNOWN);
    own_free char *json = own_printf("{\"id\":\"%s\",\"code\":\"x\",\"priority\":3}", id);
    push(p, json);
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 1);
    w.queue->ops->progress(w.queue, w.claims[0], "{\"percent\":40}");
    WAIT_FOR(&w, strcmp(world_field(&w, id, "progress"), "{\"percent\":40}") == 0);
    assert_int_equal(producer_status(p, id, &status, &e), 0);
    assert_string_equal(json_str(status, "state"), "active");
    assert_string_equal(json_str(status, "worker"), "w1");
    assert_true(json_num(status, "priority", 0) == 3);
    assert_true(json_num(status, "attempt", 0) == 1);
    assert_true(json_num(cJSON_GetObjectItem(status, "progress"), "percent", 0) == 40);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(status, "result")));
    assert_int_equal(producer_counts(p, &counts, &e), 0);
    assert_true(json_num(counts, "active", 0) == 1 && json_num(counts, "queued", 9) == 0);
    WAIT_FOR(&w, world_int(&w, "HGET %s busy", KEY("w:w1"), "") == 1);
    (void)world_int(&w, "HDEL " KEY("job:") "%s beat", id, ""); /* as before the first one */
    assert_int_equal(producer_workers(p, &workers, &e), 0);
    const cJSON *worker = cJSON_GetArrayItem(workers, 0);
    assert_string_equal(json_str(worker, "name"), "w1");
    const cJSON *job = cJSON_GetArrayItem(cJSON_GetObjectItem(worker, "jobs"), 0);
    assert_string_equal(json_str(job, "id"), id);
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(job, "beat_ms_ago")));
    assert_int_equal(producer_follow(p, id, 300, NULL, &last, &e), PRODUCER_E_TIMEOUT);
    finish(&w, w.claims[0], OUTCOME_completed, "{\"outputs\":[1]}");
    assert_int_equal(producer_follow(p, id, 5000, NULL, &last, &e), 0);
    assert_string_equal(json_str(last, "state"), "completed");
    assert_true(cJSON_IsObject(cJSON_GetObjectItem(last, "result")));
    assert_int_equal(producer_requeue(p, id, &e), PRODUCER_E_STATE);
    enum job_state s;
    assert_int_equal(producer_cancel(p, id, &s, &e), PRODUCER_E_STATE);
    producer_close(p);
    world_stop(&w);
}

static void cancels_and_requeues(void **state)
{
    struct world w;
    struct err e = ERR_INIT;
    enum job_state s;
    own_json cJSON *status = NULL;
    (void)state;
    world_start(&w, NULL);
    struct producer *p = open_producer(&w);
    assert_int_equal(producer_cancel(p, "nobody", &s, &e), PRODUCER_E_UNKNOWN);
    assert_int_equal(world_int(&w, "EXISTS %s", KEY("cancel:nobody"), ""), 1);
    assert_int_equal(producer_cancel(p, "no/body", &s, &e), -EINVAL);
    assert_int_equal(producer_requeue(p, "nobody", &e), PRODUCER_E_UNKNOWN);

    offer(&w, 0);
    world_push_id(&w, "waits", ",\"metadata\":{\"k\":\"v\"}");
    world_tick(&w);
    WAIT_FOR(&w, world_is(&w, "waits", "queued"));
    assert_int_equal(producer_cancel(p, "waits", &s, &e), 0);
    assert_int_equal(s, STATE_CANCELLED);
    assert_int_equal(producer_status(p, "waits", &status, &e), 0);
    const cJSON *result = cJSON_GetObjectItem(status, "result");
    assert_string_equal(json_str(result, "outcome"), "cancelled");
    assert_string_equal(json_str(cJSON_GetObjectItem(result, "metadata"), "k"), "v");

    struct claim *c = claim_one(&w, "runs", "");
    assert_int_equal(producer_cancel(p, "runs", &s, &e), 0);
    assert_int_equal(s, STATE_ACTIVE);
    WAIT_FOR(&w, w.lost == 1);
    finish(&w, c, OUTCOME_cancelled, "{}");
    WAIT_FOR(&w, w.finished == 1);

    /* Dead and failed jobs have another chance, with clean counters. */
    w.config.attempts = 1;
    c = claim_one(&w, "dead", "");
    finish(&w, c, OUTCOME_host_error, "{}");
    WAIT_FOR(&w, world_is(&w, "dead", "dead"));
    assert_int_equal(producer_requeue(p, "dead", &e), 0);
    offer(&w, 1);
    WAIT_FOR(&w, w.claimed == 3);
    assert_int_equal(world_int(&w, "TTL %s", KEY("job:dead"), ""), -1);
    assert_string_equal(world_field(&w, "dead", "result"), "");
    finish(&w, w.claims[2], OUTCOME_scene_error, "{}");
    WAIT_FOR(&w, world_is(&w, "dead", "failed"));
    assert_int_equal(producer_requeue(p, "dead", &e), 0);
    assert_string_equal(world_where(&w, "dead"), "R");

    world_push(&w, "{\"id\":\"refused\",\"code\":\"x\",\"fps\":0}");
    offer(&w, 2);
    WAIT_FOR(&w, world_is(&w, "refused", "failed"));
    assert_int_equal(producer_requeue(p, "refused", &e), PRODUCER_E_STATE);
    assert_non_null(strstr(e.text, "push it again"));
    producer_close(p);
    world_stop(&w);
}

static void lists(void **state)
{
    struct world w;
    struct err e = ERR_INIT;
    (void)state;
    world_start(&w, NULL);
    struct producer *p = open_producer(&w);
    static const char *const ids[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        struct claim *c = claim_one(&w, ids[i], "");
        finish(&w, c, i == 1 ? OUTCOME_scene_error : OUTCOME_completed, "{}");
        WAIT_FOR(&w, w.finished == i + 1);
    }
    world_push(&w, "nonsense");
    offer(&w, 1);
    WAIT_FOR(&w, world_int(&w, "LLEN %s", KEY("rejected"), "") == 1);
    freeReplyObject(redis_fixture_do(&w.redis, "ZADD " KEY("done") " 1 ghost 2 ../x"));
    own_json cJSON *completed = NULL, *failed = NULL, *one = NULL, *rejected = NULL, *none = NULL;
    assert_int_equal(producer_list(p, STATE_COMPLETED, 10, &completed, &e), 0);
    assert_int_equal(cJSON_GetArraySize(completed), 2);
    assert_string_equal(json_str(cJSON_GetArrayItem(completed, 0), "id"), "c"); /* newest */
    assert_int_equal(producer_list(p, STATE_FAILED, 10, &failed, &e), 0);
    assert_int_equal(cJSON_GetArraySize(failed), 1);
    assert_int_equal(producer_list(p, STATE_COMPLETED, 1, &one, &e), 0);
    assert_int_equal(cJSON_GetArraySize(one), 1);
    assert_int_equal(producer_list(p, STATE_DEAD, 10, &none, &e), 0);
    assert_int_equal(cJSON_GetArraySize(none), 0);
    assert_int_equal(producer_rejected(p, 10, &rejected, &e), 0);
    assert_string_equal(json_str(cJSON_GetArrayItem(rejected, 0), "head"), "nonsense");
    producer_close(p);
    world_stop(&w);
}

static void tells_what_is_wrong(void **state)
{
    struct world w = {0};
    struct err e = ERR_INIT;
    struct producer *p = NULL;
    (void)state;
    redis_fixture_start(&w.redis, (const char *[]){"--requirepass", "secret", NULL});
    w.loop = loop_new();
    world_config(&w, "w1");
    int64_t from_ms = clock_now_ms();
    assert_true(producer_open(w.loop, &w.config, &p, &e) < 0);
    assert_non_null(strstr(e.text, "NOAUTH"));
    assert_true(clock_now_ms() - from_ms < 2000);
    redis_fixture_kill(&w.redis);
    assert_true(producer_open(w.loop, &w.config, &p, &e) < 0);
    assert_non_null(strstr(e.text, "Connection refused"));
    own_free char *large = own_calloc(1, JOB_JSON_MAX_BYTES + 2);
    redis_fixture_again(&w.redis);
    w.config.redis_password = own_strdup("secret");
    p = open_producer(&w);
    assert_int_equal(producer_push(p, large, JOB_JSON_MAX_BYTES + 1, &e), -EMSGSIZE);
    freeReplyObject(redis_fixture_do(&w.redis, "AUTH secret"));
    freeReplyObject(redis_fixture_do(&w.redis, "SET " IN " x"));
    assert_int_equal(producer_push(p, "{}", 2, &e), -EIO);
    assert_non_null(strstr(e.text, "WRONGTYPE"));
    producer_close(p);
    world_stop(&w);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(push_and_follow),
        cmocka_unit_test(cancels_and_requeues),
        cmocka_unit_test(lists),
        cmocka_unit_test(tells_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
