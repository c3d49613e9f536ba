/* Webhooks: the operator's secrets, a receiver's Retry-After, and a result that
 * is too long for a webhook's body. */
#include "../../worker/base/err.h"
#include "../../worker/events/webhook.h"
#include "../../worker/events/webhook_sign.h"
#include "fuzz.h"

static void as_secrets(const char *text)
{
    struct webhook_secrets s;
    struct err e = ERR_INIT;
    if (webhook_secrets_parse(text, &s, &e) < 0) {
        must(s.count == 0);
        fuzz_check_sentence(e.text);
        return;
    }
    must(s.count <= WEBHOOK_SECRETS_MAX);
    for (size_t i = 0; i < s.count; i++)
        must(s.list[i].bytes >= WEBHOOK_SECRET_BYTES_LEAST &&
             s.list[i].bytes <= WEBHOOK_SECRET_BYTES_MAX);
    own_free char *header = webhook_sign(&s, "msg_1", 1000000000, text, strlen(text));
    must(!header == (s.count == 0));
    webhook_secrets_wipe(&s);
}

static void as_retry_after(const char *text)
{
    int64_t ms = webhook_retry_after_ms(text, 1000000000000);
    must(ms >= 0 && ms <= 24 * 3600 * 1000LL);
}

static void as_result(const char *text)
{
    struct hook h = {.id = "a", .url = "https://example.org/", .state = "completed"};
    h.result = text;
    h.finished_unix_ms = 1000000000000;
    own_free char *body = webhook_body(&h);
    own_json cJSON *tree = NULL;
    must(json_parse(body, strlen(body), FAULT_HOST, &tree, NULL) == 0 ||
         strlen(text) > WEBHOOK_BODY_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    own_free char *text = feed_text(&f, 0, NULL);
    as_secrets(text);
    as_retry_after(text);
    as_result(text);
    return 0;
}
