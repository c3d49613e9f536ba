/* See redis_url.h. */
#include "redis_url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "own.h"

#define DB_MAX 65535

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL when a % is not followed by two hex digits, or stands for NUL. */
static char *decode(const char *s, size_t n)
{
    own_free char *out = own_calloc(1, n + 1);
    size_t o = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '%') {
            out[o++] = s[i];
            continue;
        }
        int high = i + 2 < n ? hex(s[i + 1]) : -1;
        int low = high < 0 ? -1 : hex(s[i + 2]);
        if (low < 0 || (high == 0 && low == 0))
            return NULL;
        out[o++] = (char)(high * 16 + low);
        i += 2;
    }
    return steal_ptr(&out);
}

static bool number(const char *s, size_t n, int most, int *ret)
{
    int value = 0;
    if (n == 0 || n > 6)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        value = value * 10 + (s[i] - '0');
    }
    if (value > most)
        return false;
    *ret = value;
    return true;
}

/* A URL being read: [at, end) is what is left of it. */
struct text {
    const char *at, *end;
};

static size_t left(const struct text *t)
{
    return (size_t)(t->end - t->at);
}

static int read_user(struct text *t, struct redis_url *u, struct err *e)
{
    const char *stop = memchr(t->at, '?', left(t));
    const char *at = memrchr(t->at, '@', (size_t)((stop ? stop : t->end) - t->at));
    if (!at)
        return 0;
    const char *colon = memchr(t->at, ':', (size_t)(at - t->at));
    size_t user_bytes = (size_t)((colon ? colon : at) - t->at);
    if (user_bytes && !(u->user = decode(t->at, user_bytes)))
        return err_set(e, -EINVAL, FAULT_HOST,
                       "redis url: a %% in its user is not followed by two "
                       "hex digits");
    if (colon && !(u->password = decode(colon + 1, (size_t)(at - colon - 1))))
        return err_set(e, -EINVAL, FAULT_HOST,
                       "redis url: a %% in its password is not followed by "
                       "two hex digits");
    t->at = at + 1;
    return 0;
}

/* "?db=N" off the end. */
static int read_query(struct text *t, struct redis_url *u, struct err *e)
{
    const char *q = memchr(t->at, '?', left(t));
    if (!q)
        return 0;
    size_t n = (size_t)(t->end - q - 1);
    if (n < 3 || memcmp(q + 1, "db=", 3) != 0 || !number(q + 4, n - 3, DB_MAX, &u->db))
        return err_set(e, -EINVAL, FAULT_HOST,
                       "redis url: after its ? only db=NUMBER is understood");
    t->end = q;
    return 0;
}

static int read_path(struct text *t, struct redis_url *u, struct err *e)
{
    if (left(t) == 0 || *t->at != '/')
        return err_set(e, -EINVAL, FAULT_HOST,
                       "redis url: unix:// needs an absolute path, as in unix:///run/redis.sock");
    u->path = decode(t->at, left(t));
    if (!u->path || strlen(u->path) > 107)
        return err_set(e, -EINVAL, FAULT_HOST,
                       "redis url: its path is no path of a unix socket (at most 107 bytes)");
    snprintf(u->shown, sizeof(u->shown), "unix://%s", u->path);
    return 0;
}

/* Up to the port; [::1] keeps its colons. */
static int read_host(struct text *t, struct redis_url *u, struct err *e)
{
    const char *from = t->at, *to;
    if (left(t) && *from == '[') {
        from++;
        to = memchr(from, ']', (size_t)(t->end - from));
        if (!to)
            return err_set(e, -EINVAL, FAULT_HOST, "redis url: its [ has no ]");
        t->at = to + 1;
    } else {
        to = from;
        while (to < t->end && *to != ':' && *to != '/')
            to++;
        t->at = to;
    }
    if (to == from || to - from > 253)
        return err_set(e, -EINVAL, FAULT_HOST, "redis url: holds no host");
    u->host = own_strndup(from, (size_t)(to - from));
    return 0;
}

static int read_address(struct text *t, struct redis_url *u, struct err *e)
{
    int rc = read_host(t, u, e);
    if (rc < 0)
        return rc;
    u->port = 6379;
    if (left(t) && *t->at == ':') {
        const char *slash = memchr(t->at, '/', left(t));
        const char *stop = slash ? slash : t->end;
        if (!number(t->at + 1, (size_t)(stop - t->at - 1), 65535, &u->port) || u->port == 0)
            return err_set(e, -EINVAL, FAULT_HOST, "redis url: its port is none of 1 to 65535");
        t->at = stop;
    }
    if (left(t) > 1 && !number(t->at + 1, left(t) - 1, DB_MAX, &u->db))
        return err_set(e, -EINVAL, FAULT_HOST,
                       "redis url: after its / stands the number of a database");
    snprintf(u->shown, sizeof(u->shown), "redis%s://%.90s:%d/%d", u->tls ? "s" : "", u->host,
             u->port, u->db);
    return 0;
}

static int read_scheme(struct text *t, struct redis_url *u, bool *ret_unix, struct err *e)
{
    static const struct {
        const char *prefix;
        bool tls, is_unix;
    } schemes[] = {
        {"redis://", false, false},
        {"rediss://", true, false},
        {"unix://", false, true},
    };
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t n = strlen(schemes[i].prefix);
        if (left(t) >= n && memcmp(t->at, schemes[i].prefix, n) == 0) {
            t->at += n;
            u->tls = schemes[i].tls;
            *ret_unix = schemes[i].is_unix;
            return 0;
        }
    }
    static const char *const later[] = {
        "redis+sentinel://", "rediss+sentinel://", "redis-sentinel://", "sentinel://",
        "redis+cluster://",  "rediss+cluster://",  "redis-cluster://"};
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        if (left(t) >= strlen(later[i]) && memcmp(t->at, later[i], strlen(later[i])) == 0)
            return err_set(e, -EINVAL, FAULT_HOST,
                           "redis url: %.*s is not supported yet, name one primary by redis://",
                           (int)strlen(later[i]) - 3, later[i]);
    return err_set(e, -EINVAL, FAULT_HOST,
                   "redis url: begins with none of redis:// rediss:// unix://");
}

int redis_url_parse(const char *url, struct redis_url *ret, struct err *e)
{
    struct redis_url u = {0};
    struct text t = {url, url + strlen(url)};
    bool is_unix = false;
    int rc = read_scheme(&t, &u, &is_unix, e);
    if (rc == 0)
        rc = read_user(&t, &u, e);
    if (rc == 0)
        rc = read_query(&t, &u, e);
    if (rc == 0)
        rc = is_unix ? read_path(&t, &u, e) : read_address(&t, &u, e);
    if (rc < 0) {
        redis_url_done(&u);
        return rc;
    }
    *ret = u;
    return 0;
}

void redis_url_done(struct redis_url *u)
{
    free(u->path);
    free(u->host);
    free(u->user);
    if (u->password)
        explicit_bzero(u->password, strlen(u->password));
    free(u->password);
    *u = (struct redis_url){0};
}
