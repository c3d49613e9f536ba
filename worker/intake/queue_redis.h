/* Inside intake/: the Redis queue, over several files.
 *
 *   queue_redis.c  opening, closing, the three connections and their state
 *   queue_ask.c    every reply and every timer comes through here
 *   queue_peek.c   look at the inbox, ahead of need
 *   queue_inbox.c  parse, admit; with a slot free, take at once
 *   queue_claim.c  pick a job that is queued, claim it, hand it on
 *   queue_beat.c   renew leases, pass on progress, hear of cancels
 *   queue_finish.c finish and release, until they are stored
 *   queue_tick.c   every 5 s: what is due, whose worker vanished, is it empty
 *   queue_sweep.c  cancels of jobs that only wait
 *   queue_hello.c  this worker, as others see it
 *
 * Three connections, so that nothing waits behind something slow: `blocker`
 * peeks at the inbox (a command that blocks), `beats` renews leases, `commands`
 * does the rest. */
#ifndef MANIMD_QUEUE_REDIS_H
#define MANIMD_QUEUE_REDIS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/loop.h"
#include "../base/redis.h"
#include "queue.h"
#include "script.h"

struct queue_redis;
struct lent;

typedef void queue_fn(struct queue_redis *q, struct lent *l, const struct reply *reply);
typedef void queue_timer_fn(struct queue_redis *q, struct lent *l);

struct queue_timer {
    struct timer timer;
    struct queue_redis *q;
    struct lent *lent; /* NULL: the queue's own */
    queue_timer_fn *on_time;
};

enum lent_state {
    LENT_CLAIMING,  /* asked for; whether granted is not known yet */
    LENT_HELD,      /* the caller has it */
    LENT_FINISHING, /* its end is being stored */
    LENT_RELEASING, /* it is being given back */
};

/* A job that lost its worker so often may be what kills it. It is taken only by
 * a worker that holds nothing else, which takes nothing more until it has ended:
 * else it would take its neighbours along, again and again, and their crashes
 * would be counted as theirs. */
#define SUSPECT_CRASHES 2

/* A job that we hold or are about to. */
struct lent {
    struct claim claim; /* but for nonce, and job where we admit it ourselves, undefined
                         * while LENT_CLAIMING */
    char id[JOB_ID_MAX + 1];
    enum lent_state state;
    bool alone;    /* asked for while nothing else was held */
    bool known;    /* the caller has been told of it by on_claim */
    bool told_end; /* and that it is to end (cancelled, expired) */
    enum claim_lost told_why;
    int fails;  /* tries that failed by our fault, before this one */
    bool asked; /* whether it was granted, or stored: the answer is still to come */
    int asks;   /* replies still to come for it, of any kind */
    bool gone;  /* freed when asks is 0 */
    /* Renewal. */
    struct queue_timer beat;
    bool beating;
    int64_t beat_due_ms; /* when the lease wants it, progress or not */
    int64_t beat_ok_ms;  /* the last renewal that was answered */
    int64_t progress_ms; /* when progress was last sent */
    char *progress;      /* newest that was not sent; NULL: none */
    char *shown;         /* newest that was sent, for this worker's hash */
    /* The end. */
    struct queue_timer retry;
    enum outcome outcome;
    char *result;
    int tries;
    struct lent *next;
};

/* The inbox's tail as far as it is known here, the tail first: queue_peek.c. */
#define INBOX_TEXTS 128
#define INBOX_PEEK_MAX_BYTES (1024 * 1024) /* a reply is no larger: redis.h; known to lib.lua */
struct inbox_text {
    char *text;
    size_t bytes;
};
struct inbox {
    struct inbox_text texts[INBOX_TEXTS];
    int count;
    int answered; /* the first: admitted, or not, since the read under way was asked for */
    int asked;    /* the next: being admitted */
    size_t bytes;
    bool peeking;
    bool more;   /* there may be texts that were not read */
    int batch;   /* how many new ones to read next */
    int wanted;  /* how many the last read asked for */
    int singles; /* to be looked at one by one: one of the next is too large */
};

#define SWEEP_IDS_MAX 16
struct queue_sweep {
    char ids[SWEEP_IDS_MAX][JOB_ID_MAX + 1];
    int count;
    bool asked;
};

#define NONCES_DRAWN 32 /* at once */

struct queue_redis {
    struct queue base; /* first: a struct queue is one of these */
    struct loop *loop;
    const struct config *config;
    struct queue_events events;
    struct keys keys;
    struct scripts scripts;
    struct redis *blocker, *commands, *beats;
    struct script_line calls, renewals; /* scripts, on `commands` and on `beats` */
    char worker[128];
    int64_t started_ms;
    int64_t up_since_ms;   /* of `commands`, short breaks apart; 0 before the first time */
    int64_t down_since_ms; /* 0 while up */
    int64_t clock_off_ms;  /* the server's clock minus ours */
    bool was_up;
    char state_why[512];
    char warned[256]; /* the last warning, said once a while */
    int64_t warned_ms;
    enum { POLICY_UNKNOWN, POLICY_GOOD, POLICY_REFUSED } policy;
    int vet_at; /* the question (vet.h) whose answer comes next */
    struct queue_timer policy_retry;

    int free_slots;
    struct lent *lents;

