/* The result from real files in a directory, also from broken and lying ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/own.h"
#include "events/result.h"

struct bed {
    char dir[256];
    struct job job;
    struct result_facts facts;
};

static const char render_good[] =
    "{\"outcome\":\"completed\",\"error\":null,\"log_tail\":\"hi\\n\",\"outputs\":[],"
    "\"frames\":180,\"frames_distinct\":90,\"timings_ms\":{\"start\":1,\"render\":2,"
    "\"encode\":777},\"peak_memory_bytes\":1000,\"cpu_ms\":55,\"encoder_used\":\"libx264\","
    "\"render_path\":\"exact\",\"secret\":\"hush\","
    "\"sandbox\":{\"level\":\"standard\",\"layers\":{\"uid\":\"active\"},"
    "\"tripwires\":\"active\",\"tripped\":{\"ptrace\":2,\"odd\":\"x\"}}}";
static const char store_good[] =
    "{\"outcome\":\"completed\",\"error\":null,\"outputs\":[{\"kind\":\"mp4\","
    "\"name\":\"scene.mp4\",\"key\":\"j1/n/scene.mp4\",\"bytes\":1234,\"sha256\":\"ab\","
    "\"width\":1920,\"height\":1080,\"fps\":60,\"frames\":180,\"duration_s\":3,"
    "\"etag\":\"x\"}]}";
static const char render_bad[] =
    "{\"outcome\":\"scene_error\",\"error\":{\"code\":\"NameError\",\"message\":\"name 'x' is "
    "not\\u001b[31m defined\",\"line\":12,\"column\":9,\"excerpt\":\"  12 | x\"},"
    "\"log_tail\":\"\"}";

static void put(const struct bed *bed, const char *name, const char *text)
{
    own_free char *path = own_printf("%s/%s", bed->dir, name);
    assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
}

static int setup(void **state)
{
    struct bed *bed = own_calloc(1, sizeof *bed);
    const char *tmp = getenv("TMPDIR");
    snprintf(bed->dir, sizeof bed->dir, "%s/result-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(bed->dir));
    snprintf(bed->job.id, sizeof bed->job.id, "j1");
    bed->facts = (struct result_facts){
        .job = &bed->job,
        .worker = "w1",
        .slots = 2,
        .attempt = 3,
        .outcome = OUTCOME_completed,
        .why = "",
        .dir = bed->dir,
        .enqueued_unix_ms = 1000,
        .claimed_unix_ms = 1500,
        .render_ms = 3000,
        .store_ms = 600,
    };
    *state = bed;
    return 0;
}

static int teardown(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(file_remove_tree(AT_FDCWD, bed->dir, NULL), 0);
    free(bed);
    return 0;
}

static cJSON *build(const struct bed *bed)
{
    own_free char *text = result_build(&bed->facts);
    assert_true(strlen(text) <= CEILING_RESULT_BYTES);
    cJSON *json = NULL;
    assert_int_equal(json_parse(text, strlen(text), FAULT_HOST, &json, NULL), 0);
    return json;
}

static const cJSON *at(const cJSON *json, const char *key)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(json, key);
    assert_non_null(found);
    return found;
}

static void test_completed(void **state)
{
    struct bed *bed = *state;
    bed->job.metadata = (char *)"{\"a\":[1,2]}";
    bed->facts.price_per_hour = "0.72";
    put(bed, "render.json", render_good);
    put(bed, "store.json", store_good);
    own_json cJSON *r = build(bed);
    assert_string_equal(json_str(r, "id"), "j1");
    assert_string_equal(json_str(r, "state"), "completed");
    assert_string_equal(json_str(r, "outcome"), "completed");
    assert_true(cJSON_IsNull(at(r, "error")));
    assert_string_equal(json_str(r, "log_tail"), "hi\n");
    assert_string_equal(json_str(r, "worker"), "w1");
    assert_int_equal(json_num(r, "attempt", 0), 3);
    assert_true(cJSON_IsFalse(at(r, "cached")));
    assert_string_equal(json_str(r, "encoder_used"), "libx264");
    assert_string_equal(json_str(r, "render_path"), "exact");
    const cJSON *output = cJSON_GetArrayItem(at(r, "outputs"), 0);
    assert_string_equal(json_str(output, "key"), "j1/n/scene.mp4");
    assert_int_equal(json_num(output, "bytes", 0), 1234);
    assert_true(cJSON_IsNull(at(output, "url")));
    assert_null(cJSON_GetObjectItem(output, "etag"));
    const cJSON *t = at(r, "timings_ms");
    assert_int_equal(json_num(t, "queue", -1), 500);
    assert_int_equal(json_num(t, "fetch", -1), 0);
    assert_int_equal(json_num(t, "render", -1), 3000);
    assert_int_equal(json_num(t, "encode", -1), 777);
    assert_int_equal(json_num(t, "store", -1), 600);
    /* 0.72 a hour, 3.6 s, shared by two slots */
    assert_true(json_num(r, "cost_usd", 0) > 0.000359 && json_num(r, "cost_usd", 0) < 0.000361);
    assert_string_equal(json_str(at(r, "sandbox"), "level"), "standard");
    assert_string_equal(json_str(at(at(r, "sandbox"), "layers"), "uid"), "active");
    assert_string_equal(json_str(at(r, "sandbox"), "tripwires"), "active");
    assert_int_equal(json_num(at(at(r, "sandbox"), "tripped"), "ptrace", 0), 2);
    assert_int_equal(cJSON_GetArraySize(at(at(r, "sandbox"), "tripped")), 1);
    assert_int_equal(cJSON_GetArraySize(at(at(r, "metadata"), "a")), 2);
    assert_null(cJSON_GetObjectItem(r, "secret"));
}

