/* See redis.h. Commands wait until the link is up and its greeting (AUTH,
 * SELECT, CLIENT SETNAME, PING) was answered; then they are sent in order, and
 * replies come in the same order. hiredis only writes and reads RESP. */
#include "redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "loop.h"
#include "own.h"
#include "redis_link.h"
#include "redis_scan.h"
#include "redis_url.h"

#define DEADLINE_MS 10000
#define LINGER_MS 200
#define RETRY_BASE_MS 50
#define RETRY_CAP_MS 5000
#define REFUSED_MS 30000
#define MAX_REPLY_BYTES (1024 * 1024)

struct command {
    struct command *next;
    char *text;     /* RESP */
    bool formatted; /* by hiredis */
    size_t bytes;
    int64_t deadline_ms;
    redis_reply_fn *on_reply;
    void *arg;
};

struct commands {
    struct command *head, *tail;
};

struct redis {
    struct loop *loop;
    struct redis_spec spec; /* strings of it are not used after redis_new() */
    struct redis_url url;
    char client_name[128];
    struct link *link;
    redisReader *reader;
    struct redis_scan scan;
    struct commands waiting, sent;
    struct timer late, retry;
    bool up, refused;
    int tries;               /* in a row, none of which came to answer a command */
    unsigned serial;         /* of the connection: old ones' data is not taken for new */
    const char *greeting[4]; /* commands of the greeting that are unanswered */
    int greeted, greetings;
    char why[512];
    int busy; /* callbacks under way */
    bool dead;
};

static void broke(struct redis *r, const char *why);

/* ---- lists of commands ---- */

static void append(struct commands *list, struct command *c)
{
    c->next = NULL;
    if (list->tail)
        list->tail->next = c;
    else
        list->head = c;
    list->tail = c;
}

static struct command *pop(struct commands *list)
{
    struct command *c = list->head;
    if (c) {
        list->head = c->next;
        if (!list->head)
            list->tail = NULL;
    }
    return c;
}

static void answer(struct command *c, const struct redisReply *reply)
{
    if (c->on_reply)
        c->on_reply(c->arg, reply);
    if (c->formatted)
        redisFreeCommand(c->text);
    else
        free(c->text);
    free(c);
}

/* What was there when we began: callbacks may give new commands. */
static void answer_none(struct commands *list)
{
    struct commands all = *list;
    struct command *c;
    *list = (struct commands){0};
    while ((c = pop(&all)))
        answer(c, NULL);
}

/* ---- life ---- */

static void leave(struct redis *r)
{
    if (--r->busy > 0 || !r->dead)
        return;
    link_free(r->link);
    redisReaderFree(r->reader);
    redis_url_done(&r->url);
    free(r);
}

static void connect_now(void *arg)
{
    struct redis *r = arg;
    r->busy++;
    link_open(r->link);
    leave(r);
}

/* ---- deadlines ---- */

static void on_late(void *arg);

/* Called for each command and reply: a timer that comes too early costs less
 * than looking through all of them each time. */
static void arm_late(struct redis *r)
{
    if (r->late.set && !r->dead && (r->sent.head || r->waiting.head))
        return;
    int64_t first = INT64_MAX;
    for (const struct command *c = r->sent.head; c; c = c->next)
        first = c->deadline_ms < first ? c->deadline_ms : first;
    for (const struct command *c = r->waiting.head; c; c = c->next)
        first = c->deadline_ms < first ? c->deadline_ms : first;
    loop_timer_cancel(r->loop, &r->late);
    if (first == INT64_MAX || r->dead)
        return;
    int64_t in_ms = first - clock_now_ms();
    loop_timer(r->loop, &r->late, in_ms > 0 ? in_ms : 0, on_late, r);
}

static bool any_late(const struct commands *list, int64_t now_ms)
{
    for (const struct command *c = list->head; c; c = c->next)
        if (c->deadline_ms <= now_ms)
            return true;
    return false;
}

static struct commands take_late(struct commands *list, int64_t now_ms)
{
    struct commands late = {0}, rest = {0};
    struct command *c;
    while ((c = pop(list)))
        append(c->deadline_ms <= now_ms ? &late : &rest, c);
    *list = rest;
    return late;
}

