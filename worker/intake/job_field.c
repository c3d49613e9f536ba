/* The fields of a job, one row each, and how each kind is read. */
#include "job_field.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "../base/err.h"
#include "../base/guard.h"
#include "../base/json.h"
#include "../base/own.h"
#include "job.h"

#define METADATA_MAX_BYTES 4096
#define UNIX_YEAR_3000_S 32503680000.0

const char *job_shown(const char *text, char ret[64])
{
    size_t n = 0;
    for (; text[n] && n < 48; n++)
        ret[n] = (unsigned char)text[n] < 0x20 || (unsigned char)text[n] > 0x7e ? '?' : text[n];
    snprintf(ret + n, 64 - n, "%s", text[n] ? "…" : "");
    return ret;
}

static const char *type_name(const cJSON *v)
{
    static const struct {
        int type;
        const char *name;
    } names[] = {
        {cJSON_False, "false"},      {cJSON_True, "true"},       {cJSON_NULL, "null"},
        {cJSON_Number, "a number"},  {cJSON_String, "a string"}, {cJSON_Array, "an array"},
        {cJSON_Object, "an object"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if ((v->type & 0xff) == names[i].type)
            return names[i].name;
    return "nothing";
}

static int refuse_type(struct parse *p, const struct field *f, const cJSON *v, const char *wanted)
{
    return err_set(p->e, -EINVAL, FAULT_JOB, "field \"%s\": must be %s, not %s", f->name, wanted,
                   type_name(v));
}

/* ---- text ---- */

static int want_string(struct parse *p, const struct field *f, const cJSON *v, const char **ret)
{
    if (!cJSON_IsString(v))
        return refuse_type(p, f, v, "a string");
    size_t bytes = strlen(v->valuestring);
    if ((int64_t)bytes < f->low)
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"%s\": must not be empty", f->name);
    if ((int64_t)bytes > f->high)
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"%s\": has %zu bytes, at most %lld allowed", f->name, bytes,
                       (long long)f->high);
    *ret = v->valuestring;
    return 0;
}

static void keep(struct parse *p, const struct field *f, const char *text)
{
    char **into = (char **)((char *)p->job + f->into);
    free(*into);
    *into = own_strdup(text);
}

static int parse_id(struct parse *p, const struct field *f, const cJSON *v)
{
    char shown[64];
    if (!cJSON_IsString(v))
        return refuse_type(p, f, v, "a string");
    if (!job_valid_id(v->valuestring))
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"id\": \"%s\" is no id: 1 to 64 of A-Z a-z 0-9 . _ - are allowed, "
                       "the first a letter or digit",
                       job_shown(v->valuestring, shown));
    snprintf(p->job->id, sizeof(p->job->id), "%s", v->valuestring);
    return 0;
}

static int parse_text(struct parse *p, const struct field *f, const cJSON *v)
{
    const char *text;
    int rc = want_string(p, f, v, &text);
    if (rc == 0)
        keep(p, f, text);
    return rc;
}

/* A Python identifier; letters beyond ASCII are Python's to judge. */
static bool is_identifier(const char *s)
{
    for (const char *c = s; *c; c++) {
        bool digit = *c >= '0' && *c <= '9';
        bool letter = ((*c | 32) >= 'a' && (*c | 32) <= 'z') || *c == '_' || (*c & 0x80);
        if (!letter && !(digit && c > s))
            return false;
    }
    return *s != 0;
}

static int parse_scene(struct parse *p, const struct field *f, const cJSON *v)
{
    const char *text;
    char shown[64];
    int rc = want_string(p, f, v, &text);
    if (rc < 0)
        return rc;
    if (!is_identifier(text))
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"scene\": \"%s\" is no name of a Python class",
                       job_shown(text, shown));
    keep(p, f, text);
    return 0;
}

static int parse_owner(struct parse *p, const struct field *f, const cJSON *v)
{
    const char *text;
    char shown[64];
    int rc = want_string(p, f, v, &text);
    if (rc < 0)
        return rc;
    for (const char *c = text; *c; c++) {
        bool alnum = (*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z');
        if (!alnum && !strchr("._@:-", *c))
            return err_set(p->e, -EINVAL, FAULT_JOB,
                           "field \"owner\": \"%s\" may hold only A-Z a-z 0-9 . _ @ : -",
                           job_shown(text, shown));
    }
    keep(p, f, text);
    return 0;
}

static int parse_background(struct parse *p, const struct field *f, const cJSON *v)
{
    const char *text;
    char shown[64];
    int rc = want_string(p, f, v, &text);
    if (rc < 0)
        return rc;
    if (!job_colour_known(text))
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"background\": \"%s\" is neither #RRGGBB nor a colour that Manim "
                       "names, such as WHITE or BLUE_E",
                       job_shown(text, shown));
    for (size_t i = 0; i <= strlen(text); i++) /* Manim's constants are upper case */
        p->job->picture.background[i] = text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i];
    return 0;
}

