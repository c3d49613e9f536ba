#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <strings.h>

#include "../base/buf.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "sigv4.h"

/* Pairs that own their strings, sorted into the order in which they are signed. */
struct field {
    char *name;
    char *value;
    size_t order; /* as given: repeated headers keep it */
};
struct fields {
    struct field *items;
    size_t count;
};

static void fields_done(struct fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->items[i].name);
        free(f->items[i].value);
    }
    free(f->items);
}
#define own_fields __attribute__((cleanup(fields_done)))

/* Takes both strings. */
static void fields_add(struct fields *f, char *name, char *value)
{
    f->items = own_realloc(f->items, (f->count + 1) * sizeof(*f->items));
    f->items[f->count] = (struct field){name, value, f->count};
    f->count++;
}

static char *encode(const char *s, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = own_calloc(strlen(s) + 1, 3);
    char *o = out;
    for (const unsigned char *c = (const unsigned char *)s; *c; c++) {
        bool plain = (*c < 0x80 && isalnum(*c)) || strchr("-._~", *c) || (keep_slash && *c == '/');
        if (plain) {
            *o++ = (char)*c;
        } else {
            *o++ = '%';
            *o++ = hex[*c >> 4];
            *o++ = hex[*c & 15];
        }
    }
    return out;
}

static int by_name_value(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    int names = strcmp(x->name, y->name);
    return names ? names : strcmp(x->value, y->value);
}

static int by_name_order(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    int names = strcmp(x->name, y->name);
    return names ? names : (x->order > y->order) - (x->order < y->order);
}

static void query_fields(struct fields *f, const struct sigv4_pair *query, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fields_add(f, encode(query[i].name, false),
                   encode(query[i].value ? query[i].value : "", false));
}

static int add_query_fields(struct buf *ret, struct fields *f)
{
    int rc = 0;
    if (f->count > 0)
        qsort(f->items, f->count, sizeof(*f->items), by_name_value);
    for (size_t i = 0; i < f->count && rc == 0; i++)
        rc = buf_printf(ret, "%s%s=%s", i ? "&" : "", f->items[i].name, f->items[i].value);
    return rc;
}

int sigv4_add_path(struct buf *ret, const char *path)
{
    own_free char *encoded = encode(path, true);
    return buf_add_str(ret, encoded);
}

int sigv4_add_query(struct buf *ret, const struct sigv4_pair *query, size_t count)
{
    own_fields struct fields f = {0};
    query_fields(&f, query, count);
    return add_query_fields(ret, &f);
}

