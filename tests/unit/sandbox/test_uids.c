/* Slots do not share uids, ranges are nobody's. */
#include "boxed.h"

static void test_slots_are_apart(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        assert_int_equal(box_uids_for_slot(5000, 1).scene, 0);
        return;
    }
    uid_t last = 0;
    for (int slot = 0; slot < 64; slot++) {
        struct box_uids u = box_uids_for_slot(5000, slot);
        assert_true(u.scene > last && u.encoder > u.scene && u.fetch > u.encoder);
        last = u.fetch;
    }
    assert_int_equal(box_uids_for_slot(5000, 0).scene, 5000);
}

static void test_base_is_random_and_high(void **state)
{
    (void)state;
    int same = 0;
    uid_t before = 0;
    for (int i = 0; i < 100; i++) {
        uid_t base = box_random_uid_base();
        assert_true(base >= 1u << 30 && base + 192 <= 1u << 31);
        same += base == before;
        before = base;
    }
    assert_true(same < 3);
}

static void test_base_zero_is_random(void **state)
{
    (void)state;
    struct box_uids u = box_uids_for_slot(0, 3);
    if (geteuid() == 0)
        assert_true(u.scene >= 1u << 30 && u.encoder == u.scene + 1);
    else
        assert_int_equal(u.scene, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_are_apart),
        cmocka_unit_test(test_base_is_random_and_high),
        cmocka_unit_test(test_base_zero_is_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
