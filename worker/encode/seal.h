/* The encoder's box (sandbox/box.h): its own uid, no exec, no socket, one
 * directory in which it may write. */
#ifndef MANIMD_ENCODE_SEAL_H
#define MANIMD_ENCODE_SEAL_H

struct err;
struct settings;

/* Seals this process, which has one thread and has opened what it needs; only
 * descriptors 0 to 2 and those of spec.h stay open. 0, a negative errno, or
 * OUTCOME_sandbox_setup: the caller must end then. */
int encode_seal(const struct settings *s, struct err *e);

#endif