/* ---- numbers ---- */

static int want_integer(struct parse *p, const struct field *f, const cJSON *v, int64_t *ret)
{
    if (!cJSON_IsNumber(v))
        return refuse_type(p, f, v, "an integer");
    double d = v->valuedouble;
    if (!isfinite(d) || d != floor(d))
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"%s\": %.6g is no integer", f->name, d);
    if (d < (double)f->low || d > (double)f->high)
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"%s\": %.0f is outside of %lld to %lld",
                       f->name, d, (long long)f->low, (long long)f->high);
    *ret = (int64_t)d;
    return 0;
}

static int parse_seed(struct parse *p, const struct field *f, const cJSON *v)
{
    int64_t n;
    int rc = want_integer(p, f, v, &n);
    if (rc == 0)
        p->job->seed = (uint64_t)n;
    return rc;
}

static int parse_int(struct parse *p, const struct field *f, const cJSON *v)
{
    int64_t n;
    int rc = want_integer(p, f, v, &n);
    if (rc == 0)
        *(int *)((char *)p->job + f->into) = (int)n;
    return rc;
}

/* yuv420p has one colour sample for 2×2 pixels. */
static int parse_side(struct parse *p, const struct field *f, const cJSON *v)
{
    int64_t n;
    int rc = want_integer(p, f, v, &n);
    if (rc < 0)
        return rc;
    if (n % 2)
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"%s\": %lld is odd, videos need an even number", f->name,
                       (long long)n);
    *(int *)((char *)p->job + f->into) = (int)n;
    return 0;
}

static int64_t config_int(const struct config *config, size_t offset)
{
    return *(const int64_t *)((const char *)config + offset);
}

static int parse_limit(struct parse *p, const struct field *f, const cJSON *v)
{
    int64_t n, most = config_int(p->config, f->most);
    int rc = want_integer(p, f, v, &n);
    if (rc < 0)
        return rc;
    if (!p->trusted && n > most)
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"%s\": %lld is more than this worker allows: %lld", f->name,
                       (long long)n, (long long)most);
    *(int64_t *)((char *)p->job + f->into) = n * f->unit;
    return 0;
}

/* Whole numbers, or the television rates n·1000/1001 (23.976, 29.97, 59.94),
 * written with two decimals or more. */
static int parse_fps(struct parse *p, const struct field *f, const cJSON *v)
{
    if (!cJSON_IsNumber(v))
        return refuse_type(p, f, v, "a number");
    double d = v->valuedouble;
    if (!(d > 0 && d <= (double)f->high))
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"fps\": %.6g is outside of 1 to %lld", d,
                       (long long)f->high);
    struct picture *picture = &p->job->picture;
    double whole = round(d);
    if (d == whole && whole >= 1) {
        picture->fps_num = (int)whole;
        picture->fps_den = 1;
        return 0;
    }
    double n = round(d * 1.001);
    if (n < 1 || fabs(d - n * 1000 / 1001) > 0.005)
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"fps\": %.6g is neither whole nor n*1000/1001, such as 29.97", d);
    picture->fps_num = (int)n * 1000;
    picture->fps_den = 1001;
    return 0;
}

/* ---- times ---- */

static bool digits(const char **s, int count, int *ret)
{
    int n = 0;
    for (int i = 0; i < count; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        n = n * 10 + (**s - '0');
    }
    *ret = n;
    return true;
}