static void on_late(void *arg)
{
    struct redis *r = arg;
    int64_t now_ms = clock_now_ms();
    r->busy++;
    struct commands late = take_late(&r->waiting, now_ms);
    if (any_late(&r->sent, now_ms))
        broke(r, "no answer in time");
    answer_none(&late);
    arm_late(r);
    leave(r);
}

/* ---- sending ---- */

static void pump(struct redis *r)
{
    while (r->up && r->waiting.head && link_room(r->link) >= r->waiting.head->bytes) {
        struct command *c = pop(&r->waiting);
        append(&r->sent, c);
        link_write(r->link, c->text, c->bytes);
    }
}

static struct command *make_command(const struct redis_request *q)
{
    struct command *c = own_calloc(1, sizeof(*c));
    /* hiredis takes the arguments as not const, and does not write to them. */
    int n =
        redisFormatCommandArgv(&c->text, q->argc, (const char **)(uintptr_t)q->argv, q->lengths);
    if (n < 0)
        abort(); /* out of memory: own.h */
    c->bytes = (size_t)n;
    c->formatted = true;
    return c;
}

static void give(struct redis *r, struct command *c, int64_t deadline_ms)
{
    c->deadline_ms = clock_now_ms() + (deadline_ms ? deadline_ms : DEADLINE_MS);
    if (r->dead) { /* given by a callback of redis_free() */
        answer(c, NULL);
        return;
    }
    append(&r->waiting, c);
    pump(r);
    if (r->late.set && c->deadline_ms < r->late.at_ms)
        loop_timer_cancel(r->loop, &r->late);
    arm_late(r);
}

void redis_command(struct redis *r, const struct redis_request *request, redis_reply_fn *on_reply,
                   void *arg)
{
    struct command *c = make_command(request);
    c->on_reply = on_reply;
    c->arg = arg;
    give(r, c, request->deadline_ms);
}

void redis_command_parts(struct redis *r, const struct redis_part *parts, size_t count,
                         int64_t deadline_ms, redis_reply_fn *on_reply, void *arg)
{
    struct command *c = own_calloc(1, sizeof(*c));
    c->on_reply = on_reply;
    c->arg = arg;
    for (size_t i = 0; i < count; i++)
        c->bytes += parts[i].bytes;
    char *at = c->text = own_realloc(NULL, c->bytes);
    for (size_t i = 0; i < count; i++) {
        memcpy(at, parts[i].data, parts[i].bytes);
        at += parts[i].bytes;
    }
    give(r, c, deadline_ms);
}

/* ---- going down ---- */

static void tell_down(struct redis *r, bool was_up, const char *why)
{
    char text[sizeof(r->why)];
    snprintf(text, sizeof(text), "redis \"%s\": %.300s", r->url.shown, why);
    bool news = was_up || strcmp(text, r->why) != 0;
    memcpy(r->why, text, sizeof(r->why));
    if (news && r->spec.on_state)
        r->spec.on_state(r->spec.arg, false, r->why);
}

/* The connection is of no more use. What was sent may have run or not. */
static void went_down(struct redis *r, const char *why, bool refused)
{
    bool was_up = r->up;
    int64_t in_ms = REFUSED_MS;
    r->serial++;
    r->up = false;
    r->refused = refused;
    r->greetings = r->greeted = 0;
    if (!refused)
        in_ms = clock_backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, r->tries++);
    if (!r->dead)
        loop_timer(r->loop, &r->retry, in_ms, connect_now, r);
    tell_down(r, was_up, why);
    answer_none(&r->sent);
}

static void broke(struct redis *r, const char *why)
{
    link_close(r->link);
    went_down(r, why, false);
}

static void on_closed(void *arg, const char *why, int refused)
{
    struct redis *r = arg;
    r->busy++;
    went_down(r, why, refused != 0);
    arm_late(r);
    leave(r);
}

void redis_reconnect(struct redis *r, const char *why)
{
    r->busy++;
    if (r->up)
        broke(r, why);
    arm_late(r);
    leave(r);
}

/* ---- the greeting ---- */

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* Errors that no new try will mend soon. */
static bool is_refusal(const char *error)
{
    return begins(error, "NOAUTH") || begins(error, "WRONGPASS") || begins(error, "NOPERM") ||
           begins(error, "ERR invalid password") || begins(error, "ERR AUTH") ||
           begins(error, "ERR Client sent AUTH") || begins(error, "ERR DB index");
}

