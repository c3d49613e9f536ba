/* The client: settings, addressing, signing, and sending until it is good. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/clock.h"
#include "../base/http.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "s3.h"

#define CONNECT_MS 10000
#define STALL_MS 30000
#define SLOW_ANSWER_TIMES 6 /* Complete puts the parts together before it answers */
#define BACKOFF_BASE_MS 200
#define BACKOFF_CAP_MS 20000
#define LAST_WORDS_MS 2000

static bool is_set(const char *s)
{
    return s && *s;
}

static char *dup_set(const char *s)
{
    return is_set(s) ? own_strdup(s) : NULL;
}

/* A bucket whose name can be a DNS label, so that one TLS certificate fits. */
static bool dns_label(const char *bucket)
{
    size_t n = strlen(bucket);
    return n >= 3 && n <= 63 && strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
           bucket[0] != '-' && bucket[n - 1] != '-';
}

static bool amazon_host(const char *host)
{
    static const char *const ends[] = {".amazonaws.com", ".amazonaws.com.cn"};
    size_t n = strlen(host);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t m = strlen(ends[i]);
        if (n > m && strcmp(host + n - m, ends[i]) == 0)
            return true;
    }
    return false;
}

static char *amazon_host_of(const char *region)
{
    return own_printf("s3.%s.amazonaws.com%s", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

/* curl leaves the default port out of the Host header; so must the signature. */
static void drop_default_port(char *host, bool tls)
{
    const char *port = tls ? ":443" : ":80";
    size_t n = strlen(host), m = strlen(port);
    if (n > m && strcmp(host + n - m, port) == 0)
        host[n - m] = '\0';
}

static int bad_endpoint(const char *endpoint, const char *words, struct err *e)
{
    bool secret = strchr(endpoint, '@') != NULL;
    return err_set(e, -EINVAL, FAULT_HOST, "s3_endpoint \"%.200s\": %s",
                   secret ? "(with a user in it)" : endpoint, words);
}

static int parse_endpoint(struct s3 *s3, const char *endpoint, struct err *e)
{
    s3->tls = strncasecmp(endpoint, "https://", 8) == 0;
    if (!s3->tls && strncasecmp(endpoint, "http://", 7) != 0)
        return bad_endpoint(endpoint, "must begin with https:// or http://", e);
    const char *authority = strstr(endpoint, "://") + 3;
    size_t bytes = strcspn(authority, "/?#");
    if (bytes == 0)
        return bad_endpoint(endpoint, "names no host", e);
    if (memchr(authority, '@', bytes))
        return bad_endpoint(endpoint, "must hold no user; set s3_access_key_id", e);
    if (strpbrk(authority + bytes, "?#"))
        return bad_endpoint(endpoint, "must hold no query", e);
    s3->host = own_strndup(authority, bytes);
    for (char *c = s3->host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    drop_default_port(s3->host, s3->tls);
    s3->base = own_strdup(authority + bytes);
    for (size_t n = strlen(s3->base); n > 0 && s3->base[n - 1] == '/'; n--)
        s3->base[n - 1] = '\0';
    return 0;
}

static void choose_addressing(struct s3 *s3, const char *how)
{
    if (strcmp(how, "path") == 0)
        s3->virtual_host = false;
    else if (strcmp(how, "virtual") == 0)
        s3->virtual_host = true;
    else
        s3->virtual_host = amazon_host(s3->host) && dns_label(s3->bucket);
}

static int need(const char *value, const char *name, struct err *e)
{
    return is_set(value) ? 0 : err_set(e, -EINVAL, FAULT_HOST, "%s is not set", name);
}

static int read_config(struct s3 *s3, const struct config *c, struct err *e)
{
    int rc = need(c->s3_bucket, "s3_bucket", e);
    rc = rc ? rc : need(c->s3_access_key_id, "s3_access_key_id", e);
    rc = rc ? rc : need(c->s3_secret_access_key, "s3_secret_access_key", e);
    if (rc != 0)
        return rc;
    if (strpbrk(c->s3_bucket, "/?#\r\n"))
        return err_set(e, -EINVAL, FAULT_HOST, "s3_bucket \"%.100s\": no name of a bucket",
                       c->s3_bucket);
    s3->bucket = own_strdup(c->s3_bucket);
    s3->region = own_strdup(is_set(c->s3_region) ? c->s3_region : "us-east-1");
    s3->key_id = own_strdup(c->s3_access_key_id);
    s3->secret = own_strdup(c->s3_secret_access_key);
    s3->token = dup_set(c->s3_session_token);
    s3->ca_file = dup_set(c->s3_ca_file);
    s3->tries = (int)(c->s3_tries > 0 ? c->s3_tries : 1);
    s3->own_host = !is_set(c->s3_endpoint);
    if (s3->own_host) {
        s3->tls = true;
        s3->host = amazon_host_of(s3->region);
        s3->base = own_strdup("");
    } else {
        rc = parse_endpoint(s3, c->s3_endpoint, e);
    }
    if (rc == 0)
        choose_addressing(s3, is_set(c->s3_addressing) ? c->s3_addressing : "auto");
    return rc;
}

int s3_new(const struct config *c, struct store_watch *w, struct s3 **ret, struct err *e)
{
    struct s3 *s3 = own_calloc(1, sizeof(*s3));
    s3->watch = w;
    int rc = read_config(s3, c, e);
    if (rc != 0) {
        s3_free(s3);
        return rc;
    }
    if (w)
        s3->http = http_new();
    *ret = s3;
    return 0;
}

static void free_secret(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

void *s3_free(struct s3 *s3)
{
    if (!s3)
        return NULL;
    http_free(s3->http);
    free(s3->host);
    free(s3->base);
    free(s3->bucket);
    free(s3->region);
    free(s3->ca_file);
    free(s3->key_id);
    free_secret(s3->secret);
    free_secret(s3->token);
    free(s3);
    return NULL;
}

void s3_call_done(struct s3_call *call)
{
    buf_done(&call->answer);
    buf_done(&call->answer_headers);
    buf_done(&call->url);
    buf_done(&call->lines);
}

bool s3_learn_region(struct s3 *s3, const char *region)
{
    size_t n = strlen(region);
    bool sane = n > 0 && strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
    if (s3->region_learned || !sane || strcmp(region, s3->region) == 0)
        return false;
    s3->region_learned = true;
    free(s3->region);
    s3->region = own_strdup(region);
    if (s3->own_host) {
        free(s3->host);
        s3->host = amazon_host_of(region);
    }
    return true;
}

static char *host_of(const struct s3 *s3)
{
    return s3->virtual_host ? own_printf("%s.%s", s3->bucket, s3->host) : own_strdup(s3->host);
}

static char *path_of(const struct s3 *s3, const char *key)
{
    bool in_path = !s3->virtual_host;
    return own_printf("%s%s%s/%s", s3->base, in_path ? "/" : "", in_path ? s3->bucket : "",
                      key ? key : "");
}

static struct sigv4_request request_of(const struct s3 *s3, const char *method, const char *host,
                                       const char *path)
{
    return (struct sigv4_request){.method = method,
                                  .host = host,
                                  .path = path,
                                  .region = s3->region,
                                  .service = "s3",
                                  .keys = {s3->key_id, s3->secret, s3->token}};
}

static int add_url(struct buf *url, const struct s3 *s3, const char *host, const char *path)
{
    int rc = buf_printf(url, "%s://%s", s3->tls ? "https" : "http", host);
    return rc ? rc : sigv4_add_path(url, path);
}

/* The call's URL and header lines, signed now: each try has its own date. */
static int sign(const struct s3 *s3, struct s3_call *call)
{
    char hash[65] = SIGV4_EMPTY_SHA256;
    own_free char *host = host_of(s3);
    own_free char *path = path_of(s3, call->key);
    if (!call->payload_hash && call->body_bytes > 0)
        sigv4_sha256(call->body, (size_t)call->body_bytes, hash);
    struct sigv4_request r = request_of(s3, call->method, host, path);
    r.query = call->query;
    r.query_count = call->query_count;
    r.headers = call->headers;
    r.header_count = call->header_count;
    r.payload_hash = call->payload_hash ? call->payload_hash : hash;
    r.unix_s = clock_unix_ms() / 1000 + s3->skew_s;
    buf_clear(&call->url);
    buf_clear(&call->lines);
    int rc = add_url(&call->url, s3, host, path);
    if (rc == 0 && call->query_count > 0) {
        rc = buf_add_str(&call->url, "?");
        rc = rc ? rc : sigv4_add_query(&call->url, call->query, call->query_count);
    }
    for (size_t i = 0; i < call->header_count && rc == 0; i++)
        rc = buf_printf(&call->lines, "%s: %s\n", call->headers[i].name, call->headers[i].value);
    return rc ? rc : sigv4_sign(&r, &call->lines);
}

/* Cuts the lines apart for curl. */
static void split_lines(struct s3_call *call)
{
    size_t n = 0;
    size_t most = sizeof(call->line) / sizeof(call->line[0]) - 1;
    for (char *at = call->lines.data; at && *at && n < most;) {
        call->line[n++] = at;
        at = strchr(at, '\n');
        if (at)
            *at++ = '\0';
    }
    call->line[n] = NULL;
}

static bool should_stop(void *arg, int64_t sent_bytes)
{
    (void)sent_bytes; /* summed up in on_progress(), which knows which call */
    const struct s3 *s3 = arg;
    return !s3->last_words && store_stopped(s3->watch);
}

struct sending {
    struct s3 *s3;
    struct s3_call *call;
};

static bool on_progress(void *arg, int64_t sent_bytes)
{
    const struct sending *sending = arg;
    struct s3 *s3 = sending->s3;
    sending->call->sent_bytes = sent_bytes;
    if (sending->call->from_file) { /* parts that travel together are neighbours */
        int64_t sum = s3->running[0].body_offset;
        for (size_t i = 0; i < s3->running_count; i++)
            sum += s3->running[i].sent_bytes;
        store_progress(s3->watch, sum);
    }
    return should_stop(s3, sent_bytes);
}

static int64_t time_left_ms(const struct s3 *s3)
{
    if (s3->last_words)
        return LAST_WORDS_MS;
    int64_t left_ms = s3->watch->deadline_ms - clock_now_ms();
    return left_ms ? left_ms : -1; /* 0 would be no limit */
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void fill_http(struct s3 *s3, struct sending *sending, struct http_call *h)
{
    struct s3_call *call = sending->call;
    int64_t left_ms = time_left_ms(s3);
    int64_t stall_ms = least(STALL_MS, s3->watch->timeout_ms / 4 + 1);
    *h = (struct http_call){
        .request = {.method = call->method,
                    .url = buf_str(&call->url),
                    .headers = call->line,
                    .body_fd = call->from_file ? call->body_fd : -1,
                    .body = call->body,
                    .body_bytes = call->body_bytes,
                    .body_offset = call->body_offset,
                    .ca_file = s3->ca_file,
                    .connect_ms = least(CONNECT_MS, left_ms),
                    .total_ms = left_ms,
                    .stall_ms = call->slow_answer ? stall_ms * SLOW_ANSWER_TIMES : stall_ms,
                    .should_stop = on_progress,
                    .arg = sending},
        .answer = {.body = &call->answer, .headers = &call->answer_headers},
    };
}

/* One try of all calls that are not done. */
static int send_pending(struct s3 *s3, struct s3_call *calls, size_t count, struct err *e)
{
    struct http_call http[S3_PARALLEL];
    struct sending sending[S3_PARALLEL];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct s3_call *call = &calls[i];
        if (call->done)
            continue;
        buf_clear(&call->answer);
        buf_clear(&call->answer_headers);
        if (sign(s3, call) != 0)
            return err_set(e, -EMSGSIZE, FAULT_HOST, "its key or headers are too long to be sent");
        split_lines(call);
        s3->watch->requests++;
        s3->watch->retries += call->sent > 0;
        call->sent++;
        sending[n] = (struct sending){s3, call};
        fill_http(s3, &sending[n], &http[n]);
        n++;
    }
    http_do_all(s3->http, http, n);
    for (size_t i = 0; i < n; i++) {
        struct s3_call *call = sending[i].call;
        call->status = http[i].answer.status;
        call->rc = http[i].rc;
        call->err = http[i].err;
    }
    return 0;
}

static int64_t pause_ms(const struct s3_call *call, int attempt)
{
    char after[16];
    int64_t ms = clock_backoff_ms(BACKOFF_BASE_MS, BACKOFF_CAP_MS, attempt);
    if (call->rc == -EREMOTEIO &&
        http_header(&call->answer_headers, "Retry-After", after, sizeof(after))) {
        int64_t said_ms = strtoll(after, NULL, 10) * 1000;
        ms = said_ms > ms ? least(said_ms, BACKOFF_CAP_MS) : ms;
    }
    return ms;
}

/* After a try: 1 when all are done, 0 to go on after `ret_pause_ms`, or the
 * error of one that is given up. */
static int judge_all(struct s3 *s3, struct s3_call *calls, size_t count, int64_t *ret_pause_ms,
                     struct err *e)
{
    bool all = true;
    int64_t longest_ms = 0;
    for (size_t i = 0; i < count; i++) {
        struct s3_call *call = &calls[i];
        if (call->done)
            continue;
        enum s3_verdict verdict = s3_judge(s3, call);
        call->done = verdict == S3_DONE;
        all &= call->done;
        bool spent = verdict == S3_AGAIN && call->sent >= s3->tries;
        if (verdict == S3_GIVE_UP || spent) {
            if (e)
                *e = call->err;
            if (spent && call->sent > 1)
                (void)err_wrap(e, 0, "after %d tries", call->sent);
            return call->rc;
        }
        int64_t ms = verdict == S3_AGAIN ? pause_ms(call, call->sent - 1) : 0;
        longest_ms = ms > longest_ms ? ms : longest_ms;
    }
    *ret_pause_ms = longest_ms;
    return all;
}

static int out_of_time(const struct s3 *s3, const struct s3_call *calls, size_t count,
                       struct err *e)
{
    const char *last = "no answer";
    for (size_t i = 0; i < count; i++) {
        if (!calls[i].done && calls[i].rc != 0)
            last = calls[i].err.text;
    }
    return err_set(e, -ETIMEDOUT, FAULT_PEER, "not done in the %lld s of store_timeout_s: %s",
                   (long long)(s3->watch->timeout_ms / 1000), last);
}

static int run(struct s3 *s3, struct s3_call *calls, size_t count, struct err *e)
{
    for (;;) {
        int rc = send_pending(s3, calls, count, e);
        if (rc != 0)
            return rc;
        int64_t wait_ms = 0;
        rc = judge_all(s3, calls, count, &wait_ms, e);
        if (rc != 0)
            return rc == 1 ? 0 : rc;
        if (wait_ms >= time_left_ms(s3))
            return out_of_time(s3, calls, count, e);
        store_sleep(s3->watch, wait_ms);
        if (should_stop(s3, 0))
            return err_set(e, -ECANCELED, FAULT_HOST, "stopped");
    }
}

int s3_run(struct s3 *s3, struct s3_call *calls, size_t count, struct err *e)
{
    if (count > S3_PARALLEL)
        abort();
    if (time_left_ms(s3) <= 0)
        return out_of_time(s3, calls, 0, e);
    s3->running = calls;
    s3->running_count = count;
    int rc = run(s3, calls, count, e);
    s3->running = NULL;
    s3->running_count = 0;
    return rc;
}

char *s3_presign(const struct s3 *s3, const char *key, int64_t expires_s, int64_t now_unix_s)
{
    own_free char *host = host_of(s3);
    own_free char *path = path_of(s3, key);
    struct sigv4_request r = request_of(s3, "GET", host, path);
    r.unix_s = now_unix_s;
    own_buf struct buf url = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    int rc = add_url(&url, s3, host, path);
    rc = rc ? rc : buf_add_str(&url, "?");
    rc = rc ? rc : sigv4_presign(&r, expires_s, &url);
    return rc ? NULL : own_strdup(buf_str(&url));
}
