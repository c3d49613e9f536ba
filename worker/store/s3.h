/* A client of one S3 bucket.
 *
 * s3.c        configuration, signing, sending, retries
 * s3_error.c  what an answer means: done, again, whose fault, what to do
 * s3_put.c    an object: single or multipart, then looked at by HEAD
 *
 * Life: s3_new(), s3_run()…, s3_free().
 *
 * Retries: full jitter from 200 ms to 20 s, s3_tries a request, all within the
 * stage's deadline. A clock that is off is learned from the Date header once;
 * the bucket's region is learned once; redirects are never followed (they
 * would carry a signature somewhere else). Every request carries the SHA-256
 * of its payload: the one integrity check that every server enforces. */
#ifndef MANIMD_S3_H
#define MANIMD_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/config.h"
#include "../base/err.h"
#include "kind.h"
#include "sigv4.h"

#define S3_SINGLE_MAX_BYTES (64LL * 1024 * 1024)
#define S3_PART_MIN_BYTES (16LL * 1024 * 1024)
#define S3_PARTS_MAX 9000 /* of the 10,000 allowed */
#define S3_PARALLEL 4
#define S3_HEADERS_MAX 16
#define S3_CODE_BYTES 64

struct http;

struct s3 {
    struct http *http; /* NULL when it only presigns */
    struct store_watch *watch;
    bool tls;
    bool own_host; /* the host is Amazon's for the region, not s3_endpoint's */
    bool virtual_host;
    char *host; /* of the endpoint, port included unless default */
    char *base; /* path of the endpoint, "" or "/…" */
    char *bucket;
    char *region;
    char *ca_file; /* NULL: the system's */
    char *key_id, *secret, *token;
    int tries;
    int64_t skew_s; /* the server's clock minus ours */
    bool skew_learned, region_learned;
    bool last_words; /* aborting: neither a stop nor the deadline counts */
    struct s3_call *running;
    size_t running_count;
};

/* One request: what to send, then what came. */
struct s3_call {
    const char *method;
    const char *key; /* NULL: the bucket itself */
    const struct sigv4_pair *query;
    size_t query_count;
    const struct sigv4_pair *headers;
    size_t header_count;
    const void *body; /* used when from_file is false */
    bool from_file;
    int body_fd;
    int64_t body_offset, body_bytes;
    const char *payload_hash; /* NULL: of `body` or nothing */
    bool wait_until_there;    /* 404 is tried again: a HEAD right after a PUT */
    bool slow_answer;         /* Complete may take minutes */

    struct buf answer, answer_headers;
    long status;              /* 0: no answer */
    char code[S3_CODE_BYTES]; /* S3's word for what is wrong, "" */
    int rc;
    struct err err;
    int sent; /* how often */
    int64_t sent_bytes;
    bool done;

    struct buf url, lines; /* the request on its way */
    const char *line[S3_HEADERS_MAX + 8];
};
#define S3_CALL(...)                                                                            \
    {                                                                                           \
        .body_fd = -1, .answer = BUF_INIT(CEILING_HTTP_ANSWER_BYTES),                           \
        .answer_headers = BUF_INIT(CEILING_HTTP_ANSWER_BYTES),                                  \
        .url = BUF_INIT(CEILING_S3_REQUEST_BYTES), .lines = BUF_INIT(CEILING_S3_REQUEST_BYTES), \
        __VA_ARGS__                                                                             \
    }
void s3_call_done(struct s3_call *call);
#define own_s3_call __attribute__((cleanup(s3_call_done)))

/* A wrong setting is -EINVAL with a sentence (fault HOST). */
int s3_new(const struct config *c, struct store_watch *w, struct s3 **ret, struct err *e);
void *s3_free(struct s3 *s3);
/* All of `calls` at once, until each has a 2xx answer or one is given up; at
 * most S3_PARALLEL. -EREMOTEIO: S3 said no (call->code); or as http_do(). */
int s3_run(struct s3 *s3, struct s3_call *calls, size_t count, struct err *e);
int s3_put(struct s3 *s3, const struct store_file *f, struct store_put *ret, struct err *e);
int s3_delete(struct s3 *s3, const char *key, struct err *e);
char *s3_presign(const struct s3 *s3, const char *key, int64_t expires_s, int64_t now_unix_s);
/* The part's size for a file of `bytes`. */
int64_t s3_part_bytes(int64_t bytes);

enum s3_verdict {
    S3_DONE,
    S3_AGAIN, /* after a pause, while tries are left */
    S3_AGAIN_AT_ONCE /* something was learned */,
    S3_GIVE_UP,
};
/* Fills call->code, rc and err; may correct s3's clock or region. */
enum s3_verdict s3_judge(struct s3 *s3, struct s3_call *call);
/* The text of the first <tag> in `xml`, entities decoded; false when there is
 * none or it does not fit. */
bool s3_xml_text(const char *xml, const char *tag, char *ret, size_t bytes);
/* Takes a region that S3 named; false when it is none or nothing new. */
bool s3_learn_region(struct s3 *s3, const char *region);

#endif
