/* How the encoder's functions fail: 0 is good, a negative errno is the host's
 * fault (host_error), and a positive value is the `enum outcome` that the job
 * ends with. Everything of libav's and the kernel's passes through here. */
#ifndef MANIMD_ENCODE_FAULT_H
#define MANIMD_ENCODE_FAULT_H

#include "../manimd.h"

struct err;

_Static_assert(OUTCOME_completed == 0, "a positive code is always a failure");

/* What libav answered (AVERROR…), as words: "what: why". A file over the size
 * that the box allows (EFBIG) is the job's disk_limit, all else the host's. */
int fault_av(struct err *e, int averror, const char *what);
/* The same for errno as a system call left it. */
int fault_errno(struct err *e, const char *what, const char *subject);
/* "not what was asked for": the scene's fault. */
int fault_invalid(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum outcome fault_outcome(int rc);
/* enum stage_exit for it. */
int fault_exit(int rc);

#endif
