/* The worker's place in the hierarchy: found, entered, swept, left. */
#include "cgroup.h"

#include "../base/err.h"
#include "../base/own.h"
#include "cgroup_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKER_LEAF "worker"
#define HOME_PREFIX "manimd-"
#define NAMES_TRIED 16

/* Where the second version is mounted (under a hybrid layout not at the top);
 * its root as we see it, which a cgroup namespace may have cut. */
static int find_mount(char ret[PATH_MAX])
{
    own_file FILE *mounts = fopen("/proc/self/mountinfo", "re");
    own_free char *line = NULL;
    size_t size = 0;
    while (mounts && getline(&line, &size, mounts) > 0) {
        char at[PATH_MAX];
        _Static_assert(PATH_MAX == 4096, "the width below");
        if (strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %*s %4095s", at) == 1) {
            snprintf(ret, PATH_MAX, "%s", at);
            return 0;
        }
    }
    return -ENOENT;
}

/* Our own: "0::/system.slice/manimd.service". */
static int find_own(char ret[PATH_MAX])
{
    own_file FILE *file = fopen("/proc/self/cgroup", "re");
    own_free char *line = NULL;
    size_t size = 0;
    while (file && getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "0::/", 4) == 0 && !strstr(line, "/..")) {
            snprintf(ret, PATH_MAX, "%s", line + 3);
            return 0;
        }
    }
    return -ENOENT;
}

static int check_controllers(int dir_fd, struct err *e)
{
    char text[CGROUP_FILE_BYTES];
    cgroup_get(dir_fd, "cgroup.controllers", text);
    if (!strstr(text, "memory") || !strstr(text, "pids"))
        return err_set(e, -ENODEV, FAULT_HOST,
                       "cgroup v2 has not both the controllers memory and pids here");
    return 0;
}

static bool only_we_are_in(int dir_fd)
{
    char text[CGROUP_FILE_BYTES];
    cgroup_get(dir_fd, "cgroup.procs", text);
    char *end;
    return strtol(text, &end, 10) == getpid() && strcmp(end, "\n") == 0;
}

/* A living worker's lock outlives no worker, and no number is taken for another's,
 * as a pid may be. 0 when it is ours now. */
