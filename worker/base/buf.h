/* A growing byte buffer with a ceiling. Always NUL-terminated behind its
 * bytes, so that buf->data can be printed when it holds text.
 *
 * Life: BUF_INIT(ceiling) or buf_init(), buf_add…, buf_done(). Going past the
 * ceiling fails with -EMSGSIZE and leaves the buffer as it was; memory that
 * cannot be had aborts (own.h). Ceilings are named in limits.h, all of them. */
#ifndef MANIMD_BUF_H
#define MANIMD_BUF_H

#include <stddef.h>

struct buf {
    char *data; /* NULL while empty and never used */
    size_t bytes;
    size_t capacity;
    size_t ceiling;
};
#define BUF_INIT(max)    \
    {                    \
        .ceiling = (max) \
    }
#define own_buf __attribute__((cleanup(buf_done)))

int buf_add(struct buf *b, const void *data, size_t bytes);
int buf_add_str(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for `bytes` more; returns where to write them, NULL past the ceiling.
 * Follow with buf_wrote(). */
char *buf_room(struct buf *b, size_t bytes);
void buf_wrote(struct buf *b, size_t bytes);
/* Drops the first `bytes`. */
void buf_consume(struct buf *b, size_t bytes);
void buf_clear(struct buf *b);
/* "" when empty; valid until the next change. */
const char *buf_str(const struct buf *b);
void buf_done(struct buf *b);

#endif
