/* See webhook.h. */
#include "webhook.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/http.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"

#define DAY_MS (24 * 3600 * 1000LL)
#define ENVELOPE_BYTES 100

/* ---- what it says ---- */

/* Cuts the log's beginning off until the rest fits. A character may be written
 * with up to six bytes (\u0001), so it takes several steps. */
static char *shorten(cJSON *result, size_t most)
{
    cJSON *tail = cJSON_GetObjectItemCaseSensitive(result, "log_tail");
    for (;;) {
        own_free char *text = json_print(result);
        size_t bytes = strlen(text);
        if (bytes <= most || !cJSON_IsString(tail) || !tail->valuestring[0])
            return steal_ptr(&text);
        const char *log = tail->valuestring;
        size_t skip = (bytes - most) / 6 + 1, length = strlen(log);
        skip = skip < length ? skip : length;
        while ((log[skip] & 0xc0) == 0x80) /* not into a character */
            skip++;
        own_free char *rest = own_strdup(log + skip);
        cJSON_SetValuestring(tail, rest);
    }
}

static char *data_of(const struct hook *h)
{
    own_json cJSON *result = NULL;
    size_t bytes = strlen(h->result);
    if (json_parse(h->result, bytes, FAULT_PEER, &result, NULL) < 0)
        return own_printf("{\"id\":\"%s\",\"state\":\"%s\"}", h->id, h->state); /* damaged */
    if (bytes + ENVELOPE_BYTES <= WEBHOOK_BODY_BYTES)
        return own_strdup(h->result);
    return shorten(result, WEBHOOK_BODY_BYTES - ENVELOPE_BYTES);
}

char *webhook_body(const struct hook *h)
{
    char when[25];
    own_free char *data = data_of(h);
    clock_format_iso(h->finished_unix_ms, when);
    return own_printf("{\"type\":\"job.%s\",\"timestamp\":\"%s\",\"data\":%s}", h->state, when,
                      data);
}

/* ---- what the answer means ---- */

/* Standard Webhooks' example schedule, in units of its first step of 5 s: 5 s,
 * 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. */
int64_t webhook_pause_ms(int64_t base_ms, int tries)
{
    static const int steps[WEBHOOK_TRIES_MAX - 1] = {1,    60,    360,   1440, 3600,
                                                     7200, 10080, 14400, 17280};
    int i = tries < 1 ? 0 : tries > WEBHOOK_TRIES_MAX - 1 ? WEBHOOK_TRIES_MAX - 2 : tries - 1;
    return base_ms * steps[i];
}

int64_t webhook_retry_after_ms(const char *value, int64_t unix_ms)
{
    int64_t ms;
    if (strspn(value, "0123456789") == strlen(value) && *value)
        ms = strlen(value) > 6 ? DAY_MS : strtoll(value, NULL, 10) * 1000;
    else if ((ms = http_parse_date(value)) >= unix_ms / 1000 + DAY_MS / 1000)
        ms = DAY_MS; /* also for what is no time in milliseconds */
    else if (ms >= 0)
        ms = ms * 1000 - unix_ms;
    return ms < 0 ? 0 : ms > DAY_MS ? DAY_MS : ms;
}

static void explain(const struct webhook_answer *a, struct hook_verdict *ret)
{
    if (a->rc != 0)
        snprintf(ret->why, sizeof(ret->why), "%.280s", a->why);
    else if (a->status >= 300 && a->status < 400)
        snprintf(ret->why, sizeof(ret->why), "answered %ld, redirects are not followed", a->status);
    else if (a->status == 410)
        snprintf(ret->why, sizeof(ret->why), "answered 410: it wants no more of them");
    else
        snprintf(ret->why, sizeof(ret->why), "answered %ld, 2xx is wanted", a->status);
}

void webhook_judge(const struct webhook_terms *terms, const struct hook *h,
                   const struct webhook_answer *a, struct hook_verdict *ret)
{
    *ret = (struct hook_verdict){.status = a->rc == 0 ? a->status : 0};
    if (a->rc == 0 && a->status >= 200 && a->status < 300) {
        ret->end = HOOK_DELIVERED;
        return;
    }
    explain(a, ret);
    bool hopeless = a->rc == -EPERM || a->rc == -EINVAL || (a->rc == 0 && a->status == 410);
    if (hopeless || h->tries >= terms->tries) {
        ret->end = HOOK_GIVEN_UP;
        return;
    }
    ret->end = HOOK_RETRYING;
    ret->delay_ms = webhook_pause_ms(terms->retry_base_ms, h->tries);
    ret->delay_ms += clock_backoff_ms(ret->delay_ms / 10, ret->delay_ms / 10, 0);
    if (ret->delay_ms < a->retry_after_ms)
        ret->delay_ms = a->retry_after_ms;
}
