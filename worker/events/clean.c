#include "clean.h"

#include <string.h>

#include "../base/own.h"
#include "../base/utf8.h"

static bool is_control(const unsigned char *s)
{
    return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

static size_t clean_one(const unsigned char *s, bool one_line, char *ret, size_t *ret_used)
{
    size_t bytes = utf8_length((const char *)s, 4);
    *ret_used = bytes ? bytes : 1;
    if (*s == '\n' || *s == '\t') {
        *ret = one_line ? ' ' : (char)*s;
        return 1;
    }
    if (!bytes || is_control(s)) {
        *ret = '?';
        return 1;
    }
    memcpy(ret, s, bytes);
    return bytes;
}

char *clean_text(const char *text, size_t most, bool one_line, bool tail)
{
    size_t length = strlen(text);
    const unsigned char *s = (const unsigned char *)text;
    if (tail && length > most) {
        s += length - most;
        while ((*s & 0xc0) == 0x80)
            s++;
    }
    char *ret = own_calloc(1, (length < most ? length : most) + 5);
    size_t at = 0;
    while (*s) {
        size_t used;
        char one[4];
        size_t bytes = clean_one(s, one_line, one, &used);
        if (at + bytes > most)
            break;
        memcpy(ret + at, one, bytes);
        at += bytes;
        s += used;
    }
    return ret;
}
