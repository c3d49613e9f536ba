/* `source` and `assets`: what they may say, and where an asset may lie. */
#include "../unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/own.h"
#include "intake/job.h"

static struct config config = {
    .max_assets = 3, .max_assets_mb = 1, .fetch_s3_prefixes = (char *)"s3://in/a/, s3://b2"};

static int parse(const char *json, struct job *job, struct err *e)
{
    *e = (struct err)ERR_INIT;
    return job_parse(json, strlen(json), &config, NULL, job, e);
}

static void check(const char *json, const char *says)
{
    struct job job;
    struct err e;
    int rc = parse(json, &job, &e);
    if (says ? rc != -EINVAL || !strstr(e.text, says) : rc != 0)
        fail_msg("%s: %d, \"%s\", not \"%s\"", json, rc, e.text, says ? says : "");
    job_free(&job);
}

/* ---- source ---- */

static const struct {
    const char *url, *says; /* NULL: taken */
} sources[] = {
    {"https://example.com/s.py", NULL},
    {"HTTPS://example.com/s.py?x=1", NULL},
    {"https://example.com:8443/", NULL},
    {"s3://in/a/s.py", NULL},
    {"s3://b2/s.py", NULL},
    {"s3://b2/a b/\xc3\xa4?.py", NULL},
    {"", "field \"source\": must not be empty"},
    {"http://example.com/s.py", "field \"source\": must begin with https://"},
    {"file:///etc/passwd", "must begin with https://"},
    {"ftp://example.com/", "must begin with https://"},
    {"S3://in/a/s.py", "must begin with https://"},
    {"https://u:p@example.com/", "must not hold a user"},
    {"https://0x7f.1/", "odd notation"},
    {"https://example.com/a b", "holds a blank"},
    {"s3://in/b/s.py", "field \"source\": is not beneath a prefix"},
    {"s3://in/a", "is not beneath a prefix"},
    {"s3://in/ab/s.py", "is not beneath a prefix"},
    {"s3://b22/s.py", "is not beneath a prefix"},
    {"s3://in/a/../b/s.py", "\\\"..\\\" in it"},
    {"s3://in/a//s.py", "an empty part"},
    {"s3://in/a/./s.py", "an empty part"},
    {"s3://in/a/", "an empty part"},
    {"s3://in/a/\\u0007", "a control character"},
    {"s3://in", "names no key"},
    {"s3://in/", "names no key"},
    {"s3:///a", "names no bucket"},
    {"s3://a:b@c/a", "names no bucket"},
};

static void test_source(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        own_free char *json = own_printf("{\"source\":\"%s\"}", sources[i].url);
        own_free char *says = own_strdup(sources[i].says ? sources[i].says : "");
        for (char *slash; (slash = strchr(says, '\\'));)
            memmove(slash, slash + 1, strlen(slash));
        check(json, sources[i].says ? says : NULL);
    }
    check("{\"source\":7}", "field \"source\": must be a string, not a number");
    check("{\"source\":\"https://h\",\"code\":\"x\"}", "both");
    check("{\"assets\":[]}", "neither");
}

static void test_no_prefix_no_s3(void **state)
{
    (void)state;
    char *kept = config.fetch_s3_prefixes;
    config.fetch_s3_prefixes = NULL;
    check("{\"source\":\"s3://in/a/s.py\"}", "is not beneath a prefix");
    config.fetch_s3_prefixes = kept;
}

/* ---- assets ---- */

static const struct {
    const char *path, *says;
} paths[] = {
    {"cat.png", NULL},
    {"sub/folder/cat.png", NULL},
    {"a/b/c/d/e/f/g/h", NULL},
    {"k\xc3\xa4tzchen 1.svg", NULL},
    {"sub/scene.py", NULL},
    {"mediapath/x", NULL},
    {"a..b/c", NULL},
    {"", "must not be empty"},
    {"/etc/passwd", "must be relative"},
    {"//x", "must be relative"},
    {"a//b", "without empty parts"},
    {"a/", "without empty parts"},
    {"..", "begins with a dot"},
    {"../x", "begins with a dot"},
    {"a/../../x", "begins with a dot"},
    {"./a", "begins with a dot"},
    {"a/.", "begins with a dot"},
    {".cache/x", "begins with a dot"},
    {"a/.hidden", "begins with a dot"},
    {".texmf-var/web2c/x.fmt", "begins with a dot"},
    {"scene.py", "a name of the worker's own"},
    {"scene.py/x", "a name of the worker's own"},
    {"media", "a name of the worker's own"},
    {"media/Tex/x.svg", "a name of the worker's own"},
    {"tmp/x", "a name of the worker's own"},
    {"__pycache__/scene.pyc", "a name of the worker's own"},
    {"a\\\\b", "no backslash"},
    {"a\\nb", "no control character"},
    {"a\\u007fb", "no control character"},
    {"a\\u0085b", "no control character"},
    {"a\\u001b[2Jb", "no control character"},
    {"a/b/c/d/e/f/g/h/i", "more than 8 parts"},
};

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        own_free char *json =
            own_printf("{\"code\":\"x\",\"assets\":[{\"path\":\"%s\",\"url\":\"https://h/x\"}]}",
                       paths[i].path);
        check(json, paths[i].says);
    }
    char part[202];
    memset(part, 'a', 201);
    part[201] = 0;
    own_free char *json =
        own_printf("{\"code\":\"x\",\"assets\":[{\"path\":\"%s\",\"url\":\"https://h/x\"}]}", part);
    check(json, "more than 200 bytes");
}

