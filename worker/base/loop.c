/* The loop: epoll for descriptors, a sorted list for timers, signalfd, pidfds.
 *
 * What is delicate is a callback that removes a watch whose event was already
 * fetched: its struct may be freed, its descriptor closed and used again. So
 * unwatching strikes the watch out of every batch in hand (there are several
 * when a callback itself runs loop_step()). */
#include "loop.h"

#include "clock.h"
#include "own.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#define BATCH_EVENTS 64

struct batch {
    struct epoll_event events[BATCH_EVENTS];
    int count;
    struct batch *outer;
};

struct loop {
    int epoll;
    bool stopping;
    struct batch *batch;  /* the innermost that is being worked off */
    struct timer *timers; /* earliest first */
    int64_t pass_ms;      /* timers set while timers run come after this */
    struct watch signals;
    void (*on_signal)(void *arg, int signo);
    void *signal_arg;
};

struct loop *loop_new(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return NULL;
    struct loop *loop = own_calloc(1, sizeof(*loop));
    loop->epoll = epoll;
    loop->signals = (struct watch)WATCH_INIT;
    return loop;
}

void *loop_free(struct loop *loop)
{
    if (!loop)
        return NULL;
    int fd = loop->signals.fd;
    loop_unwatch(loop, &loop->signals);
    own_close_fd(&fd);
    close(loop->epoll);
    free(loop);
    return NULL;
}

int loop_watch(struct loop *loop, struct watch *w, int fd, uint32_t events,
               void (*on_ready)(void *, uint32_t), void *arg)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return -errno;
    *w = (struct watch){.fd = fd, .events = events, .on_ready = on_ready, .arg = arg};
    return 0;
}

int loop_rewatch(struct loop *loop, struct watch *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    if (w->events == events)
        return 0;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, w->fd, &event) < 0)
        return -errno;
    w->events = events;
    return 0;
}

void loop_unwatch(struct loop *loop, struct watch *w)
{
    if (w->fd < 0)
        return;
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, w->fd, NULL); /* EBADF: closed too early */
    w->fd = -1;
    for (struct batch *b = loop->batch; b; b = b->outer)
        for (int i = 0; i < b->count; i++)
            if (b->events[i].data.ptr == w)
                b->events[i].data.ptr = NULL;
}

static void insert(struct loop *loop, struct timer *t, int64_t at_ms, void (*on_time)(void *),
                   void *arg)
{
    struct timer **link = &loop->timers;
    while (*link && (*link)->at_ms <= at_ms)
        link = &(*link)->next;
    *t = (struct timer){.at_ms = at_ms, .on_time = on_time, .arg = arg, .next = *link, .set = true};
    *link = t;
}

void loop_timer(struct loop *loop, struct timer *t, int64_t in_ms, void (*on_time)(void *),
                void *arg)
{
    loop_timer_cancel(loop, t);
    int64_t at_ms = clock_now_ms() + in_ms;
    /* A timer that sets itself again with 0 must let the descriptors have a turn. */
    insert(loop, t, at_ms > loop->pass_ms ? at_ms : loop->pass_ms + 1, on_time, arg);
}

void loop_after(struct loop *loop, struct timer *t, enum loop_after rank, void (*on_time)(void *),
                void *arg)
{
    loop_timer_cancel(loop, t);
    insert(loop, t, (int64_t)rank - AFTER_SEND, on_time, arg); /* before every timer that is due */
}

void loop_timer_cancel(struct loop *loop, struct timer *t)
{
    if (!t->set)
        return;
    struct timer **link = &loop->timers;
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    t->set = false;
    t->next = NULL;
}

static void run_timers(struct loop *loop)
{
    int64_t now_ms = clock_now_ms();
    loop->pass_ms = now_ms;
    while (loop->timers && loop->timers->at_ms <= now_ms && !loop->stopping) {
        struct timer *t = loop->timers;
        loop_timer_cancel(loop, t);
        t->on_time(t->arg);
    }
}

