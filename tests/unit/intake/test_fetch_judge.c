/* Whose fault an answer is, and whether time may cure it. */
#include "../unit.h"

#include <errno.h>
#include <string.h>

#include "intake/fetcher.h"

static const struct {
    int rc;
    enum fault fault;
    long status;
    bool too_large, encoded, ours;
    const char *code;
    enum fetch_verdict verdict;
} rows[] = {
    {.status = 200, .verdict = FETCH_GOT},
    {.status = 200, .too_large = true, .verdict = FETCH_REJECTED},
    {.status = 200, .encoded = true, .verdict = FETCH_REJECTED},
    {.status = 404, .too_large = true, .verdict = FETCH_REJECTED},
    {.status = 301, .verdict = FETCH_REJECTED},
    {.status = 404, .verdict = FETCH_REJECTED},
    {.status = 100, .verdict = FETCH_REJECTED},
    {.status = 0, .verdict = FETCH_REJECTED},
    {.status = 408, .verdict = FETCH_AGAIN},
    {.status = 429, .verdict = FETCH_AGAIN},
    {.status = 500, .verdict = FETCH_AGAIN},
    {.status = 599, .verdict = FETCH_AGAIN},
    {.status = 600, .verdict = FETCH_REJECTED},
    /* URLs of our own making: what they lead to is the operator's. */
    {.status = 404, .ours = true, .verdict = FETCH_REJECTED},
    {.status = 403, .ours = true, .code = "AccessDenied", .verdict = FETCH_REJECTED},
    {.status = 403, .ours = true, .code = "SignatureDoesNotMatch", .verdict = FETCH_FAILED},
    {.status = 403, .ours = true, .verdict = FETCH_FAILED},
    {.status = 307, .ours = true, .verdict = FETCH_FAILED},
    {.status = 400, .ours = true, .verdict = FETCH_FAILED},
    {.status = 503, .ours = true, .verdict = FETCH_AGAIN},
    {.status = 200, .too_large = true, .ours = true, .verdict = FETCH_REJECTED},
    {.rc = -EKEYREJECTED, .fault = FAULT_PEER, .ours = true, .verdict = FETCH_FAILED},
    /* No answer. */
    {.rc = -EPERM, .fault = FAULT_JOB, .verdict = FETCH_REJECTED},
    {.rc = -EINVAL, .fault = FAULT_HOST, .verdict = FETCH_REJECTED},
    {.rc = -EKEYREJECTED, .fault = FAULT_PEER, .verdict = FETCH_REJECTED},
    {.rc = -EKEYREJECTED, .fault = FAULT_HOST, .verdict = FETCH_FAILED},
    {.rc = -EHOSTUNREACH, .fault = FAULT_PEER, .verdict = FETCH_AGAIN},
    {.rc = -ECONNREFUSED, .fault = FAULT_PEER, .verdict = FETCH_AGAIN},
    {.rc = -ECONNRESET, .fault = FAULT_PEER, .verdict = FETCH_AGAIN},
    {.rc = -ETIMEDOUT, .fault = FAULT_PEER, .verdict = FETCH_AGAIN},
    {.rc = -EPROTO, .fault = FAULT_PEER, .verdict = FETCH_AGAIN},
    {.rc = -EIO, .fault = FAULT_PEER, .verdict = FETCH_AGAIN},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct err why = {.fault = rows[i].fault, .text = "http's words"};
        const struct fetch_answer a = {.rc = rows[i].rc,
                                       .why = &why,
                                       .status = rows[i].status,
                                       .too_large = rows[i].too_large,
                                       .encoded = rows[i].encoded,
                                       .ours = rows[i].ours,
                                       .s3_code = rows[i].code ? rows[i].code : "",
                                       .most_bytes = 7};
        struct err e = ERR_INIT;
        enum fetch_verdict verdict = fetch_judge(&a, &e);
        if (verdict != rows[i].verdict || (verdict != FETCH_GOT) != (e.text[0] != 0))
            fail_msg("row %zu: %d, \"%s\"", i, (int)verdict, e.text);
    }
}

/* What libcurl says of a broken answer may quote it. */
static void test_quotes_nothing(void **state)
{
    (void)state;
    static const int quoting[] = {-EIO, -EPROTO, -ENOSYS};
    const struct err why = {.fault = FAULT_PEER, .text = "Unknown encoding: SECRET"};
    for (size_t i = 0; i < sizeof quoting / sizeof *quoting; i++) {
        struct err e = ERR_INIT;
        const struct fetch_answer a = {.rc = quoting[i], .why = &why, .s3_code = ""};
        assert_int_equal(fetch_judge(&a, &e), FETCH_AGAIN);
        assert_null(strstr(e.text, "SECRET"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_quotes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
