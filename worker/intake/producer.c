/* The producer's side: see producer.h. Changes of state go through the same
 * scripts as the worker's; reading is plain commands. */
#include "producer.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/json.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "../base/redis.h"
#include "job.h"
#include "producer_read.h"
#include "script.h"

#define OPEN_MS 3000
#define POLL_MS 200
#define MAX_REPLY_BYTES (16 * 1024 * 1024)

int producer_open(struct loop *loop, const struct config *config, struct producer **ret,
                  struct err *e)
{
    struct producer *p = own_calloc(1, sizeof(*p));
    p->loop = loop;
    int rc = keys_init(&p->keys, config->queue, e);
    if (rc < 0) {
        free(p);
        return rc;
    }
    scripts_init(&p->scripts, &p->keys, config, "");
    struct redis_spec spec = {.url = config->redis_url,
                              .user = config->redis_user,
                              .password = config->redis_password,
                              .ca_file = config->redis_ca_file,
                              .client_name = "manimd:client",
                              .max_reply_bytes = MAX_REPLY_BYTES};
    rc = redis_new(loop, &spec, &p->redis, e);
    script_line_init(&p->line, loop, p->redis, &p->scripts);
    int64_t until_ms = clock_now_ms() + OPEN_MS;
    while (rc == 0 && !redis_is_up(p->redis) && !redis_is_refused(p->redis)) {
        int64_t left_ms = until_ms - clock_now_ms();
        if (left_ms <= 0)
            break;
        loop_step(loop, (int)left_ms);
    }
    if (rc == 0 && !redis_is_up(p->redis)) {
        const char *why = redis_why(p->redis);
        rc = err_set(e, -ECONNREFUSED, FAULT_PEER, "%s", why[0] ? why : "redis: no answer");
    }
    if (rc < 0) {
        producer_close(p);
        return rc;
    }
    *ret = p;
    return 0;
}

void *producer_close(struct producer *p)
{
    if (!p)
        return NULL;
    script_line_close(&p->line);
    redis_free(p->redis);
    scripts_done(&p->scripts);
    free(p);
    return NULL;
}

int producer_ask(struct producer *p, int argc, const char *const *argv, redisReply **ret,
                 struct err *e)
{
    return redis_call(p->redis, p->loop, &(struct redis_request){.argc = argc, .argv = argv}, ret,
                      e);
}

int producer_push(struct producer *p, const char *json, size_t bytes, struct err *e)
{
    const char *argv[] = {"LPUSH", p->keys.inbox, json};
    const size_t lengths[] = {5, strlen(p->keys.inbox), bytes};
    redisReply *reply = NULL;
    if (bytes > JOB_JSON_MAX_BYTES)
        return err_set(e, -EMSGSIZE, FAULT_JOB, "job: has %zu bytes as JSON, at most %d allowed",
                       bytes, JOB_JSON_MAX_BYTES);
    const struct redis_request request = {.argc = 3, .argv = argv, .lengths = lengths};
    int rc = redis_call(p->redis, p->loop, &request, &reply, e);
    if (rc == 0)
        freeReplyObject(reply);
    return rc;
}

static bool same_body(const char *one, const char *other)
{
    own_json cJSON *a = NULL, *b = NULL;
    return !json_parse(one, strlen(one), FAULT_JOB, &a, NULL) &&
           !json_parse(other, strlen(other), FAULT_JOB, &b, NULL) && cJSON_Compare(a, b, true);
}

int producer_check_new(struct producer *p, const char *id, const char *json, struct err *e)
{
    char key[KEY_MAX];
    keys_of(&p->keys, "job", id, key);
    const char *argv[] = {"HMGET", key, "state", "payload"};
    redisReply *reply = NULL;
    if (producer_ask(p, 4, argv, &reply, NULL) < 0)
        return 0; /* this user may push but not read; or the push will say what is wrong */
    int rc = 0;
    bool known = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                 reply->element[0]->str && reply->element[1]->str;
    if (known && !same_body(reply->element[1]->str, json))
        rc = err_set(e, PRODUCER_E_STATE, FAULT_JOB,
                     "job \"%s\": is another job already, it is %s: choose another id", id,
                     reply->element[0]->str);
    freeReplyObject(reply);
    return rc;
}

/* ---- scripts, waited for ---- */

struct script_answer {
    bool done, broke;
    char verdict[32], state[32], error[300];
    int64_t numbers[10];
};

static void on_answer(void *arg, const struct reply *reply)
{
    struct script_answer *a = arg;
    a->done = true;
    a->broke = !reply->raw;
    snprintf(a->error, sizeof(a->error), "%s", reply->error ? reply->error : "");
    if (a->broke || reply->error)
        return;
    snprintf(a->verdict, sizeof(a->verdict), "%s", reply->verdict);
    snprintf(a->state, sizeof(a->state), "%s", reply_text(reply, 2));
    for (size_t i = 0; i < 10; i++)
        a->numbers[i] = reply_number(reply, i);
}

static int run_script(struct producer *p, enum script script, const char *id,
                      struct script_answer *ret, struct err *e)
{
    struct script_call call = {.script = script, .id = id};
    *ret = (struct script_answer){0};
    script_run(&p->line, &call, on_answer, ret);
    while (!ret->done)
        loop_step(p->loop, -1);
    if (ret->broke)
        return err_set(e, -ETIMEDOUT, FAULT_PEER, "%s",
                       redis_why(p->redis)[0] ? redis_why(p->redis) : "redis: no answer in time");
    if (ret->error[0])
        return err_set(e, -EIO, FAULT_PEER, "redis: %s: %s", script_name(script), ret->error);
    return 0;
}

