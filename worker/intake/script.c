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
#include "../base/own.h"
#include "../base/redis.h"
#include "lua_scripts.h"

#define KEYS_EACH 15 /* of every script, in lib.lua's order */
#define FIXED_ARGS 4 /* id, channel, two times to live */
#define ARGV_MAX (3 + KEYS_EACH + FIXED_ARGS + SCRIPT_ARGS_MAX)

void sha1_hex(const void *data, size_t bytes, char ret[41])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned length = 0;
    EVP_Digest(data, bytes, digest, &length, EVP_sha1(), NULL);
    for (int i = 0; i < 20; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
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

void scripts_init(struct scripts *s, const struct config *config)
{
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        s->text[i] = own_strdup(script_table[i].text);
        sha1_hex(s->text[i], strlen(s->text[i]), s->sha1[i]);
    }
    snprintf(s->result_ttl_s, sizeof(s->result_ttl_s), "%lld", (long long)config->result_ttl_s);
    snprintf(s->dead_ttl_s, sizeof(s->dead_ttl_s), "%lld", (long long)config->dead_ttl_s);
}

void scripts_done(struct scripts *s)
{
    for (int i = 0; i < SCRIPT_COUNT; i++)
        free(s->text[i]);
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

/* ---- a call ---- */

/* Kept until its answer, for NOSCRIPT: the same again, with the text. */
struct pending {
    struct redis *redis;
    const struct scripts *scripts;
    enum script script;
    int64_t deadline_ms;
    script_fn *on_reply;
    void *arg;
    bool whole; /* the text has been sent already */
    int argc;
    char *argv[ARGV_MAX];
};

static void send_pending(struct pending *p);

static void on_script_reply(void *arg, const struct redisReply *raw)
{
    struct pending *p = arg;
    bool unknown = raw && raw->type == REDIS_REPLY_ERROR && strncmp(raw->str, "NOSCRIPT", 8) == 0;
    if (unknown && !p->whole) {
        p->whole = true;
        send_pending(p);
        return;
    }
    struct reply reply = reply_read(raw, true);
    p->on_reply(p->arg, &reply);
    for (int i = 2; i < p->argc; i++)
        free(p->argv[i]);
    free(p);
}

static void send_pending(struct pending *p)
{
    const char *argv[ARGV_MAX];
    argv[0] = p->whole ? "EVAL" : "EVALSHA";
    argv[1] = p->whole ? p->scripts->text[p->script] : p->scripts->sha1[p->script];
    for (int i = 2; i < p->argc; i++)
        argv[i] = p->argv[i];
    const struct redis_request request = {
        .argc = p->argc, .argv = argv, .deadline_ms = p->deadline_ms};
    redis_command(p->redis, &request, on_script_reply, p);
}

static void add(struct pending *p, const char *text)
{
    p->argv[p->argc++] = own_strdup(text);
}

static void add_keys(struct pending *p, const struct keys *k, const char *id)
{
    static const char *const kinds[] = {"job", "cancel", "log", "wait"};
    const char *const fixed[] = {k->inbox, k->ready, k->delayed,  k->active, k->done,
                                 k->dead,  k->ev,    k->rejected, k->stats};
    char key[KEY_MAX];
    add(p, "15");
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        add(p, fixed[i]);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        keys_of(k, kinds[i], id, key);
        add(p, key);
    }
    add(p, k->scratch);
    add(p, k->hooks);
}

void script_run(struct redis *redis, const struct scripts *s, const struct keys *k,
                const struct script_call *call, script_fn *on_reply, void *arg)
{
    char channel[KEY_MAX];
    struct pending *p = own_calloc(1, sizeof(*p));
    *p = (struct pending){.redis = redis,
                          .scripts = s,
                          .script = call->script,
                          .deadline_ms = call->deadline_ms,
                          .on_reply = on_reply,
                          .arg = arg,
                          .whole = call->whole,
                          .argc = 2};
    add_keys(p, k, call->id);
    keys_of(k, "pub", call->id, channel);
    add(p, call->id);
    add(p, channel);
    add(p, s->result_ttl_s);
    add(p, s->dead_ttl_s);
    for (int i = 0; i < call->argc; i++)
        add(p, call->argv[i] ? call->argv[i] : "");
    send_pending(p);
}
