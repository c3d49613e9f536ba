/* Worked examples, their signatures computed by a few lines of Python from the
 * rules in sigv4.h. (Against botocore: tests/stage/test_signer.py.) */

#include "../unit.h"

#include "base/buf.h"
#include "store/sigv4.h"

#define AT_UNIX_S 1795747293 /* 20261127T024133Z */
#define BODY_SHA256 "62102f81e3748b7608e207cfbf0aba29d4837724cb7cb7df439eb8f6e456c526"

static void expect_line(const struct buf *lines, const char *line)
{
    if (!strstr(buf_str(lines), line))
        fail_msg("\"%s\" is not in:\n%s", line, buf_str(lines));
}

static void test_headers(void **state)
{
    (void)state;
    const struct sigv4_pair headers[] = {
        {"x-amz-meta-job-id", "7"},    {"x-amz-meta-job", "  one \t two "},
        {"Content-Type", "video/mp4"}, {"X-Amz-Meta-Job-Id", "8"},
        {"Accept-Encoding", "gzip"},   {"Expect", "100-continue"},
    };
    const struct sigv4_request r = {
        .method = "PUT",
        .host = "s3.example:9000",
        .path = "/films/a b+c%/\xc3\xa9~.mp4",
        .headers = headers,
        .header_count = sizeof(headers) / sizeof(headers[0]),
        .payload_hash = BODY_SHA256,
        .unix_s = AT_UNIX_S,
        .region = "eu-west-3",
        .service = "s3",
        .keys = {"AKID", "s3cr3t/+", "tok/en="},
    };
    own_buf struct buf lines = BUF_INIT(4096);
    assert_int_equal(sigv4_sign(&r, &lines), 0);
    expect_line(&lines, "X-Amz-Date: 20261127T024133Z\n");
    expect_line(&lines, "X-Amz-Content-Sha256: " BODY_SHA256 "\n");
    expect_line(&lines, "X-Amz-Security-Token: tok/en=\n");
    expect_line(&lines, "Credential=AKID/20261127/eu-west-3/s3/aws4_request, ");
    expect_line(&lines, "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;"
                        "x-amz-meta-job;x-amz-meta-job-id;x-amz-security-token, ");
    expect_line(&lines,
                "Signature=5f1b3ff09cf3a674bcf6603a70c04edfa6bd42fc520e0846c7b9a6033add6989\n");
}

static void test_query_is_sorted(void **state)
{
    (void)state;
    const struct sigv4_pair query[] = {{"uploads", NULL}, {"a-b", ""}, {"a", "1"}, {"a", "+"}};
    const struct sigv4_request r = {
        .method = "POST",
        .host = "h",
        .path = "/b/k",
        .query = query,
        .query_count = 4,
        .payload_hash = SIGV4_EMPTY_SHA256,
        .unix_s = AT_UNIX_S,
        .region = "auto",
        .service = "s3",
        .keys = {"AKID", "k", ""},
    };
    own_buf struct buf url = BUF_INIT(4096), lines = BUF_INIT(4096);
    assert_int_equal(sigv4_add_query(&url, query, 4), 0);
    assert_string_equal(buf_str(&url), "a=%2B&a=1&a-b=&uploads=");
    assert_int_equal(sigv4_sign(&r, &lines), 0);
    expect_line(&lines,
                "Signature=006033a1b89d974b66e8ff1d5b4dfe2c410ac4da691ad6969e39782e4ea18fe7\n");
    assert_null(strstr(buf_str(&lines), "Security-Token"));
}

static void test_presign(void **state)
{
    (void)state;
    const struct sigv4_request r = {
        .method = "GET",
        .host = "localhost:9000",
        .path = "/videos/job-1/n/scene.mp4",
        .unix_s = AT_UNIX_S,
        .region = "us-east-1",
        .service = "s3",
        .keys = {"ID", "SECRET", NULL},
    };
    own_buf struct buf query = BUF_INIT(4096);
    assert_int_equal(sigv4_presign(&r, 3600, &query), 0);
    assert_string_equal(
        buf_str(&query),
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ID%2F20261127%2Fus-east-1%2Fs3%2F"
        "aws4_request&X-Amz-Date=20261127T024133Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=c23b18137ce71f3b94620ceb19c997cc29781828c49c4bc231f23822611b18af");
}

static void test_path_keeps_what_it_is(void **state)
{
    (void)state;
    own_buf struct buf path = BUF_INIT(256);
    assert_int_equal(sigv4_add_path(&path, "/a//b/./../c?d#e%41"), 0);
    assert_string_equal(buf_str(&path), "/a//b/./../c%3Fd%23e%2541");
}

static void test_no_room(void **state)
{
    (void)state;
    const struct sigv4_request r = {.method = "GET",
                                    .host = "h",
                                    .path = "/",
                                    .payload_hash = SIGV4_EMPTY_SHA256,
                                    .region = "r",
                                    .service = "s3",
                                    .keys = {"i", "s", NULL}};
    own_buf struct buf small = BUF_INIT(20);
    assert_true(sigv4_sign(&r, &small) < 0);
    assert_true(sigv4_presign(&r, 1, &small) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers), cmocka_unit_test(test_query_is_sorted),
        cmocka_unit_test(test_presign), cmocka_unit_test(test_path_keeps_what_it_is),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
