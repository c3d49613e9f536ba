#include "zygotes.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/log.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "../render/render.h"

#define KEPT 2 /* one serves, one is spare */
#define RETRY_BASE_MS 500
#define RETRY_CAP_MS 60000
#define END_MS 2000 /* for one that is ready and has no scene left */

struct seat {
    struct zygotes *pool;
    struct zygote zygote;
    struct child child;
    struct watch watch;
    bool retired;
    struct seat *next;
};

struct zygotes {
    struct loop *loop;
    const struct render_spec *spec;
    int jobs_each;
    struct seat *seats; /* oldest first */
    int failures;       /* deaths before being ready, in a row */
    struct timer retry;
    bool closing;
};

static void refill(struct zygotes *pool);

static void seat_unwatch(struct seat *seat)
{
    if (seat->watch.fd >= 0)
        loop_unwatch(seat->pool->loop, &seat->watch);
}

static void retire(struct seat *seat)
{
    if (seat->retired)
        return;
    seat->retired = true;
    seat_unwatch(seat);
    zygote_stop(&seat->zygote);
}

static void drop_seat(struct seat *seat)
{
    struct zygotes *pool = seat->pool;
    for (struct seat **at = &pool->seats; *at; at = &(*at)->next)
        if (*at == seat) {
            *at = seat->next;
            break;
        }
    retire(seat);
    free(seat);
}

static void on_retry(void *arg)
{
    refill(arg);
}

static void failed(struct zygotes *pool)
{
    if (!pool->retry.set)
        loop_timer(pool->loop, &pool->retry,
                   clock_backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, pool->failures), on_retry, pool);
    pool->failures++;
}

static void on_exit_seat(void *arg, int status)
{
    struct seat *seat = arg;
    struct zygotes *pool = seat->pool;
    bool expected = seat->retired, was_ready = seat->zygote.ready;
    pid_t pid = seat->zygote.pid;
    drop_seat(seat);
    if (pool->closing || expected)
        return;
    log_at(LOG_WARN, "zygote %d ended by itself (%s %d)", (int)pid,
           WIFSIGNALED(status) ? "signal" : "exit",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (was_ready)
        refill(pool);
    else
        failed(pool);
}

/* Its one word, or the end of it, which on_exit_seat() tells. */
static void on_word(void *arg, uint32_t events)
{
    (void)events;
    struct seat *seat = arg;
    if (seat->zygote.ready) { /* a second readiness is its end */
        seat_unwatch(seat);
        return;
    }
    struct err e = ERR_INIT;
    if (zygote_read(&seat->zygote, &e)) {
        log_at(LOG_ERROR, "%s", e.text);
        seat_unwatch(seat);
        kill(seat->zygote.pid, SIGKILL);
        return;
    }
    seat->pool->failures = 0;
    log_at(LOG_DEBUG, "zygote %d is ready: %s", (int)seat->zygote.pid, seat->zygote.about);
}

/* Nobody would hear of its end: it ends now, and its seat is free for another. */
static int cannot_watch(struct seat *seat, int rc, struct err *e)
{
    kill(seat->zygote.pid, SIGKILL);
    while (waitpid(seat->zygote.pid, NULL, 0) < 0 && errno == EINTR)
        ;
    drop_seat(seat);
    return err_errno(e, rc, FAULT_HOST, "watch the zygote");
}

static int add_seat(struct zygotes *pool, struct err *e)
{
    struct seat *seat = own_calloc(1, sizeof *seat);
    *seat = (struct seat){
        .pool = pool, .zygote = ZYGOTE_INIT, .child = CHILD_INIT, .watch = WATCH_INIT};
    int rc = zygote_start(&seat->zygote, pool->spec, e);
    if (rc) {
        free(seat);
        return rc;
    }
    struct seat **at = &pool->seats;
    while (*at)
        at = &(*at)->next;
    *at = seat;
    rc = loop_child(pool->loop, &seat->child, seat->zygote.pid, on_exit_seat, seat);
    if (rc)
        return cannot_watch(seat, rc, e);
    rc = loop_watch(pool->loop, &seat->watch, seat->zygote.control_fd, EPOLLIN, on_word, seat);
    if (!rc)
        return 0;
    loop_child_forget(&seat->child);
    return cannot_watch(seat, rc, e);
}

static void refill(struct zygotes *pool)
{
    int living = 0;
    for (struct seat *s = pool->seats; s; s = s->next)
        living += !s->retired;
    for (; living < KEPT && pool->jobs_each > 0 && !pool->closing; living++) {
        struct err e = ERR_INIT;
        if (add_seat(pool, &e)) {
            log_at(LOG_ERROR, "%s", e.text);
            failed(pool);
            return;
        }
    }
}

struct zygotes *zygotes_new(struct loop *loop, const struct render_spec *spec, int jobs_each)
{
    struct zygotes *pool = own_calloc(1, sizeof *pool);
    pool->loop = loop;
    pool->spec = spec;
    pool->jobs_each = jobs_each;
    refill(pool);
    return pool;
}

static struct seat *serving(const struct zygotes *pool)
{
    for (struct seat *s = pool->seats; s; s = s->next)
        if (s->zygote.ready && !s->retired)
            return s;
    return NULL;
}

int zygotes_lend(struct zygotes *pool)
{
    for (struct seat *seat; (seat = serving(pool));) {
        struct err e = ERR_INIT;
        int fd = -1;
        int rc = zygote_lend(&seat->zygote, &fd, &e);
        if (rc)
            log_at(LOG_WARN, "%s", e.text);
        if (rc || seat->zygote.lent >= pool->jobs_each) {
            retire(seat);
            refill(pool);
        }
        if (!rc)
            return fd;
    }
    return -1;
}

/* Which of them forked it is not known when several serve one after the other;
 * the one that serves now is the likeliest, and a fresh one costs no job. */
void zygotes_spoiled(struct zygotes *pool)
{
    struct seat *seat = serving(pool);
    if (seat && seat->zygote.lent > 0) {
        retire(seat);
        refill(pool);
    }
}

bool zygotes_is_child(const struct zygotes *pool, pid_t pid)
{
    for (const struct seat *s = pool->seats; s; s = s->next)
        if (s->zygote.pid == pid)
            return true;
    return false;
}

void *zygotes_free(struct zygotes *pool)
{
    if (!pool)
        return NULL;
    pool->closing = true;
    loop_timer_cancel(pool->loop, &pool->retry);
    for (struct seat *s = pool->seats; s; s = s->next) {
        if (!s->zygote.ready && !s->retired)
            kill(s->zygote.pid, SIGKILL); /* it imports, and listens to nobody */
        retire(s);
    }
    int64_t until_ms = clock_now_ms() + END_MS;
    while (pool->seats && clock_now_ms() < until_ms)
        loop_step(pool->loop, 50);
    while (pool->seats) {
        struct seat *seat = pool->seats;
        kill(seat->zygote.pid, SIGKILL);
        loop_child_forget(&seat->child);
        (void)waitpid(seat->zygote.pid, NULL, 0);
        drop_seat(seat);
    }
    free(pool);
    return NULL;
}