/* What was fetched is told beside what rendered it, or alone. */
static void test_a_fetchers_box(void **state)
{
    struct bed *bed = *state;
    put(bed, "fetch.json",
        "{\"outcome\":\"completed\",\"sandbox\":{\"level\":\"strong\",\"layers\":{\"uid\":"
        "\"active\"},\"namespaces\":\"pid mount\"}}");
    own_json cJSON *alone = build(bed);
    assert_string_equal(json_str(at(alone, "sandbox"), "level"), "strong");
    put(bed, "render.json", render_good);
    own_json cJSON *both = build(bed);
    assert_string_equal(json_str(at(both, "sandbox"), "level"), "standard");
    const cJSON *fetch = at(at(both, "sandbox"), "fetch");
    assert_string_equal(json_str(fetch, "level"), "strong");
    assert_string_equal(json_str(fetch, "namespaces"), "pid mount");
}

static void test_scene_error_is_clean(void **state)
{
    struct bed *bed = *state;
    bed->facts.outcome = OUTCOME_scene_error;
    put(bed, "render.json", render_bad);
    own_json cJSON *r = build(bed);
    const cJSON *error = at(r, "error");
    assert_string_equal(json_str(r, "state"), "failed");
    assert_string_equal(json_str(error, "code"), "NameError");
    assert_string_equal(json_str(error, "message"), "name 'x' is not?[31m defined");
    assert_int_equal(json_num(error, "line", 0), 12);
    assert_int_equal(json_num(error, "column", 0), 9);
    assert_string_equal(json_str(error, "excerpt"), "  12 | x");
    assert_int_equal(cJSON_GetArraySize(at(r, "outputs")), 0);
}

/* An error that the file names for another outcome is not ours to tell. */
static void test_our_fault_says_why(void **state)
{
    struct bed *bed = *state;
    bed->facts.outcome = OUTCOME_host_error;
    bed->facts.why = "stage render was killed by signal 9";
    put(bed, "render.json", render_bad);
    own_json cJSON *r = build(bed);
    assert_string_equal(json_str(r, "state"), "dead");
    assert_string_equal(json_str(at(r, "error"), "code"), "host_error");
    assert_string_equal(json_str(at(r, "error"), "message"), bed->facts.why);
    assert_true(cJSON_IsNull(at(at(r, "error"), "line")));
}

