/* CPU time of processes that nobody waits for. Private to the room.
 *
 * What a child used is added to whoever waits for it, and so comes to its
 * reaper's count in the end. A parent that ignores SIGCHLD has its children
 * reaped unseen: then it is in nobody's count (sandbox.md §4). So each
 * process's own time is also remembered from look to look, and what one had
 * when it was last seen still counts when it is gone. That misses what it used
 * after the last look, and all of one that no look saw: the wall clock bounds
 * those. */
#ifndef MANIMD_BOX_SPENT_H
#define MANIMD_BOX_SPENT_H

#include "sweep.h"

struct spent_process {
    pid_t pid;
    int64_t started, ticks;
};

struct spent {
    struct spent_process *seen; /* at the last look, by pid */
    int count;
    int64_t gone_ticks; /* of those that have ended since */
};

/* Takes a look into account; the ticks of all processes that were ever seen. */
int64_t spent_look(struct spent *s, const struct sweep *sweep);
void spent_done(struct spent *s);

#endif