static char *lower(const char *s)
{
    char *out = own_strdup(s);
    for (char *c = out; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return out;
}

/* Without blanks around it, and with one where there were several. */
static char *fold(const char *s)
{
    char *out = own_calloc(strlen(s) + 1, 1);
    char *o = out;
    for (; *s; s++) {
        bool blank = strchr(" \t\r\n\v\f", *s) != NULL;
        if (!blank)
            *o++ = *s;
        else if (o > out && o[-1] != ' ')
            *o++ = ' ';
    }
    if (o > out && o[-1] == ' ')
        o[-1] = '\0';
    return out;
}

static bool never_signed(const char *name)
{
    static const char *const names[] = {"accept-encoding", "expect",          "user-agent",
                                        "connection",      "x-amzn-trace-id", "transfer-encoding",
                                        "authorization"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static void header_fields(struct fields *f, const struct sigv4_request *r)
{
    fields_add(f, own_strdup("host"), fold(r->host));
    for (size_t i = 0; i < r->header_count; i++) {
        const struct sigv4_pair *h = &r->headers[i];
        if (!never_signed(h->name))
            fields_add(f, lower(h->name), fold(h->value ? h->value : ""));
    }
}

static void sort_headers(struct fields *f)
{
    qsort(f->items, f->count, sizeof(*f->items), by_name_order);
}

/* "name:value,value\n" for each header. */
static int add_headers(struct buf *ret, const struct fields *f)
{
    int rc = 0;
    for (size_t i = 0; i < f->count && rc == 0; i++) {
        const struct field *x = &f->items[i];
        bool again = i > 0 && strcmp(x->name, x[-1].name) == 0;
        rc = again ? buf_printf(ret, ",%s", x->value)
                   : buf_printf(ret, "%s%s:%s", i ? "\n" : "", x->name, x->value);
    }
    return rc ? rc : buf_add_str(ret, "\n");
}

/* "name;name" */
static int add_names(struct buf *ret, const struct fields *f)
{
    int rc = 0;
    for (size_t i = 0; i < f->count && rc == 0; i++) {
        const struct field *x = &f->items[i];
        if (i == 0 || strcmp(x->name, x[-1].name) != 0)
            rc = buf_printf(ret, "%s%s", i ? ";" : "", x->name);
    }
    return rc;
}

static void hex_of(const unsigned char digest[32], char ret_hex[65])
{
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

void sigv4_sha256(const void *data, size_t bytes, char ret_hex[65])
{
    unsigned char digest[32];
    (void)SHA256(data, bytes, digest); /* cannot fail */
    hex_of(digest, ret_hex);
}

static void hmac(const void *key, size_t key_bytes, const char *text, unsigned char ret[32])
{
    if (!HMAC(EVP_sha256(), key, (int)key_bytes, (const unsigned char *)text, strlen(text), ret,
              NULL))
        abort();
}

static void format_date(int64_t unix_s, char ret[SIGV4_DATE_CHARS + 1])
{
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(ret, SIGV4_DATE_CHARS + 1, "%Y%m%dT%H%M%SZ", &tm) == 0)
        abort(); /* a time beyond the year 9999 */
}

static char *scope_of(const struct sigv4_request *r, const char *date)
{
    return own_printf("%.8s/%s/%s/aws4_request", date, r->region, r->service);
}

/* The signature of a canonical request, as hex. */
static void signature_of(const struct sigv4_request *r, const char *date,
                         const struct buf *canonical, char ret_hex[65])
{
    char hash[65];
    sigv4_sha256(canonical->data, canonical->bytes, hash);
    own_free char *scope = scope_of(r, date);
    own_free char *to_sign = own_printf("AWS4-HMAC-SHA256\n%s\n%s\n%s", date, scope, hash);
    own_free char *secret = own_printf("AWS4%s", r->keys.secret);
    own_free char *day = own_strndup(date, 8);
    const char *steps[] = {r->region, r->service, "aws4_request", to_sign};
    unsigned char key[32];
    hmac(secret, strlen(secret), day, key);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        unsigned char next[32];
        hmac(key, sizeof(key), steps[i], next);
        memcpy(key, next, sizeof(key));
    }
    hex_of(key, ret_hex);
}

static int add_canonical(struct buf *c, const struct sigv4_request *r, const struct buf *query,
                         const struct fields *headers, const char *payload_hash)
{
    int rc = buf_printf(c, "%s\n", r->method);
    rc = rc ? rc : sigv4_add_path(c, r->path);
    rc = rc ? rc : buf_printf(c, "\n%s\n", buf_str(query));
    rc = rc ? rc : add_headers(c, headers);
    rc = rc ? rc : buf_add_str(c, "\n");
    rc = rc ? rc : add_names(c, headers);
    return rc ? rc : buf_printf(c, "\n%s", payload_hash);
}

int sigv4_sign(const struct sigv4_request *r, struct buf *ret)
{
    char date[SIGV4_DATE_CHARS + 1], signature[65];
    const char *token = r->keys.token && *r->keys.token ? r->keys.token : NULL;
    format_date(r->unix_s, date);
    own_fields struct fields headers = {0};
    header_fields(&headers, r);
    fields_add(&headers, own_strdup("x-amz-date"), own_strdup(date));
    fields_add(&headers, own_strdup("x-amz-content-sha256"), own_strdup(r->payload_hash));
    if (token)
        fields_add(&headers, own_strdup("x-amz-security-token"), fold(token));
    sort_headers(&headers);

    own_buf struct buf query = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    own_buf struct buf canonical = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    own_buf struct buf names = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    int rc = sigv4_add_query(&query, r->query, r->query_count);
    rc = rc ? rc : add_canonical(&canonical, r, &query, &headers, r->payload_hash);
    rc = rc ? rc : add_names(&names, &headers);
    if (rc != 0)
        return rc;
    signature_of(r, date, &canonical, signature);
    own_free char *scope = scope_of(r, date);
    rc = buf_printf(ret, "X-Amz-Date: %s\nX-Amz-Content-Sha256: %s\n", date, r->payload_hash);
    if (rc == 0 && token)
        rc = buf_printf(ret, "X-Amz-Security-Token: %s\n", token);
    return rc ? rc
              : buf_printf(ret,
                           "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, "
                           "SignedHeaders=%s, Signature=%s\n",
                           r->keys.id, scope, buf_str(&names), signature);
}

static void presign_fields(struct fields *f, const struct sigv4_request *r, int64_t expires_s,
                           const char *date, const char *names)
{
    own_free char *scope = scope_of(r, date);
    own_free char *credential = own_printf("%s/%s", r->keys.id, scope);
    own_free char *expires = own_printf("%lld", (long long)expires_s);
    const struct sigv4_pair added[] = {
        {"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
        {"X-Amz-Credential", credential},
        {"X-Amz-Date", date},
        {"X-Amz-Expires", expires},
        {"X-Amz-SignedHeaders", names},
        {"X-Amz-Security-Token", r->keys.token},
    };
    bool token = r->keys.token && *r->keys.token;
    query_fields(f, r->query, r->query_count);
    query_fields(f, added, sizeof(added) / sizeof(added[0]) - (token ? 0 : 1));
}

int sigv4_presign(const struct sigv4_request *r, int64_t expires_s, struct buf *ret)
{
    char date[SIGV4_DATE_CHARS + 1], signature[65];
    format_date(r->unix_s, date);
    own_fields struct fields headers = {0};
    header_fields(&headers, r);
    sort_headers(&headers);

    own_fields struct fields query = {0};
    own_buf struct buf names = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    own_buf struct buf encoded = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    own_buf struct buf canonical = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    int rc = add_names(&names, &headers);
    if (rc != 0)
        return rc;
    presign_fields(&query, r, expires_s, date, buf_str(&names));
    rc = add_query_fields(&encoded, &query);
    rc = rc ? rc : add_canonical(&canonical, r, &encoded, &headers, SIGV4_UNSIGNED);
    if (rc != 0)
        return rc;
    signature_of(r, date, &canonical, signature);
    return buf_printf(ret, "%s&X-Amz-Signature=%s", buf_str(&encoded), signature);
}
