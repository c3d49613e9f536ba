/* `manimd stage NAME DIR`: one stage on one attempt's directory. The supervisor
 * starts it so, and so does a person with a saved directory, under gdb or
 * valgrind; what the supervisor passes in the environment is then chosen
 * here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/config.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/guard.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/log.h"
#include "../base/own.h"
#include "../intake/fetch.h"
#include "../intake/job.h"
#include "../render/render.h"
#include "../sandbox/box.h"
#include "../store/store.h"
#include "../supervise/supervisor.h"
#include "cmd.h"
#include "fetch_urls.h"
#include "settings.h"
#include "stage_env.h"

static int load_job(const char *dir, const struct config *c, struct job *ret, struct err *e)
{
    own_fd int dir_fd = file_open_dir(AT_FDCWD, dir, e);
    if (dir_fd < 0)
        return dir_fd;
    own_buf struct buf text = BUF_INIT(CEILING_JOB_JSON_BYTES);
    int rc = file_read(dir_fd, "job.json", &text, e);
    if (rc < 0)
        return rc;
    rc = job_load(buf_str(&text), text.bytes, c, ret, e);
    return rc ? err_wrap(e, rc, "\"%s/job.json\"", dir) : 0;
}

static int run_render(const struct job *job, const char *dir, const struct config *c,
                      const struct stage_env *env, struct err *e)
{
    struct settings parts;
    if (settings_find(c, &parts, e))
        return STAGE_HOST_FAULT;
    struct render_spec spec = {
        .python = parts.python,
        .harness = parts.harness,
        .encoder = parts.encoder,
        .zygote_fd = env->zygote_fd,
        .scene_uid = env->scene_uid,
        .encoder_uid = env->encoder_uid,
        .sandbox_minimum = box_level_from_name(c->sandbox),
        .sandbox = env->sandbox,
        .cgroup = env->cgroup,
        .report_fd = env->report_fd,
        .gpu = strcmp(c->gpu, "egl") == 0,
        .tripwires = (int)c->tripwires,
        .cpu_percent = (int)c->cpu_percent,
        .frame_log = env->frame_log,
        .script_dir = env->script_dir,
        .script_path = env->script_path,
    };
    return render_stage(job, dir, &spec, e);
}

static int run_store(const struct job *job, const char *dir, const struct config *c,
                     const struct stage_env *env, struct err *e)
{
    config_scrub_environment();
    struct store_spec spec = {
        .config = c,
        .encoder_uid = env->encoder_uid,
        .nonce = env->nonce,
        .report_fd = env->report_fd,
    };
    return store_stage(job, dir, &spec, e);
}

/* What the supervisor signed; by hand, whoever has the keys signs here. */
static int read_urls(const struct job *job, const char *dir, const struct config *c, cJSON **ret,
                     struct err *e)
{
    own_free char *path = own_printf("%s/urls.json", dir);
    own_free char *made = NULL;
    own_buf struct buf text = BUF_INIT(CEILING_FETCH_URLS_BYTES);
    int rc = access(path, F_OK) ? fetch_urls_make(job, c, &made, e)
                                : file_read(AT_FDCWD, path, &text, e);
    if (rc < 0 || (!made && !text.bytes))
        return rc;
    const char *json = made ? made : buf_str(&text);
    return json_parse(json, strlen(json), FAULT_HOST, ret, e);
}

static int run_fetch(const struct job *job, const char *dir, const struct config *c,
                     const struct stage_env *env, struct err *e)
{
    struct guard guard;
    own_json cJSON *urls = NULL;
    if (guard_init(&guard, c->guard_allow, c->allow_http, e) < 0 ||
        read_urls(job, dir, c, &urls, e) < 0)
        return STAGE_HOST_FAULT;
    config_scrub_environment();
    own_free const char **assets = own_calloc((size_t)job->asset_count + 1, sizeof *assets);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(urls, "assets");
    for (int i = 0; i < job->asset_count; i++)
        assets[i] = cJSON_GetStringValue(cJSON_GetArrayItem(list, i));
    const struct fetch_spec spec = {
        .guard = &guard,
        .ca_file = c->fetch_ca_file,
        .s3_ca_file = c->s3_ca_file,
        .timeout_ms = c->fetch_timeout_s * 1000,
        .tries = (int)c->fetch_tries,
        .assets_bytes = c->max_assets_mb * 1024 * 1024,
        .uid = strcmp(c->sandbox, "none") ? env->fetch_uid : 0,
        .sandbox_minimum = box_level_from_name(c->sandbox),
        .sandbox = env->sandbox,
        .cgroup = env->cgroup,
        .signed_source = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(urls, "source")),
        .signed_assets = assets,
    };
    return fetch_stage(job, dir, &spec, e);
}

static int run(enum stage stage, const char *dir, const struct config *c, struct err *e)
{
    static int (*const stages[STAGE_COUNT])(const struct job *, const char *, const struct config *,
                                            const struct stage_env *, struct err *) = {
        [STAGE_FETCH] = run_fetch, [STAGE_RENDER] = run_render, [STAGE_STORE] = run_store};
    own_free char *real = realpath(dir, NULL);
    if (!real)
        return err_errno(e, -errno, FAULT_HOST, "find \"%s\"", dir), STAGE_USAGE;
    struct job job = {0};
    int rc = load_job(real, c, &job, e);
    if (rc)
        return STAGE_HOST_FAULT;
    log_set_context(job.id, stage_name(stage));
    struct stage_env env;
    rc = stage_env_read(&env, stage, real, e);
    rc = rc ? STAGE_HOST_FAULT : stages[stage](&job, real, c, &env, e);
    job_free(&job);
    return rc;
}

int cmd_stage(int argc, char **argv)
{
    const char *words[2] = {0};
    static const struct arg table[] = {{0}};
    const struct args args = {
        .usage = "stage fetch|render|store DIR",
        .about = "Runs one stage on an attempt's directory that holds job.json, as the worker\n"
                 "does. It exits with 0 (done), 1 (the job's fault) or 3 (ours); its result is\n"
                 "DIR/fetch.json, DIR/render.json or DIR/store.json.",
        .table = table,
        .words = words,
        .words_least = 2,
        .words_most = 2,
    };
    struct config c;
    int exit;
    if (!cmd_begin(&c, &args, argc, argv, &exit))
        return exit;
    struct err e = ERR_INIT;
    int stage = stage_from_name(words[0]);
    if (stage < 0) {
        err_set(&e, 0, FAULT_HOST, "stage \"%s\" is none: fetch, render and store are", words[0]);
        exit = STAGE_USAGE;
    } else {
        exit = run((enum stage)stage, words[1], &c, &e);
    }
    if (exit != STAGE_DONE && e.text[0])
        log_at(exit == STAGE_JOB_FAULT ? LOG_INFO : LOG_ERROR, "%s", e.text);
    config_done(&c);
    return exit;
}
