/* The producer's and the operator's side of the Redis queue, for the short-lived
 * commands (submit, watch, cancel, retry, status, list). Nothing here renders;
 * any Redis client can do the same (docs/queue.md).
 *
 * Life: producer_open(), any calls, producer_close(). Every call runs the loop
 * until its answer is there or 10 s have passed.
 *
 * Codes: 0 good; negative errno with a sentence; PRODUCER_E_UNKNOWN no such job;
 * PRODUCER_E_STATE the job is in a state in which that cannot be done (the
 * sentence says which); PRODUCER_E_TIMEOUT `timeout_ms` passed. */
#ifndef MANIMD_PRODUCER_H
#define MANIMD_PRODUCER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/config.h"
#include "../manimd.h"

struct loop;
struct err;
struct producer;

enum { PRODUCER_E_UNKNOWN = 1, PRODUCER_E_STATE, PRODUCER_E_TIMEOUT };

/* Connects; waits until Redis answered (10 s), so a wrong URL or password is
 * an error here and not a silence later. */
int producer_open(struct loop *loop, const struct config *config, struct producer **ret,
                  struct err *e);
/* NULL is fine; returns NULL. */
void *producer_close(struct producer *p);

/* Whether this Redis may hold jobs, as a worker asks it when it starts: -EINVAL
 * with the sentence. What could not be asked is in `ret_unsure` ("" when all
 * could). */
#define PRODUCER_UNSURE_CHARS 512
int producer_vet(struct producer *p, char ret_unsure[PRODUCER_UNSURE_CHARS], struct err *e);

/* LPUSH of a job's text to the inbox. Text without an `id` cannot be followed:
 * submit puts one in first (job_new_id). */
int producer_push(struct producer *p, const char *json, size_t bytes, struct err *e);

/* Before a push under an id that somebody chose: PRODUCER_E_STATE when the queue
 * knows a job of that id with another body, which would be refused (docs/queue.md).
 * 0 as well when that cannot be read (a user who may only push): the worker judges. */
int producer_check_new(struct producer *p, const char *id, const char *json, struct err *e);

/* Asks for an end: a waiting job is cancelled at once (*ret_state =
 * STATE_CANCELLED), a running one within a second or so (STATE_ACTIVE), and one
 * that is still in the inbox or not pushed yet when it comes: PRODUCER_E_UNKNOWN,
 * the wish is stored all the same. PRODUCER_E_STATE: it has ended already. */
int producer_cancel(struct producer *p, const char *id, enum job_state *ret_state, struct err *e);

/* dead or failed -> queued, with its counters and its expiry cleared. */
int producer_requeue(struct producer *p, const char *id, struct err *e);

/* The webhook of a job that has ended is due again, from the first try on.
 * PRODUCER_E_STATE: it has not ended, or named none. */
int producer_hook_again(struct producer *p, const char *id, struct err *e);

/* The job's hash as an object: {"id", "state", "attempt", "crashes",
 * "priority", "worker", "enqueued_at_ms", "started_at_ms", "beat_at_ms",
 * "due_at_ms", "finished_at_ms", "outcome", "progress": {…}|null, "result": {…}|null,
 * "error": text|null, "webhook": "waiting"|"delivered"|"retrying"|"given up"|null,
 * "webhook_status", "webhook_tries", "webhook_error"}; what is unknown is null. The
 * payload is left out. */
int producer_status(struct producer *p, const char *id, cJSON **ret, struct err *e);

/* Newest first, at most `limit`, as an array of producer_status() objects.
 * completed, failed and cancelled jobs share one index. */
int producer_list(struct producer *p, enum job_state state, int limit, cJSON **ret, struct err *e);
/* The newest refusals: [{"at_ms", "reason", "id"|null, "bytes", "sha1", "head"}] */
int producer_rejected(struct producer *p, int limit, cJSON **ret, struct err *e);

/* {"inbox", "queued", "delayed", "active", "done", "dead", "rejected"}; delayed
 * counts retrying jobs too. */
int producer_counts(struct producer *p, cJSON **ret, struct err *e);
/* How often each thing happened to this queue, by the names of metric.def. */
int producer_metrics(struct producer *p, cJSON **ret, struct err *e);

/* [{"name", "version", "manim", "state": "working"|"draining", "since_ms_ago",
 * "slots", "busy", "seen_ms_ago", "jobs": [{"id", "attempt", "started_at_ms",
 * "beat_ms_ago", "progress"}]}], living workers only; by the server's clock. */
int producer_workers(struct producer *p, cJSON **ret, struct err *e);

struct producer_watcher {
    /* Called when the job's state or progress changed, and for the first status
     * seen. The status (as producer_status() has it) is lent for the call; false
     * stops the watching: -ECANCELED. */
    bool (*on_change)(void *arg, const cJSON *status);
    void *arg;
};

/* Polls the job 5 times a second, until it is terminal: 0, with its last status
 * in *ret. A job that is not there yet is waited for (it may still be in the
 * inbox); Redis going away is waited out. `timeout_ms` 0: for ever. `watcher`
 * may be NULL. */
int producer_follow(struct producer *p, const char *id, int64_t timeout_ms,
                    const struct producer_watcher *watcher, cJSON **ret, struct err *e);

#endif
