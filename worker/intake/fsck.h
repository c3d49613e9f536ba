/* The consistency check of a queue: every job's hash against the indexes (ready,
 * delayed, active, done, dead) and the webhook outbox, found by SCAN and ZSCAN in
 * bounded steps, judged one job at a time by mend.lua. It may run while workers
 * do: a script sees a job between two of its transitions, never within one.
 *
 *   producer_open(), fsck_run(), producer_close()
 *
 * With `repair` the same script mends what it found, in the same call. What is
 * lost in Redis and known nowhere else is settled as dead, never run again. */
#ifndef MANIMD_FSCK_H
#define MANIMD_FSCK_H

#include <stdbool.h>
#include <stdint.h>

struct config;
struct err;
struct producer;

enum fsck_done {
    FSCK_FOUND,  /* only looked */
    FSCK_MENDED, /* all of it */
    FSCK_LEFT,   /* some of it is for a person */
};

struct fsck_finding {
    const char *id;    /* "" when it is about a key of the queue itself */
    const char *key;   /* without the queue's prefix: "job:ID", "ready" … */
    const char *state; /* of the job, "" when it has none */
    /* By commas: no_job, not_indexed, wrong_index, lease (of a job that is not
     * active), wrong_score, no_score, half_gone, wrong_type, no_ttl, has_ttl,
     * no_hook, wrong_hook, bad_id. */
    const char *kinds;
    const char *text; /* sentences, by semicolons */
    enum fsck_done done;
};

struct fsck_spec {
    const struct config *config; /* the maxima that jobs were read with */
    bool repair;
    /* May be told of a job twice, when Redis grows its tables meanwhile. */
    void (*on_finding)(void *arg, const struct fsck_finding *finding);
    void *arg;
};

struct fsck_counts {
    int64_t jobs, entries, found, mended, left;
};

/* 0, or a negative errno with the sentence: then what was counted is not all. */
int fsck_run(struct producer *p, const struct fsck_spec *spec, struct fsck_counts *ret,
             struct err *e);

#endif
