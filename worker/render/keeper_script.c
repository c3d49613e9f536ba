/* `manimd render FILE`: the script's own folder, as the scene may see it.
 *
 * Where the sandbox's uid can enter the folder it is read in place. Often it
 * cannot (a home directory of mode 700), and we will not change a user's
 * modes nor run the scene as the user: then the folder is copied beneath the
 * attempt, within bounds, without what is hidden or Manim's own output. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <libgen.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/file.h"
#include "../base/own.h"

#define COPY_MAX_BYTES (256LL << 20)
#define COPY_MAX_FILES 5000

static bool others_may(const char *path, mode_t bits)
{
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & bits) == bits;
}

/* Whether a uid that owns nothing here can come to the script and read it. */
static bool reachable(const char *dir, const char *script)
{
    own_free char *at = own_strdup(dir);
    if (!others_may(script, S_IROTH) || !others_may(dir, S_IROTH | S_IXOTH))
        return false;
    while (strcmp(at, "/") != 0 && strcmp(at, ".") != 0) {
        char *up = dirname(at);
        memmove(at, up, strlen(up) + 1);
        if (!others_may(at, S_IXOTH))
            return false;
    }
    return true;
}

struct copy {
    int to_fd; /* DIR/script */
    size_t from_length;
    int64_t bytes;
    int files;
};

static int too_large(const struct copy *c, const char *dir, struct err *e)
{
    if (c->bytes <= COPY_MAX_BYTES && c->files <= COPY_MAX_FILES)
        return 0;
    return err_set(e, -E2BIG, FAULT_HOST,
                   "the script's folder \"%s\" cannot be entered by the sandbox's user and is too "
                   "large to copy; move the script, or allow it: chmod o+rx",
                   dir);
}

static int copy_file(const struct copy *c, const FTSENT *f, const char *name, struct err *e)
{
    own_fd int from = open(f->fts_accpath, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    own_fd int to = openat(c->to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (from < 0 || to < 0 || fchmod(to, 0644) < 0)
        return err_errno(e, -errno, FAULT_HOST, "copy \"%s\"", f->fts_path);
    for (int64_t left = f->fts_statp->st_size; left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);
        if (n < 0)
            return err_errno(e, -errno, FAULT_HOST, "copy \"%s\"", f->fts_path);
        if (n == 0)
            break; /* it became shorter */
        left -= n;
    }
    return 0;
}

static bool left_out(const FTSENT *f)
{
    static const char *const names[] = {"media", "__pycache__", "node_modules"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(f->fts_name, names[i]) == 0)
            return true;
    return f->fts_name[0] == '.';
}

static int copy_entry(struct copy *c, FTS *tree, FTSENT *f, struct err *e)
{
    if (f->fts_level == 0)
        return 0;
    if (left_out(f)) {
        fts_set(tree, f, FTS_SKIP);
        return 0;
    }
    const char *name = f->fts_path + c->from_length + 1;
    if (f->fts_info == FTS_F) {
        c->bytes += f->fts_statp->st_size;
        c->files++;
        return c->bytes > COPY_MAX_BYTES ? 0 : copy_file(c, f, name, e); /* too_large() asks */
    }
    if (f->fts_info != FTS_D)
        return 0; /* links, devices, what cannot be read */
    c->files++;
    if (mkdirat(c->to_fd, name, 0755) < 0 || fchmodat(c->to_fd, name, 0755, 0) < 0)
        return err_errno(e, -errno, FAULT_HOST, "copy \"%s\"", f->fts_path);
    return 0;
}

static int copy_tree(struct copy *c, const char *dir, struct err *e)
{
    char *roots[] = {(char *)dir, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    int rc = tree ? 0 : err_errno(e, -errno, FAULT_HOST, "read \"%s\"", dir);
    FTSENT *f;
    while (rc == 0 && (f = fts_read(tree))) {
        if (f->fts_info != FTS_DP)
            rc = copy_entry(c, tree, f, e);
        if (rc == 0)
            rc = too_large(c, dir, e);
    }
    if (tree)
        fts_close(tree);
    return rc;
}

int keeper_place_script(struct keeper *k, struct err *e)
{
    const struct render_spec *s = k->spec;
    if (!s->script_dir)
        return 0;
    const char *base = strrchr(s->script_path, '/');
    k->script_dir = own_strdup(s->script_dir);
    k->script_path = own_strdup(s->script_path);
    if (!s->scene_uid || reachable(s->script_dir, s->script_path))
        return 0;
    own_fd int to = file_make_dir(k->dir_fd, "script", 0755, e);
    if (to < 0)
        return to;
    struct copy c = {.to_fd = to, .from_length = strlen(s->script_dir)};
    if (fchmod(to, 0755) < 0)
        return err_errno(e, -errno, FAULT_HOST, "chmod \"script\"");
    free(k->script_dir);
    free(k->script_path);
    k->script_dir = own_printf("%s/script", k->dir);
    k->script_path = own_printf("%s/%s", k->script_dir, base ? base + 1 : s->script_path);
    return copy_tree(&c, s->script_dir, e);
}
