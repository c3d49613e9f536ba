/* The result: what the world is told of a finished job (DESIGN §3), put together
 * from what the stages left in the attempt's directory. The only reader of
 * fetch.json, render.json and store.json. */
#ifndef MANIMD_RESULT_H
#define MANIMD_RESULT_H

#include <stdint.h>

#include "../manimd.h"

struct err;

struct result_facts {
    const struct job *job;
    const char *worker;
    const char *price_per_hour; /* NULL: no cost_usd */
    int slots;
    int attempt;
    enum outcome outcome;
    const char *why; /* our own fault's sentence, or "" */
    const char *dir;
    int64_t enqueued_unix_ms, claimed_unix_ms;
    int64_t fetch_ms, render_ms, store_ms; /* 0: not run */
};

/* JSON text, at most CEILING_RESULT_BYTES; the caller frees. Missing or broken
 * stage files become part of the result, never a failure. */
char *result_build(const struct result_facts *facts);
/* The outcome that a stage's file names, given how the stage exited: a job
 * fault may come only from exit 1, a host fault only from exit 3. */
enum outcome result_outcome(const char *dir, const char *stage_file, int stage_exit, struct err *e);

#endif
