/* See mounts.h. Three steps: a detached copy of each tree is taken while the old
 * root is still there; an empty root is mounted and the copies moved into it;
 * the old root is left for good.
 *
 * The plan's descriptors belong to the mount namespace that we leave, so every
 * tree is named there, opened again by that name, and must be the one that the
 * plan holds.
 * (Calls: open_tree(2), mount_setattr(2), move_mount(2), fsopen(2); all are
 * older than Landlock, so a kernel with that has these.) */
#include "mounts.h"

#include "../base/err.h"
#include "../base/own.h"
#include "layers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLACES_MAX (BOX_PATHS_MAX + 2) /* the plan's, its directory, /sys */
#define ROOT_SIZE "1m"                 /* directories and mount points, nothing else */
#define ROOT_INODES "1024"             /* a mount point each, and the ways to them */
/* It is only built upon; any directory that is there everywhere would do. */
#define ROOT_FOR_NOW "/proc"

/* A tree of the plan and where it goes. */
struct place {
    char *path;  /* absolute */
    char *link;  /* it is a symbolic link to this; NULL: it is none */
    char *real;  /* of a link: where it leads in the end */
    int from_fd; /* the plan's */
    int tree_fd; /* its detached copy; -1: none taken */
    unsigned access;
    bool is_dir, is_own; /* own: the box's working directory */
    bool placed;
};

struct builder {
    struct place *all;
    int count;
    int root_fd;
    bool whole; /* the plan allows "/": the new root is the old one, read-only */
    bool with_proc, all_of_proc;
    int sys_fd; /* -1: of /sys only what the plan names is there */
};

static void builder_done(struct builder *b)
{
    for (int i = 0; i < b->count; i++) {
        own_close_fd(&b->all[i].tree_fd);
        free(b->all[i].path);
        free(b->all[i].link);
        free(b->all[i].real);
    }
    own_close_fd(&b->root_fd);
    own_close_fd(&b->sys_fd);
    free(b->all);
}

static bool beneath(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    if (strcmp(dir, "/") == 0)
        return true;
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == 0);
}

/* What a symbolic link says; NULL when it is none. The caller frees. */
static char *read_link(const char *path)
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return NULL;
    target[n] = 0;
    return own_strdup(target);
}

static char *path_of(int fd)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return read_link(link);
}

static int describe(struct place *p, const char *name, struct err *e)
{
    struct stat st;
    p->path = name ? own_strdup(name) : path_of(p->from_fd);
    int rc = fstat(p->from_fd, &st) < 0 ? -errno : 0;
    if (rc == 0 && (!p->path || p->path[0] != '/'))
        rc = -EINVAL;
    if (rc < 0)
        return err_errno(e, rc, FAULT_HOST, "place \"%s\" in the box", p->path ? p->path : "?");
    p->is_dir = S_ISDIR(st.st_mode);
    p->link = read_link(p->path);
    p->real = p->link ? path_of(p->from_fd) : NULL;
    return 0;
}

static int add_place(struct builder *b, int fd, const char *name, unsigned access, struct err *e)
{
    struct place *p = &b->all[b->count++];
    *p = (struct place){.from_fd = fd, .tree_fd = -1, .access = access};
    int rc = describe(p, name, e);
    if (rc == 0 && beneath(p->path, "/proc")) {
        b->all_of_proc = true; /* the box's own /proc has it */
        free(p->path);
        free(p->link);
        free(p->real);
        b->count--;
    }
    return rc;
}

/* A GPU's driver finds its devices by links all over /sys: it is there as a
 * whole, and Landlock says what of it can be read. */
static int add_sys(struct builder *b, const struct box_plan *p, struct err *e)
{
    if (p->profile != BOX_SCENE_GPU && p->profile != BOX_ENCODER_GPU)
        return 0;
    b->sys_fd = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return b->sys_fd < 0 ? 0 : add_place(b, b->sys_fd, "/sys", BOX_READ, e);
}

/* What is above comes first; of two for one path, the one that may write. */
static int compare_places(const void *a, const void *b)
{
    const struct place *p = a, *q = b;
    int order = strcmp(p->path, q->path);
    return order ? order : (int)q->is_own - (int)p->is_own;
}

static int list_places(struct builder *b, const struct box_plan *p, struct err *e)
{
    b->all = own_calloc(PLACES_MAX, sizeof *b->all);
    int rc = 0;
    for (int i = 0; i < p->paths && rc == 0; i++)
        rc = add_place(b, p->path_fds[i], p->path_names[i], p->path_access[i], e);
    if (rc == 0 && p->dir_fd >= 0) {
        rc = add_place(b, p->dir_fd, NULL, BOX_READ | BOX_WRITE, e);
        b->all[b->count - 1].is_own = true;
    }
    if (rc == 0)
        rc = add_sys(b, p, e);
    b->with_proc = plan_is_scene(p) || b->all_of_proc;
    qsort(b->all, (size_t)b->count, sizeof b->all[0], compare_places);
    return rc;
}

