/* See courier.h. */
#include "courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/err.h"
#include "../base/http.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "webhook.h"
#include "webhook_sign.h"

#define PER_ORIGIN (HTTP_PARALLEL_MAX / 2)
#define ORIGINS 64 /* more than fly at the same time: there is always one to reuse */
#define CROWDED_MS 5000
#define SLOW_STEPS 12 /* of retry_base_ms: a minute */

struct origin {
    char name[280];
    int flying;
    int64_t slow_until_ms; /* 0: it is not */
    int64_t used_ms;
};

struct flight {
    const struct hook *hook; /* NULL: the seat is free */
    struct origin *origin;
    struct http_call call;
    char *body;
    char *lines[3];
    const char *headers[6];
    struct buf answer;
};

struct courier {
    struct courier_spec spec;
    struct http *http;
    struct flight flights[HTTP_PARALLEL_MAX];
    struct origin origins[ORIGINS];
};

struct courier *courier_new(const struct courier_spec *spec)
{
    struct courier *c = own_calloc(1, sizeof(*c));
    c->spec = *spec;
    c->http = http_new();
    return c;
}

int courier_room(const struct courier *c)
{
    int room = 0;
    for (size_t i = 0; i < HTTP_PARALLEL_MAX; i++)
        room += c->flights[i].hook == NULL;
    return room;
}

/* ---- receivers ---- */

void courier_origin(const char *url, char *ret, size_t bytes)
{
    const char *authority = strstr(url, "://");
    authority = authority ? authority + 3 : url;
    size_t n = (size_t)(authority - url) + strcspn(authority, "/?#@");
    snprintf(ret, bytes, "%.*s", (int)(n < bytes ? n : bytes - 1), url);
}

static struct origin *find_origin(struct courier *c, const char *url)
{
    char name[sizeof(c->origins[0].name)];
    struct origin *oldest = NULL;
    courier_origin(url, name, sizeof(name));
    for (struct origin *o = c->origins; o < c->origins + ORIGINS; o++) {
        if (strcasecmp(o->name, name) == 0)
            return o;
        if (o->flying == 0 && (!oldest || o->used_ms < oldest->used_ms))
            oldest = o;
    }
    *oldest = (struct origin){0};
    snprintf(oldest->name, sizeof(oldest->name), "%s", name);
    return oldest;
}

/* How long it is to be spared; 0: it can take one more. */
static int64_t busy_ms(const struct origin *o)
{
    int64_t slow_ms = o->slow_until_ms - clock_now_ms();
    if (slow_ms > 0)
        return slow_ms;
    return o->flying >= PER_ORIGIN ? CROWDED_MS : 0;
}

static void note_slow(struct courier *c, struct origin *o, const struct webhook_answer *a)
{
    static const long slow[] = {429, 502, 503, 504};
    int64_t for_ms = c->spec.retry_base_ms * SLOW_STEPS;
    if (for_ms < a->retry_after_ms)
        for_ms = a->retry_after_ms;
    o->slow_until_ms = 0;
    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
        if (a->rc == 0 && a->status == slow[i])
            o->slow_until_ms = clock_now_ms() + for_ms;
}

/* ---- a delivery ---- */

static void set_headers(struct courier *c, struct flight *f)
{
    int64_t unix_s = clock_unix_ms() / 1000;
    size_t n = 0;
    own_free char *signature =
        webhook_sign(c->spec.secrets, f->hook->message, unix_s, f->body, strlen(f->body));
    f->lines[0] = own_printf("webhook-id: %s", f->hook->message);
    f->lines[1] = own_printf("webhook-timestamp: %lld", (long long)unix_s);
    f->lines[2] = signature ? own_printf("webhook-signature: %s", signature) : NULL;
    f->headers[n++] = "content-type: application/json";
    f->headers[n++] = "expect:"; /* no waiting for leave to send */
    for (size_t i = 0; i < 3; i++)
        if (f->lines[i])
            f->headers[n++] = f->lines[i];
    f->headers[n] = NULL;
}

static void start(struct courier *c, struct flight *f, const struct hook *hook, struct origin *o)
{
    *f = (struct flight){.hook = hook, .origin = o, .body = webhook_body(hook)};
    f->answer = (struct buf)BUF_INIT(CEILING_HTTP_ANSWER_BYTES);
    set_headers(c, f);
    o->flying++;
    o->used_ms = clock_now_ms();
    f->call.request = (struct http_request){
        .method = "POST",
        .url = hook->url,
        .headers = f->headers,
        .body_fd = -1,
        .body = f->body,
        .body_bytes = (int64_t)strlen(f->body),
        .ca_file = c->spec.ca_file,
        .guard = c->spec.guard,
        .connect_ms = c->spec.timeout_ms,
        .total_ms = c->spec.timeout_ms,
    };
    f->call.answer.headers = &f->answer; /* the body is dropped unread */
    (void)http_begin(c->http, &f->call); /* there are as many seats as flights */
}

void courier_take(struct courier *c, const struct hook *hook)
{
    struct origin *o = find_origin(c, hook->url);
    int64_t wait_ms = busy_ms(o);
    for (struct flight *f = c->flights; wait_ms == 0 && f < c->flights + HTTP_PARALLEL_MAX; f++)
        if (!f->hook) {
            start(c, f, hook, o);
            return;
        }
    struct hook_verdict v = {.end = HOOK_DEFERRED};
    v.delay_ms = wait_ms + clock_backoff_ms(CROWDED_MS, CROWDED_MS, 0);
    c->spec.on_end(c->spec.arg, hook, &v);
}

static void clear(struct flight *f)
{
    free(f->body);
    for (size_t i = 0; i < 3; i++)
        free(f->lines[i]);
    buf_done(&f->answer);
    if (f->origin)
        f->origin->flying--;
    *f = (struct flight){0};
}

static void land(struct courier *c, struct flight *f)
{
    char after[64];
    const struct webhook_terms terms = {c->spec.tries, c->spec.retry_base_ms};
    struct webhook_answer a = {
        .rc = f->call.rc, .why = f->call.err.text, .status = f->call.answer.status};
    if (a.rc == 0 && http_header(&f->answer, "retry-after", after, sizeof(after)))
        a.retry_after_ms = webhook_retry_after_ms(after, clock_unix_ms());
    struct hook_verdict v;
    webhook_judge(&terms, f->hook, &a, &v);
    note_slow(c, f->origin, &a);
    const struct hook *hook = f->hook;
    clear(f);
    c->spec.on_end(c->spec.arg, hook, &v);
}

bool courier_turn(struct courier *c, int wait_ms)
{
    bool flying = http_turn(c->http, wait_ms);
    for (struct flight *f = c->flights; f < c->flights + HTTP_PARALLEL_MAX; f++)
        if (f->hook && f->call.rc != HTTP_RUNNING)
            land(c, f);
    return flying;
}

void *courier_free(struct courier *c)
{
    if (!c)
        return NULL;
    http_free(c->http);
    for (size_t i = 0; i < HTTP_PARALLEL_MAX; i++)
        clear(&c->flights[i]);
    free(c);
    return NULL;
}
