#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/own.h"
#include "events/clean.h"

struct sample {
    const char *text;
    size_t most;
    bool one_line, tail;
    const char *expected;
};

static const struct sample samples[] = {
    {"plain", 100, false, false, "plain"},
    {"", 100, false, false, ""},
    {"a\nb\tc", 100, false, false, "a\nb\tc"},
    {"a\nb\tc", 100, true, false, "a b c"},
    {"\x1b[31mred\x07\r", 100, false, false, "?[31mred??"},
    {"\x7f", 100, false, false, "?"},
    {"caf\xc3\xa9", 100, false, false, "caf\xc3\xa9"},
    {"\xc2\x9b"
     "31m",
     100, false, false, "?31m"},                     /* C1: CSI */
    {"\xff\xfe", 100, false, false, "??"},           /* never in UTF-8 */
    {"\xc0\xaf", 100, false, false, "??"},           /* overlong */
    {"\xe0\x80\xaf", 100, false, false, "???"},      /* overlong */
    {"\xed\xa0\x80", 100, false, false, "???"},      /* surrogate */
    {"\xf4\x90\x80\x80", 100, false, false, "????"}, /* above U+10FFFF */
    {"\xf0\x9f\x8e\xac", 100, false, false, "\xf0\x9f\x8e\xac"},
    {"\xe2\x82", 100, false, false, "??"}, /* cut off */
    {"abcdef", 3, false, false, "abc"},
    {"abcdef", 3, false, true, "def"},
    {"ab\xc3\xa9", 3, false, false, "ab"}, /* not half of it */
    {"\xc3\xa9"
     "bcd",
     4, false, true, "bcd"},
    {"abc", 0, false, false, ""},
};

static void test_samples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *s = &samples[i];
        own_free char *got = clean_text(s->text, s->most, s->one_line, s->tail);
        assert_string_equal(got, s->expected);
    }
}

/* Whatever three bytes come, what goes out is bounded and free of controls. */
static void test_every_three_bytes(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 1u << 24; n += 7) {
        char text[4] = {(char)n, (char)(n >> 8), (char)(n >> 16), 0};
        own_free char *got = clean_text(text, 3, true, false);
        assert_true(strlen(got) <= 3);
        for (const unsigned char *c = (const unsigned char *)got; *c; c++)
            assert_true(*c >= 0x20 && *c != 0x7f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_every_three_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