    struct inbox inbox;
    int admitting;   /* answers still to come */
    bool weighing;   /* the tail, which is too large */
    int admit_tries; /* errors in a row */
    int taken;       /* from the inbox, since `patience` ended last */
    bool leaves_it;  /* until the tick: others queue what nobody has a slot for */
    int spread;      /* jobs queued that we had no slot for: others may look */
    struct queue_timer peek_retry, patience;

    unsigned char random[NONCES_DRAWN][JOB_NONCE_CHARS / 2];
    size_t random_left; /* of them, from the first; those were not used yet */
    bool looking;
    size_t looked_for; /* how many the last look asked for */
    int claiming;
    bool look_again;
    bool ready_empty;  /* as far as we know nothing is queued that is not being claimed */
    bool stands_aside; /* takes nothing more until it can take a suspect */

    struct queue_timer tick, due, cancels, hello;
    struct queue_sweep sweep_ready, sweep_delayed;
    bool polling_cancels;
    int64_t hello_ms;
    bool told_empty;

    bool draining; /* said to onlookers */
    int busy;      /* callbacks under way */
    bool closed;
};

static inline struct queue_redis *queue_redis_of(struct queue *q)
{
    return (struct queue_redis *)q;
}

/* ---- queue_ask.c ---- */
void queue_ask_script(struct queue_redis *q, struct script_line *line,
                      const struct script_call *call, queue_fn *fn, struct lent *l);
void queue_ask(struct queue_redis *q, struct redis *r, const struct redis_request *request,
               queue_fn *fn, struct lent *l);
void queue_timer(struct queue_redis *q, struct queue_timer *t, int64_t in_ms, queue_timer_fn *fn,
                 struct lent *l);
void queue_timer_stop(struct queue_redis *q, struct queue_timer *t);
struct lent *queue_lent_new(struct queue_redis *q, const char *id);
/* Takes it off the list; frees it when no reply can come for it any more. */
void queue_lent_drop(struct queue_redis *q, struct lent *l);
void queue_enter(struct queue_redis *q);
void queue_leave(struct queue_redis *q);
/* Says once a while what Redis refused. `what`: the command or script. */
void queue_warn(struct queue_redis *q, const char *what, const char *error);
bool queue_usable(const struct queue_redis *q);
int64_t queue_server_ms(const struct queue_redis *q);

/* ---- queue_peek.c ---- */
void queue_peek(struct queue_redis *q);
void queue_oversize(struct queue_redis *q, int64_t announced_bytes);
int inbox_waiting(const struct inbox *in); /* to be admitted */
/* The first that waits, which there must be; it is being admitted from now on. */
const struct inbox_text *inbox_next(struct inbox *in);
void inbox_answered(struct inbox *in); /* the first that is being admitted */
void inbox_stale(struct inbox *in);    /* what waits is no longer there: read it again */
void inbox_done(struct inbox *in);

/* ---- queue_inbox.c ---- */
/* There may be a text to admit, or a slot for one. */
void queue_feed(struct queue_redis *q);
/* Whether the next text would be of use, so that it may be waited for. */
bool queue_may_wait(const struct queue_redis *q);
void queue_inbox_back_off(struct queue_redis *q, const char *what, const char *error);

/* ---- queue_claim.c ---- */
/* Something may be queued: looks, if we could take it; else others are told. */
void queue_look(struct queue_redis *q);
/* A slot may be free: what was read ahead is taken, or looked for. */
void queue_fill(struct queue_redis *q);
/* What is about to be admitted may be lent to us in the same script: under this
 * one's nonce. The job is taken over. NULL: we hold it already. */
struct lent *queue_claim_ahead(struct queue_redis *q, struct job *job);
void queue_claim_admitted(struct queue_redis *q, struct lent *l, const struct reply *reply);
/* Whether it could hold one job more now. */
bool queue_takes_more(const struct queue_redis *q);
void queue_claim_again(struct queue_redis *q); /* claims whose answer got lost */
/* Takes back what Redis forgot it had lent; fn gets claim.lua's answer. */
void queue_adopt(struct queue_redis *q, struct lent *l, struct script_line *line, queue_fn *fn);

/* ---- queue_beat.c ---- */
void queue_beat_start(struct queue_redis *q, struct lent *l);
void queue_beat_now(struct queue_redis *q); /* the connection is back */
void queue_op_progress(struct queue *base, struct claim *c, const char *json);

/* ---- queue_finish.c ---- */
void queue_op_finish(struct queue *base, struct claim *c, enum outcome o, const char *result);
void queue_op_release(struct queue *base, struct claim *c);
void queue_end(struct queue_redis *q, struct lent *l, enum outcome o, const char *result);
void queue_end_again(struct queue_redis *q); /* the connection is back */
/* A result for an end that no stage wrote: {"id", "state", "outcome", "error"}. */
char *queue_plain_result(const char *id, enum outcome o, const char *message);

/* ---- queue_tick.c ---- */
void queue_tick_start(struct queue_redis *q);
/* There may be a job due in `in_ms`: look then, if that is before the tick. */
void queue_due_in(struct queue_redis *q, int64_t in_ms);
void queue_check_empty(struct queue_redis *q);

/* ---- queue_sweep.c ---- */
/* Settles those of an index's first ids (`step` elements each) whose cancel key
 * is there. */
void queue_sweep(struct queue_redis *q, struct queue_sweep *s, const struct reply *index,
                 size_t step);

/* ---- queue_hello.c ---- */
void queue_hello(struct queue_redis *q);
void queue_goodbye(struct queue_redis *q);
/* What it runs changed. */
void queue_hello_soon(struct queue_redis *q);

#endif
