/* One look through /proc for the processes of a box. Private to the room.
 *
 * A box with a uid of its own is all that runs under that uid: the owner of
 * /proc/PID is always the process's effective uid. A box without one is the
 * descendants of its reaper. */
#ifndef MANIMD_BOX_SWEEP_H
#define MANIMD_BOX_SWEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sweep_process {
    pid_t pid, ppid, group;
    bool zombie, running;
    int tasks;
    int64_t cpu_ticks; /* its own and of the children that it reaped */
    int64_t own_ticks; /* its own */
    int64_t started;   /* in ticks since boot: tells two of one pid apart */
    bool inside;
};

struct sweep {
    struct sweep_process *all;
    int count, capacity;
    int ghosts; /* of the box's uid, that ended between being listed and looked at */
};
#define SWEEP_INIT \
    {              \
        0          \
    }
#define own_sweep __attribute__((cleanup(sweep_done)))

/* What earlier looks found, for the next to be cheap.
 *
 * The kernel tells the number that the last process or thread here was born with
 * (the last field of /proc/loadavg). When it is still the same, nobody was born: the
 * box's processes are those of the look before, or fewer, and /proc is not listed
 * at all. (One gets its number a moment before it is to be seen in /proc: so it must
 * have been the same for the look before already.) It is believed where a child of ours, born to
 * find out, moves it (not in gVisor, nor behind a file system of somebody's in the place of that
 * file).
 *
 * Else it may pass over processes that a look just before found to be others'. Nobody
 * but us gives a process a box's uid; so what is missed is one of the box with the
 * number of another that has just ended, until the next look that asks of all,
 * every fifth: numbers go round in thousands. */
struct sweep_pids {
    pid_t *pids; /* in the order of /proc */
    int count, capacity;
};
struct sweep_past {
    struct sweep_pids others, ours;
    int looks;
    bool tried;        /* whether births are told; if so by births_fd */
    int births_fd;     /* undefined until then; -1: they are not told */
    int64_t last_born; /* before `ours` were listed; 0: not known */
    bool settled;      /* as it was at the look before that */
};

/* Fills `s` (again) with the box's processes; 0 or a negative errno. */
int sweep_look(struct sweep *s, uid_t uid, pid_t reaper_pid);
/* The same, many times. */
int sweep_look_again(struct sweep *s, uid_t uid, pid_t reaper_pid, struct sweep_past *past);
/* The last birth; and, afterwards, that one process of ours and nobody else was born
 * since (a helper), if that is so. */
int64_t sweep_last_born(struct sweep_past *past);
void sweep_one_was_ours(struct sweep_past *past, int64_t born);
void sweep_past_done(struct sweep_past *past);
void sweep_done(struct sweep *s);

/* Living processes among them. */
int sweep_living(const struct sweep *s);
/* CPU time of a process and of what it has reaped, in clock ticks; 0 for pid 0. */
int64_t sweep_cpu_ticks(pid_t pid);
/* Tasks that a uid has on this machine, as far as /proc shows. */
int64_t sweep_count_tasks(uid_t uid);
bool sweep_is_owned(pid_t pid, uid_t uid);
/* Whether a process runs under a uid from `low` to below `high`. */
bool sweep_any_between(uid_t low, uid_t high);
/* A file beneath /proc/PID, NUL-terminated; bytes read or a negative errno. */
ssize_t sweep_read(pid_t pid, const char *name, char *ret, size_t size);
/* The value in kB behind `key` (which ends with ':') in such a file, as bytes. */
int64_t sweep_field_bytes(const char *text, const char *key);

#endif
