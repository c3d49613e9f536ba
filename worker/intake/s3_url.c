/* See s3_url.h. */
#include "s3_url.h"

#include <errno.h>
#include <string.h>

#include "../base/err.h"
#include "../base/guard.h"
#include "../base/json.h"
#include "../base/own.h"

#define SCHEME "s3://"
#define SCHEME_BYTES (sizeof SCHEME - 1)
#define SEPARATORS ", \t"
#define BUCKET_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define BUCKET_MAX_BYTES 255 /* old buckets of us-east-1 */
#define KEY_MAX_BYTES 1024   /* S3's own limit */

bool s3_url_is(const char *url)
{
    return strncmp(url, SCHEME, SCHEME_BYTES) == 0;
}

static size_t bucket_bytes(const char *url)
{
    return strcspn(url + SCHEME_BYTES, "/");
}

const char *s3_url_key(const char *url)
{
    const char *slash = url + SCHEME_BYTES + bucket_bytes(url);
    return *slash ? slash + 1 : slash;
}

char *s3_url_bucket(const char *url)
{
    return own_strndup(url + SCHEME_BYTES, bucket_bytes(url));
}

static int refuse(struct err *e, const char *words)
{
    return err_set(e, -EPERM, FAULT_JOB, "%s", words);
}

static bool good_bucket(const char *url)
{
    size_t bytes = bucket_bytes(url);
    return bytes > 0 && bytes <= BUCKET_MAX_BYTES && url[SCHEME_BYTES] != '.' &&
           strspn(url + SCHEME_BYTES, BUCKET_CHARS) >= bytes;
}

static bool plain_part(const char *s, size_t bytes)
{
    return bytes > 0 && !(bytes == 1 && s[0] == '.') && !(bytes == 2 && s[0] == '.' && s[1] == '.');
}

/* A prefix may end in "/", a key may not. */
static bool plain_parts(const char *s, bool may_end)
{
    for (;;) {
        size_t bytes = strcspn(s, "/");
        if (!plain_part(s, bytes))
            return may_end && bytes == 0 && !*s;
        if (!s[bytes])
            return true;
        s += bytes + 1;
    }
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

int s3_url_check(const char *url, struct err *e)
{
    if (strlen(url) > GUARD_URL_MAX_BYTES)
        return refuse(e, "is a URL of more than 2048 bytes");
    if (!good_bucket(url))
        return refuse(e, "names no bucket: s3://BUCKET/KEY is wanted");
    const char *key = s3_url_key(url);
    if (!*key)
        return refuse(e, "names no key: s3://BUCKET/KEY is wanted");
    if (strlen(key) > KEY_MAX_BYTES || has_control(key) || !plain_parts(key, false))
        return refuse(e, "names a key of more than 1024 bytes, or with a control character, an "
                         "empty part, \".\" or \"..\" in it");
    return 0;
}

/* The next name of a list; false at its end. */
static bool next_prefix(const char **at, const char **ret, size_t *ret_bytes)
{
    *at += strspn(*at, SEPARATORS);
    *ret = *at;
    *ret_bytes = strcspn(*at, SEPARATORS);
    *at += *ret_bytes;
    return *ret_bytes > 0;
}

bool s3_url_covered(const char *prefixes, const char *url)
{
    const char *at = prefixes ? prefixes : "", *prefix;
    size_t bytes;
    while (next_prefix(&at, &prefix, &bytes)) {
        if (strncmp(url, prefix, bytes) != 0)
            continue;
        if (prefix[bytes - 1] == '/' || url[bytes] == '/' || !url[bytes])
            return true;
    }
    return false;
}

int s3_prefixes_check(const char *prefixes, struct err *e)
{
    const char *at = prefixes ? prefixes : "", *prefix;
    size_t bytes;
    while (next_prefix(&at, &prefix, &bytes)) {
        own_free char *one = own_strndup(prefix, bytes);
        const char *key = s3_url_is(one) ? s3_url_key(one) : "";
        if (!s3_url_is(one) || !good_bucket(one) || has_control(key) || !plain_parts(key, true))
            return err_set(e, -EINVAL, FAULT_HOST,
                           "fetch_s3_prefixes: \"%.200s\" is no prefix such as "
                           "s3://bucket/pictures/",
                           one);
    }
    return 0;
}
