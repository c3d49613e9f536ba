/* A slot's life as a full table: event × state → next state and one action.
 *
 * Every cell is filled. An event that can come but changes nothing is IGNORE;
 * one that cannot come is BUG: it is logged, and the slot stays as it is. The
 * actions are slot.c's; nothing else decides what a slot does next. */
#ifndef MANIMD_SLOT_TABLE_H
#define MANIMD_SLOT_TABLE_H

enum slot_state {
    SLOT_FREE,
    SLOT_FETCH,    /* stage fetch runs; left at once by a job without URLs */
    SLOT_RENDER,   /* stage render runs */
    SLOT_STORE,    /* stage store runs */
    SLOT_REPORT,   /* ended; its end is being published */
    SLOT_EMPTYING, /* reported, or never to be: what still lives is killed */
    SLOT_STATE_COUNT
};

enum slot_event {
    EVENT_START,      /* an attempt was put into the slot */
    EVENT_DONE,       /* the stage, the report or the dropped stage is over */
    EVENT_JOB_FAULT,  /* the stage is over: the job's fault, or we stopped it */
    EVENT_OUR_FAULT,  /* the stage is over, or never began: our fault */
    EVENT_DEADLINE,   /* the state has lasted too long */
    EVENT_CANCEL,     /* somebody wants the attempt stopped */
    EVENT_LEASE_LOST, /* it is no longer ours: stop, say nothing */
    EVENT_EMPTIED,    /* nothing lives in the slot, its directory is gone */
    EVENT_DRAIN,      /* the worker goes: give the attempt back */
    SLOT_EVENT_COUNT
};

enum slot_action {
    ACTION_IGNORE = 1, /* 0 would be an empty cell */
    ACTION_BUG,
    ACTION_RUN,      /* start the stage of the new state */
    ACTION_OVERRUN,  /* stop the stage; it ends as our fault */
    ACTION_CANCEL,   /* stop the stage; it ends as cancelled */
    ACTION_RELEASE,  /* stop the stage; the attempt is given back */
    ACTION_REPORT,   /* tell how it ended */
    ACTION_DROP,     /* stop the stage, then empty; nothing is told */
    ACTION_EMPTY,    /* kill until nothing lives, remove the directory */
    ACTION_COMPLAIN, /* the slot cannot be emptied: say so, go on trying */
    ACTION_FREE,     /* forget the attempt, offer the slot */
    SLOT_ACTION_COUNT
};

struct slot_cell {
    unsigned char next;   /* enum slot_state */
    unsigned char action; /* enum slot_action */
};

extern const struct slot_cell slot_table[SLOT_EVENT_COUNT][SLOT_STATE_COUNT];

const char *slot_state_name(enum slot_state s);
const char *slot_event_name(enum slot_event e);

#endif
