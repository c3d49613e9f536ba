/* buf.c: it grows, is always terminated, and stops at its ceiling. */
#include "../unit.h"

#include "base/buf.h"

#include <errno.h>

static void grows_and_stays_terminated(void **state)
{
    (void)state;
    own_buf struct buf b = BUF_INIT(40000);
    assert_string_equal(buf_str(&b), "");
    for (int i = 0; i < 20000; i++)
        assert_int_equal(buf_printf(&b, "%d,", i % 10), 0);
    assert_int_equal(b.bytes, 40000);
    assert_int_equal(strlen(b.data), b.bytes);
    buf_consume(&b, 39996);
    assert_string_equal(b.data, "8,9,");
    assert_true(b.capacity <= b.ceiling + 1);
    buf_clear(&b);
    assert_string_equal(buf_str(&b), "");
}

static void ceiling_is_exact_and_leaves_it_as_it_was(void **state)
{
    (void)state;
    own_buf struct buf b = BUF_INIT(5);
    assert_int_equal(buf_add(&b, "abcdef", 6), -EMSGSIZE);
    assert_null(b.data);
    assert_int_equal(buf_add_str(&b, "abc"), 0);
    assert_int_equal(buf_printf(&b, "%s", "def"), -EMSGSIZE);
    assert_string_equal(b.data, "abc");
    assert_int_equal(buf_add_str(&b, "de"), 0);
    assert_string_equal(b.data, "abcde");
    assert_int_equal(buf_add(&b, "x", 1), -EMSGSIZE);
    assert_int_equal(buf_add(&b, "", 0), 0);
    assert_null(buf_room(&b, SIZE_MAX));
}

static void room_is_for_reading_into(void **state)
{
    (void)state;
    own_buf struct buf b = BUF_INIT(1000);
    memcpy(buf_room(&b, 700), "hello", 5);
    buf_wrote(&b, 5);
    assert_string_equal(b.data, "hello");
    buf_consume(&b, 0);
    buf_consume(&b, 5);
    assert_string_equal(b.data, "");
    buf_done(&b);
    buf_done(&b);
    assert_null(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(ceiling_is_exact_and_leaves_it_as_it_was),
        cmocka_unit_test(room_is_for_reading_into),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
