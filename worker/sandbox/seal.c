/* The seal: a process gives up, in one call, all that its box does not have.
 *
 * The order is that of sandbox.md §5 and each step depends on those before it:
 * descriptors while /proc is still open to us, limits while they may be set,
 * ids while we may change them, then no_new_privs, which Landlock and seccomp
 * ask for, and seccomp last, since it refuses what the others needed.
 *
 * Namespaces come in front of the descriptors, whose paths they need. */
#include "box.h"

#include "../base/err.h"
#include "layers.h"

#include <dirent.h>
#include <errno.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Landlock and seccomp act on the calling thread alone. */
static int check_one_thread(const struct box_plan *p, struct err *e)
{
    (void)p;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return err_errno(e, -errno, FAULT_HOST, "open \"/proc/self/task\"");
    int count = 0;
    for (const struct dirent *d; (d = readdir(tasks));)
        count += d->d_name[0] != '.';
    closedir(tasks);
    if (count != 1)
        return err_set(e, -EBUSY, FAULT_HOST, "seal: %d threads are running, not one", count);
    return 0;
}

static int die_with_parent(const struct box_plan *p, struct err *e)
{
    if (!p->parent_death)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return err_errno(e, -errno, FAULT_HOST, "set the parent-death signal");
    /* 0: outside of our PID namespace, whose pid 1 dies with it, and so do we. */
    if (p->parent_pid && getppid() != 0 && getppid() != p->parent_pid)
        return err_set(e, -ESRCH, FAULT_HOST, "seal: the parent is gone already");
    return 0;
}

static int leave_session(const struct box_plan *p, struct err *e)
{
    (void)p;
    if (setsid() < 0 && getsid(0) != getpid())
        return err_errno(e, -errno, FAULT_HOST, "start a session");
    /* A keyring of its own where the host has any; else there is no keyctl to
     * protect from, and seccomp refuses it besides. */
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
    umask(077);
    return 0;
}

static int enter_directory(const struct box_plan *p, struct err *e)
{
    if (p->dir_fd >= 0 && fchdir(p->dir_fd) < 0)
        return err_errno(e, -errno, FAULT_HOST, "enter the box's directory");
    return 0;
}

/* A change of uid takes /proc/self from us and makes our memory unreadable
 * even for our own uid, by which the watch measures it (watch.c); so does a
 * warden, which is not to be read by what it guards, for those that it forks. */
static int stay_measurable(const struct box_plan *p, struct err *e)
{
    (void)p;
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        return err_errno(e, -errno, FAULT_HOST, "stay measurable");
    return 0;
}

static const struct {
    enum box_level least;
    const char *name;
    int (*apply)(const struct box_plan *p, struct err *e);
} steps[] = {
    {BOX_NONE, "threads", check_one_thread},
    {BOX_NONE, "parent", die_with_parent},
    {BOX_NONE, "session", leave_session},
    {BOX_BASIC, "cgroup", layer_cgroup}, /* while the host's files are there */
    {BOX_BASIC, "namespaces", layer_namespaces},
    {BOX_NONE, "descriptors", layer_descriptors},
    {BOX_NONE, "rlimits", layer_rlimits},
    {BOX_NONE, "directory", enter_directory},
    {BOX_BASIC, "uid", layer_uid},
    {BOX_BASIC, "capabilities", layer_capabilities},
    {BOX_NONE, "parent", die_with_parent}, /* cleared by the change of uid */
    {BOX_BASIC, "dumpable", stay_measurable},
    {BOX_BASIC, "no_new_privs", layer_no_new_privs},
    {BOX_BASIC, "landlock", layer_landlock},
    {BOX_NONE, "descriptors", layer_descriptors_rest},
    {BOX_BASIC, "seccomp", layer_seccomp},
};

static int check_plan(const struct box_plan *p, struct err *e)
{
    if (p->level >= BOX_STANDARD && p->uid == 0)
        return err_set(e, -EINVAL, FAULT_HOST, "seal: level %s needs a uid of its own",
                       box_level_name(p->level));
    if (p->level < BOX_STRONG)
        return 0;
    if (!p->namespaces || p->cgroup_fd <= 0)
        return err_set(e, -EINVAL, FAULT_HOST, "seal: level strong needs namespaces and a cgroup");
    return 0;
}

/* Builds of the attack suite (tests/attacks/ablation.py) leave steps out, by
 * name, to show that it notices. The product leaves out none. */
#ifndef MANIMD_WITHOUT
#define MANIMD_WITHOUT ""
#endif

static bool is_left_out(const char *name)
{
    return strstr(MANIMD_WITHOUT, name) != NULL;
}

int box_seal(const struct box_plan *p, struct err *e)
{
    int rc = check_plan(p, e);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && rc == 0; i++) {
        if (p->level < steps[i].least || is_left_out(steps[i].name))
            continue;
        rc = steps[i].apply(p, e);
        if (rc < 0)
            err_wrap(e, rc, "sandbox layer %s", steps[i].name);
    }
    return rc;
}