/* A name is only for people, and an ACL may keep us from PING: both may fail. */
static bool may_fail(const char *step, const char *error)
{
    return strcmp(step, "CLIENT") == 0 || (strcmp(step, "PING") == 0 && begins(error, "NOPERM"));
}

static void now_up(struct redis *r)
{
    r->up = true;
    r->refused = false;
    r->why[0] = 0;
    if (r->spec.on_state)
        r->spec.on_state(r->spec.arg, true, "");
    pump(r);
}

static void on_greeting(void *arg, const struct redisReply *reply)
{
    struct redis *r = arg;
    if (!reply)
        return; /* it broke: went_down() is at work */
    const char *step = r->greeting[r->greeted++];
    if (reply->type == REDIS_REPLY_ERROR && !may_fail(step, reply->str)) {
        char why[300];
        snprintf(why, sizeof(why), "%s: %.250s", step, reply->str);
        bool refused = is_refusal(reply->str);
        link_close(r->link);
        went_down(r, why, refused);
    } else if (r->greeted == r->greetings) {
        now_up(r);
    }
}

static void greet(struct redis *r, int argc, const char *const *argv)
{
    struct command *c = make_command(&(struct redis_request){.argc = argc, .argv = argv});
    c->deadline_ms = clock_now_ms() + DEADLINE_MS;
    c->on_reply = on_greeting;
    c->arg = r;
    r->greeting[r->greetings++] = argv[0];
    append(&r->sent, c);
    link_write(r->link, c->text, c->bytes);
}

static void on_open(void *arg)
{
    struct redis *r = arg;
    char db[16];
    r->busy++;
    redisReaderFree(r->reader);
    r->reader = redisReaderCreate();
    redis_scan_reset(&r->scan);
    r->greetings = r->greeted = 0;
    if (r->url.user && r->url.password)
        greet(r, 3, (const char *[]){"AUTH", r->url.user, r->url.password});
    else if (r->url.password)
        greet(r, 2, (const char *[]){"AUTH", r->url.password});
    snprintf(db, sizeof(db), "%d", r->url.db);
    if (r->url.db)
        greet(r, 2, (const char *[]){"SELECT", db});
    if (r->client_name[0])
        greet(r, 3, (const char *[]){"CLIENT", "SETNAME", r->client_name});
    greet(r, 1, (const char *[]){"PING"});
    arm_late(r);
    leave(r);
}

/* ---- receiving ---- */

static bool scan_data(struct redis *r, const char *data, size_t bytes)
{
    char why[160];
    enum redis_scan_verdict v = redis_scan(&r->scan, data, bytes);
    if (v == SCAN_FINE)
        return true;
    if (v == SCAN_BROKEN) {
        broke(r, "its reply is no RESP");
        return false;
    }
    r->tries = 0;
    if (r->spec.on_oversize)
        r->spec.on_oversize(r->spec.arg, r->scan.announced);
    snprintf(why, sizeof(why), "a reply of %lld bytes was announced, at most %lld allowed",
             (long long)r->scan.announced, (long long)r->scan.max_bytes);
    broke(r, why);
    return false;
}

static void take_replies(struct redis *r)
{
    unsigned serial = r->serial;
    while (r->serial == serial && !r->dead) {
        void *reply = NULL;
        if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
            broke(r, "its reply is no RESP");
            return;
        }
        if (!reply)
            return;
        struct command *c = pop(&r->sent);
        if (r->up)
            r->tries = 1; /* it serves; not 0: a line cut again and again is no busy loop */
        if (c)
            answer(c, reply);
        else
            broke(r, "it answered what was not asked");
        freeReplyObject(reply);
    }
}

static void on_data(void *arg, const char *data, size_t bytes)
{
    struct redis *r = arg;
    r->busy++;
    if (!r->dead && scan_data(r, data, bytes)) {
        redisReaderFeed(r->reader, data, bytes);
        take_replies(r);
        if (!r->dead)
            pump(r);
    }
    arm_late(r);
    leave(r);
}

/* ---- the outside ---- */

