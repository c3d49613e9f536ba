/* A job's text: checked for its length, then as JSON, then field by field in
 * the order of job_field.c's table. See job.h. */
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "../base/err.h"
#include "../base/guard.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "job_field.h"
#include "script.h"

bool job_valid_id(const char *id)
{
    size_t n = 0;
    for (; id[n]; n++) {
        char c = id[n];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (n == JOB_ID_MAX || (!alnum && (n == 0 || !strchr("._-", c))))
            return false;
    }
    return n > 0;
}

void job_new_id(char *ret)
{
    uuid_t id;
    uuid_generate_random(id);
    uuid_unparse_lower(id, ret);
}

void job_free(struct job *job)
{
    free(job->code);
    free(job->source);
    free(job->scene);
    for (int i = 0; i < job->asset_count; i++) {
        free(job->assets[i].path);
        free(job->assets[i].url);
    }
    free(job->assets);
    free(job->owner);
    free(job->metadata);
    free(job->webhook);
    free(job->json);
    *job = (struct job){0};
}

/* ---- names ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance; names longer than 30 are far from everything. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], na = strlen(a), nb = strlen(b);
    if (na > 30 || nb > 30)
        return 99;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t above = row[j];
            row[j] = least(corner + (a[i - 1] != b[j - 1]), least(above, row[j - 1]) + 1);
            corner = above;
        }
    }
    return row[nb];
}

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < job_fields_count; i++)
        if (strcmp(job_fields[i].name, name) == 0)
            return &job_fields[i];
    return NULL;
}

static int refuse_unknown(const char *name, struct err *e)
{
    const char *nearest = NULL;
    size_t best = strlen(name) > 5 ? 4 : 3; /* further than that is no typo */
    for (size_t i = 0; i < job_fields_count; i++) {
        size_t d = distance(name, job_fields[i].name);
        if (d < best) {
            best = d;
            nearest = job_fields[i].name;
        }
    }
    char shown[64];
    return err_set(e, -EINVAL, FAULT_JOB, "field \"%s\" is unknown%s%s%s", job_shown(name, shown),
                   nearest ? ": did you mean \"" : "", nearest ? nearest : "",
                   nearest ? "\"?" : "");
}

static int check_names(const cJSON *root, bool trusted, struct err *e)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, root)
    {
        const struct field *f = find_field(item->string);
        if (!f && trusted && strcmp(item->string, "limits") == 0)
            continue;
        if (!f)
            return refuse_unknown(item->string, e);
        if (!f->parse)
            return err_set(e, -EINVAL, FAULT_JOB, "field \"%s\" is not supported yet", f->name);
    }
    return 0;
}

/* ---- the text ---- */

/* cJSON would end a string at a NUL character; nothing of ours may hold one. */
static bool has_nul_escape(const char *s, size_t bytes)
{
    for (size_t i = 0; i + 1 < bytes; i++) {
        if (s[i] != '\\')
            continue;
        if (i + 5 < bytes && memcmp(s + i + 1, "u0000", 5) == 0)
            return true;
        i++; /* what is escaped is no backslash of its own */
    }
    return false;
}

static int parse_root(const char *json, size_t bytes, size_t most, cJSON **ret, struct err *e)
{
    if (bytes > most)
        return err_set(e, -EINVAL, FAULT_JOB, "job: has %zu bytes, at most %zu allowed", bytes,
                       most);
    if (has_nul_escape(json, bytes))
        return err_set(e, -EINVAL, FAULT_JOB, "job: holds a NUL character (\\u0000)");
    own_json cJSON *root = NULL;
    if (json_parse(json, bytes, FAULT_JOB, &root, e) < 0)
        return err_wrap(e, -EINVAL, "job");
    if (!cJSON_IsObject(root))
        return err_set(e, -EINVAL, FAULT_JOB,
                       "job: must be a JSON object such as {\"code\": …, \"scene\": …}");
    *ret = steal_ptr(&root);
    return 0;
}

/* ---- job->json ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(cJSON *const *)a)->string, (*(cJSON *const *)b)->string);
}

/* The producer's fields in order of name, the id among them: references only. */
static cJSON *sorted(const cJSON *root, const char *id)
{
    cJSON *items[64];
    size_t count = 0;
    cJSON *item, *ret = cJSON_CreateObject();
    cJSON_ArrayForEach(item, root)
    {
        bool ours = strcmp(item->string, "id") == 0 || strcmp(item->string, "limits") == 0;
        if (!ours && count < 64)
            items[count++] = item;
    }
    qsort(items, count, sizeof(items[0]), by_name);
    cJSON_AddStringToObject(ret, "id", id);
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemReferenceToObject(ret, items[i]->string, items[i]);
    return ret;
}

static const struct {
    const char *name;
    size_t offset;
} limit_names[] = {
#define LIMIT_NAME(member)                       \
    {                                            \
#member, offsetof(struct limits, member) \
    }
    LIMIT_NAME(wall_ms), LIMIT_NAME(cpu_ms),    LIMIT_NAME(memory_bytes), LIMIT_NAME(disk_bytes),
    LIMIT_NAME(files),   LIMIT_NAME(processes), LIMIT_NAME(log_bytes),    LIMIT_NAME(output_bytes),
    LIMIT_NAME(frames),  LIMIT_NAME(tex_ms),
};
#define LIMIT_COUNT (sizeof(limit_names) / sizeof(limit_names[0]))
_Static_assert(sizeof(struct limits) == LIMIT_COUNT * sizeof(int64_t), "every limit has a name");

