/* The inbox: what producers push is peeked at (`BLMOVE in in RIGHT RIGHT` moves
 * the tail onto itself: it waits, shows, and takes nothing away), parsed here,
 * and taken by admit.lua only if it is still the same. So nothing ever exists
 * between the inbox and the place where it goes.
 *
 * With a slot free the peek blocks; without one the tick comes by, so that
 * refusals, duplicates and cancels are seen even while everybody is busy. While
 * there is more, several texts are read at a time (LRANGE) and admitted in one
 * burst, each still by a script of its own that looks whether it is the tail. */
#include <hiredis/hiredis.h>
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

#define PEEK_MAX_BYTES (1024 * 1024) /* a reply is no larger: redis.h */
#define BLOCK_S "10"
#define BLOCK_DEADLINE_MS 13000
#define BUSY_ADMITS 64 /* in a row while full; the tick continues */
#define BATCH_MAX 64
#define BATCH_BYTES (PEEK_MAX_BYTES / 2) /* expected of a batch, by the one before */
#define RETRY_BASE_MS 100
#define RETRY_CAP_MS 5000
#define DENIED_MS 30000
#define HEAD_BYTES 512

static void on_peek(struct queue_redis *q, struct lent *l, const struct reply *reply);

static void peek_later(struct queue_redis *q, struct lent *l)
{
    (void)l;
    queue_peek(q);
}

/* One peek stays behind when the last slot is taken, so that the next job is seen
 * to be queued at once and not at the next tick. */
static bool may_block(const struct queue_redis *q)
{
    return q->free_slots > q->claiming || q->filled;
}

static void peek_at_some(struct queue_redis *q, int most)
{
    char first[16];
    q->asked = q->batch < most ? q->batch : most;
    if (q->singles > 0 || q->asked < 1)
        q->asked = 1;
    snprintf(first, sizeof(first), "-%d", q->asked);
    const char *argv[] = {"LRANGE", q->keys.inbox, first, "-1"};
    queue_ask(q, q->blocker, &(struct redis_request){.argc = 4, .argv = argv}, on_peek, NULL);
}

void queue_peek(struct queue_redis *q)
{
    bool block = may_block(q);
    if (!queue_usable(q) || !redis_is_up(q->blocker) || q->peeking || q->admitting ||
        q->peek_retry.timer.set || (!block && q->admitted_busy >= BUSY_ADMITS))
        return;
    q->peeking = true;
    if (q->more || !block) {
        peek_at_some(q, block ? BATCH_MAX : BUSY_ADMITS - q->admitted_busy);
        return;
    }
    q->filled = false;
    q->asked = 1;
    const char *argv[] = {"BLMOVE", q->keys.inbox, q->keys.inbox, "RIGHT", "RIGHT", BLOCK_S};
    queue_ask(q, q->blocker,
              &(struct redis_request){.argc = 6, .argv = argv, .deadline_ms = BLOCK_DEADLINE_MS},
              on_peek, NULL);
}

static void back_off(struct queue_redis *q, const char *what, const char *error)
{
    int64_t in_ms = clock_backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, q->admit_tries++);
    if (strncmp(error, "NOPERM", 6) == 0 || strncmp(error, "NOAUTH", 6) == 0)
        in_ms = DENIED_MS;
    queue_warn(q, what, error);
    queue_timer(q, &q->peek_retry, in_ms + RETRY_BASE_MS, peek_later, NULL);
}

/* ---- what is told of a refusal ---- */

/* An entry of the rejected list: enough to find out whose it was. */
static char *rejected_entry(struct queue_redis *q, const redisReply *text, const char *sha1,
                            const char *id, const char *reason)
{
    own_buf struct buf b = BUF_INIT(CEILING_RESULT_BYTES);
    char head[HEAD_BYTES + 1];
    size_t n = text->len < HEAD_BYTES ? text->len : HEAD_BYTES;
    for (size_t i = 0; i < n; i++)
        head[i] = text->str[i] >= 0x20 && text->str[i] < 0x7f ? text->str[i] : '?';
    (void)buf_printf(&b, "{\"at_ms\":%lld,\"reason\":", (long long)queue_server_ms(q));
    (void)json_quote(&b, reason, strlen(reason));
    (void)buf_add_str(&b, ",\"id\":");
    if (id[0])
        (void)json_quote(&b, id, strlen(id));
    else
        (void)buf_add_str(&b, "null");
    (void)buf_printf(&b, ",\"bytes\":%zu,\"sha1\":\"%s\",\"head\":", text->len, sha1);
    (void)json_quote(&b, head, n);
    (void)buf_add_str(&b, "}"); /* far from the ceiling: 512 bytes and a sentence */
    return own_strdup(buf_str(&b));
}

/* ---- admit ---- */

static void on_admit(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    q->admitting--;
    if (!reply->raw)
        return; /* queue_peek() comes when the line is back */
    if (reply->error) {
        back_off(q, "admit", reply->error);
        return;
    }
    q->admit_tries = 0;
    q->told_empty = false;
    if (strcmp(reply->verdict, "queued") == 0)
        q->spread++;
    else if (strcmp(reply->verdict, "delayed") == 0)
        queue_due_in(q, reply_number(reply, 2) - reply->now_ms + 1);
    if (strcmp(reply->verdict, "moved") == 0)
        q->batch = 1; /* others are at it as well */
    if (q->admitting == 0)
        queue_look(q); /* what we have no slot for, somebody else may */
    queue_peek(q);
}

struct admission {
    const redisReply *text;
    const char *what; /* wake, job, reject */
    const struct job *job;
    const char *reason;
};

