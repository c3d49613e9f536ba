/* What a box may reach: the system's paths that a render needs, found by
 * tracing one (sandbox.md §6), and those that the caller adds.
 *
 * Every path is opened O_PATH outside the box, before the stranger's program
 * exists, so that nothing it does later can change what a rule means. */
#include "box.h"

#include "../base/err.h"
#include "../base/own.h"
#include "layers.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#define ONLY(profile) (1u << (profile))
/* A box with a GPU has all that the same without one has. */
#define FOR(profile)                                                     \
    (ONLY(profile) | ((profile) == BOX_SCENE     ? ONLY(BOX_SCENE_GPU)   \
                      : (profile) == BOX_ENCODER ? ONLY(BOX_ENCODER_GPU) \
                                                 : 0))
#define BOTH (FOR(BOX_SCENE) | FOR(BOX_ENCODER))
#define GPU (ONLY(BOX_SCENE_GPU) | ONLY(BOX_ENCODER_GPU))

/* Patterns of glob(7); what is not there is left out. */
static const struct {
    const char *pattern;
    unsigned access;
    unsigned profiles;
} system_paths[] = {
    /* Interpreter, TeX, dvisvgm, fonts, time zones: all of the distribution. */
    {"/usr", BOX_READ | BOX_EXEC, FOR(BOX_SCENE)},
    {"/bin", BOX_READ | BOX_EXEC, FOR(BOX_SCENE)},
    {"/lib", BOX_READ | BOX_EXEC, FOR(BOX_SCENE)},
    {"/lib64", BOX_READ | BOX_EXEC, FOR(BOX_SCENE)},
    /* Debian's sitecustomize is a link into /etc/python3.x. */
    {"/etc/python3*", BOX_READ, FOR(BOX_SCENE)},
    {"/etc/alternatives", BOX_READ, FOR(BOX_SCENE)},
    {"/etc/fonts", BOX_READ, FOR(BOX_SCENE)},
    {"/etc/texmf", BOX_READ, FOR(BOX_SCENE)},
    {"/etc/papersize", BOX_READ, FOR(BOX_SCENE)},
    {"/etc/paperspecs", BOX_READ, FOR(BOX_SCENE)},
    /* Where Debian's libcrypto, and so hashlib, looks for its configuration. */
    {"/etc/ssl/openssl.cnf", BOX_READ, FOR(BOX_SCENE)},
    {"/etc/localtime", BOX_READ, FOR(BOX_SCENE)},
    {"/var/lib/texmf", BOX_READ, FOR(BOX_SCENE)},
    {"/var/cache/fontconfig", BOX_READ, FOR(BOX_SCENE)},
    /* The encoder is loaded already; libgcc_s may still be, by a thread's end. */
    {"/usr/lib", BOX_READ, FOR(BOX_ENCODER)},
    {"/lib", BOX_READ, FOR(BOX_ENCODER)},
    {"/lib64", BOX_READ, FOR(BOX_ENCODER)},
    {"/etc/ld.so.cache", BOX_READ, BOTH},
    /* How many processors there are. */
    {"/sys/devices/system/cpu", BOX_READ, BOTH},
    {"/dev/null", BOX_READ | BOX_WRITE, BOTH},
    {"/dev/urandom", BOX_READ, BOTH},
    {"/dev/random", BOX_READ, FOR(BOX_SCENE)},
    /* What turns names into addresses, and the certificates to be trusted. */
    {"/usr/lib", BOX_READ, FOR(BOX_FETCH)},
    {"/lib", BOX_READ, FOR(BOX_FETCH)},
    {"/lib64", BOX_READ, FOR(BOX_FETCH)},
    {"/etc/ld.so.cache", BOX_READ, FOR(BOX_FETCH)},
    {"/sys/devices/system/cpu", BOX_READ, FOR(BOX_FETCH)},
    {"/dev/null", BOX_READ | BOX_WRITE, FOR(BOX_FETCH)},
    {"/dev/urandom", BOX_READ, FOR(BOX_FETCH)},
    {"/etc/resolv.conf", BOX_READ, FOR(BOX_FETCH)},
    {"/etc/hosts", BOX_READ, FOR(BOX_FETCH)},
    {"/etc/host.conf", BOX_READ, FOR(BOX_FETCH)},
    {"/etc/gai.conf", BOX_READ, FOR(BOX_FETCH)},
    {"/etc/nsswitch.conf", BOX_READ, FOR(BOX_FETCH)},
    {"/etc/ssl/openssl.cnf", BOX_READ, FOR(BOX_FETCH)},
    {"/etc/ssl/certs", BOX_READ, FOR(BOX_FETCH)},
    {"/usr/share/ca-certificates", BOX_READ, FOR(BOX_FETCH)},
    {"/usr/local/share/ca-certificates", BOX_READ, FOR(BOX_FETCH)},
    /* A GPU (docs/gpu.md). Of the devices exactly these: never card*, which sets
     * modes, uvm-tools, which looks into others' memory, caps/, or AMD's kfd. */
    {"/dev/nvidiactl", BOX_DEVICE, GPU},
    {"/dev/nvidia[0-9]*", BOX_DEVICE, GPU},
    {"/dev/nvidia-modeset", BOX_DEVICE, ONLY(BOX_SCENE_GPU)},
    {"/dev/dri/renderD128", BOX_DEVICE, ONLY(BOX_SCENE_GPU)},
    {"/dev/nvidia-uvm", BOX_DEVICE, ONLY(BOX_ENCODER_GPU)},
    {"/proc/driver/nvidia", BOX_READ, GPU},
    {"/proc/devices", BOX_READ, GPU},
    {"/proc/meminfo", BOX_READ, GPU},
    {"/proc/cpuinfo", BOX_READ, ONLY(BOX_ENCODER_GPU)},
    {"/proc/sys/vm/mmap_min_addr", BOX_READ, ONLY(BOX_ENCODER_GPU)},
    {"/sys/devices/system/memory/block_size_bytes", BOX_READ, GPU},
    {"/sys/devices/system/node", BOX_READ, GPU},
    {"/sys/class/drm/renderD128/device", BOX_READ, ONLY(BOX_SCENE_GPU)},
    {"/etc/glvnd", BOX_READ, ONLY(BOX_SCENE_GPU)},
    {"/etc/drirc", BOX_READ, ONLY(BOX_SCENE_GPU)},
};

