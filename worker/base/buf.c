/* The growing buffer. Invariant: data is NULL, or data[bytes] is NUL and
 * bytes < capacity; bytes never exceeds the ceiling. */
#include "buf.h"

#include "own.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define SMALLEST_CAPACITY 256

char *buf_room(struct buf *b, size_t bytes)
{
    if (bytes > b->ceiling - b->bytes)
        return NULL;
    size_t needed = b->bytes + bytes + 1;
    if (needed > b->capacity) {
        size_t capacity = b->capacity ? b->capacity : SMALLEST_CAPACITY;
        while (capacity < needed)
            capacity *= 2;
        if (capacity - 1 > b->ceiling)
            capacity = b->ceiling + 1;
        b->data = own_realloc(b->data, capacity);
        b->capacity = capacity;
        b->data[b->bytes] = '\0';
    }
    return b->data + b->bytes;
}

void buf_wrote(struct buf *b, size_t bytes)
{
    b->bytes += bytes;
    b->data[b->bytes] = '\0';
}

int buf_add(struct buf *b, const void *data, size_t bytes)
{
    char *room = buf_room(b, bytes);
    if (!room)
        return -EMSGSIZE;
    if (bytes)
        memcpy(room, data, bytes);
    buf_wrote(b, bytes);
    return 0;
}

int buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    own_free char *text = NULL;
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        text = NULL; /* undefined after a failure */
        return -ENOMEM;
    }
    return buf_add(b, text, (size_t)length);
}

void buf_consume(struct buf *b, size_t bytes)
{
    if (bytes == 0)
        return;
    b->bytes -= bytes;
    memmove(b->data, b->data + bytes, b->bytes + 1);
}

void buf_clear(struct buf *b)
{
    b->bytes = 0;
    if (b->data)
        b->data[0] = '\0';
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

void buf_done(struct buf *b)
{
    free(b->data);
    b->data = NULL;
    b->bytes = b->capacity = 0;
}
