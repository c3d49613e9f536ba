#include "stage_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/err.h"
#include "../base/file.h"
#include "../sandbox/box.h"

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static int descriptor(const char *name)
{
    int fd = (int)number(name, -1);
    if (fd < 0 || fcntl(fd, F_GETFD) < 0)
        return -1;
    fd_set_cloexec(fd, 1);
    return fd;
}

/* By hand, the owner of what an earlier render left tells whose uid it was;
 * a fresh directory gets a fresh pair. */
static void choose_uids(struct stage_env *env, enum stage stage, const char *dir)
{
    if (geteuid())
        return;
    char out[4096];
    struct stat st;
    snprintf(out, sizeof out, "%s/out", dir);
    if (stage == STAGE_STORE && !lstat(out, &st)) {
        env->encoder_uid = st.st_uid;
        return;
    }
    struct box_uids uids = box_uids_for_slot(box_random_uid_base(), 0);
    env->scene_uid = uids.scene;
    env->encoder_uid = uids.encoder;
    env->fetch_uid = uids.fetch;
}

static void choose_nonce(struct stage_env *env)
{
    unsigned char bytes[JOB_NONCE_CHARS / 2] = {0};
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        abort(); /* never short below 256 bytes */
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(env->nonce + 2 * i, 3, "%02x", bytes[i]);
}

static int read_script(struct stage_env *env, struct err *e)
{
    const char *path = getenv(STAGE_ENV_SCRIPT);
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!path || !*path)
        return 0;
    size_t bytes = slash ? (size_t)(slash - path) : 0;
    if (path[0] != '/' || bytes >= sizeof env->script_dir_bytes)
        return err_set(e, -EINVAL, FAULT_HOST, STAGE_ENV_SCRIPT " \"%s\": must be absolute", path);
    snprintf(env->script_dir_bytes, sizeof env->script_dir_bytes, "%.*s", (int)bytes, path);
    env->script_dir = bytes ? env->script_dir_bytes : "/";
    env->script_path = path;
    return 0;
}

int stage_env_read(struct stage_env *ret, enum stage stage, const char *dir, struct err *e)
{
    *ret = (struct stage_env){
        .zygote_fd = descriptor(STAGE_ENV_ZYGOTE_FD),
        .report_fd = descriptor(STAGE_ENV_REPORT_FD),
        .sandbox = getenv(STAGE_ENV_SANDBOX),
        .cgroup = getenv(STAGE_ENV_CGROUP),
        .frame_log = number(STAGE_ENV_FRAME_LOG, 0) != 0,
        .scene_uid = (uid_t)number(STAGE_ENV_SCENE_UID, 0),
        .encoder_uid = (uid_t)number(STAGE_ENV_ENCODER_UID, 0),
        .fetch_uid = (uid_t)number(STAGE_ENV_FETCH_UID, 0),
    };
    if (!getenv(STAGE_ENV_ENCODER_UID))
        choose_uids(ret, stage, dir);
    const char *nonce = getenv(STAGE_ENV_NONCE);
    if (nonce && *nonce)
        snprintf(ret->nonce, sizeof ret->nonce, "%s", nonce);
    else
        choose_nonce(ret);
    if (ret->report_fd < 0 && isatty(2))
        ret->report_fd = fcntl(2, F_DUPFD_CLOEXEC, 3); /* a person may watch */
    return read_script(ret, e);
}