static void write_json(const cJSON *root, struct job *job)
{
    own_json cJSON *out = sorted(root, job->id);
    cJSON *limits = cJSON_AddObjectToObject(out, "limits"); /* last: job_digest() */
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        char text[24]; /* as it is: numbers are what cJSON takes longest to print */
        snprintf(text, sizeof(text), "%lld",
                 (long long)*(const int64_t *)((const char *)&job->limits + limit_names[i].offset));
        cJSON_AddRawToObject(limits, limit_names[i].name, text);
    }
    job->json = json_print(out);
}

static void read_limits(const cJSON *root, struct limits *ret)
{
    const cJSON *limits = cJSON_GetObjectItemCaseSensitive(root, "limits");
    for (size_t i = 0; limits && i < LIMIT_COUNT; i++) {
        int64_t *into = (int64_t *)((char *)ret + limit_names[i].offset);
        *into = (int64_t)json_num(limits, limit_names[i].name, (double)*into);
    }
}

/* Without our limits, which are write_json()'s last field and hold but numbers. */
void job_digest(const struct job *job, char ret_hex[41])
{
    static const char ours[] = ",\"limits\":{";
    const char *end = NULL;
    for (const char *at = job->json; (at = strstr(at, ours)); at++)
        end = at;
    size_t bytes = end ? (size_t)(end - job->json) : strlen(job->json);
    own_free char *asked = own_printf("%.*s%s", (int)bytes, job->json, end ? "}" : "");
    sha1_hex(asked, strlen(asked), ret_hex);
}

/* ---- a whole job ---- */

static void set_defaults(const struct config *config, struct job *job)
{
    job->picture = (struct picture){.width = 1920, .height = 1080, .fps_num = 60, .fps_den = 1};
    job->outputs = OUTPUT_BIT(OUTPUT_MP4);
    job_default_limits(config, &job->limits);
    job->owner = own_strdup("");
}

static bool has(const cJSON *root, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(root, name) != NULL;
}

static int check_whole(const cJSON *root, const struct job *job, struct err *e)
{
    if (!has(root, "code") && !has(root, "source"))
        return err_set(e, -EINVAL, FAULT_JOB,
                       "job: holds neither \"code\" nor \"source\": one is needed");
    if (job->expires_ms && job->run_at_ms > job->expires_ms)
        return err_set(e, -EINVAL, FAULT_JOB, "field \"expires_at\": is before run_at");
    if (job->deadline_ms && job->run_at_ms > job->deadline_ms)
        return err_set(e, -EINVAL, FAULT_JOB, "field \"deadline_at\": is before run_at");
    return 0;
}

static int parse_fields(const cJSON *root, struct parse *p)
{
    for (size_t i = 0; i < job_fields_count; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, job_fields[i].name);
        int rc = item ? job_fields[i].parse(p, &job_fields[i], item) : 0;
        if (rc < 0)
            return rc;
    }
    return check_whole(root, p->job, p->e);
}

/* The id first of all: a refusal is told to whoever asks for it by that name. */
static void find_id(const cJSON *root, struct job *ret)
{
    const char *id = json_str(root, "id");
    if (id && job_valid_id(id))
        snprintf(ret->id, sizeof(ret->id), "%s", id);
}

static int parse_job(const cJSON *root, struct parse *p, const char *new_id)
{
    if (has(root, "code") && has(root, "source"))
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "job: holds both \"code\" and \"source\": one is needed");
    int rc = check_names(root, p->trusted, p->e);
    if (rc < 0)
        return rc;
    set_defaults(p->config, p->job);
    rc = parse_fields(root, p);
    if (rc < 0)
        return rc;
    if (!p->job->id[0] && new_id)
        snprintf(p->job->id, sizeof(p->job->id), "%s", new_id);
    else if (!p->job->id[0])
        job_new_id(p->job->id);
    if (p->trusted)
        read_limits(root, &p->job->limits);
    write_json(root, p->job);
    return 0;
}

static int parse_any(const char *json, size_t bytes, struct parse *p, const char *new_id)
{
    *p->job = (struct job){0};
    own_json cJSON *root = NULL;
    size_t most = p->trusted ? CEILING_JOB_JSON_BYTES : JOB_JSON_MAX_BYTES;
    int rc = parse_root(json, bytes, most, &root, p->e);
    if (rc < 0)
        return rc;
    find_id(root, p->job);
    rc = parse_job(root, p, new_id);
    if (rc < 0) {
        char id[JOB_ID_MAX + 1];
        memcpy(id, p->job->id, sizeof(id));
        job_free(p->job);
        memcpy(p->job->id, id, sizeof(id));
    }
    return rc;
}

int job_parse(const char *json, size_t bytes, const struct config *config, const char *new_id,
              struct job *ret, struct err *e)
{
    struct parse p = {.config = config, .job = ret, .e = e};
    return parse_any(json, bytes, &p, new_id);
}

char *job_webhook_of(const char *json, size_t bytes, const struct config *config)
{
    own_json cJSON *root = NULL;
    if (parse_root(json, bytes, JOB_JSON_MAX_BYTES, &root, NULL) < 0)
        return NULL;
    const cJSON *url = cJSON_GetObjectItemCaseSensitive(root, "webhook");
    if (!cJSON_IsString(url) || guard_check_url(url->valuestring, config->allow_http, NULL) < 0)
        return NULL;
    return own_strdup(url->valuestring);
}

int job_load(const char *json, size_t bytes, const struct config *config, struct job *ret,
             struct err *e)
{
    struct parse p = {.config = config, .job = ret, .trusted = true, .e = e};
    return parse_any(json, bytes, &p, NULL);
}
