/* The fields that name what is to be fetched: `source` and `assets`. What a URL
 * says is checked here; where it leads to is found out by the fetch stage. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/err.h"
#include "../base/guard.h"
#include "../base/json.h"
#include "../base/own.h"
#include "job_field.h"
#include "s3_url.h"

#define PATH_MAX_BYTES 512
#define PART_MAX_BYTES 200 /* of a path; file systems take 255 */
#define DEPTH_MAX 8

/* ---- URLs ---- */

static int check_url(const struct parse *p, const char *where, const char *url)
{
    if (p->trusted)
        return 0;
    if (!s3_url_is(url)) {
        int rc = guard_check_url(url, p->config->allow_http, p->e);
        return rc < 0 ? err_wrap(p->e, -EINVAL, "field \"%s\"", where) : 0;
    }
    if (s3_url_check(url, p->e) < 0)
        return err_wrap(p->e, -EINVAL, "field \"%s\"", where);
    if (!s3_url_covered(p->config->fetch_s3_prefixes, url))
        return err_set(p->e, -EINVAL, FAULT_JOB,
                       "field \"%s\": is not beneath a prefix that this worker reads from "
                       "(fetch_s3_prefixes)",
                       where);
    return 0;
}

int job_parse_source(struct parse *p, const struct field *f, const cJSON *v)
{
    const char *url;
    int rc = job_want_string(p, f, v, &url);
    if (rc == 0)
        rc = check_url(p, f->name, url);
    if (rc == 0)
        p->job->source = own_strdup(url);
    return rc;
}

/* ---- paths ---- */

/* In the scene's directory these are the worker's or Manim's; names that begin
 * with a dot are refused everywhere: caches and settings live there. */
static bool is_taken(const char *path, size_t first_bytes)
{
    static const char *const names[] = {"scene.py", "media", "tmp", "__pycache__"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == first_bytes && memcmp(names[i], path, first_bytes) == 0)
            return true;
    return false;
}

static const char *wrong_part(const char *part, size_t bytes)
{
    if (bytes == 0)
        return "must be relative, without empty parts";
    if (part[0] == '.')
        return "must have no part that begins with a dot";
    return bytes > PART_MAX_BYTES ? "has a part of more than 200 bytes" : NULL;
}

/* NULL when it is good. */
static const char *wrong_path(const char *path)
{
    int depth = 0;
    if (!*path || strlen(path) > PATH_MAX_BYTES)
        return "must have 1 to 512 bytes";
    for (const unsigned char *c = (const unsigned char *)path; *c; c++)
        if (*c < 0x20 || *c == 0x7f || *c == '\\' || (c[0] == 0xc2 && c[1] < 0xa0)) /* C1 */
            return "must hold no control character and no backslash";
    for (const char *part = path;;) {
        size_t bytes = strcspn(part, "/");
        const char *why = wrong_part(part, bytes);
        if (why)
            return why;
        if (++depth > DEPTH_MAX)
            return "has more than 8 parts";
        if (!part[bytes])
            break;
        part += bytes + 1;
    }
    return is_taken(path, strcspn(path, "/")) ? "is a name of the worker's own" : NULL;
}

/* ---- assets ---- */

static int parse_path(struct parse *p, const struct field *f, const cJSON *v)
{
    const char *path;
    char shown[64];
    int rc = job_want_string(p, f, v, &path);
    const char *why = rc == 0 ? wrong_path(path) : NULL;
    if (why)
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"%s\": \"%s\" %s", f->name,
                       job_shown(path, shown), why);
    if (rc == 0)
        p->job->assets[p->job->asset_count - 1].path = own_strdup(path);
    return rc;
}

static int parse_url(struct parse *p, const struct field *f, const cJSON *v)
{
    const char *url;
    int rc = job_want_string(p, f, v, &url);
    if (rc == 0)
        rc = check_url(p, f->name, url);
    if (rc == 0)
        p->job->assets[p->job->asset_count - 1].url = own_strdup(url);
    return rc;
}

