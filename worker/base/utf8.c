/* The bounds of the second byte keep out overlong forms, surrogates and what is
 * beyond U+10FFFF. Source: The Unicode Standard, table 3-7. */
#include "utf8.h"

static const struct {
    unsigned char first, last, second_low, second_high, length;
} forms[] = {
    {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t utf8_length(const char *s, size_t left)
{
    const unsigned char *u = (const unsigned char *)s;
    for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
        if (u[0] < forms[f].first || u[0] > forms[f].last)
            continue;
        size_t length = forms[f].length;
        if (length > left)
            return 0;
        if (length > 1 && (u[1] < forms[f].second_low || u[1] > forms[f].second_high))
            return 0;
        for (size_t i = 2; i < length; i++)
            if ((u[i] & 0xc0) != 0x80)
                return 0;
        return length;
    }
    return 0;
}

uint32_t utf8_point(const char *s, size_t length)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (unsigned char)s[0] & lead_bits[length];
    for (size_t i = 1; i < length; i++)
        point = point << 6 | ((unsigned char)s[i] & 0x3f);
    return point;
}
