/* The result document, put together field by field from a white list: what a
 * stage's file holds beside it never gets out, and what is missing or of the
 * wrong type is null. */
#include "result.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "clean.h"

#define TEXT_MOST 1024
#define MESSAGE_MOST 4096
#define EXCERPT_MOST 4096
#define OUTPUTS_MOST 64
#define LAYERS_MOST 32
#define TRIPPED_MOST 96
#define MS_PER_HOUR 3600000.0

/* ---- reading a stage's file ---- */

static int read_stage_file(int dir_fd, const char *name, cJSON **ret, struct err *e)
{
    if (dir_fd < 0)
        return dir_fd;
    own_fd int fd = file_open_beneath(dir_fd, name, geteuid(), CEILING_RESULT_BYTES, e);
    if (fd < 0)
        return fd;
    own_buf struct buf text = BUF_INIT(CEILING_RESULT_BYTES);
    int rc = file_read_fd(fd, &text, e);
    if (rc < 0)
        return rc;
    own_json cJSON *json = NULL;
    rc = json_parse(buf_str(&text), text.bytes, FAULT_HOST, &json, e);
    if (rc)
        return err_wrap(e, rc, "\"%s\"", name);
    if (!cJSON_IsObject(json))
        return err_set(e, -EINVAL, FAULT_HOST, "\"%s\": is no object", name);
    *ret = steal_ptr(&json);
    return 0;
}