static void ask_admit(struct queue_redis *q, const struct admission *a)
{
    const struct job *job = a->job;
    char sha1[41], digest[41] = "", priority[16], due[24], expires[24], deadline[24], most[16];
    sha1_hex(a->text->str, a->text->len, sha1);
    own_free char *entry = rejected_entry(q, a->text, sha1, job->id, a->reason);
    own_free char *result = queue_plain_result(job->id, OUTCOME_source_rejected, a->reason);
    bool is_job = strcmp(a->what, "job") == 0;
    own_free char *refused_webhook =
        is_job ? NULL : job_webhook_of(a->text->str, a->text->len, q->config);
    if (is_job)
        job_digest(job, digest);
    snprintf(priority, sizeof(priority), "%d", job->priority);
    snprintf(due, sizeof(due), "%lld", (long long)job->run_at_ms);
    snprintf(expires, sizeof(expires), "%lld", (long long)job->expires_ms);
    snprintf(deadline, sizeof(deadline), "%lld", (long long)job->deadline_ms);
    snprintf(most, sizeof(most), "%d", PEEK_MAX_BYTES);
    struct script_call call = {
        .script = SCRIPT_admit,
        .id = job->id,
        .argc = 13,
        /* Of a refused job `notify` was not read: who waits for it shall hear. */
        .argv = {sha1, a->what, digest, priority, due, expires, deadline,
                 job->notify || !is_job ? "1" : "0", job->metadata, result, entry, most,
                 is_job ? job->webhook : refused_webhook},
    };
    q->admitting++;
    queue_ask_script(q, &q->calls, &call, on_admit, NULL);
}

/* Whether it may be claimed then. The caller frees the job in any case. */
static bool admit(struct queue_redis *q, const redisReply *text, struct job *ret)
{
    struct err e = ERR_INIT;
    struct admission a = {.text = text, .what = "job", .job = ret, .reason = ""};
    *ret = (struct job){0};
    if (text->len == 1 && text->str[0] == '!') {
        a.what = "wake";
    } else if (job_parse(text->str, text->len, q->config, NULL, ret, &e) < 0) {
        a.what = "reject";
        a.reason = e.text;
    } else {
        snprintf(e.text, sizeof(e.text), "id \"%s\" was pushed before with another body", ret->id);
        a.reason = e.text; /* if that is so; told by the script */
    }
    ask_admit(q, &a);
    return strcmp(a.what, "job") == 0 && ret->run_at_ms == 0;
}

static void admit_one(struct queue_redis *q, const redisReply *text)
{
    struct job job;
    if (admit(q, text, &job))
        queue_claim_admitted(q, &job, text);
    job_free(&job);
}

/* The tail comes first. The next batch is as large as this one's texts allow. */
static void admit_some(struct queue_redis *q, const redisReply *texts)
{
    size_t largest = 1;
    struct admitted {
        struct job job;
        const redisReply *text;
    } some[BUSY_ADMITS];
    int count = 0;
    if (q->singles > 0)
        q->singles--;
    for (size_t i = texts->elements; i-- > 0 && count < BUSY_ADMITS;) {
        const redisReply *text = texts->element[i];
        if (text->type != REDIS_REPLY_STRING)
            continue;
        largest = text->len > largest ? text->len : largest;
        q->admitted_busy += q->free_slots <= q->claiming;
        some[count].text = text;
        if (admit(q, text, &some[count].job))
            count++;
        else
            job_free(&some[count].job);
    }
    for (int i = 0; i < count; i++) { /* after all of them: neighbours travel together */
        queue_claim_admitted(q, &some[i].job, some[i].text);
        job_free(&some[i].job);
    }
    size_t fit = BATCH_BYTES / largest;
    q->batch = fit < 1 ? 1 : fit < BATCH_MAX ? (int)fit : BATCH_MAX;
}

static void on_peek(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    q->peeking = false;
    /* The commands' line may have been cut while this one waited, and its server
     * found unfit since: what was seen stays where it is. */
    if (!reply->raw || !queue_usable(q))
        return;
    if (reply->error) {
        back_off(q, "inbox", reply->error);
    } else if (reply->raw->type == REDIS_REPLY_STRING) {
        q->more = true;
        q->batch = BATCH_MAX;
        admit_one(q, reply->raw);
        queue_look(q); /* others may have queued what we were woken for */
    } else if (reply->raw->type == REDIS_REPLY_ARRAY && reply->raw->elements > 0) {
        admit_some(q, reply->raw);
        queue_look(q);
    } else {
        q->admit_tries = 0;
        q->more = false;
        if (may_block(q))
            queue_peek(q); /* nothing for 10 s */
    }
}

/* ---- too large to be looked at ---- */

static void on_oversize(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    q->admitting--;
    if (reply->error)
        back_off(q, "oversize", reply->error);
    else
        queue_peek(q);
}

void queue_oversize(struct queue_redis *q, int64_t announced_bytes)
{
    char most[16], announced[24];
    q->peeking = false;
    if (q->asked > 1) { /* several were too many, or one that is not the tail too large */
        q->singles = q->asked;
        return; /* queue_peek() comes when the line is back */
    }
    snprintf(most, sizeof(most), "%d", JOB_JSON_MAX_BYTES);
    snprintf(announced, sizeof(announced), "%lld", (long long)announced_bytes);
    struct script_call call = {.script = SCRIPT_oversize,
                               .id = "",
                               .argc = 2,
                               .argv = {most, announced},
                               .deadline_ms = 60000};
    q->admitting++; /* no peek before it is gone */
    queue_ask_script(q, &q->calls, &call, on_oversize, NULL);
}
