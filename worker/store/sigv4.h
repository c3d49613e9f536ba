/* AWS Signature Version 4, for request headers and for presigned URLs.
 *
 * Why our own: each distribution's libcurl signs wrongly in another place, and
 * none presigns. Pure functions on libcrypto's SHA-256 and HMAC: time, region
 * and keys are given, nothing is read from anywhere.
 *
 * Rules of S3 (they differ from other services' in the first):
 *   path     percent-encoded once, '/' kept, nothing normalised
 *   query    names and values encoded, sorted by name, then value; "name=" also
 *            without a value
 *   headers  names lower-cased and sorted, values trimmed, inner blanks folded,
 *            repeated ones joined by commas; accept-encoding, expect,
 *            user-agent and the like never signed: proxies rewrite them
 * Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API
 * Reference. Checked against botocore by tests/stage/test_signer.py. */
#ifndef MANIMD_SIGV4_H
#define MANIMD_SIGV4_H

#include <stddef.h>
#include <stdint.h>

struct buf;

#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
#define SIGV4_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_DATE_CHARS 16 /* 20261127T024133Z */

struct sigv4_pair {
    const char *name;
    const char *value; /* NULL: as "" */
};

struct sigv4_keys {
    const char *id;
    const char *secret;
    const char *token; /* NULL or "": none */
};

/* Everything raw, nothing encoded yet. */
struct sigv4_request {
    const char *method;
    const char *host; /* as in the Host header: with the port, unless it is the default */
    const char *path; /* begins with '/' */
    const struct sigv4_pair *query;
    size_t query_count;
    const struct sigv4_pair *headers; /* besides those that signing adds itself */
    size_t header_count;
    const char *payload_hash; /* 64 hex digits, or SIGV4_UNSIGNED; presigning ignores it */
    int64_t unix_s;
    const char *region;
    const char *service;
    struct sigv4_keys keys;
};

/* Appends the header lines to send besides `headers`, each ended by a newline:
 * X-Amz-Date, X-Amz-Content-Sha256, X-Amz-Security-Token if any, Authorization.
 * 0, or -EMSGSIZE when `ret` has no room. */
int sigv4_sign(const struct sigv4_request *r, struct buf *ret);

/* Appends the query (without '?') that makes the URL good for `expires_s`
 * seconds from unix_s; r->query is part of it. */
int sigv4_presign(const struct sigv4_request *r, int64_t expires_s, struct buf *ret);

/* The path and query of the URL exactly as they are signed. */
int sigv4_add_path(struct buf *ret, const char *path);
int sigv4_add_query(struct buf *ret, const struct sigv4_pair *query, size_t count);

/* SHA-256 of memory as 64 hex digits and NUL. */
void sigv4_sha256(const void *data, size_t bytes, char ret_hex[65]);

#endif
