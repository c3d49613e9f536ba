/* See fsck.h; lua/mend.lua is the judge. A page of keys is read, a script is
 * sent for each at once, and the next page waits for all the answers: neither
 * Redis nor we ever hold more than a page. */
#include "fsck.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "../base/config.h"
#include "../base/err.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "../base/redis.h"
#include "job.h"
#include "producer_read.h"

#define PAGE "200"

struct fsck {
    struct producer *p;
    const struct fsck_spec *spec;
    struct fsck_counts counts;
    bool only_orphans; /* of an index: what has a hash was seen before */
    const char *index; /* being walked */
    int waiting;
    int rc;
    struct err *e;
};

/* One id under way. */
struct look {
    struct fsck *f;
    char *id;
    bool stranger; /* it is no id */
    char digest[41];
};

static void judge(struct fsck *f, struct look *l);

static void tell(struct fsck *f, const struct fsck_finding *finding)
{
    f->counts.found++;
    f->counts.mended += finding->done == FSCK_MENDED;
    f->counts.left += finding->done == FSCK_LEFT;
    if (f->spec->on_finding)
        f->spec->on_finding(f->spec->arg, finding);
}

static void look_free(struct look *l)
{
    l->f->waiting--;
    free(l->id);
    free(l);
}

static void fail(struct fsck *f, const char *why)
{
    if (f->rc == 0)
        f->rc = err_set(f->e, -EIO, FAULT_PEER, "check the queue: %s, run it again", why);
}

/* ---- a digest that is gone: made again from the payload ---- */

static void on_payload(void *arg, const redisReply *raw)
{
    struct look *l = arg;
    struct job job = {0};
    snprintf(l->digest, sizeof(l->digest), "-");
    if (raw && raw->type == REDIS_REPLY_STRING &&
        job_parse(raw->str, raw->len, l->f->spec->config, l->id, &job, NULL) == 0)
        job_digest(&job, l->digest);
    job_free(&job);
    judge(l->f, l);
}

static void fetch_digest(struct look *l)
{
    char key[KEY_MAX];
    struct producer *p = l->f->p;
    keys_of(&p->keys, "job", l->id, key);
    const struct redis_request request = {.argc = 3,
                                          .argv = (const char *[]){"HGET", key, "payload"}};
    redis_command(p->redis, &request, on_payload, l);
}

/* ---- one id ---- */

/* A stranger's id may hold whatever bytes, a terminal's commands too. */
static char *key_shown(const char *id)
{
    char *key = own_printf("job:%.100s", id);
    for (char *c = key; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
    return key;
}

static void tell_judged(struct fsck *f, const struct look *l, const struct reply *reply)
{
    own_free char *key = key_shown(l->id);
    bool mended = strcmp(reply->verdict, "mended") == 0;
    const struct fsck_finding finding = {
        .id = l->stranger ? "" : l->id,
        .key = key,
        .state = reply_text(reply, 2),
        .kinds = l->stranger ? "bad_id" : reply_text(reply, 3),
        .text = reply_text(reply, 4),
        .done = !f->spec->repair ? FSCK_FOUND
                : mended         ? FSCK_MENDED
                                 : FSCK_LEFT,
    };
    tell(f, &finding);
}

static void on_judged(void *arg, const struct reply *reply)
{
    struct look *l = arg;
    struct fsck *f = l->f;
    if (reply->raw && !reply->error && strcmp(reply->verdict, "digest") == 0) {
        fetch_digest(l);
        return;
    }
    if (!reply->raw)
        fail(f, redis_why(f->p->redis)[0] ? redis_why(f->p->redis) : "redis: no answer in time");
    else if (reply->error)
        fail(f, reply->error);
    else if (strcmp(reply->verdict, "ok") != 0 &&
             (!f->only_orphans || strcmp(reply_text(reply, 3), "no_job") == 0))
        tell_judged(f, l, reply);
    look_free(l);
}

static void judge(struct fsck *f, struct look *l)
{
    struct script_call call = {
        .script = SCRIPT_mend,
        .id = l->id,
        .argc = 3,
        .argv = {f->spec->repair ? "mend" : "look", l->digest, l->stranger ? "stranger" : ""},
    };
    script_run(&f->p->line, &call, on_judged, l);
}

static void start_look(struct fsck *f, const char *id, size_t bytes)
{
    struct look *l = own_calloc(1, sizeof(*l));
    *l = (struct look){.f = f, .id = own_strndup(id, bytes)};
    /* It may be long enough to be cut to another's key. */
    l->stranger = !job_valid_id(l->id);
    f->waiting++;
    judge(f, l);
}

static void wait_all(struct fsck *f)
{
    while (f->waiting)
        loop_step(f->p->loop, -1);
}

/* ---- pages ---- */

/* A command whose reply is a cursor and an array, until the cursor is 0. */
struct pages {
    const char *argv[6];
    int argc, cursor_at, step; /* `step` elements of a page belong together */
    void (*take)(struct fsck *f, const redisReply *element);
};

static int walk(struct fsck *f, struct pages *pages)
{
    char cursor[32] = "0";
    do {
        redisReply *reply = NULL;
        pages->argv[pages->cursor_at] = cursor;
        int rc = producer_ask(f->p, pages->argc, pages->argv, &reply, f->e);
        if (rc < 0)
            return rc;
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || !reply->element[0]->str) {
            freeReplyObject(reply);
            return err_set(f->e, -EIO, FAULT_PEER, "redis: its answer to %s is not understood",
                           pages->argv[0]);
        }
        const redisReply *page = reply->element[1];
        for (size_t i = 0; i < page->elements; i += (size_t)pages->step)
            if (page->element[i]->str)
                pages->take(f, page->element[i]);
        snprintf(cursor, sizeof(cursor), "%.31s", reply->element[0]->str);
        freeReplyObject(reply);
        wait_all(f);
    } while (f->rc == 0 && strcmp(cursor, "0") != 0);
    return f->rc;
}

