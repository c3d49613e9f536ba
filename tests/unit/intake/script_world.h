/* Scripts called by hand on a real Redis, on one line, and their answers written down.
 * Calls made before the loop's next step travel together. */
#ifndef MANIMD_SCRIPT_WORLD_H
#define MANIMD_SCRIPT_WORLD_H

#include <string.h>

#include "queue_world.h"

#define NONCE "00000000000000000000000000000000"
#define ANSWERS_MAX 64

struct answers {
    struct world w;
    struct keys keys;
    struct scripts scripts;
    struct redis *redis;
    struct script_line line;
    int count, nothing;
    char words[ANSWERS_MAX][120]; /* the verdict, or the error's beginning */
    bool close_at_first;
};

static inline void on_answer(void *arg, const struct reply *reply)
{
    struct answers *a = arg;
    if (a->close_at_first && a->count == 0) {
        script_line_close(&a->line);
        a->redis = redis_free(a->redis);
    }
    a->nothing += !reply->raw;
    snprintf(a->words[a->count++ % ANSWERS_MAX], sizeof(a->words[0]), "%s",
             reply->error     ? reply->error
             : reply->verdict ? reply->verdict
                              : "");
}

static inline void start(struct answers *a)
{
    struct err e = ERR_INIT;
    *a = (struct answers){0};
    redis_fixture_start(&a->w.redis, NULL);
    a->w.loop = loop_new();
    world_config(&a->w, "w1");
    assert_int_equal(keys_init(&a->keys, "default", &e), 0);
    scripts_init(&a->scripts, &a->keys, &a->w.config, "w1");
    const struct redis_spec spec = {.url = a->w.redis.url, .client_name = "test"};
    assert_int_equal(redis_new(a->w.loop, &spec, &a->redis, &e), 0);
    script_line_init(&a->line, a->w.loop, a->redis, &a->scripts);
    WAIT_FOR(&a->w, redis_is_up(a->redis));
}

static inline void stop(struct answers *a)
{
    script_line_close(&a->line);
    redis_free(a->redis);
    scripts_done(&a->scripts);
    loop_free(a->w.loop);
    config_done(&a->w.config);
    redis_fixture_stop(&a->w.redis);
}

static inline void call_id(struct answers *a, enum script script, const char *id)
{
    struct script_call call = {.script = script, .id = id};
    script_run(&a->line, &call, on_answer, a);
}

static inline void claim(struct answers *a, const char *id)
{
    struct script_call call = {.script = SCRIPT_claim, .id = id, .argc = 2, .argv = {NONCE, ""}};
    script_run(&a->line, &call, on_answer, a);
}

static inline void end(struct answers *a, const char *id, const char *result)
{
    struct script_call call = {.script = SCRIPT_finish,
                               .id = id,
                               .argc = 6,
                               .argv = {NONCE, "completed", "completed", result, "0", "3"}};
    script_run(&a->line, &call, on_answer, a);
}

static inline void queued(struct answers *a, const char *id)
{
    freeReplyObject(redis_fixture_do(&a->w.redis,
                                     "HSET " KEY("job:") "%s state queued payload {} attempt 0 "
                                                         "enq 1 crashes 0",
                                     id));
    freeReplyObject(redis_fixture_do(&a->w.redis, "ZADD " KEY("ready") " 1 %s", id));
}

static inline void queue_all(struct answers *a, int count,
                             void (*run)(struct answers *, const char *))
{
    char id[16];
    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "j%d", i);
        queued(a, id);
        run(a, id);
    }
}

static inline void wait_answers(struct answers *a, int count)
{
    WAIT_FOR(&a->w, a->count >= count);
    assert_int_equal(a->count, count);
}

static inline bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

#endif
