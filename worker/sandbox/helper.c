#include "helper.h"

#include "../base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct answer {
    int64_t rc, value;
};

/* All three ids, or kill(-1) would reach those of the one that was left. */
static int become(uid_t uid)
{
    if (uid == 0)
        return 0;
    gid_t gid = (gid_t)uid;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    uid_t real, effective, saved;
    if (getresuid(&real, &effective, &saved) < 0 || real != uid || effective != uid || saved != uid)
        return -EPERM;
    return 0;
}

_Noreturn static void run(int answer_fd, uid_t uid, int64_t (*work)(const void *), const void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    struct answer a = {.rc = become(uid)};
    if (a.rc == 0)
        a.value = work(arg);
    _exit(write(answer_fd, &a, sizeof a) == (ssize_t)sizeof a ? 0 : 1);
}

/* A stopped helper would never end by itself. */
static void reap(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

int helper_ask(uid_t uid, int64_t (*work)(const void *arg), const void *arg, int within_ms,
               int64_t *ret_answer)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    own_fd int in = ends[0];
    own_fd int out = ends[1];
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        run(out, uid, work, arg);
    close(steal_fd(&out));

    struct answer a = {0};
    struct pollfd ready = {.fd = in, .events = POLLIN};
    int polled = poll(&ready, 1, within_ms);
    ssize_t got = polled == 1 ? read(in, &a, sizeof a) : 0;
    reap(pid);
    if (got != (ssize_t)sizeof a)
        return -ETIMEDOUT;
    if (a.rc == 0)
        *ret_answer = a.value;
    return (int)a.rc;
}
