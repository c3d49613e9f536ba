/* `manimd render FILE`: the worker's own way for one job, with a directory as
 * the queue and as the store, in a private temporary directory. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/config.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/json.h"
#include "../base/log.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "../intake/job.h"
#include "../sandbox/box.h"
#include "cmd.h"
#include "deliver.h"
#include "job_make.h"
#include "progress.h"
#include "stage_env.h"
#include "verdict.h"
#include "worker.h"

struct render {
    struct job_args job;
    const char *out, *frame_log;
    bool json;
    struct config *config;
    char dir[4096]; /* the private directory */
    struct worker *worker;
    struct progress progress;
    cJSON *result; /* NULL until it ended */
    struct err frame_log_err;
};

static void on_signal(void *arg, int signo)
{
    struct render *r = arg;
    (void)signo;
    if (r->worker)
        worker_drain(r->worker, 0);
}

static void on_progress(void *arg, const char *json)
{
    struct render *r = arg;
    own_json cJSON *at = NULL;
    if (!json_parse(json, strlen(json), FAULT_JOB, &at, NULL))
        progress_show(&r->progress, "rendering", at);
}

static void on_result(void *arg, const struct attempt_end *end, const char *result_json)
{
    struct render *r = arg;
    if (r->frame_log && end->dir)
        (void)deliver_frame_log(end->dir, r->frame_log, &r->frame_log_err); /* told later */
    (void)json_parse(result_json, strlen(result_json), FAULT_HOST, &r->result, NULL);
    worker_drain(r->worker, 0); /* there is only this one */
}

/* ---- before ---- */

static void replace(char **option, char *with)
{
    free(*option);
    *option = with;
}

/* Your own file on your own machine: without root, less of a box will do, and
 * it is said. A level that was asked for by name stands. */
static void settle_sandbox(struct config *c, bool named)
{
    if (named || geteuid() == 0 || strcmp(c->sandbox, "standard"))
        return;
    struct box_layer_report layers[LAYER_COUNT];
    if (box_probe(layers) >= BOX_STANDARD)
        return;
    fprintf(stderr, "manimd: not root, so the scene runs in the sandbox of level \"basic\": "
                    "it can do nothing that you cannot\n");
    replace(&c->sandbox, own_strdup("basic"));
}

static int make_private_dir(struct render *r, struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(r->dir, sizeof r->dir, "%s/manimd-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(r->dir) || chmod(r->dir, 0711)) {
        r->dir[0] = 0;
        return err_errno(e, -errno, FAULT_HOST, "make a directory beneath \"%s\"",
                         tmp && *tmp ? tmp : "/tmp");
    }
    static const char *const parts[] = {"queue", "queue/new", "queue/done", "store"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        own_free char *path = own_printf("%s/%s", r->dir, parts[i]);
        if (mkdir(path, 0700))
            return err_errno(e, -errno, FAULT_HOST, "make \"%s\"", path);
    }
    struct config *c = r->config;
    replace(&c->work_dir, own_printf("%s/work", r->dir));
    replace(&c->store_dir, own_printf("%s/store", r->dir));
    replace(&c->s3_bucket, NULL);
    replace(&c->s3_prefix, own_strdup(""));
    return 0;
}

static int put_job(const struct render *r, const char *json, struct err *e)
{
    own_free char *path = own_printf("%s/queue/new/job.json", r->dir);
    return file_write_atomic(AT_FDCWD, path, json, strlen(json), 0600, e);
}

/* ---- after ---- */

static int deliver(struct render *r, struct err *e)
{
    cJSON *output = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(r->result, "outputs"), 0);
    if (verdict_exit(r->result) != EXIT_DONE)
        return 0;
    if (!output)
        return err_set(e, -ENOENT, FAULT_HOST, "the render made no output");
    if (r->frame_log_err.text[0]) {
        *e = r->frame_log_err;
        return -EIO;
    }
    cJSON *rest = output;
    for (int i = 0; rest; i++, rest = rest->next) {
        own_free char *from = own_printf("%s/%s", r->config->store_dir, json_str(rest, "key"));
        own_free char *to =
            deliver_name(i ? NULL : r->out, r->job.file, r->job.scene, json_str(rest, "name"));
        int rc = deliver_file(from, to, e);
        if (rc)
            return rc;
        cJSON_DeleteItemFromObjectCaseSensitive(rest, "url");
        cJSON_AddStringToObject(rest, "url", to);
        cJSON_DeleteItemFromObjectCaseSensitive(rest, "key"); /* it is nowhere else */
    }
    return 0;
}