static const cJSON *item(const cJSON *object, const char *key)
{
    return object ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

/* `text` when it says something, else the sentence in `e`. */
static enum outcome our_fault(const cJSON *json, const char *stage_file, int exit, struct err *e)
{
    const char *text = cJSON_GetStringValue(item(item(json, "error"), "message"));
    if (text && *text) {
        own_free char *clean = clean_text(text, sizeof e->text - 1, true, false);
        err_set(e, 0, FAULT_HOST, "%s", clean);
    } else if (json) {
        err_set(e, 0, FAULT_HOST, "a stage exited with %d and \"%s\" does not say why", exit,
                stage_file);
    }
    return OUTCOME_host_error;
}

enum outcome result_outcome(const char *dir, const char *stage_file, int stage_exit, struct err *e)
{
    own_json cJSON *json = NULL;
    own_fd int dir_fd = file_open_dir(AT_FDCWD, dir, e);
    if (read_stage_file(dir_fd, stage_file, &json, e))
        return OUTCOME_host_error;
    if (stage_exit == STAGE_DONE)
        return OUTCOME_completed;
    int named = outcome_from_name(json_str(json, "outcome"));
    if (stage_exit == STAGE_JOB_FAULT && named >= 0 && named != OUTCOME_expired &&
        outcome_state((enum outcome)named) == STATE_FAILED &&
        !outcome_is_host_fault((enum outcome)named))
        return (enum outcome)named;
    enum outcome ours = our_fault(json, stage_file, stage_exit, e);
    if (stage_exit == STAGE_HOST_FAULT && named >= 0 && named != OUTCOME_worker_lost &&
        outcome_is_host_fault((enum outcome)named))
        return (enum outcome)named;
    return ours;
}

/* ---- copying from the white list ---- */

struct field {
    const char *name;
    size_t most; /* of a text; 0: a number */
    bool one_line;
};

static void add_text(cJSON *to, const char *name, const char *text, size_t most, bool one_line)
{
    own_free char *clean = clean_text(text, most, one_line, false);
    cJSON_AddStringToObject(to, name, clean);
}

static void copy_field(cJSON *to, const struct field *f, const cJSON *from)
{
    const cJSON *value = item(from, f->name);
    if (f->most && cJSON_IsString(value))
        add_text(to, f->name, value->valuestring, f->most, f->one_line);
    else if (!f->most && cJSON_IsNumber(value) && isfinite(value->valuedouble))
        cJSON_AddNumberToObject(to, f->name, value->valuedouble);
    else
        cJSON_AddNullToObject(to, f->name);
}

static void copy_fields(cJSON *to, const struct field *fields, const cJSON *from)
{
    for (const struct field *f = fields; f->name; f++)
        copy_field(to, f, from);
}

static void add_outputs(cJSON *to, const cJSON *store)
{
    static const struct field fields[] = {
        {"kind", 16, true},  {"name", 255, true},  {"key", TEXT_MOST, true}, {"url", 4096, true},
        {"bytes", 0, false}, {"sha256", 64, true}, {"width", 0, false},      {"height", 0, false},
        {"fps", 0, false},   {"frames", 0, false}, {"duration_s", 0, false}, {NULL, 0, false}};
    cJSON *outputs = cJSON_AddArrayToObject(to, "outputs");
    const cJSON *output;
    int count = 0;
    cJSON_ArrayForEach(output, item(store, "outputs"))
    {
        if (!cJSON_IsObject(output) || count++ == OUTPUTS_MOST)
            continue;
        cJSON *copy = cJSON_CreateObject();
        copy_fields(copy, fields, output);
        cJSON_AddNullToObject(copy, "url_expires_at"); /* presigned when read */
        cJSON_AddItemToArray(outputs, copy);
    }
}

/* The error of the stage that named the outcome; our own sentence otherwise. */
static void add_error(cJSON *to, const struct result_facts *f, const cJSON *const stages[3])
{
    static const struct field fields[] = {{"message", MESSAGE_MOST, false},
                                          {"line", 0, false},
                                          {"column", 0, false},
                                          {"excerpt", EXCERPT_MOST, false},
                                          {NULL, 0, false}};
    if (f->outcome == OUTCOME_completed) {
        cJSON_AddNullToObject(to, "error");
        return;
    }
    cJSON *error = cJSON_AddObjectToObject(to, "error");
    const cJSON *said = NULL;
    for (size_t i = 0; i < 3 && !said; i++)
        if (!strcmp(json_str(stages[i], "outcome"), outcome_name(f->outcome)))
            said = item(stages[i], "error");
    const char *code = cJSON_GetStringValue(item(said, "code"));
    add_text(error, "code", code && *code ? code : outcome_name(f->outcome), 64, true);
    if (cJSON_GetStringValue(item(said, "message"))) {
        copy_fields(error, fields, said);
        const char *file = cJSON_GetStringValue(item(said, "file"));
        if (file && *file) /* only when it is not the job's own source */
            add_text(error, "file", file, 255, true);
        return;
    }
    const char *why = f->why && f->why[0] ? f->why : outcome_help(f->outcome);
    add_text(error, "message", why, MESSAGE_MOST, true);
    copy_fields(error, fields + 1, NULL);
}

static void add_timings(cJSON *to, const struct result_facts *f, const cJSON *render)
{
    cJSON *timings = cJSON_AddObjectToObject(to, "timings_ms");
    int64_t queue_ms = f->claimed_unix_ms - f->enqueued_unix_ms;
    json_add_int(timings, "queue", f->enqueued_unix_ms > 0 && queue_ms > 0 ? queue_ms : 0);
    json_add_int(timings, "fetch", f->fetch_ms);
    json_add_int(timings, "render", f->render_ms);
    double encode_ms = json_num(item(render, "timings_ms"), "encode", 0);
    json_add_int(timings, "encode",
                 encode_ms > 0 && encode_ms < MS_PER_HOUR * 24 ? (int64_t)encode_ms : 0);
    json_add_int(timings, "store", f->store_ms);
}

static void add_cost(cJSON *to, const struct result_facts *f)
{
    char *end = NULL;
    double per_hour = f->price_per_hour ? strtod(f->price_per_hour, &end) : 0;
    if (!f->price_per_hour || end == f->price_per_hour || !isfinite(per_hour) || per_hour < 0) {
        cJSON_AddNullToObject(to, "cost_usd");
        return;
    }
    double busy_ms = (double)(f->fetch_ms + f->render_ms + f->store_ms);
    double cost = per_hour * busy_ms / MS_PER_HOUR / (f->slots > 0 ? f->slots : 1);
    cJSON_AddNumberToObject(to, "cost_usd", round(cost * 1e8) / 1e8);
}

/* {name: how often}. */
static void add_tripped(cJSON *to, const cJSON *from)
{
    cJSON *tripped = cJSON_AddObjectToObject(to, "tripped");
    const cJSON *one;
    int count = 0;
    cJSON_ArrayForEach(one, from)
    {
        if (!one->string || !cJSON_IsNumber(one) || count++ == TRIPPED_MOST)
            continue;
        own_free char *name = clean_text(one->string, 32, true, false);
        cJSON_AddNumberToObject(tripped, name, one->valuedouble);
    }
}

/* {"level", "layers": {name: text, or {"state", "reason"}}, "tripwires",
 * "tripped", "cpu_percent", "fetch": {"level", "namespaces"}}; of a job that was fetched in
 * vain, the fetcher's alone. */
static void add_sandbox(cJSON *to, const cJSON *render, const cJSON *fetch)
{
    const cJSON *from = cJSON_IsObject(render) ? render : fetch;
    static const struct field fetcher[] = {
        {"level", 16, true}, {"namespaces", 64, true}, {NULL, 0, false}};
    static const struct field level[] = {
        {"level", 16, true}, {"tripwires", 32, true}, {"gpu", 32, true}, {NULL, 0, false}};
    static const struct field layer[] = {
        {"state", 32, true}, {"reason", 200, true}, {NULL, 0, false}};
    if (!cJSON_IsObject(from)) {
        cJSON_AddNullToObject(to, "sandbox");
        return;
    }
    cJSON *sandbox = cJSON_AddObjectToObject(to, "sandbox");
    copy_fields(sandbox, level, from);
    if (cJSON_IsObject(fetch))
        copy_fields(cJSON_AddObjectToObject(sandbox, "fetch"), fetcher, fetch);
    add_tripped(sandbox, item(from, "tripped"));
    const cJSON *cpu = item(from, "cpu_percent"); /* of a render only */
    if (cJSON_IsNumber(cpu))
        cJSON_AddNumberToObject(sandbox, "cpu_percent", cpu->valuedouble);
    cJSON *layers = cJSON_AddObjectToObject(sandbox, "layers");
    const cJSON *one;
    int count = 0;
    cJSON_ArrayForEach(one, item(from, "layers"))
    {
        if (!one->string || count++ == LAYERS_MOST)
            continue;
        own_free char *name = clean_text(one->string, 32, true, false);
        if (cJSON_IsString(one))
            add_text(layers, name, one->valuestring, 200, true);
        else if (cJSON_IsObject(one))
            copy_fields(cJSON_AddObjectToObject(layers, name), layer, one);
    }
}

/* A text, or an object of texts: {"path": "stock", "why": …}. */
static void add_render_path(cJSON *to, const cJSON *from)
{
    if (cJSON_IsString(from)) {
        add_text(to, "render_path", from->valuestring, TEXT_MOST, true);
        return;
    }
    if (!cJSON_IsObject(from)) {
        cJSON_AddNullToObject(to, "render_path");
        return;
    }
    cJSON *path = cJSON_AddObjectToObject(to, "render_path");
    const cJSON *one;
    int count = 0;
    cJSON_ArrayForEach(one, from)
    {
        if (!cJSON_IsString(one) || !one->string || count++ == LAYERS_MOST)
            continue;
        own_free char *name = clean_text(one->string, 32, true, false);
        add_text(path, name, one->valuestring, TEXT_MOST, true);
    }
}

static void add_log_tail(cJSON *to, const cJSON *render)
{
    own_free char *tail =
        clean_text(json_str(render, "log_tail"), CEILING_LOG_TAIL_BYTES, false, true);
    cJSON_AddStringToObject(to, "log_tail", tail);
}

static void add_head(cJSON *to, const struct result_facts *f)
{
    cJSON_AddStringToObject(to, "id", f->job->id);
    cJSON_AddStringToObject(to, "state", job_state_name(outcome_state(f->outcome)));
    cJSON_AddStringToObject(to, "outcome", outcome_name(f->outcome));
}

static void add_metadata(cJSON *to, const struct job *job)
{
    own_json cJSON *metadata = NULL;
    if (job->metadata &&
        !json_parse(job->metadata, strlen(job->metadata), FAULT_JOB, &metadata, NULL))
        cJSON_AddItemToObject(to, "metadata", steal_ptr(&metadata));
    else
        cJSON_AddNullToObject(to, "metadata");
}

char *result_build(const struct result_facts *f)
{
    static const struct field used[] = {
        {"peak_memory_bytes", 0, false}, {"cpu_ms", 0, false},       {"frames", 0, false},
        {"frames_distinct", 0, false},   {"encoder_used", 64, true}, {NULL, 0, false}};
    own_json cJSON *render = NULL;
    own_json cJSON *store = NULL;
    own_json cJSON *fetch = NULL;
    own_fd int dir_fd = file_open_dir(AT_FDCWD, f->dir, NULL);
    (void)read_stage_file(dir_fd, "fetch.json", &fetch, NULL);
    (void)read_stage_file(dir_fd, "render.json", &render, NULL); /* missing: nulls */
    (void)read_stage_file(dir_fd, "store.json", &store, NULL);
    own_json cJSON *result = cJSON_CreateObject();
    add_head(result, f);
    add_outputs(result, f->outcome == OUTCOME_completed ? store : NULL);
    add_error(result, f, (const cJSON *const[3]){fetch, render, store});
    add_log_tail(result, render);
    add_timings(result, f, render);
    copy_fields(result, used, render);
    add_cost(result, f);
    cJSON_AddFalseToObject(result, "cached");
    add_render_path(result, item(render, "render_path"));
    add_sandbox(result, item(render, "sandbox"), item(fetch, "sandbox"));
    cJSON_AddStringToObject(result, "worker", f->worker ? f->worker : "");
    cJSON_AddNumberToObject(result, "attempt", f->attempt);
    add_metadata(result, f->job);
    char *text = json_print(result);
    if (strlen(text) <= CEILING_RESULT_BYTES)
        return text;
    free(text);
    cJSON_ReplaceItemInObjectCaseSensitive(result, "log_tail", cJSON_CreateString(""));
    return json_print(result);
}
