/* The stage itself: which files, where to, and the result. It moves opaque
 * bytes and never looks into them; what the encoder left is opened as a
 * stranger's. Run twice on one directory it stores the same things again under
 * the same keys. SIGTERM is taken by a signalfd, so that it is seen between
 * two pieces of work and nothing global is needed. */
#include "store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "../base/sigpipe.h"
#include "kind.h"
#include "s3.h"

#define REPORT_EVERY_MS 250
#define KEY_MAX_BYTES 1024 /* S3's own limit */
#define PROBE_TIMEOUT_MS 15000

struct stage {
    const struct job *job;
    const struct store_spec *spec;
    const struct store_kind *kind;
    void *store;
    char *prefix; /* "" or "…/" */
    int dir_fd, out_fd;
    struct store_watch watch;
    cJSON *render;  /* render.json */
    cJSON *outputs; /* of the result */
    int64_t started_ms;
};

bool store_stopped(const struct store_watch *w)
{
    struct pollfd p = {.fd = w->signal_fd, .events = POLLIN};
    return w->signal_fd >= 0 && poll(&p, 1, 0) == 1;
}

void store_sleep(const struct store_watch *w, int64_t ms)
{
    struct pollfd p = {.fd = w->signal_fd, .events = POLLIN};
    (void)poll(&p, 1, (int)ms); /* woken early it just goes on earlier */
}

void store_progress(struct store_watch *w, int64_t bytes)
{
    int64_t now_ms = clock_now_ms();
    int64_t stored = w->done_bytes + bytes;
    if (w->report_fd < 0 || (now_ms - w->said_ms < REPORT_EVERY_MS && stored != w->total_bytes))
        return;
    w->said_ms = now_ms;
    own_free char *line = own_printf("{\"stored_bytes\":%lld,\"total_bytes\":%lld}\n",
                                     (long long)stored, (long long)w->total_bytes);
    (void)!write(w->report_fd, line, strlen(line)); /* nobody listens: no matter */
}

static bool plain_segment(const char *s, size_t bytes)
{
    return bytes > 0 && !(bytes == 1 && s[0] == '.') && !(bytes == 2 && s[0] == '.' && s[1] == '.');
}

/* "a/b/" of s3_prefix "/a/b": what stands before the id in every key. */
static int prefix_of(const struct config *c, char **ret, struct err *e)
{
    const char *at = c->s3_prefix ? c->s3_prefix : "";
    at += strspn(at, "/");
    own_free char *prefix = own_printf("%s/", at);
    for (size_t n = strlen(prefix); n > 1 && prefix[n - 2] == '/'; n--)
        prefix[n - 1] = '\0';
    if (strcmp(prefix, "/") == 0)
        prefix[0] = '\0';
    bool good = json_valid_utf8(prefix, strlen(prefix)) && strlen(prefix) <= KEY_MAX_BYTES / 2;
    for (const char *s = prefix; *s && good; s += strcspn(s, "/") + 1)
        good = plain_segment(s, strcspn(s, "/"));
    for (const char *s = prefix; *s && good; s++)
        good = !iscntrl((unsigned char)*s);
    if (!good)
        return err_set(e, -EINVAL, FAULT_HOST,
                       "s3_prefix: must be UTF-8 of at most 512 bytes without control "
                       "characters, empty parts, \".\" or \"..\"");
    *ret = steal_ptr(&prefix);
    return 0;
}

static const struct store_kind *kind_of(const struct config *c)
{
    return c->store_dir && *c->store_dir ? &store_kind_dir : &store_kind_s3;
}

static int neither(const struct config *c, struct err *e)
{
    bool dir = c->store_dir && *c->store_dir, bucket = c->s3_bucket && *c->s3_bucket;
    return dir || bucket
               ? 0
               : err_set(e, -EINVAL, FAULT_HOST, "nowhere to store: set store_dir or s3_bucket");
}

/* An output's name, as render.json has it: the file beneath DIR/out. */
static bool good_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 200 && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

static bool good_nonce(const char *nonce)
{
    return nonce && good_name(nonce) && strlen(nonce) <= 64;
}

/* A file that is to be stored, measured. */
struct item {
    cJSON *output; /* of the result */
    const char *name;
    int fd;
    int64_t bytes;
    char sha256[65];
};
struct items {
    struct item *list;
    int count;
};
static void items_done(struct items *items)
{
    for (int i = 0; i < items->count; i++)
        close(items->list[i].fd);
    free(items->list);
}
#define own_items __attribute__((cleanup(items_done)))

/* What the encoder says of an output, without what is ours to say: under a key
 * that is there twice nobody would read the result. */
static cJSON *copy_of(const cJSON *output)
{
    static const char *const ours[] = {"key", "bytes", "sha256", "verified", "url"};
    cJSON *copy = cJSON_Duplicate(output, true);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(copy, ours[i]);
    return copy;
}

