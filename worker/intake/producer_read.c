/* Reading the queue's keys into JSON, tolerantly: what a hash does not hold, or
 * holds badly, is null. */
#include "producer_read.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/err.h"
#include "../base/json.h"
#include "../base/own.h"
#include "job.h"

#define RESULT_MAX_BYTES (512 * 1024)

enum kind { TEXT, NUMBER, TIMES, OBJECT, MESSAGE }; /* TIMES: 0 is not kept */

/* Fields of a job's hash, and what they are called outside. */
static const struct {
    const char *field, *name;
    enum kind kind;
} job_fields_read[] = {
    {"state", "state", TEXT},
    {"outcome", "outcome", TEXT},
    {"attempt", "attempt", NUMBER},
    {"crashes", "crashes", TIMES},
    {"prio", "priority", TIMES},
    {"worker", "worker", TEXT},
    {"enq", "enqueued_at_ms", NUMBER},
    {"start", "started_at_ms", NUMBER},
    {"beat", "beat_at_ms", NUMBER},
    {"due", "due_at_ms", NUMBER},
    {"fin", "finished_at_ms", NUMBER},
    {"progress", "progress", OBJECT},
    {"result", "result", OBJECT},
    {"error", "error", MESSAGE},
    {"hook", "webhook", TEXT},
    {"hookcode", "webhook_status", NUMBER},
    {"hooktries", "webhook_tries", NUMBER},
    {"hookwhy", "webhook_error", TEXT},
};
#define JOB_FIELDS (sizeof(job_fields_read) / sizeof(job_fields_read[0]))

static cJSON *read_json(const redisReply *r)
{
    cJSON *parsed = NULL;
    if (r->len > RESULT_MAX_BYTES || json_parse(r->str, r->len, FAULT_PEER, &parsed, NULL) < 0)
        return cJSON_CreateNull();
    return parsed;
}

/* Of a retried attempt its result is kept; the sentence is what matters. */
static cJSON *read_message(const redisReply *r)
{
    own_json cJSON *result = read_json(r);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(result, "error");
    const char *text = error ? json_str(error, "message") : NULL;
    return text && text[0] ? cJSON_CreateString(text) : cJSON_CreateNull();
}

static cJSON *read_text(const redisReply *r)
{
    return json_valid_utf8(r->str, r->len) ? cJSON_CreateString(r->str) : cJSON_CreateNull();
}

static void read_field(cJSON *into, const char *name, enum kind kind, const redisReply *r)
{
    if (r->type != REDIS_REPLY_STRING && kind == TIMES)
        json_add_int(into, name, 0);
    else if (r->type != REDIS_REPLY_STRING)
        cJSON_AddNullToObject(into, name);
    else if (kind == NUMBER || kind == TIMES)
        json_add_int(into, name, strtoll(r->str, NULL, 10));
    else if (kind == TEXT)
        cJSON_AddItemToObject(into, name, read_text(r));
    else
        cJSON_AddItemToObject(into, name, kind == OBJECT ? read_json(r) : read_message(r));
}

int producer_status(struct producer *p, const char *id, cJSON **ret, struct err *e)
{
    char key[KEY_MAX];
    const char *argv[JOB_FIELDS + 2] = {"HMGET", key};
    redisReply *reply = NULL;
    if (!job_valid_id(id))
        return err_set(e, -EINVAL, FAULT_JOB,
                       "id: must be 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit");
    keys_of(&p->keys, "job", id, key);
    for (size_t i = 0; i < JOB_FIELDS; i++)
        argv[i + 2] = job_fields_read[i].field;
    int rc = producer_ask(p, JOB_FIELDS + 2, argv, &reply, e);
    if (rc < 0)
        return rc;
    if (reply->elements != JOB_FIELDS || reply->element[0]->type != REDIS_REPLY_STRING) {
        freeReplyObject(reply);
        return err_set(e, PRODUCER_E_UNKNOWN, FAULT_JOB, "job \"%s\": is not known to this queue",
                       id);
    }
    cJSON *status = cJSON_CreateObject();
    cJSON_AddStringToObject(status, "id", id);
    for (size_t i = 0; i < JOB_FIELDS; i++)
        read_field(status, job_fields_read[i].name, job_fields_read[i].kind, reply->element[i]);
    freeReplyObject(reply);
    *ret = status;
    return 0;
}

