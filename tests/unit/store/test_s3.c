/* Settings, addressing and part sizes; what travels is tested by tests/stage/. */

#include "../unit.h"

#include "base/limits.h"
#include "base/own.h"
#include "store/s3.h"
#include "store/store.h"

#define AT_UNIX_S 1795747293
#define MIB (1024LL * 1024)

static char *presign(const char *endpoint, const char *bucket, const char *addressing)
{
    struct config c = {
        .s3_endpoint = (char *)endpoint,
        .s3_bucket = (char *)bucket,
        .s3_region = "us-east-1",
        .s3_addressing = (char *)addressing,
        .s3_access_key_id = "ID",
        .s3_secret_access_key = "SECRET",
    };
    return store_presign(&c, "job-1/n/scene.mp4", 3600, AT_UNIX_S);
}

static void test_addressing(void **state)
{
    (void)state;
    static const struct {
        const char *endpoint, *bucket, *addressing, *url;
    } cases[] = {
        {NULL, "videos", "auto", "https://videos.s3.us-east-1.amazonaws.com/job-1/n/scene.mp4?"},
        {NULL, "my.videos", "auto", "https://s3.us-east-1.amazonaws.com/my.videos/job-1/n/"},
        {NULL, "videos", "path", "https://s3.us-east-1.amazonaws.com/videos/job-1/n/scene.mp4?"},
        {"http://localhost:9000", "videos", "auto", "http://localhost:9000/videos/job-1/n/"},
        {"http://H.example:80/", "videos", "virtual", "http://videos.h.example/job-1/n/"},
        {"https://h:443/base/s3//", "v", "auto", "https://h/base/s3/v/job-1/n/scene.mp4?"},
        {"https://h:80", "v", "auto", "https://h:80/v/job-1/n/scene.mp4?"},
        {"https://s3.eu-west-1.amazonaws.com", "videos", "auto",
         "https://videos.s3.eu-west-1.amazonaws.com/job-1/n/"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        own_free char *url = presign(cases[i].endpoint, cases[i].bucket, cases[i].addressing);
        assert_non_null(url);
        if (strncmp(url, cases[i].url, strlen(cases[i].url)) != 0)
            fail_msg("%s does not begin with %s", url, cases[i].url);
    }
}

static void test_presigned_examples(void **state)
{
    (void)state;
    own_free char *path = presign("http://localhost:9000", "videos", "auto");
    assert_non_null(
        strstr(path, "Signature=c23b18137ce71f3b94620ceb19c997cc29781828c49c4bc231f23822611b18af"));
    own_free char *host = presign(NULL, "videos", "auto");
    assert_non_null(
        strstr(host, "Signature=39ca4147d832303c80d1dc9a6bf0816fbaa01987f95d21eba47e25f2fc04e9d0"));
}

static void test_nothing_to_presign_with(void **state)
{
    (void)state;
    struct config directory = {.store_dir = "/srv/videos"};
    assert_null(store_presign(&directory, "k", 60, AT_UNIX_S));
    struct config no_keys = {.s3_bucket = "b", .s3_region = "r"};
    assert_null(store_presign(&no_keys, "k", 60, AT_UNIX_S));
}

static void test_part_sizes(void **state)
{
    (void)state;
    assert_int_equal(s3_part_bytes(65 * MIB), 16 * MIB);
    assert_int_equal(s3_part_bytes(9000 * 16 * MIB), 16 * MIB);
    assert_int_equal(s3_part_bytes(9000 * 16 * MIB + 1), 17 * MIB);
    int64_t five_tib = 5LL * 1024 * 1024 * MIB;
    assert_true((five_tib + s3_part_bytes(five_tib) - 1) / s3_part_bytes(five_tib) <= S3_PARTS_MAX);
}

static void test_learned_region(void **state)
{
    (void)state;
    struct config c = {.s3_bucket = "videos",
                       .s3_region = "us-east-1",
                       .s3_access_key_id = "ID",
                       .s3_secret_access_key = "SECRET"};
    struct s3 *s3 = NULL;
    assert_int_equal(s3_new(&c, NULL, &s3, NULL), 0);
    assert_false(s3_learn_region(s3, "us-east-1"));
    assert_false(s3_learn_region(s3, ""));
    assert_false(s3_learn_region(s3, "evil.example/"));
    assert_true(s3_learn_region(s3, "cn-north-1"));
    assert_string_equal(s3->host, "s3.cn-north-1.amazonaws.com.cn");
    assert_false(s3_learn_region(s3, "eu-west-1")); /* once */
    s3_free(s3);
}

/* One that says no code: the sentence may be the last word. */
static void test_learning_says_why(void **state)
{
    (void)state;
    struct config c = {
        .s3_bucket = "videos", .s3_access_key_id = "ID", .s3_secret_access_key = "SECRET"};
    struct s3 *s3 = NULL;
    assert_int_equal(s3_new(&c, NULL, &s3, NULL), 0);
    own_s3_call struct s3_call call = S3_CALL(.status = 400);
    (void)buf_add_str(&call.answer_headers, "x-amz-bucket-region: eu-west-1\r\n");
    assert_int_equal(s3_judge(s3, &call), S3_AGAIN_AT_ONCE);
    assert_contains(call.err.text, "the server answered 400");
    s3_free(s3);
}

static void test_xml(void **state)
{
    (void)state;
    char text[32];
    static const char xml[] = "<?xml?><E><CodeX>no</CodeX><Code a='b'>A&amp;&lt;&#34;</Code>"
                              "<Empty></Empty><Open>text";
    assert_true(s3_xml_text(xml, "Code", text, sizeof(text)));
    assert_string_equal(text, "A&<\"");
    assert_false(s3_xml_text(xml, "Code", text, 4));
    assert_false(s3_xml_text(xml, "Empty", text, sizeof(text)));
    assert_false(s3_xml_text(xml, "Open", text, sizeof(text)));
    assert_false(s3_xml_text(xml, "Gone", text, sizeof(text)));
    assert_false(s3_xml_text("", "Code", text, sizeof(text)));
    assert_false(s3_xml_text("<Code", "Code", text, sizeof(text)));
    assert_false(s3_xml_text("<Code>&am", "Code", text, sizeof(text)));
}

/* What a server says is shown to people and put into JSON. */
static void test_words_are_cleaned(void **state)
{
    (void)state;
    static const struct {
        const char *message, *shown;
    } cases[] = {
        {"tea\x07pot", ": tea pot"},
        {"\xc2\x9b"
         "31m",
         ":   31m"},
        {"caf\xc3\xa9", ": caf\xc3\xa9"},
        {"caf\xe9 \xc3", ": caf? ?"},
    };
    struct config c = {
        .s3_bucket = "videos", .s3_access_key_id = "ID", .s3_secret_access_key = "SECRET"};
    struct s3 *s3 = NULL;
    assert_int_equal(s3_new(&c, NULL, &s3, NULL), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        own_s3_call struct s3_call call = S3_CALL(.status = 418);
        (void)buf_printf(&call.answer, "<Error><Code>Tea</Code><Message>%s</Message></Error>",
                         cases[i].message);
        assert_int_equal(s3_judge(s3, &call), S3_GIVE_UP);
        assert_contains(call.err.text, cases[i].shown);
    }
    s3_free(s3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addressing),
        cmocka_unit_test(test_presigned_examples),
        cmocka_unit_test(test_nothing_to_presign_with),
        cmocka_unit_test(test_part_sizes),
        cmocka_unit_test(test_learned_region),
        cmocka_unit_test(test_xml),
        cmocka_unit_test(test_learning_says_why),
        cmocka_unit_test(test_words_are_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
