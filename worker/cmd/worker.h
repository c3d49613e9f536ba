/* A worker: a queue, a supervisor and warm interpreters, wired together. `work`
 * gives it Redis, `render` a directory; the rest is the same. */
#ifndef MANIMD_WORKER_H
#define MANIMD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "../intake/queue.h"
#include "../supervise/supervisor.h"

struct config;
struct err;
struct loop;
struct worker;

struct worker_spec {
    struct config *config; /* worker_name is filled in; must outlive the worker */
    struct loop *loop;
    const char *queue_dir; /* NULL: Redis */
    int slots;
    int zygote_jobs;                 /* 0: every job starts cold */
    const char *const *render_extra; /* "NAME=value" for render stages; may be NULL */
    bool until_empty;                /* end when the queue holds nothing */
    /* What `render` listens to; each may be NULL. on_result comes before the
     * result is published, with the attempt's directory still there. */
    void (*on_progress)(void *arg, const char *json);
    void (*on_result)(void *arg, const struct attempt_end *end, const char *result_json);
    void *arg;
};

/* Refuses a machine below the minimum sandbox level, and missing parts. */
int worker_new(const struct worker_spec *spec, struct worker **ret, struct err *e);
/* Until it has drained. Returns 0, or -ETIMEDOUT when the queue did not answer
 * in time and jobs were left to their leases. */
int worker_run(struct worker *w);
/* Takes no more jobs; what runs may go on for `timeout_ms`. Again with less
 * time: less patience. */
void worker_drain(struct worker *w, int64_t timeout_ms);
/* The configuration has changed where that is LIVE (config_adopt()). While the
 * worker is put away (that waits for the courier) there is nothing left to tell. */
void worker_reload(struct worker *w);
void *worker_free(struct worker *w);

#endif
