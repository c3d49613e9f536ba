/* Inside base/: looks at RESP bytes before hiredis does, and stops a reply that
 * is larger than it may be by what its header announces: a value of 512 MB is
 * refused at its "$536870912", not after it has been received.
 *
 * It also bounds what hiredis does not in every version: elements, nesting. */
#ifndef MANIMD_REDIS_SCAN_H
#define MANIMD_REDIS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_scan {
    int64_t max_bytes; /* of one whole reply */
    /* The rest is its own. */
    int64_t skip;     /* bytes of a bulk string still to come, CRLF included */
    int64_t bytes;    /* of this reply so far */
    int64_t pending;  /* elements of this reply still to come; 0: between replies */
    int arrays;       /* of this reply */
    bool in_line, cr; /* within a line; its last byte was CR */
    char line[64];
    size_t line_bytes;
    int64_t announced; /* when too large: the length that was announced */
};

enum redis_scan_verdict { SCAN_FINE, SCAN_TOO_LARGE, SCAN_BROKEN };

void redis_scan_reset(struct redis_scan *s);
enum redis_scan_verdict redis_scan(struct redis_scan *s, const char *data, size_t bytes);

#endif
