/* See courier_seat.h. The courier's standard input is a pipe: a byte means that
 * there is something to deliver, its end that the worker is gone. */
#include "courier_seat.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/config.h"
#include "../base/log.h"
#include "../base/loop.h"
#include "../base/own.h"

#define RETRY_BASE_MS 500
#define RETRY_CAP_MS 60000
#define SETTLED_MS 60000 /* one that lived so long was a good one */
#define END_MS 7000      /* it takes 5 s at most by itself */
#define EXIT_NO_EXEC 127

struct courier_seat {
    struct loop *loop;
    const char *manimd;
    char **env;
    struct child child;
    pid_t pid; /* 0 while none lives */
    int poke_fd;
    int failures;
    int64_t started_ms;
    struct timer retry;
    bool closing;
    bool relieved; /* it was told to make room for another */
};

static void start(struct courier_seat *seat);

static void on_retry(void *arg)
{
    start(arg);
}

static void start_later(struct courier_seat *seat)
{
    int64_t in_ms = RETRY_BASE_MS + clock_backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, seat->failures);
    if (seat->failures < 30)
        seat->failures++;
    loop_timer(seat->loop, &seat->retry, in_ms, on_retry, seat);
}

static void on_exit_child(void *arg, int status)
{
    struct courier_seat *seat = arg;
    close(steal_fd(&seat->poke_fd));
    seat->pid = 0;
    if (seat->closing)
        return;
    if (seat->relieved) {
        start(seat);
        return;
    }
    log_at(LOG_WARN, "the courier ended (%s %d), starting another",
           WIFSIGNALED(status) ? "signal" : "exit",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (clock_now_ms() - seat->started_ms > SETTLED_MS)
        seat->failures = 0;
    start_later(seat);
}

/* Between fork and exec: only what is async-signal-safe. */
static _Noreturn void child(const struct courier_seat *seat, char *const argv[], int pipe_fd,
                            pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_NO_EXEC); /* it died before the line above */
    setsid();                /* a terminal's Ctrl-C is for the worker, who ends us last */
    struct sigaction act = {.sa_handler = SIG_DFL};
    for (int signo = 1; signo < NSIG; signo++)
        (void)sigaction(signo, &act, NULL); /* SIGKILL, SIGSTOP and libc's refuse */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(pipe_fd, 0) == 0 && dup2(2, 1) == 1) {
        /* Kernels before 5.9 do not know the call; everything is CLOEXEC anyway. */
        (void)syscall(SYS_close_range, 3, ~0U, 0);
        execve(seat->manimd, argv, seat->env);
    }
    _exit(EXIT_NO_EXEC);
}

static pid_t spawn(struct courier_seat *seat)
{
    char *argv[] = {(char *)"manimd", (char *)"courier", (char *)"--poked", NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return -errno;
    own_fd int read_end = ends[0];
    own_fd int write_end = ends[1];
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        child(seat, argv, read_end, parent);
    if (pid < 0)
        return -errno;
    seat->poke_fd = steal_fd(&write_end);
    return pid;
}

static void start(struct courier_seat *seat)
{
    pid_t pid = spawn(seat);
    int rc = pid < 0 ? pid : loop_child(seat->loop, &seat->child, pid, on_exit_child, seat);
    if (rc == 0) {
        seat->pid = pid;
        seat->started_ms = clock_now_ms();
        seat->relieved = false;
        return;
    }
    if (pid > 0) {
        kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        close(steal_fd(&seat->poke_fd));
    }
    errno = -rc;
    log_at(LOG_ERROR, "start the courier: %m");
    start_later(seat);
}

struct courier_seat *courier_seat_new(struct loop *loop, const struct config *config,
                                      const char *manimd)
{
    struct courier_seat *seat = own_calloc(1, sizeof *seat);
    *seat = (struct courier_seat){.loop = loop,
                                  .manimd = manimd,
                                  .env = config_env(config, FOR_COURIER),
                                  .child = CHILD_INIT,
                                  .poke_fd = -1};
    start(seat);
    return seat;
}

static bool same_env(char *const *a, char *const *b)
{
    while (*a && *b && strcmp(*a, *b) == 0)
        a++, b++;
    return !*a && !*b;
}

/* The old one gives back what it holds, so that the new one finds it due. */
void courier_seat_reload(struct courier_seat *seat, const struct config *config)
{
    if (!seat)
        return;
    char **env = config_env(config, FOR_COURIER);
    bool same = same_env(seat->env, env);
    config_env_free(same ? env : seat->env);
    if (same)
        return;
    seat->env = env;
    seat->relieved = seat->pid != 0;
    if (seat->pid)
        kill(seat->pid, SIGTERM);
}

void courier_seat_poke(struct courier_seat *seat)
{
    if (seat && seat->poke_fd >= 0)
        (void)!write(seat->poke_fd, "!", 1); /* a full pipe will wake it as well */
}

bool courier_seat_is_child(const struct courier_seat *seat, pid_t pid)
{
    return seat && seat->pid == pid;
}

void *courier_seat_free(struct courier_seat *seat)
{
    if (!seat)
        return NULL;
    seat->closing = true;
    loop_timer_cancel(seat->loop, &seat->retry);
    if (seat->pid)
        kill(seat->pid, SIGTERM);
    int64_t until_ms = clock_now_ms() + END_MS;
    while (seat->pid && clock_now_ms() < until_ms)
        loop_step(seat->loop, 50);
    if (seat->pid) {
        kill(seat->pid, SIGKILL);
        loop_child_forget(&seat->child);
        (void)waitpid(seat->pid, NULL, 0);
        close(seat->poke_fd);
    }
    config_env_free(seat->env);
    free(seat);
    return NULL;
}
