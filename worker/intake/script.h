/* Inside intake/: the queue's keys, and its Lua scripts called by their SHA-1
 * (queue.md §1). Each script is what it needs of lua/lib.lua and its own text. A server that does
 * not know it (NOSCRIPT) is sent the whole text.
 *
 * All scripts take the same keys and the same first arguments (lib.lua); what
 * follows is each one's own.
 *
 * Calls of one pass of the loop travel together: neighbours of the same script are
 * one command to Redis, which answers each by itself (docs/design.md says why). At
 * most SCRIPT_TOGETHER of them, and no more bytes than SCRIPT_TOGETHER_BYTES, so
 * that Redis is never held for long. */
#ifndef MANIMD_SCRIPT_H
#define MANIMD_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/loop.h"

struct err;
struct redis;
struct redisReply;
struct config;

#define QUEUE_NAME_MAX 64
#define KEY_MAX 192

struct keys {
    char prefix[KEY_MAX]; /* "manimd:{queue}:" */
    char inbox[KEY_MAX], ready[KEY_MAX], delayed[KEY_MAX], active[KEY_MAX];
    char done[KEY_MAX], dead[KEY_MAX], ev[KEY_MAX], rejected[KEY_MAX], stats[KEY_MAX];
    char workers[KEY_MAX], scratch[KEY_MAX], hooks[KEY_MAX];
};

/* Fails with the sentence when `queue` is no name: 1 to 64 of A-Z a-z 0-9 . _ - */
int keys_init(struct keys *k, const char *queue, struct err *e);
/* "manimd:{queue}:job:ID" and the like. */
void keys_of(const struct keys *k, const char *kind, const char *id, char ret[KEY_MAX]);

#define SCRIPTS(X) \
    X(admit)       \
    X(refuse)      \
    X(oversize)    \
    X(promote)     \
    X(claim)       \
    X(beat)        \
    X(finish)      \
    X(release)     \
    X(reap) X(cancel) X(requeue) X(wake) X(counts) X(hook_claim) X(hook_end) X(hook_again) X(mend)
enum script {
#define SCRIPT_NAME(name) SCRIPT_##name,
    SCRIPTS(SCRIPT_NAME)
#undef SCRIPT_NAME
        SCRIPT_COUNT
};

struct scripts {
    const struct keys *keys;
    char *text[SCRIPT_COUNT];
    char sha1[SCRIPT_COUNT][41];
    struct buf fixed_keys, fixed_args; /* RESP, of every call */
};
/* `keys` must outlive it. `worker`: on whose behalf, "" for nobody's. */
void scripts_init(struct scripts *s, const struct keys *keys, const struct config *config,
                  const char *worker);
void scripts_done(struct scripts *s);
const char *script_name(enum script script);

#define SCRIPT_TOGETHER 16
#define SCRIPT_TOGETHER_BYTES ((size_t)(64 * 1024)) /* a single call may have more */
/* Of a connection that scripts are called on: each may answer with a job, or a result. */
#define SCRIPT_REPLY_MAX_BYTES ((int64_t)SCRIPT_TOGETHER * 512 * 1024)

/* A connection's calls. Zeroed, it is one that was closed. */
struct script_batch;
struct script_line {
    struct loop *loop;
    struct redis *redis;
    const struct scripts *scripts;
    struct script_batch *waiting;   /* until the end of the pass */
    struct script_batch *answering; /* callbacks under way, the innermost first */
    struct timer flush;
};
void script_line_init(struct script_line *line, struct loop *loop, struct redis *redis,
                      const struct scripts *s);
/* Sends what waits: before a command that must not overtake it. */
void script_flush(struct script_line *line);
/* Before redis_free(): sends what waits. From now on calls are answered with NULL at
 * once, as those are whose answer is being told. */
void script_line_close(struct script_line *line);

#define SCRIPT_ARGS_MAX 16
struct script_call {
    enum script script;
    const char *id; /* "" where there is none */
    int argc;       /* the script's own arguments */
    const char *argv[SCRIPT_ARGS_MAX];
    int64_t deadline_ms; /* 0: the connection's default */
    bool whole;          /* send the text at once: there is no time for NOSCRIPT */
};

/* A reply taken apart. `raw` NULL: the line broke, it may have run or not. */
struct reply {
    const struct redisReply *raw;
    const char *error;   /* an error reply's text, or NULL */
    const char *verdict; /* a script's first word, or NULL */
    int64_t now_ms;      /* the server's time, in a script's reply */
};
struct reply reply_read(const struct redisReply *raw, int is_script);
/* The text or number of element `i`; "" or 0 where there is none. Lua's numbers
 * are doubles: a larger one is none of ours, and is cut to what can be reckoned
 * with (a second times 1000, one time minus another). */
#define REPLY_NUMBER_MAX (1LL << 53)
const char *reply_text(const struct reply *r, size_t i);
int64_t reply_number(const struct reply *r, size_t i);

typedef void script_fn(void *arg, const struct reply *reply);
/* The call is copied. Calls of one line are run in the order in which they were given. */
void script_run(struct script_line *line, const struct script_call *call, script_fn *on_reply,
                void *arg);

/* `ret` holds two for each and a NUL. */
void hex_of(const unsigned char *data, size_t bytes, char *ret);
/* SHA-1 in hex. */
void sha1_hex(const void *data, size_t bytes, char ret[41]);

#endif
