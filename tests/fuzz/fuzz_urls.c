/* URLs that people and strangers write: where a Redis is, where S3 is, what a
 * webhook may name. No sentence and nothing shown holds a password. */
#include <strings.h>

#include "../../worker/base/err.h"
#include "../../worker/base/guard.h"
#include "../../worker/base/redis_url.h"
#include "../../worker/store/s3.h"
#include "fuzz.h"

static void as_redis(const char *text)
{
    struct redis_url u;
    struct err e = ERR_INIT;
    if (redis_url_parse(text, &u, &e) < 0) {
        must(*e.text);
        return;
    }
    must(!u.path != !u.host && u.db >= 0 && u.db <= 65535);
    must(u.path || (u.port > 0 && u.port <= 65535));
    must(!u.path || (u.path[0] == '/' && strlen(u.path) <= 107));
    must(strlen(u.shown) < sizeof(u.shown));
    redis_url_done(&u);
}

/* Whatever follows the @, what stands before it is not seen. */
static void secret_in_redis(const char *text)
{
    static const char *const secret = "QUITESECRET";
    own_free char *url = own_printf("redis://user:%s@%s", secret, text);
    struct redis_url u;
    struct err e = ERR_INIT;
    if (strstr(text, secret))
        return;
    if (redis_url_parse(url, &u, &e) < 0) {
        must(!strstr(e.text, secret));
        return;
    }
    must(!strstr(u.shown, secret));
    redis_url_done(&u);
}

static void as_webhook(const char *text)
{
    struct err e = ERR_INIT;
    if (guard_check_url(text, true, &e) < 0) {
        fuzz_check_sentence(e.text);
        must(guard_check_url(text, false, NULL) < 0);
        return;
    }
    must(strlen(text) <= GUARD_URL_MAX_BYTES && !strpbrk(text, " \t\r\n"));
    if (guard_check_url(text, false, NULL) == 0)
        must(strncasecmp(text, "https://", 8) == 0);
}

static void as_allow_list(const char *text)
{
    struct guard g;
    struct err e = ERR_INIT;
    if (guard_init(&g, text, false, &e) == 0)
        must(g.allowed <= GUARD_ALLOW_MAX);
}

static void as_endpoint(char *text)
{
    struct config c = {.s3_bucket = "bucket", .s3_access_key_id = "id", .s3_tries = 1};
    c.s3_secret_access_key = "secret";
    c.s3_endpoint = text;
    struct s3 *s3 = NULL;
    struct err e = ERR_INIT;
    if (s3_new(&c, NULL, &s3, &e) < 0) {
        must(*e.text && !s3);
        return;
    }
    own_free char *url = s3_presign(s3, "a/key of ours", 60, 1000000000);
    must(!*text || !strchr(s3->host, '@'));
    must(!url || strstr(url, "X-Amz-Signature="));
    s3_free(s3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    own_free char *text = feed_text(&f, 0, NULL);
    as_redis(text);
    secret_in_redis(text);
    as_webhook(text);
    as_allow_list(text);
    as_endpoint(text);
    return 0;
}
