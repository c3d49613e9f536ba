/* See outbox.h; the scripts are lua/hook_claim.lua and lua/hook_end.lua. Two
 * steps, because a script must be told every key it touches: ZRANGE shows who
 * is next, hook_claim lends it if it is still due. */
#include "outbox.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/config.h"
#include "../base/err.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "../base/redis.h"
#include "job.h"
#include "script.h"

#define IDLE_MS 5000
#define AGAIN_MS 2000 /* after an error reply */
#define LOOK_AT "16"
#define LOOKS_PER_TIME 12 /* the server's clock is asked for once a minute */

enum lent_state { CLAIMING, HELD, ENDING };

struct lent_hook {
    struct hook hook; /* url, state, result point into `texts` */
    struct outbox *outbox;
    enum lent_state state;
    char *texts[3];
    int64_t claims;
    int64_t lease_until_ms;
    struct hook_verdict verdict;
    struct timer again;
    bool asked;
    struct lent_hook *next;
};

struct outbox {
    struct loop *loop;
    const struct config *config;
    struct outbox_events events;
    struct redis *redis;
    struct keys keys;
    struct scripts scripts;
    struct script_line line;
    struct lent_hook *lents;
    struct timer look;
    int64_t server_ahead_ms; /* of clock_now_ms() */
    int room, claiming, looks;
    bool looking, found_due, closing;
};

static void look(struct outbox *o);
static void send_end(struct lent_hook *l);

