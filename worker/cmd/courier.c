/* `manimd courier` (hidden; `manimd work` keeps one): takes webhooks that are
 * due from the outbox in Redis and delivers them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/config.h"
#include "../base/err.h"
#include "../base/guard.h"
#include "../base/log.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "../events/courier.h"
#include "../events/webhook_sign.h"
#include "../intake/outbox.h"
#include "cmd.h"

#define FLYING_MS 20
#define LAST_MS 5000 /* after SIGTERM, for what is due and in the air */

struct carrier {
    struct loop *loop;
    struct config config;
    struct guard guard;
    struct webhook_secrets secrets;
    struct outbox *outbox;
    struct courier *courier;
    struct watch poke;
    struct timer last;
    bool ending, out_of_time, unsigned_said;
};

/* ---- from the outbox to the receiver, and back ---- */

static void on_hook(void *arg, const struct hook *hook)
{
    struct carrier *c = arg;
    if (c->secrets.count == 0 && !c->unsigned_said)
        log_at(LOG_WARN, "webhook_secret is not set: webhooks go out without a signature");
    c->unsigned_said = true;
    courier_take(c->courier, hook);
}

static void say(const struct hook *h, const struct hook_verdict *v)
{
    char origin[200];
    courier_origin(h->url, origin, sizeof(origin));
    if (v->end == HOOK_DELIVERED)
        log_job(LOG_INFO, h->id, "webhook delivered to %s: %ld, try %d", origin, v->status,
                h->tries);
    else if (v->end == HOOK_RETRYING)
        log_job(LOG_WARN, h->id, "webhook to %s: %s; again in %.1f s", origin, v->why,
                (double)v->delay_ms / 1000);
    else if (v->end == HOOK_GIVEN_UP)
        log_job(LOG_WARN, h->id,
                "webhook to %s given up after try %d: %s; `manimd retry --webhook ID` sends it "
                "again",
                origin, h->tries, v->why);
    else
        log_job(LOG_DEBUG, h->id, "webhook to %s waits: its receiver is busy", origin);
}

static void on_end(void *arg, const struct hook *hook, const struct hook_verdict *verdict)
{
    struct carrier *c = arg;
    say(hook, verdict);
    outbox_end(c->outbox, hook, verdict);
}

static void on_state(void *arg, bool up, const char *why)
{
    (void)arg;
    if (!up)
        log_at(LOG_WARN, "the outbox is away: %s", why ? why : "no reason given");
}

static void on_warning(void *arg, const char *text)
{
    (void)arg;
    log_at(LOG_WARN, "%s", text);
}

/* ---- the end ---- */

static void on_last(void *arg)
{
    struct carrier *c = arg;
    c->out_of_time = true;
}

static void end_soon(struct carrier *c)
{
    if (c->ending)
        return;
    c->ending = true;
    loop_timer(c->loop, &c->last, LAST_MS, on_last, c);
    outbox_look(c->outbox);
}

static void on_signal(void *arg, int signo)
{
    (void)signo;
    end_soon(arg);
}

static void on_poke(void *arg, uint32_t events)
{
    struct carrier *c = arg;
    char bytes[256];
    (void)events;
    ssize_t n = read(0, bytes, sizeof(bytes));
    if (n > 0) {
        outbox_look(c->outbox);
    } else if (n == 0 || errno != EAGAIN) {
        loop_unwatch(c->loop, &c->poke); /* the worker is gone */
        end_soon(c);
    }
}

static void carry(struct carrier *c)
{
    while (!c->out_of_time) {
        bool flying = courier_turn(c->courier, FLYING_MS);
        outbox_room(c->outbox, courier_room(c->courier));
        if (c->ending && !flying && outbox_quiet(c->outbox))
            break;
        loop_step(c->loop, flying ? 0 : -1);
    }
}

/* ---- life ---- */

static int open_all(struct carrier *c, bool poked, struct err *e)
{
    const struct outbox_events events = {
        .on_hook = on_hook, .on_state = on_state, .on_warning = on_warning, .arg = c};
    const struct courier_spec spec = {
        .guard = &c->guard,
        .secrets = &c->secrets,
        .ca_file = c->config.webhook_ca_file,
        .timeout_ms = c->config.webhook_timeout_s * 1000,
        .retry_base_ms = c->config.webhook_retry_base_ms,
        .tries = (int)c->config.webhook_tries,
        .on_end = on_end,
        .arg = c,
    };
    sigset_t signals;
    signal(SIGPIPE, SIG_IGN); /* a TLS line that broke: who writes is told by EPIPE */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    c->courier = courier_new(&spec);
    int rc = loop_signals(c->loop, &signals, on_signal, c);
    if (!rc)
        rc = outbox_open(c->loop, &c->config, &events, &c->outbox, e);
    if (!rc && poked)
        rc = loop_watch(c->loop, &c->poke, 0, EPOLLIN, on_poke, c);
    return rc;
}

static int check(struct carrier *c, struct err *e)
{
    int rc = webhook_secrets_parse(c->config.webhook_secret, &c->secrets, e);
    if (!rc)
        rc = guard_init(&c->guard, c->config.guard_allow, c->config.allow_http, e);
    return rc;
}

static int run(struct carrier *c, bool poked, struct err *e)
{
    if (check(c, e))
        return EXIT_USAGE;
    config_scrub_environment();
    (void)prctl(PR_SET_DUMPABLE, 0); /* no one of our uid reads the secrets */
    log_set_context(NULL, "courier");
    c->loop = loop_new();
    int rc = open_all(c, poked, e);
    if (!rc)
        carry(c);
    if (c->poke.fd >= 0)
        loop_unwatch(c->loop, &c->poke);
    c->courier = courier_free(c->courier);
    outbox_close(c->outbox);
    loop_timer_cancel(c->loop, &c->last);
    loop_free(c->loop);
    return rc ? EXIT_HOST : EXIT_DONE;
}

int cmd_courier(int argc, char **argv)
{
    bool poked = false;
    const struct arg table[] = {{"poked", 0, ARG_FLAG, &poked, NULL,
                                 "standard input says when to look, and when to end", 0, 0},
                                {0}};
    const struct args args = {
        .usage = "courier [options]",
        .about = "Delivers webhooks. `manimd work` keeps one of them running.",
        .table = table,
    };
    struct carrier c = {.poke = WATCH_INIT};
    int exit;
    if (!cmd_begin(&c.config, &args, argc, argv, &exit))
        return exit;
    struct err e = ERR_INIT;
    exit = run(&c, poked, &e);
    if (e.text[0])
        exit = cmd_fail(exit, &e);
    webhook_secrets_wipe(&c.secrets);
    config_done(&c.config);
    return exit;
}
