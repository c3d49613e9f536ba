/* Walks the whole table: every cell is filled, and says what the life of a slot
 * (supervisor.h) demands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervise/slot_table.h"

static void test_no_cell_is_empty(void **state)
{
    (void)state;
    for (int e = 0; e < SLOT_EVENT_COUNT; e++)
        for (int s = 0; s < SLOT_STATE_COUNT; s++) {
            struct slot_cell cell = slot_table[e][s];
            assert_in_range(cell.action, ACTION_IGNORE, SLOT_ACTION_COUNT - 1);
            assert_in_range(cell.next, 0, SLOT_STATE_COUNT - 1);
        }
}

/* What each action does to the state, and which states it may be in. */
static void test_actions_fit_their_states(void **state)
{
    (void)state;
    for (int e = 0; e < SLOT_EVENT_COUNT; e++)
        for (int s = 0; s < SLOT_STATE_COUNT; s++) {
            struct slot_cell cell = slot_table[e][s];
            int running = s == SLOT_FETCH || s == SLOT_RENDER || s == SLOT_STORE;
            switch ((enum slot_action)cell.action) {
            case ACTION_IGNORE:
            case ACTION_BUG:
                assert_int_equal(cell.next, s);
                break;
            case ACTION_OVERRUN:
            case ACTION_CANCEL:
            case ACTION_RELEASE:
                assert_true(running);
                assert_int_equal(cell.next, s);
                break;
            case ACTION_RUN:
                assert_int_equal(cell.next, s == SLOT_FREE ? SLOT_FETCH : s + 1);
                assert_in_range(cell.next, SLOT_FETCH, SLOT_STORE);
                break;
            case ACTION_REPORT:
                assert_true(running);
                assert_int_equal(cell.next, SLOT_REPORT);
                break;
            case ACTION_DROP:
                assert_true(running);
                assert_int_equal(cell.next, SLOT_EMPTYING);
                break;
            case ACTION_EMPTY:
                assert_true(s == SLOT_REPORT || s == SLOT_EMPTYING);
                assert_int_equal(cell.next, SLOT_EMPTYING);
                break;
            case ACTION_COMPLAIN:
                assert_int_equal(s, SLOT_EMPTYING);
                assert_int_equal(cell.next, SLOT_EMPTYING);
                break;
            case ACTION_FREE:
                assert_int_equal(s, SLOT_EMPTYING);
                assert_int_equal(cell.next, SLOT_FREE);
                break;
            case SLOT_ACTION_COUNT:
                fail();
            }
        }
}

/* A slot gets FREE by being emptied and no other way. */
static void test_only_an_emptied_slot_is_free(void **state)
{
    (void)state;
    for (int e = 0; e < SLOT_EVENT_COUNT; e++)
        for (int s = SLOT_FETCH; s < SLOT_STATE_COUNT; s++)
            assert_int_equal(slot_table[e][s].next == SLOT_FREE,
                             e == EVENT_EMPTIED && s == SLOT_EMPTYING);
}

/* What others ask for may come at any time: it is never a bug of ours. */
static void test_requests_are_no_bugs(void **state)
{
    (void)state;
    static const enum slot_event asked[] = {EVENT_CANCEL, EVENT_LEASE_LOST, EVENT_DRAIN};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        for (int s = 0; s < SLOT_STATE_COUNT; s++)
            assert_int_not_equal(slot_table[asked[i]][s].action, ACTION_BUG);
}

static void test_names(void **state)
{
    (void)state;
    for (int e = 0; e < SLOT_EVENT_COUNT; e++)
        assert_non_null(slot_event_name((enum slot_event)e));
    for (int s = 0; s < SLOT_STATE_COUNT; s++)
        assert_non_null(slot_state_name((enum slot_state)s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_cell_is_empty),
        cmocka_unit_test(test_actions_fit_their_states),
        cmocka_unit_test(test_only_an_emptied_slot_is_free),
        cmocka_unit_test(test_requests_are_no_bugs),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
