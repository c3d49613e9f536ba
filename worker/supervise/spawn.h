/* Starting a stage: fork, a clean slate, exec. Nothing of the supervisor goes
 * with it but what is named here.
 *
 *   0 /dev/null   1, 2 our stderr   3 report pipe   4 zygote's socket
 *
 * The child leads a session of its own (so that one kill reaches its process
 * group), dies with the supervisor, has default signal handlers and an empty
 * mask, and no descriptor above 4. */
#ifndef MANIMD_SPAWN_H
#define MANIMD_SPAWN_H

#include <sys/types.h>

#include "supervisor.h"

enum spawn_fd { SPAWN_FD_REPORT = 3, SPAWN_FD_ZYGOTE = 4 };

struct spawn_spec {
    const char *manimd; /* executable */
    enum stage stage;
    const char *dir;
    char *const *env; /* NULL-terminated; what follows is added */
    struct slot_uids uids;
    const char *nonce;
    int zygote_fd; /* -1: none; stays the caller's */
};

/* Returns at once; an executable that is not there shows as exit status 127.
 * `ret_report_fd` is the reading end of its report pipe, non-blocking. */
int spawn_stage(const struct spawn_spec *spec, pid_t *ret_pid, int *ret_report_fd, struct err *e);

#endif
