/* Lines from a process that is not trusted: bounded, and cleaned before
 * anybody else sees them. */
#ifndef MANIMD_RENDER_LINES_H
#define MANIMD_RENDER_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/limits.h"

/* Splits what a descriptor gives into lines of at most
 * CEILING_REPORT_LINE_BYTES; a longer one is dropped whole. */
struct lines {
    struct buf part; /* of a line whose end has not come yet */
    bool skipping;   /* the rest of a line that was too long */
    int64_t bytes;   /* read so far */
};
#define LINES_INIT                                  \
    {                                               \
        .part = BUF_INIT(CEILING_REPORT_LINE_BYTES) \
    }

/* Reads once from non-blocking `fd` and calls back with each whole line
 * (NUL-terminated, without its end). 1: there may be more; 0: nothing now;
 * -EPIPE: end of file; other negative errno: it failed. */
int lines_read(struct lines *l, int fd, void (*on_line)(void *arg, char *line), void *arg);

/* In place: invalid UTF-8 becomes '?', control characters (but newline and
 * tab) and those that turn the direction of text vanish. Returns the length. */
size_t text_clean(char *text, size_t bytes);

#endif
