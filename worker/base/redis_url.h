/* Inside base/: where a Redis is, from its URL.
 *
 *   redis://[user[:password]@]host[:port][/db][?db=N]     port 6379
 *   rediss://…                                            TLS
 *   unix://[user[:password]@]/path/to.sock[?db=N]
 *
 * User, password and path are percent-decoded; an IPv6 host stands in [ ].
 * Sentences never show what stands before the @. */
#ifndef MANIMD_REDIS_URL_H
#define MANIMD_REDIS_URL_H

#include <stdbool.h>

struct err;

struct redis_url {
    bool tls;
    char *path; /* of a unix socket; NULL: host and port */
    char *host;
    int port;
    int db;
    char *user, *password; /* NULL when absent */
    char shown[128];       /* for sentences: no secrets in it */
};

int redis_url_parse(const char *url, struct redis_url *ret, struct err *e);
void redis_url_done(struct redis_url *u);

#endif
