/* Looking at the inbox: what producers push is peeked at, never taken away by a
 * read. `BLMOVE in in RIGHT RIGHT` moves the tail onto itself: it waits, shows and
 * changes nothing. While there is more, the next texts are read ahead (LRANGE), so
 * that they are here when a slot comes free; admit.lua takes one only if it still
 * is the tail (queue_inbox.c).
 *
 * The list here is the inbox's tail as far as we know it: those whose admission was
 * answered while a read was under way, those whose admission is, and those that wait
 * for it. A read overlaps with it, and may have overtaken those admissions or not: it
 * is laid beside the list, and what is new is added. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "../base/err.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "job.h"
#include "queue_redis.h"

#define BLOCK_S "10"
#define BLOCK_DEADLINE_MS 13000
#define BATCH_FIRST 16 /* before more than one was seen: the next may be larger */
#define BATCH_MAX (INBOX_TEXTS / 2)
#define BATCH_BYTES (INBOX_PEEK_MAX_BYTES / 4) /* expected of a batch, by the one before */
#define AHEAD_BYTES (INBOX_PEEK_MAX_BYTES / 2) /* in the list; a read fetches these again */
#define LOW_WATER (INBOX_TEXTS / 4)            /* the next are read while so many wait */

static void on_peek(struct queue_redis *q, struct lent *l, const struct reply *reply);

/* ---- the list ---- */

static void drop_from(struct inbox *in, int first)
{
    while (in->count > first) {
        struct inbox_text *t = &in->texts[--in->count];
        in->bytes -= t->bytes;
        free(t->text);
    }
}

static void drop_answered(struct inbox *in)
{
    for (int i = 0; i < in->answered; i++) {
        in->bytes -= in->texts[i].bytes;
        free(in->texts[i].text);
    }
    in->count -= in->answered;
    memmove(in->texts, in->texts + in->answered, (size_t)in->count * sizeof(in->texts[0]));
    in->answered = 0;
}

int inbox_waiting(const struct inbox *in)
{
    return in->count - in->answered - in->asked;
}

const struct inbox_text *inbox_next(struct inbox *in)
{
    return &in->texts[in->answered + in->asked++];
}

void inbox_answered(struct inbox *in)
{
    if (in->asked == 0)
        return;
    in->asked--;
    in->answered++;
    if (!in->peeking)
        drop_answered(in);
}

void inbox_stale(struct inbox *in)
{
    drop_from(in, in->answered + in->asked);
    in->more = true;
    in->batch = 1; /* others are at it as well */
}

void inbox_done(struct inbox *in)
{
    drop_from(in, 0);
    in->asked = in->answered = 0;
}

static void add(struct inbox *in, const redisReply *text)
{
    char *copy = own_calloc(1, text->len + 1);
    memcpy(copy, text->str, text->len); /* it may hold a NUL */
    in->texts[in->count++] = (struct inbox_text){.text = copy, .bytes = text->len};
    in->bytes += text->len;
}

/* ---- what is new in a read ---- */

/* Of a read, the tail first. */
static const redisReply *nth(const redisReply *texts, int i)
{
    return texts->element[texts->elements - 1 - (size_t)i];
}

static bool same(const struct inbox_text *ours, const redisReply *text)
{
    return text->type == REDIS_REPLY_STRING && ours->bytes == text->len &&
           memcmp(ours->text, text->str, text->len) == 0;
}

/* How many of the read's texts are ours from `first` on; -1: they differ. */
static int overlap(const struct inbox *in, int first, const redisReply *texts, int count)
{
    int both = in->count - first < count ? in->count - first : count;
    for (int i = 0; i < both; i++)
        if (!same(&in->texts[first + i], nth(texts, i)))
            return -1;
    return both;
}

/* Some of what we asked for may have been taken out when it was read. If it fits
 * nowhere, others took what we waited for. */
static int known(struct inbox *in, const redisReply *texts, int count)
{
    for (int taken = 0; taken <= in->answered + in->asked; taken++) {
        int both = overlap(in, taken, texts, count);
        if (both >= 0)
            return both;
    }
    drop_from(in, in->answered + in->asked);
    return 0;
}

/* How many texts as large as that are a batch. */
static int fitting(size_t bytes, int most)
{
    size_t fit = BATCH_BYTES / (bytes + 1);
    return fit < 1 ? 1 : fit < (size_t)most ? (int)fit : most;
}

