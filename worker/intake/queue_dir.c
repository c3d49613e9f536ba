/* The directory queue: jobs are files, for `manimd render` and for dropping jobs
 * without a Redis.
 *
 *   DIR/new/NAME.json     waiting, taken in order of name
 *   DIR/active/NAME.json  claimed: moved there by rename, so one reader gets it
 *   DIR/done/ID.json      the result, written beside and renamed
 *
 * Nobody else looks at DIR while we do: leases, beats and cancels have no part
 * here. What was active when a worker died stays there for its owner to see. */
#include "queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "job.h"
#include "queue_redis.h" /* queue_plain_result() */

#define LOOK_AGAIN_MS 500
#define NAME_MAX_BYTES 255

struct dir_lent {
    struct claim claim;
    char name[NAME_MAX_BYTES + 1]; /* of its file */
    bool ended;                    /* to be told of; the verdict is set */
    enum queue_verdict verdict;
    struct dir_lent *next;
};

struct queue_dir {
    struct queue base; /* first */
    struct loop *loop;
    const struct config *config;
    struct queue_events events;
    int new_fd, active_fd, done_fd; /* directories */
    int free_slots;
    struct dir_lent *lents;
    struct timer timer, ends;
    bool told_empty, draining, busy, closed;
};

static struct queue_dir *dir_of(struct queue *q)
{
    return (struct queue_dir *)q;
}

static void look(void *arg);

static void look_in(struct queue_dir *q, int64_t in_ms)
{
    if (!q->closed)
        loop_timer(q->loop, &q->timer, in_ms, look, q);
}

static void drop(struct queue_dir *q, struct dir_lent *l)
{
    struct dir_lent **link = &q->lents;
    while (*link && *link != l)
        link = &(*link)->next;
    if (*link)
        *link = l->next;
    job_free(&l->claim.job);
    free(l);
    if (!q->lents && q->draining && !q->closed && q->events.on_settled)
        q->events.on_settled(q->events.arg);
}

static void warn(struct queue_dir *q, const char *text)
{
    if (q->events.on_warning)
        q->events.on_warning(q->events.arg, text);
}

/* ---- results ---- */

static int write_result(struct queue_dir *q, const char *id, const char *result)
{
    struct err e = ERR_INIT;
    own_free char *name = own_printf("%s.json", id);
    int rc = file_write_atomic(q->done_fd, name, result, strlen(result), 0644, &e);
    if (rc < 0)
        warn(q, e.text);
    return rc;
}

/* Refused before it was a job: the result goes by its id, or its file's name. */
static void refuse(struct queue_dir *q, struct dir_lent *l, const char *why)
{
    const char *id = l->claim.job.id;
    size_t stem = strlen(l->name) - strlen(".json");
    own_free char *name = id[0] ? own_strdup(id) : own_strndup(l->name, stem);
    own_free char *result = queue_plain_result(id[0] ? id : "", OUTCOME_source_rejected, why);
    if (write_result(q, name, result) == 0)
        (void)unlinkat(q->active_fd, l->name, 0); /* left there, it is only untidy */
}

/* ---- claims ---- */

