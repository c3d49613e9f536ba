/* The order in which places are tried: the option, beside the executable (a
 * build directory), where `make install` puts it, the source tree. */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/config.h"
#include "../base/err.h"
#include "../manimd.h"

#ifndef MANIMD_PYTHON
#define MANIMD_PYTHON ""
#endif

/* One place: absolute, or (with `beside`) relative to the executable's
 * directory. */
struct place {
    bool beside;
    const char *path;
};

struct part {
    const char *what, *option, *mend;
    int access; /* R_OK, X_OK */
    const struct place *places;
};

static const struct place encoder_places[] = {
    {true, "manimd-encode"}, {true, "../libexec/manimd-encode"}, {false, NULL}};
static const struct place harness_places[] = {
    {true, "../share/manimd/harness"},     /* installed */
    {true, "../worker/render/harness"},    /* build/manimd of a checkout */
    {true, "../../worker/render/harness"}, /* build/NAME/manimd */
    {false, NULL},
};
static const struct place python_places[] = {{false, MANIMD_PYTHON}, {false, NULL}};

static const struct part part_encoder = {"encoder", "encoder", "build it with `make`", X_OK,
                                         encoder_places};
static const struct part part_harness = {"harness", "harness", "install it with `make install`",
                                         R_OK, harness_places};
static const struct part part_python = {"python with Manim " MANIM_VERSION, "python",
                                        "set one up with `make setup`", X_OK, python_places};

int settings_find_self(struct settings *ret, struct err *e)
{
    ssize_t got = readlink("/proc/self/exe", ret->manimd, sizeof ret->manimd - 1);
    if (got < 0)
        return err_errno(e, -errno, FAULT_HOST, "read /proc/self/exe");
    ret->manimd[got] = 0;
    return 0;
}

static int find(const struct part *part, const char *named, const char *self,
                char ret[static PATH_MAX], struct err *e)
{
    if (named) {
        if (access(named, part->access))
            return err_errno(e, -errno, FAULT_HOST, "%s \"%s\"", part->option, named);
        snprintf(ret, PATH_MAX, "%s", named);
        return 0;
    }
    int dir_bytes = (int)(strrchr(self, '/') - self);
    for (const struct place *p = part->places; p->path; p++) {
        char path[PATH_MAX];
        int bytes = p->beside ? snprintf(path, sizeof path, "%.*s/%s", dir_bytes, self, p->path)
                              : snprintf(path, sizeof path, "%s", p->path);
        if (bytes <= 0 || bytes >= PATH_MAX || access(path, part->access))
            continue;
        memcpy(ret, path, (size_t)bytes + 1);
        return 0;
    }
    return err_set(e, -ENOENT, FAULT_HOST, "%s: none was found, %s or name it with --%s",
                   part->what, part->mend, part->option);
}

int settings_find(const struct config *c, struct settings *ret, struct err *e)
{
    int rc = settings_find_self(ret, e);
    if (!rc)
        rc = find(&part_python, c->python, ret->manimd, ret->python, e);
    if (!rc)
        rc = find(&part_encoder, c->encoder, ret->manimd, ret->encoder, e);
    if (!rc)
        rc = find(&part_harness, c->harness, ret->manimd, ret->harness, e);
    return rc;
}