static int open_item(struct stage *s, const cJSON *output, struct item *ret, struct err *e)
{
    const char *name = json_str(output, "name");
    if (!good_name(name))
        return err_set(e, -EINVAL, FAULT_HOST, "render.json: an output without a good name");
    uid_t owner = s->spec->encoder_uid ? s->spec->encoder_uid : geteuid();
    own_fd int fd = file_open_beneath(s->out_fd, name, owner, s->job->limits.output_bytes, e);
    if (fd < 0)
        return err_wrap(e, fd, "out");
    int rc = file_sha256(fd, ret->sha256, &ret->bytes, e);
    if (rc != 0)
        return err_wrap(e, rc, "out/%s", name);
    ret->output = copy_of(output);
    cJSON_AddItemToArray(s->outputs, ret->output);
    ret->name = json_str(ret->output, "name");
    ret->fd = steal_fd(&fd);
    return 0;
}

static int open_items(struct stage *s, struct items *items, struct err *e)
{
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(s->render, "outputs");
    if (!cJSON_IsArray(outputs) || cJSON_GetArraySize(outputs) == 0)
        return err_set(e, -EINVAL, FAULT_HOST, "render.json: no outputs");
    items->list = own_calloc((size_t)cJSON_GetArraySize(outputs), sizeof(*items->list));
    const cJSON *output;
    cJSON_ArrayForEach(output, outputs)
    {
        int rc = open_item(s, output, &items->list[items->count], e);
        if (rc != 0)
            return rc;
        s->watch.total_bytes += items->list[items->count++].bytes;
        if (store_stopped(&s->watch))
            return err_set(e, -ECANCELED, FAULT_HOST, "stopped");
    }
    return 0;
}

static int put_item(struct stage *s, const struct item *item, struct err *e)
{
    own_free char *key =
        own_printf("%s%s/%s/%s", s->prefix, s->job->id, s->spec->nonce, item->name);
    if (strlen(key) > KEY_MAX_BYTES)
        return err_set(e, -EINVAL, FAULT_HOST,
                       "key \"%.100s…\": longer than %d bytes: shorten "
                       "s3_prefix",
                       key, KEY_MAX_BYTES);
    const struct store_file f = {.fd = item->fd,
                                 .bytes = item->bytes,
                                 .name = item->name,
                                 .key = key,
                                 .sha256 = item->sha256,
                                 .job_id = s->job->id};
    struct store_put put = {0};
    int rc = s->kind->put(s->store, &f, &put, e);
    if (rc != 0)
        return rc;
    s->watch.done_bytes += item->bytes;
    cJSON_AddStringToObject(item->output, "key", key);
    json_add_int(item->output, "bytes", item->bytes);
    cJSON_AddStringToObject(item->output, "sha256", item->sha256);
    cJSON_AddBoolToObject(item->output, "verified", put.verified);
    if (put.url)
        cJSON_AddStringToObject(item->output, "url", put.url);
    free(put.url);
    return 0;
}

static int read_render(struct stage *s, struct err *e)
{
    own_buf struct buf text = BUF_INIT(CEILING_RESULT_BYTES);
    int rc = file_read(s->dir_fd, "render.json", &text, e);
    rc = rc ? rc : json_parse(text.data, text.bytes, FAULT_HOST, &s->render, e);
    if (rc != 0)
        return err_wrap(e, rc, "render.json");
    s->out_fd = file_open_dir(s->dir_fd, "out", e);
    return s->out_fd < 0 ? s->out_fd : 0;
}

/* Which of ours it was: what the store or its settings did, or this machine. */
static int move_all(struct stage *s, enum outcome *ret_outcome, struct err *e)
{
    own_items struct items items = {0};
    *ret_outcome = OUTCOME_host_error;
    int rc = read_render(s, e);
    rc = rc ? rc : open_items(s, &items, e);
    if (rc != 0)
        return rc;
    *ret_outcome = OUTCOME_store_failed;
    rc = neither(s->spec->config, e);
    rc = rc ? rc : prefix_of(s->spec->config, &s->prefix, e);
    rc = rc ? rc : s->kind->open(s->spec->config, &s->watch, &s->store, e);
    for (int i = 0; i < items.count && rc == 0; i++)
        rc = put_item(s, &items.list[i], e);
    if (rc == 0)
        *ret_outcome = OUTCOME_completed;
    return rc;
}

static int write_result(struct stage *s, enum outcome outcome, const struct err *why, struct err *e)
{
    own_json cJSON *result = cJSON_CreateObject();
    cJSON_AddStringToObject(result, "outcome", outcome_name(outcome));
    if (outcome == OUTCOME_completed) {
        cJSON_AddNullToObject(result, "error");
    } else {
        cJSON *error = cJSON_AddObjectToObject(result, "error");
        cJSON_AddStringToObject(error, "code", outcome_name(outcome));
        cJSON_AddStringToObject(error, "message", why->text);
    }
    bool stored = outcome == OUTCOME_completed; /* half of them are of no use */
    cJSON_AddItemToObject(result, "outputs", stored ? steal_ptr(&s->outputs) : cJSON_CreateArray());
    cJSON *timings = cJSON_AddObjectToObject(result, "timings_ms");
    json_add_int(timings, "store", clock_now_ms() - s->started_ms);
    json_add_int(result, "requests", s->watch.requests);
    json_add_int(result, "retries", s->watch.retries);
    own_free char *text = json_print(result);
    return file_write_atomic(s->dir_fd, "store.json", text, strlen(text), 0600, e);
}

