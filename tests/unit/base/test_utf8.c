/* utf8.c: what is a character and what is none, at each bound of the table. */
#include "../unit.h"

#include "base/utf8.h"

static const struct {
    const char *text;
    size_t length;
    uint32_t point;
} cases[] = {
    {"A", 1, 'A'},
    {"\x7f", 1, 0x7f},
    {"\xc2\x80", 2, 0x80},
    {"\xdf\xbf", 2, 0x7ff},
    {"\xe0\xa0\x80", 3, 0x800},
    {"\xed\x9f\xbf", 3, 0xd7ff},
    {"\xee\x80\x80", 3, 0xe000},
    {"\xef\xbf\xbf", 3, 0xffff},
    {"\xf0\x90\x80\x80", 4, 0x10000},
    {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
    {"\x80", 0, 0},     /* begins nothing */
    {"\xc1\xbf", 0, 0}, /* overlong, as the next two */
    {"\xe0\x9f\xbf", 0, 0},
    {"\xf0\x8f\xbf\xbf", 0, 0},
    {"\xed\xa0\x80", 0, 0},     /* a surrogate */
    {"\xf4\x90\x80\x80", 0, 0}, /* beyond U+10FFFF, as the next */
    {"\xf5\x80\x80\x80", 0, 0},
    {"\xc2", 0, 0}, /* cut short by the text's end, as the next two */
    {"\xe1\x80", 0, 0},
    {"\xf1\x80\x80", 0, 0},
    {"\xe1\x80"
     "A",
     0, 0},
};

static void characters_are_told_from_what_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t length = utf8_length(cases[i].text, 4);
        assert_int_equal(length, cases[i].length);
        if (length)
            assert_int_equal(utf8_point(cases[i].text, length), cases[i].point);
    }
}

static void what_is_not_there_is_not_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t left = 1; left < cases[i].length; left++)
            assert_int_equal(utf8_length(cases[i].text, left), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_told_from_what_is_none),
        cmocka_unit_test(what_is_not_there_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
