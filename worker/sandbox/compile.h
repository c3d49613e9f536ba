/* From filter.c's tables to a program for the kernel, by libseccomp. Private to
 * the room.
 *
 * It takes 2 ms, most of a cold start, and the result is the same wherever the
 * same build runs. So filters/main.c does it while we are built, for every profile
 * and both kinds of uid, and writes $(BUILD)/gen/box_filters.h; tests compare. */
#ifndef MANIMD_BOX_COMPILE_H
#define MANIMD_BOX_COMPILE_H

#include "box.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

struct compiled {
    uint64_t program[BOX_FILTER_MAX];
    unsigned length;
};

/* `shared_uid`: for level basic, whose box has the worker's own uid. */
int filter_compile(enum box_profile profile, bool shared_uid, struct compiled *ret, struct err *e);

#endif
