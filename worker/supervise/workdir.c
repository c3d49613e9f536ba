/* Attempt directories: made, locked, removed; a dead supervisor's are swept. */
#include "workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/own.h"
#include "supervisor.h"

#define NONCE_SHOWN 8
/* A hidden name older than this was left by a supervisor that died between
 * making and renaming. */
#define HIDDEN_STALE_S 60

int workdir_open(struct workdir *w, const char *path, struct err *e)
{
    if (mkdir(path, 0711) && errno != EEXIST)
        return err_errno(e, -errno, FAULT_HOST, "make work_dir \"%s\"", path);
    int fd = file_open_dir(AT_FDCWD, path, e);
    if (fd < 0)
        return fd;
    own_free char *real = realpath(path, NULL);
    if (!real || strlen(real) >= sizeof w->path) {
        close(fd);
        return err_set(e, -ENAMETOOLONG, FAULT_HOST, "work_dir \"%s\": its path is too long", path);
    }
    w->fd = fd;
    snprintf(w->path, sizeof w->path, "%s", real);
    workdir_sweep(w);
    return 0;
}

void workdir_done(struct workdir *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

/* ID.NONCE8, or hidden .ID.NONCE8: never remove what is not ours. */
static bool is_attempt_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot > name && strspn(dot + 1, "0123456789abcdef") == NONCE_SHOWN &&
           dot[1 + NONCE_SHOWN] == 0;
}

static bool is_stale(int fd, const char *name)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st))
        return false;
    return name[0] != '.' || st.st_mtime + HIDDEN_STALE_S < clock_unix_ms() / 1000;
}

int workdir_sweep(const struct workdir *w)
{
    int copy = openat(w->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (!dir) {
        if (copy >= 0)
            close(copy);
        return 0;
    }
    int removed = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_attempt_name(entry->d_name))
            continue;
        own_fd int fd =
            openat(w->fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && is_stale(fd, entry->d_name) && !file_remove_tree(w->fd, entry->d_name, NULL))
            removed++;
    }
    closedir(dir);
    return removed;
}

static int fill(const struct workdir *w, const char *hidden, const struct attempt *a,
                struct attempt_dir *d, struct err *e)
{
    if (mkdirat(w->fd, hidden, 0711))
        return err_errno(e, -errno, FAULT_HOST, "make \"%s/%s\"", w->path, hidden);
    d->fd = openat(w->fd, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d->fd < 0 || fchmod(d->fd, 0711) || flock(d->fd, LOCK_EX | LOCK_NB))
        return err_errno(e, -errno, FAULT_HOST, "lock \"%s/%s\"", w->path, hidden);
    const char *json = a->job->json;
    int rc = file_write_new(d->fd, "job.json", json, strlen(json), 0600, e);
    if (!rc && a->urls)
        rc = file_write_new(d->fd, "urls.json", a->urls, strlen(a->urls), 0600, e);
    if (rc)
        return rc;
    if (renameat(w->fd, hidden, w->fd, d->name))
        return err_errno(e, -errno, FAULT_HOST, "rename to \"%s\"", d->path);
    return 0;
}

int workdir_make(const struct workdir *w, const struct attempt *a, struct attempt_dir *ret,
                 struct err *e)
{
    struct attempt_dir d = ATTEMPT_DIR_INIT;
    char hidden[sizeof d.name + 1];
    snprintf(d.name, sizeof d.name, "%s.%.*s", a->job->id, NONCE_SHOWN, a->nonce);
    snprintf(d.path, sizeof d.path, "%s/%s", w->path, d.name);
    snprintf(hidden, sizeof hidden, ".%s", d.name);
    int rc = fill(w, hidden, a, &d, e);
    if (rc) {
        (void)file_remove_tree(w->fd, hidden, NULL); /* the first failure is told */
        if (d.fd >= 0)
            close(d.fd);
        return rc;
    }
    *ret = d;
    return 0;
}

int workdir_remove(const struct workdir *w, struct attempt_dir *d, struct err *e)
{
    if (d->fd < 0)
        return 0;
    int rc = file_remove_tree(w->fd, d->name, e);
    if (rc && rc != -ENOENT)
        return rc;
    close(d->fd);
    *d = (struct attempt_dir)ATTEMPT_DIR_INIT;
    return 0;
}
