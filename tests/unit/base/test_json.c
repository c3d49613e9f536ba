/* json.c: what strangers may write, and what they may not. */
#include "../unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/own.h"

#include <errno.h>

static int parse(const char *text, size_t bytes, struct err *e)
{
    /* Without the NUL behind it, so that a sanitizer sees a byte too far. */
    own_free char *exact = own_calloc(1, bytes);
    memcpy(exact, text, bytes);
    own_json cJSON *tree = NULL;
    int rc = json_parse(exact, bytes, FAULT_JOB, &tree, e);
    assert_int_equal(rc == 0, tree != NULL);
    return rc;
}

static void good_text_is_read(void **state)
{
    (void)state;
    const char *const good[] = {
        "{}",
        "[]",
        "0",
        "-0.5e+3",
        "\"\"",
        "true",
        " \t\r\n[1 , 2]\n",
        "{\"a\":{\"b\":[null,false]}}",
        "\"\\u00e9\\ud83d\\ude00\\n\\/\"",
        "\"é😀\"",
        "1E5",
        "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
        "{\"a\":1,\"A\":2}",
        "\"\x7f\"",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct err e = ERR_INIT;
        if (parse(good[i], strlen(good[i]), &e) != 0)
            fail_msg("%s: %s", good[i], e.text);
    }
}

static void bad_text_is_refused_with_its_place(void **state)
{
    (void)state;
    const struct {
        const char *text, *words;
    } bad[] = {
        {"", "line 1, column 1: the text ends too early"},
        {"  \n ", "line 2, column 2: the text ends too early"},
        {"{\n  \"é\": tru\n}", "line 2, column 8: a value is expected"},
        {"{\"a\" 1}", "column 6: a colon"},
        {"{\"a\":1,}", "column 8: a key in double quotes"},
        {"{a:1}", "column 2: a key in double quotes"},
        {"[1,]", "column 4: a value"},
        {"[1 2]", "column 4: a comma or \"]\""},
        {"[1}", "column 3: a comma or \"]\""},
        {"{\"a\":1", "ends too early"},
        {"01", "does not begin with 0"},
        {"-", "a digit is missing"},
        {"1.", "a digit is missing"},
        {"1e+", "a digit is missing"},
        {"+1", "a value is expected"},
        {"NaN", "a value is expected"},
        {"1e999", "too large"},
        {"[1e999]", "too large"},
        {"1111111111111111111111111111111111111111111111111111111111111111", "too long"},
        {"{} {}", "column 4: something follows"},
        {"\"\x01\"", "control character"},
        {"\"\n\"", "control character"},
        {"\"\\x\"", "no such escape"},
        {"\"\\u00g0\"", "four hexadecimal digits"},
        {"\"\\u12", "four hexadecimal digits"},
        {"\"\\u0000\"", "\\u0000 is not accepted"},
        {"\"\\ud83d\"", "surrogate"},
        {"\"\\ude00\"", "surrogate"},
        {"\"\\ud83d\\ud83d\"", "surrogate"},
        {"\"abc", "within a string"},
        {"\"abc\\", "no such escape"},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "column 17: it is nested too deep"},
        {"\xef\xbb\xbf{}", "column 1: a value"},
        {"\"\xc0\xaf\"", "column 2: this is not UTF-8"},
        {"\"\xed\xa0\x80\"", "not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "not UTF-8"},
        {"\"\xe2\x82", "not UTF-8"},
        {"\"\xff\"", "not UTF-8"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "key \"a\" is there twice"},
        {"{\"a\":1,\"\\u0061\":3}", "key \"a\" is there twice"},
        {"{\"a\\n\\u001b[31m\":1,\"a\\n\\u001b[31m\":3}", "key \"a??[31m\" is there twice"},
        {"{\"\xc3\xa9\":1,\"\xc3\xa9\":3}", "key \"??\" is there twice"},
        {"[{\"b\":{\"c\":1,\"c\":1}}]", "key \"c\" is there twice"},
        {"\v1", "a value is expected"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err e = ERR_INIT;
        assert_int_equal(parse(bad[i].text, strlen(bad[i].text), &e), -EINVAL);
        assert_int_equal(e.fault, FAULT_JOB);
        assert_contains(e.text, bad[i].words);
    }
}

static void nul_bytes_are_refused(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(parse("{}\0", 3, &e), -EINVAL);
    assert_int_equal(parse("\"a\0b\"", 5, &e), -EINVAL);
    assert_int_equal(parse("\0{}", 3, &e), -EINVAL);
    assert_int_equal(parse("[\0]", 3, &e), -EINVAL);
    assert_int_equal(parse("[1\0]", 4, &e), -EINVAL);
}

static void every_prefix_of_good_text_is_refused(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1.5e3,true,null,\"\\ud83d\\ude00é\"],\"b\":{\"c\":false}}";
    for (size_t n = 0; n < strlen(text); n++)
        assert_int_equal(parse(text, n, NULL), -EINVAL);
    assert_int_equal(parse(text, strlen(text), NULL), 0);
}

static void many_keys_cost_no_quadratic_time(void **state)
{
    (void)state;
    own_buf struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < 40000; i++)
        buf_printf(&b, "%s\"%x\":0", i ? "," : "{", i);
    buf_add_str(&b, "}");
    int64_t start_ms = clock_now_ms();
    assert_int_equal(parse(b.data, b.bytes, NULL), 0);
    assert_true(clock_now_ms() - start_ms < 2000); /* each with each took 30 s */
}

