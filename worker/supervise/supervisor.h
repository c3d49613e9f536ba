/* The supervisor: slots × events → actions, one thread, never blocking.
 *
 * It knows nothing of Redis, Python or S3: cmd/ gives it attempts and the
 * programs of their stages, and is told how they end. A slot's life is the
 * table of slot_table.h:
 *
 *   FREE → FETCH → RENDER → STORE → REPORT → EMPTYING → FREE
 *
 * A stage is `manimd stage NAME DIR`, spawned with the environment for it; a
 * job without URLs skips FETCH. Whatever happens, a slot is FREE again only
 * when nothing that ran in it lives and its directory is gone. */
#ifndef MANIMD_SUPERVISOR_H
#define MANIMD_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "../manimd.h"

struct loop;
struct err;
struct supervisor;

enum stage { STAGE_FETCH, STAGE_RENDER, STAGE_STORE, STAGE_COUNT };

#define SUPERVISOR_SLOTS_MAX 64

/* The uids of a slot's boxes; 0: none of their own. */
struct slot_uids {
    uid_t scene, encoder, fetch;
};

/* One attempt, as the supervisor needs it. */
struct attempt {
    const struct job *job;
    const char *nonce;
    const char *urls; /* NULL, or what DIR/urls.json is to hold, for the fetch stage */
    void *user;       /* handed back in the callbacks */
};

/* How an attempt ended: outcome, and the directory that still holds
 * render.json and store.json (gone after attempt_reported()). */
struct attempt_end {
    enum outcome outcome;
    const char *dir;
    struct {
        int64_t start_ms, end_ms;
    } stages[STAGE_COUNT]; /* clock_now_ms(); 0: not run */
    char why[512];         /* when it was our fault: the sentence */
    bool released;         /* drained: not an end, give the job back */
};

struct supervisor_spec {
    struct loop *loop;
    int slots;          /* 1 … SUPERVISOR_SLOTS_MAX */
    const char *manimd; /* our own executable, for the stages */
    const char *work_dir;
    char **stage_env[STAGE_COUNT]; /* config_env(); slot variables are added */
    /* How long a stage may take before it is stopped as our own fault. The
     * render stage's is its job's wall-clock limit plus a grace: its keeper
     * enforces the limit itself, this is the backstop. */
    int64_t fetch_ms, store_ms;
    /* Given to a slot's stages in the environment. */
    struct slot_uids (*uids)(void *arg, int slot);
    /* The outcome of a stage that exited with 1 or 3, from what it left in
     * `dir`; `ret_why` gets our own fault's sentence. (events/result.c does
     * it; supervise/ does not know events/.) */
    enum outcome (*judge)(void *arg, const char *dir, enum stage stage, int exit_status,
                          char ret_why[512]);
    /* Is `pid` a child that somebody else here waits for? Every other dead
     * child is an orphan that we inherited, and is reaped. May be NULL. */
    bool (*is_child)(void *arg, pid_t pid);
    /* A descriptor for the next render stage (a zygote's), or -1. */
    int (*lend)(void *arg);
    /* An attempt ended (REPORT): publish it, then supervisor_reported(). */
    void (*on_end)(void *arg, void *user, const struct attempt_end *end);
    /* A line from the running stage, without its newline, as it came. */
    void (*on_progress)(void *arg, void *user, enum stage stage, const char *json);
    /* A slot became free, or all are (drained). */
    void (*on_free)(void *arg, int free_slots);
    /* Kills what runs under a slot's uids, and says when nothing does: 0, or
     * -EAGAIN (ask again soon). */
    int (*empty)(void *arg, int slot);
    void *arg;
};

/* Beneath `work_dir` (made if it is not there, traversable by the boxes' uids)
 * each attempt has a directory ID.NONCE8 that is locked (flock) while it is in
 * use; those that no living supervisor holds are removed at the start. */
int supervisor_new(const struct supervisor_spec *spec, struct supervisor **ret, struct err *e);
void *supervisor_free(struct supervisor *s);
/* Slots that could take an attempt now; 0 while draining. */
int supervisor_free_slots(const struct supervisor *s);
/* Takes an attempt into a free slot: writes DIR/job.json, starts its stages.
 * -EBUSY when no slot is free or it drains. on_end may come before this
 * returns, when a stage could not even be started. */
int supervisor_start(struct supervisor *s, const struct attempt *a, struct err *e);
/* Stops the attempt of `user`: on_end with OUTCOME_cancelled. */
void supervisor_cancel(struct supervisor *s, void *user);
/* What stages that start from now on are given; the spec's may then be freed. */
void supervisor_reload(struct supervisor *s, char **const stage_env[STAGE_COUNT], int64_t fetch_ms,
                       int64_t store_ms);
/* The lease is gone: stop it, report nothing. */
void supervisor_lost(struct supervisor *s, void *user);
/* on_end's result has been published (or never will be): empty the slot. */
void supervisor_reported(struct supervisor *s, void *user);
/* Start nothing more; running attempts go on for `timeout_ms`, then end with
 * released = true. 0: at once. */
void supervisor_drain(struct supervisor *s, int64_t timeout_ms);
/* Reaps dead orphans; call it on SIGCHLD. Returns how many. */
int supervisor_reap(struct supervisor *s);
/* Nothing runs and nothing is being emptied. */
bool supervisor_idle(const struct supervisor *s);
const char *stage_name(enum stage stage);
/* -1 when `name` is no stage. */
int stage_from_name(const char *name);

/* Variables that a stage finds beside its options. */
#define STAGE_ENV_SCENE_UID "MANIMD_STAGE_SCENE_UID"
#define STAGE_ENV_ENCODER_UID "MANIMD_STAGE_ENCODER_UID"
#define STAGE_ENV_FETCH_UID "MANIMD_STAGE_FETCH_UID"
#define STAGE_ENV_NONCE "MANIMD_STAGE_NONCE"
#define STAGE_ENV_ZYGOTE_FD "MANIMD_STAGE_ZYGOTE_FD"
#define STAGE_ENV_REPORT_FD "MANIMD_STAGE_REPORT_FD"

#endif
