/* Lines to the keeper on descriptor 6: see spec.h for what they hold. */
#ifndef MANIMD_ENCODE_REPORT_H
#define MANIMD_ENCODE_REPORT_H

#include <stdint.h>

struct err;
struct session;
struct settings;

struct report {
    int fd;
    int64_t next_ms; /* no progress line before then */
};

/* At most ten a second, and none while the keeper is not reading; -EPIPE when
 * it is gone. */
int report_progress(struct report *r, const struct session *s);
int report_done(struct report *r, const struct session *s, int64_t encode_ms);
/* `rc` as of fault.h. */
int report_error(struct report *r, int rc, const struct err *e);

#endif
