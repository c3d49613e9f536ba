/* Every bound of a job, field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/config.h"
#include "base/err.h"
#include "base/json.h"
#include "base/own.h"
#include "intake/job.h"

static struct config config;

static int load_config(void **state)
{
    int argc = 0;
    (void)state;
    for (char **v = environ; *v;) { /* cmocka's own stay */
        own_free char *name = own_strndup(*v, strcspn(*v, "="));
        if (strncmp(name, "MANIMD_", 7) == 0)
            unsetenv(name);
        else
            v++;
    }
    return config_load(&config, &argc, (char *[]){NULL}, NULL);
}

static int free_config(void **state)
{
    (void)state;
    config_done(&config);
    return 0;
}

static int parse(const char *json, struct job *job, struct err *e)
{
    *e = (struct err)ERR_INIT;
    return job_parse(json, strlen(json), &config, NULL, job, e);
}

/* {"code":"x",FIELDS} */
static char *with(const char *fields)
{
    return own_printf("{\"code\":\"x\"%s%s}", fields[0] ? "," : "", fields);
}

/* ---- refused ---- */

static const struct {
    const char *fields; /* beside code */
    const char *says;   /* part of the sentence */
} refused[] = {
    /* ids */
    {"\"id\":\"\"", "field \"id\""},
    {"\"id\":\"..\"", "\"..\" is no id"},
    {"\"id\":\".a\"", "is no id"},
    {"\"id\":\"-a\"", "is no id"},
    {"\"id\":\"_a\"", "is no id"},
    {"\"id\":\"a/b\"", "\"a/b\" is no id"},
    {"\"id\":\"a b\"", "is no id"},
    {"\"id\":\"a\\nb\"", "\"a?b\" is no id"},
    {"\"id\":\"\\u00e9\"", "is no id"},
    {"\"id\":\"a{b}\"", "is no id"},
    {"\"id\":\"a:b\"", "is no id"},
    {"\"id\":\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff12345\"", "is no id"},
    {"\"id\":7", "must be a string, not a number"},
    {"\"id\":null", "must be a string, not null"},
    {"\"id\":[\"a\"]", "must be a string, not an array"},
    /* code and source */
    {"\"code\":\"y\"", "twice"},
    {"\"source\":\"https://h/s.py\"", "both \"code\" and \"source\""},
    /* scene */
    {"\"scene\":\"\"", "field \"scene\": must not be empty"},
    {"\"scene\":\"1a\"", "no name of a Python class"},
    {"\"scene\":\"a-b\"", "no name of a Python class"},
    {"\"scene\":\"a b\"", "no name of a Python class"},
    {"\"scene\":\"a.b\"", "no name of a Python class"},
    {"\"scene\":\"../a\"", "no name of a Python class"},
    {"\"scene\":\"a\\u001b[31m\"", "\"a?[31m\" is no name"},
    {"\"scene\":true", "must be a string, not true"},
    {"\"scene\":{}", "must be a string, not an object"},
    /* quality */
    {"\"quality\":\"\"", "is none of"},
    {"\"quality\":\"1080\"", "is none of"},
    {"\"quality\":\"8k\"", "is none of"},
    {"\"quality\":\"HIGH\"", "is none of"},
    {"\"quality\":\"360p\"", "is none of"},
    {"\"quality\":1080", "must be a string, not a number"},
    {"\"quality\":false", "must be a string, not false"},
    /* width and height */
    {"\"width\":0", "outside of 16 to 3840"},
    {"\"width\":14", "outside of 16 to 3840"},
    {"\"width\":3842", "outside of 16 to 3840"},
    {"\"width\":-2", "outside of 16 to 3840"},
    {"\"width\":1e300", "outside of 16 to 3840"},
    {"\"width\":1921", "1921 is odd"},
    {"\"width\":1920.5", "is no integer"},
    {"\"width\":\"1920\"", "must be an integer, not a string"},
    {"\"height\":2162", "outside of 16 to 2160"},
    {"\"height\":1081", "1081 is odd"},
    {"\"height\":true", "must be an integer, not true"},
    /* fps */
    {"\"fps\":0", "outside of 1 to 120"},
    {"\"fps\":-1", "outside of 1 to 120"},
    {"\"fps\":120.5", "outside of 1 to 120"},
    {"\"fps\":121", "outside of 1 to 120"},
    {"\"fps\":0.5", "neither whole nor"},
    {"\"fps\":29.5", "neither whole nor"},
    {"\"fps\":30.1", "neither whole nor"},
    {"\"fps\":\"30\"", "must be a number, not a string"},
    /* background */
    {"\"background\":\"\"", "must not be empty"},
    {"\"background\":\"#12345\"", "neither #RRGGBB nor"},
    {"\"background\":\"#12345g\"", "neither #RRGGBB nor"},
    {"\"background\":\"#1234567\"", "neither #RRGGBB nor"},
    {"\"background\":\"blueish\"", "neither #RRGGBB nor"},
    {"\"background\":\"BLUE_F\"", "neither #RRGGBB nor"},
    {"\"background\":\"BLUE_\"", "neither #RRGGBB nor"},
    {"\"background\":\"PINK_A\"", "neither #RRGGBB nor"},
    {"\"background\":\"WHITE;import os\"", "neither #RRGGBB nor"},
    {"\"background\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", "at most 31"},
    {"\"background\":0", "must be a string, not a number"},
    /* seed */
    {"\"seed\":-1", "outside of 0 to 4294967295"},
    {"\"seed\":4294967296", "outside of 0 to 4294967295"},
    {"\"seed\":1.5", "is no integer"},
    {"\"seed\":\"1\"", "must be an integer, not a string"},
    /* outputs */
    {"\"outputs\":[]", "must not be empty"},
    {"\"outputs\":\"mp4\"", "must be an array of strings, not a string"},
    {"\"outputs\":[1]", "must be an array of strings, not a number"},
    {"\"outputs\":[\"avi\"]", "\"avi\" is no kind of output"},
    {"\"outputs\":[\"MP4\"]", "is no kind of output"},
    {"\"outputs\":[\"mp4\",\"mp4\"]", "named twice"},
    {"\"outputs\":[\"webm\"]", "\"webm\" is not supported yet"},
    {"\"outputs\":[\"mov\"]", "\"mov\" is not supported yet"},
    {"\"outputs\":[\"mp4\",\"gif\"]", "\"gif\" is not supported yet"},
    {"\"outputs\":[\"poster\"]", "\"poster\" is not supported yet"},
    {"\"outputs\":[\"sprite\"]", "\"sprite\" is not supported yet"},
    {"\"outputs\":[\"hls\"]", "\"hls\" is not supported yet"},
    /* limits */
    {"\"timeout_s\":0", "outside of 1 to"},
    {"\"timeout_s\":3601", "more than this worker allows: 3600"},
    {"\"timeout_s\":1.5", "is no integer"},
    {"\"timeout_s\":1e18", "outside of 1 to"},
    {"\"timeout_s\":\"60\"", "must be an integer, not a string"},
    {"\"memory_mb\":127", "outside of 128 to"},
    {"\"memory_mb\":8193", "more than this worker allows: 8192"},
    {"\"cpu_s\":0", "outside of 1 to"},
    {"\"cpu_s\":14401", "more than this worker allows: 14400"},
    {"\"disk_mb\":0", "outside of 1 to"},
    {"\"disk_mb\":8193", "more than this worker allows: 8192"},
    {"\"processes\":3", "outside of 4 to"},
    {"\"processes\":257", "more than this worker allows: 256"},
    {"\"processes\":null", "must be an integer, not null"},
    {"\"limits\":{}", "field \"limits\" is unknown"},
    /* priority */
    {"\"priority\":-1", "outside of 0 to 9"},
    {"\"priority\":10", "outside of 0 to 9"},
    {"\"priority\":0.5", "is no integer"},
    {"\"priority\":\"high\"", "must be an integer, not a string"},
    /* times */
    {"\"run_at\":0", "no Unix time"},
    {"\"run_at\":-5", "no Unix time"},
    {"\"run_at\":1700000000000", "(milliseconds?)"},
    {"\"run_at\":true", "must be Unix seconds or"},
    {"\"run_at\":\"tomorrow\"", "is no UTC time"},
    {"\"run_at\":\"2026-11-27\"", "is no UTC time"},
    {"\"run_at\":\"2026-11-27T02:41:33\"", "is no UTC time"},
    {"\"run_at\":\"2026-11-27T02:41:33+01:00\"", "is no UTC time"},
    {"\"run_at\":\"2026-13-27T02:41:33Z\"", "is no UTC time"},
    {"\"run_at\":\"2026-02-30T02:41:33Z\"", "is no UTC time"},
    {"\"run_at\":\"2026-11-27T24:00:00Z\"", "is no UTC time"},
    {"\"run_at\":\"2026-11-27T02:60:00Z\"", "is no UTC time"},
    {"\"run_at\":\"2026-11-27T02:41:33.Z\"", "is no UTC time"},
    {"\"run_at\":\"2026-11-27T02:41:33Z \"", "is no UTC time"},
    {"\"run_at\":\"1960-01-01T00:00:00Z\"", "is no UTC time"},
    {"\"expires_at\":\"\"", "is no UTC time"},
    {"\"deadline_at\":[]", "must be Unix seconds or"},
    {"\"run_at\":1800000000,\"expires_at\":1700000000", "\"expires_at\": is before run_at"},
    {"\"run_at\":1800000000,\"deadline_at\":1700000000", "\"deadline_at\": is before run_at"},
    /* owner, notify, metadata */
    {"\"owner\":\"a b\"", "may hold only"},
    {"\"owner\":\"a/b\"", "may hold only"},
    {"\"owner\":5", "must be a string, not a number"},
    {"\"notify\":1", "must be true or false, not a number"},
    {"\"notify\":\"yes\"", "must be true or false, not a string"},
    /* later versions */
    {"\"transparent\":true", "\"transparent\" is not supported yet"},
    {"\"transparent\":false", "\"transparent\" is not supported yet"},
    {"\"renderer\":\"opengl\"", "\"renderer\" is not supported yet"},
    {"\"sections\":true", "\"sections\" is not supported yet"},
    {"\"preset\":\"x\"", "\"preset\" is not supported yet"},
    {"\"cache\":true", "\"cache\" is not supported yet"},
    {"\"webhook\":7", "\"webhook\": must be a string"},
    {"\"webhook\":\"\"", "\"webhook\": must not be empty"},
    {"\"webhook\":\"http://h\"", "\"webhook\": must begin with https://"},
    {"\"webhook\":\"https://u:p@h\"", "\"webhook\": must not hold a user"},
    {"\"webhook\":\"https://0x7f.1\"", "\"webhook\": names an IPv4 address in an odd notation"},
    {"\"put_url\":\"https://h\"", "\"put_url\" is not supported yet"},
    {"\"traceparent\":\"00\"", "\"traceparent\" is not supported yet"},
    /* unknown */
    {"\"Scene\":\"A\"", "field \"Scene\" is unknown: did you mean \"scene\"?"},
    {"\"scen\":\"A\"", "did you mean \"scene\"?"},
    {"\"qualiti\":\"l\"", "did you mean \"quality\"?"},
    {"\"timeout\":5", "did you mean \"timeout_s\"?"},
    {"\"memory\":5", "did you mean \"memory_mb\"?"},
    {"\"output\":[]", "did you mean \"outputs\"?"},
    {"\"expire_at\":5", "did you mean \"expires_at\"?"},
    {"\"zzzzzzzz\":1", "field \"zzzzzzzz\" is unknown"},
    {"\"\":1", "field \"\" is unknown"},
    {"\"a\\u001b[2Jb\":1", "field \"a?[2Jb\" is unknown"},
    {"\"__proto__\":{}", "is unknown"},
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        own_free char *json = with(refused[i].fields);
        struct job job;
        struct err e;
        int rc = parse(json, &job, &e);
        if (rc != -EINVAL || !strstr(e.text, refused[i].says))
            fail_msg("%s: %d, \"%s\" without \"%s\"", json, rc, e.text, refused[i].says);
        assert_int_equal(e.fault, FAULT_JOB);
        assert_null(job.code);
        assert_null(job.json);
        job_free(&job);
    }
}

