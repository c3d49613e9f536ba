/* See redis_link.h.
 *
 *   DOWN → RESOLVING → CONNECTING (each address in turn) → HANDSHAKE → OPEN
 *
 * Dead peers: SO_KEEPALIVE 15/5/3 finds them in half a minute while idle,
 * TCP_USER_TIMEOUT 15 s when something was sent (queue.md §6). */
#include "redis_link.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include "buf.h"
#include "clock.h"
#include "err.h"
#include "limits.h"
#include "loop.h"
#include "own.h"
#include "redis_tls.h"
#include "redis_url.h"
#include "resolve.h"

#define EARLY_BYTES 4096 /* what leaves before its pass of the loop is over */
#define OPEN_MS 10000
#define ADDRESS_MS 1000 /* no address gets less while others wait */
#define READ_BYTES (64 * 1024)

enum link_state { LINK_DOWN, LINK_RESOLVING, LINK_CONNECTING, LINK_HANDSHAKE, LINK_OPEN };

struct link {
    struct loop *loop;
    const struct redis_url *url;
    struct link_events events;
    struct redis_tls *tls; /* NULL: plain */
    enum link_state state;
    struct resolve *resolve;
    struct addresses addresses;
    int next; /* address to try after this one */
    int fd;   /* -1 when none */
    struct watch watch;
    struct timer timer; /* limit of what is going on */
    struct timer flush; /* what was written in a pass of the loop leaves it as one */
    int64_t deadline_ms;
    struct buf out;
    char why[512]; /* of the last address that failed */
    int refused;
    int busy; /* callbacks of the loop that are under way */
    bool dead;
    char data[READ_BYTES];
};

static void try_address(struct link *l);
static int flush(struct link *l);

static void leave(struct link *l)
{
    if (--l->busy > 0 || !l->dead)
        return;
    redis_tls_free(l->tls);
    buf_done(&l->out);
    free(l);
}

static void drop_socket(struct link *l)
{
    if (l->tls)
        redis_tls_stop(l->tls);
    loop_unwatch(l->loop, &l->watch);
    own_close_fd(&l->fd);
    l->fd = -1;
}

void link_close(struct link *l)
{
    l->resolve = resolve_cancel(l->resolve);
    loop_timer_cancel(l->loop, &l->timer);
    loop_timer_cancel(l->loop, &l->flush);
    drop_socket(l);
    buf_clear(&l->out);
    l->state = LINK_DOWN;
}

void link_linger(struct link *l, int ms)
{
    int64_t until_ms = clock_now_ms() + ms;
    if (l->state != LINK_OPEN || flush(l) < 0 || l->out.bytes || shutdown(l->fd, SHUT_WR) < 0)
        return;
    for (int64_t left; (left = until_ms - clock_now_ms()) > 0;) {
        struct pollfd p = {.fd = l->fd, .events = POLLIN};
        if (poll(&p, 1, (int)left) > 0 && recv(l->fd, l->data, sizeof(l->data), 0) <= 0)
            return;
    }
}

static void closed(struct link *l, const char *why)
{
    char text[sizeof(l->why)];
    snprintf(text, sizeof(text), "%s", why);
    link_close(l);
    l->events.on_closed(l->events.arg, text, l->refused);
}

/* ---- events the socket is watched for ---- */

static void rewatch(struct link *l)
{
    uint32_t events = EPOLLIN;
    bool tls_writes = l->tls && redis_tls_wants_write(l->tls);
    if (l->state == LINK_CONNECTING)
        events = EPOLLOUT;
    else if (tls_writes || (l->state == LINK_OPEN && l->out.bytes))
        events |= EPOLLOUT;
    (void)loop_rewatch(l->loop, &l->watch, events); /* fails only for a bug of ours */
}

/* ---- writing ---- */

