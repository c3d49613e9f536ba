#include "sweep.h"

#include "../base/own.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}
#define own_dir __attribute__((cleanup(close_dir)))

ssize_t sweep_read(pid_t pid, const char *name, char *ret, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t filled = 0;
    for (ssize_t n = 1; n > 0 && filled < size - 1; filled += (size_t)n) {
        n = read(fd, ret + filled, size - 1 - filled);
        if (n < 0)
            return -errno;
    }
    ret[filled] = '\0';
    return (ssize_t)filled;
}

int64_t sweep_field_bytes(const char *text, const char *key)
{
    for (const char *at = text; (at = strstr(at, key)); at++) {
        if (at == text || at[-1] == '\n')
            return strtoll(at + strlen(key), NULL, 10) * 1024;
    }
    return 0;
}

/* Fields of /proc/PID/stat by their number in proc(5), counted behind the name,
 * which is in brackets and may hold anything, brackets too. */
enum {
    STAT_STATE = 3,
    STAT_PPID = 4,
    STAT_GROUP = 5,
    STAT_UTIME = 14,
    STAT_STIME = 15,
    STAT_CUTIME = 16,
    STAT_CSTIME = 17,
    STAT_THREADS = 20,
    STAT_STARTED = 22,
    STAT_FIELDS
};

static void fill(struct sweep_process *p, const long long field[STAT_FIELDS])
{
    p->ppid = (pid_t)field[STAT_PPID];
    p->group = (pid_t)field[STAT_GROUP];
    p->own_ticks = field[STAT_UTIME] + field[STAT_STIME];
    p->cpu_ticks = p->own_ticks + field[STAT_CUTIME] + field[STAT_CSTIME];
    p->tasks = field[STAT_THREADS] > 0 ? (int)field[STAT_THREADS] : 1;
    p->started = field[STAT_STARTED];
}

static bool read_stat(struct sweep_process *p)
{
    char text[1024];
    if (sweep_read(p->pid, "stat", text, sizeof text) <= 0)
        return false; /* gone meanwhile */
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    at += 2;
    p->zombie = *at == 'Z' || *at == 'X';
    p->running = *at == 'R';
    long long field[STAT_FIELDS] = {0};
    for (int i = STAT_STATE; i < STAT_FIELDS && at; i++) {
        field[i] = i == STAT_STATE ? 0 : strtoll(at, NULL, 10);
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    fill(p, field);
    return true;
}

int64_t sweep_cpu_ticks(pid_t pid)
{
    struct sweep_process p = {.pid = pid};
    return pid > 0 && read_stat(&p) ? p.cpu_ticks : 0;
}

static bool owner_of(int proc_fd, const char *name, uid_t *ret)
{
    struct stat st;
    if (!isdigit((unsigned char)name[0]) || fstatat(proc_fd, name, &st, 0) < 0)
        return false;
    *ret = st.st_uid;
    return true;
}

bool sweep_is_owned(pid_t pid, uid_t uid)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    return stat(path, &st) == 0 && st.st_uid == uid;
}

bool sweep_any_between(uid_t low, uid_t high)
{
    own_dir DIR *proc = opendir("/proc");
    uid_t owner;
    for (const struct dirent *d; proc && (d = readdir(proc));) {
        if (owner_of(dirfd(proc), d->d_name, &owner) && owner >= low && owner < high)
            return true;
    }
    return false;
}

static void add(struct sweep *s, const struct sweep_process *p)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 64;
        s->all = own_realloc(s->all, (size_t)s->capacity * sizeof s->all[0]);
    }
    s->all[s->count++] = *p;
}

#define ASK_ALL_EVERY 5

static void note(struct sweep_pids *p, pid_t pid)
{
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 256;
        p->pids = own_realloc(p->pids, (size_t)p->capacity * sizeof p->pids[0]);
    }
    p->pids[p->count++] = pid;
}

/* /proc lists numbers upwards, so `at` goes along; one that came out of order is
 * only asked for again. */
static bool is_among(const struct sweep_pids *p, int *at, const char *name)
{
    pid_t pid = (pid_t)strtol(name, NULL, 10);
    while (*at < p->count && p->pids[*at] < pid)
        ++*at;
    return pid > 0 && *at < p->count && p->pids[*at] == pid;
}

