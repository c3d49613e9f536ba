/* UTF-8, by the characters: whoever cuts, cleans or checks a text asks here. */
#ifndef MANIMD_UTF8_H
#define MANIMD_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the well-formed sequence at `s`, of which `left` (not 0) bytes are
 * there; 0 when there is none: no overlong forms, no surrogates, nothing beyond
 * U+10FFFF. A text that ends with a NUL is never read past it, whatever `left`. */
size_t utf8_length(const char *s, size_t left);
/* The character of a sequence of that length. */
uint32_t utf8_point(const char *s, size_t length);

#endif
