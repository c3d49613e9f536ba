/* The Redis queue: opening, closing, and what its three connections say of
 * themselves. See queue_redis.h for the other files, queue.h for the contract,
 * lua/ for what happens inside Redis. */
#include "queue_redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/own.h"
#include "vet.h"

#define OPEN_WAIT_MS 3000
#define POLICY_AGAIN_MS 30000
#define REPLICA_AGAIN_MS 5000

/* ---- may it be used? ---- */

static void tell_state(struct queue_redis *q, bool up, const char *why)
{
    bool news = up != q->was_up || strcmp(why, q->state_why) != 0;
    q->was_up = up;
    snprintf(q->state_why, sizeof(q->state_why), "%s", why);
    if (news && q->events.on_state)
        q->events.on_state(q->events.arg, up, q->state_why);
}

static bool all_up(const struct queue_redis *q)
{
    return redis_is_up(q->commands) && redis_is_up(q->blocker) && redis_is_up(q->beats);
}

/* Everything that waited for a connection, or lost an answer on the old one. */
static void start_work(struct queue_redis *q)
{
    if (!queue_usable(q))
        return;
    if (all_up(q))
        tell_state(q, true, q->was_up ? q->state_why : "");
    queue_claim_again(q);
    queue_end_again(q);
    queue_beat_now(q);
    q->inbox.more = true;
    queue_look(q);
    queue_feed(q);
}

static void ask_vet(struct queue_redis *q, struct lent *unused);

static void again(struct queue_redis *q, struct lent *unused)
{
    (void)unused;
    redis_reconnect(q->commands, q->state_why); /* its name may mean the primary by now */
}

static void found_bad(struct queue_redis *q, bool replica, const char *why)
{
    q->policy = POLICY_REFUSED;
    tell_state(q, false, why);
    queue_timer(q, &q->policy_retry, replica ? REPLICA_AGAIN_MS : POLICY_AGAIN_MS,
                replica ? again : ask_vet, NULL);
}

static void found_good(struct queue_redis *q)
{
    q->policy = POLICY_GOOD;
    start_work(q);
    queue_tick_start(q);
    queue_hello(q);
}

/* All were asked at once, and are answered in turn. */
static void on_vet(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    char why[VET_WHY_CHARS];
    (void)l;
    if (!reply->raw || q->vet_at >= vet_questions_count)
        return; /* asked again when the line is back; or it was found bad */
    const struct vet_question *v = &vet_questions[q->vet_at++];
    enum vet_verdict verdict = vet_judge(v, reply->raw, why);
    if (verdict == VET_BAD || verdict == VET_REPLICA) {
        q->vet_at = vet_questions_count;
        found_bad(q, verdict == VET_REPLICA, why);
        return;
    }
    if (verdict == VET_UNSURE)
        queue_warn(q, v->name, why[0] ? why : "no answer to that");
    if (q->vet_at == vet_questions_count)
        found_good(q);
}

static void ask_vet(struct queue_redis *q, struct lent *unused)
{
    (void)unused;
    q->vet_at = 0;
    for (int i = 0; i < vet_questions_count; i++) {
        char meta[KEY_MAX];
        const char *argv[VET_ARGS];
        vet_request(&vet_questions[i], &q->keys, meta, argv);
        queue_ask(q, q->commands,
                  &(struct redis_request){.argc = vet_questions[i].argc, .argv = argv}, on_vet,
                  NULL);
    }
}

static void on_time_reply(struct queue_redis *q, struct lent *l, const struct reply *reply)
{
    (void)l;
    int64_t s = reply_number(reply, 0), us = reply_number(reply, 1);
    if (s > 0)
        q->clock_off_ms = s * 1000 + us / 1000 - clock_unix_ms();
}

/* ---- the connections' own words ---- */

/* A break that is over before anybody's beat is due again cost nobody his lease:
 * counted as one, a network that cuts every connection twice a minute would keep
 * the reaper from ever coming by. */