static int check_id(const char *id, struct err *e)
{
    if (job_valid_id(id))
        return 0;
    return err_set(e, -EINVAL, FAULT_JOB,
                   "id: must be 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit");
}

static int unknown(const char *id, struct err *e)
{
    return err_set(e, PRODUCER_E_UNKNOWN, FAULT_JOB, "job \"%s\": is not known to this queue", id);
}

int producer_cancel(struct producer *p, const char *id, enum job_state *ret_state, struct err *e)
{
    struct script_answer a;
    int rc = check_id(id, e);
    if (rc == 0)
        rc = run_script(p, SCRIPT_cancel, id, &a, e);
    if (rc < 0)
        return rc;
    if (strcmp(a.verdict, "unknown") == 0)
        return unknown(id, e);
    if (strcmp(a.verdict, "ended") == 0)
        return err_set(e, PRODUCER_E_STATE, FAULT_JOB, "job \"%s\": has ended already, it is %s",
                       id, a.state);
    *ret_state = strcmp(a.verdict, "asked") == 0 ? STATE_ACTIVE : STATE_CANCELLED;
    return 0;
}

int producer_requeue(struct producer *p, const char *id, struct err *e)
{
    struct script_answer a;
    int rc = check_id(id, e);
    if (rc == 0)
        rc = run_script(p, SCRIPT_requeue, id, &a, e);
    if (rc < 0 || strcmp(a.verdict, "queued") == 0)
        return rc;
    if (strcmp(a.verdict, "unknown") == 0)
        return unknown(id, e);
    if (strcmp(a.verdict, "gone") == 0)
        return err_set(e, PRODUCER_E_STATE, FAULT_JOB,
                       "job \"%s\": was refused and its text not kept, push it again", id);
    return err_set(e, PRODUCER_E_STATE, FAULT_JOB,
                   "job \"%s\": is %s, only dead and failed jobs are tried again", id, a.state);
}

int producer_hook_again(struct producer *p, const char *id, struct err *e)
{
    struct script_answer a;
    int rc = check_id(id, e);
    if (rc == 0)
        rc = run_script(p, SCRIPT_hook_again, id, &a, e);
    if (rc < 0 || strcmp(a.verdict, "due") == 0)
        return rc;
    if (strcmp(a.verdict, "unknown") == 0)
        return unknown(id, e);
    if (strcmp(a.verdict, "none") == 0)
        return err_set(e, PRODUCER_E_STATE, FAULT_JOB, "job \"%s\": names no webhook", id);
    return err_set(e, PRODUCER_E_STATE, FAULT_JOB,
                   "job \"%s\": has not ended, it is %s: its webhook comes when it has", id,
                   a.state);
}

int producer_counts(struct producer *p, cJSON **ret, struct err *e)
{
    static const char *const names[] = {"inbox", "queued", "delayed", "active",
                                        "done",  "dead",   "rejected"};
    struct script_answer a;
    int rc = run_script(p, SCRIPT_counts, "", &a, e);
    if (rc < 0)
        return rc;
    *ret = cJSON_CreateObject();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        json_add_int(*ret, names[i], a.numbers[i + 2]);
    return 0;
}

/* ---- follow ---- */

static void wait_ms(struct producer *p, int64_t ms)
{
    int64_t until_ms = clock_now_ms() + ms;
    for (int64_t left; (left = until_ms - clock_now_ms()) > 0;)
        loop_step(p->loop, (int)left);
}

static bool is_terminal(const cJSON *status)
{
    static const enum job_state ends[] = {STATE_COMPLETED, STATE_FAILED, STATE_CANCELLED,
                                          STATE_DEAD};
    const char *state = json_str(status, "state");
    for (size_t i = 0; state && i < sizeof(ends) / sizeof(ends[0]); i++)
        if (strcmp(state, job_state_name(ends[i])) == 0)
            return true;
    return false;
}

/* Worth telling: the lease's beats are not. */
static bool changed(const cJSON *before, const cJSON *now)
{
    static const char *const fields[] = {"state", "attempt", "progress", "worker"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (!cJSON_Compare(cJSON_GetObjectItemCaseSensitive(before, fields[i]),
                           cJSON_GetObjectItemCaseSensitive(now, fields[i]), true))
            return true;
    return false;
}

/* One look; 1 when the job has ended, 0 to go on, or a negative errno. */
static int look(struct producer *p, const char *id, const struct producer_watcher *w, cJSON **last,
                struct err *e)
{
    own_json cJSON *status = NULL;
    int rc = producer_status(p, id, &status, e);
    if (rc == -EIO || (rc < 0 && redis_is_refused(p->redis)))
        return rc; /* no permission, say: it would be so for ever */
    if (rc != 0)
        return 0; /* not there yet, or Redis is away */
    bool news = !*last || changed(*last, status);
    if (news && w && w->on_change && !w->on_change(w->arg, status))
        return -ECANCELED;
    cJSON_Delete(*last);
    *last = steal_ptr(&status);
    return is_terminal(*last);
}

int producer_follow(struct producer *p, const char *id, int64_t timeout_ms,
                    const struct producer_watcher *w, cJSON **ret, struct err *e)
{
    own_json cJSON *last = NULL;
    int64_t until_ms = clock_now_ms() + timeout_ms;
    int rc = check_id(id, e);
    while (rc == 0) {
        rc = look(p, id, w, &last, e);
        if (rc == 0 && timeout_ms && clock_now_ms() >= until_ms)
            return err_set(e, PRODUCER_E_TIMEOUT, FAULT_NONE, "job \"%s\": has not ended in time",
                           id);
        if (rc == 0)
            wait_ms(p, POLL_MS);
    }
    if (rc < 0)
        return rc;
    *ret = steal_ptr(&last);
    return 0;
}
