/* See resolve.h. c-ares tells by a callback which sockets it wants watched; we
 * keep a watch for each, and one timer for its time limits. */
#include "resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "own.h"

#define SOCKETS_MAX 16
#define TRY_MS 2000
#define TRIES 2

/* A socket that c-ares wants watched. */
struct resolve_socket {
    struct watch watch;
    struct resolve *resolve;
};

struct resolve {
    struct loop *loop;
    resolve_fn *on_done;
    void *arg;
    int port;
    ares_channel channel; /* NULL: none was needed */
    struct resolve_socket sockets[SOCKETS_MAX];
    struct timer timer;
    struct addresses found;
    char why[160];
    bool done;
};

static void add(struct resolve *r, const struct sockaddr *a)
{
    struct address *into = &r->found.list[r->found.count];
    if (r->found.count == RESOLVE_ADDRESSES_MAX)
        return;
    if (a->sa_family == AF_INET) {
        memcpy(&into->v4, a, sizeof(into->v4));
        into->v4.sin_port = htons((uint16_t)r->port);
        into->bytes = sizeof(into->v4);
    } else if (a->sa_family == AF_INET6) {
        memcpy(&into->v6, a, sizeof(into->v6));
        into->v6.sin6_port = htons((uint16_t)r->port);
        into->bytes = sizeof(into->v6);
    } else {
        return;
    }
    r->found.count++;
}

static bool add_numeric(struct resolve *r, const char *host)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        add(r, (struct sockaddr *)&v4);
    else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        add(r, (struct sockaddr *)&v6);
    else
        return false;
    return true;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct resolve *r = arg;
    (void)timeouts;
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED)
        return;
    for (struct ares_addrinfo_node *n = info ? info->nodes : NULL; n; n = n->ai_next)
        add(r, n->ai_addr);
    if (info)
        ares_freeaddrinfo(info);
    if (r->found.count == 0)
        snprintf(r->why, sizeof(r->why), "resolve: %s",
                 status == ARES_SUCCESS ? "the name has no address" : ares_strerror(status));
    r->done = true; /* told by work(), when c-ares has unwound */
}

static void work(struct resolve *r, ares_socket_t readable, ares_socket_t writable);

static void on_ready(void *arg, uint32_t events)
{
    struct resolve_socket *s = arg;
    ares_socket_t fd = s->watch.fd;
    work(s->resolve, events & ~(uint32_t)EPOLLOUT ? fd : ARES_SOCKET_BAD,
         events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
}

static void on_time(void *arg)
{
    work(arg, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolve *r = arg;
    struct resolve_socket *found = NULL, *unused = NULL;
    uint32_t events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    for (int i = 0; i < SOCKETS_MAX; i++) {
        if (r->sockets[i].watch.fd == fd)
            found = &r->sockets[i];
        else if (r->sockets[i].watch.fd < 0)
            unused = &r->sockets[i];
    }
    if (found && events)
        (void)loop_rewatch(r->loop, &found->watch, events); /* the time limit catches it */
    else if (found)
        loop_unwatch(r->loop, &found->watch);
    else if (unused && events)
        (void)loop_watch(r->loop, &unused->watch, fd, events, on_ready, unused);
}

static void tell(void *arg)
{
    struct resolve *r = arg;
    r->on_done(r->arg, &r->found, r->found.count ? NULL : r->why); /* may free r */
}

static void work(struct resolve *r, ares_socket_t readable, ares_socket_t writable)
{
    if (r->done) {
        tell(r);
        return;
    }
    ares_process_fd(r->channel, readable, writable);
    struct timeval most = {.tv_sec = TRY_MS / 1000}, left;
    ares_timeout(r->channel, &most, &left);
    int64_t in_ms = r->done ? 0 : left.tv_sec * 1000 + left.tv_usec / 1000 + 1;
    loop_timer(r->loop, &r->timer, in_ms, on_time, r);
}

static void ask(struct resolve *r, const char *host)
{
    struct ares_options options = {
        .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = r};
    int rc = ares_init_options(&r->channel, &options,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (rc != ARES_SUCCESS) {
        r->channel = NULL;
        r->done = true;
        snprintf(r->why, sizeof(r->why), "resolve: %s", ares_strerror(rc));
        return;
    }
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(r->channel, host, NULL, &hints, on_addresses, r);
}

struct resolve *resolve_start(struct loop *loop, const char *host, int port, resolve_fn *on_done,
                              void *arg)
{
    struct resolve *r = own_calloc(1, sizeof(*r));
    r->loop = loop;
    r->port = port;
    r->on_done = on_done;
    r->arg = arg;
    for (int i = 0; i < SOCKETS_MAX; i++)
        r->sockets[i] = (struct resolve_socket){.watch = WATCH_INIT, .resolve = r};
    if (strcmp(host, "localhost") == 0) {
        r->done = add_numeric(r, "127.0.0.1") && add_numeric(r, "::1");
    } else {
        r->done = add_numeric(r, host);
    }
    if (!r->done)
        ask(r, host);
    loop_timer(loop, &r->timer, 0, on_time, r);
    return r;
}

void *resolve_cancel(struct resolve *r)
{
    if (!r)
        return NULL;
    loop_timer_cancel(r->loop, &r->timer);
    if (r->channel)
        ares_destroy(r->channel);
    for (int i = 0; i < SOCKETS_MAX; i++)
        loop_unwatch(r->loop, &r->sockets[i].watch);
    free(r);
    return NULL;
}
