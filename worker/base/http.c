/* libcurl behind http.h: a pool of easy handles in one multi handle, driven by
 * a loop of our own, so that a stop or a stall is seen within POLL_MS (by
 * curl_easy_perform() it would take up to a second). */
#include <curl/curl.h>
#include <errno.h>
#include <strings.h>

#include "buf.h"
#include "clock.h"
#include "guard.h"
#include "http.h"
#include "own.h"

#define POLL_MS 50
#define UPLOAD_BUFFER_BYTES (512L * 1024)

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct http_call *call;
    int64_t sent_bytes;  /* of the body, as handed to curl */
    int64_t moved_bytes; /* both ways, for the stall limit */
    int64_t seen_bytes;  /* moved_bytes when it last changed … */
    int64_t seen_ms;     /* … and when that was */
    int body_rc;         /* why the body could not be read */
    const char *refused; /* what an address was that the guard refused */
    int opened;          /* sockets that it allowed */
    bool running;
    char error[CURL_ERROR_SIZE];
};

struct http {
    CURLM *multi;
    struct transfer transfers[HTTP_PARALLEL_MAX];
};

struct http *http_new(void)
{
    struct http *h = own_calloc(1, sizeof(*h));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(h->multi = curl_multi_init()))
        abort();
    return h;
}

void *http_free(struct http *h)
{
    if (!h)
        return NULL;
    for (size_t i = 0; i < HTTP_PARALLEL_MAX; i++) {
        struct transfer *t = &h->transfers[i];
        if (t->running)
            curl_multi_remove_handle(h->multi, t->easy);
        curl_slist_free_all(t->headers);
        if (t->easy)
            curl_easy_cleanup(t->easy);
    }
    curl_multi_cleanup(h->multi);
    curl_global_cleanup();
    free(h);
    return NULL;
}

static size_t on_body_out(char *to, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    const struct http_request *r = &t->call->request;
    int64_t left = r->body_bytes - t->sent_bytes;
    size_t room = size * count;
    size_t want = left < (int64_t)room ? (size_t)left : room;
    if (want == 0)
        return 0;
    if (r->body_fd < 0) {
        memcpy(to, (const char *)r->body + t->sent_bytes, want);
    } else {
        ssize_t got = pread(r->body_fd, to, want, r->body_offset + t->sent_bytes);
        if (got <= 0) { /* 0: the file is shorter than it was */
            t->body_rc = got < 0 ? -errno : -ENODATA;
            return CURL_READFUNC_ABORT;
        }
        want = (size_t)got;
    }
    t->sent_bytes += (int64_t)want;
    t->moved_bytes += (int64_t)want;
    return want;
}

/* curl starts a body again when a kept connection turns out to be dead. */
static int on_body_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;
    if (origin != SEEK_SET || offset < 0 || offset > t->call->request.body_bytes)
        return CURL_SEEKFUNC_FAIL;
    t->sent_bytes = offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_body_in(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct http_answer *a = &t->call->answer;
    size_t bytes = size * count;
    t->moved_bytes += (int64_t)bytes;
    const struct http_request *r = &t->call->request;
    if (r->on_body) {
        long status = 0;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        a->cut = !r->on_body(r->arg, status, data, bytes);
        return a->cut ? 0 : bytes;
    }
    size_t room = a->body ? a->body->ceiling - a->body->bytes : 0;
    size_t take = bytes < room ? bytes : room;
    if (a->body && take > 0)
        (void)buf_add(a->body, data, take); /* it fits */
    if (take < bytes)
        a->cut = true;
    return take < bytes ? 0 : bytes;
}

static size_t on_header_in(char *line, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct buf *headers = t->call->answer.headers;
    size_t bytes = size * count;
    t->moved_bytes += (int64_t)bytes;
    if (!headers)
        return bytes;
    if (bytes > 5 && strncmp(line, "HTTP/", 5) == 0)
        buf_clear(headers);              /* what came before was "100 Continue" */
    (void)buf_add(headers, line, bytes); /* past the ceiling a header is not seen */
    return bytes;
}

static void set_method(CURL *c, const struct http_request *r)
{
    if (strcmp(r->method, "HEAD") == 0) {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else if (r->body_bytes > 0 || strcmp(r->method, "PUT") == 0 ||
               strcmp(r->method, "POST") == 0) {
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body_bytes);
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
    } else if (strcmp(r->method, "GET") != 0) {
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
    }
}

static void set_rules(CURL *c, const struct http_request *r)
{
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a resolver's thread */
    curl_easy_setopt(c, CURLOPT_USERAGENT, "manimd");
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_ms);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)r->total_ms);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->most_bytes);
    if (r->ca_file && *r->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, r->ca_file);
}

/* The moment at which the guard decides: this address is connected to next. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct transfer *t = arg;
    (void)purpose;
    const char *what = guard_check_address(t->call->request.guard, &a->addr);
    if (what) {
        t->refused = what;
        return CURL_SOCKET_BAD; /* curl goes on to the name's next address */
    }
    t->opened++;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void set_guard(CURL *c, struct transfer *t)
{
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L); /* a kept one was not looked at */
    curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
    if (!t->call->request.guard->allow_http)
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
}

