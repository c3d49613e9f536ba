/* What a hostile Redis answers, as replies: the whole Redis queue over a
 * connection that is ours, a clock that is ours, and a caller who does with its
 * claims whatever the input says. Nothing is lent that is no job, nothing is
 * touched that is gone (the sanitizers see it), nothing is left.
 *
 * Input: flags, a byte for each of the caller's doings, replies in RESP after a
 * line's end. With FLAG_FIT the questions whether this Redis may hold jobs, and
 * what is only told, are answered well by ourselves. Unless FLAG_IN_TURN says so,
 * the next reply is not for whoever asks first: texts are for the inbox's peek,
 * which waits for one, all else for the others. */
#include <hiredis/hiredis.h>

#include "../../worker/base/clock.h"
#include "../../worker/base/err.h"
#include "../../worker/base/loop.h"
#include "../../worker/base/redis.h"
#include "../../worker/base/redis_scan.h"
#include "../../worker/intake/job.h"
#include "../../worker/intake/queue.h"
#include "fuzz.h"

#define CONNECTIONS 3
#define CLAIMS_MAX 8
#define STEPS_MAX 300
#define STEP_MS 400

enum { FLAG_FIT = 1, FLAG_BREAKS = 2, FLAG_OVERSIZE = 4, FLAG_IN_TURN = 8, FLAG_RAW = 16 };

int64_t __wrap_clock_now_ms(void);
int64_t __wrap_clock_unix_ms(void);
int64_t __wrap_clock_jitter_ms(int64_t base_ms, int percent);
int64_t __wrap_clock_backoff_ms(int64_t base_ms, int64_t cap_ms, int attempt);
void __wrap_loop_step(struct loop *loop, int timeout_ms);
void __real_loop_step(struct loop *loop, int timeout_ms);

struct command {
    struct command *next;
    char *name, *first; /* argv[0], and argv[1] or "" */
    int calls;          /* of a script: that travel together; 0: it is none */
    redis_reply_fn *on_reply;
    void *arg;
};

struct redis {
    struct redis_spec spec;
    bool up, used;
    struct command *head, **tail;
};

static struct {
    int64_t now_ms;
    unsigned flags;
    struct redis connections[CONNECTIONS];
    int made, steps;
    redisReader *reader;
    redisReply *next; /* taken from the reader, not given to anybody yet */
    struct feed doings;
    struct queue *queue;
    struct claim *claims[CLAIMS_MAX];
} world;

int64_t __wrap_clock_now_ms(void)
{
    return world.now_ms;
}

int64_t __wrap_clock_unix_ms(void)
{
    return world.now_ms + 1700000000000;
}

int64_t __wrap_clock_jitter_ms(int64_t base_ms, int percent)
{
    (void)percent;
    return base_ms;
}

int64_t __wrap_clock_backoff_ms(int64_t base_ms, int64_t cap_ms, int attempt)
{
    return attempt ? cap_ms : base_ms;
}

/* ---- the connection: ours instead of redis.c ---- */

int redis_new(struct loop *loop, const struct redis_spec *spec, struct redis **ret, struct err *e)
{
    (void)loop;
    (void)e;
    must(world.made < CONNECTIONS);
    struct redis *r = *ret = &world.connections[world.made++];
    *r = (struct redis){.spec = *spec, .used = true};
    r->tail = &r->head;
    return 0;
}

static struct command *pop(struct redis *r)
{
    struct command *c = r->head;
    if (c && !(r->head = c->next))
        r->tail = &r->head;
    return c;
}

static void answer(struct command *c, const redisReply *reply)
{
    c->on_reply(c->arg, reply);
    free(c->name);
    free(c->first);
    free(c);
}

void *redis_free(struct redis *r)
{
    struct command *c;
    if (!r)
        return NULL;
    r->used = r->up = false;
    while ((c = pop(r)))
        answer(c, NULL);
    return NULL;
}

bool redis_is_up(const struct redis *r)
{
    return r && r->up;
}

const char *redis_why(const struct redis *r)
{
    (void)r;
    return "it is down";
}

bool redis_is_refused(const struct redis *r)
{
    (void)r;
    return false;
}

static void go_down(struct redis *r, const char *why)
{
    struct command *all = r->head, *c;
    r->up = false;
    r->head = NULL;
    r->tail = &r->head;
    if (r->spec.on_state)
        r->spec.on_state(r->spec.arg, false, why);
    while ((c = all)) {
        all = c->next;
        answer(c, NULL);
    }
}

void redis_reconnect(struct redis *r, const char *why)
{
    if (r->used && r->up)
        go_down(r, why);
}

static void give(struct redis *r, struct command *c)
{
    if (!r->used) {
        answer(c, NULL);
        return;
    }
    *r->tail = c;
    r->tail = &c->next;
}

void redis_command(struct redis *r, const struct redis_request *request, redis_reply_fn *on_reply,
                   void *arg)
{
    struct command *c = own_calloc(1, sizeof(*c));
    c->name = own_strdup(request->argv[0]);
    c->first = own_strdup(request->argc > 1 ? request->argv[1] : "");
    c->on_reply = on_reply;
    c->arg = arg;
    give(r, c);
}

