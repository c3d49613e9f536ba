#include "lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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

/* The length of the UTF-8 sequence at `s` and its code point; 0: not one. */
static size_t utf8_at(const unsigned char *s, size_t left, uint32_t *ret_point)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } kinds[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t n = 1; n <= 4 && n <= left; n++) {
        if ((s[0] & kinds[n - 1].mask) != kinds[n - 1].lead)
            continue;
        uint32_t point = s[0] & (unsigned char)~kinds[n - 1].mask;
        for (size_t i = 1; i < n; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (s[i] & 0x3f);
        }
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        if (point < kinds[n - 1].least || point > 0x10ffff || surrogate)
            return 0;
        *ret_point = point;
        return n;
    }
    return 0;
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
        uint32_t point = 0;
        size_t n = utf8_at((unsigned char *)text + at, bytes - at, &point);
        if (n == 0) {
            text[out++] = '?';
            at++;
            continue;
        }
        if (!unwelcome(point)) {
            memmove(text + out, text + at, n);
            out += n;
        }
        at += n;
    }
    return out;
}