/* ---- lists ---- */

static const char *index_of(const struct keys *k, enum job_state state)
{
    const char *const indexes[] = {
        [STATE_QUEUED] = k->ready,     [STATE_DELAYED] = k->delayed, [STATE_ACTIVE] = k->active,
        [STATE_RETRYING] = k->delayed, [STATE_COMPLETED] = k->done,  [STATE_FAILED] = k->done,
        [STATE_CANCELLED] = k->done,   [STATE_DEAD] = k->dead,
    };
    return indexes[state];
}

static int add_status(struct producer *p, cJSON *into, const char *id, const char *state)
{
    own_json cJSON *status = NULL;
    if (!job_valid_id(id) || producer_status(p, id, &status, NULL) != 0)
        return 0; /* its hash has expired, or somebody wrote into the index */
    const char *is = json_str(status, "state");
    if (!is || strcmp(is, state) != 0)
        return 0; /* shares the index, or has moved on meanwhile */
    cJSON_AddItemToArray(into, steal_ptr(&status));
    return 1;
}

#define PAGE 200

/* One page of an index; how many ids it had, or a negative errno. */
static int add_page(struct producer *p, enum job_state state, int from, cJSON *into, int limit,
                    struct err *e)
{
    char first[16], last[16];
    redisReply *reply = NULL;
    snprintf(first, sizeof(first), "%d", from);
    snprintf(last, sizeof(last), "%d", from + PAGE - 1);
    const char *argv[] = {"ZREVRANGE", index_of(&p->keys, state), first, last};
    int rc = producer_ask(p, 4, argv, &reply, e);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < reply->elements && cJSON_GetArraySize(into) < limit; i++)
        if (reply->element[i]->str)
            add_status(p, into, reply->element[i]->str, job_state_name(state));
    rc = (int)reply->elements;
    freeReplyObject(reply);
    return rc;
}

int producer_list(struct producer *p, enum job_state state, int limit, cJSON **ret, struct err *e)
{
    own_json cJSON *list = cJSON_CreateArray();
    for (int from = 0; cJSON_GetArraySize(list) < limit; from += PAGE) {
        int got = add_page(p, state, from, list, limit, e);
        if (got < 0)
            return got;
        if (got < PAGE)
            break;
    }
    *ret = steal_ptr(&list);
    return 0;
}

int producer_rejected(struct producer *p, int limit, cJSON **ret, struct err *e)
{
    char last[16];
    redisReply *reply = NULL;
    snprintf(last, sizeof(last), "%d", limit - 1);
    const char *argv[] = {"LRANGE", p->keys.rejected, "0", last};
    int rc = limit > 0 ? producer_ask(p, 4, argv, &reply, e) : 0;
    if (rc < 0)
        return rc;
    *ret = cJSON_CreateArray();
    for (size_t i = 0; reply && i < reply->elements; i++) {
        cJSON *entry = reply->element[i]->str ? read_json(reply->element[i]) : NULL;
        if (cJSON_IsObject(entry))
            cJSON_AddItemToArray(*ret, entry);
        else
            cJSON_Delete(entry);
    }
    if (reply)
        freeReplyObject(reply);
    return 0;
}

/* ---- workers ---- */

static void add_ago(cJSON *into, const char *name, const redisReply *at, int64_t now_ms)
{
    if (at->type != REDIS_REPLY_STRING) {
        cJSON_AddNullToObject(into, name);
        return;
    }
    int64_t ago_ms = now_ms - strtoll(at->str, NULL, 10);
    json_add_int(into, name, ago_ms > 0 ? ago_ms : 0);
}