static int allow_pattern(struct box_plan *p, const char *pattern, unsigned access, struct err *e)
{
    glob_t found = {0};
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0) {
        globfree(&found);
        return 0; /* not on this machine */
    }
    int rc = 0;
    for (size_t i = 0; i < found.gl_pathc && rc >= 0; i++)
        rc = box_plan_allow(p, found.gl_pathv[i], access, e);
    globfree(&found);
    return rc < 0 ? rc : 0;
}

static int allow_system(struct box_plan *p, struct err *e)
{
    for (size_t i = 0; i < sizeof system_paths / sizeof system_paths[0]; i++) {
        if (!(system_paths[i].profiles & ONLY(p->profile)))
            continue;
        int rc = allow_pattern(p, system_paths[i].pattern, system_paths[i].access, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int box_plan_init(struct box_plan *p, enum box_profile profile, enum box_level level, struct err *e)
{
    *p = (struct box_plan){.level = level, .profile = profile, .dir_fd = -1};
    p->filter = box_filter_for(profile, level);
    int rc = level >= BOX_BASIC ? allow_system(p, e) : 0;
    if (rc < 0)
        box_plan_done(p);
    return rc;
}

/* `name`: NULL when only the descriptor is known. */
static int add_path(struct box_plan *p, int fd, unsigned access, const char *name)
{
    if (p->paths == BOX_PATHS_MAX) {
        close(fd);
        return -ENOSPC;
    }
    p->path_fds[p->paths] = fd;
    p->path_access[p->paths] = access;
    p->path_names[p->paths] = name ? own_strdup(name) : NULL;
    p->paths++;
    return 0;
}

int box_plan_allow(struct box_plan *p, const char *path, unsigned access, struct err *e)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 1;
    int rc = fd < 0 ? -errno : add_path(p, fd, access, path);
    if (rc < 0)
        return err_errno(e, rc, FAULT_HOST, "allow \"%s\" in the sandbox", path);
    return 0;
}

int box_plan_allow_fd(struct box_plan *p, int dir_fd, unsigned access)
{
    int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : add_path(p, fd, access, NULL);
}

void box_plan_keep(struct box_plan *p, int fd)
{
    assert(p->kept < BOX_KEEP_FDS_MAX && fd >= 0);
    p->keep_fds[p->kept++] = fd;
}

void box_plan_done(struct box_plan *p)
{
    for (int i = 0; i < p->paths; i++) {
        close(p->path_fds[i]);
        free(p->path_names[i]);
    }
    p->paths = 0;
    p->kept = 0;
}