static void make_nonce(char ret[JOB_NONCE_CHARS + 1])
{
    unsigned char bytes[JOB_NONCE_CHARS / 2];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        abort(); /* no randomness, no fencing */
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static int read_job(struct queue_dir *q, struct dir_lent *l, struct err *e)
{
    own_buf struct buf text = BUF_INIT(JOB_JSON_MAX_BYTES);
    int rc = file_read(q->active_fd, l->name, &text, e);
    if (rc < 0)
        return rc;
    return job_parse(buf_str(&text), text.bytes, q->config, NULL, &l->claim.job, e);
}

static void claim(struct queue_dir *q, const char *name)
{
    struct err e = ERR_INIT;
    if (renameat(q->new_fd, name, q->active_fd, name) < 0)
        return; /* somebody else was faster */
    struct dir_lent *l = own_calloc(1, sizeof(*l));
    snprintf(l->name, sizeof(l->name), "%s", name);
    l->next = q->lents;
    q->lents = l;
    q->told_empty = false;
    if (read_job(q, l, &e) < 0) {
        refuse(q, l, e.text);
        drop(q, l);
        return;
    }
    make_nonce(l->claim.nonce);
    l->claim.attempt = 1;
    l->claim.enqueued_unix_ms = l->claim.claimed_unix_ms = clock_unix_ms();
    l->claim.queue = l;
    q->free_slots--;
    q->events.on_claim(q->events.arg, &l->claim);
}

/* The first NAME.json in order of name; false when there is none. */
static bool first_name(struct queue_dir *q, char ret[NAME_MAX_BYTES + 1])
{
    int fd = openat(q->new_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    ret[0] = 0;
    if (!dir) {
        own_close_fd(&fd);
        return false;
    }
    for (const struct dirent *d; (d = readdir(dir));) {
        size_t n = strlen(d->d_name);
        bool json = n > 5 && d->d_name[0] != '.' && strcmp(d->d_name + n - 5, ".json") == 0;
        if (json && (!ret[0] || strcmp(d->d_name, ret) < 0))
            snprintf(ret, NAME_MAX_BYTES + 1, "%s", d->d_name);
    }
    closedir(dir);
    return ret[0] != 0;
}

static void destroy(struct queue_dir *q)
{
    while (q->lents)
        drop(q, q->lents);
    own_close_fd(&q->new_fd);
    own_close_fd(&q->active_fd);
    own_close_fd(&q->done_fd);
    free(q);
}

static void look(void *arg)
{
    struct queue_dir *q = arg;
    char name[NAME_MAX_BYTES + 1];
    bool any = true;
    q->busy = true;
    while (!q->closed && q->free_slots > 0 && (any = first_name(q, name)))
        claim(q, name);
    if (!q->closed && !any && !q->lents && !q->told_empty) {
        q->told_empty = true;
        if (q->events.on_empty)
            q->events.on_empty(q->events.arg);
    }
    q->busy = false;
    if (q->closed)
        destroy(q);
    else if (q->free_slots > 0)
        look_in(q, LOOK_AGAIN_MS);
}

/* ---- ops ---- */

static void op_offer(struct queue *base, int free_slots)
{
    struct queue_dir *q = dir_of(base);
    q->free_slots = free_slots;
    if (free_slots > 0 && !q->busy)
        look_in(q, 0);
}

static void op_progress(struct queue *base, struct claim *c, const char *json)
{
    (void)base; /* nobody reads it here: the caller shows it */
    (void)c;
    (void)json;
}

static struct dir_lent *first_ended(struct queue_dir *q)
{
    struct dir_lent *l = q->lents;
    while (l && !l->ended)
        l = l->next;
    return l;
}

static void tell_ended(void *arg)
{
    struct queue_dir *q = arg;
    struct dir_lent *l;
    q->busy = true;
    while (!q->closed && (l = first_ended(q))) {
        l->ended = false;
        if (q->events.on_finished)
            q->events.on_finished(q->events.arg, &l->claim, l->verdict);
        drop(q, l);
    }
    q->busy = false;
    if (q->closed)
        destroy(q);
    else if (q->free_slots > 0)
        look_in(q, 0);
}

/* Never inside the caller's own call. */
static void finished(struct queue_dir *q, struct dir_lent *l, enum queue_verdict v)
{
    l->ended = true;
    l->verdict = v;
    loop_timer(q->loop, &q->ends, 0, tell_ended, q);
}

static void op_finish(struct queue *base, struct claim *c, enum outcome o, const char *result)
{
    struct queue_dir *q = dir_of(base);
    struct dir_lent *l = c->queue;
    (void)o; /* the result says it; nothing is retried here */
    bool stored = write_result(q, c->job.id, result) == 0;
    if (stored)
        (void)unlinkat(q->active_fd, l->name, 0); /* left there, it is only untidy */
    finished(q, l, stored ? QUEUE_STORED : QUEUE_STALE);
}

static void op_release(struct queue *base, struct claim *c)
{
    struct queue_dir *q = dir_of(base);
    struct dir_lent *l = c->queue;
    bool back = renameat(q->active_fd, l->name, q->new_fd, l->name) == 0;
    finished(q, l, back ? QUEUE_STORED : QUEUE_STALE);
}

static void op_forget(struct queue *base, struct claim *c)
{
    drop(dir_of(base), c->queue);
}

static void op_draining(struct queue *base)
{
    dir_of(base)->draining = true; /* nobody looks on */
}

static bool op_settled(const struct queue *base)
{
    return !((const struct queue_dir *)base)->lents;
}

static void op_close(struct queue *base)
{
    struct queue_dir *q = dir_of(base);
    loop_timer_cancel(q->loop, &q->timer);
    loop_timer_cancel(q->loop, &q->ends);
    q->closed = true;
    if (!q->busy)
        destroy(q);
}

static const struct queue_ops dir_ops = {
    .name = "directory",
    .offer = op_offer,
    .progress = op_progress,
    .finish = op_finish,
    .release = op_release,
    .forget = op_forget,
    .draining = op_draining,
    .settled = op_settled,
    .close = op_close,
};

int queue_open_dir(struct loop *loop, const struct config *config, const char *dir,
                   const struct queue_events *events, struct queue **ret, struct err *e)
{
    own_fd int fd = file_open_dir(AT_FDCWD, dir, e);
    if (fd < 0)
        return fd;
    own_fd int new_fd = file_make_dir(fd, "new", 0755, e);
    own_fd int active_fd = new_fd < 0 ? new_fd : file_make_dir(fd, "active", 0755, e);
    own_fd int done_fd = active_fd < 0 ? active_fd : file_make_dir(fd, "done", 0755, e);
    if (done_fd < 0)
        return done_fd;
    struct queue_dir *q = own_calloc(1, sizeof(*q));
    q->base.ops = &dir_ops;
    q->loop = loop;
    q->config = config;
    q->events = *events;
    q->new_fd = steal_fd(&new_fd);
    q->active_fd = steal_fd(&active_fd);
    q->done_fd = steal_fd(&done_fd);
    *ret = &q->base;
    return 0;
}