static int parse_sha256(struct parse *p, const struct field *f, const cJSON *v)
{
    const char *hex;
    char *into = p->job->assets[p->job->asset_count - 1].sha256;
    int rc = job_want_string(p, f, v, &hex);
    if (rc < 0)
        return rc;
    if (strlen(hex) != 64 || strspn(hex, "0123456789abcdefABCDEF") != 64)
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"%s\": must be 64 hexadecimal digits",
                       f->name);
    for (size_t i = 0; i < 64; i++)
        into[i] = hex[i] >= 'A' && hex[i] <= 'F' ? (char)(hex[i] | 32) : hex[i];
    return 0;
}

static const struct part {
    const char *name;
    bool needed;
    int (*parse)(struct parse *p, const struct field *f, const cJSON *v);
    int64_t most;
} parts[] = {
    {"path", true, parse_path, PATH_MAX_BYTES},
    {"url", true, parse_url, GUARD_URL_MAX_BYTES},
    {"sha256", false, parse_sha256, 64},
};
#define PARTS (sizeof parts / sizeof *parts)

static int check_parts(const struct parse *p, const cJSON *v, int index)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, v)
    {
        size_t i = 0;
        char shown[64];
        while (i < PARTS && strcmp(parts[i].name, item->string) != 0)
            i++;
        if (i == PARTS)
            return err_set(p->e, -EINVAL, FAULT_JOB,
                           "field \"assets[%d].%s\" is unknown: path, url and sha256 are known",
                           index, job_shown(item->string, shown));
    }
    return 0;
}

static int parse_asset(struct parse *p, const cJSON *v, int index)
{
    char where[48];
    snprintf(where, sizeof where, "assets[%d]", index);
    const struct field whole = {.name = where};
    if (!cJSON_IsObject(v))
        return job_refuse_type(p, &whole, v, "an object with path and url");
    int rc = check_parts(p, v, index);
    for (size_t i = 0; i < PARTS && rc == 0; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(v, parts[i].name);
        snprintf(where, sizeof where, "assets[%d].%s", index, parts[i].name);
        const struct field f = {.name = where, .low = 1, .high = parts[i].most};
        if (item)
            rc = parts[i].parse(p, &f, item);
        else if (parts[i].needed)
            rc = err_set(p->e, -EINVAL, FAULT_JOB, "field \"%s\": is missing", where);
    }
    return rc;
}

/* By path, "/" before every other character: whoever lies beneath another comes
 * right after it. */
static int by_path(const void *a, const void *b)
{
    const char *one = (*(const struct asset *const *)a)->path;
    const char *other = (*(const struct asset *const *)b)->path;
    while (*one && *one == *other)
        one++, other++;
    int x = *one == '/' ? 1 : *one ? (unsigned char)*one + 1 : 0;
    int y = *other == '/' ? 1 : *other ? (unsigned char)*other + 1 : 0;
    return x - y;
}

static int check_clashes(const struct parse *p)
{
    size_t count = (size_t)p->job->asset_count;
    own_free const struct asset **sorted = own_calloc(count + 1, sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &p->job->assets[i];
    qsort(sorted, count, sizeof *sorted, by_path);
    for (size_t i = 1; i < count; i++) {
        const char *above = sorted[i - 1]->path, *path = sorted[i]->path;
        size_t bytes = strlen(above);
        char shown[64];
        if (strncmp(above, path, bytes) != 0 || (path[bytes] && path[bytes] != '/'))
            continue;
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"assets\": path \"%s\" %s",
                       job_shown(above, shown),
                       path[bytes] ? "is a file and a folder" : "is named twice");
    }
    return 0;
}

int job_parse_assets(struct parse *p, const struct field *f, const cJSON *v)
{
    if (!cJSON_IsArray(v))
        return job_refuse_type(p, f, v, "an array of {path, url, sha256}");
    int count = cJSON_GetArraySize(v), index = 0;
    if (!p->trusted && count > p->config->max_assets)
        return err_set(p->e, -EINVAL, FAULT_JOB, "field \"assets\": has %d, at most %lld allowed",
                       count, (long long)p->config->max_assets);
    p->job->assets = own_calloc((size_t)count + 1, sizeof *p->job->assets);
    const cJSON *item;
    cJSON_ArrayForEach(item, v)
    {
        p->job->asset_count++;
        int rc = parse_asset(p, item, index++);
        if (rc < 0)
            return rc;
    }
    return check_clashes(p);
}
