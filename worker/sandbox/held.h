/* Files of a box that have no name any more but are still held open or mapped:
 * no walk through its directory finds them, and they fill the disk all the
 * same. Private to the room. */
#ifndef MANIMD_BOX_HELD_H
#define MANIMD_BOX_HELD_H

#include <limits.h>
#include <stdint.h>

#include "sweep.h"

struct held_question {
    const struct sweep *sweep;
    char prefix[PATH_MAX]; /* where the box's files are: its directory's path */
};

/* 0, or a negative errno when the directory's path is not to be had. */
int held_ask(struct held_question *q, const struct sweep *sweep, int dir_fd);
/* For helper_ask(): bytes held, of every process that lets itself be looked at. */
int64_t held_measure(const void *question);

#endif
