/* nouns.c: every name leads back to its value; names are what the wire says. */
#include "../unit.h"

#include "manimd.h"

static void names_and_values_match(void **state)
{
    (void)state;
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        assert_int_equal(outcome_from_name(outcome_name((enum outcome)o)), o);
        assert_true(*outcome_help((enum outcome)o) != '\0');
    }
    for (int s = STATE_QUEUED; s <= STATE_DEAD; s++)
        assert_int_equal(job_state_from_name(job_state_name((enum job_state)s)), s);
    for (int k = 0; k < OUTPUT_COUNT; k++)
        assert_int_equal(output_kind_from_name(output_kind_name((enum output_kind)k)), k);
    assert_int_equal(outcome_from_name("no such"), -1);
    assert_int_equal(job_state_from_name(""), -1);
    assert_int_equal(output_kind_from_name("avi"), -1);
}

static void host_faults_are_retried_and_end_dead(void **state)
{
    (void)state;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        assert_int_equal(outcome_is_host_fault((enum outcome)o),
                         outcome_state((enum outcome)o) == STATE_DEAD);
    assert_int_equal(outcome_state(OUTCOME_completed), STATE_COMPLETED);
    assert_int_equal(outcome_state(OUTCOME_cancelled), STATE_CANCELLED);
    assert_int_equal(outcome_state(OUTCOME_scene_error), STATE_FAILED);
    assert_true(outcome_is_host_fault(OUTCOME_store_failed));
    assert_string_equal(output_kind_name(OUTPUT_MP4), "mp4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values_match),
        cmocka_unit_test(host_faults_are_retried_and_end_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
