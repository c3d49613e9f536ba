/* The fetcher: a sealed process that gets files, up to HTTP_PARALLEL_MAX at a
 * time, and says in one line how it went. Nothing that it says or leaves is
 * believed further than the stage can see (fetch.c). */
#include "fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/file.h"
#include "../base/http.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "../sandbox/box.h"

#define TURN_MS 50
#define CONNECT_MS 10000
#define STALL_MS 30000
#define BACKOFF_BASE_MS 200
#define BACKOFF_CAP_MS 5000
#define RETRY_AFTER_CAP_MS 30000
#define WORDS_BYTES 2048 /* of S3's XML: the code is at its beginning */

enum state { WAITING, FLYING, DONE };

struct flight {
    struct fetcher *fetcher;
    const struct fetch_item *item;
    enum state state;
    int64_t not_before_ms;
    int tries;
    int fd;
    int64_t bytes; /* of this try */
    bool too_large;
    int write_rc;
    struct http_call call;
    struct buf headers;
    struct buf words; /* what S3 says to a URL of ours */
};

struct fetcher {
    const struct fetch_plan *plan;
    struct http *http;
    struct flight *flights;
    int64_t assets_bytes;
    int64_t requests;
    bool failed;
    enum outcome outcome;
    struct err why;
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void fail(struct fetcher *f, const struct flight *flight, enum outcome outcome,
                 const struct err *why)
{
    if (f->failed)
        return; /* the first one counts */
    f->failed = true;
    f->outcome = outcome;
    f->why = *why;
    const char *after = flight->tries > 1 && outcome == OUTCOME_fetch_failed ? ": after " : "";
    char tries[32] = "";
    if (*after)
        snprintf(tries, sizeof tries, "%d tries", flight->tries);
    (void)err_wrap(&f->why, 0, "%s%s%s", flight->item->what, after, tries);
}

/* ---- a try ---- */

static bool is_too_large(const struct flight *t, size_t more)
{
    const struct fetcher *f = t->fetcher;
    if (t->bytes + (int64_t)more > t->item->most_bytes)
        return true;
    return !t->item->source && f->assets_bytes + (int64_t)more > f->plan->spec->assets_bytes;
}

static bool on_body(void *arg, long status, const void *data, size_t bytes)
{
    struct flight *t = arg;
    if (status != 200) { /* of S3 a little is read, of others nothing */
        size_t room = t->words.ceiling - t->words.bytes;
        (void)buf_add(&t->words, data, bytes < room ? bytes : room);
        return t->item->ours && t->words.bytes < t->words.ceiling;
    }
    t->too_large = is_too_large(t, bytes);
    if (!t->too_large)
        t->write_rc = file_write_all(t->fd, data, bytes);
    if (t->too_large || t->write_rc < 0)
        return false;
    t->bytes += (int64_t)bytes;
    if (!t->item->source)
        t->fetcher->assets_bytes += (int64_t)bytes;
    return true;
}

static void close_try(struct flight *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    buf_done(&t->headers);
    buf_done(&t->words);
}

static const char *ca_file_of(const struct fetch_plan *p, const struct fetch_item *item)
{
    if (item->ours)
        return p->has_s3_ca_file ? "../" FETCH_S3_CA_FILE : NULL;
    return p->has_ca_file ? "../" FETCH_CA_FILE : NULL;
}

static void start(struct fetcher *f, struct flight *t)
{
    const struct fetch_plan *p = f->plan;
    const struct fetch_item *item = t->item;
    int64_t left_ms = p->deadline_ms - clock_now_ms();
    t->fd =
        openat(AT_FDCWD, item->name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (t->fd < 0) {
        struct err e = ERR_INIT;
        err_errno(&e, -errno, FAULT_HOST, "create its file");
        fail(f, t, OUTCOME_fetch_failed, &e);
        return;
    }
    if (!item->source)
        f->assets_bytes -= t->bytes; /* of a try that failed */
    t->bytes = 0;
    t->too_large = false;
    t->headers = (struct buf)BUF_INIT(CEILING_HTTP_ANSWER_BYTES);
    t->words = (struct buf)BUF_INIT(WORDS_BYTES);
    t->call = (struct http_call){
        .request = {.method = "GET",
                    .url = item->url,
                    .body_fd = -1,
                    .ca_file = ca_file_of(p, item),
                    .guard = item->ours ? NULL : p->spec->guard,
                    .connect_ms = least(CONNECT_MS, left_ms),
                    .total_ms = left_ms,
                    .stall_ms = least(STALL_MS, p->spec->timeout_ms / 4 + 1),
                    .most_bytes = item->most_bytes,
                    .on_body = on_body,
                    .arg = t},
        .answer = {.headers = &t->headers},
    };
    t->tries++;
    f->requests++;
    t->state = FLYING;
    (void)http_begin(f->http, &t->call); /* there is room: may_start() */
}

/* ---- its end ---- */

/* S3's <Code>, when it is a plain word. A presigned URL that is past its time,
 * by the server's clock, is AccessDenied too, but with that time beside it. */
static void find_s3_code(const struct flight *t, char ret[48])
{
    const char *at = strstr(buf_str(&t->words), "<Code>");
    size_t bytes = at ? strcspn(at + 6, "<") : 0;
    ret[0] = 0;
    if (bytes > 0 && bytes < 48 && !strstr(buf_str(&t->words), "<ServerTime>"))
        snprintf(ret, 48, "%.*s", (int)bytes, at + 6);
}

static bool is_encoded(const struct flight *t)
{
    char value[64];
    return http_header(&t->headers, "content-encoding", value, sizeof value) && value[0] &&
           strcmp(value, "identity") != 0;
}

static int64_t pause_ms(const struct flight *t)
{
    char after[16];
    int64_t ms = clock_backoff_ms(BACKOFF_BASE_MS, BACKOFF_CAP_MS, t->tries - 1);
    if (!http_header(&t->headers, "retry-after", after, sizeof after))
        return ms;
    int64_t said_ms = least(strtoll(after, NULL, 10) * 1000, RETRY_AFTER_CAP_MS);
    return said_ms > ms ? said_ms : ms;
}

static void again(struct fetcher *f, struct flight *t, const struct err *why)
{
    int64_t ms = pause_ms(t), now_ms = clock_now_ms();
    bool late = now_ms + ms >= f->plan->deadline_ms;
    if (t->tries >= f->plan->spec->tries || late) {
        struct err e = *why;
        if (late)
            err_wrap(&e, 0, "not done within fetch_timeout_s");
        fail(f, t, OUTCOME_fetch_failed, &e);
        return;
    }
    t->not_before_ms = now_ms + ms;
    t->state = WAITING;
}

static void land(struct fetcher *f, struct flight *t)
{
    char code[48];
    struct err why = ERR_INIT;
    find_s3_code(t, code);
    const struct fetch_answer a = {
        .rc = t->write_rc < 0 ? 0 : t->call.rc,
        .why = &t->call.err,
        .status = t->call.answer.status,
        .too_large = t->too_large || (t->call.answer.cut && t->write_rc == 0),
        .encoded = is_encoded(t),
        .ours = t->item->ours,
        .s3_code = code,
        .most_bytes = t->item->source ? t->item->most_bytes : f->plan->spec->assets_bytes,
    };
    enum fetch_verdict verdict = fetch_judge(&a, &why);
    t->state = DONE;
    if (t->write_rc < 0) {
        err_errno(&why, t->write_rc, FAULT_HOST, "write its file");
        verdict = FETCH_FAILED;
    }
    if (verdict == FETCH_AGAIN)
        again(f, t, &why);
    else if (verdict != FETCH_GOT)
        fail(f, t, verdict == FETCH_REJECTED ? OUTCOME_source_rejected : OUTCOME_fetch_failed,
             &why);
    close_try(t);
}

/* ---- all of them ---- */

static bool all_done(const struct fetcher *f)
{
    for (int i = 0; i < f->plan->count; i++)
        if (f->flights[i].state != DONE)
            return false;
    return true;
}

static void start_some(struct fetcher *f)
{
    int flying = 0;
    for (int i = 0; i < f->plan->count; i++)
        flying += f->flights[i].state == FLYING;
    for (int i = 0; i < f->plan->count && flying < HTTP_PARALLEL_MAX && !f->failed; i++) {
        struct flight *t = &f->flights[i];
        if (t->state != WAITING || t->not_before_ms > clock_now_ms())
            continue;
        start(f, t);
        flying++;
    }
}

static void get_all(struct fetcher *f)
{
    f->http = http_new();
    while (!f->failed && !all_done(f)) {
        start_some(f);
        bool flying = http_turn(f->http, TURN_MS);
        for (int i = 0; i < f->plan->count; i++)
            if (f->flights[i].state == FLYING && f->flights[i].call.rc != HTTP_RUNNING)
                land(f, &f->flights[i]);
        if (!flying && !f->failed && !all_done(f))
            usleep(TURN_MS * 1000 / 5); /* all of them wait for another try */
    }
    http_free(f->http);
}

/* ---- the box ---- */

/* By descriptors: in namespaces it is found by its absolute path. */
static int allow_ca_files(struct box_plan *p, struct err *e)
{
    static const char *const ours[] = {"../" FETCH_CA_FILE, "../" FETCH_S3_CA_FILE};
    int rc = 0;
    for (size_t i = 0; i < sizeof ours / sizeof *ours && rc >= 0; i++) {
        own_fd int fd = open(ours[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
        rc = fd < 0 && errno != ENOENT ? -errno : fd < 0 ? 0 : box_plan_allow_fd(p, fd, BOX_READ);
        if (rc < 0)
            err_errno(e, rc, FAULT_HOST, "allow \"%s\" in the sandbox", ours[i]);
    }
    return rc;
}

/* A parent that died before the seal asked for the signal of it: in a PID
 * namespace nobody could tell by its number. */
static int check_stage_lives(int words_fd, struct err *e)
{
    struct pollfd words = {.fd = words_fd};
    return poll(&words, 1, 0) == 0 ? 0 : err_set(e, -ESRCH, FAULT_HOST, "the stage is gone");
}

static int seal(const struct fetch_plan *plan, int words_fd, struct err *e)
{
    struct box_plan p;
    int rc = box_plan_init(&p, BOX_FETCH, plan->level, e);
    if (rc < 0)
        return rc;
    p.uid = plan->spec->uid;
    p.dir_fd = plan->dir_fd;
    p.namespaces = plan->namespaces;
    p.parent_death = true;
    p.parent_pid = getppid();
    p.cgroup_fd = plan->cgroup_fd;
    p.limits = fetcher_limits(plan);
    box_plan_keep(&p, words_fd);
    rc = fchdir(plan->dir_fd) < 0 ? err_errno(e, -errno, FAULT_HOST, "enter \"fetched\"") : 0;
    if (rc == 0)
        rc = allow_ca_files(&p, e);
    if (rc == 0)
        rc = box_seal(&p, e);
    return rc < 0 ? rc : check_stage_lives(words_fd, e);
}

static _Noreturn void end(const struct fetcher *f, int words_fd)
{
    own_json cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "outcome", outcome_name(f->outcome));
    cJSON_AddStringToObject(j, "message", f->why.text);
    json_add_int(j, "requests", f->requests);
    own_free char *text = json_print(j);
    int rc = file_write_all(words_fd, text, strlen(text));
    _exit(rc < 0);
}

void fetcher_run(const struct fetch_plan *plan, int words_fd)
{
    struct fetcher f = {.plan = plan, .outcome = OUTCOME_completed};
    (void)clearenv(); /* libraries look there for proxies, resolvers and certificates */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (seal(plan, words_fd, &f.why) < 0) {
        f.outcome = OUTCOME_sandbox_setup;
        end(&f, words_fd);
    }
    f.flights = own_calloc((size_t)plan->count, sizeof *f.flights);
    for (int i = 0; i < plan->count; i++)
        f.flights[i] = (struct flight){.fetcher = &f, .item = &plan->items[i], .fd = -1};
    get_all(&f);
    end(&f, words_fd);
}