static void note_break(struct queue_redis *q, bool up)
{
    int64_t now_ms = clock_now_ms();
    if (!up && !q->down_since_ms)
        q->down_since_ms = now_ms;
    if (!up)
        return;
    if (!q->up_since_ms || now_ms - q->down_since_ms > q->config->lease_ms / 3)
        q->up_since_ms = now_ms;
    q->down_since_ms = 0;
}

static void on_commands_state(void *arg, bool up, const char *why)
{
    struct queue_redis *q = arg;
    if (q->closed)
        return;
    queue_enter(q);
    note_break(q, up);
    if (up) {
        queue_ask(q, q->commands,
                  &(struct redis_request){.argc = 1, .argv = (const char *[]){"TIME"}},
                  on_time_reply, NULL);
        queue_timer_stop(q, &q->policy_retry);
        if (q->policy == POLICY_GOOD)
            q->policy = POLICY_UNKNOWN; /* it may be another server, or newly configured */
        ask_vet(q, NULL);
    } else {
        tell_state(q, false, why);
    }
    queue_leave(q);
}

static void on_other_state(void *arg, bool up, const char *why)
{
    struct queue_redis *q = arg;
    if (q->closed)
        return;
    queue_enter(q);
    if (up)
        start_work(q);
    else
        tell_state(q, false, why);
    queue_leave(q);
}

static void on_oversize(void *arg, int64_t announced)
{
    struct queue_redis *q = arg;
    if (q->closed)
        return;
    queue_enter(q);
    queue_oversize(q, announced);
    queue_leave(q);
}

/* ---- ops ---- */

static void op_offer(struct queue *base, int free_slots)
{
    struct queue_redis *q = queue_redis_of(base);
    q->free_slots = free_slots;
    if (free_slots > 0)
        queue_fill(q);
}

/* The caller wants to hear of it no more. What it was told to end and did not,
 * we end: else the job would wait for its lease to run out. */
static void op_forget(struct queue *base, struct claim *c)
{
    struct queue_redis *q = queue_redis_of(base);
    struct lent *l = c->queue;
    l->known = false;
    if (l->state == LENT_HELD && l->told_end && l->told_why != CLAIM_STALE) {
        enum outcome o = l->told_why == CLAIM_CANCELLED ? OUTCOME_cancelled : OUTCOME_expired;
        own_free char *result =
            queue_plain_result(l->id, o, o == OUTCOME_expired ? "its deadline passed" : NULL);
        queue_end(q, l, o, result);
    } else if (l->state == LENT_HELD) {
        queue_lent_drop(q, l);
    }
    queue_hello_soon(q);
}

static void op_draining(struct queue *base)
{
    struct queue_redis *q = queue_redis_of(base);
    q->draining = true;
    queue_hello(q);
}

static bool op_settled(const struct queue *base)
{
    return !((const struct queue_redis *)base)->lents;
}

/* On the way out: what we hold, or may be granted yet, is given back at once
 * instead of waiting for its lease. Best effort, nobody hears the answer. */
static void give_back(struct queue_redis *q)
{
    for (struct lent *l = q->lents; l && queue_usable(q); l = l->next) {
        struct script_call call = {.script = SCRIPT_release,
                                   .id = l->id,
                                   .argc = 1,
                                   .argv = {l->claim.nonce},
                                   .whole = true};
        if (l->state == LENT_CLAIMING || l->state == LENT_HELD)
            queue_ask_script(q, &q->calls, &call, NULL, NULL);
    }
}

static void op_close(struct queue *base)
{
    struct queue_redis *q = queue_redis_of(base);
    struct queue_timer *timers[] = {&q->peek_retry, &q->patience, &q->tick,        &q->due,
                                    &q->cancels,    &q->hello,    &q->policy_retry};
    queue_enter(q);
    give_back(q);
    queue_goodbye(q);
    q->closed = true;
    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
        queue_timer_stop(q, timers[i]);
    while (q->lents)
        queue_lent_drop(q, q->lents);
    inbox_done(&q->inbox);
    script_line_close(&q->calls);
    script_line_close(&q->renewals);
    redis_free(q->blocker);
    redis_free(q->beats);
    redis_free(q->commands);
    queue_leave(q);
}

