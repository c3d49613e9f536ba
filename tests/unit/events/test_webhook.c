/* What a webhook says, and what becomes of each answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../unit.h"

#include "base/json.h"
#include "base/own.h"
#include "events/courier.h"
#include "events/webhook.h"

static struct hook make_hook(const char *result, int tries)
{
    return (struct hook){.id = "j.1",
                         .message = "msg_1",
                         .url = "https://h/",
                         .state = "completed",
                         .result = result,
                         .finished_unix_ms = 1700000000123,
                         .tries = tries};
}

static void test_body(void **state)
{
    (void)state;
    struct hook h = make_hook("{\"id\":\"j.1\",\"bytes\":12345678901234567}", 1);
    own_free char *body = webhook_body(&h);
    assert_string_equal(body,
                        "{\"type\":\"job.completed\",\"timestamp\":\"2023-11-14T22:13:20.123Z\","
                        "\"data\":{\"id\":\"j.1\",\"bytes\":12345678901234567}}");
    static const char *const damaged[] = {"", "{", "{\"a\":1}}", "\"\xff\""};
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        h.result = damaged[i];
        own_free char *told = webhook_body(&h);
        assert_contains(told, "\"data\":{\"id\":\"j.1\",\"state\":\"completed\"}}");
    }
}

/* Characters of 1, 2 and 3 bytes, and such as JSON writes with two. */
static void test_long_body(void **state)
{
    (void)state;
    static const char *const units[] = {"x", "\\n", "\xc3\xa9", "\xe2\x82\xac", "\\u0001"};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        char text[70000];
        size_t n = (size_t)snprintf(text, sizeof(text), "{\"log_tail\":\"");
        while (n < 30000)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", units[i]);
        snprintf(text + n, sizeof(text) - n, "END\",\"attempt\":3}");
        struct hook h = make_hook(text, 1);
        own_free char *body = webhook_body(&h), *again = webhook_body(&h);
        assert_string_equal(body, again);
        assert_true(strlen(body) <= WEBHOOK_BODY_BYTES);
        own_json cJSON *json = NULL;
        assert_int_equal(json_parse(body, strlen(body), 0, &json, NULL), 0);
        const cJSON *data = cJSON_GetObjectItem(json, "data");
        assert_int_equal((int)json_num(data, "attempt", 0), 3);
        assert_contains(json_str(data, "log_tail"), "END");
    }
}

static void test_pauses(void **state)
{
    (void)state;
    static const int64_t seconds[] = {5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};
    int64_t sum = 0;
    for (int i = 0; i < 9; i++) {
        assert_int_equal(webhook_pause_ms(5000, i + 1), seconds[i] * 1000);
        sum += seconds[i];
    }
    assert_int_equal(sum / 3600, 75);
    assert_int_equal(webhook_pause_ms(1, 99), 17280);
    assert_int_equal(webhook_pause_ms(1, 0), 1);
}

static void test_retry_after(void **state)
{
    (void)state;
    const int64_t now = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *value;
        int64_t ms;
    } cases[] = {
        {"0", 0},
        {"120", 120000},
        {"86401", 86400000},
        {"99999999999999999999", 86400000},
        {"-5", 0},
        {"soon", 0},
        {"", 0},
        {"Sun, 06 Nov 1994 08:50:37 GMT", 60000},
        {"Sun, 06 Nov 1994 08:48:37 GMT", 0},
        {"Sun, 06 Nov 2094 08:48:37 GMT", 86400000},
        {"Fri, 27 Nov 999999999 02:41:33 GMT", 24 * 3600 * 1000}, /* no time in milliseconds */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(webhook_retry_after_ms(cases[i].value, now), cases[i].ms);
}

static void test_judgement(void **state)
{
    (void)state;
    const struct webhook_terms terms = {.tries = 10, .retry_base_ms = 5000};
    static const struct {
        int rc;
        long status;
        int tries;
        int64_t retry_after_ms;
        enum hook_end end;
        int64_t least_ms;
        const char *why;
    } cases[] = {
        {0, 200, 1, 0, HOOK_DELIVERED, 0, ""},
        {0, 204, 10, 0, HOOK_DELIVERED, 0, ""},
        {0, 299, 1, 0, HOOK_DELIVERED, 0, ""},
        {0, 300, 1, 0, HOOK_RETRYING, 5000, "redirects are not followed"},
        {0, 308, 10, 0, HOOK_GIVEN_UP, 0, "308"},
        {0, 199, 1, 0, HOOK_RETRYING, 5000, "answered 199"},
        {0, 400, 1, 0, HOOK_RETRYING, 5000, "answered 400"},
        {0, 410, 1, 0, HOOK_GIVEN_UP, 0, "no more"},
        {0, 429, 1, 60000, HOOK_RETRYING, 60000, "429"},
        {0, 503, 2, 60000, HOOK_RETRYING, 300000, "503"},
        {0, 500, 9, 0, HOOK_RETRYING, 86400000, "500"},
        {0, 500, 10, 0, HOOK_GIVEN_UP, 0, "500"},
        {-ECONNREFUSED, 0, 1, 0, HOOK_RETRYING, 5000, "SENTENCE"},
        {-EKEYREJECTED, 0, 1, 0, HOOK_RETRYING, 5000, "SENTENCE"},
        {-EHOSTUNREACH, 0, 1, 0, HOOK_RETRYING, 5000, "SENTENCE"},
        {-ETIMEDOUT, 0, 10, 0, HOOK_GIVEN_UP, 0, "SENTENCE"},
        {-EPERM, 0, 1, 0, HOOK_GIVEN_UP, 0, "SENTENCE"},
        {-EINVAL, 0, 1, 0, HOOK_GIVEN_UP, 0, "SENTENCE"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hook h = make_hook("{}", cases[i].tries);
        struct webhook_answer a = {.rc = cases[i].rc,
                                   .why = "SENTENCE",
                                   .status = cases[i].status,
                                   .retry_after_ms = cases[i].retry_after_ms};
        struct hook_verdict v;
        webhook_judge(&terms, &h, &a, &v);
        if (v.end != cases[i].end)
            fail_msg("case %zu: %d", i, v.end);
        assert_int_equal(v.status, cases[i].status);
        assert_contains(v.why, cases[i].why);
        assert_true(v.delay_ms >= cases[i].least_ms);
        assert_true(v.delay_ms <= cases[i].least_ms + cases[i].least_ms / 10);
    }
}

static void test_origin(void **state)
{
    (void)state;
    char origin[40];
    courier_origin("https://h:8443/p?token=1", origin, sizeof(origin));
    assert_string_equal(origin, "https://h:8443");
    courier_origin("https://h?token=1", origin, sizeof(origin));
    assert_string_equal(origin, "https://h");
    courier_origin("https://a-very-long-name-indeed.example.com/x", origin, 12);
    assert_string_equal(origin, "https://a-v");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body),      cmocka_unit_test(test_long_body),
        cmocka_unit_test(test_pauses),    cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_judgement), cmocka_unit_test(test_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
