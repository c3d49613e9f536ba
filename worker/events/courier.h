/* Delivers webhooks: several at a time over libcurl, each through the SSRF
 * guard and signed; slow receivers keep few of the seats, and one that says that
 * it has too much to do is spared for a while. It knows no Redis: cmd/ wires it
 * to the outbox.
 *
 * Life: courier_new(), then courier_take() while courier_room() > 0 and
 * courier_turn() again and again; courier_free(). What is in the air at that
 * moment is not said to have ended. */
#ifndef MANIMD_COURIER_H
#define MANIMD_COURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../manimd.h"

struct courier;
struct guard;
struct webhook_secrets;

struct courier_spec {
    const struct guard *guard;
    const struct webhook_secrets *secrets;
    const char *ca_file; /* NULL: the system's */
    int64_t timeout_ms, retry_base_ms;
    int tries;
    /* From courier_turn(), or from courier_take() itself when it is deferred. */
    void (*on_end)(void *arg, const struct hook *hook, const struct hook_verdict *verdict);
    void *arg;
};

struct courier *courier_new(const struct courier_spec *spec);
/* NULL is fine; returns NULL. */
void *courier_free(struct courier *c);
int courier_room(const struct courier *c);
/* `hook` must stay until on_end. */
void courier_take(struct courier *c, const struct hook *hook);
/* Moves what is in the air, waits for it for at most `wait_ms`. False: nothing is. */
bool courier_turn(struct courier *c, int wait_ms);

/* "https://host:port" of a URL, which a log may show; `ret` is cut off. */
void courier_origin(const char *url, char *ret, size_t bytes);

#endif
