/* The warden: a trusted fork of the zygote between the keeper and one scene
 * process. It adopts whatever the scene leaves behind, reports how the scene
 * ended and what the whole tree used, and takes the box with it when the
 * keeper vanishes: the job socket's end of file is that signal. No Python runs
 * in it once it waits, so nothing here depends on the interpreter's health.
 *
 * Life: become_warden(), fork the scene, guard(); it ends when the scene and
 * all its descendants have. A spare one forks the scene before it has a job. */
#include "native.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../base/err.h"
#include "../../sandbox/box.h"

#define EMPTY_WITHIN_MS 5000
#define REAPED_STEP_MS 50 /* smaller news about CPU time is not worth a message */

struct guard {
    int job_fd, signal_fd;
    pid_t scene_pid;
    pid_t init_pid; /* pid 1 of the scene's PID namespace; 0: it has none */
    uid_t uid;
    bool scene_gone;
    int64_t told_cpu_ms;
};

static int64_t timeval_ms(const struct timeval *t)
{
    return (int64_t)t->tv_sec * 1000 + t->tv_usec / 1000;
}

/* CPU time of all that was reaped by us, and the largest of their memories. */
static int64_t children_used(long *ret_maxrss_kb)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    *ret_maxrss_kb = u.ru_maxrss;
    return timeval_ms(&u.ru_utime) + timeval_ms(&u.ru_stime);
}

/* After the scene was reaped, for pid 1 ends last of all: what lives on in the
 * namespace dies with it, at once, and what it has reaped is in our count. */
static void end_namespace(struct guard *g)
{
    if (!g->init_pid)
        return;
    kill(g->init_pid, SIGTERM);
    while (waitpid(g->init_pid, NULL, 0) < 0 && errno == EINTR)
        ;
    g->init_pid = 0;
}

static void tell_scene_gone(struct guard *g, int status)
{
    long maxrss_kb;
    end_namespace(g);
    int64_t cpu_ms = children_used(&maxrss_kb);
    g->scene_gone = true;
    native_say(g->job_fd, "{\"exit\":%d,\"cpu_ms\":%lld,\"maxrss_kb\":%ld}", status,
               (long long)cpu_ms, maxrss_kb);
}

static void tell_reaped(struct guard *g)
{
    long maxrss_kb;
    int64_t cpu_ms = children_used(&maxrss_kb);
    if (g->scene_gone || cpu_ms < g->told_cpu_ms + REAPED_STEP_MS)
        return;
    g->told_cpu_ms = cpu_ms;
    native_say(g->job_fd, "{\"reaped_cpu_ms\":%lld}", (long long)cpu_ms);
}

/* Reaps what has ended; false when no child is left. */
static bool reap(struct guard *g)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0)
            break;
        if (pid < 0 && errno == ECHILD)
            return false;
        if (pid == g->init_pid) /* and all of its namespace with it */
            g->init_pid = 0;
        if (pid == g->scene_pid)
            tell_scene_gone(g, status);
    }
    tell_reaped(g);
    return true;
}

static void __attribute__((noreturn)) finish(const struct guard *g)
{
    long maxrss_kb;
    int64_t cpu_ms = children_used(&maxrss_kb);
    native_say(g->job_fd, "{\"empty\":true,\"cpu_ms\":%lld,\"maxrss_kb\":%ld}", (long long)cpu_ms,
               maxrss_kb);
    _exit(0);
}

/* The keeper is gone: so is the job. */
static void __attribute__((noreturn)) abandon(struct guard *g)
{
    struct err e = ERR_INIT;
    if (!g->scene_gone)
        kill(g->scene_pid, SIGKILL);
    if (g->init_pid) {
        kill(g->init_pid, SIGKILL);
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
            ;
        _exit(0); /* nothing could be forked now that pid 1 is dead */
    }
    (void)box_empty(g->uid, getpid(), EMPTY_WITHIN_MS, &e); /* nobody is left to hear of it */
    _exit(0);
}

/* Any word of the keeper's asks where the scene is (harness/job.py tells him): it
 * is ours to signal, since nobody but us can free its number. */
static bool keeper_gone(const struct guard *g, short revents)
{
    char byte;
    if (!revents)
        return false;
    ssize_t n = recv(g->job_fd, &byte, 1, MSG_DONTWAIT);
    if (n > 0 && !g->scene_gone)
        kill(g->scene_pid, SIGURG);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void __attribute__((noreturn)) guard_loop(struct guard *g)
{
    struct pollfd fds[] = {
        {.fd = g->job_fd, .events = POLLIN},
        {.fd = g->signal_fd, .events = POLLIN},
    };
    for (;;) {
        if (!reap(g))
            finish(g);
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            abandon(g);
        struct signalfd_siginfo info;
        if (fds[1].revents && read(g->signal_fd, &info, sizeof info) < 0 && errno != EAGAIN)
            abandon(g);
        if (keeper_gone(g, fds[0].revents))
            abandon(g);
    }
}

PyObject *native_become_warden(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

PyObject *native_begin_pids(PyObject *self, PyObject *args)
{
    (void)self;
    int job_fd;
    pid_t init_pid = 0;
    struct err e = ERR_INIT;
    if (!PyArg_ParseTuple(args, "i:begin_pids", &job_fd))
        return NULL;
    if (box_pids_begin(&init_pid, &e) < 0)
        native_fail(job_fd, &e);
    return PyLong_FromLong(init_pid);
}

PyObject *native_guard(PyObject *self, PyObject *args)
{
    (void)self;
    int job_fd, scene_pid, init_pid;
    unsigned uid;
    if (!PyArg_ParseTuple(args, "iiiI:guard", &job_fd, &scene_pid, &init_pid, &uid))
        return NULL;
    native_say(job_fd, "{\"scene\":%d}", scene_pid);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    struct guard g = {.job_fd = job_fd, .scene_pid = scene_pid, .init_pid = init_pid, .uid = uid};
    g.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (g.signal_fd < 0)
        abandon(&g);
    guard_loop(&g);
}
