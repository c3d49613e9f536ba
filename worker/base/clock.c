/* Clocks and the randomness of waiting. */
#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t clock_now_ms(void)
{
    return read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_unix_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

void clock_format_iso(int64_t unix_ms, char *ret)
{
    /* Years outside 0000…9999 would not fit in 25 bytes. */
    const int64_t first_ms = -62167219200000, last_ms = 253402300799999;
    unix_ms = unix_ms < first_ms ? first_ms : unix_ms > last_ms ? last_ms : unix_ms;
    int ms = (int)(((unix_ms % 1000) + 1000) % 1000);
    time_t seconds = (unix_ms - ms) / 1000;
    struct tm t;
    gmtime_r(&seconds, &t);
    char text[96]; /* roomier than a year of four digits needs: for -Wformat-truncation */
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900,
             t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, ms);
    memcpy(ret, text, 24);
    ret[24] = '\0';
}

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014), from a seed by the kernel: workers that start in the same moment must
 * not draw the same waits. */
static uint64_t bits(void)
{
    static uint64_t state;
    if (!state && getrandom(&state, sizeof(state), GRND_NONBLOCK) != sizeof(state))
        state = (uint64_t)clock_now_us(); /* before the pool is ready, at boot */
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* Uniform in [0, bound]. */
static int64_t draw(int64_t bound)
{
    return bound <= 0 ? 0 : (int64_t)(bits() % ((uint64_t)bound + 1));
}

int64_t clock_jitter_ms(int64_t base_ms, int percent)
{
    int64_t span = base_ms * percent / 100;
    return base_ms - span + draw(2 * span);
}

int64_t clock_backoff_ms(int64_t base_ms, int64_t cap_ms, int attempt)
{
    int64_t bound = base_ms;
    for (int i = 0; i < attempt && bound < cap_ms; i++)
        bound *= 2;
    return draw(bound < cap_ms ? bound : cap_ms);
}