static void values_are_found_or_defaulted(void **state)
{
    (void)state;
    own_json cJSON *tree = NULL;
    const char *text = "{\"s\":\"x\",\"n\":2.5,\"S\":\"y\"}";
    assert_int_equal(json_parse(text, strlen(text), FAULT_JOB, &tree, NULL), 0);
    assert_string_equal(json_str(tree, "s"), "x");
    assert_string_equal(json_str(tree, "n"), "");
    assert_string_equal(json_str(tree, "no"), "");
    assert_string_equal(json_str(NULL, "s"), "");
    assert_true(json_num(tree, "n", 7) == 2.5);
    assert_true(json_num(tree, "s", 7) == 7);
    assert_true(json_num(tree, "no", 7) == 7);
}

static void integers_lose_nothing(void **state)
{
    (void)state;
    own_json cJSON *tree = cJSON_CreateObject();
    json_add_int(tree, "a", INT64_MAX);
    json_add_int(tree, "b", INT64_MIN);
    json_add_int(tree, "c", 1000000000000000);
    json_add_int(tree, "d", 999999999999999);
    json_add_int(tree, "e", -1);
    own_free char *text = json_print(tree);
    assert_string_equal(text, "{\"a\":9223372036854775807,\"b\":-9223372036854775808,"
                              "\"c\":1000000000000000,\"d\":999999999999999,\"e\":-1}");
}

static void quoting_makes_valid_json_of_any_bytes(void **state)
{
    (void)state;
    own_buf struct buf b = BUF_INIT(10000);
    const char text[] = "a\"\\\b\f\n\r\t\x01\x7f\xc2\x9b\xff\xed\xa0\x80é\0z";
    assert_int_equal(json_quote(&b, text, sizeof(text) - 1), 0);
    assert_string_equal(b.data, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f\\u009b"
                                "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdé\\u0000z\"");
    assert_true(json_valid_utf8(b.data, b.bytes));
    own_buf struct buf small = BUF_INIT(5);
    assert_int_equal(json_quote(&small, "abc", 3), 0);
    assert_int_equal(json_quote(&small, "", 0), -EMSGSIZE);
    assert_string_equal(small.data, "\"abc\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_text_is_read),
        cmocka_unit_test(bad_text_is_refused_with_its_place),
        cmocka_unit_test(nul_bytes_are_refused),
        cmocka_unit_test(every_prefix_of_good_text_is_refused),
        cmocka_unit_test(many_keys_cost_no_quadratic_time),
        cmocka_unit_test(values_are_found_or_defaulted),
        cmocka_unit_test(integers_lose_nothing),
        cmocka_unit_test(quoting_makes_valid_json_of_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
