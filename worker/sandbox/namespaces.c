/* Layer: namespaces. What is not there needs no rule: no other process, no
 * network, no System V object, no file but those that the plan names.
 *
 * The PID namespace is begun by the box's parent, since only a child can be
 * born into one; all the others are entered by the process to be boxed. */
#include "layers.h"

#include "../base/err.h"
#include "../base/own.h"
#include "mounts.h"
#include "reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOX_NAMESPACES (CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) /* and mounts.c's */
#define BOX_HOSTNAME "manimd"

static int write_word(const char *path, const char *word)
{
    own_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t bytes = strlen(word);
    if (fd < 0)
        return -errno;
    return write(fd, word, bytes) == (ssize_t)bytes ? 0 : -errno;
}

/* One uid, itself: no other could be written without a privilege outside. */
static int map_ids(uid_t uid, gid_t gid, struct err *e)
{
    char uids[64], gids[64];
    snprintf(uids, sizeof uids, "%u %u 1", (unsigned)uid, (unsigned)uid);
    snprintf(gids, sizeof gids, "%u %u 1", (unsigned)gid, (unsigned)gid);
    int rc = write_word("/proc/self/setgroups", "deny");
    if (rc == 0)
        rc = write_word("/proc/self/uid_map", uids);
    if (rc == 0)
        rc = write_word("/proc/self/gid_map", gids);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "map uid %u into a user namespace", (unsigned)uid)
                  : 0;
}

/* As root no user namespace is needed, and is none: it would only open more of
 * the kernel to the box. A process that cannot be dumped does not own its files
 * beneath /proc, which the maps are; it is not in anybody's reach yet. */
static int enter_user_namespace(struct err *e)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int dumpable = prctl(PR_GET_DUMPABLE);
    if (unshare(CLONE_NEWUSER) < 0)
        return err_errno(e, -errno, FAULT_HOST, "make a user namespace");
    prctl(PR_SET_DUMPABLE, 1);
    int rc = map_ids(uid, gid, e);
    prctl(PR_SET_DUMPABLE, dumpable);
    return rc;
}

int box_pids_begin(pid_t *ret_reaper_pid, struct err *e)
{
    int rc = geteuid() == 0 ? 0 : enter_user_namespace(e);
    if (rc < 0)
        return rc;
    if (unshare(CLONE_NEWPID) < 0)
        return err_errno(e, -errno, FAULT_HOST, "make a PID namespace");
    pid_t pid = reaper_start();
    if (pid < 0)
        return err_errno(e, pid, FAULT_HOST, "start pid 1 of a PID namespace");
    *ret_reaper_pid = pid;
    return 0;
}

/* Back where we were; the child goes with what we could not undo. */
static int rejoin(int pids_fd, pid_t child, struct err *e)
{
    if (setns(pids_fd, CLONE_NEWPID) == 0)
        return 0;
    int rc = -errno;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return err_errno(e, rc, FAULT_HOST, "return to our PID namespace");
}

pid_t box_fork_alone(bool namespaces, struct err *e)
{
    bool alone = namespaces && geteuid() == 0;
    own_fd int ours = alone ? open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC) : -1;
    if (alone && (ours < 0 || unshare(CLONE_NEWPID) < 0))
        return err_errno(e, -errno, FAULT_HOST, "make a PID namespace");
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(e, -errno, FAULT_HOST, "fork a box");
    if (pid > 0 && alone) {
        int rc = rejoin(ours, pid, e);
        return rc < 0 ? rc : pid;
    }
    return pid;
}

/* pid 1 is the reaper, who hides behind its uid; we are never it. */
static int check_born_inside(const struct box_plan *p, struct err *e)
{
    if (!plan_is_scene(p) || (getppid() == 0 && getpid() != 1))
        return 0;
    return err_set(e, -EINVAL, FAULT_HOST, "namespaces: the scene has no PID namespace of its own");
}

int layer_namespaces(const struct box_plan *p, struct err *e)
{
    if (!p->namespaces)
        return 0;
    int rc = check_born_inside(p, e);
    if (rc == 0 && geteuid() != 0 && !plan_is_scene(p))
        rc = enter_user_namespace(e);
    if (rc < 0)
        return rc;
    /* Who fetches is there for the network. */
    int network = p->profile == BOX_FETCH ? 0 : CLONE_NEWNET;
    if (unshare(BOX_NAMESPACES | network) < 0)
        return err_errno(e, -errno, FAULT_HOST, "make namespaces");
    if (sethostname(BOX_HOSTNAME, strlen(BOX_HOSTNAME)) < 0)
        return err_errno(e, -errno, FAULT_HOST, "name the box");
    return mounts_make(p, e);
}