static void set_callbacks(CURL *c, struct transfer *t)
{
    curl_easy_setopt(c, CURLOPT_PRIVATE, t);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_body_out);
    curl_easy_setopt(c, CURLOPT_READDATA, t);
    curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_body_seek);
    curl_easy_setopt(c, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body_in);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header_in);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
}

/* "https://host:port" of a URL: what a sentence may show. */
static char *origin_of(const char *url)
{
    const char *authority = strstr(url, "://");
    authority = authority ? authority + 3 : url;
    const char *at = strpbrk(authority, "@/?#");
    if (at && *at == '@') /* a user's name and password */
        return own_strdup("(a URL with a user in it)");
    size_t bytes = at ? (size_t)(at - url) : strlen(url);
    return own_strndup(url, bytes < 300 ? bytes : 300);
}

static int start(struct http *h, struct transfer *t, struct http_call *call)
{
    CURL *easy = t->easy ? t->easy : curl_easy_init();
    if (!easy)
        abort();
    curl_easy_reset(easy); /* keeps its connections */
    *t = (struct transfer){.easy = easy, .call = call, .running = true};
    t->seen_ms = clock_now_ms();
    call->answer.status = 0;
    call->answer.cut = false;
    const char *url = call->request.url;
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) {
        own_free char *origin = origin_of(url);
        return err_set(&call->err, -EINVAL, FAULT_HOST,
                       "URL \"%s\": must begin with http:// or https://", origin);
    }
    if (call->request.total_ms < 0 || call->request.connect_ms < 0) {
        own_free char *origin = origin_of(url); /* to curl it would be no limit */
        return err_set(&call->err, -ETIMEDOUT, FAULT_PEER, "\"%s\": no time is left", origin);
    }
    if (call->request.guard) {
        int rc = guard_check_url(url, call->request.guard->allow_http, &call->err);
        if (rc < 0)
            return err_wrap(&call->err, rc, "refused: the URL");
    }
    for (const char *const *line = call->request.headers; line && *line; line++)
        t->headers = curl_slist_append(t->headers, *line);
    set_rules(easy, &call->request);
    set_method(easy, &call->request);
    set_callbacks(easy, t);
    if (call->request.guard)
        set_guard(easy, t);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    curl_multi_add_handle(h->multi, easy);
    return 0;
}

static const struct failure {
    CURLcode code;
    int rc;
    enum fault fault;
    const char *words; /* NULL: what curl says */
} failures[] = {
    {CURLE_URL_MALFORMAT, -EINVAL, FAULT_HOST, "is no URL"},
    {CURLE_LOGIN_DENIED, -EINVAL, FAULT_HOST, "a user's name in the URL is not allowed"},
    {CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, FAULT_PEER, "its name does not resolve"},
    {CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED, FAULT_PEER, NULL},
    {CURLE_SSL_CACERT_BADFILE, -EKEYREJECTED, FAULT_HOST, NULL},
    {CURLE_SSL_CONNECT_ERROR, -EPROTO, FAULT_PEER, NULL},
    {CURLE_UNSUPPORTED_PROTOCOL, -EPROTO, FAULT_PEER, "does not speak HTTP"},
    {CURLE_WEIRD_SERVER_REPLY, -EPROTO, FAULT_PEER, "does not speak HTTP"},
    {CURLE_HTTP2, -EPROTO, FAULT_PEER, NULL},
    {CURLE_SEND_ERROR, -ECONNRESET, FAULT_PEER, "the line broke while sending"},
    {CURLE_SEND_FAIL_REWIND, -ECONNRESET, FAULT_PEER, "the line broke while sending"},
    {CURLE_RECV_ERROR, -ECONNRESET, FAULT_PEER, "the line broke before the answer was whole"},
    {CURLE_GOT_NOTHING, -ECONNRESET, FAULT_PEER, "the line broke before an answer came"},
    {CURLE_PARTIAL_FILE, -ECONNRESET, FAULT_PEER, "the line broke before the answer was whole"},
};

static int explain_timeout(const struct transfer *t, const char *origin, struct err *e)
{
    curl_off_t connected_us = 0;
    curl_easy_getinfo(t->easy, CURLINFO_APPCONNECT_TIME_T, &connected_us);
    if (connected_us == 0)
        curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    return err_set(e, -ETIMEDOUT, FAULT_PEER, "\"%s\": %s", origin,
                   connected_us ? "no whole answer within the time given"
                                : "no connection within the time given");
}

