/* See sigpipe.h. */
#include "sigpipe.h"

#include <stddef.h>
#include <time.h>

static void only_pipe(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGPIPE);
}

void sigpipe_hold(sigset_t *ret_before)
{
    sigset_t set;
    only_pipe(&set);
    sigprocmask(SIG_BLOCK, &set, ret_before);
}

void sigpipe_release(const sigset_t *before)
{
    const struct timespec now = {0};
    sigset_t set;
    only_pipe(&set);
    while (!sigismember(before, SIGPIPE) && sigtimedwait(&set, NULL, &now) > 0)
        ;
    sigprocmask(SIG_SETMASK, before, NULL);
}