static bool skip_char(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static bool date_exists(const struct tm *want)
{
    struct tm real = *want;
    time_t t = timegm(&real);
    return t >= 0 && real.tm_mday == want->tm_mday && real.tm_mon == want->tm_mon &&
           want->tm_hour < 24 && want->tm_min < 60 && want->tm_sec < 60;
}

/* "YYYY-MM-DDTHH:MM:SS", each pair a number of digits and what follows it. */
static bool parse_clock(const char **s, struct tm *ret)
{
    const struct {
        int *into, digits;
        char then;
    } parts[] = {
        {&ret->tm_year, 4, '-'}, {&ret->tm_mon, 2, '-'}, {&ret->tm_mday, 2, 'T'},
        {&ret->tm_hour, 2, ':'}, {&ret->tm_min, 2, ':'}, {&ret->tm_sec, 2, 0},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (!digits(s, parts[i].digits, parts[i].into) ||
            (parts[i].then && !skip_char(s, parts[i].then)))
            return false;
    ret->tm_year -= 1900;
    ret->tm_mon -= 1;
    return date_exists(ret);
}

/* [.f…], to milliseconds. */
static bool parse_fraction(const char **s, int64_t *ret_ms)
{
    int digit, scale = 100;
    *ret_ms = 0;
    if (!skip_char(s, '.'))
        return true;
    if (**s < '0' || **s > '9')
        return false;
    for (; digits(s, 1, &digit); scale /= 10)
        *ret_ms += digit * scale;
    return true;
}

/* YYYY-MM-DDTHH:MM:SS[.f…]Z, nothing else: a local time would be a guess. */
static bool parse_iso(const char *s, int64_t *ret_ms)
{
    struct tm tm = {0};
    int64_t ms;
    if (!parse_clock(&s, &tm) || !parse_fraction(&s, &ms) || !skip_char(&s, 'Z') || *s)
        return false;
    *ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
    return true;
}

static int parse_time(struct parse *p, const struct field *f, const cJSON *v)
{
    int64_t *into = (int64_t *)((char *)p->job + f->into);
    char shown[64];
    if (cJSON_IsString(v)) {
        if (parse_iso(v->valuestring, into))
            return 0;
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"%s\": \"%s\" is no UTC time such as 2026-11-27T02:41:33Z", f->name,
                       job_shown(v->valuestring, shown));
    }
    if (!cJSON_IsNumber(v))
        return refuse_type(p, f, v, "Unix seconds or a UTC time such as \"2026-11-27T02:41:33Z\"");
    double d = v->valuedouble;
    if (!(d > 0 && d < UNIX_YEAR_3000_S))
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"%s\": %.0f is no Unix time in seconds%s",
                       f->name, d, d >= UNIX_YEAR_3000_S ? " (milliseconds?)" : "");
    *into = (int64_t)(d * 1000);
    return 0;
}

/* ---- the rest ---- */

static int parse_notify(struct parse *p, const struct field *f, const cJSON *v)
{
    if (!cJSON_IsBool(v))
        return refuse_type(p, f, v, "true or false");
    p->job->notify = cJSON_IsTrue(v);
    return 0;
}

/* What it says only; where it leads to is the courier's to find out. */
static int parse_webhook(struct parse *p, const struct field *f, const cJSON *v)
{
    const char *url;
    int rc = want_string(p, f, v, &url);
    if (rc == 0 && !p->trusted && guard_check_url(url, p->config->allow_http, p->e) < 0)
        rc = err_wrap(p->e, -EINVAL, "field \"%s\"", f->name);
    if (rc == 0)
        keep(p, f, url);
    return rc;
}

static int parse_metadata(struct parse *p, const struct field *f, const cJSON *v)
{
    own_free char *text = json_print(v);
    if (strlen(text) > METADATA_MAX_BYTES)
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"metadata\": has %zu bytes as JSON, at most %d allowed",
                       strlen(text), METADATA_MAX_BYTES);
    keep(p, f, text);
    return 0;
}

static int parse_quality(struct parse *p, const struct field *f, const cJSON *v)
{
    static const struct {
        const char *names[4];
        int width, height, fps;
    } qualities[] = {
        {{"480p15", "480p", "low", "l"}, 854, 480, 15},
        {{"720p30", "720p", "medium", "m"}, 1280, 720, 30},
        {{"1080p60", "1080p", "high", "h"}, 1920, 1080, 60},
        {{"1440p60", "p"}, 2560, 1440, 60},
        {{"2160p60", "4k", "k"}, 3840, 2160, 60},
    };
    char shown[64];
    if (!cJSON_IsString(v))
        return refuse_type(p, f, v, "a string");
    for (size_t i = 0; i < sizeof(qualities) / sizeof(qualities[0]); i++)
        for (size_t n = 0; n < 4 && qualities[i].names[n]; n++)
            if (strcmp(v->valuestring, qualities[i].names[n]) == 0) {
                p->job->picture.width = qualities[i].width;
                p->job->picture.height = qualities[i].height;
                p->job->picture.fps_num = qualities[i].fps;
                p->job->picture.fps_den = 1;
                return 0;
            }
    return err_set(p->e, -EINVAL, FAULT_JOB,
                   "field \"quality\": \"%s\" is none of 480p15 720p30 1080p60 1440p60 2160p60, "
                   "480p 720p 1080p, low medium high 4k, l m h p k",
                   job_shown(v->valuestring, shown));
}