/* Texts that are no job at all. */
static void refuses_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "job"},
        {"!", "job"},
        {"null", "must be a JSON object"},
        {"[]", "must be a JSON object"},
        {"\"code\"", "must be a JSON object"},
        {"7", "must be a JSON object"},
        {"{", "job"},
        {"{\"code\":\"x\"", "job"},
        {"{\"code\":\"x\"} {}", "job"},
        {"{\"code\":\"x\"}x", "job"},
        {"{\"code\":\"x\",}", "job"},
        {"{'code':'x'}", "job"},
        {"{\"code\":\"\xff\"}", "job"},
        {"{\"code\":\"\xc0\xaf\"}", "job"},
        {"{\"code\":\"\\ud800\"}", "job"},
        {"{\"code\":\"a\\u0000b\"}", "NUL"},
        {"{\"code\":\"\\\\\\u0000\"}", "NUL"},
        {"{\"co\\u0000de\":\"x\"}", "NUL"},
        {"{}", "neither \"code\" nor \"source\""},
        {"{\"scene\":\"A\"}", "neither \"code\" nor \"source\""},
        {"{\"code\":\"\"}", "\"code\": must not be empty"},
        {"{\"code\":7}", "\"code\": must be a string, not a number"},
        {"{\"code\":null}", "\"code\": must be a string, not null"},
        {"{\"code\":\"x\",\"metadata\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", "job"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job job;
        struct err e;
        int rc = parse(cases[i].text, &job, &e);
        if (rc != -EINVAL || !strstr(e.text, cases[i].says))
            fail_msg("%s: %d, \"%s\" without \"%s\"", cases[i].text, rc, e.text, cases[i].says);
        job_free(&job);
    }
}