static int explain(const struct transfer *t, CURLcode code)
{
    struct err *e = &t->call->err;
    own_free char *origin = origin_of(t->call->request.url);
    if (t->body_rc != 0)
        return err_errno(e, t->body_rc == -ENODATA ? -EIO : t->body_rc, FAULT_HOST,
                         "read the body for \"%s\"", origin);
    if (t->refused && !t->opened)
        return err_set(e, -EPERM, FAULT_JOB, "\"%s\": refused: its address is not public but %s",
                       origin, t->refused);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return explain_timeout(t, origin, e);
    if (code == CURLE_COULDNT_CONNECT) {
        long os = 0;
        curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
        return err_set(e, -ECONNREFUSED, FAULT_PEER, "\"%s\": %s", origin,
                       os ? strerror((int)os) : "no connection");
    }
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        const struct failure *f = &failures[i];
        if (f->code != code)
            continue;
        const char *words = f->words ? f->words : *t->error ? t->error : curl_easy_strerror(code);
        return err_set(e, f->rc, f->fault, "\"%s\": %s", origin, words);
    }
    return err_set(e, -EIO, FAULT_PEER, "\"%s\": %s", origin,
                   *t->error ? t->error : curl_easy_strerror(code));
}

/* `code` is an answer when it was cut off by us: on_body_in() refused the rest. */
static void finish(struct http *h, struct transfer *t, CURLcode code)
{
    struct http_call *call = t->call;
    if (code == CURLE_FILESIZE_EXCEEDED)
        call->answer.cut = true;
    if (code == CURLE_OK || code == CURLE_FILESIZE_EXCEEDED ||
        (code == CURLE_WRITE_ERROR && call->answer.cut)) {
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &call->answer.status);
        call->rc = 0;
    } else {
        call->rc = explain(t, code);
    }
    curl_multi_remove_handle(h->multi, t->easy);
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    t->running = false;
}

static void finish_early(struct http *h, struct transfer *t, int rc, const char *words)
{
    own_free char *origin = origin_of(t->call->request.url);
    (void)err_set(&t->call->err, rc, FAULT_PEER, "\"%s\": %s", origin, words);
    t->call->rc = rc;
    curl_multi_remove_handle(h->multi, t->easy);
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    t->running = false;
}

/* The limits that curl does not keep for us. */
static void watch(struct http *h, struct transfer *t)
{
    const struct http_request *r = &t->call->request;
    int64_t now_ms = clock_now_ms();
    if (t->seen_bytes != t->moved_bytes) {
        t->seen_bytes = t->moved_bytes;
        t->seen_ms = now_ms;
    }
    if (r->should_stop && r->should_stop(r->arg, t->sent_bytes))
        finish_early(h, t, -ECANCELED, "stopped");
    else if (r->stall_ms > 0 && now_ms - t->seen_ms > r->stall_ms)
        finish_early(h, t, -ETIMEDOUT, "not a byte moved within the time given");
}

static void reap(struct http *h)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));) {
        if (m->msg != CURLMSG_DONE)
            continue;
        struct transfer *t = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(h, t, code);
    }
}

int http_begin(struct http *h, struct http_call *call)
{
    struct transfer *t = h->transfers;
    while (t < h->transfers + HTTP_PARALLEL_MAX && t->running)
        t++;
    if (t == h->transfers + HTTP_PARALLEL_MAX)
        return -EBUSY;
    call->rc = start(h, t, call);
    t->running = call->rc == 0;
    if (call->rc == 0)
        call->rc = HTTP_RUNNING;
    return 0;
}

bool http_turn(struct http *h, int wait_ms)
{
    int running = 0;
    curl_multi_perform(h->multi, &running);
    reap(h);
    bool any = false;
    for (size_t i = 0; i < HTTP_PARALLEL_MAX; i++) {
        if (h->transfers[i].running)
            watch(h, &h->transfers[i]);
        any |= h->transfers[i].running;
    }
    if (any)
        curl_multi_poll(h->multi, NULL, 0, wait_ms, NULL);
    return any;
}

void http_do_all(struct http *h, struct http_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (http_begin(h, &calls[i]) < 0)
            abort(); /* more than HTTP_PARALLEL_MAX */
    while (http_turn(h, POLL_MS))
        continue;
}

int http_do(struct http *h, const struct http_request *request, struct http_answer *ret,
            struct err *e)
{
    struct http_call call = {.request = *request, .answer = *ret};
    http_do_all(h, &call, 1);
    *ret = call.answer;
    if (call.rc != 0 && e)
        *e = call.err;
    return call.rc;
}

bool http_header(const struct buf *headers, const char *name, char *ret, size_t bytes)
{
    bool found = false;
    size_t name_bytes = strlen(name);
    for (const char *line = buf_str(headers); *line;) {
        size_t line_bytes = strcspn(line, "\n");
        const char *end = line + line_bytes;
        if (line_bytes > name_bytes && line[name_bytes] == ':' &&
            strncasecmp(line, name, name_bytes) == 0) {
            const char *value = line + name_bytes + 1;
            while (value < end && strchr(" \t\r", *value))
                value++;
            const char *last = end;
            while (last > value && strchr(" \t\r", last[-1]))
                last--;
            found = (size_t)(last - value) < bytes;
            if (found)
                (void)snprintf(ret, bytes, "%.*s", (int)(last - value), value);
        }
        line = *end ? end + 1 : end;
    }
    return found;
}

int64_t http_parse_date(const char *date)
{
    return (int64_t)curl_getdate(date, NULL);
}
