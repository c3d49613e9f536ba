/* Inside base/: the stream beneath a Redis connection: resolving, connecting
 * over all addresses under one deadline, TLS, reading and writing, without ever
 * blocking. It knows no RESP and does not reconnect by itself.
 *
 * Life: link_new(), link_open() → on_open or on_closed; on_data…; on_closed once
 * when it breaks; link_open() again at will. link_close() is silent. Any of
 * these may be called from the callbacks, link_free() too. */
#ifndef MANIMD_REDIS_LINK_H
#define MANIMD_REDIS_LINK_H

#include <stddef.h>

struct loop;
struct err;
struct link;
struct redis_url;

struct link_events {
    void (*on_open)(void *arg);
    void (*on_data)(void *arg, const char *data, size_t bytes);
    /* `refused`: it answered and will not have us (its certificate). */
    void (*on_closed)(void *arg, const char *why, int refused);
    void *arg;
};

/* `url` must outlive the link. */
int link_new(struct loop *loop, const struct redis_url *url, const char *ca_file,
             const struct link_events *events, struct link **ret, struct err *e);
void *link_free(struct link *l);
void link_open(struct link *l);
void link_close(struct link *l);
/* Before a last link_close(): sends an end and waits, blocking, at most `ms` for
 * the server's. Else it might find our end gone while it answers one command,
 * and drop those behind it unread. */
void link_linger(struct link *l, int ms);
/* Bytes that can be given to link_write() now. */
size_t link_room(const struct link *l);
void link_write(struct link *l, const char *data, size_t bytes);

#endif