/* ---- taken ---- */

static const struct {
    const char *fields;
    int width, height, fps_num, fps_den;
} pictures[] = {
    {"", 1920, 1080, 60, 1},
    {"\"quality\":\"480p15\"", 854, 480, 15, 1},
    {"\"quality\":\"480p\"", 854, 480, 15, 1},
    {"\"quality\":\"low\"", 854, 480, 15, 1},
    {"\"quality\":\"l\"", 854, 480, 15, 1},
    {"\"quality\":\"720p30\"", 1280, 720, 30, 1},
    {"\"quality\":\"720p\"", 1280, 720, 30, 1},
    {"\"quality\":\"medium\"", 1280, 720, 30, 1},
    {"\"quality\":\"m\"", 1280, 720, 30, 1},
    {"\"quality\":\"1080p60\"", 1920, 1080, 60, 1},
    {"\"quality\":\"1080p\"", 1920, 1080, 60, 1},
    {"\"quality\":\"high\"", 1920, 1080, 60, 1},
    {"\"quality\":\"h\"", 1920, 1080, 60, 1},
    {"\"quality\":\"1440p60\"", 2560, 1440, 60, 1},
    {"\"quality\":\"p\"", 2560, 1440, 60, 1},
    {"\"quality\":\"2160p60\"", 3840, 2160, 60, 1},
    {"\"quality\":\"4k\"", 3840, 2160, 60, 1},
    {"\"quality\":\"k\"", 3840, 2160, 60, 1},
    {"\"width\":16", 16, 1080, 60, 1},
    {"\"width\":3840,\"height\":2160", 3840, 2160, 60, 1},
    {"\"height\":16", 1920, 16, 60, 1},
    {"\"fps\":24,\"quality\":\"l\"", 854, 480, 24, 1},
    {"\"width\":1080,\"height\":1920,\"quality\":\"m\"", 1080, 1920, 30, 1},
    {"\"fps\":1", 1920, 1080, 1, 1},
    {"\"fps\":120", 1920, 1080, 120, 1},
    {"\"fps\":30.0", 1920, 1080, 30, 1},
    {"\"fps\":23.976", 1920, 1080, 24000, 1001},
    {"\"fps\":23.98", 1920, 1080, 24000, 1001},
    {"\"fps\":29.97", 1920, 1080, 30000, 1001},
    {"\"fps\":59.94", 1920, 1080, 60000, 1001},
    {"\"fps\":119.88", 1920, 1080, 120000, 1001},
};