static ssize_t put(struct link *l)
{
    if (l->tls)
        return redis_tls_write(l->tls, l->out.data, l->out.bytes);
    ssize_t n = send(l->fd, l->out.data, l->out.bytes, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static int flush(struct link *l)
{
    while (l->out.bytes) {
        ssize_t n = put(l);
        if (n == -EAGAIN || n == -EINTR)
            break;
        if (n < 0)
            return (int)n;
        buf_consume(&l->out, (size_t)n);
    }
    rewatch(l);
    return 0;
}

static void on_flush(void *arg)
{
    struct link *l = arg;
    l->busy++;
    if (flush(l) < 0)
        closed(l, "write: the connection broke");
    leave(l);
}

size_t link_room(const struct link *l)
{
    return l->out.ceiling - l->out.bytes;
}

void link_write(struct link *l, const char *data, size_t bytes)
{
    if (l->state != LINK_OPEN || buf_add(&l->out, data, bytes) < 0)
        return;                                 /* the command's deadline finds it */
    if (!l->flush.set && l->out.bytes == bytes) /* else it is on its way already */
        loop_after(l->loop, &l->flush, AFTER_SEND, on_flush, l);
    if (l->out.bytes >= EARLY_BYTES && !l->tls) { /* the server can begin */
        ssize_t n = put(l);
        if (n > 0) /* else the flush will say it */
            buf_consume(&l->out, (size_t)n);
    }
}

/* ---- reading ---- */

static ssize_t take(struct link *l)
{
    if (l->tls)
        return redis_tls_read(l->tls, l->data, sizeof(l->data));
    ssize_t n = recv(l->fd, l->data, sizeof(l->data), 0);
    return n < 0 ? -errno : n;
}

static void read_all(struct link *l)
{
    char why[160];
    int fd = l->fd;
    while (l->state == LINK_OPEN && l->fd == fd) {
        ssize_t n = take(l);
        if (n == -EAGAIN || n == -EINTR)
            return;
        if (n <= 0) {
            snprintf(why, sizeof(why), "%s", n ? strerror((int)-n) : "closed by the server");
            closed(l, why);
            return;
        }
        l->events.on_data(l->events.arg, l->data, (size_t)n);
    }
}

static void on_stream(struct link *l, uint32_t events)
{
    int rc = events & EPOLLOUT || l->tls ? flush(l) : 0;
    if (rc < 0)
        closed(l, strerror(-rc));
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
        read_all(l);
    if (l->state == LINK_OPEN)
        rewatch(l);
}

/* ---- connecting ---- */

static void opened(struct link *l)
{
    l->state = LINK_OPEN;
    l->refused = 0;
    loop_timer_cancel(l->loop, &l->timer);
    rewatch(l);
    l->events.on_open(l->events.arg);
}

/* A refused certificate is the better reason, whatever the next address says. */
static void note(struct link *l, const char *why)
{
    if (!l->refused || strstr(why, "certificate"))
        snprintf(l->why, sizeof(l->why), "%.500s", why);
}

static void address_failed(struct link *l, const char *why)
{
    note(l, why);
    drop_socket(l);
    try_address(l);
}

static void handshake(struct link *l)
{
    struct err e = ERR_INIT;
    int rc = redis_tls_handshake(l->tls, &e);
    if (rc == -EAGAIN) {
        rewatch(l);
    } else if (rc < 0) {
        l->refused |= rc == -EACCES;
        address_failed(l, e.text);
    } else {
        opened(l);
    }
}

static void connected(struct link *l)
{
    struct err e = ERR_INIT;
    int failed = 0;
    socklen_t n = sizeof(failed);
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &failed, &n) < 0)
        failed = errno;
    if (failed) {
        address_failed(l, strerror(failed));
        return;
    }
    if (!l->tls) {
        opened(l);
        return;
    }
    l->state = LINK_HANDSHAKE;
    if (redis_tls_start(l->tls, l->fd, l->url->host, &e) < 0)
        address_failed(l, e.text);
    else
        handshake(l);
}

static void on_ready(void *arg, uint32_t events)
{
    struct link *l = arg;
    l->busy++;
    if (l->state == LINK_CONNECTING)
        connected(l);
    else if (l->state == LINK_HANDSHAKE)
        handshake(l);
    else if (l->state == LINK_OPEN)
        on_stream(l, events);
    leave(l);
}

