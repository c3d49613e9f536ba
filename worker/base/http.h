/* HTTP out, by libcurl: one request, its answer bounded. Used by the store,
 * the fetch stage and the courier. Blocking; only stages call it. */
#ifndef MANIMD_HTTP_H
#define MANIMD_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

struct buf;
struct err;

struct http_request {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    int body_fd;                /* -1: none, or `body` */
    const void *body;           /* used when body_fd is -1 */
    int64_t body_bytes;
    int64_t body_offset; /* into body_fd */
    const char *ca_file; /* NULL: the system's */
    int64_t connect_ms, total_ms, stall_ms; /* stall: no byte for this long */
    /* NULL, or called now and then; true stops the request (-ECANCELED). */
    bool (*should_stop)(void *arg, int64_t sent_bytes);
    void *arg;
};

struct http_answer {
    long status;          /* 0 when there was none */
    struct buf *body;     /* the caller's; cut off at its ceiling */
    struct buf *headers;  /* the caller's, raw lines; may be NULL */
};

struct http;
struct http *http_new(void); /* keeps connections for reuse */
void *http_free(struct http *h);
/* 0 when an answer came, whatever its status. */
int http_do(struct http *h, const struct http_request *request,
            struct http_answer *ret, struct err *e);

#endif