static size_t largest_of(const redisReply *texts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < texts->elements; i++)
        bytes = texts->element[i]->len > bytes ? texts->element[i]->len : bytes;
    return bytes;
}

static void add_new(struct inbox *in, const redisReply *texts)
{
    int count = (int)texts->elements, i = known(in, texts, count);
    for (; i < count && in->count < INBOX_TEXTS; i++)
        if (nth(texts, i)->type == REDIS_REPLY_STRING)
            add(in, nth(texts, i));
    in->more = count >= in->wanted || i < count;
    in->batch = fitting(largest_of(texts), in->batch < BATCH_MAX / 2 ? 2 * in->batch : BATCH_MAX);
}

static void read_reply(struct queue_redis *q, const struct reply *reply)
{
    struct inbox *in = &q->inbox;
    if (reply->raw->type == REDIS_REPLY_STRING) {
        in->more = true;
        in->batch = fitting(reply->raw->len, BATCH_FIRST);
        add(in, reply->raw);
    } else if (reply->raw->type == REDIS_REPLY_ARRAY) {
        if (in->singles > 0)
            in->singles--;
        add_new(in, reply->raw);
    } else {
        in->more = false; /* nothing for 10 s */
        q->admit_tries = 0;
    }
}

static void on_peek(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    struct inbox *in = &q->inbox;
    /* The commands' line may have been cut while this one waited, and its server
     * found unfit since: what was seen stays where it is. */
    bool good = reply->raw && queue_usable(q);
    (void)l;
    in->peeking = false;
    if (good && !reply->error)
        read_reply(q, reply);
    drop_answered(in);
    if (good && reply->error)
        queue_inbox_back_off(q, "inbox", reply->error);
    if (good)
        queue_feed(q);
}

/* ---- asking ---- */

static void read_ahead(struct queue_redis *q)
{
    char first[16];
    struct inbox *in = &q->inbox;
    if (in->singles > 0 || in->batch < 1)
        in->batch = 1;
    if ((in->singles > 0 || in->bytes > AHEAD_BYTES) && in->count > 0)
        return;
    in->wanted = in->count + in->batch;
    in->peeking = true;
    snprintf(first, sizeof(first), "-%d", in->wanted);
    const char *argv[] = {"LRANGE", q->keys.inbox, first, "-1"};
    queue_ask(q, q->blocker, &(struct redis_request){.argc = 4, .argv = argv}, on_peek, NULL);
}

static void wait_for_one(struct queue_redis *q)
{
    const char *argv[] = {"BLMOVE", q->keys.inbox, q->keys.inbox, "RIGHT", "RIGHT", BLOCK_S};
    q->inbox.wanted = 1;
    q->inbox.peeking = true;
    queue_ask(q, q->blocker,
              &(struct redis_request){.argc = 6, .argv = argv, .deadline_ms = BLOCK_DEADLINE_MS},
              on_peek, NULL);
}

void queue_peek(struct queue_redis *q)
{
    const struct inbox *in = &q->inbox;
    if (!queue_usable(q) || !redis_is_up(q->blocker) || in->peeking || q->weighing ||
        q->peek_retry.timer.set || inbox_waiting(in) > LOW_WATER)
        return;
    if (in->more)
        read_ahead(q);
    else if (in->count == 0 && queue_may_wait(q))
        wait_for_one(q);
}

/* ---- too large to be looked at ---- */

static void on_oversize(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    q->weighing = false;
    if (reply->error)
        queue_inbox_back_off(q, "oversize", reply->error);
    else
        queue_peek(q);
}

void queue_oversize(struct queue_redis *q, int64_t announced_bytes)
{
    char most[16], announced[24];
    struct inbox *in = &q->inbox;
    in->peeking = false;
    in->more = true;
    if (in->wanted > 1) { /* several were too many, or one that is not the tail too large */
        in->singles = in->wanted;
        return; /* queue_peek() comes when the line is back */
    }
    snprintf(most, sizeof(most), "%d", JOB_JSON_MAX_BYTES);
    snprintf(announced, sizeof(announced), "%lld", (long long)announced_bytes);
    struct script_call call = {.script = SCRIPT_oversize,
                               .id = "",
                               .argc = 2,
                               .argv = {most, announced},
                               .deadline_ms = 60000};
    q->weighing = true; /* no peek before it is gone */
    queue_ask_script(q, &q->calls, &call, on_oversize, NULL);
}