static int parse_output(struct parse *p, const cJSON *item, const struct field *f)
{
    char shown[64];
    if (!cJSON_IsString(item))
        return refuse_type(p, f, item, "an array of strings");
    int kind = output_kind_from_name(item->valuestring);
    if (kind < 0)
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"outputs\": \"%s\" is no kind of output",
                       job_shown(item->valuestring, shown));
    if (kind != OUTPUT_MP4 && kind != OUTPUT_PNG)
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"outputs\": \"%s\" is not supported yet, mp4 and png are",
                       item->valuestring);
    if (p->job->outputs & OUTPUT_BIT(kind))
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"outputs\": \"%s\" is named twice",
                       item->valuestring);
    p->job->outputs |= OUTPUT_BIT(kind);
    return 0;
}

static int parse_outputs(struct parse *p, const struct field *f, const cJSON *v)
{
    if (!cJSON_IsArray(v))
        return refuse_type(p, f, v, "an array of strings");
    p->job->outputs = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, v)
    {
        int rc = parse_output(p, item, f);
        if (rc < 0)
            return rc;
    }
    if (!p->job->outputs)
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"outputs\": must not be empty");
    return 0;
}

#define INTO(member) .into = offsetof(struct job, member)
#define LIMIT(field, lowest, member, scale)                                                       \
    {                                                                                             \
        .name = #field, .parse = parse_limit, .low = lowest, .high = 9000000000000, INTO(member), \
        .usual = offsetof(struct config, field), .most = offsetof(struct config, max_##field),    \
        .unit = scale                                                                             \
    }

const struct field job_fields[] = {
    {.name = "id", .parse = parse_id},
    {.name = "code", .parse = parse_text, .low = 1, .high = JOB_CODE_MAX_BYTES, INTO(code)},
    {.name = "source", .parse = job_parse_source, .low = 1, .high = GUARD_URL_MAX_BYTES},
    {.name = "scene", .parse = parse_scene, .low = 1, .high = 128, INTO(scene)},
    {.name = "quality", .parse = parse_quality},
    {.name = "width", .parse = parse_side, .low = 16, .high = 3840, INTO(picture.width)},
    {.name = "height", .parse = parse_side, .low = 16, .high = 2160, INTO(picture.height)},
    {.name = "fps", .parse = parse_fps, .high = 120},
    {.name = "transparent"},
    {.name = "background", .parse = parse_background, .low = 1, .high = 31},
    {.name = "renderer"},
    {.name = "sections"},
    {.name = "preset"},
    /* numpy's generator takes 32 bits. */
    {.name = "seed", .parse = parse_seed, .high = UINT32_MAX},
    {.name = "outputs", .parse = parse_outputs},
    {.name = "assets", .parse = job_parse_assets},
    LIMIT(timeout_s, 1, limits.wall_ms, 1000),
    LIMIT(memory_mb, 128, limits.memory_bytes, 1024 * 1024),
    LIMIT(cpu_s, 1, limits.cpu_ms, 1000),
    LIMIT(disk_mb, 1, limits.disk_bytes, 1024 * 1024),
    LIMIT(processes, 4, limits.processes, 1),
    {.name = "priority", .parse = parse_int, .high = 9, INTO(priority)},
    {.name = "run_at", .parse = parse_time, INTO(run_at_ms)},
    {.name = "expires_at", .parse = parse_time, INTO(expires_ms)},
    {.name = "deadline_at", .parse = parse_time, INTO(deadline_ms)},
    {.name = "owner", .parse = parse_owner, .high = 64, INTO(owner)},
    {.name = "cache"},
    {.name = "webhook",
     .parse = parse_webhook,
     .low = 1,
     .high = GUARD_URL_MAX_BYTES,
     INTO(webhook)},
    {.name = "notify", .parse = parse_notify},
    {.name = "metadata", .parse = parse_metadata, INTO(metadata)},
    {.name = "put_url"},
    {.name = "traceparent"},
};
const size_t job_fields_count = sizeof(job_fields) / sizeof(job_fields[0]);

int job_want_string(struct parse *p, const struct field *f, const cJSON *v, const char **ret)
{
    return want_string(p, f, v, ret);
}

int job_refuse_type(struct parse *p, const struct field *f, const cJSON *v, const char *wanted)
{
    return refuse_type(p, f, v, wanted);
}

void job_default_limits(const struct config *config, struct limits *ret)
{
    *ret = (struct limits){
        .files = config->max_files,
        .log_bytes = config->max_log_kb * 1024,
        .output_bytes = config->max_output_mb * 1024 * 1024,
        .frames = config->max_frames,
        .tex_ms = config->tex_timeout_s * 1000,
    };
    for (size_t i = 0; i < job_fields_count; i++) {
        const struct field *f = &job_fields[i];
        if (f->unit) {
            size_t member = f->into - offsetof(struct job, limits);
            int64_t usual = config_int(config, f->usual), most = config_int(config, f->most);
            *(int64_t *)((char *)ret + member) = (usual < most ? usual : most) * f->unit;
        }
    }
}
