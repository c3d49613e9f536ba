/* The seccomp programs that were built in are those that the tables say. */
#include "../unit.h"

#include "base/err.h"
#include "sandbox/box.h"
#include "sandbox/compile.h"

static void test_the_programs_built_in_are_the_tables(void **state)
{
    (void)state;
    for (int profile = BOX_SCENE; profile <= BOX_ENCODER_GPU; profile++)
        for (int level = BOX_BASIC; level <= BOX_STRONG; level++) {
            struct err e = ERR_INIT;
            struct compiled c;
            struct box_filter f = box_filter_for((enum box_profile)profile, (enum box_level)level);
            assert_int_equal(filter_compile((enum box_profile)profile, level == BOX_BASIC, &c, &e),
                             0);
            assert_true(c.length > 100);
            assert_int_equal(f.length, c.length);
            assert_memory_equal(f.program, c.program, c.length * sizeof c.program[0]);
        }
}

static void test_level_none_has_no_program(void **state)
{
    (void)state;
    assert_int_equal(box_filter_for(BOX_SCENE, BOX_NONE).length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_programs_built_in_are_the_tables),
        cmocka_unit_test(test_level_none_has_no_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