static void takes_pictures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
        own_free char *json = with(pictures[i].fields);
        struct job job;
        struct err e;
        if (parse(json, &job, &e))
            fail_msg("%s: %s", json, e.text);
        assert_int_equal(job.picture.width, pictures[i].width);
        assert_int_equal(job.picture.height, pictures[i].height);
        assert_int_equal(job.picture.fps_num, pictures[i].fps_num);
        assert_int_equal(job.picture.fps_den, pictures[i].fps_den);
        job_free(&job);
    }
}

static void defaults(void **state)
{
    (void)state;
    struct job job;
    struct err e;
    assert_int_equal(parse("{\"code\":\"x\"}", &job, &e), 0);
    assert_int_equal(strlen(job.id), 36);
    assert_true(job_valid_id(job.id));
    assert_string_equal(job.code, "x");
    assert_null(job.source);
    assert_null(job.scene);
    assert_null(job.metadata);
    assert_string_equal(job.owner, "");
    assert_int_equal(job.outputs, OUTPUT_BIT(OUTPUT_MP4));
    assert_int_equal(job.seed, 0);
    assert_int_equal(job.priority, 0);
    assert_int_equal(job.run_at_ms, 0);
    assert_int_equal(job.expires_ms, 0);
    assert_false(job.notify);
    assert_int_equal(job.limits.wall_ms, 600000);
    assert_int_equal(job.limits.cpu_ms, 3600000);
    assert_int_equal(job.limits.memory_bytes, 2048ll << 20);
    assert_int_equal(job.limits.disk_bytes, 1024ll << 20);
    assert_int_equal(job.limits.processes, 64);
    assert_int_equal(job.limits.files, 20000);
    assert_int_equal(job.limits.log_bytes, 4096 * 1024);
    assert_int_equal(job.limits.output_bytes, 4096ll << 20);
    assert_int_equal(job.limits.frames, 432000);
    job_free(&job);
}

