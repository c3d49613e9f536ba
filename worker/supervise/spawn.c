/* fork + exec of `manimd stage NAME DIR`. All memory is got before the fork:
 * between fork and exec the child calls only what is async-signal-safe. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/err.h"
#include "../base/file.h"
#include "../base/own.h"

#define ENV_ADDED 6 /* the STAGE_ENV_ variables */
#define EXIT_NO_EXEC 127

static void env_free(char ***env)
{
    if (!*env)
        return;
    for (int i = 0; i < ENV_ADDED; i++)
        free((*env)[i]);
    free(*env);
}

/* Ours first, which are freed; then the caller's, which are not. */
static char **env_make(const struct spawn_spec *spec)
{
    size_t count = 0;
    while (spec->env && spec->env[count])
        count++;
    char **env = own_calloc(count + ENV_ADDED + 1, sizeof *env);
    env[0] = own_printf(STAGE_ENV_SCENE_UID "=%u", (unsigned)spec->uids.scene);
    env[1] = own_printf(STAGE_ENV_ENCODER_UID "=%u", (unsigned)spec->uids.encoder);
    env[2] = own_printf(STAGE_ENV_NONCE "=%s", spec->nonce);
    env[3] = own_printf(STAGE_ENV_REPORT_FD "=%d", SPAWN_FD_REPORT);
    env[4] = own_printf(STAGE_ENV_ZYGOTE_FD "=%d", spec->zygote_fd >= 0 ? SPAWN_FD_ZYGOTE : -1);
    env[5] = own_printf(STAGE_ENV_FETCH_UID "=%u", (unsigned)spec->uids.fetch);
    for (size_t i = 0; i < count; i++)
        env[ENV_ADDED + i] = spec->env[i];
    return env;
}

static void reset_signals(void)
{
    struct sigaction act = {.sa_handler = SIG_DFL};
    for (int signo = 1; signo < NSIG; signo++)
        (void)sigaction(signo, &act, NULL); /* SIGKILL, SIGSTOP and libc's refuse */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts the descriptors where the stage looks for them. They are moved out of
 * the way first, so that no order of numbers can overwrite one. */
static int place_fds(int report_fd, int zygote_fd)
{
    int report = fcntl(report_fd, F_DUPFD_CLOEXEC, 16);
    int zygote = zygote_fd >= 0 ? fcntl(zygote_fd, F_DUPFD_CLOEXEC, 16) : -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (report < 0 || null < 0 || (zygote_fd >= 0 && zygote < 0))
        return -1;
    if (dup2(null, 0) < 0 || dup2(2, 1) < 0 || dup2(report, SPAWN_FD_REPORT) < 0)
        return -1;
    int top = SPAWN_FD_REPORT;
    if (zygote >= 0) {
        if (dup2(zygote, SPAWN_FD_ZYGOTE) < 0)
            return -1;
        top = SPAWN_FD_ZYGOTE;
    }
    /* Kernels before 5.9 do not know the call; everything is CLOEXEC anyway. */
    (void)syscall(SYS_close_range, top + 1, ~0U, 0);
    return 0;
}

static _Noreturn void child(const struct spawn_spec *spec, char *const argv[], char *const env[],
                            int report_fd, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_NO_EXEC); /* it died before the line above */
    setsid();
    reset_signals();
    if (!place_fds(report_fd, spec->zygote_fd))
        execve(spec->manimd, argv, env);
    _exit(EXIT_NO_EXEC);
}

int spawn_stage(const struct spawn_spec *spec, pid_t *ret_pid, int *ret_report_fd, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return err_errno(e, -errno, FAULT_HOST, "pipe for stage %s", stage_name(spec->stage));
    own_fd int read_end = ends[0];
    own_fd int write_end = ends[1];
    fd_set_nonblock(read_end, 1);

    char **env __attribute__((cleanup(env_free))) = env_make(spec);
    char *argv[] = {(char *)"manimd", (char *)"stage", (char *)stage_name(spec->stage),
                    (char *)spec->dir, NULL};
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(e, -errno, FAULT_HOST, "fork for stage %s", stage_name(spec->stage));
    if (pid == 0)
        child(spec, argv, env, write_end, parent);
    *ret_pid = pid;
    *ret_report_fd = steal_fd(&read_end);
    return 0;
}
