/* The directory store: STORE_DIR/PREFIX/ID/NONCE/NAME, each file copied to a
 * temporary neighbour, fsynced and renamed, so that under its own name there
 * is always nothing or all of it. A copy that was killed leaves the neighbour
 * (".NAME.PID.part"), which nobody reads, in a directory of its attempt's own. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/config.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/own.h"
#include "kind.h"

#define CHUNK_BYTES (4UL * 1024 * 1024)

struct store_dir {
    struct store_watch *watch;
    char *path; /* absolute */
    int fd;
};

static int explain(struct err *e, int rc, const char *what, const char *dir, const char *key)
{
    static const struct {
        int rc;
        const char *advice;
    } advices[] = {
        {-ENOSPC, ": free some, or set store_dir to where there is room"},
        {-EDQUOT, ": free some, or raise the quota"},
        {-EROFS, ": mount it for writing, or set store_dir elsewhere"},
        {-EACCES, ": let this user write there, or set store_dir elsewhere"},
        {-EPERM, ": let this user write there, or set store_dir elsewhere"},
        {-ENOENT, ": create it, or set store_dir elsewhere"},
    };
    const char *advice = "";
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
        if (advices[i].rc == rc)
            advice = advices[i].advice;
    }
    return err_set(e, rc, FAULT_HOST, "%s \"%s%s%s\": %s%s", what, dir, *key ? "/" : "", key,
                   strerror(-rc), advice);
}

static void *dir_close(void *store)
{
    struct store_dir *d = store;
    if (!d)
        return NULL;
    if (d->fd >= 0)
        close(d->fd);
    free(d->path);
    free(d);
    return NULL;
}

static int open_root(struct store_dir *d, const char *path, struct err *e)
{
    if (path[0] != '/')
        return err_set(e, -EINVAL, FAULT_HOST, "store_dir \"%s\": must be an absolute path", path);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return explain(e, -errno, "make the directory", path, "");
    d->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return explain(e, -errno, "open store_dir", path, "");
    d->path = realpath(path, NULL);
    return d->path ? 0 : explain(e, -errno, "open store_dir", path, "");
}

static int dir_open(const struct config *c, struct store_watch *w, void **ret, struct err *e)
{
    struct store_dir *d = own_calloc(1, sizeof(*d));
    *d = (struct store_dir){.watch = w, .fd = -1};
    int rc = open_root(d, c->store_dir, e);
    if (rc != 0) {
        dir_close(d);
        return rc;
    }
    *ret = d;
    return 0;
}

/* Steps into `name` beneath `*fd`, making it when `make`; takes over `*fd`. */
static int step_into(int *fd, const char *name, bool make)
{
    if (make && mkdirat(*fd, name, 0755) != 0 && errno != EEXIST)
        return -errno;
    int next = openat(*fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0)
        return -errno;
    close(*fd);
    *fd = next;
    return 0;
}

/* The directory of a key; `ret_name` is its last part, within `key`. */
static int open_parent(const struct store_dir *d, const char *key, bool make, const char **ret_name)
{
    own_fd int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    const char *at = key;
    for (const char *slash; (slash = strchr(at, '/')); at = slash + 1) {
        own_free char *name = own_strndup(at, (size_t)(slash - at));
        int rc = step_into(&fd, name, make);
        if (rc != 0)
            return rc;
    }
    *ret_name = at;
    return steal_fd(&fd);
}

/* By copy_file_range: a reflink where the file system has them. */
static ssize_t copy_some(int from, int to, int64_t offset, size_t bytes)
{
    off_t in = offset, out = offset;
    ssize_t n = copy_file_range(from, &in, to, &out, bytes, 0);
    if (n >= 0 || (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP))
        return n < 0 ? -errno : n;
    own_free char *chunk = own_calloc(1, bytes);
    n = pread(from, chunk, bytes, offset);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    ssize_t put = pwrite(to, chunk, (size_t)n, offset);
    return put < 0 ? -errno : put;
}

static int copy(struct store_dir *d, const struct store_file *f, int to)
{
    for (int64_t done = 0; done < f->bytes;) {
        int64_t left = f->bytes - done;
        ssize_t n =
            copy_some(f->fd, to, done, left < (int64_t)CHUNK_BYTES ? (size_t)left : CHUNK_BYTES);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? (int)n : -EIO; /* 0: shorter than it was */
        done += n;
        store_progress(d->watch, done);
        if (store_stopped(d->watch))
            return -ECANCELED;
    }
    return fsync(to) != 0 ? -errno : 0;
}

static int write_beside(struct store_dir *d, const struct store_file *f, int parent,
                        const char *name)
{
    own_free char *part = own_printf(".%s.%d.part", name, (int)getpid());
    (void)unlinkat(parent, part, 0); /* left by an earlier process of this number */
    own_fd int to =
        openat(parent, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (to < 0)
        return -errno;
    int rc = copy(d, f, to);
    if (close(steal_fd(&to)) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && renameat(parent, part, parent, name) != 0)
        rc = -errno;
    if (rc != 0)
        (void)unlinkat(parent, part, 0); /* what failed first is what is told */
    else if (fsync(parent) != 0)
        rc = -errno;
    return rc;
}

static int dir_put(void *store, const struct store_file *f, struct store_put *ret, struct err *e)
{
    struct store_dir *d = store;
    const char *name = NULL;
    own_fd int parent = open_parent(d, f->key, true, &name);
    if (parent < 0)
        return explain(e, parent, "make the directory of", d->path, f->key);
    int rc = write_beside(d, f, parent, name);
    if (rc == -ECANCELED)
        return err_set(e, rc, FAULT_HOST, "write \"%s/%s\": stopped", d->path, f->key);
    if (rc != 0)
        return explain(e, rc, "write", d->path, f->key);
    *ret = (struct store_put){.url = own_printf("%s/%s", d->path, f->key), .verified = true};
    return 0;
}

static int dir_remove(void *store, const char *key, struct err *e)
{
    struct store_dir *d = store;
    const char *name = NULL;
    own_fd int parent = open_parent(d, key, false, &name);
    int rc = parent < 0 ? parent : unlinkat(parent, name, 0) != 0 ? -errno : 0;
    return rc ? explain(e, rc, "remove", d->path, key) : 0;
}

const struct store_kind store_kind_dir = {.name = "directory",
                                          .open = dir_open,
                                          .put = dir_put,
                                          .remove = dir_remove,
                                          .close = dir_close};