static int lock(int dir_fd)
{
    return flock(dir_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int make_leaf(int dir_fd, const char *name)
{
    if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* ---- what dead workers left ---- */

/* Of each child whose name begins so: `at_one` may remove it. */
static void each_child(int dir_fd, const char *prefix, void (*at_one)(int dir_fd, const char *name))
{
    int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    for (const struct dirent *d; dir && (d = readdir(dir));) {
        if (strncmp(d->d_name, prefix, strlen(prefix)) == 0)
            at_one(dir_fd, d->d_name);
    }
    if (dir)
        closedir(dir);
    else
        own_close_fd(&copy);
}

static void sweep_box(int dir_fd, const char *name)
{
    own_fd int box = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (box < 0)
        return;
    cgroup_clear(box);
    (void)unlinkat(dir_fd, name, AT_REMOVEDIR); /* one that does not die: the next sweep's */
}

static void sweep_home(int dir_fd, const char *name)
{
    if (!isdigit((unsigned char)name[strlen(HOME_PREFIX)]))
        return;
    own_fd int home = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (home < 0 || lock(home) < 0)
        return;
    cgroup_clear(home);
    (void)unlinkat(dir_fd, name, AT_REMOVEDIR); /* as above */
}

/* ---- the two places ---- */

static int move_in(struct cgroup_home *h, int dir_fd)
{
    own_fd int leaf = make_leaf(dir_fd, WORKER_LEAF);
    int rc = leaf < 0 ? leaf : cgroup_enter(leaf);
    if (rc == 0)
        rc = cgroup_give_on(dir_fd);
    h->moved = rc == 0;
    if (rc < 0) { /* nothing is left, as far as we could do anything */
        (void)cgroup_enter(dir_fd);
        (void)unlinkat(dir_fd, WORKER_LEAF, AT_REMOVEDIR);
    }
    return rc;
}

static int begin_in_own(struct cgroup_home *h, struct err *e)
{
    own_fd int dir = cgroup_open(h->path);
    if (dir < 0)
        return err_errno(e, dir, FAULT_HOST, "open our cgroup \"%s\"", h->path);
    int rc = check_controllers(dir, e);
    if (rc < 0)
        return rc;
    if (!only_we_are_in(dir) || lock(dir) < 0)
        return err_set(e, -EBUSY, FAULT_HOST, "our cgroup \"%s\" has other processes in it",
                       h->path);
    rc = move_in(h, dir);
    if (rc < 0)
        return err_errno(e, rc, FAULT_HOST, "give on the controllers of \"%s\"", h->path);
    each_child(dir, CGROUP_BOX_PREFIX, sweep_box);
    h->lock_fd = steal_fd(&dir);
    return 0;
}

static bool is_still_there(int dir_fd, const char *path)
{
    struct stat ours, there;
    return fstat(dir_fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino;
}

/* Workers in other PID namespaces may have our number, and whoever sweeps may take
 * a directory for a dead worker's until it is locked. */
static int make_home(struct cgroup_home *h, const char *top)
{
    int rc = -EBUSY;
    for (int i = 0; i < NAMES_TRIED; i++) {
        snprintf(h->path, sizeof h->path, "%.4000s/" HOME_PREFIX "%d-%d", top, (int)getpid(), i);
        if (mkdir(h->path, 0755) < 0 && errno != EEXIST)
            return -errno;
        own_fd int home = cgroup_open(h->path);
        rc = home < 0 ? home : lock(home);
        if (rc < 0 || !is_still_there(home, h->path))
            continue;
        h->lock_fd = steal_fd(&home);
        h->made = true;
        return 0;
    }
    return rc < 0 ? rc : -EBUSY;
}

static int begin_at_top(struct cgroup_home *h, const char *top, struct err *e)
{
    own_fd int dir = cgroup_open(top);
    if (dir < 0)
        return err_errno(e, dir, FAULT_HOST, "open \"%s\"", top);
    int rc = check_controllers(dir, e);
    if (rc < 0)
        return rc;
    each_child(dir, HOME_PREFIX, sweep_home);
    (void)cgroup_give_on(dir); /* under systemd they are on; else check_controllers() says it */
    rc = make_home(h, top);
    if (rc < 0)
        return err_errno(e, rc, FAULT_HOST, "make the cgroup \"%s\"", h->path);
    rc = check_controllers(h->lock_fd, e);
    if (rc == 0 && (rc = cgroup_give_on(h->lock_fd)) < 0)
        err_errno(e, rc, FAULT_HOST, "give on the controllers of \"%s\"", h->path);
    if (rc < 0)
        cgroup_end(h);
    return rc;
}

int cgroup_begin(struct cgroup_home *ret, struct err *e)
{
    char top[PATH_MAX], own[PATH_MAX];
    struct cgroup_home h = CGROUP_HOME_INIT;
    int rc = find_mount(top);
    if (rc == 0)
        rc = find_own(own);
    if (rc < 0)
        return err_set(e, rc, FAULT_HOST, "no cgroup v2 is mounted here, or we are in none");
    snprintf(h.path, sizeof h.path, "%.2000s%.2000s", top, own[1] ? own : "");
    struct err why = ERR_INIT;
    rc = begin_in_own(&h, &why);
    /* Only for root, and only where others are in our own: a session's scope. */
    if (rc == -EBUSY && geteuid() == 0)
        rc = begin_at_top(&h, top, &why);
    if (rc == 0)
        *ret = h;
    else if (e)
        *e = why;
    return rc;
}

void cgroup_end(struct cgroup_home *h)
{
    int dir = h->path[0] ? h->lock_fd : -1;
    if (dir >= 0)
        each_child(dir, CGROUP_BOX_PREFIX, sweep_box);
    if (dir >= 0 && h->moved) {
        (void)cgroup_put(dir, "cgroup.subtree_control", "-memory -pids -cpu"); /* or we may not */
        (void)cgroup_enter(dir);
        (void)unlinkat(dir, WORKER_LEAF, AT_REMOVEDIR); /* a child of ours may still end in it */
    }
    if (h->made)
        (void)rmdir(h->path); /* a later worker sweeps it */
    own_close_fd(&h->lock_fd);
    *h = (struct cgroup_home)CGROUP_HOME_INIT;
}