static int wait_ms(const struct loop *loop, int timeout_ms)
{
    if (!loop->timers)
        return timeout_ms;
    int64_t in_ms = loop->timers->at_ms - clock_now_ms();
    in_ms = in_ms < 0 ? 0 : in_ms > INT_MAX ? INT_MAX : in_ms;
    return timeout_ms >= 0 && timeout_ms < in_ms ? timeout_ms : (int)in_ms;
}

static void dispatch(const struct epoll_event *event)
{
    struct watch *w = event->data.ptr;
    if (!w)
        return; /* unwatched by a callback of this batch */
    uint32_t events = event->events & (w->events | EPOLLERR | EPOLLHUP);
    if (events) /* a rewatch may have left nothing of it */
        w->on_ready(w->arg, events);
}

void loop_step(struct loop *loop, int timeout_ms)
{
    struct batch batch = {.outer = loop->batch};
    int count = epoll_wait(loop->epoll, batch.events, BATCH_EVENTS, wait_ms(loop, timeout_ms));
    batch.count = count < 0 ? 0 : count; /* EINTR */
    loop->batch = &batch;
    for (int i = 0; i < batch.count && !loop->stopping; i++)
        dispatch(&batch.events[i]);
    loop->batch = batch.outer;
    run_timers(loop);
}

void loop_run(struct loop *loop)
{
    while (!loop->stopping)
        loop_step(loop, -1);
    loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

/* As waitpid() would have put it. */
static int wait_status(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return W_EXITCODE(info->si_status, 0);
    case CLD_DUMPED:
        return info->si_status | WCOREFLAG;
    default:
        return info->si_status;
    }
}

static void on_child_ready(void *arg, uint32_t events)
{
    struct child *c = arg;
    siginfo_t info = {0};
    (void)events;
    /* WNOHANG: a stale event must never make the loop wait. */
    int rc = waitid(P_PIDFD, (id_t)c->watch.fd, &info, WEXITED | WNOHANG);
    if (rc == 0 && info.si_pid == 0)
        return; /* not yet */
    /* ECHILD: somebody else reaped it. It did not end well as far as we know. */
    int status = rc == 0 ? wait_status(&info) : SIGKILL;
    loop_child_forget(c);
    c->on_exit(c->arg, status);
}

int loop_child(struct loop *loop, struct child *c, pid_t pid, void (*on_exit)(void *, int),
               void *arg)
{
    own_fd int fd = pidfd_open(pid, 0);
    if (fd < 0)
        return -errno;
    *c = (struct child)CHILD_INIT;
    int rc = loop_watch(loop, &c->watch, fd, EPOLLIN, on_child_ready, c);
    if (rc < 0)
        return rc;
    (void)steal_fd(&fd); /* the watch has it */
    c->pid = pid;
    c->on_exit = on_exit;
    c->arg = arg;
    c->loop = loop;
    return 0;
}

void loop_child_forget(struct child *c)
{
    if (!c->pid)
        return;
    int fd = c->watch.fd;
    loop_unwatch(c->loop, &c->watch);
    own_close_fd(&fd);
    c->pid = 0;
}

static void on_signal_ready(void *arg, uint32_t events)
{
    struct loop *loop = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (loop->signals.fd >= 0 && read(loop->signals.fd, &info, sizeof(info)) == sizeof(info))
        loop->on_signal(loop->signal_arg, (int)info.ssi_signo);
}

int loop_signals(struct loop *loop, const sigset_t *set, void (*on_signal)(void *, int signo),
                 void *arg)
{
    own_fd int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0 || sigprocmask(SIG_BLOCK, set, NULL) < 0)
        return -errno;
    int rc = loop_watch(loop, &loop->signals, fd, EPOLLIN, on_signal_ready, loop);
    if (rc < 0)
        return rc;
    (void)steal_fd(&fd); /* the loop has it */
    loop->on_signal = on_signal;
    loop->signal_arg = arg;
    return 0;
}