static void takes_all(void **state)
{
    (void)state;
    struct job job;
    struct err e;
    const char *json =
        "{\"id\":\"A.b_c-9\",\"code\":\"from manim import *\\n\\t\\\"\\\\u0000\\\"\","
        "\"scene\":\"Szene_\xc3\xa4\",\"background\":\"blue_e\",\"seed\":4294967295,"
        "\"outputs\":[\"png\",\"mp4\"],\"timeout_s\":3600,\"memory_mb\":128,\"cpu_s\":14400,"
        "\"disk_mb\":8192,\"processes\":4,\"priority\":9,\"run_at\":1700000000.5,"
        "\"expires_at\":\"2026-11-27T02:41:33Z\",\"deadline_at\":\"2028-02-29T00:00:00.25Z\","
        "\"owner\":\"team@x:1\",\"notify\":true,\"metadata\":{\"b\":1,\"a\":[null]}}";
    if (parse(json, &job, &e))
        fail_msg("%s", e.text);
    assert_string_equal(job.id, "A.b_c-9");
    assert_string_equal(job.code, "from manim import *\n\t\"\\u0000\"");
    assert_string_equal(job.scene, "Szene_\xc3\xa4");
    assert_string_equal(job.picture.background, "BLUE_E");
    assert_int_equal(job.seed, 4294967295);
    assert_int_equal(job.outputs, OUTPUT_BIT(OUTPUT_MP4) | OUTPUT_BIT(OUTPUT_PNG));
    assert_int_equal(job.limits.wall_ms, 3600000);
    assert_int_equal(job.limits.memory_bytes, 128ll << 20);
    assert_int_equal(job.limits.processes, 4);
    assert_int_equal(job.priority, 9);
    assert_int_equal(job.run_at_ms, 1700000000500);
    assert_int_equal(job.expires_ms, 1795747293000);
    assert_int_equal(job.deadline_ms, 1835395200250);
    assert_string_equal(job.owner, "team@x:1");
    assert_true(job.notify);
    assert_string_equal(job.metadata, "{\"b\":1,\"a\":[null]}");
    job_free(&job);
}

