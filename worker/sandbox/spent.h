/* CPU time of processes that nobody waits for. Private to the room.
 *
 * What a child used is added to whoever waits for it, and so comes to its
 * reaper's count in the end. A parent that ignores SIGCHLD has its children
 * reaped unseen: then it is in nobody's count (sandbox.md §4). So each process's
 * own time is remembered from look to look, and what one had when it was last
 * seen still counts when it is gone.
 *
 * One that a single look saw lived for less than the time between two: others
 * like it, that no look saw, ran beside it. It is a sample, as a profiler takes
 * them: had one such process been running all the time, each look would find
 * one. So it stands for the whole time since the look before, times the part of
 * its life that it was on a CPU (/proc/PID/schedstat). Of such a sum only what is
 * there surely is told: half, since one that waits for a CPU looks like one that
 * has it, and three standard deviations less, of events that come by chance. That
 * is nothing for a few TeX runs, and nearly half of it for a chain that goes on,
 * which so gets some times its limit, and not all of its time. */
#ifndef MANIMD_BOX_SPENT_H
#define MANIMD_BOX_SPENT_H

#include "sweep.h"

struct spent_process {
    pid_t pid;
    int64_t started, ticks;
    double sample_ms; /* what it stands for, should it be gone at the next look */
};

struct spent {
    struct spent_process *seen; /* at the last look, by pid */
    int count;
    int64_t gone_ticks; /* of those that have ended since, but for samples */
    double sampled_ms, squares_ms2;
    int64_t looked_ms;
    struct sweep_past past; /* of the watch's sweeps, which keeps it here */
};

/* Takes a look at `now_ms` into account; the milliseconds of all processes that
 * ever were, as far as that can be said. */
int64_t spent_look(struct spent *s, const struct sweep *sweep, int64_t now_ms);
void spent_done(struct spent *s);

#endif
