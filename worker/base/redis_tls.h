/* Inside base/: TLS over a socket that is not blocking, by OpenSSL: at least
 * TLS 1.2, SNI, and the certificate's name checked against the host's (which
 * hiredis does in no version: queue.md §6).
 *
 * Life: redis_tls_new() once, redis_tls_start() for each connection,
 * redis_tls_handshake() until 0, then read and write, redis_tls_stop().
 * All return -EAGAIN when the socket must become ready first; `wants_write`
 * then says for what. */
#ifndef MANIMD_REDIS_TLS_H
#define MANIMD_REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;
struct redis_tls;

/* `ca_file` NULL: the system's certificates. */
int redis_tls_new(const char *ca_file, struct redis_tls **ret, struct err *e);
void *redis_tls_free(struct redis_tls *t);
int redis_tls_start(struct redis_tls *t, int fd, const char *host, struct err *e);
int redis_tls_handshake(struct redis_tls *t, struct err *e);
/* Bytes, 0 at the end of the stream, or a negative errno. */
ssize_t redis_tls_read(struct redis_tls *t, void *data, size_t bytes);
ssize_t redis_tls_write(struct redis_tls *t, const void *data, size_t bytes);
bool redis_tls_wants_write(const struct redis_tls *t);
void redis_tls_stop(struct redis_tls *t);

#endif