static void colours(void **state)
{
    (void)state;
    static const char *const good[] = {"#000000", "#aBcDeF", "WHITE",      "white",    "BLUE",
                                       "BLUE_A",  "grey_e",  "DARK_BROWN", "LOGO_RED", "PURE_CYAN"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        own_free char *field = own_printf("\"background\":\"%s\"", good[i]);
        own_free char *json = with(field);
        struct job job;
        struct err e;
        if (parse(json, &job, &e))
            fail_msg("%s", e.text);
        assert_int_equal(strcasecmp(job.picture.background, good[i]), 0);
        job_free(&job);
    }
}

/* ---- sizes ---- */

static char *filled(const char *before, size_t fill, const char *after)
{
    size_t b = strlen(before), a = strlen(after);
    char *text = own_calloc(1, b + fill + a + 1);
    memcpy(text, before, b);
    memset(text + b, 'a', fill);
    memcpy(text + b + fill, after, a);
    return text;
}

static void sizes(void **state)
{
    (void)state;
    struct job job;
    struct err e;
    size_t around = strlen("{\"code\":\"\"}");
    own_free char *fits = filled("{\"code\":\"", JOB_JSON_MAX_BYTES - around, "\"}");
    own_free char *over = filled("{\"code\":\"", JOB_JSON_MAX_BYTES - around + 1, "\"}");
    assert_int_equal(parse(fits, &job, &e), 0);
    job_free(&job);
    assert_int_equal(parse(over, &job, &e), -EINVAL);
    assert_non_null(strstr(e.text, "has 262145 bytes, at most 262144 allowed"));
    job_free(&job);
    /* By its length alone: nothing behind it is read. */
    assert_int_equal(job_parse("{", (size_t)1 << 40, &config, NULL, &job, &e), -EINVAL);

    own_free char *meta = filled("{\"code\":\"x\",\"metadata\":\"", 4094, "\"}");
    own_free char *meta_over = filled("{\"code\":\"x\",\"metadata\":\"", 4095, "\"}");
    assert_int_equal(parse(meta, &job, &e), 0);
    job_free(&job);
    assert_int_equal(parse(meta_over, &job, &e), -EINVAL);
    assert_non_null(strstr(e.text, "4097 bytes as JSON, at most 4096"));
    job_free(&job);

    own_free char *scene = filled("{\"code\":\"x\",\"scene\":\"", 129, "\"}");
    assert_int_equal(parse(scene, &job, &e), -EINVAL);
    assert_non_null(strstr(e.text, "129 bytes, at most 128"));
    job_free(&job);
    own_free char *owner = filled("{\"code\":\"x\",\"owner\":\"", 65, "\"}");
    assert_int_equal(parse(owner, &job, &e), -EINVAL);
    job_free(&job);
    own_free char *name = filled("{\"code\":\"x\",\"", 100000, "\":1}");
    assert_int_equal(parse(name, &job, &e), -EINVAL);
    assert_true(strlen(e.text) < 200);
    job_free(&job);
    for (int open = 0; open < 2; open++) { /* 256 KiB of brackets */
        own_free char *deep = own_calloc(1, JOB_JSON_MAX_BYTES + 1);
        memset(deep, open ? '{' : '[', JOB_JSON_MAX_BYTES);
        assert_int_equal(parse(deep, &job, &e), -EINVAL);
        job_free(&job);
    }
}

/* ---- ids, json, digests ---- */

