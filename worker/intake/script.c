/* See script.h. */
#include "script.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/config.h"
#include "../base/err.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "../base/redis.h"
#include "lua_scripts.h"

/* In lib.lua's order. */
#define FIXED_KEYS 11
#define JOB_KEYS 4
#define FIXED_ARGS 5

void hex_of(const unsigned char *data, size_t bytes, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++) {
        ret[2 * i] = digits[data[i] >> 4];
        ret[2 * i + 1] = digits[data[i] & 15];
    }
    ret[2 * bytes] = 0;
}

void sha1_hex(const void *data, size_t bytes, char ret[41])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned length = 0;
    EVP_Digest(data, bytes, digest, &length, EVP_sha1(), NULL);
    hex_of(digest, 20, ret);
}

/* ---- keys ---- */

int keys_init(struct keys *k, const char *queue, struct err *e)
{
    size_t n = strspn(queue, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (n == 0 || queue[n] || n > QUEUE_NAME_MAX)
        return err_set(e, -EINVAL, FAULT_HOST,
                       "queue: its name must be 1 to %d of A-Z a-z 0-9 . _ -", QUEUE_NAME_MAX);
    *k = (struct keys){0};
    snprintf(k->prefix, sizeof(k->prefix), "manimd:{%s}:", queue);
    const struct {
        char *into;
        const char *name;
    } fixed[] = {
        {k->inbox, "in"},        {k->ready, "ready"},       {k->delayed, "delayed"},
        {k->active, "active"},   {k->done, "done"},         {k->dead, "dead"},
        {k->ev, "ev"},           {k->rejected, "rejected"}, {k->stats, "stats"},
        {k->workers, "workers"}, {k->scratch, "oversize"},  {k->hooks, "hooks"},
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        snprintf(fixed[i].into, KEY_MAX, "manimd:{%s}:%s", queue, fixed[i].name);
    return 0;
}

void keys_of(const struct keys *k, const char *kind, const char *id, char ret[KEY_MAX])
{
    snprintf(ret, KEY_MAX, "%.80s%s:%.64s", k->prefix, kind, id);
}

/* ---- scripts ---- */

static const struct {
    const char *name, *text;
} script_table[SCRIPT_COUNT] = {
#define SCRIPT_ROW(name) {#name, lua_##name},
    SCRIPTS(SCRIPT_ROW)
#undef SCRIPT_ROW
};

const char *script_name(enum script script)
{
    return script_table[script].name;
}

/* Everything here is far below the ceiling: what does not fit is a bug of ours. */
static void put(struct buf *b, const void *data, size_t bytes)
{
    if (buf_add(b, data, bytes) < 0)
        abort();
}

static void put_line(struct buf *b, char kind, size_t number)
{
    char text[24], *at = text + sizeof(text);
    *--at = '\n';
    *--at = '\r';
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    *--at = kind;
    put(b, at, (size_t)(text + sizeof(text) - at));
}

/* A string in RESP. */
static void put_string(struct buf *b, const char *text, size_t bytes)
{
    put_line(b, '$', bytes);
    put(b, text, bytes);
    put(b, "\r\n", 2);
}

static void put_number(struct buf *b, int64_t number)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)number);
    put_string(b, text, (size_t)n);
}

static void put_fixed(struct scripts *s, const struct config *config, const char *worker)
{
    const struct keys *k = s->keys;
    const char *const fixed[FIXED_KEYS] = {k->inbox, k->ready,   k->delayed, k->active,
                                           k->done,  k->dead,    k->ev,      k->rejected,
                                           k->stats, k->scratch, k->hooks};
    char channels[KEY_MAX];
    keys_of(k, "pub", "", channels);
    s->fixed_keys = s->fixed_args = (struct buf)BUF_INIT(CEILING_SCRIPT_BYTES);
    for (size_t i = 0; i < FIXED_KEYS; i++)
        put_string(&s->fixed_keys, fixed[i], strlen(fixed[i]));
    put_number(&s->fixed_args, config->result_ttl_s);
    put_number(&s->fixed_args, config->dead_ttl_s);
    put_string(&s->fixed_args, channels, strlen(channels));
    put_number(&s->fixed_args, config->lease_ms);
    put_string(&s->fixed_args, worker, strlen(worker));
}