static int take_signals(sigset_t *ret_before)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGPIPE); /* a report that nobody reads, a line that broke */
    sigprocmask(SIG_BLOCK, &set, ret_before);
    sigdelset(&set, SIGPIPE);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void give_back_signals(int signal_fd, const sigset_t *before)
{
    if (signal_fd >= 0) {
        struct signalfd_siginfo info;
        (void)!read(signal_fd, &info, sizeof(info)); /* a SIGTERM that was obeyed */
        close(signal_fd);
    }
    sigpipe_release(before); /* one that came meanwhile would kill us now */
}

static int run_stage(struct stage *s, struct err *e)
{
    struct err why = ERR_INIT;
    enum outcome outcome = OUTCOME_host_error;
    int rc = good_nonce(s->spec->nonce) ? move_all(s, &outcome, &why)
                                        : err_set(&why, -EINVAL, FAULT_HOST, "no good nonce");
    if (rc == -ECANCELED)
        outcome = OUTCOME_cancelled;
    if (rc != 0 && e)
        *e = why;
    struct err unwritten = ERR_INIT;
    if (write_result(s, outcome, &why, &unwritten) != 0) {
        if (rc == 0 && e)
            *e = unwritten;
        return STAGE_HOST_FAULT;
    }
    return rc == 0 ? STAGE_DONE : STAGE_HOST_FAULT;
}

int store_stage(const struct job *job, const char *dir, const struct store_spec *spec,
                struct err *e)
{
    int64_t timeout_ms = spec->config->store_timeout_s * 1000, now_ms = clock_now_ms();
    own_fd int dir_fd = file_open_dir(AT_FDCWD, dir, e);
    if (dir_fd < 0)
        return STAGE_HOST_FAULT;
    struct stage s = {.job = job,
                      .spec = spec,
                      .kind = kind_of(spec->config),
                      .dir_fd = dir_fd,
                      .out_fd = -1,
                      .outputs = cJSON_CreateArray(),
                      .started_ms = now_ms,
                      .watch = {.report_fd = spec->report_fd,
                                .timeout_ms = timeout_ms,
                                .deadline_ms = now_ms + timeout_ms}};
    sigset_t before;
    s.watch.signal_fd = take_signals(&before);
    int status = run_stage(&s, e);
    give_back_signals(s.watch.signal_fd, &before);
    s.kind->close(s.store);
    free(s.prefix);
    cJSON_Delete(s.render);
    cJSON_Delete(s.outputs);
    if (s.out_fd >= 0)
        close(s.out_fd);
    return status;
}

char *store_presign(const struct config *config, const char *key, int64_t expires_s,
                    int64_t now_unix_s)
{
    struct s3 *s3 = NULL;
    if (kind_of(config) == &store_kind_dir || s3_new(config, NULL, &s3, NULL) != 0)
        return NULL;
    char *url = s3_presign(s3, key, expires_s, now_unix_s);
    s3_free(s3);
    return url;
}

static int probe_with(const struct store_kind *kind, void *store, const char *prefix, struct err *e)
{
    static const char text[] = "manimd doctor was here\n";
    unsigned char random[8] = {0};
    char sha256[65];
    (void)!getrandom(random, sizeof(random), 0); /* a fixed name is as good */
    own_free char *name =
        own_printf("manimd-probe-%02x%02x%02x%02x%02x%02x%02x%02x", random[0], random[1], random[2],
                   random[3], random[4], random[5], random[6], random[7]);
    own_free char *key = own_printf("%s%s", prefix, name);
    own_fd int fd = memfd_create("probe", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : file_write_all(fd, text, sizeof(text) - 1);
    if (rc != 0)
        return err_errno(e, rc, FAULT_HOST, "make a file in memory");
    sigv4_sha256(text, sizeof(text) - 1, sha256);
    const struct store_file f = {
        .fd = fd, .bytes = sizeof(text) - 1, .name = name, .key = key, .sha256 = sha256};
    struct store_put put = {0};
    rc = kind->put(store, &f, &put, e);
    free(put.url);
    return rc ? rc : kind->remove(store, key, e);
}

int store_probe(const struct config *config, struct err *e)
{
    struct store_watch watch = {.signal_fd = -1,
                                .report_fd = -1,
                                .timeout_ms = PROBE_TIMEOUT_MS,
                                .deadline_ms = clock_now_ms() + PROBE_TIMEOUT_MS};
    const struct store_kind *kind = kind_of(config);
    own_free char *prefix = NULL;
    void *store = NULL;
    int rc = neither(config, e);
    rc = rc ? rc : prefix_of(config, &prefix, e);
    rc = rc ? rc : kind->open(config, &watch, &store, e);
    rc = rc ? rc : probe_with(kind, store, prefix, e);
    kind->close(store);
    return rc;
}
