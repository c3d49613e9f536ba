/* What a box holds that neither its directory nor its resident sets show, found
 * by looking at its processes' descriptors and mappings. Private to the room.
 *
 * Disk: files that have no name any more but are still open or mapped.
 * Memory: the kernel's own for them. A process may have 65530 mappings and 512
 * descriptors at no cost to itself; sixty of them hold a gigabyte that is in no
 * resident set, nor need be what is in a memfd (a box with a GPU). Prices are per piece and rounded
 * up, since what is really there cannot be asked for: see held.c. */
#ifndef MANIMD_BOX_HELD_H
#define MANIMD_BOX_HELD_H

#include <limits.h>
#include <stdint.h>

#include "helper.h"
#include "sweep.h"

struct held_question {
    const struct sweep *sweep;
    uint64_t shared_inode; /* of the memfd that is not its own: the ring; 0: none */
    char prefix[PATH_MAX]; /* where the box's files are: its directory's path */
};

enum { HELD_DISK, HELD_KERNEL };

/* 0, or a negative errno when the directory's path is not to be had. */
int held_ask(struct held_question *q, const struct sweep *sweep, int dir_fd);
/* For helper_ask_all(): bytes, of every process that lets itself be looked at. */
void held_measure(const void *question, int64_t ret[HELPER_ANSWERS]);

#endif