static void refusal_keeps_id(void **state)
{
    (void)state;
    struct job job;
    struct err e;
    assert_int_equal(parse("{\"id\":\"a1\",\"code\":\"x\",\"fps\":500}", &job, &e), -EINVAL);
    assert_string_equal(job.id, "a1");
    job_free(&job);
    assert_int_equal(parse("{\"id\":\"a/1\",\"code\":\"x\",\"fps\":500}", &job, &e), -EINVAL);
    assert_string_equal(job.id, "");
    job_free(&job);
}

static void new_ids(void **state)
{
    (void)state;
    struct job job;
    struct err e;
    const char *text = "{\"code\":\"x\"}";
    assert_int_equal(job_parse(text, strlen(text), &config, "mine", &job, &e), 0);
    assert_string_equal(job.id, "mine");
    job_free(&job);
    text = "{\"id\":\"yours\",\"code\":\"x\"}";
    assert_int_equal(job_parse(text, strlen(text), &config, "mine", &job, &e), 0);
    assert_string_equal(job.id, "yours");
    job_free(&job);
}

static void digest_of(const char *text, char ret[41])
{
    struct job job;
    struct err e;
    if (parse(text, &job, &e))
        fail_msg("%s", e.text);
    job_digest(&job, ret);
    job_free(&job);
}

/* One job whatever its spacing and order; another when anything differs. */
static void digests(void **state)
{
    (void)state;
    char a[41], b[41], c[41], d[41];
    digest_of("{\"id\":\"i\",\"code\":\"x\",\"fps\":30}", a);
    digest_of(" {\"fps\" : 30,\n\"code\":\"x\",\"id\":\"i\"}", b);
    digest_of("{\"id\":\"i\",\"code\":\"x\",\"fps\":31}", c);
    digest_of("{\"id\":\"i\",\"code\":\"x\",\"fps\":30,\"timeout_s\":600}", d);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_string_not_equal(a, d);
    /* What the operator's defaults are is no part of what was asked. */
    config.timeout_s = 60;
    digest_of("{\"id\":\"i\",\"code\":\"x\",\"fps\":30}", b);
    config.timeout_s = 600;
    assert_string_equal(a, b);
}

/* job->json is read again with the limits settled, whatever the maxima there. */
static void loads(void **state)
{
    (void)state;
    struct job job, again;
    struct err e;
    config.max_timeout_s = 9000;
    int rc = parse("{\"id\":\"i\",\"code\":\"x\\n\",\"timeout_s\":9000,\"fps\":29.97}", &job, &e);
    config.max_timeout_s = 3600;
    assert_int_equal(rc, 0);
    own_json cJSON *json = NULL;
    assert_int_equal(json_parse(job.json, strlen(job.json), 0, &json, &e), 0);
    assert_string_equal(json_str(json, "id"), "i");
    config.max_files = 1;
    assert_int_equal(job_load(job.json, strlen(job.json), &config, &again, &e), 0);
    config.max_files = 20000;
    assert_memory_equal(&again.limits, &job.limits, sizeof(job.limits));
    assert_string_equal(again.json, job.json);
    assert_int_equal(again.picture.fps_den, 1001);
    job_free(&again);
    /* But not as a producer's job. */
    assert_int_equal(parse(job.json, &again, &e), -EINVAL);
    job_free(&again);
    job_free(&job);
}

static void operator_maximum_bounds_default(void **state)
{
    (void)state;
    struct job job;
    struct err e;
    config.max_timeout_s = 60;
    int rc = parse("{\"code\":\"x\"}", &job, &e);
    config.max_timeout_s = 3600;
    assert_int_equal(rc, 0);
    assert_int_equal(job.limits.wall_ms, 60000);
    job_free(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),        cmocka_unit_test(refuses_texts),
        cmocka_unit_test(takes_pictures), cmocka_unit_test(defaults),
        cmocka_unit_test(takes_all),      cmocka_unit_test(colours),
        cmocka_unit_test(sizes),          cmocka_unit_test(refusal_keeps_id),
        cmocka_unit_test(new_ids),        cmocka_unit_test(digests),
        cmocka_unit_test(loads),          cmocka_unit_test(operator_maximum_bounds_default),
    };
    return cmocka_run_group_tests(tests, load_config, free_config);
}
