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

#define IN(state) (1u << SLOT_##state)
#define RUNNING (IN(FETCH) | IN(RENDER) | IN(STORE))
#define ANY (IN(FREE) | RUNNING | IN(REPORT) | IN(EMPTYING))
#define STAYS SLOT_STATE_COUNT      /* the next state is the same */
#define NEXT (SLOT_STATE_COUNT + 1) /* … the following one */

/* In which states an action may be, and where it leads. */
static const struct {
    unsigned states;
    int next;
} rules[SLOT_ACTION_COUNT] = {
    [ACTION_IGNORE] = {ANY, STAYS},
    [ACTION_BUG] = {ANY, STAYS},
    [ACTION_RUN] = {IN(FREE) | IN(FETCH) | IN(RENDER), NEXT},
    [ACTION_OVERRUN] = {RUNNING, STAYS},
    [ACTION_CANCEL] = {RUNNING, STAYS},
    [ACTION_RELEASE] = {RUNNING, STAYS},
    [ACTION_REPORT] = {RUNNING, SLOT_REPORT},
    [ACTION_DROP] = {RUNNING, SLOT_EMPTYING},
    [ACTION_EMPTY] = {IN(REPORT) | IN(EMPTYING), SLOT_EMPTYING},
    [ACTION_COMPLAIN] = {IN(EMPTYING), STAYS},
    [ACTION_FREE] = {IN(EMPTYING), SLOT_FREE},
};

static void test_actions_fit_their_states(void **state)
{
    (void)state;
    for (int e = 0; e < SLOT_EVENT_COUNT; e++)
        for (int s = 0; s < SLOT_STATE_COUNT; s++) {
            struct slot_cell cell = slot_table[e][s];
            int next = rules[cell.action].next;
            assert_true(rules[cell.action].states & 1u << s);
            assert_int_equal(cell.next, next == STAYS ? s : next == NEXT ? s + 1 : next);
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

/* … and a stage that runs obeys it. */
static void test_a_running_stage_obeys(void **state)
{
    (void)state;
    static const struct {
        enum slot_event event;
        enum slot_action action;
    } obeyed[] = {{EVENT_CANCEL, ACTION_CANCEL},
                  {EVENT_LEASE_LOST, ACTION_DROP},
                  {EVENT_DRAIN, ACTION_RELEASE},
                  {EVENT_DEADLINE, ACTION_OVERRUN}};
    for (size_t i = 0; i < sizeof obeyed / sizeof *obeyed; i++)
        for (int s = SLOT_FETCH; s <= SLOT_STORE; s++)
            assert_int_equal(slot_table[obeyed[i].event][s].action, obeyed[i].action);
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
        cmocka_unit_test(test_a_running_stage_obeys),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
