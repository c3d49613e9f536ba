/* What a webhook says, and what its receiver's answer means. No network here:
 * see courier.h.
 *
 * The body is {"type": "job.completed", "timestamp": "…Z", "data": RESULT}: the
 * type is the state that the job has reached, the time is that of its end, so
 * that every try sends the same bytes. */
#ifndef MANIMD_WEBHOOK_H
#define MANIMD_WEBHOOK_H

#include <stdint.h>

#include "../manimd.h"

/* Standard Webhooks: payloads are below 20 kB. A longer result loses the
 * beginning of its log_tail. */
#define WEBHOOK_BODY_BYTES 20000
#define WEBHOOK_TRIES_MAX 10

/* The caller frees. */
char *webhook_body(const struct hook *h);

struct webhook_terms {
    int tries; /* 1 to WEBHOOK_TRIES_MAX */
    int64_t retry_base_ms;
};
struct webhook_answer {
    int rc;                 /* as http_do()'s */
    const char *why;        /* its sentence when rc is not 0 */
    long status;            /* when rc is 0 */
    int64_t retry_after_ms; /* 0: it did not say */
};
void webhook_judge(const struct webhook_terms *terms, const struct hook *h,
                   const struct webhook_answer *a, struct hook_verdict *ret);

/* The pause after `tries` tries, without its jitter. */
int64_t webhook_pause_ms(int64_t base_ms, int tries);
/* A Retry-After header's value (seconds, or a date); at most a day; 0: nonsense. */
int64_t webhook_retry_after_ms(const char *value, int64_t unix_ms);

#endif
