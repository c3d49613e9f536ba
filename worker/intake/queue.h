/* Where jobs come from. A queue lends jobs: a claim holds one for a lease that
 * the queue renews by itself; finish it or release it, or lose it.
 *
 * Two implementations behind one struct of functions: Redis (queue_redis.c;
 * keys, scripts, states and crash table in queue.md §1) and a directory
 * (queue_dir.c: `manimd render`, and jobs dropped as files).
 *
 * Everything is asynchronous on one loop; the callbacks tell what happened:
 *
 *   queue_open() … queue_offer(free slots) → on_claim(claim)
 *                  queue_progress(claim)…  (renewed every third of the lease)
 *                  queue_finish(claim, outcome, result) → on_finished()
 *                  or queue_release(claim) (attempt refunded) → on_finished()
 *                  on_lost(claim, CLAIM_STALE): stop it now, publish nothing,
 *                  then queue_forget(claim)
 *                  on_lost(claim, CLAIM_CANCELLED or CLAIM_EXPIRED): stop it,
 *                  then queue_finish() with that outcome; the lease is kept
 *                  meanwhile (queue_forget() makes the queue say it instead)
 */
#ifndef MANIMD_QUEUE_H
#define MANIMD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/config.h"
#include "../manimd.h"

struct loop;
struct err;
struct queue;

/* One job lent to us. Owned by the queue from on_claim until on_finished or
 * queue_forget. */
struct claim {
    struct job job;
    char nonce[JOB_NONCE_CHARS + 1];
    int attempt; /* 1 for the first */
    int crashes;
    int64_t enqueued_unix_ms, claimed_unix_ms;
    void *user;  /* the caller's */
    void *queue; /* the queue's own */
};

enum claim_lost { CLAIM_STALE, CLAIM_CANCELLED, CLAIM_EXPIRED };

enum queue_verdict {
    QUEUE_STORED,   /* the state is written (or was already, by us) */
    QUEUE_STALE,    /* somebody else has the job: nothing was written */
    QUEUE_RETRYING, /* our fault: it will be tried again */
};

struct queue_events {
    void (*on_claim)(void *arg, struct claim *c);
    void (*on_lost)(void *arg, struct claim *c, enum claim_lost why);
    void (*on_finished)(void *arg, struct claim *c, enum queue_verdict v);
    /* Nothing queued, delayed, retrying or active anywhere (--until-empty). NULL: it is
     * not looked for. */
    void (*on_empty)(void *arg);
    void (*on_state)(void *arg, bool up, const char *why);
    /* Draining, and the last job is given up or its claim was answered: settled(). May be
     * NULL. */
    void (*on_settled)(void *arg);
    /* Something was refused or could not be checked; it goes on. May be NULL. */
    void (*on_warning)(void *arg, const char *text);
    void *arg;
};

struct queue_ops {
    const char *name;
    /* How many jobs the caller would take now. The queue claims no more. */
    void (*offer)(struct queue *q, int free_slots);
    void (*progress)(struct queue *q, struct claim *c, const char *json);
    void (*finish)(struct queue *q, struct claim *c, enum outcome o, const char *result_json);
    void (*release)(struct queue *q, struct claim *c);
    void (*forget)(struct queue *q, struct claim *c);
    /* The caller takes nothing more and ends what it holds: told to onlookers. */
    void (*draining)(struct queue *q);
    /* Nothing is lent, and nothing asked for that may be granted yet. */
    bool (*settled)(const struct queue *q);
    void (*close)(struct queue *q);
};
struct queue {
    const struct queue_ops *ops;
};

int queue_open_redis(struct loop *loop, const struct config *config,
                     const struct queue_events *events, struct queue **ret, struct err *e);
/* Files DIR/new/NAME.json are jobs, taken in order of name; results go to
 * DIR/done/ID.json. */
int queue_open_dir(struct loop *loop, const struct config *config, const char *dir,
                   const struct queue_events *events, struct queue **ret, struct err *e);

#endif