/* All processes that `uid` owns, or all there are (`any`). */
static int list(struct sweep *s, uid_t uid, bool any, struct sweep_past *past)
{
    own_dir DIR *proc = opendir("/proc");
    if (!proc)
        return -errno;
    bool asks_all = past && past->looks % ASK_ALL_EVERY == 0;
    int at = 0;
    if (asks_all)
        past->others.count = 0;
    for (const struct dirent *d; (d = readdir(proc));) {
        uid_t owner;
        if (past && !asks_all && is_among(&past->others, &at, d->d_name))
            continue;
        if (!owner_of(dirfd(proc), d->d_name, &owner))
            continue;
        if (!any && owner != uid) {
            if (asks_all)
                note(&past->others, (pid_t)strtol(d->d_name, NULL, 10));
            continue;
        }
        struct sweep_process p = {.pid = (pid_t)strtol(d->d_name, NULL, 10), .inside = !any};
        if (read_stat(&p))
            add(s, &p);
        else
            s->ghosts += !any;
    }
    return 0;
}

/* 0 when it is not told. */
static int64_t last_born(int fd)
{
    char text[128];
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : 0;
    text[n > 0 ? n : 0] = '\0';
    const char *at = strrchr(text, ' ');
    return at ? strtoll(at, NULL, 10) : 0;
}

static bool tells_births(int fd)
{
    struct statfs fs;
    if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
        return false;
    int64_t before = last_born(fd);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    int64_t after = last_born(fd);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && before != after && after >= pid;
}

int64_t sweep_last_born(struct sweep_past *past)
{
    if (!past->tried) {
        own_fd int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
        past->births_fd = tells_births(fd) ? steal_fd(&fd) : -1;
        past->tried = true;
    }
    return last_born(past->births_fd);
}

void sweep_one_was_ours(struct sweep_past *past, int64_t born)
{
    if (born && past->last_born == born && last_born(past->births_fd) == born + 1)
        past->last_born = born + 1;
}

/* Nobody was born since they were listed, so nobody else has their numbers. */
static void look_at_ours(struct sweep *s, const struct sweep_pids *ours)
{
    for (int i = 0; i < ours->count; i++) {
        struct sweep_process p = {.pid = ours->pids[i], .inside = true};
        if (read_stat(&p))
            add(s, &p);
    }
}

static bool is_inside(const struct sweep *s, pid_t pid, pid_t reaper_pid)
{
    if (pid == reaper_pid)
        return true;
    for (int i = 0; i < s->count; i++) {
        if (s->all[i].pid == pid)
            return s->all[i].inside;
    }
    return false;
}

/* A child may be listed before its parent, so it is gone over until nothing
 * new is found; what is not beneath the reaper is then dropped. */
static void keep_descendants(struct sweep *s, pid_t reaper_pid)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < s->count; i++) {
            struct sweep_process *p = &s->all[i];
            if (!p->inside && is_inside(s, p->ppid, reaper_pid))
                p->inside = changed = true;
        }
    }
    int kept = 0;
    for (int i = 0; i < s->count; i++) {
        if (s->all[i].inside)
            s->all[kept++] = s->all[i];
    }
    s->count = kept;
}

static int look(struct sweep *s, uid_t uid, pid_t reaper_pid, struct sweep_past *past)
{
    s->count = 0;
    s->ghosts = 0;
    int rc = list(s, uid, uid == 0, past);
    if (rc == 0 && uid == 0)
        keep_descendants(s, reaper_pid);
    return rc;
}

int sweep_look(struct sweep *s, uid_t uid, pid_t reaper_pid)
{
    return look(s, uid, reaper_pid, NULL);
}

int sweep_look_again(struct sweep *s, uid_t uid, pid_t reaper_pid, struct sweep_past *past)
{
    int64_t born = sweep_last_born(past);
    bool quiet = born && born == past->last_born;
    if (quiet && past->settled && past->looks % ASK_ALL_EVERY != 0) {
        past->looks++;
        s->count = s->ghosts = 0;
        look_at_ours(s, &past->ours);
        return 0;
    }
    int rc = look(s, uid, reaper_pid, past);
    past->looks++;
    past->last_born = rc == 0 ? born : 0;
    past->settled = rc == 0 && quiet;
    past->ours.count = 0;
    for (int i = 0; i < s->count; i++)
        note(&past->ours, s->all[i].pid);
    return rc;
}

void sweep_past_done(struct sweep_past *past)
{
    free(past->others.pids);
    free(past->ours.pids);
    if (past->tried)
        own_close_fd(&past->births_fd);
    *past = (struct sweep_past){0};
}

void sweep_done(struct sweep *s)
{
    free(s->all);
    *s = (struct sweep)SWEEP_INIT;
}

int sweep_living(const struct sweep *s)
{
    int living = 0;
    for (int i = 0; i < s->count; i++)
        living += !s->all[i].zombie;
    return living;
}

int64_t sweep_count_tasks(uid_t uid)
{
    own_sweep struct sweep s = SWEEP_INIT;
    if (list(&s, uid, false, NULL) < 0)
        return 0;
    int64_t tasks = 0;
    for (int i = 0; i < s.count; i++)
        tasks += s.all[i].tasks;
    return tasks;
}
