/* What `manimd work` is configured with, checked as a whole, and read again
 * while it runs (SIGHUP): from the same file, environment and command line. */
#ifndef MANIMD_WORK_CONFIG_H
#define MANIMD_WORK_CONFIG_H

#include <stdbool.h>

#include "../base/config.h"
#include "args.h"

struct err;

struct work_config {
    struct config config;
    int argc; /* as they came: reading takes our options out */
    char **argv;
};

/* cmd_begin(), and keeps the command line. */
bool work_config_begin(struct work_config *w, const struct args *args, int argc, char **argv,
                       int *ret_exit);
void work_config_done(struct work_config *w);
/* What no single option can say: the URL, one store, good secrets. */
int work_config_check(const struct config *c, struct err *e);
/* Takes what is LIVE of the configuration as it is now, and logs what changed
 * and what needs a restart. False: nothing was taken; when it is wrong, the log
 * has the sentence, and all stays as it was. */
bool work_config_reload(struct work_config *w);

#endif
