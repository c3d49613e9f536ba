/* clock.c: formats and the bounds of randomness. */
#include "../unit.h"

#include "base/clock.h"

static void iso_format(void **state)
{
    (void)state;
    const struct {
        int64_t unix_ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},         {1795747293123, "2026-11-27T02:41:33.123Z"},
        {-1, "1969-12-31T23:59:59.999Z"},        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[25];
        clock_format_iso(cases[i].unix_ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void clocks_go_forward(void **state)
{
    (void)state;
    int64_t us = clock_now_us(), ms = clock_now_ms();
    assert_true(ms >= us / 1000 && clock_now_us() >= us);
    assert_true(clock_unix_ms() > 1700000000000);
}

static void waits_stay_in_bounds_and_vary(void **state)
{
    (void)state;
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 2000; i++) {
        int64_t wait = clock_jitter_ms(1000, 20);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
        assert_in_range(wait, 800, 1200);
        assert_in_range(clock_backoff_ms(50, 5000, 0), 0, 50);
        assert_in_range(clock_backoff_ms(50, 5000, 3), 0, 400);
        assert_in_range(clock_backoff_ms(50, 5000, 1000000), 0, 5000);
    }
    assert_true(least < 850 && most > 1150);
    assert_int_equal(clock_jitter_ms(7, 0), 7);
    assert_int_equal(clock_backoff_ms(0, 100, 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iso_format),
        cmocka_unit_test(clocks_go_forward),
        cmocka_unit_test(waits_stay_in_bounds_and_vary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
