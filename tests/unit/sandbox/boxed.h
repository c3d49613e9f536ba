/* Runs a function inside a sealed child and says how it ended. As root the box
 * is standard with a uid of its own, else basic: the best that there is. */
#ifndef MANIMD_TESTS_BOXED_H
#define MANIMD_TESTS_BOXED_H

#include "../unit.h"

#include "base/err.h"
#include "sandbox/box.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1LL << 20)
#define SEAL_FAILED 125
#define NEIGHBOUR_OFFSET 8

/* What a call met: the errno that refused it, 0 when it went through. */
#define MET(call) ((errno = 0, (long)(call)) < 0 ? errno : 0)

static inline int opened(const char *path, int flags)
{
    return MET(open(path, flags | O_CLOEXEC, 0600));
}

struct boxed {
    uid_t uid; /* 0: not root */
    uid_t neighbour;
    enum box_level level;
    int dir_fd;
    bool namespaces; /* set after boxed_init() */
};

static inline void boxed_init(struct boxed *b)
{
    uid_t base = geteuid() == 0 ? box_random_uid_base() : 0;
    *b = (struct boxed){
        .uid = base,
        .neighbour = base ? base + NEIGHBOUR_OFFSET : 0,
        .level = base ? BOX_STANDARD : BOX_BASIC,
    };
    char name[] = "boxXXXXXX";
    assert_non_null(mkdtemp(name));
    b->dir_fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(b->dir_fd >= 0);
    if (base)
        assert_int_equal(fchown(b->dir_fd, base, base), 0);
}

/* Whether groups of tests can be run once more, in namespaces; says why not. */
static inline bool boxed_has_namespaces(void)
{
    struct box_layer_report layers[LAYER_COUNT];
    (void)box_probe(layers);
    if (layers[LAYER_NAMESPACES].state == LAYER_ACTIVE)
        return true;
    printf("not applicable: box_probe(): namespaces: %s\n", layers[LAYER_NAMESPACES].reason);
    return false;
}

static inline void boxed_plan(const struct boxed *b, enum box_profile profile, struct box_plan *p)
{
    struct err e = ERR_INIT;
    if (box_plan_init(p, profile, b->level, &e) < 0)
        fail_msg("%s", e.text);
    p->uid = b->uid;
    p->dir_fd = b->dir_fd;
    p->namespaces = b->namespaces;
    p->limits = (struct limits){
        .memory_bytes = 256 * MIB, .disk_bytes = 64 * MIB, .processes = 32, .cpu_ms = 20000};
}

static inline int boxed_wait(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static inline void __attribute__((noreturn))
boxed_inside(const struct box_plan *p, int (*inside)(void *), void *arg)
{
    struct err e = ERR_INIT;
    if (box_seal(p, &e) < 0) {
        dprintf(2, "%s\n", e.text);
        _exit(SEAL_FAILED);
    }
    _exit(inside(arg));
}

/* What the warden is to a scene: the parent of pid 2; ends as that did. */
static inline void __attribute__((noreturn))
boxed_warden(const struct box_plan *p, int (*inside)(void *), void *arg)
{
    struct err e = ERR_INIT;
    pid_t reaper_pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (box_pids_begin(&reaper_pid, &e) < 0) {
        dprintf(2, "%s\n", e.text);
        _exit(SEAL_FAILED);
    }
    pid_t pid = fork();
    if (pid == 0)
        boxed_inside(p, inside, arg);
    close_range(3, ~0u, 0); /* a pipe of the test's ends when the box does */
    int status = boxed_wait(pid);
    kill(reaper_pid, SIGKILL);
    boxed_wait(reaper_pid);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

/* The child's pid; it ends with what `inside` returns. In namespaces, that is of
 * a warden of the box. */
static inline pid_t boxed_start(const struct box_plan *p, int (*inside)(void *), void *arg)
{
    struct err e = ERR_INIT;
    fflush(NULL);
    pid_t pid = p->profile == BOX_FETCH ? box_fork_alone(p->namespaces, &e) : fork();
    if (pid < 0)
        fail_msg("%s", e.text);
    if (pid > 0)
        return pid;
    if (p->namespaces && (p->profile == BOX_SCENE || p->profile == BOX_SCENE_GPU))
        boxed_warden(p, inside, arg);
    boxed_inside(p, inside, arg);
}

static inline int boxed_run(const struct boxed *b, enum box_profile profile, int (*inside)(void *),
                            void *arg)
{
    struct box_plan p;
    boxed_plan(b, profile, &p);
    int status = boxed_wait(boxed_start(&p, inside, arg));
    box_plan_done(&p);
    return status;
}

#endif