static void override(char **into, const char *value)
{
    if (!value)
        return;
    free(*into);
    *into = own_strdup(value);
}

/* Redis refuses names with spaces or control characters. */
static void set_client_name(struct redis *r, const char *name)
{
    size_t n = 0;
    for (; name && name[n] && n < sizeof(r->client_name) - 1; n++)
        r->client_name[n] = name[n] > 0x20 && name[n] < 0x7f ? name[n] : '-';
    r->client_name[n] = 0;
}

int redis_new(struct loop *loop, const struct redis_spec *spec, struct redis **ret, struct err *e)
{
    struct redis_url url;
    int rc = redis_url_parse(spec->url, &url, e);
    if (rc < 0)
        return rc;
    struct redis *r = own_calloc(1, sizeof(*r));
    r->loop = loop;
    r->spec = *spec;
    r->url = url;
    override(&r->url.user, url.user ? NULL : spec->user);
    override(&r->url.password, url.password ? NULL : spec->password);
    set_client_name(r, spec->client_name);
    r->scan.max_bytes = spec->max_reply_bytes ? spec->max_reply_bytes : MAX_REPLY_BYTES;
    r->reader = redisReaderCreate();
    struct link_events events = {on_open, on_data, on_closed, r};
    rc = link_new(loop, &r->url, spec->ca_file, &events, &r->link, e);
    if (rc < 0) {
        redis_free(r);
        return rc;
    }
    loop_timer(loop, &r->retry, 0, connect_now, r);
    *ret = r;
    return 0;
}

void *redis_free(struct redis *r)
{
    if (!r || r->dead)
        return NULL;
    bool was_up = r->up;
    r->busy++;
    r->dead = true;
    r->up = false;
    r->serial++;
    loop_timer_cancel(r->loop, &r->retry);
    loop_timer_cancel(r->loop, &r->late);
    if (r->link && was_up && r->sent.head)
        link_linger(r->link, LINGER_MS);
    if (r->link)
        link_close(r->link);
    answer_none(&r->sent);
    answer_none(&r->waiting);
    leave(r);
    return NULL;
}

bool redis_is_up(const struct redis *r)
{
    return r->up;
}

const char *redis_why(const struct redis *r)
{
    return r->why;
}

bool redis_is_refused(const struct redis *r)
{
    return r->refused;
}

/* ---- one call, waited for ---- */

struct call {
    struct redis *redis;
    redisReply *reply; /* a copy: the connection's is gone after the callback */
    bool done;
};

static redisReply *copy_reply(const redisReply *from)
{
    redisReply *to = own_calloc(1, sizeof(*to));
    to->type = from->type;
    to->integer = from->integer;
    if (from->str) {
        to->str = own_calloc(1, from->len + 1);
        memcpy(to->str, from->str, from->len);
        to->len = from->len;
    }
    if (from->elements)
        to->element = own_calloc(from->elements, sizeof(redisReply *));
    for (to->elements = 0; to->elements < from->elements; to->elements++)
        to->element[to->elements] = copy_reply(from->element[to->elements]);
    return to;
}

static void on_call(void *arg, const struct redisReply *reply)
{
    struct call *call = arg;
    call->done = true;
    call->reply = reply ? copy_reply(reply) : NULL;
}

/* Of a server that starts, is busy with a script, or has lost its master. */
static bool will_pass(const char *error)
{
    static const char *const names[] = {"LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (begins(error, names[i]))
            return true;
    return false;
}

int redis_call(struct redis *r, struct loop *loop, const struct redis_request *request,
               struct redisReply **ret, struct err *e)
{
    struct call call = {.redis = r};
    redis_command(r, request, on_call, &call);
    while (!call.done)
        loop_step(loop, -1);
    if (!call.reply)
        return err_set(e, -ETIMEDOUT, FAULT_PEER, "%s",
                       r->why[0] ? r->why : "redis: no answer in time");
    if (call.reply->type == REDIS_REPLY_ERROR) {
        int rc =
            err_set(e, will_pass(call.reply->str) ? -EBUSY : -EIO, FAULT_PEER,
                    "redis \"%s\": %s: %.300s", r->url.shown, request->argv[0], call.reply->str);
        freeReplyObject(call.reply);
        return rc;
    }
    *ret = call.reply;
    return 0;
}
