/* s3: URLs, and what an operator may list. (What a job may say of them is
 * tried in test_job_url.c.) */
#include "../unit.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/own.h"
#include "intake/s3_url.h"

static void test_parts(void **state)
{
    (void)state;
    own_free char *bucket = s3_url_bucket("s3://my.bucket/a/b c.png");
    assert_string_equal(bucket, "my.bucket");
    assert_string_equal(s3_url_key("s3://my.bucket/a/b c.png"), "a/b c.png");
    assert_string_equal(s3_url_key("s3://my.bucket"), "");
    assert_true(s3_url_is("s3://"));
    assert_false(s3_url_is("https://s3://"));
}

static const struct {
    const char *prefixes, *url;
    bool covered;
} covers[] = {
    {NULL, "s3://a/b", false},
    {"", "s3://a/b", false},
    {" , ", "s3://a/b", false},
    {"s3://a/", "s3://a/b", true},
    {"s3://a", "s3://a/b", true},
    {"s3://a", "s3://ab/b", false},
    {"s3://a/b", "s3://a/b", true},
    {"s3://a/b", "s3://a/b/c", true},
    {"s3://a/b", "s3://a/bc", false},
    {"s3://a/b/", "s3://a/b", false},
    {"s3://x/,s3://a/b/", "s3://a/b/c", true},
    {"s3://x/ s3://a/b/", "s3://a/b/c", true},
    {"s3://A/", "s3://a/b", false},
};

static void test_covered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof covers / sizeof *covers; i++)
        if (s3_url_covered(covers[i].prefixes, covers[i].url) != covers[i].covered)
            fail_msg("\"%s\" and \"%s\"", covers[i].prefixes ? covers[i].prefixes : "(none)",
                     covers[i].url);
}

static void test_lists(void **state)
{
    (void)state;
    static const char *const good[] = {NULL,      "",         "s3://a",
                                       "s3://a/", "s3://a/b", "s3://a/b/,s3://c"};
    static const char *const bad[] = {"a",           "s3://",    "s3:///",    "https://a/b",
                                      "s3://a/../b", "s3://a//", "s3://a/b,c"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(s3_prefixes_check(good[i], NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = ERR_INIT;
        if (!s3_prefixes_check(bad[i], &e))
            fail_msg("%s was taken", bad[i]);
        assert_non_null(strstr(e.text, "fetch_s3_prefixes: \""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_covered),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
