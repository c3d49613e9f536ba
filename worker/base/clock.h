/* Time. Durations and deadlines are int64 milliseconds of CLOCK_BOOTTIME,
 * which goes on while the machine sleeps; Unix times are named unix_. */
#ifndef MANIMD_CLOCK_H
#define MANIMD_CLOCK_H

#include <stdint.h>

int64_t clock_now_ms(void);  /* CLOCK_BOOTTIME */
int64_t clock_now_us(void);  /* CLOCK_BOOTTIME */
int64_t clock_unix_ms(void); /* CLOCK_REALTIME */
/* "2026-11-27T02:41:33.123Z" of a Unix time; `ret` holds 25 bytes. */
void clock_format_iso(int64_t unix_ms, char *ret);
/* `base_ms` ± up to `percent` of it, at random. */
int64_t clock_jitter_ms(int64_t base_ms, int percent);
/* Full jitter: uniform in [0, min(cap_ms, base_ms * 2^attempt)].
 * Source: AWS Architecture Blog, "Exponential Backoff And Jitter". */
int64_t clock_backoff_ms(int64_t base_ms, int64_t cap_ms, int attempt);

#endif
