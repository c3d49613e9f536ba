/* `manimd doctor --queue`: the consistency check of intake/fsck.h, told. */
#ifndef MANIMD_DOCTOR_QUEUE_H
#define MANIMD_DOCTOR_QUEUE_H

#include <stdbool.h>

struct client;

/* Connects; returns the exit: EXIT_HOST when something disagrees and was not
 * mended. The caller says c->err. */
int doctor_queue(struct client *c, bool repair, bool json);

#endif
