/* Where our own parts are: the executables, the harness, the Python. Each is
 * named by an option, or found beside this executable. */
#ifndef MANIMD_SETTINGS_H
#define MANIMD_SETTINGS_H

#include <limits.h>

struct config;
struct err;

struct settings {
    char manimd[PATH_MAX]; /* this executable */
    char encoder[PATH_MAX];
    char harness[PATH_MAX];
    char python[PATH_MAX];
};

/* The sentence says what is missing and how to get it. */
int settings_find(const struct config *c, struct settings *ret, struct err *e);
/* Only `manimd`. */
int settings_find_self(struct settings *ret, struct err *e);

#endif