/* Nothing there, no JSON, wrong types, a link, a flood: a result all the same. */
static void test_broken_files(void **state)
{
    struct bed *bed = *state;
    own_json cJSON *nothing = build(bed);
    assert_int_equal(cJSON_GetArraySize(at(nothing, "outputs")), 0);

    put(bed, "render.json", "{\"outcome\": \"completed\", ");
    put(bed, "store.json", "[1]");
    own_json cJSON *no_json = build(bed);
    assert_true(cJSON_IsNull(at(no_json, "cpu_ms")));

    put(bed, "render.json",
        "{\"outcome\":7,\"error\":[],\"log_tail\":{},\"frames\":\"x\",\"timings_ms\":[],"
        "\"sandbox\":\"x\",\"render_path\":3}");
    put(bed, "store.json", "{\"outputs\":[1,\"x\",{\"key\":7}]}");
    own_json cJSON *wrong = build(bed);
    assert_int_equal(cJSON_GetArraySize(at(wrong, "outputs")), 1);

    own_free char *flood = own_calloc(1, CEILING_RESULT_BYTES + 100);
    memset(flood, ' ', CEILING_RESULT_BYTES + 50);
    put(bed, "render.json", flood);
    own_json cJSON *flooded = build(bed);
    assert_string_equal(json_str(flooded, "log_tail"), "");

    own_free char *link = own_printf("%s/render.json", bed->dir);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    own_json cJSON *linked = build(bed);
    assert_string_equal(json_str(linked, "log_tail"), "");
}

static void test_long_texts_are_cut(void **state)
{
    struct bed *bed = *state;
    own_free char *much = own_calloc(1, 200001);
    memset(much, '"', 100000);
    own_json cJSON *render = cJSON_CreateObject();
    cJSON_AddStringToObject(render, "outcome", "scene_error");
    cJSON_AddStringToObject(render, "log_tail", much);
    own_free char *text = json_print(render);
    put(bed, "render.json", text);
    bed->facts.outcome = OUTCOME_scene_error;
    own_json cJSON *r = build(bed);
    assert_int_equal(strlen(json_str(r, "log_tail")), CEILING_LOG_TAIL_BYTES);
}

struct verdict {
    int exit;
    const char *file; /* NULL: none */
    enum outcome expected;
};

/* Who may say what: a job's fault by exit 1 only, ours by exit 3 only. */
static void test_outcome(void **state)
{
    static const struct verdict verdicts[] = {
        {1, "{\"outcome\":\"scene_error\"}", OUTCOME_scene_error},
        {1, "{\"outcome\":\"memory_limit\"}", OUTCOME_memory_limit},
        {3, "{\"outcome\":\"scene_error\"}", OUTCOME_host_error},
        {3, "{\"outcome\":\"sandbox_setup\"}", OUTCOME_sandbox_setup},
        {3, "{\"outcome\":\"store_failed\"}", OUTCOME_store_failed},
        {3, "{\"outcome\":\"worker_lost\"}", OUTCOME_host_error},
        {1, "{\"outcome\":\"store_failed\"}", OUTCOME_host_error},
        {1, "{\"outcome\":\"completed\"}", OUTCOME_host_error},
        {1, "{\"outcome\":\"cancelled\"}", OUTCOME_host_error},
        {1, "{\"outcome\":\"expired\"}", OUTCOME_host_error},
        {1, "{\"outcome\":\"no_such\"}", OUTCOME_host_error},
        {1, "{\"outcome\":1}", OUTCOME_host_error},
        {1, "nonsense", OUTCOME_host_error},
        {1, NULL, OUTCOME_host_error},
        {3, NULL, OUTCOME_host_error},
        {0, "{\"outcome\":\"completed\"}", OUTCOME_completed},
    };
    struct bed *bed = *state;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        own_free char *path = own_printf("%s/x.json", bed->dir);
        (void)unlink(path);
        if (verdicts[i].file)
            put(bed, "x.json", verdicts[i].file);
        struct err e = ERR_INIT;
        assert_int_equal(result_outcome(bed->dir, "x.json", verdicts[i].exit, &e),
                         verdicts[i].expected);
        if (verdicts[i].expected == OUTCOME_host_error)
            assert_true(e.text[0]);
    }
}

static void test_our_fault_passes_the_sentence_on(void **state)
{
    struct bed *bed = *state;
    put(bed, "x.json",
        "{\"outcome\":\"store_failed\",\"error\":{\"message\":\"bucket \\\"b\\\":\\nmissing\"}}");
    struct err e = ERR_INIT;
    assert_int_equal(result_outcome(bed->dir, "x.json", 3, &e), OUTCOME_store_failed);
    assert_string_equal(e.text, "bucket \"b\": missing");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_completed),
        TEST(test_a_fetchers_box),
        TEST(test_scene_error_is_clean),
        TEST(test_our_fault_says_why),
        TEST(test_broken_files),
        TEST(test_long_texts_are_cut),
        TEST(test_outcome),
        TEST(test_our_fault_passes_the_sentence_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