static void on_late(void *arg)
{
    struct link *l = arg;
    l->busy++;
    if (l->state == LINK_RESOLVING)
        closed(l, "resolve: no answer in time");
    else
        address_failed(l, "connect: no answer in time");
    leave(l);
}

static void tune(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},   {IPPROTO_TCP, TCP_KEEPIDLE, 15},
        {IPPROTO_TCP, TCP_KEEPINTVL, 5}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
        {IPPROTO_TCP, TCP_NODELAY, 1},   {IPPROTO_TCP, TCP_USER_TIMEOUT, 15000},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) /* a wish: none is vital */
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static int start_socket(struct link *l, const struct sockaddr *a, socklen_t bytes)
{
    l->fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return -errno;
    if (a->sa_family != AF_UNIX)
        tune(l->fd);
    if (connect(l->fd, a, bytes) < 0 && errno != EINPROGRESS)
        return -errno;
    l->state = LINK_CONNECTING;
    return loop_watch(l->loop, &l->watch, l->fd, EPOLLOUT, on_ready, l);
}

static int64_t address_time_ms(const struct link *l)
{
    int64_t left = l->deadline_ms - clock_now_ms();
    int64_t share = left / (l->addresses.count - l->next + 1);
    if (share < ADDRESS_MS)
        share = ADDRESS_MS;
    return share < left ? share : left;
}

static void try_address(struct link *l)
{
    while (l->next < l->addresses.count && clock_now_ms() < l->deadline_ms) {
        const struct address *a = &l->addresses.list[l->next++];
        int rc = start_socket(l, &a->any, a->bytes);
        if (rc == 0) {
            loop_timer(l->loop, &l->timer, address_time_ms(l), on_late, l);
            return;
        }
        note(l, strerror(-rc));
        drop_socket(l);
    }
    closed(l, l->why);
}

static void on_resolved(void *arg, const struct addresses *found, const char *why)
{
    struct link *l = arg;
    l->busy++;
    l->addresses = *found;
    if (why) {
        closed(l, why);
    } else {
        l->resolve = resolve_cancel(l->resolve);
        try_address(l);
    }
    leave(l);
}

static void open_unix(void *arg)
{
    struct link *l = arg;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", l->url->path);
    l->busy++;
    int rc = start_socket(l, (struct sockaddr *)&a, sizeof(a));
    if (rc < 0)
        closed(l, strerror(-rc));
    else
        loop_timer(l->loop, &l->timer, OPEN_MS, on_late, l);
    leave(l);
}

void link_open(struct link *l)
{
    link_close(l);
    l->state = LINK_RESOLVING;
    l->deadline_ms = clock_now_ms() + OPEN_MS;
    l->addresses.count = l->next = 0;
    l->refused = 0;
    snprintf(l->why, sizeof(l->why), "connect: no answer in time");
    if (l->url->path) {
        loop_timer(l->loop, &l->timer, 0, open_unix, l);
        return;
    }
    loop_timer(l->loop, &l->timer, OPEN_MS, on_late, l);
    l->resolve = resolve_start(l->loop, l->url->host, l->url->port, on_resolved, l);
}

int link_new(struct loop *loop, const struct redis_url *url, const char *ca_file,
             const struct link_events *events, struct link **ret, struct err *e)
{
    struct redis_tls *tls = NULL;
    int rc = url->tls ? redis_tls_new(ca_file, &tls, e) : 0;
    if (rc < 0)
        return rc;
    struct link *l = own_calloc(1, sizeof(*l));
    l->loop = loop;
    l->url = url;
    l->events = *events;
    l->tls = tls;
    l->fd = -1;
    l->watch = (struct watch)WATCH_INIT;
    l->out = (struct buf)BUF_INIT(CEILING_REDIS_OUT_BYTES);
    *ret = l;
    return 0;
}

void *link_free(struct link *l)
{
    if (!l)
        return NULL;
    l->busy++;
    link_close(l);
    l->dead = true;
    leave(l);
    return NULL;
}
