#include "helper.h"

#include "../base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct question {
    void (*work)(const void *arg, int64_t ret[HELPER_ANSWERS]);
    const void *arg;
};

struct answer {
    int64_t rc, values[HELPER_ANSWERS];
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

_Noreturn static void run(int answer_fd, uid_t uid, const struct question *q)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    struct answer a = {.rc = become(uid)};
    if (a.rc == 0)
        q->work(q->arg, a.values);
    _exit(write(answer_fd, &a, sizeof a) == (ssize_t)sizeof a ? 0 : 1);
}

/* A stopped helper would never end by itself. */
static void reap(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static int ask(uid_t uid, const struct question *q, int within_ms, struct answer *ret)
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
        run(out, uid, q);
    close(steal_fd(&out));

    struct pollfd ready = {.fd = in, .events = POLLIN};
    int polled = poll(&ready, 1, within_ms);
    ssize_t got = polled == 1 ? read(in, ret, sizeof *ret) : 0;
    reap(pid);
    if (got == (ssize_t)sizeof *ret)
        return (int)ret->rc;
    return polled == 1 ? -EPIPE : -ETIMEDOUT;
}

int helper_ask_all(uid_t uid, void (*work)(const void *arg, int64_t ret[HELPER_ANSWERS]),
                   const void *arg, int within_ms, int64_t ret_answers[HELPER_ANSWERS])
{
    const struct question q = {work, arg};
    struct answer a = {0};
    int rc = ask(uid, &q, within_ms, &a);
    if (rc == 0)
        memcpy(ret_answers, a.values, sizeof a.values);
    return rc;
}

struct one {
    int64_t (*work)(const void *arg);
    const void *arg;
};

static void answer_one(const void *arg, int64_t ret[HELPER_ANSWERS])
{
    const struct one *o = arg;
    ret[0] = o->work(o->arg);
}

int helper_ask(uid_t uid, int64_t (*work)(const void *arg), const void *arg, int within_ms,
               int64_t *ret_answer)
{
    const struct one o = {work, arg};
    int64_t answers[HELPER_ANSWERS];
    int rc = helper_ask_all(uid, answer_one, &o, within_ms, answers);
    if (rc == 0)
        *ret_answer = answers[0];
    return rc;
}
