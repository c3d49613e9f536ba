#include "sweep.h"

#include "../base/own.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static void note(struct sweep_others *o, pid_t pid)
{
    if (o->count == o->capacity) {
        o->capacity = o->capacity ? o->capacity * 2 : 256;
        o->pids = own_realloc(o->pids, (size_t)o->capacity * sizeof o->pids[0]);
    }
    o->pids[o->count++] = pid;
}

/* /proc lists numbers upwards, so `at` goes along; one that came out of order is
 * only asked for again. */
static bool is_others(const struct sweep_others *o, int *at, const char *name)
{
    pid_t pid = (pid_t)strtol(name, NULL, 10);
    while (*at < o->count && o->pids[*at] < pid)
        ++*at;
    return pid > 0 && *at < o->count && o->pids[*at] == pid;
}

/* All processes that `uid` owns, or all there are (`any`). */
static int list(struct sweep *s, uid_t uid, bool any, struct sweep_others *others)
{
    own_dir DIR *proc = opendir("/proc");
    if (!proc)
        return -errno;
    bool asks_all = others && others->looks++ % ASK_ALL_EVERY == 0;
    int at = 0;
    if (asks_all)
        others->count = 0;
    for (const struct dirent *d; (d = readdir(proc));) {
        uid_t owner;
        if (others && !asks_all && is_others(others, &at, d->d_name))
            continue;
        if (!owner_of(dirfd(proc), d->d_name, &owner))
            continue;
        if (!any && owner != uid) {
            if (asks_all)
                note(others, (pid_t)strtol(d->d_name, NULL, 10));
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

int sweep_look_again(struct sweep *s, uid_t uid, pid_t reaper_pid, struct sweep_others *others)
{
    s->count = 0;
    s->ghosts = 0;
    int rc = list(s, uid, uid == 0, others);
    if (rc == 0 && uid == 0)
        keep_descendants(s, reaper_pid);
    return rc;
}

int sweep_look(struct sweep *s, uid_t uid, pid_t reaper_pid)
{
    return sweep_look_again(s, uid, reaper_pid, NULL);
}

void sweep_others_done(struct sweep_others *others)
{
    free(others->pids);
    *others = (struct sweep_others){0};
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