void scripts_init(struct scripts *s, const struct keys *keys, const struct config *config,
                  const char *worker)
{
    s->keys = keys;
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        s->text[i] = own_strdup(script_table[i].text);
        sha1_hex(s->text[i], strlen(s->text[i]), s->sha1[i]);
    }
    put_fixed(s, config, worker);
}

void scripts_done(struct scripts *s)
{
    for (int i = 0; i < SCRIPT_COUNT; i++)
        free(s->text[i]);
    buf_done(&s->fixed_keys);
    buf_done(&s->fixed_args);
    *s = (struct scripts){0};
}

/* ---- replies ---- */

const char *reply_text(const struct reply *r, size_t i)
{
    const redisReply *raw = r->raw;
    if (!raw || raw->type != REDIS_REPLY_ARRAY || i >= raw->elements || !raw->element[i]->str)
        return "";
    return raw->element[i]->str;
}

static int64_t bounded(int64_t n)
{
    return n > REPLY_NUMBER_MAX ? REPLY_NUMBER_MAX : n < -REPLY_NUMBER_MAX ? -REPLY_NUMBER_MAX : n;
}

int64_t reply_number(const struct reply *r, size_t i)
{
    const redisReply *raw = r->raw;
    if (!raw || raw->type != REDIS_REPLY_ARRAY || i >= raw->elements)
        return 0;
    if (raw->element[i]->type == REDIS_REPLY_INTEGER)
        return bounded(raw->element[i]->integer);
    return raw->element[i]->str ? bounded(strtoll(raw->element[i]->str, NULL, 10)) : 0;
}

struct reply reply_read(const struct redisReply *raw, int is_script)
{
    struct reply r = {.raw = raw};
    if (raw && raw->type == REDIS_REPLY_ERROR)
        r.error = raw->str;
    if (!raw || r.error || !is_script)
        return r;
    r.verdict = reply_text(&r, 0);
    r.now_ms = reply_number(&r, 1);
    if (!r.verdict[0] || r.now_ms <= 0)
        r.error = "ERR the script's answer is not understood";
    return r;
}

/* ---- calls ---- */

/* Kept until its answer, for NOSCRIPT: the same again, with the text. */
struct script_batch {
    struct script_line *line; /* NULL: closed meanwhile */
    const struct scripts *scripts;
    struct redis *redis;
    enum script script;
    bool whole; /* with the text, or it has been sent with it */
    int64_t deadline_ms;
    int argc, count, told;
    struct buf keys, args; /* RESP, of each call */
    struct asker {
        script_fn *on_reply;
        void *arg;
    } askers[SCRIPT_TOGETHER];
    struct script_batch *outer;
};

static void tell(struct script_batch *b, const redisReply *raw)
{
    const struct asker *a = &b->askers[b->told++];
    const struct reply reply = reply_read(raw, true);
    a->on_reply(a->arg, &reply);
}

/* Each its part of an array; or all the same, be it nothing, an error or nonsense. */
static void tell_all(struct script_batch *b, const redisReply *raw)
{
    bool shared = !raw || raw->type != REDIS_REPLY_ARRAY || raw->elements != (size_t)b->count;
    const redisReply nonsense = {.type = REDIS_REPLY_NIL};
    if (shared && raw && raw->type != REDIS_REPLY_ERROR)
        raw = &nonsense;
    while (b->told < b->count)
        tell(b, shared ? raw : raw->element[b->told]);
}

static void answer(struct script_batch *b, const redisReply *raw)
{
    if (b->line) {
        b->outer = b->line->answering;
        b->line->answering = b;
    }
    tell_all(b, raw);
    if (b->line)
        b->line->answering = b->outer; /* those within, if any, are through */
    buf_done(&b->keys);
    buf_done(&b->args);
    free(b);
}

static void send_batch(struct script_batch *b);

static void on_batch_reply(void *arg, const redisReply *raw)
{
    struct script_batch *b = arg;
    bool unknown = raw && raw->type == REDIS_REPLY_ERROR && strncmp(raw->str, "NOSCRIPT", 8) == 0;
    if (!unknown || b->whole) {
        answer(b, raw);
        return;
    }
    b->whole = true;
    send_batch(b);
}