static void drop(struct lent_hook *l)
{
    for (struct lent_hook **at = &l->outbox->lents; *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    loop_timer_cancel(l->outbox->loop, &l->again);
    for (size_t i = 0; i < sizeof(l->texts) / sizeof(l->texts[0]); i++)
        free(l->texts[i]);
    free(l);
}

static void warn(struct outbox *o, const char *what, const char *error)
{
    char text[300];
    snprintf(text, sizeof(text), "redis: %s: %.200s", what, error);
    if (o->events.on_warning)
        o->events.on_warning(o->events.arg, text);
}

static void look_timer(void *arg)
{
    look(arg);
}

/* Then, unless it will look before that anyway. */
static void look_in(struct outbox *o, int64_t in_ms)
{
    int64_t at_ms = clock_now_ms() + in_ms;
    if (o->closing || (o->look.set && o->look.at_ms <= at_ms))
        return;
    loop_timer_cancel(o->loop, &o->look);
    loop_timer(o->loop, &o->look, in_ms, look_timer, o);
}

static void set_clock(struct outbox *o, int64_t server_ms)
{
    o->server_ahead_ms = server_ms - clock_now_ms();
}

/* ---- lending ---- */

static void keep(struct lent_hook *l, const struct reply *r)
{
    struct hook *h = &l->hook;
    l->claims = reply_number(r, 2);
    h->tries = (int)reply_number(r, 3);
    h->finished_unix_ms = reply_number(r, 4);
    snprintf(h->message, sizeof(h->message), "%s", reply_text(r, 6));
    h->url = l->texts[0] = own_strdup(reply_text(r, 5));
    h->state = l->texts[1] = own_strdup(reply_text(r, 7));
    h->result = l->texts[2] = own_strdup(reply_text(r, 8));
    l->state = HELD;
}

static void on_claim(void *arg, const struct reply *r)
{
    struct lent_hook *l = arg;
    struct outbox *o = l->outbox;
    o->claiming--;
    if (o->closing || !r->raw || r->error || strcmp(r->verdict, "ok") != 0) {
        drop(l);
        if (r->raw && r->error) {
            warn(o, "hook_claim", r->error);
            look_in(o, AGAIN_MS);
            return;
        }
    } else {
        keep(l, r);
        o->room--;
        o->events.on_hook(o->events.arg, &l->hook);
    }
    if (r->raw)
        set_clock(o, r->now_ms);
    if (o->claiming == 0 && r->raw)
        look_in(o, 0);
}

static void claim(struct outbox *o, const char *id)
{
    char lease[24], tries[24];
    int64_t lease_ms = o->config->webhook_timeout_s * 1000 + o->config->lease_ms;
    struct lent_hook *l = own_calloc(1, sizeof(*l));
    *l = (struct lent_hook){.outbox = o, .next = o->lents};
    snprintf(l->hook.id, sizeof(l->hook.id), "%s", id);
    l->lease_until_ms = clock_now_ms() + lease_ms;
    o->lents = l;
    o->claiming++;
    snprintf(lease, sizeof(lease), "%lld", (long long)lease_ms);
    snprintf(tries, sizeof(tries), "%lld", (long long)o->config->webhook_tries);
    struct script_call call = {
        .script = SCRIPT_hook_claim, .id = l->hook.id, .argc = 2, .argv = {lease, tries}};
    script_run(&o->line, &call, on_claim, l);
}

/* ---- looking ---- */

static void ask(struct outbox *o, int argc, const char *const *argv, redis_reply_fn *on_reply)
{
    const struct redis_request request = {.argc = argc, .argv = argv};
    redis_command(o->redis, &request, on_reply, o);
}

static void on_nothing(void *arg, const redisReply *raw)
{
    (void)arg;
    (void)raw;
}

/* Claims what is due; gives the time of the next one that is not, or IDLE_MS. */
static int64_t read_range(struct outbox *o, const redisReply *raw)
{
    int64_t next_ms = IDLE_MS, now_ms = clock_now_ms() + o->server_ahead_ms;
    for (size_t i = 0; i + 1 < raw->elements; i += 2) {
        const char *id = raw->element[i]->str, *score = raw->element[i + 1]->str;
        if (!id || !score || !job_valid_id(id)) {
            const char *argv[] = {"ZREM", o->keys.hooks, id ? id : ""};
            ask(o, 3, argv, on_nothing);
            continue;
        }
        int64_t in_ms = (int64_t)strtod(score, NULL) - now_ms;
        o->found_due |= in_ms <= 0;
        if (in_ms <= 0 && o->claiming < o->room)
            claim(o, id);
        else if (in_ms > 0 && in_ms < next_ms)
            next_ms = in_ms;
    }
    return next_ms;
}

static void on_range(void *arg, const redisReply *raw)
{
    struct outbox *o = arg;
    o->looking = false;
    o->found_due = false;
    if (!raw || o->closing)
        return; /* it looks when the line is back */
    if (raw->type != REDIS_REPLY_ARRAY) {
        warn(o, "hooks", raw->type == REDIS_REPLY_ERROR ? raw->str : "no list");
        look_in(o, AGAIN_MS);
        return;
    }
    int64_t next_ms = read_range(o, raw);
    if (o->claiming == 0)
        look_in(o, next_ms);
}

static void ask_range(struct outbox *o)
{
    const char *argv[] = {"ZRANGE", o->keys.hooks, "0", LOOK_AT, "WITHSCORES"};
    ask(o, 5, argv, on_range);
}

static void on_time(void *arg, const redisReply *raw)
{
    struct outbox *o = arg;
    if (raw && raw->type == REDIS_REPLY_ARRAY && raw->elements == 2 && !o->closing) {
        set_clock(o, strtoll(raw->element[0]->str, NULL, 10) * 1000 +
                         strtoll(raw->element[1]->str, NULL, 10) / 1000);
        ask_range(o);
        return;
    }
    o->looking = false;
    o->looks = 0;
    if (raw)
        look_in(o, AGAIN_MS);
}

static void look(struct outbox *o)
{
    if (o->closing || o->looking || !redis_is_up(o->redis) || o->claiming >= o->room)
        return;
    loop_timer_cancel(o->loop, &o->look);
    o->looking = true;
    if (o->looks++ % LOOKS_PER_TIME)
        ask_range(o);
    else
        ask(o, 1, (const char *[]){"TIME"}, on_time);
}

void outbox_look(struct outbox *o)
{
    look_in(o, 0);
    look(o);
}

void outbox_room(struct outbox *o, int room)
{
    bool more = room > o->room;
    o->room = room;
    if (more)
        look(o);
}

/* ---- giving back ---- */

static void end_again(void *arg)
{
    struct lent_hook *l = arg;
    if (clock_now_ms() >= l->lease_until_ms)
        drop(l); /* another courier has it, and will say how it ended */
    else if (!l->asked)
        send_end(l);
}

static void on_end(void *arg, const struct reply *r)
{
    struct lent_hook *l = arg;
    struct outbox *o = l->outbox;
    l->asked = false;
    if (o->closing)
        return;
    if (!r->raw || r->error) { /* the line broke, OOM, LOADING …: said again */
        if (r->error)
            warn(o, "hook_end", r->error);
        loop_timer(o->loop, &l->again, AGAIN_MS, end_again, l);
        return;
    }
    set_clock(o, r->now_ms);
    int64_t delay_ms = l->verdict.delay_ms;
    bool comes_back = l->verdict.end == HOOK_RETRYING || l->verdict.end == HOOK_DEFERRED;
    drop(l);
    if (comes_back)
        look_in(o, delay_ms);
}

static void send_end(struct lent_hook *l)
{
    static const char *const names[] = {[HOOK_DELIVERED] = "delivered",
                                        [HOOK_RETRYING] = "retrying",
                                        [HOOK_GIVEN_UP] = "given up",
                                        [HOOK_DEFERRED] = "deferred"};
    char claims[24], status[24], delay[24];
    const struct hook_verdict *v = &l->verdict;
    snprintf(claims, sizeof(claims), "%lld", (long long)l->claims);
    snprintf(status, sizeof(status), "%ld", v->status);
    snprintf(delay, sizeof(delay), "%lld", (long long)v->delay_ms);
    struct script_call call = {
        .script = SCRIPT_hook_end,
        .id = l->hook.id,
        .argc = 6,
        .argv = {l->hook.message, claims, names[v->end], status, v->why, delay},
    };
    l->asked = true;
    script_run(&l->outbox->line, &call, on_end, l);
}

void outbox_end(struct outbox *o, const struct hook *hook, const struct hook_verdict *verdict)
{
    for (struct lent_hook *l = o->lents; l; l = l->next)
        if (&l->hook == hook && l->state == HELD) {
            l->state = ENDING;
            l->verdict = *verdict;
            send_end(l);
            return;
        }
}

bool outbox_quiet(const struct outbox *o)
{
    return !redis_is_up(o->redis) || (!o->lents && !o->looking && !o->found_due);
}

/* ---- life ---- */

static void on_state(void *arg, bool up, const char *why)
{
    struct outbox *o = arg;
    if (o->closing)
        return;
    if (o->events.on_state)
        o->events.on_state(o->events.arg, up, why);
    o->looks = 0; /* it may be another server now */
    if (up)
        look_in(o, 0);
}

int outbox_open(struct loop *loop, const struct config *config, const struct outbox_events *events,
                struct outbox **ret, struct err *e)
{
    struct outbox *o = own_calloc(1, sizeof(*o));
    *o = (struct outbox){.loop = loop, .config = config, .events = *events};
    int rc = keys_init(&o->keys, config->queue, e);
    if (rc < 0) {
        free(o);
        return rc;
    }
    scripts_init(&o->scripts, &o->keys, config, "");
    struct redis_spec spec = {.url = config->redis_url,
                              .user = config->redis_user,
                              .password = config->redis_password,
                              .ca_file = config->redis_ca_file,
                              .client_name = "manimd:courier",
                              .max_reply_bytes = SCRIPT_REPLY_MAX_BYTES,
                              .on_state = on_state,
                              .arg = o};
    rc = redis_new(loop, &spec, &o->redis, e);
    script_line_init(&o->line, loop, o->redis, &o->scripts);
    if (rc < 0) {
        outbox_close(o);
        return rc;
    }
    *ret = o;
    return 0;
}

void *outbox_close(struct outbox *o)
{
    if (!o)
        return NULL;
    o->closing = true;
    loop_timer_cancel(o->loop, &o->look);
    script_line_close(&o->line);
    if (o->redis)
        redis_free(o->redis); /* answers what was asked, with NULL */
    while (o->lents)
        drop(o->lents);
    scripts_done(&o->scripts);
    free(o);
    return NULL;
}
