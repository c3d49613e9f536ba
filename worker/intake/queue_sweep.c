/* Cancels of jobs that only wait, set by a client without scripts (SET cancel:ID):
 * found for the first sixteen of an index at each tick, and settled. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "job.h"
#include "queue_redis.h"

static void on_cancel(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    if (reply->error)
        queue_warn(q, "cancel", reply->error);
}

static void take_hits(struct queue_redis *q, struct queue_sweep *s, const struct reply *reply)
{
    s->asked = false;
    if (!reply->raw || reply->raw->type != REDIS_REPLY_ARRAY)
        return;
    for (int i = 0; i < s->count && i < (int)reply->raw->elements; i++) {
        struct script_call call = {.script = SCRIPT_cancel, .id = s->ids[i]};
        if (reply->raw->element[i]->type == REDIS_REPLY_STRING)
            queue_ask_script(q, &q->calls, &call, on_cancel, NULL);
    }
}

static void on_ready_hits(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    take_hits(q, &q->sweep_ready, reply);
}

static void on_delayed_hits(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    take_hits(q, &q->sweep_delayed, reply);
}

void queue_sweep(struct queue_redis *q, struct queue_sweep *s, const struct reply *index,
                 size_t step)
{
    char keys[SWEEP_IDS_MAX][KEY_MAX];
    const char *argv[SWEEP_IDS_MAX + 1] = {"MGET"};
    if (s->asked || !index->raw || index->raw->type != REDIS_REPLY_ARRAY)
        return;
    s->count = 0;
    for (size_t i = 0; i < index->raw->elements && s->count < SWEEP_IDS_MAX; i += step) {
        const char *id = reply_text(index, i);
        if (!job_valid_id(id))
            continue;
        snprintf(s->ids[s->count], sizeof(s->ids[0]), "%s", id);
        keys_of(&q->keys, "cancel", id, keys[s->count]);
        argv[s->count + 1] = keys[s->count];
        s->count++;
    }
    if (s->count == 0)
        return;
    s->asked = true;
    queue_ask(q, q->commands, &(struct redis_request){.argc = s->count + 1, .argv = argv},
              s == &q->sweep_ready ? on_ready_hits : on_delayed_hits, NULL);
}
