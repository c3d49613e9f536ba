/* One thread's event loop: descriptors, timers, child processes, signals.
 *
 * Life: loop_new(), any number of watch/timer/child, loop_run() until
 * loop_stop(), loop_free(). Callbacks may add and remove anything, themselves
 * included. Structs are embedded by their users and must outlive their
 * registration; loop_unwatch() before close(fd), always (a child that still
 * holds the descriptor would let stale events in: dbus-broker's lesson). */
#ifndef MANIMD_LOOP_H
#define MANIMD_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct err;

struct watch {
    int fd; /* -1 while not watched */
    uint32_t events;
    void (*on_ready)(void *arg, uint32_t events); /* EPOLL… bits */
    void *arg;
};
#define WATCH_INIT \
    {              \
        .fd = -1   \
    }

struct timer {
    int64_t at_ms; /* clock_now_ms() time; undefined while not set */
    void (*on_time)(void *arg);
    void *arg;
    struct timer *next; /* the loop's own */
    bool set;
};
#define TIMER_INIT \
    {              \
        0          \
    }

/* A child process, by pidfd. on_exit gets the wait status (as waitpid's). */
struct child {
    pid_t pid; /* 0 while none */
    struct watch watch;
    void (*on_exit)(void *arg, int status);
    void *arg;
    struct loop *loop;
};
#define CHILD_INIT          \
    {                       \
        .watch = WATCH_INIT \
    }

struct loop *loop_new(void);
void *loop_free(struct loop *loop);
/* Until loop_stop(). */
void loop_run(struct loop *loop);
/* One wait of at most `timeout_ms` (-1: until something happens) and its
 * callbacks. */
void loop_step(struct loop *loop, int timeout_ms);
void loop_stop(struct loop *loop);

int loop_watch(struct loop *loop, struct watch *w, int fd, uint32_t events,
               void (*on_ready)(void *, uint32_t), void *arg);
int loop_rewatch(struct loop *loop, struct watch *w, uint32_t events);
void loop_unwatch(struct loop *loop, struct watch *w);

void loop_timer(struct loop *loop, struct timer *t, int64_t in_ms, void (*on_time)(void *),
                void *arg);
/* Calls back when the callbacks of this pass are through, before the loop waits:
 * for what is cheaper done once for all of them. What gathers comes before what
 * sends it away. */
enum loop_after { AFTER_GATHER, AFTER_SEND };
void loop_after(struct loop *loop, struct timer *t, enum loop_after rank, void (*on_time)(void *),
                void *arg);
void loop_timer_cancel(struct loop *loop, struct timer *t);

/* Takes over reaping of `pid`, a child of ours. When on_exit is called, the
 * struct is free for the next one. A child that somebody else reaped counts
 * as killed by SIGKILL. */
int loop_child(struct loop *loop, struct child *c, pid_t pid, void (*on_exit)(void *, int),
               void *arg);
/* No longer ours to reap; nothing when there is none. */
void loop_child_forget(struct child *c);
/* Blocks the signals of `set` in this process and calls back with each. Once
 * per loop. Children inherit the mask: clear it before exec. */
int loop_signals(struct loop *loop, const sigset_t *set, void (*on_signal)(void *, int signo),
                 void *arg);

#endif