/* What is for a person: no script takes a name with such bytes, or such a key. */
static void tell_left(struct fsck *f, const char *key, const char *kind, const char *text)
{
    const struct fsck_finding finding = {.id = "",
                                         .key = key,
                                         .state = "",
                                         .kinds = kind,
                                         .text = text,
                                         .done = f->spec->repair ? FSCK_LEFT : FSCK_FOUND};
    tell(f, &finding);
}

static void take_job(struct fsck *f, const redisReply *key)
{
    size_t prefix = strlen(f->p->keys.prefix) + strlen("job:");
    const char *id = key->str + prefix;
    f->counts.jobs++;
    if (strlen(key->str) == key->len && job_valid_id(id)) {
        start_look(f, id, key->len - prefix);
        return;
    }
    own_free char *shown = key_shown(id);
    tell_left(f, shown, "bad_id", "no job can have this id, somebody else wrote it: delete it");
}

static void take_entry(struct fsck *f, const redisReply *id)
{
    f->counts.entries++;
    if (strlen(id->str) == id->len)
        start_look(f, id->str, id->len);
    else
        tell_left(f, f->index, "bad_id", "names something with a NUL byte in it: remove that");
}

static int walk_jobs(struct fsck *f)
{
    own_free char *match = own_printf("%sjob:*", f->p->keys.prefix);
    struct pages pages = {.argv = {"SCAN", "0", "MATCH", match, "COUNT", PAGE},
                          .argc = 6,
                          .cursor_at = 1,
                          .step = 1,
                          .take = take_job};
    f->only_orphans = false;
    return walk(f, &pages);
}

static int walk_index(struct fsck *f, const char *key)
{
    struct pages pages = {.argv = {"ZSCAN", key, "0", "COUNT", PAGE},
                          .argc = 5,
                          .cursor_at = 2,
                          .step = 2,
                          .take = take_entry};
    f->only_orphans = true;
    f->index = key + strlen(f->p->keys.prefix);
    return walk(f, &pages);
}

/* ---- the queue's own keys ---- */

struct kind_wanted {
    const char *key, *kind;
    bool index;
};

static int check_kind(struct fsck *f, const struct kind_wanted *want, bool *ret_good)
{
    redisReply *reply = NULL;
    int rc = producer_ask(f->p, 2, (const char *[]){"TYPE", want->key}, &reply, f->e);
    if (rc < 0)
        return rc;
    const char *kind = reply->str ? reply->str : "";
    *ret_good = strcmp(kind, "none") == 0 || strcmp(kind, want->kind) == 0;
    if (!*ret_good) {
        own_free char *text =
            own_printf("is a %.16s and must be a %s: rename or delete it", kind, want->kind);
        tell_left(f, want->key + strlen(f->p->keys.prefix), "wrong_type", text);
    }
    freeReplyObject(reply);
    return 0;
}

static int check_all(struct fsck *f)
{
    const struct keys *k = &f->p->keys;
    const struct kind_wanted wanted[] = {
        {k->ready, "zset", true},    {k->delayed, "zset", true}, {k->active, "zset", true},
        {k->done, "zset", true},     {k->dead, "zset", true},    {k->hooks, "zset", true},
        {k->inbox, "list", false},   {k->ev, "stream", false},   {k->rejected, "list", false},
        {k->workers, "zset", false}, {k->stats, "hash", false},
    };
    bool indexes_good = true;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        bool good = true;
        int rc = check_kind(f, &wanted[i], &good);
        if (rc < 0)
            return rc;
        indexes_good = indexes_good && (good || !wanted[i].index);
    }
    if (!indexes_good)
        return 0; /* until that is mended, no script moves a job, and none is judged */
    int rc = walk_jobs(f);
    for (size_t i = 0; rc == 0 && i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (wanted[i].index)
            rc = walk_index(f, wanted[i].key);
    return rc;
}

int fsck_run(struct producer *p, const struct fsck_spec *spec, struct fsck_counts *ret,
             struct err *e)
{
    struct fsck f = {.p = p, .spec = spec, .e = e};
    int rc = check_all(&f);
    wait_all(&f);
    *ret = f.counts;
    return rc;
}