static void send_batch(struct script_batch *b)
{
    own_buf struct buf head = BUF_INIT(CEILING_SCRIPT_BYTES);
    const struct scripts *s = b->scripts;
    const char *text = b->whole ? s->text[b->script] : s->sha1[b->script];
    int keys = FIXED_KEYS + JOB_KEYS * b->count;
    put_line(&head, '*', (size_t)(3 + keys + FIXED_ARGS + (1 + b->argc) * b->count));
    put_string(&head, b->whole ? "EVAL" : "EVALSHA", b->whole ? 4 : 7);
    put_string(&head, text, strlen(text));
    put_number(&head, keys);
    const struct buf *const bufs[] = {&head, &s->fixed_keys, &b->keys, &s->fixed_args, &b->args};
    struct redis_part parts[sizeof(bufs) / sizeof(bufs[0])];
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
        parts[i] = (struct redis_part){bufs[i]->data, bufs[i]->bytes};
    redis_command_parts(b->redis, parts, sizeof(parts) / sizeof(parts[0]), b->deadline_ms,
                        on_batch_reply, b);
}

void script_flush(struct script_line *line)
{
    struct script_batch *b = line->waiting;
    if (!b)
        return;
    line->waiting = NULL;
    loop_timer_cancel(line->loop, &line->flush);
    send_batch(b);
}

static void on_flush(void *arg)
{
    script_flush(arg);
}

static bool fits(const struct script_batch *b, const struct script_call *call, size_t bytes)
{
    return b->script == call->script && b->argc == call->argc && b->whole == call->whole &&
           b->deadline_ms == call->deadline_ms && b->count < SCRIPT_TOGETHER &&
           b->keys.bytes + b->args.bytes + bytes <= SCRIPT_TOGETHER_BYTES;
}

static struct script_batch *new_batch(struct script_line *line, const struct script_call *call)
{
    struct script_batch *b = own_calloc(1, sizeof(*b));
    b->line = line;
    b->scripts = line->scripts;
    b->redis = line->redis;
    b->script = call->script;
    b->whole = call->whole;
    b->deadline_ms = call->deadline_ms;
    b->argc = call->argc;
    b->keys = b->args = (struct buf)BUF_INIT(CEILING_SCRIPT_BYTES);
    return b;
}

static void add_call(struct script_batch *b, const struct script_call *call, const size_t *lengths)
{
    static const char *const kinds[JOB_KEYS] = {"job", "cancel", "log", "wait"};
    char key[KEY_MAX];
    for (size_t i = 0; i < JOB_KEYS; i++) {
        keys_of(b->scripts->keys, kinds[i], call->id, key);
        put_string(&b->keys, key, strlen(key));
    }
    put_string(&b->args, call->id, strlen(call->id));
    for (int i = 0; i < call->argc; i++)
        put_string(&b->args, call->argv[i] ? call->argv[i] : "", lengths[i]);
}

void script_run(struct script_line *line, const struct script_call *call, script_fn *on_reply,
                void *arg)
{
    size_t lengths[SCRIPT_ARGS_MAX], bytes = 0;
    if (!line->redis) {
        const struct reply nothing = {0};
        on_reply(arg, &nothing);
        return;
    }
    for (int i = 0; i < call->argc; i++)
        bytes += lengths[i] = call->argv[i] ? strlen(call->argv[i]) : 0;
    if (line->waiting && !fits(line->waiting, call, bytes))
        script_flush(line);
    if (!line->waiting) {
        line->waiting = new_batch(line, call);
        loop_after(line->loop, &line->flush, AFTER_GATHER, on_flush, line);
    }
    struct script_batch *b = line->waiting;
    add_call(b, call, lengths);
    b->askers[b->count++] = (struct asker){on_reply, arg};
}

/* ---- a line ---- */

void script_line_init(struct script_line *line, struct loop *loop, struct redis *redis,
                      const struct scripts *s)
{
    *line = (struct script_line){.loop = loop, .redis = redis, .scripts = s};
}

void script_line_close(struct script_line *line)
{
    struct script_batch *b;
    if (!line->redis)
        return;
    script_flush(line);
    line->redis = NULL;
    while ((b = line->answering)) {
        line->answering = b->outer;
        b->line = NULL;
        tell_all(b, NULL);
    }
}
