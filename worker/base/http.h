/* HTTP out, by libcurl: requests whose answers are bounded. Used by the store,
 * the fetch stage and the courier. Blocking; only stages call it.
 *
 * http and https only, no redirects, no proxy (whatever the environment says),
 * no credentials in the URL, nothing kept between requests but connections.
 * Sentences name the scheme, host and port, never the path or the query: those
 * may hold a presigned URL's secret. */
#ifndef MANIMD_HTTP_H
#define MANIMD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct buf;
struct guard;

struct http_request {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    int body_fd;                /* -1: none, or `body` */
    const void *body;           /* used when body_fd is -1 */
    int64_t body_bytes;
    int64_t body_offset;       /* into body_fd */
    const char *ca_file;       /* NULL: the system's */
    const struct guard *guard; /* NULL, or what keeps a stranger's URL to public addresses */
    /* 0: no limit; less: over already (-ETIMEDOUT). stall: no byte for this long. */
    int64_t connect_ms, total_ms, stall_ms;
    int64_t most_bytes; /* a body that says it is longer is not begun; 0: no limit */
    /* NULL, or takes the body piece by piece instead of answer.body; false: no
     * more of it (answer.cut). */
    bool (*on_body)(void *arg, long status, const void *data, size_t bytes);
    /* NULL, or called now and then; true stops the request (-ECANCELED). */
    bool (*should_stop)(void *arg, int64_t sent_bytes);
    void *arg; /* of both */
};

struct http_answer {
    long status;         /* 0 when there was none */
    struct buf *body;    /* the caller's; cut off at its ceiling; NULL: dropped */
    struct buf *headers; /* the caller's, raw lines; may be NULL */
    bool cut;            /* the body was longer than its ceiling, or than was wanted */
};

struct http;
struct http *http_new(void); /* keeps connections for reuse */
void *http_free(struct http *h);

/* 0 when an answer came, whatever its status. Otherwise
 *   -EINVAL        the URL is none, or not http(s)
 *   -EPERM         its guard refused the URL, or every address it led to
 *   -EHOSTUNREACH  its name does not resolve
 *   -ECONNREFUSED  no connection
 *   -EKEYREJECTED  TLS: the certificate is not trusted, or the CA file is bad
 *   -EPROTO        TLS or HTTP spoken wrongly
 *   -ECONNRESET    the line broke before the answer was whole
 *   -ETIMEDOUT     connect_ms, total_ms or stall_ms passed
 *   -ECANCELED     should_stop() said so
 *   -EIO           the body could not be read, and whatever else */
int http_do(struct http *h, const struct http_request *request, struct http_answer *ret,
            struct err *e);

/* Several at the same time, each with its own connection. */
#define HTTP_PARALLEL_MAX 8
struct http_call {
    struct http_request request;
    struct http_answer answer;
    int rc; /* as http_do()'s */
    struct err err;
};
void http_do_all(struct http *h, struct http_call *calls, size_t count);

/* The same for who has other things to do meanwhile. -EBUSY: HTTP_PARALLEL_MAX
 * are running. Otherwise 0, and call->rc is HTTP_RUNNING until a later
 * http_turn() has ended it (at once what fails at once); `call` and all it
 * points to must stay where they are until then. */
#define HTTP_RUNNING 1
int http_begin(struct http *h, struct http_call *call);
/* Moves what is running, then waits for at most `wait_ms`. False: nothing runs. */
bool http_turn(struct http *h, int wait_ms);

/* The value of the header `name` among raw lines, without blanks around it;
 * false when there is none or it does not fit. Of several, the last. */
bool http_header(const struct buf *headers, const char *name, char *ret, size_t bytes);
/* Unix time of an HTTP date; -1 when it is none. */
int64_t http_parse_date(const char *date);

#endif
