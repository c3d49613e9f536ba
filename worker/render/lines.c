#include "lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../base/utf8.h"

#define READ_BYTES (16 * 1024)

static void add_part(struct lines *l, const char *data, size_t bytes)
{
    if (!l->skipping && buf_add(&l->part, data, bytes) < 0)
        l->skipping = true;
}

static void end_line(struct lines *l, void (*on_line)(void *, char *), void *arg)
{
    if (!l->skipping && l->part.bytes > 0)
        on_line(arg, l->part.data);
    l->skipping = false;
    buf_clear(&l->part);
}

int lines_read(struct lines *l, int fd, void (*on_line)(void *arg, char *line), void *arg)
{
    char data[READ_BYTES];
    ssize_t n = read(fd, data, sizeof data);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (n == 0)
        return -EPIPE;
    l->bytes += n;
    const char *at = data, *end = data + n;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        add_part(l, at, (size_t)((newline ? newline : end) - at));
        if (!newline)
            break;
        end_line(l, on_line, arg);
        at = newline + 1;
    }
    return 1;
}

/* Controls of C0 and C1, and the marks that turn text around. */
static bool unwelcome(uint32_t point)
{
    if (point == '\n' || point == '\t')
        return false;
    return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

size_t text_clean(char *text, size_t bytes)
{
    size_t out = 0;
    for (size_t at = 0; at < bytes;) {
        size_t n = utf8_length(text + at, bytes - at);
        if (n == 0) {
            text[out++] = '?';
            at++;
            continue;
        }
        if (!unwelcome(utf8_point(text + at, n))) {
            memmove(text + out, text + at, n);
            out += n;
        }
        at += n;
    }
    return out;
}