static const struct queue_ops redis_ops = {
    .name = "redis",
    .offer = op_offer,
    .progress = queue_op_progress,
    .finish = queue_op_finish,
    .release = queue_op_release,
    .forget = op_forget,
    .draining = op_draining,
    .settled = op_settled,
    .close = op_close,
};

/* ---- opening ---- */

/* A name for results and keys: what may stand in a key. */
static void set_worker(struct queue_redis *q)
{
    char host[64] = "worker", name[128];
    (void)gethostname(host, sizeof(host) - 1);
    if (q->config->worker_name)
        snprintf(name, sizeof(name), "%s", q->config->worker_name);
    else
        snprintf(name, sizeof(name), "%.48s-%d", host, (int)getpid());
    snprintf(q->worker, 65, "%.64s", name);
    for (char *c = q->worker; *c; c++) {
        bool alnum = (*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z');
        if (!alnum && !strchr("._-", *c))
            *c = '-';
    }
}

static int connect_all(struct queue_redis *q, struct err *e)
{
    char *name = own_printf("manimd:%s", q->worker);
    struct redis_spec spec = {
        .url = q->config->redis_url,
        .user = q->config->redis_user,
        .password = q->config->redis_password,
        .ca_file = q->config->redis_ca_file,
        .client_name = name,
        .max_reply_bytes = SCRIPT_REPLY_MAX_BYTES,
        .on_state = on_commands_state,
        .arg = q,
    };
    int rc = redis_new(q->loop, &spec, &q->commands, e);
    spec.on_state = on_other_state;
    if (rc == 0)
        rc = redis_new(q->loop, &spec, &q->beats, e);
    spec.max_reply_bytes = 0;
    spec.on_oversize = on_oversize;
    if (rc == 0)
        rc = redis_new(q->loop, &spec, &q->blocker, e);
    free(name);
    script_line_init(&q->calls, q->loop, q->commands, &q->scripts);
    script_line_init(&q->renewals, q->loop, q->beats, &q->scripts);
    return rc;
}

/* A wrong password or an unfit Redis is told at once; an absent one is
 * waited for (the worker may well start before it). */
static int check_start(struct queue_redis *q, struct err *e)
{
    int64_t until_ms = clock_now_ms() + OPEN_WAIT_MS;
    while (q->policy == POLICY_UNKNOWN && clock_now_ms() < until_ms &&
           !redis_is_refused(q->commands))
        loop_step(q->loop, (int)(until_ms - clock_now_ms()));
    if (redis_is_refused(q->commands))
        return err_set(e, -EACCES, FAULT_HOST, "%s", redis_why(q->commands));
    if (q->policy == POLICY_REFUSED)
        return err_set(e, -EINVAL, FAULT_HOST, "%s", q->state_why);
    return 0;
}

int queue_open_redis(struct loop *loop, const struct config *config,
                     const struct queue_events *events, struct queue **ret, struct err *e)
{
    struct queue_redis *q = own_calloc(1, sizeof(*q));
    q->base.ops = &redis_ops;
    q->loop = loop;
    q->config = config;
    q->events = *events;
    q->started_ms = clock_now_ms();
    int rc = keys_init(&q->keys, config->queue, e);
    if (rc < 0) {
        free(q);
        return rc;
    }
    set_worker(q);
    scripts_init(&q->scripts, &q->keys, config, q->worker);
    rc = connect_all(q, e);
    if (rc == 0)
        rc = check_start(q, e);
    if (rc < 0) {
        op_close(&q->base);
        return rc;
    }
    *ret = &q->base;
    return 0;
}
