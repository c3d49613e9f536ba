/* The inbox: what queue_peek.c has read of it is parsed here and taken by
 * admit.lua, or refuse.lua, only if it is still the tail. So nothing ever exists
 * between the inbox and the place where it goes.
 *
 * With a slot free and nobody queued before it, a job is lent to us in the same
 * script ("active"). Without one it waits a moment where it is, and is queued
 * then, so that the more urgent come first, and refusals, duplicates and cancels are
 * seen even while everybody is busy. Where another worker is at that already, this one
 * leaves it to him until the tick. */
#include <stdio.h>
#include <string.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/err.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "job.h"
#include "queue_redis.h"

#define BUSY_EVERY_MS 100
#define BUSY_ADMITS 64 /* each time */
#define RETRY_BASE_MS 100
#define RETRY_CAP_MS 5000
#define DENIED_MS 30000

static void peek_later(struct queue_redis *q, struct lent *l)
{
    (void)l;
    queue_feed(q);
}

/* What was under way together fails together: that is one try. */
void queue_inbox_back_off(struct queue_redis *q, const char *what, const char *error)
{
    queue_warn(q, what, error);
    inbox_stale(&q->inbox);
    if (q->peek_retry.timer.set)
        return;
    int64_t in_ms = clock_backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, q->admit_tries++);
    if (strncmp(error, "NOPERM", 6) == 0 || strncmp(error, "NOAUTH", 6) == 0)
        in_ms = DENIED_MS;
    queue_timer(q, &q->peek_retry, in_ms + RETRY_BASE_MS, peek_later, NULL);
}

/* ---- answers ---- */

/* was_ours: to be lent to us, if it could be; else it was to be queued. */
static void hear_verdict(struct queue_redis *q, const struct reply *reply, bool was_ours)
{
    const char *verdict = reply->verdict;
    q->admit_tries = 0;
    q->told_empty = false;
    if (strcmp(verdict, "queued") == 0) {
        q->spread++;
        q->ready_empty = false;
    } else if (strcmp(verdict, "delayed") == 0) {
        queue_due_in(q, reply_number(reply, 2) - reply->now_ms + 1);
    } else if (strcmp(verdict, "moved") == 0 || strcmp(verdict, "empty") == 0) {
        inbox_stale(&q->inbox);
        q->leaves_it |= !was_ours;
    } else if (strcmp(verdict, "active") == 0) {
        q->taken++;
    } else if (strcmp(verdict, "wake") == 0) {
        q->ready_empty = false; /* somebody queued what he has no slot for */
    }
}

/* `l`: what is lent to us if it could be; NULL: it was to be queued. */
static void on_admit(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    q->admitting--;
    inbox_answered(&q->inbox);
    if (l)
        queue_claim_admitted(q, l, reply);
    if (!reply->raw || q->closed)
        return; /* queue_feed() comes when the line is back */
    if (reply->error)
        queue_inbox_back_off(q, "admit", reply->error);
    else
        hear_verdict(q, reply, l != NULL);
    if (q->admitting == 0 && !q->ready_empty)
        queue_look(q); /* what we have no slot for, somebody else may */
    queue_feed(q);
}

/* ---- asking ---- */

static char *quoted(const char *text)
{
    own_buf struct buf b = BUF_INIT(CEILING_RESULT_BYTES);
    (void)json_quote(&b, text, strlen(text)); /* a sentence: far from the ceiling */
    return own_strdup(buf_str(&b));
}

static void ask(struct queue_redis *q, const struct script_call *call, struct lent *l)
{
    q->admitting++;
    queue_ask_script(q, &q->calls, call, on_admit, l);
}

static void ask_refuse(struct queue_redis *q, const struct inbox_text *text, const char *id,
                       const char *why)
{
    char sha1[41];
    own_free char *reason = quoted(why);
    own_free char *result = queue_plain_result(id, OUTCOME_source_rejected, why);
    own_free char *webhook = job_webhook_of(text->text, text->bytes, q->config);
    sha1_hex(text->text, text->bytes, sha1);
    struct script_call call = {
        .script = SCRIPT_refuse, .id = id, .argc = 4, .argv = {sha1, webhook, result, reason}};
    ask(q, &call, NULL);
}

/* Of a token to wake up by (`job` has no id), or of a job; `l`: where it may be lent to us. */
static void ask_admit(struct queue_redis *q, const struct inbox_text *text, const struct job *job,
                      struct lent *l)
{
    char sha1[41], digest[41] = "", priority[16], due[24], expires[24], deadline[24];
    sha1_hex(text->text, text->bytes, sha1);
    if (job->id[0])
        job_digest(job, digest);
    snprintf(priority, sizeof(priority), "%d", job->priority);
    snprintf(due, sizeof(due), "%lld", (long long)job->run_at_ms);
    snprintf(expires, sizeof(expires), "%lld", (long long)job->expires_ms);
    snprintf(deadline, sizeof(deadline), "%lld", (long long)job->deadline_ms);
    struct script_call call = {
        .script = SCRIPT_admit,
        .id = job->id,
        .argc = 10,
        .argv = {sha1, digest, priority, due, expires, deadline, job->notify ? "1" : "0",
                 job->metadata, job->webhook, l ? l->claim.nonce : ""},
    };
    ask(q, &call, l);
}

static void admit_job(struct queue_redis *q, const struct inbox_text *text, struct job *job,
                      bool take)
{
    struct lent *l = take && job->run_at_ms == 0 ? queue_claim_ahead(q, job) : NULL;
    ask_admit(q, text, l ? &l->claim.job : job, l);
}

static void admit_next(struct queue_redis *q, bool take)
{
    const struct inbox_text *text = inbox_next(&q->inbox);
    struct err e = ERR_INIT;
    struct job job = {0};
    if (text->bytes == 1 && text->text[0] == '!')
        ask_admit(q, text, &job, NULL);
    else if (job_parse(text->text, text->bytes, q->config, NULL, &job, &e) < 0)
        ask_refuse(q, text, job.id, e.text);
    else
        admit_job(q, text, &job, take);
    job_free(&job);
}

/* ---- when ---- */

bool queue_may_wait(const struct queue_redis *q)
{
    return q->free_slots > q->claiming || !q->leaves_it;
}

static bool may_admit(const struct queue_redis *q)
{
    return inbox_waiting(&q->inbox) > 0 && queue_usable(q) && !q->peek_retry.timer.set;
}

static bool may_take(const struct queue_redis *q)
{
    return q->ready_empty && !q->looking && queue_takes_more(q);
}

/* What it has no slot for is queued, so that the order is that of their priorities and
 * a refusal is told soon; but for a worker that takes them as fast as that. */
static void admit_busy(struct queue_redis *q, struct lent *unused)
{
    int left = q->taken < BUSY_ADMITS ? BUSY_ADMITS : 0;
    (void)unused;
    q->taken = 0;
    while (may_admit(q) && left > 0) {
        bool take = may_take(q);
        left -= !take;
        admit_next(q, take);
    }
    queue_feed(q);
}

void queue_feed(struct queue_redis *q)
{
    while (may_admit(q) && may_take(q))
        admit_next(q, true);
    if (may_admit(q) && !q->patience.timer.set && !q->leaves_it)
        queue_timer(q, &q->patience, BUSY_EVERY_MS, admit_busy, NULL);
    queue_peek(q);
}