/* Scripts: `*N`, a name, a digest or text, the number of keys (script.c). */
void redis_command_parts(struct redis *r, const struct redis_part *parts, size_t count,
                         int64_t deadline_ms, redis_reply_fn *on_reply, void *arg)
{
    struct command *c = own_calloc(1, sizeof(*c));
    own_free char *head = own_strndup(parts[0].data, parts[0].bytes);
    (void)deadline_ms;
    must(count == 5 && parts[0].bytes > 2);
    head[parts[0].bytes - 2] = 0;
    c->calls = ((int)strtol(strrchr(head, '\n') + 1, NULL, 10) - 11) / 4;
    must(c->calls >= 1);
    c->name = own_strdup("EVALSHA");
    c->first = own_strdup("");
    c->on_reply = on_reply;
    c->arg = arg;
    give(r, c);
}

int redis_call(struct redis *r, struct loop *loop, const struct redis_request *request,
               struct redisReply **ret, struct err *e)
{
    (void)r;
    (void)loop;
    (void)request;
    (void)ret;
    return err_set(e, -1, FAULT_PEER, "not asked for here");
}

/* ---- the other side ---- */

/* What a fit Redis says to the questions of vet.c; NULL: none of them. */
static const char *fit_answer(const struct command *c)
{
    static const struct {
        const char *name, *reply;
    } good[] = {
        {"INFO", "$24\r\n#\r\nredis_version:7.0.0\r\n\r\n"},
        {"CONFIG", "*2\r\n$1\r\nm\r\n$10\r\nnoeviction\r\n"},
        {"HSETNX", ":1\r\n"},
        {"HGET", "$1\r\n1\r\n"},
        {"TIME", "*2\r\n$10\r\n1700001000\r\n$1\r\n0\r\n"},
        {"HSET", ":1\r\n"},
        {"ZADD", ":1\r\n"},
        {"EXPIRE", ":1\r\n"},
    };
    for (size_t i = 0; world.flags & FLAG_FIT && i < sizeof(good) / sizeof(good[0]); i++)
        if (strcmp(c->name, good[i].name) == 0)
            return good[i].reply;
    return NULL;
}

static redisReply *reply_of(const char *text)
{
    void *reply = NULL;
    redisReader *reader = redisReaderCreate();
    must(redisReaderFeed(reader, text, strlen(text)) == REDIS_OK);
    must(redisReaderGetReply(reader, &reply) == REDIS_OK && reply);
    redisReaderFree(reader);
    return reply;
}

static redisReply *look_ahead(void)
{
    void *reply = NULL;
    if (!world.next && redisReaderGetReply(world.reader, &reply) == REDIS_OK)
        world.next = reply;
    return world.next;
}

/* Whether the next reply goes to this connection. */
static bool is_for(const struct redis *r, const redisReply *next)
{
    const struct redis *blocker = &world.connections[CONNECTIONS - 1];
    bool text = next->type == REDIS_REPLY_STRING;
    if (world.flags & FLAG_IN_TURN)
        return true;
    return r == blocker ? text || next->type == REDIS_REPLY_ERROR : !text || !blocker->head;
}

/* What the next replies say to each of the calls that travel together, in an array;
 * with FLAG_RAW, or where it is an error, the first of them is the whole reply. */
static redisReply *gather(redisReply *first, int calls)
{
    if (world.flags & FLAG_RAW || first->type == REDIS_REPLY_ERROR)
        return first;
    redisReply *all = own_calloc(1, sizeof(*all));
    all->type = REDIS_REPLY_ARRAY;
    all->element = own_calloc((size_t)calls, sizeof(redisReply *));
    all->element[all->elements++] = first;
    while ((int)all->elements < calls && look_ahead()) {
        all->element[all->elements++] = world.next;
        world.next = NULL;
    }
    return all;
}

static void serve(struct redis *r)
{
    if (!r->used || !r->up || !r->head)
        return;
    const char *good = fit_answer(r->head);
    redisReply *reply = good ? reply_of(good) : look_ahead();
    if (!reply) {
        if (world.flags & FLAG_BREAKS)
            go_down(r, "closed by the server");
        return;
    }
    if (!good && !is_for(r, reply))
        return;
    if (!good)
        world.next = NULL;
    if (!good && r->head->calls)
        reply = gather(reply, r->head->calls);
    answer(pop(r), reply);
    freeReplyObject(reply);
}

static void come_up(struct redis *r)
{
    if (!r->used || r->up)
        return;
    r->up = true;
    r->spec.on_state(r->spec.arg, true, "");
}

/* Also called by queue_open_redis() while it waits. */
void __wrap_loop_step(struct loop *loop, int timeout_ms)
{
    (void)timeout_ms;
    world.now_ms += STEP_MS;
    world.steps++;
    for (int i = 0; i < world.made; i++)
        come_up(&world.connections[i]);
    for (int i = 0; i < world.made; i++)
        serve(&world.connections[i]);
    __real_loop_step(loop, 0);
}

