/* The SSRF guard: where a URL that a stranger wrote may lead. One piece for the
 * source, assets, put_url and webhooks.
 *
 * Two looks, both needed. guard_check_url() reads the text: https only (http
 * where the operator allows it), no user in it, a host that can be read in one
 * way only. guard_check_address() judges the address that is connected to, and
 * is asked by http.c for every socket it opens: what a name resolved to earlier,
 * or resolves to for somebody else, cannot matter (DNS rebinding). A request
 * with a guard uses no connection that another request left open.
 *
 * Public addresses only. The ranges are IANA's special-purpose registries (RFC
 * 6890 and its updates), and the few addresses outside of them at which clouds
 * serve credentials. An operator may list exceptions (option guard_allow). */
#ifndef MANIMD_GUARD_H
#define MANIMD_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct err;

#define GUARD_URL_MAX_BYTES 2048
#define GUARD_ALLOW_MAX 32

struct guard_range {
    int family; /* AF_INET, AF_INET6 */
    int bits;
    unsigned char address[16];
};

struct guard {
    bool allow_http;
    size_t allowed;
    struct guard_range allow[GUARD_ALLOW_MAX];
};

/* `allow`: ranges such as "10.1.0.0/16" or single addresses, by comma or blank;
 * NULL or "": none. The sentence quotes the one that is wrong. */
int guard_init(struct guard *g, const char *allow, bool allow_http, struct err *e);

/* 0, or -EPERM with a sentence that begins with what is wrong ("must begin with
 * https://"), to stand behind the name of a field. No name is resolved. */
int guard_check_url(const char *url, bool allow_http, struct err *e);

/* NULL when it may be connected to; else what it is, such as "loopback". */
const char *guard_check_address(const struct guard *g, const struct sockaddr *address);

#endif
