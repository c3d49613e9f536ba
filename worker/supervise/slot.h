/* A slot: a place where one attempt runs, stage after stage. supervise/'s own.
 *
 * slot_event() looks into the table, moves, acts; everything that happens to a
 * slot comes through it. */
#ifndef MANIMD_SLOT_H
#define MANIMD_SLOT_H

#include "../base/buf.h"
#include "../base/loop.h"
#include "slot_table.h"
#include "supervisor.h"
#include "workdir.h"

/* Why we stopped the stage ourselves; the first reason stands, but that a
 * cancel beats a release. */
enum slot_stop { STOP_NONE, STOP_OVERRUN, STOP_RELEASE, STOP_CANCEL };

struct slot {
    struct supervisor *owner;
    int index;
    enum slot_state state;
    bool complained; /* it could not be emptied in good time */
    /* Of the attempt; undefined while FREE. */
    char id[JOB_ID_MAX + 1];
    const struct job *job; /* NULL while EMPTYING, as `user` */
    char nonce[JOB_NONCE_CHARS + 1];
    void *user;
    struct attempt_dir dir;
    struct attempt_end end;
    enum slot_stop stop;
    /* Of the stage that runs; `stage` is that of the last one. */
    enum stage stage;
    struct child child;
    struct watch report;
    struct buf line;
    bool line_too_long; /* skipping to the next newline */
    struct timer deadline, kill, poll;
};

struct supervisor {
    struct supervisor_spec spec;
    struct workdir workdir;
    bool draining;
    struct timer drain;
    struct slot *slots;
};

void slot_init(struct slot *slot, struct supervisor *owner, int index);
void slot_event(struct slot *slot, enum slot_event event);
/* Reads what the stage reported and hands on each line. */
void slot_read_report(struct slot *slot);
/* Whatever it does: killed, emptied, removed, now; waits at most `within_ms`. */
void slot_abandon(struct slot *slot, int64_t within_ms);

#endif