/* ---- the caller ---- */

static void on_claim(void *arg, struct claim *c)
{
    (void)arg;
    must(job_valid_id(c->job.id) && c->job.json && strlen(c->nonce) == JOB_NONCE_CHARS);
    for (int i = 0; i < CLAIMS_MAX; i++)
        if (!world.claims[i]) {
            world.claims[i] = c;
            return;
        }
    must(!"more was claimed than offered");
}

static void forget(const struct claim *c)
{
    for (int i = 0; i < CLAIMS_MAX; i++)
        if (world.claims[i] == c)
            world.claims[i] = NULL;
}

static void on_lost(void *arg, struct claim *c, enum claim_lost why)
{
    (void)arg;
    forget(c);
    if (why == CLAIM_STALE || feed_byte(&world.doings) % 2)
        world.queue->ops->forget(world.queue, c);
    else
        world.queue->ops->finish(world.queue, c, OUTCOME_cancelled, "{}");
}

static void on_finished(void *arg, struct claim *c, enum queue_verdict v)
{
    (void)arg;
    (void)v;
    forget(c);
}

static void on_empty(void *arg)
{
    (void)arg;
}

static void on_state(void *arg, bool up, const char *why)
{
    (void)arg;
    must(up || *why);
}

static void on_warning(void *arg, const char *text)
{
    (void)arg;
    must(*text);
}

static void offer(struct queue *q, int slot, struct claim *c)
{
    int free_slots = 0;
    (void)slot;
    (void)c;
    for (int i = 0; i < CLAIMS_MAX; i++)
        free_slots += !world.claims[i];
    q->ops->offer(q, free_slots > 2 ? free_slots - 2 : 0);
}

static void finish(struct queue *q, int slot, struct claim *c)
{
    (void)slot;
    if (c)
        q->ops->finish(q, c, OUTCOME_completed, "{\"id\":\"a\"}");
}

static void release(struct queue *q, int slot, struct claim *c)
{
    (void)slot;
    if (c)
        q->ops->release(q, c);
}

static void give_up(struct queue *q, int slot, struct claim *c)
{
    world.claims[slot] = NULL;
    if (c)
        q->ops->forget(q, c);
}

static void report(struct queue *q, int slot, struct claim *c)
{
    (void)slot;
    if (c)
        q->ops->progress(q, c, "{\"percent\":1}");
}

static void announce_large(struct queue *q, int slot, struct claim *c)
{
    const struct redis_spec *blocker = &world.connections[CONNECTIONS - 1].spec;
    (void)q;
    (void)slot;
    (void)c;
    if (world.flags & FLAG_OVERSIZE && blocker->on_oversize)
        blocker->on_oversize(blocker->arg, INT64_MAX);
}

static void cut_line(struct queue *q, int slot, struct claim *c)
{
    (void)q;
    (void)c;
    redis_reconnect(&world.connections[slot % CONNECTIONS], "a whim");
}

static void act(struct queue *q, unsigned doing)
{
    static void (*const doings[])(struct queue *, int, struct claim *) = {
        offer, finish, release, give_up, report, announce_large, cut_line};
    int slot = (int)(doing >> 3) % CLAIMS_MAX;
    if ((doing & 7) < sizeof(doings) / sizeof(doings[0])) /* else time goes by */
        doings[doing & 7](q, slot, world.claims[slot]);
}

/* As far as redis.c would let them through: hiredis believes what is announced. */
static void open_replies(const struct feed *f)
{
    struct redis_scan scan = {.max_bytes = 1 << 20};
    size_t good = 0;
    while (good < f->left && redis_scan(&scan, (const char *)f->at + good, 1) == SCAN_FINE)
        good++;
    world.reader = redisReaderCreate();
    (void)redisReaderFeed(world.reader, (const char *)f->at, good);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    static struct config config;
    memset(&world, 0, sizeof(world));
    if (!config.queue)
        fuzz_default_config(&config);
    world.now_ms = 1000000;
    world.flags = feed_byte(&f);
    size_t doings_bytes;
    own_free char *doings = feed_text(&f, '\n', &doings_bytes);
    world.doings = (struct feed){(const uint8_t *)doings, doings_bytes};
    open_replies(&f);
    const struct queue_events events = {.on_claim = on_claim,
                                        .on_lost = on_lost,
                                        .on_finished = on_finished,
                                        .on_empty = on_empty,
                                        .on_state = on_state,
                                        .on_warning = on_warning};
    struct loop *loop = loop_new();
    struct err e = ERR_INIT;
    if (queue_open_redis(loop, &config, &events, &world.queue, &e) == 0) {
        world.queue->ops->offer(world.queue, 4);
        while (world.doings.left && world.steps < STEPS_MAX) {
            loop_step(loop, 0);
            act(world.queue, feed_byte(&world.doings));
        }
        loop_step(loop, 0);
        world.queue->ops->close(world.queue);
    }
    if (world.next)
        freeReplyObject(world.next);
    redisReaderFree(world.reader);
    loop_free(loop);
    return 0;
}
