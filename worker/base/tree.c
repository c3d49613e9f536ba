/* Walking a tree that a stranger made: however deep, whatever it holds.
 *
 * One directory is open at a time. On entering it, everything in it is seen
 * once; its subdirectories wait on a stack with their depth. To reach the next
 * one, the walk climbs by ".." (checked against the inode that it came down
 * from, so that a moved directory cannot lead it astray) and opens it there.
 * So neither descriptors nor the C stack grow with the depth, names stay
 * short, and no link is ever followed. */
#include "file.h"

#include "err.h"
#include "own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

struct level { /* a directory on the way from the root to here */
    ino_t inode;
    char *name;
};

struct pending { /* a directory that was seen and not yet entered */
    size_t depth;
    char *name;
};

struct walk {
    int fd; /* the directory we are in */
    dev_t device;
    struct level *levels;
    size_t depth, levels_room;
    struct pending *pending;
    size_t pending_count, pending_room;
    /* What to do with whatever is not a directory, and with a directory when
     * all beneath it has been seen; negative stops the walk. Of an entry's status the
     * type is known, and the rest if it weighs. */
    bool weighs;
    int (*on_entry)(struct walk *w, const char *name, const struct stat *st);
    int (*on_leave)(int parent_fd, const char *name);
    int64_t bytes, inodes;
    int64_t enough; /* inodes; 0: no bound */
};

static void walk_done(struct walk *w)
{
    own_close_fd(&w->fd);
    for (size_t i = 0; i < w->depth; i++)
        free(w->levels[i].name);
    for (size_t i = 0; i < w->pending_count; i++)
        free(w->pending[i].name);
    free(w->levels);
    free(w->pending);
}

static void *grow(void *array, size_t count, size_t *room, size_t item_bytes)
{
    if (count < *room)
        return array;
    *room = *room ? *room * 2 : 64;
    return own_realloc(array, *room * item_bytes);
}

/* Opens a directory, and gives us its rights when its owner took them away.
 * The mode is changed through /proc: by name, a link could be put in its way. */
static int open_directory(int parent_fd, const char *name)
{
    int at_once = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (at_once >= 0 || errno != EACCES)
        return at_once < 0 ? -errno : at_once;
    own_fd int seen = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (seen < 0)
        return -errno;
    char self[40];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", seen);
    if (chmod(self, 0700) < 0)
        return -errno;
    int fd = openat(seen, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int see_entry(struct walk *w, const char *name, unsigned char type)
{
    struct stat st = {.st_mode = DTTOIF(type)};
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if ((w->weighs || type == DT_UNKNOWN) && fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    int rc = w->on_entry(w, name, &st);
    if (rc < 0 || !S_ISDIR(st.st_mode))
        return rc;
    w->pending = grow(w->pending, w->pending_count, &w->pending_room, sizeof(*w->pending));
    w->pending[w->pending_count++] = (struct pending){w->depth, own_strdup(name)};
    return 0;
}

/* Without readdir(): it wants a copy of the descriptor and 32 KiB of heap for each directory.
 * As there, one that was removed since it was opened (ENOENT) is at its end, and the room is
 * for all of most: where a file system counts positions, removals between two reads hide some. */
static int see_all(struct walk *w)
{
    _Alignas(struct dirent64) char entries[32768];
    ssize_t bytes;
    while ((bytes = getdents64(w->fd, entries, sizeof(entries))) > 0) {
        for (ssize_t at = 0; at < bytes;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
            int rc = see_entry(w, entry->d_name, entry->d_type);
            if (rc < 0)
                return rc;
            at += entry->d_reclen;
        }
    }
    return bytes < 0 && errno != ENOENT ? -errno : 0;
}

static int enter(struct walk *w, const char *name)
{
    own_fd int fd = open_directory(w->fd, name);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return fd < 0 ? fd : -errno;
    if (w->depth == 0)
        w->device = st.st_dev;
    if (st.st_dev != w->device)
        return -EXDEV;
    if ((st.st_mode & 0700) != 0700)
        (void)fchmod(fd, 0700); /* if it is not ours, the unlink will say so */
    w->levels = grow(w->levels, w->depth, &w->levels_room, sizeof(*w->levels));
    w->levels[w->depth++] = (struct level){st.st_ino, own_strdup(name)};
    own_close_fd(&w->fd);
    w->fd = steal_fd(&fd);
    return see_all(w);
}

/* Up to the parent, which must be the directory that we came from. */
static int leave(struct walk *w)
{
    own_fd int parent = openat(w->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (parent < 0 || fstat(parent, &st) < 0)
        return -errno;
    if (st.st_dev != w->device || st.st_ino != w->levels[w->depth - 2].inode)
        return -ESTALE;
    own_free char *name = w->levels[--w->depth].name;
    own_close_fd(&w->fd);
    w->fd = steal_fd(&parent);
    return w->on_leave(w->fd, name);
}

static int climb_to(struct walk *w, size_t depth)
{
    int rc = 0;
    while (rc == 0 && w->depth > depth)
        rc = leave(w);
    return rc;
}

/* All beneath `path`; not the leaving of `path` itself. */
static int walk_tree(struct walk *w, int dir_fd, const char *path)
{
    w->fd = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc = w->fd < 0 ? -errno : enter(w, path);
    while (rc == 0 && w->pending_count) {
        struct pending next = w->pending[--w->pending_count];
        rc = climb_to(w, next.depth);
        if (rc == 0)
            rc = enter(w, next.name);
        if (rc == -ENOENT) /* it went away while we were elsewhere */
            rc = 0;
        free(next.name);
    }
    return rc < 0 ? rc : climb_to(w, 1);
}

static int remove_entry(struct walk *w, const char *name, const struct stat *st)
{
    if (S_ISDIR(st->st_mode) || unlinkat(w->fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    return -errno;
}

static int remove_directory(int parent_fd, const char *name)
{
    return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int file_remove_tree(int dir_fd, const char *path, struct err *e)
{
    __attribute__((cleanup(walk_done))) struct walk w = {
        .on_entry = remove_entry,
        .on_leave = remove_directory,
    };
    int rc = walk_tree(&w, dir_fd, path);
    if (rc == 0)
        rc = remove_directory(dir_fd, path);
    else if (w.depth == 0 && (rc == -ENOTDIR || rc == -ELOOP || rc == -ENOENT)) /* it is none */
        rc = unlinkat(dir_fd, path, 0) == 0 || errno == ENOENT ? 0 : -errno;
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "remove \"%s\"", path) : 0;
}

static int count_entry(struct walk *w, const char *name, const struct stat *st)
{
    (void)name;
    w->bytes += (int64_t)st->st_blocks * 512;
    w->inodes++;
    return w->enough && w->inodes > w->enough ? -EOVERFLOW : 0;
}

static int leave_it(int parent_fd, const char *name)
{
    (void)parent_fd;
    (void)name;
    return 0;
}

int file_tree_usage(int dir_fd, const char *path, int64_t enough, int64_t *ret_bytes,
                    int64_t *ret_inodes)
{
    __attribute__((cleanup(walk_done))) struct walk w = {
        .on_entry = count_entry,
        .weighs = true,
        .on_leave = leave_it,
        .enough = enough,
    };
    int rc = walk_tree(&w, dir_fd, path);
    if (rc < 0 && rc != -EOVERFLOW)
        return rc;
    *ret_bytes = w.bytes;
    *ret_inodes = w.inodes;
    return 0;
}
