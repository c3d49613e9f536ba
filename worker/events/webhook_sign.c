/* See webhook_sign.h. */
#include "webhook_sign.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../base/buf.h"
#include "../base/err.h"
#include "../base/limits.h"
#include "../base/own.h"

#define PREFIX "whsec_"
#define DIGEST_BYTES 32
#define DIGEST_BASE64_CHARS 44

static const char base64_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Strictly: whole groups, and nothing in the bits that padding leaves over. */
static bool decode(const char *text, size_t chars, unsigned char *ret, size_t *ret_bytes)
{
    size_t pad = chars > 0 && text[chars - 1] == '=' ? 1 : 0;
    pad += pad && chars > 1 && text[chars - 2] == '=' ? 1 : 0;
    if (chars == 0 || chars % 4 || chars / 4 * 3 - pad > WEBHOOK_SECRET_BYTES_MAX)
        return false;
    unsigned bits = 0, held = 0;
    size_t n = 0;
    for (size_t i = 0; i < chars - pad; i++) {
        const char *at = memchr(base64_chars, text[i], 64);
        if (!at)
            return false;
        held = held << 6 | (unsigned)(at - base64_chars);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            ret[n++] = (unsigned char)(held >> bits);
        }
    }
    *ret_bytes = n;
    return (held & ((1u << bits) - 1)) == 0;
}

static int add_secret(const char *text, size_t chars, struct webhook_secrets *s, struct err *e)
{
    size_t number = s->count + 1, prefix = strlen(PREFIX);
    if (s->count == WEBHOOK_SECRETS_MAX)
        return err_set(e, -EINVAL, FAULT_HOST, "webhook_secret: holds more than %d secrets",
                       WEBHOOK_SECRETS_MAX);
    if (chars <= prefix || memcmp(text, PREFIX, prefix) != 0)
        return err_set(e, -EINVAL, FAULT_HOST, "webhook_secret: number %zu does not begin with %s",
                       number, PREFIX);
    size_t bytes = 0;
    if (!decode(text + prefix, chars - prefix, s->list[s->count].key, &bytes) ||
        bytes < WEBHOOK_SECRET_BYTES_LEAST)
        return err_set(e, -EINVAL, FAULT_HOST,
                       "webhook_secret: number %zu is not %s and base64 of %d to %d bytes, as "
                       "`openssl rand -base64 32` writes them",
                       number, PREFIX, WEBHOOK_SECRET_BYTES_LEAST, WEBHOOK_SECRET_BYTES_MAX);
    s->list[s->count++].bytes = bytes;
    return 0;
}

int webhook_secrets_parse(const char *text, struct webhook_secrets *ret, struct err *e)
{
    *ret = (struct webhook_secrets){0};
    for (const char *at = text ? text : ""; *(at += strspn(at, ", \t\r\n"));) {
        size_t chars = strcspn(at, ", \t\r\n");
        int rc = add_secret(at, chars, ret, e);
        if (rc < 0) {
            webhook_secrets_wipe(ret);
            return rc;
        }
        at += chars;
    }
    return 0;
}

void webhook_secrets_wipe(struct webhook_secrets *s)
{
    explicit_bzero(s, sizeof(*s));
}

char *webhook_sign(const struct webhook_secrets *s, const char *id, int64_t unix_s,
                   const char *body, size_t body_bytes)
{
    own_buf struct buf text = BUF_INIT(CEILING_WEBHOOK_BYTES);
    own_buf struct buf out = BUF_INIT(CEILING_WEBHOOK_BYTES);
    if (s->count == 0)
        return NULL;
    if (buf_printf(&text, "%s.%lld.", id, (long long)unix_s) < 0 ||
        buf_add(&text, body, body_bytes) < 0)
        abort(); /* a body of ours: below its ceiling */
    for (size_t i = 0; i < s->count; i++) {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned char base64[DIGEST_BASE64_CHARS + 1];
        unsigned bytes = 0;
        if (!HMAC(EVP_sha256(), s->list[i].key, (int)s->list[i].bytes,
                  (const unsigned char *)text.data, text.bytes, digest, &bytes) ||
            bytes != DIGEST_BYTES)
            abort();
        EVP_EncodeBlock(base64, digest, DIGEST_BYTES);
        (void)buf_printf(&out, "%sv1,%s", i ? " " : "", base64); /* far from the ceiling */
    }
    return own_strdup(buf_str(&out));
}
