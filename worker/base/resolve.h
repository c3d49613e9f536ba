/* Names to addresses without blocking the loop: numeric addresses and localhost
 * at once, everything else by c-ares (/etc/hosts, then DNS).
 *
 * Life: RESOLVE_INIT, resolve_start(), on_done once (at the loop's next step or
 * later), resolve_cancel() at any time: on_done does not come after it. */
#ifndef MANIMD_RESOLVE_H
#define MANIMD_RESOLVE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "loop.h"

struct err;

#define RESOLVE_ADDRESSES_MAX 16

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t bytes;
};

struct addresses {
    struct address list[RESOLVE_ADDRESSES_MAX];
    int count;
};

/* `why` is NULL when there is at least one address. */
typedef void resolve_fn(void *arg, const struct addresses *found, const char *why);

struct resolve;
struct resolve *resolve_start(struct loop *loop, const char *host, int port, resolve_fn *on_done,
                              void *arg);
/* Also frees what is done. NULL is fine; returns NULL. */
void *resolve_cancel(struct resolve *r);

#endif
