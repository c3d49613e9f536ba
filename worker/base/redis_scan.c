/* See redis_scan.h. RESP2: a reply is a line of type, text and CRLF; "$n" is
 * followed by n bytes and CRLF, "*n" by n more replies. So whatever the nesting,
 * a flat walk that counts what is still to come knows where a reply ends. */
#include "redis_scan.h"

#include <stdlib.h>
#include <string.h>

#define ELEMENTS_MAX 1000000
#define ARRAYS_MAX 100000
#define LINE_MAX_BYTES (64 * 1024) /* "+…" and "-…": words, never data */

void redis_scan_reset(struct redis_scan *s)
{
    *s = (struct redis_scan){.max_bytes = s->max_bytes};
}

static enum redis_scan_verdict too_large(struct redis_scan *s, int64_t announced)
{
    s->announced = announced;
    return SCAN_TOO_LARGE;
}

static bool line_number(const struct redis_scan *s, int64_t *ret)
{
    char *end;
    if (s->line_bytes >= sizeof(s->line)) /* hiredis would read on where we have cut */
        return false;
    *ret = strtoll(s->line + 1, &end, 10);
    return end > s->line + 1 && *end == 0;
}

static enum redis_scan_verdict bulk(struct redis_scan *s)
{
    int64_t n;
    if (!line_number(s, &n) || n < -1)
        return SCAN_BROKEN;
    if (n > s->max_bytes - s->bytes)
        return too_large(s, n);
    s->skip = n < 0 ? 0 : n + 2;
    return SCAN_FINE;
}

static enum redis_scan_verdict array(struct redis_scan *s)
{
    int64_t n;
    if (!line_number(s, &n) || n < -1)
        return SCAN_BROKEN;
    if (n > ELEMENTS_MAX - s->pending || ++s->arrays > ARRAYS_MAX)
        return too_large(s, n);
    s->pending += n < 0 ? 0 : n;
    return SCAN_FINE;
}

/* Few in what we ask for; a million of the longest would be 64 GB. */
static enum redis_scan_verdict word(struct redis_scan *s)
{
    s->bytes += (int64_t)s->line_bytes - 2; /* its type, its CR */
    return s->bytes > s->max_bytes ? SCAN_BROKEN : SCAN_FINE;
}

static void end_of_reply(struct redis_scan *s)
{
    if (s->pending == 0 && s->skip == 0) {
        s->bytes = 0;
        s->arrays = 0;
    }
}

/* A line is whole: `line` holds its beginning, without CRLF. */
static enum redis_scan_verdict end_line(struct redis_scan *s)
{
    enum redis_scan_verdict v = SCAN_FINE;
    if (s->pending == 0)
        s->pending = 1; /* the first of a new reply */
    s->pending--;
    switch (s->line[0]) {
    case '$':
        v = bulk(s);
        break;
    case '*':
        v = array(s);
        break;
    case '+':
    case '-':
        v = word(s);
        break;
    case ':':
        break;
    default:
        return SCAN_BROKEN;
    }
    if (v == SCAN_FINE)
        end_of_reply(s);
    return v;
}

static size_t skip_bulk(struct redis_scan *s, size_t bytes)
{
    size_t n = (int64_t)bytes < s->skip ? bytes : (size_t)s->skip;
    s->skip -= (int64_t)n;
    s->bytes += (int64_t)n;
    end_of_reply(s);
    return n;
}

/* Adds up to the line's end; the bytes taken. CR and LF stand only there, and
 * together: hiredis goes on looking for both, so a line that ended here with one
 * of them would grow there without bound. */
static size_t take_line(struct redis_scan *s, const char *data, size_t bytes,
                        enum redis_scan_verdict *ret)
{
    for (size_t i = 0; i < bytes; i++, s->line_bytes++) {
        if ((data[i] == '\n') != s->cr || s->line_bytes > LINE_MAX_BYTES) {
            *ret = SCAN_BROKEN;
            return i;
        }
        if (data[i] == '\n') {
            s->in_line = s->cr = false;
            return i + 1;
        }
        s->cr = data[i] == '\r';
        if (s->line_bytes < sizeof(s->line) - 1 && !s->cr)
            s->line[s->line_bytes] = data[i];
    }
    return bytes;
}

static enum redis_scan_verdict walk_line(struct redis_scan *s, const char *data, size_t bytes,
                                         size_t *ret_taken)
{
    enum redis_scan_verdict v = SCAN_FINE;
    if (!s->in_line) {
        memset(s->line, 0, sizeof(s->line));
        s->line_bytes = 0;
        s->in_line = true;
    }
    *ret_taken = take_line(s, data, bytes, &v);
    return v != SCAN_FINE || s->in_line ? v : end_line(s);
}

enum redis_scan_verdict redis_scan(struct redis_scan *s, const char *data, size_t bytes)
{
    while (bytes > 0) {
        size_t n = 0;
        enum redis_scan_verdict v = SCAN_FINE;
        if (s->skip > 0)
            n = skip_bulk(s, bytes);
        else
            v = walk_line(s, data, bytes, &n);
        if (v != SCAN_FINE)
            return v;
        data += n;
        bytes -= n;
    }
    return SCAN_FINE;
}