static bool same(int a, int b)
{
    struct stat s, t;
    return fstat(a, &s) == 0 && fstat(b, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

/* Its attributes: what is only read stays as it is; devices are for /dev. No
 * noexec where libraries are: it would forbid to map them, too. */
static uint64_t attributes(const struct place *p)
{
    uint64_t set = MOUNT_ATTR_NOSUID;
    if (!beneath(p->path, "/dev"))
        set |= MOUNT_ATTR_NODEV;
    if (!(p->access & BOX_WRITE))
        set |= MOUNT_ATTR_RDONLY;
    else
        set |= MOUNT_ATTR_NOEXEC;
    return set;
}

static int take_tree(struct place *p, struct err *e)
{
    own_fd int fd = open_tree(AT_FDCWD, p->path,
                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (p->is_dir ? AT_RECURSIVE : 0));
    if (fd < 0)
        return err_errno(e, -errno, FAULT_HOST, "copy the mount of \"%s\"", p->path);
    if (!same(fd, p->from_fd))
        return err_set(e, -ESTALE, FAULT_HOST, "copy the mount of \"%s\": it was replaced",
                       p->path);
    struct mount_attr attr = {.attr_set = attributes(p)};
    if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
        return err_errno(e, -errno, FAULT_HOST, "narrow the mount of \"%s\"", p->path);
    p->tree_fd = steal_fd(&fd);
    return 0;
}

/* Visible already, as part of a tree that is placed. */
static bool covered(const struct builder *b, const char *path)
{
    for (int i = 0; i < b->count; i++) {
        const struct place *q = &b->all[i];
        if (q->placed && q->is_dir && beneath(path, q->path))
            return true;
    }
    return false;
}

/* Decides which trees are needed: the others are parts of them, or links into
 * them (/bin, where the distribution has merged it into /usr). */
static int take_trees(struct builder *b, struct err *e)
{
    int rc = 0;
    for (int i = 0; i < b->count && rc == 0; i++) {
        struct place *p = &b->all[i];
        if (p->link || (covered(b, p->path) && !p->is_own))
            continue;
        p->placed = true;
        rc = take_tree(p, e);
        b->whole |= strcmp(p->path, "/") == 0;
    }
    for (int i = 0; i < b->count && rc == 0; i++) {
        struct place *p = &b->all[i];
        if (!p->link || covered(b, p->path))
            continue;
        p->placed = true;
        if (p->real && covered(b, p->real))
            continue; /* a link then */
        free(steal_ptr(&p->link));
        rc = take_tree(p, e);
    }
    return rc;
}

static int configure(int fs_fd, const char *const options[][2])
{
    for (int i = 0; options[i][0]; i++) {
        if (fsconfig(fs_fd, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
            return -errno;
    }
    return fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

/* A new file system, mounted nowhere yet; a negative errno. */
static int new_mount(const char *type, const char *const options[][2], unsigned attr)
{
    own_fd int fs = fsopen(type, FSOPEN_CLOEXEC);
    int rc = fs < 0 ? -errno : configure(fs, options);
    if (rc < 0)
        return rc;
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, attr);
    return fd < 0 ? -errno : fd;
}

static int make_root(struct builder *b, struct err *e)
{
    static const char *const options[][2] = {
        {"size", ROOT_SIZE}, {"nr_inodes", ROOT_INODES}, {"mode", "0755"}, {NULL, NULL}};
    if (b->whole)
        b->root_fd = steal_fd(&b->all[0].tree_fd);
    else
        b->root_fd = new_mount("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (b->root_fd < 0)
        return err_errno(e, b->root_fd, FAULT_HOST, "make the box's root");
    if (move_mount(b->root_fd, "", AT_FDCWD, ROOT_FOR_NOW, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_errno(e, -errno, FAULT_HOST, "mount the box's root");
    return 0;
}

static int make_dir(const struct builder *b, const char *path)
{
    return mkdirat(b->root_fd, path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* All directories above `path`, which has no leading slash. */
static int make_way(const struct builder *b, const char *path)
{
    char way[PATH_MAX];
    int rc = 0;
    snprintf(way, sizeof way, "%s", path);
    for (char *at = way; rc == 0 && (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        rc = make_dir(b, way);
    }
    return rc;
}

static int make_file(const struct builder *b, const char *path)
{
    own_fd int fd = openat(b->root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    return fd < 0 && errno != EEXIST ? -errno : 0;
}

static int put_place(const struct builder *b, const struct place *p)
{
    const char *path = p->path + strspn(p->path, "/");
    int rc = make_way(b, path);
    if (rc == 0 && p->link)
        return symlinkat(p->link, b->root_fd, path) < 0 && errno != EEXIST ? -errno : 0;
    if (rc == 0)
        rc = p->is_dir ? make_dir(b, path) : make_file(b, path);
    if (rc < 0 || p->tree_fd < 0)
        return rc;
    return move_mount(p->tree_fd, "", b->root_fd, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

/* The sort has put what is above in front of what is beneath. */
static int put_places(const struct builder *b, struct err *e)
{
    for (int i = 0; i < b->count; i++) {
        bool is_root = b->whole && i == 0;
        int rc = b->all[i].placed && !is_root ? put_place(b, &b->all[i]) : 0;
        if (rc < 0)
            return err_errno(e, rc, FAULT_HOST, "place \"%s\" in the box", b->all[i].path);
    }
    return 0;
}

static int put_proc(const struct builder *b)
{
    const char *const some[][2] = {{"hidepid", "2"}, {"subset", "pid"}, {NULL, NULL}};
    const char *const whole[][2] = {{"hidepid", "2"}, {NULL, NULL}};
    own_fd int fd = new_mount("proc", b->all_of_proc ? whole : some,
                              MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (fd < 0)
        return fd;
    return move_mount(fd, "", b->root_fd, "proc", MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int put_links(const struct builder *b)
{
    static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"},
                                           {"/proc/self/fd/0", "dev/stdin"},
                                           {"/proc/self/fd/1", "dev/stdout"},
                                           {"/proc/self/fd/2", "dev/stderr"}};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        if (symlinkat(links[i][0], b->root_fd, links[i][1]) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

/* Where the root is the host's, read-only, what that has not is missing here too. */
static int unless_whole(const struct builder *b, int rc)
{
    return b->whole && rc == -EROFS ? 0 : rc;
}

/* What every program expects to be there, beside the plan's. */
static int put_rest(const struct builder *b, struct err *e)
{
    static const char *const dirs[] = {"proc", "tmp", "dev", "dev/shm"};
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    int rc = 0;
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0] && rc == 0; i++)
        rc = unless_whole(b, make_dir(b, dirs[i]));
    if (rc == 0)
        rc = unless_whole(b, put_links(b));
    if (rc == 0 && b->with_proc)
        rc = put_proc(b);
    if (rc == 0 && mount_setattr(b->root_fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        rc = -errno;
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "furnish the box's root") : 0;
}

static int leave_old_root(const struct builder *b, struct err *e)
{
    if (fchdir(b->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return err_errno(e, -errno, FAULT_HOST, "enter the box's root");
    /* The old one is on top of the new one now; without it, nothing is. */
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return err_errno(e, -errno, FAULT_HOST, "leave the old root");
    return 0;
}

/* The plan's descriptor still leads into the old root. */
static int replace_directory(const struct builder *b, const struct box_plan *p, struct err *e)
{
    const char *path = NULL;
    for (int i = 0; i < b->count; i++)
        if (b->all[i].is_own)
            path = b->all[i].path;
    if (!path)
        return 0;
    own_fd int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || !same(fd, p->dir_fd) || dup3(fd, p->dir_fd, O_CLOEXEC) < 0)
        return err_errno(e, fd < 0 ? -errno : -ESTALE, FAULT_HOST, "find \"%s\" in the box", path);
    return 0;
}

/* And those beneath /proc are of the host's, where Landlock's rules would be for
 * nothing: what is no process has the same name in the box's own. */
static int replace_proc_paths(const struct box_plan *p, struct err *e)
{
    for (int i = 0; i < p->paths; i++) {
        const char *name = p->path_names[i];
        if (!name || !beneath(name, "/proc"))
            continue;
        own_fd int fd = open(name, O_PATH | O_CLOEXEC);
        if (fd < 0 || dup3(fd, p->path_fds[i], O_CLOEXEC) < 0)
            return err_errno(e, -errno, FAULT_HOST, "find \"%s\" in the box", name);
    }
    return 0;
}

static int enter_namespace(struct err *e)
{
    struct mount_attr apart = {.propagation = MS_PRIVATE};
    if (unshare(CLONE_NEWNS) < 0)
        return err_errno(e, -errno, FAULT_HOST, "make a mount namespace");
    if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &apart, sizeof apart) < 0)
        return err_errno(e, -errno, FAULT_HOST, "part the mounts from the host's");
    return 0;
}

int mounts_make(const struct box_plan *p, struct err *e)
{
    struct builder b __attribute__((cleanup(builder_done))) = {.root_fd = -1, .sys_fd = -1};
    /* Named first: from another namespace a descriptor's name begins at that
     * one's root, which in a chroot is not ours. */
    int rc = list_places(&b, p, e);
    if (rc == 0)
        rc = enter_namespace(e);
    if (rc == 0)
        rc = take_trees(&b, e);
    if (rc == 0)
        rc = make_root(&b, e);
    mode_t umask_before = umask(022); /* every uid passes through what is made */
    if (rc == 0)
        rc = put_places(&b, e);
    if (rc == 0)
        rc = put_rest(&b, e);
    umask(umask_before);
    if (rc == 0)
        rc = leave_old_root(&b, e);
    if (rc == 0)
        rc = replace_directory(&b, p, e);
    return rc == 0 ? replace_proc_paths(p, e) : rc;
}