#define ASSETS(list) "{\"code\":\"x\",\"assets\":" list "}"
#define ONE(path) "{\"path\":\"" path "\",\"url\":\"https://h/x\"}"

static const struct {
    const char *json, *says;
} lists[] = {
    {ASSETS("[]"), NULL},
    {ASSETS("[" ONE("a") "," ONE("b") "," ONE("c") "]"), NULL},
    {ASSETS("[" ONE("a/b") "," ONE("a.b") "," ONE("a/c") "]"), NULL},
    {ASSETS("[{\"path\":\"a\",\"url\":\"s3://in/a/x\"}]"), NULL},
    {ASSETS("[" ONE("a") "," ONE("b") "," ONE("c") "," ONE("d") "]"),
     "field \"assets\": has 4, at most 3 allowed"},
    {ASSETS("[" ONE("a") "," ONE("b") "," ONE("a") "]"), "path \"a\" is named twice"},
    {ASSETS("[" ONE("a/b") "," ONE("a.b") "," ONE("a") "]"), "path \"a\" is a file and a folder"},
    {ASSETS("{}"), "must be an array of {path, url, sha256}, not an object"},
    {ASSETS("[7]"), "field \"assets[0]\": must be an object with path and url, not a number"},
    {ASSETS("[{\"url\":\"https://h\"}]"), "field \"assets[0].path\": is missing"},
    {ASSETS("[" ONE("a") ",{\"path\":\"b\"}]"), "field \"assets[1].url\": is missing"},
    {ASSETS("[{\"path\":\"a\",\"url\":\"https://h\",\"sha\":\"\"}]"),
     "field \"assets[0].sha\" is unknown: path, url and sha256 are known"},
    {ASSETS("[{\"path\":7,\"url\":\"https://h\"}]"), "field \"assets[0].path\": must be a string"},
    {ASSETS("[{\"path\":\"a\",\"url\":\"http://h\"}]"), "field \"assets[0].url\": must begin with"},
    {ASSETS("[{\"path\":\"a\",\"url\":\"s3://in/x\"}]"), "field \"assets[0].url\": is not beneath"},
    {ASSETS("[{\"path\":\"a\",\"url\":\"https://h\",\"sha256\":\"\"}]"), "must not be empty"},
    {ASSETS("[{\"path\":\"a\",\"url\":\"https://h\",\"sha256\":\"abc\"}]"), "64 hexadecimal"},
};

static void test_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        check(lists[i].json, lists[i].says);
}

/* A thousand that clash with nobody, in time. */
static void test_many(void **state)
{
    (void)state;
    config.max_assets = 1000;
    own_buf struct buf b = BUF_INIT(JOB_JSON_MAX_BYTES);
    buf_add_str(&b, "{\"code\":\"x\",\"assets\":[");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%s{\"path\":\"a/%d\",\"url\":\"https://h/%d\"}", i ? "," : "", i, i);
    buf_add_str(&b, "]}");
    check(buf_str(&b), NULL);
    config.max_assets = 3;
}

/* As a stage reads it again: whatever its own maxima and prefixes are. */
static void test_loads(void **state)
{
    (void)state;
    struct job job, again;
    struct err e;
    const char *json =
        "{\"source\":\"s3://in/a/s.py\",\"assets\":[{\"path\":\"a/b.png\",\"url\":\"https://h/x\","
        "\"sha256\":\"00000000000000000000000000000000000000000000000000000000000000AB\"}]}";
    assert_int_equal(parse(json, &job, &e), 0);
    assert_null(job.code);
    assert_string_equal(job.source, "s3://in/a/s.py");
    const struct config other = {0};
    if (job_load(job.json, strlen(job.json), &other, &again, &e))
        fail_msg("%s", e.text);
    assert_string_equal(again.source, job.source);
    assert_int_equal(again.asset_count, 1);
    assert_string_equal(again.assets[0].path, "a/b.png");
    assert_string_equal(again.assets[0].url, "https://h/x");
    assert_string_equal(again.assets[0].sha256 + 60, "00ab");
    char one[41], two[41];
    job_digest(&job, one);
    job_digest(&again, two);
    assert_string_equal(one, two);
    job_free(&again);
    job_free(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source), cmocka_unit_test(test_no_prefix_no_s3),
        cmocka_unit_test(test_paths),  cmocka_unit_test(test_lists),
        cmocka_unit_test(test_many),   cmocka_unit_test(test_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
