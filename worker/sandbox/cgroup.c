#include "cgroup.h"

#include "../base/err.h"
#include "../base/own.h"
#include "layers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKER_LEAF "worker"
#define HOME_PREFIX "manimd-"
#define PROCESSES_HEAD_ROOM 4 /* as in rlimits.c */
#define EMPTY_MS 2000
#define FILE_BYTES 4096

/* ---- its files ---- */

static int put(int dir_fd, const char *name, const char *text)
{
    own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int put_number(int dir_fd, const char *name, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)number);
    return put(dir_fd, name, text);
}

/* "" when it cannot be read. */
static void get(int dir_fd, const char *name, char ret[FILE_BYTES])
{
    own_fd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, FILE_BYTES - 1);
    ret[n > 0 ? n : 0] = 0;
}

/* The number behind `key` in a file of lines "key number"; with an empty key,
 * the file is the number. */
static int64_t get_number(int dir_fd, const char *name, const char *key)
{
    char text[FILE_BYTES];
    size_t n = strlen(key);
    get(dir_fd, name, text);
    for (const char *at = text; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
        if (strncmp(at, key, n) == 0 && (n == 0 || at[n] == ' '))
            return strtoll(at + n, NULL, 10);
    }
    return 0;
}

static int open_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* ---- the place ---- */

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

static int check_controllers(int dir_fd, const char *file, struct err *e)
{
    char text[FILE_BYTES];
    get(dir_fd, file, text);
    if (!strstr(text, "memory") || !strstr(text, "pids"))
        return err_set(e, -ENODEV, FAULT_HOST,
                       "cgroup v2 has not both the controllers memory and pids here");
    return 0;
}

/* cpu only counts here; a kernel without it still counts CPU time. */
static int enable(int dir_fd)
{
    int rc = put(dir_fd, "cgroup.subtree_control", "+memory +pids");
    if (rc == 0)
        (void)put(dir_fd, "cgroup.subtree_control", "+cpu"); /* see above */
    return rc;
}

static bool only_we_are_in(int dir_fd)
{
    char text[FILE_BYTES];
    get(dir_fd, "cgroup.procs", text);
    char *end;
    return strtol(text, &end, 10) == getpid() && strcmp(end, "\n") == 0;
}

static int move_us(int dir_fd)
{
    return put(dir_fd, "cgroup.procs", "0");
}