/* Of each job that a worker says it renders: when its lease was last renewed, or begun. */
static void add_beats(struct producer *p, cJSON *jobs, int64_t now_ms)
{
    cJSON *job;
    cJSON_ArrayForEach(job, jobs)
    {
        char key[KEY_MAX];
        redisReply *r = NULL;
        const char *id = json_str(job, "id");
        if (!id || !job_valid_id(id))
            continue;
        keys_of(&p->keys, "job", id, key);
        if (producer_ask(p, 4, (const char *[]){"HMGET", key, "beat", "start"}, &r, NULL) < 0)
            continue;
        if (r->type == REDIS_REPLY_ARRAY && r->elements == 2)
            add_ago(job, "beat_ms_ago", r->element[r->element[0]->str ? 0 : 1], now_ms);
        freeReplyObject(r);
    }
}

/* A counter that nothing has added to yet is 0. */
int producer_metrics(struct producer *p, cJSON **ret, struct err *e)
{
#define METRIC(name, type, help) #name,
    static const char *const names[] = {
#include "../metric.def"
    };
#undef METRIC
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    const char *argv[COUNT + 2] = {"HMGET", p->keys.stats};
    memcpy(argv + 2, names, sizeof(names));
    redisReply *raw = NULL;
    int rc = producer_ask(p, COUNT + 2, argv, &raw, e);
    if (rc < 0)
        return rc;
    const struct reply r = reply_read(raw, false);
    *ret = cJSON_CreateObject();
    for (size_t i = 0; i < COUNT; i++)
        json_add_int(*ret, names[i], reply_number(&r, i));
    freeReplyObject(raw);
    return 0;
}

static int server_ms(struct producer *p, int64_t *ret, struct err *e)
{
    redisReply *raw = NULL;
    int rc = producer_ask(p, 1, (const char *[]){"TIME"}, &raw, e);
    if (rc < 0)
        return rc;
    const struct reply r = reply_read(raw, false);
    *ret = reply_number(&r, 0) * 1000 + reply_number(&r, 1) / 1000;
    freeReplyObject(raw);
    return 0;
}

static void add_worker(struct producer *p, cJSON *into, const char *name, int64_t now_ms)
{
    char key[KEY_MAX];
    redisReply *r = NULL;
    keys_of(&p->keys, "w", name, key);
    const char *argv[] = {"HMGET", key,    "version", "manim", "state",
                          "slots", "busy", "since",   "seen",  "jobs"};
    if (producer_ask(p, 10, argv, &r, NULL) < 0)
        return;
    if (r->elements == 8 && r->element[0]->type == REDIS_REPLY_STRING) {
        cJSON *worker = cJSON_CreateObject();
        cJSON_AddStringToObject(worker, "name", name);
        for (size_t i = 0; i < 3; i++)
            read_field(worker, argv[i + 2], TEXT, r->element[i]);
        for (size_t i = 3; i < 5; i++)
            read_field(worker, argv[i + 2], NUMBER, r->element[i]);
        add_ago(worker, "since_ms_ago", r->element[5], now_ms);
        add_ago(worker, "seen_ms_ago", r->element[6], now_ms);
        read_field(worker, "jobs", OBJECT, r->element[7]);
        add_beats(p, cJSON_GetObjectItemCaseSensitive(worker, "jobs"), now_ms);
        cJSON_AddItemToArray(into, worker);
    }
    freeReplyObject(r);
}

int producer_workers(struct producer *p, cJSON **ret, struct err *e)
{
    redisReply *reply = NULL;
    int64_t now_ms = 0;
    const char *argv[] = {"ZREVRANGE", p->keys.workers, "0", "999"};
    int rc = server_ms(p, &now_ms, e);
    if (rc == 0)
        rc = producer_ask(p, 4, argv, &reply, e);
    if (rc < 0)
        return rc;
    *ret = cJSON_CreateArray();
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->str && job_valid_id(reply->element[i]->str))
            add_worker(p, *ret, reply->element[i]->str, now_ms);
    freeReplyObject(reply);
    return 0;
}
