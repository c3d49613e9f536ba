/* The table of slot_table.h, on one page: a row is an event, a cell says where
 * it leads from each state, and the one thing that is done. */
#include "slot_table.h"

#define CELL(state, act)           \
    {                              \
        SLOT_##state, ACTION_##act \
    }

/* clang-format off */
const struct slot_cell slot_table[SLOT_EVENT_COUNT][SLOT_STATE_COUNT] = {
    /* in            FREE                    FETCH                   RENDER
       in            STORE                   REPORT                  EMPTYING */
    [EVENT_START] = {     CELL(FETCH, RUN),       CELL(FETCH, BUG),       CELL(RENDER, BUG),
                          CELL(STORE, BUG),       CELL(REPORT, BUG),      CELL(EMPTYING, BUG)},
    [EVENT_DONE] = {      CELL(FREE, BUG),        CELL(RENDER, RUN),      CELL(STORE, RUN),
                          CELL(REPORT, REPORT),   CELL(EMPTYING, EMPTY),  CELL(EMPTYING, EMPTY)},
    [EVENT_JOB_FAULT] = { CELL(FREE, BUG),        CELL(REPORT, REPORT),   CELL(REPORT, REPORT),
                          CELL(REPORT, REPORT),   CELL(REPORT, BUG),      CELL(EMPTYING, EMPTY)},
    [EVENT_OUR_FAULT] = { CELL(FREE, BUG),        CELL(REPORT, REPORT),   CELL(REPORT, REPORT),
                          CELL(REPORT, REPORT),   CELL(REPORT, BUG),      CELL(EMPTYING, EMPTY)},
    [EVENT_DEADLINE] = {  CELL(FREE, BUG),        CELL(FETCH, OVERRUN),   CELL(RENDER, OVERRUN),
                          CELL(STORE, OVERRUN),   CELL(REPORT, BUG),      CELL(EMPTYING, COMPLAIN)},
    [EVENT_CANCEL] = {    CELL(FREE, IGNORE),     CELL(FETCH, CANCEL),    CELL(RENDER, CANCEL),
                          CELL(STORE, CANCEL),    CELL(REPORT, IGNORE),   CELL(EMPTYING, IGNORE)},
    [EVENT_LEASE_LOST] = {CELL(FREE, IGNORE),     CELL(EMPTYING, DROP),   CELL(EMPTYING, DROP),
                          CELL(EMPTYING, DROP),   CELL(EMPTYING, EMPTY),  CELL(EMPTYING, IGNORE)},
    [EVENT_EMPTIED] = {   CELL(FREE, BUG),        CELL(FETCH, BUG),       CELL(RENDER, BUG),
                          CELL(STORE, BUG),       CELL(REPORT, BUG),      CELL(FREE, FREE)},
    [EVENT_DRAIN] = {     CELL(FREE, IGNORE),     CELL(FETCH, RELEASE),   CELL(RENDER, RELEASE),
                          CELL(STORE, RELEASE),   CELL(REPORT, IGNORE),   CELL(EMPTYING, IGNORE)},
};
/* clang-format on */

/* REPORT: too late to cancel or to give back, the queue's fenced answer
 * decides. EMPTYING: the three ends of a stage are those of one dropped. */
_Static_assert(sizeof slot_table / sizeof slot_table[0][0] == 6 * 9,
               "a new state or event needs its row or column, every cell of it");

const char *slot_state_name(enum slot_state s)
{
    static const char *const names[SLOT_STATE_COUNT] = {
        [SLOT_FREE] = "free",   [SLOT_FETCH] = "fetch",   [SLOT_RENDER] = "render",
        [SLOT_STORE] = "store", [SLOT_REPORT] = "report", [SLOT_EMPTYING] = "emptying",
    };
    return names[s];
}

const char *slot_event_name(enum slot_event e)
{
    static const char *const names[SLOT_EVENT_COUNT] = {
        [EVENT_START] = "start",           [EVENT_DONE] = "done",
        [EVENT_JOB_FAULT] = "job fault",   [EVENT_OUR_FAULT] = "our fault",
        [EVENT_DEADLINE] = "deadline",     [EVENT_CANCEL] = "cancel",
        [EVENT_LEASE_LOST] = "lease lost", [EVENT_EMPTIED] = "emptied",
        [EVENT_DRAIN] = "drain",
    };
    return names[e];
}
