/* Signatures of Standard Webhooks 1.0 (standardwebhooks.com): HMAC-SHA256 over
 * ID.TIMESTAMP.BODY, base64, named v1. With several secrets all sign, so that a
 * receiver who knows any of them is content while they are being changed. */
#ifndef MANIMD_WEBHOOK_SIGN_H
#define MANIMD_WEBHOOK_SIGN_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define WEBHOOK_SECRETS_MAX 8
#define WEBHOOK_SECRET_BYTES_LEAST 24
#define WEBHOOK_SECRET_BYTES_MAX 64

struct webhook_secrets {
    size_t count;
    struct {
        size_t bytes;
        unsigned char key[WEBHOOK_SECRET_BYTES_MAX];
    } list[WEBHOOK_SECRETS_MAX];
};

/* `text`: "whsec_…", several by comma or blank; NULL or "": none. The sentence
 * counts (the second secret …), it never quotes. */
int webhook_secrets_parse(const char *text, struct webhook_secrets *ret, struct err *e);
void webhook_secrets_wipe(struct webhook_secrets *s);

/* "v1,… v1,…": the value of the header webhook-signature. NULL without secrets;
 * the caller frees. `id` holds no dot. */
char *webhook_sign(const struct webhook_secrets *s, const char *id, int64_t unix_s,
                   const char *body, size_t body_bytes);

#endif
