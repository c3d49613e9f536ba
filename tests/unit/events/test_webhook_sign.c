/* Signatures against values made by Python's hmac (tests/e2e/test_webhook.py
 * verifies real ones), and secrets that are none. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../unit.h"

#include "base/err.h"
#include "base/own.h"
#include "events/webhook_sign.h"

/* base64 of bytes 0 … 31 and of 100 … 123. */
#define SECRET_A "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define SECRET_B "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7"
#define BODY "{\"type\":\"job.completed\"}"
#define SIGNED_A "v1,1qRikfpcxL4gqXsWAIBCSJX996RVwBDssbPwEg8npvg="
#define SIGNED_B "v1,EZJl5ZAIz65yVa/0VQJJKVDern09KJVz1Hmz32WnARQ="

static char *sign(const char *secrets)
{
    struct webhook_secrets s;
    assert_int_equal(webhook_secrets_parse(secrets, &s, NULL), 0);
    char *signature = webhook_sign(&s, "msg_1", 1700000000, BODY, strlen(BODY));
    webhook_secrets_wipe(&s);
    assert_int_equal(s.count, 0);
    return signature;
}

static void test_signs(void **state)
{
    (void)state;
    static const struct {
        const char *secrets, *signature;
    } cases[] = {
        {SECRET_A, SIGNED_A},
        {SECRET_B, SIGNED_B},
        {SECRET_A "," SECRET_B, SIGNED_A " " SIGNED_B},
        {" " SECRET_B "  " SECRET_A "\n", SIGNED_B " " SIGNED_A},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        own_free char *signature = sign(cases[i].secrets);
        assert_string_equal(signature, cases[i].signature);
    }
    assert_null(sign(NULL));
    assert_null(sign(" , "));
}

static void test_wrong_secrets(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", /* no prefix */
        "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "whsec_",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw",      /* not whole */
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", /* bits too many */
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=",             /* 23 bytes */
        "whsec_AAECAwQF-gcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", /* another alphabet */
        "whsec_AAEC=wQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "whsec_"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "A=", /* 65 */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct webhook_secrets s;
        struct err e = ERR_INIT;
        char both[400];
        snprintf(both, sizeof(both), "%s,%s", SECRET_A, wrong[i]);
        if (webhook_secrets_parse(both, &s, &e) != -EINVAL)
            fail_msg("\"%s\" is taken", wrong[i]);
        assert_int_equal(s.count, 0);
        assert_contains(e.text, "webhook_secret: number 2");
        assert_null(strstr(e.text, "ECAw"));
    }
}

static void test_too_many(void **state)
{
    (void)state;
    char many[(WEBHOOK_SECRETS_MAX + 1) * 48];
    size_t n = 0;
    struct webhook_secrets s;
    for (int i = 0; i < WEBHOOK_SECRETS_MAX; i++)
        n += (size_t)snprintf(many + n, sizeof(many) - n, "%s ", SECRET_B);
    assert_int_equal(webhook_secrets_parse(many, &s, NULL), 0);
    assert_int_equal(s.count, WEBHOOK_SECRETS_MAX);
    (void)snprintf(many + n, sizeof(many) - n, "%s", SECRET_B);
    assert_int_equal(webhook_secrets_parse(many, &s, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_wrong_secrets),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