static int make_leaf(int dir_fd, const char *name)
{
    if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int begin_in_own(struct cgroup_home *h, struct err *e)
{
    own_fd int dir = open_dir(h->path);
    if (dir < 0)
        return err_errno(e, dir, FAULT_HOST, "open our cgroup \"%s\"", h->path);
    int rc = check_controllers(dir, "cgroup.controllers", e);
    if (rc < 0)
        return rc;
    if (!only_we_are_in(dir))
        return err_set(e, -EBUSY, FAULT_HOST, "our cgroup \"%s\" has other processes in it",
                       h->path);
    own_fd int leaf = make_leaf(dir, WORKER_LEAF);
    rc = leaf < 0 ? leaf : move_us(leaf);
    if (rc == 0)
        rc = enable(dir);
    if (rc == 0) {
        h->moved = true;
        return 0;
    }
    (void)move_us(dir); /* nothing is left, as far as we could do anything */
    (void)unlinkat(dir, WORKER_LEAF, AT_REMOVEDIR);
    return err_errno(e, rc, FAULT_HOST, "give on the controllers of \"%s\"", h->path);
}

/* Of workers that were killed; one that still has processes stays. */
static void sweep_homes(int dir_fd)
{
    int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    for (const struct dirent *d; dir && (d = readdir(dir));) {
        const char *number = d->d_name + strlen(HOME_PREFIX);
        if (strncmp(d->d_name, HOME_PREFIX, strlen(HOME_PREFIX)) != 0 ||
            !isdigit((unsigned char)*number))
            continue;
        pid_t pid = (pid_t)strtol(number, NULL, 10);
        if (kill(pid, 0) == 0 || errno != ESRCH)
            continue;
        struct cgroup_home left = {.made = true};
        char target[64];
        snprintf(target, sizeof target, "/proc/self/fd/%d", dir_fd);
        ssize_t n = readlink(target, left.path, sizeof left.path - 1);
        if (n > 0 && (size_t)n + strlen(d->d_name) + 2 < sizeof left.path) {
            snprintf(left.path + n, sizeof left.path - (size_t)n, "/%s", d->d_name);
            cgroup_end(&left);
        }
    }
    if (dir)
        closedir(dir);
    else
        own_close_fd(&copy);
}

static int begin_at_top(struct cgroup_home *h, const char *top, struct err *e)
{
    own_fd int dir = open_dir(top);
    if (dir < 0)
        return err_errno(e, dir, FAULT_HOST, "open \"%s\"", top);
    int rc = check_controllers(dir, "cgroup.controllers", e);
    if (rc < 0)
        return rc;
    sweep_homes(dir);
    (void)enable(dir); /* under systemd they are on; else check_controllers() says it */
    snprintf(h->path, sizeof h->path, "%.4000s/" HOME_PREFIX "%d", top, (int)getpid());
    if (mkdir(h->path, 0755) < 0 && errno != EEXIST)
        return err_errno(e, -errno, FAULT_HOST, "make the cgroup \"%s\"", h->path);
    h->made = true;
    own_fd int home = open_dir(h->path);
    rc = home < 0 ? err_errno(e, home, FAULT_HOST, "open \"%s\"", h->path)
                  : check_controllers(home, "cgroup.controllers", e);
    if (rc == 0 && (rc = enable(home)) < 0)
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

static void remove_leaves(int dir_fd)
{
    int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    for (const struct dirent *d; dir && (d = readdir(dir));) {
        if (d->d_type == DT_DIR && d->d_name[0] != '.')
            (void)unlinkat(dir_fd, d->d_name, AT_REMOVEDIR); /* one in use stays */
    }
    if (dir)
        closedir(dir);
    else
        own_close_fd(&copy);
}

void cgroup_end(struct cgroup_home *h)
{
    own_fd int dir = h->path[0] ? open_dir(h->path) : -1;
    if (dir >= 0 && h->moved) {
        (void)put(dir, "cgroup.subtree_control", "-memory -pids -cpu"); /* or we may not */
        (void)move_us(dir);
    }
    if (dir >= 0)
        remove_leaves(dir);
    if (h->made)
        (void)rmdir(h->path); /* a later worker sweeps it */
    *h = (struct cgroup_home)CGROUP_HOME_INIT;
}

/* ---- a box's ---- */

static int set_limits(int dir_fd, const struct limits *l, int64_t shared_bytes)
{
    int rc = 0;
    if (l->memory_bytes > 0)
        rc = put_number(dir_fd, "memory.max", l->memory_bytes + shared_bytes);
    if (rc == 0)
        rc = put(dir_fd, "memory.oom.group", "1");
    if (rc == 0 && l->processes > 0)
        rc = put_number(dir_fd, "pids.max", l->processes + PROCESSES_HEAD_ROOM);
    if (rc == 0)
        rc = put(dir_fd, "memory.swap.max", "0");
    return rc == -ENOENT ? 0 : rc; /* a kernel without swap has no such file */
}

int cgroup_box_make(const char *home, const char *name, const struct limits *limits,
                    int64_t shared_bytes, struct cgroup_box *ret, struct err *e)
{
    struct cgroup_box b = CGROUP_BOX_INIT;
    snprintf(b.path, sizeof b.path, "%.3000s/%.255s", home, name);
    if (mkdir(b.path, 0755) < 0 && errno == EEXIST) {
        b.dir_fd = open_dir(b.path); /* a dead keeper's, with its counts */
        int rc = cgroup_box_done(&b);
        snprintf(b.path, sizeof b.path, "%.3000s/%.255s", home, name);
        if (rc < 0 || mkdir(b.path, 0755) < 0)
            return err_errno(e, rc < 0 ? rc : -errno, FAULT_HOST, "make \"%s\" anew", b.path);
    }
    b.dir_fd = open_dir(b.path);
    int rc = b.dir_fd < 0 ? b.dir_fd : set_limits(b.dir_fd, limits, shared_bytes);
    if (rc < 0) {
        err_errno(e, rc, FAULT_HOST, "set the limits of the cgroup \"%s\"", b.path);
        (void)cgroup_box_done(&b);
        return rc;
    }
    *ret = b;
    return 0;
}

void cgroup_box_kill(const struct cgroup_box *b)
{
    if (b->dir_fd >= 0)
        (void)put(b->dir_fd, "cgroup.kill", "1"); /* from 5.14; there is the uid besides */
}

/* cgroup.events tells of a change by POLLPRI. */
static void await_empty(int dir_fd)
{
    own_fd int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    struct pollfd change = {.fd = fd, .events = POLLPRI};
    while (fd >= 0 && get_number(dir_fd, "cgroup.events", "populated") == 1) {
        char text[FILE_BYTES];
        if (pread(fd, text, sizeof text, 0) < 0 || poll(&change, 1, EMPTY_MS) != 1)
            break;
    }
}

int cgroup_box_done(struct cgroup_box *b)
{
    int rc = 0;
    if (b->dir_fd >= 0) {
        cgroup_box_kill(b);
        await_empty(b->dir_fd);
        close(steal_fd(&b->dir_fd));
        rc = rmdir(b->path) < 0 && errno != ENOENT ? -errno : 0;
    }
    *b = (struct cgroup_box)CGROUP_BOX_INIT;
    return rc;
}

void cgroup_look(int dir_fd, struct cgroup_seen *ret)
{
    *ret = (struct cgroup_seen){
        .cpu_ms = get_number(dir_fd, "cpu.stat", "usage_usec") / 1000,
        .peak_bytes = get_number(dir_fd, "memory.peak", ""),
        .oom_kills = get_number(dir_fd, "memory.events", "oom_kill"),
        .fork_denied = get_number(dir_fd, "pids.events", "max"),
    };
}

/* In the process to be boxed, before it gives up the right to. */
int layer_cgroup(const struct box_plan *p, struct err *e)
{
    int rc = p->cgroup_fd > 0 ? move_us(p->cgroup_fd) : 0;
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "enter the cgroup") : 0;
}
