/* What the fetch stage got, put where the scene finds it: the source as
 * scene/scene.py, an asset at scene/PATH. The files stay the service's (mode
 * 0644): the scene may read them, not change them. Their folders are the
 * scene's, since Manim writes a file beside each SVG that it reads. All of it
 * counts as the scene's files and bytes on disk. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/file.h"
#include "../base/own.h"

#define ASSET_MAX_BYTES (64LL << 30) /* option.def: the largest max_assets_mb */

/* Opens for reading what the fetch stage has checked: then it is ours. */
static int open_fetched(const struct keeper *k, const char *name, struct err *e)
{
    own_fd int dir = file_open_dir(k->dir_fd, "fetched", e);
    if (dir < 0)
        return err_wrap(e, dir, "run the fetch stage first");
    return file_open_beneath(dir, name, geteuid(), ASSET_MAX_BYTES, e);
}

static int copy(int from, int to)
{
    for (;;) {
        ssize_t n = sendfile(to, from, NULL, 1 << 24);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

static int copy_to(int from, int dir_fd, const char *name, struct err *e)
{
    own_fd int to =
        openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    int rc = to < 0 || fchmod(to, 0644) < 0 ? -errno : copy(from, to);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "write \"scene/%s\"", name) : 0;
}

int keeper_place_source(struct keeper *k, struct err *e)
{
    own_fd int from = open_fetched(k, "source", e);
    return from < 0 ? from : copy_to(from, k->scene_dir_fd, "scene.py", e);
}

/* A folder of the scene's in `dir`. */
static int make_folder(const struct keeper *k, int dir, const char *name, struct err *e)
{
    own_fd int fd = file_make_dir(dir, name, 0755, e);
    uid_t uid = k->spec->scene_uid;
    if (fd >= 0 && uid && fchown(fd, uid, uid) < 0)
        return err_errno(e, -errno, FAULT_HOST, "give \"scene/%s\" to uid %u", name, (unsigned)uid);
    return steal_fd(&fd);
}

static int place_asset(const struct keeper *k, int index, struct err *e)
{
    char name[16];
    snprintf(name, sizeof name, "%d", index);
    own_fd int from = open_fetched(k, name, e);
    if (from < 0)
        return from;
    own_fd int dir = fcntl(k->scene_dir_fd, F_DUPFD_CLOEXEC, 3);
    const char *part = k->job->assets[index].path;
    for (const char *slash; (slash = strchr(part, '/')); part = slash + 1) {
        own_free char *folder = own_strndup(part, (size_t)(slash - part));
        int next = make_folder(k, dir, folder, e);
        if (next < 0)
            return next;
        close(dir);
        dir = next;
    }
    return copy_to(from, dir, part, e);
}

int keeper_place_assets(struct keeper *k, struct err *e)
{
    for (int i = 0; i < k->job->asset_count; i++) {
        int rc = place_asset(k, i, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}