static int tell(struct render *r)
{
    if (!r->result) {
        fprintf(stderr, "manimd: stopped before the end\n");
        return EXIT_JOB;
    }
    if (r->json) {
        own_free char *text = json_print(r->result);
        printf("%s\n", text);
    }
    if (!r->json || verdict_exit(r->result) != EXIT_DONE)
        verdict_print(r->result, r->job.file);
    return verdict_exit(r->result);
}

/* ---- the whole ---- */

static sigset_t stop_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    return signals;
}

static int run_worker(struct render *r, struct err *e)
{
    own_free char *script = realpath(r->job.file, NULL);
    own_free char *script_env = own_printf(STAGE_ENV_SCRIPT "=%s", script ? script : "");
    const char *extra[] = {script_env, r->frame_log ? STAGE_ENV_FRAME_LOG "=1" : NULL, NULL};
    own_free char *queue_dir = own_printf("%s/queue", r->dir);
    struct loop *loop = loop_new();
    const struct worker_spec spec = {
        .config = r->config,
        .loop = loop,
        .queue_dir = queue_dir,
        .slots = 1,
        .render_extra = extra,
        .on_progress = on_progress,
        .on_result = on_result,
        .arg = r,
    };
    const sigset_t signals = stop_signals();
    int rc = loop_signals(loop, &signals, on_signal, r);
    if (!rc)
        rc = worker_new(&spec, &r->worker, e);
    if (!rc) {
        progress_show(&r->progress, "starting", NULL);
        rc = worker_run(r->worker);
        progress_wipe(&r->progress);
        worker_free(r->worker);
    }
    loop_free(loop);
    return rc;
}

static int run(struct render *r, struct err *e)
{
    own_free char *json = NULL;
    if (job_is_url(r->job.file)) {
        err_set(e, -EINVAL, FAULT_HOST,
                "\"%.200s\": is fetched for a queued job only (`manimd submit`); a file is wanted",
                r->job.file);
        return EXIT_USAGE;
    }
    if (job_make(&r->job, r->config, &json, e) || deliver_check(r->out, e) ||
        deliver_check(r->frame_log, e))
        return EXIT_USAGE;
    int exit = EXIT_HOST;
    /* From here on there is something to put away: the loop hears them. */
    const sigset_t signals = stop_signals();
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (!make_private_dir(r, e) && !put_job(r, json, e) && !run_worker(r, e) &&
        (!r->result || !deliver(r, e)))
        exit = tell(r);
    if (r->dir[0])
        (void)file_remove_tree(AT_FDCWD, r->dir, NULL); /* the verdict stands */
    cJSON_Delete(r->result);
    return exit;
}

static bool names_sandbox(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], "--sandbox", strlen("--sandbox")))
            return true;
    return getenv("MANIMD_SANDBOX") != NULL;
}

int cmd_render(int argc, char **argv)
{
    struct render r = {.job = JOB_ARGS_INIT};
    const char *words[2] = {0};
    const struct arg table[] = {
        {"output", 'o', ARG_TEXT, &r.out, "OUT", "the file to write; ./SCENE.mp4 when not said", 0,
         0},
        JOB_ARGS_ROWS(r.job),
        {"frame-log", 0, ARG_TEXT, &r.frame_log, "F", "a line per frame: INDEX REPEAT HASH", 0, 0},
        {"json", 0, ARG_FLAG, &r.json, NULL, "progress and the result as JSON lines", 0, 0},
        {0}};
    const struct args args = {
        .usage = "render FILE [SCENE] [options]",
        .about = "Renders a scene of FILE here, in the sandbox, without Redis and S3. The folder\n"
                 "of FILE can be read by the scene. Exit: 0 done, 1 the scene failed, 2 usage,\n"
                 "3 this machine failed.",
        .table = table,
        .words = words,
        .words_least = 1,
        .words_most = 2,
    };
    struct config c;
    int exit;
    bool sandbox_named = names_sandbox(argc, argv);
    if (!cmd_begin(&c, &args, argc, argv, &exit))
        return exit;
    if (!strcmp(c.log_level, "info"))
        log_setup(LOG_WARN, LOG_FORMAT_TEXT); /* people want the video, not our diary */
    r.job.file = words[0];
    r.job.scene = words[1];
    r.config = &c;
    progress_init(&r.progress, r.json);
    settle_sandbox(&c, sandbox_named);
    struct err e = ERR_INIT;
    exit = run(&r, &e);
    if (e.text[0])
        cmd_fail(exit, &e);
    config_done(&c);
    return exit;
}
