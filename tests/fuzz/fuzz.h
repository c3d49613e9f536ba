/* What every fuzz target shares. A target is one C file with
 * LLVMFuzzerTestOneInput(): it hands the bytes to the code as a hostile other
 * side would, and must() states what holds whatever came. Sanitizers find the
 * rest. A target runs in a temporary directory of its own (run.py), keeps no
 * state from one input to the next, and asks neither clock nor chance for
 * anything that decides: the same input takes the same way. */
#ifndef MANIMD_TESTS_FUZZ_H
#define MANIMD_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../worker/base/config.h"
#include "../../worker/base/json.h"
#include "../../worker/base/option.h"
#include "../../worker/base/own.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t most);

/* As assert(), with or without NDEBUG. */
#define must(what)                                                                \
    do {                                                                          \
        if (!(what)) {                                                            \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                              \
        }                                                                         \
    } while (0)

/* U+0080 to U+009F: a terminal may obey them as it does ESC. */
static inline bool is_c1(const unsigned char *c)
{
    return c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;
}

/* Words that people or a terminal are shown. */
static inline bool fuzz_is_clean(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if ((*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7f || is_c1(c))
            return false;
    return json_valid_utf8(text, strlen(text));
}

/* A sentence of struct err: there, in one line, fit for a terminal. */
static inline void fuzz_check_sentence(const char *text)
{
    must(*text);
    must(!strchr(text, '\n'));
    must(fuzz_is_clean(text));
}

/* The input, taken apart from its front. */
struct feed {
    const uint8_t *at;
    size_t left;
};

static inline unsigned feed_byte(struct feed *f)
{
    if (f->left == 0)
        return 0;
    f->left--;
    return *f->at++;
}

/* Little-endian, missing bytes as 0. */
static inline uint64_t feed_number(struct feed *f, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)feed_byte(f) << (8 * i);
    return value;
}

/* Up to the byte `stop`, which is swallowed, or to the end. The caller frees;
 * ended by NUL, which `ret_bytes` (may be NULL) does not count. */
static inline char *feed_text(struct feed *f, uint8_t stop, size_t *ret_bytes)
{
    const uint8_t *end = f->left ? memchr(f->at, stop, f->left) : NULL;
    size_t bytes = end ? (size_t)(end - f->at) : f->left;
    char *text = own_calloc(1, bytes + 1);
    if (bytes)
        memcpy(text, f->at, bytes);
    f->at += bytes;
    f->left -= bytes;
    (void)feed_byte(f);
    if (ret_bytes)
        *ret_bytes = bytes;
    return text;
}

/* Every option at its default: nothing of this machine's. */
static inline void fuzz_default_config(struct config *c)
{
    FOR_EACH_OPTION(o)
    option_put_default(c, o);
}

#endif
