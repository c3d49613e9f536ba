/* The webhook outbox, as a courier sees it: the ZSET `hooks` (job id → next try)
 * and the fields hook… of a job's hash. It lends due webhooks and keeps saying
 * how each ended until that is stored, or until its lease has run out and
 * another courier may have it.
 *
 *   1. outbox_open(), outbox_room(): so many may be lent at a time
 *   2. on_hook for each: deliver it, then outbox_end()
 *   3. outbox_look() when somebody says that there is one; otherwise it looks by
 *      itself every IDLE_MS, or when the next one is due
 *   4. outbox_close()
 *
 * An idle outbox costs Redis a command every five seconds. All times are the
 * server's. */
#ifndef MANIMD_OUTBOX_H
#define MANIMD_OUTBOX_H

#include <stdbool.h>

#include "../manimd.h"

struct config;
struct err;
struct loop;
struct outbox;

struct outbox_events {
    /* `hook` stays until outbox_end(), which may be called from here. */
    void (*on_hook)(void *arg, const struct hook *hook);
    void (*on_state)(void *arg, bool up, const char *why);
    void (*on_warning)(void *arg, const char *text);
    void *arg;
};

int outbox_open(struct loop *loop, const struct config *config, const struct outbox_events *events,
                struct outbox **ret, struct err *e);
/* What is still lent comes back by its lease. NULL is fine; returns NULL. */
void *outbox_close(struct outbox *o);
/* How many more it may lend now; one less after each on_hook. */
void outbox_room(struct outbox *o, int room);
void outbox_look(struct outbox *o);
void outbox_end(struct outbox *o, const struct hook *hook, const struct hook_verdict *verdict);
/* Nothing is lent, and nothing was due when it looked last; or Redis is away. */
bool outbox_quiet(const struct outbox *o);

#endif
