/* What a stage finds in its environment beside its options (supervisor.h), or
 * chooses by itself when a person runs it by hand. */
#ifndef MANIMD_STAGE_ENV_H
#define MANIMD_STAGE_ENV_H

#include <stdbool.h>
#include <sys/types.h>

#include "../manimd.h"
#include "../supervise/supervisor.h"

/* cmd/'s own variables, for `manimd render`. */
#define STAGE_ENV_FRAME_LOG "MANIMD_STAGE_FRAME_LOG" /* 1: keep a frame log */
#define STAGE_ENV_SCRIPT "MANIMD_STAGE_SCRIPT"       /* absolute path of the file */
/* What the sandbox offers here (box_describe()), found once by the worker. */
#define STAGE_ENV_SANDBOX "MANIMD_STAGE_SANDBOX"
#define STAGE_ENV_CGROUP "MANIMD_STAGE_CGROUP" /* its place for the slots' cgroups */

struct stage_env {
    uid_t scene_uid, encoder_uid, fetch_uid;
    char nonce[JOB_NONCE_CHARS + 1];
    int zygote_fd, report_fd; /* -1: none */
    bool frame_log;
    const char *sandbox, *cgroup;         /* NULL: nobody has probed, or has any */
    const char *script_path, *script_dir; /* NULL: a job from a queue */
    char script_dir_bytes[4096];
};

int stage_env_read(struct stage_env *ret, enum stage stage, const char *dir, struct err *e);

#endif
