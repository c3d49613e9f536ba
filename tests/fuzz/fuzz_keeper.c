/* What the scene, its warden, the encoder and the scene's print say to the
 * keeper, up to render.json and the result that is made of it. A scene's words
 * choose only among the scene's own faults; nothing that any of them says makes
 * a result that is no JSON, too large, or unfit to be shown.
 *
 * Input: flags, two exit statuses, then pieces up to a NUL, each led by a byte
 * that says whose it is. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../worker/base/file.h"
#include "../../worker/base/limits.h"
#include "../../worker/cmd/progress_json.h"
#include "../../worker/events/result.h"
#include "../../worker/render/keeper.h"
#include "fuzz.h"

enum speaker { SCENE, ENCODER, WARDEN, LOG, SPEAKERS };
enum { FLAG_SEALED = 1, FLAG_STARTED = 2, FLAG_NO_ENCODER = 4 };

int __wrap_keeper_start_encoder(struct keeper *k, struct err *e);

static struct job job = {.id = "a", .outputs = OUTPUT_BIT(OUTPUT_MP4)};
static struct pipes {
    int to[SPEAKERS]; /* our ends */
    int report;       /* what the keeper tells whoever started it */
} pipes;
static unsigned flags;

int __wrap_keeper_start_encoder(struct keeper *k, struct err *e)
{
    if (flags & FLAG_NO_ENCODER)
        return err_set(e, -ENOENT, FAULT_HOST, "there is no encoder");
    must(k->picture.width > 0 && k->picture.height > 0 && k->picture.fps_den > 0);
    must((int64_t)k->picture.width * k->picture.height <=
         (int64_t)job.picture.width * job.picture.height);
    must(k->picture.fps_num <= 120LL * k->picture.fps_den);
    k->encoder_started = true;
    return 0;
}

static int open_pipe(int *ret_write)
{
    int fds[2];
    must(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    *ret_write = fds[1];
    return fds[0];
}

static void open_keeper(struct keeper *k, struct render_spec *spec)
{
    int sockets[2];
    struct err e = ERR_INIT;
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == 0);
    pipes.report = open_pipe(&spec->report_fd);
    *k = (struct keeper){.job = &job, .spec = spec, .scene_dir_fd = -1, .signal_fd = -1};
    k->words = (struct lines)LINES_INIT;
    k->encoder_lines = (struct lines)LINES_INIT;
    k->log = (struct scene_log)SCENE_LOG_INIT;
    k->dir_fd = k->out_dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    k->words_fd = open_pipe(&pipes.to[SCENE]);
    k->encoder_fd = open_pipe(&pipes.to[ENCODER]);
    k->log_fd = open_pipe(&pipes.to[LOG]);
    k->job_fd = sockets[0];
    pipes.to[WARDEN] = sockets[1];
    k->sealed = flags & FLAG_SEALED;
    k->encoder_started = flags & FLAG_STARTED;
    must(scene_log_open(&k->log, k->dir_fd, &e) == 0);
}

static void close_keeper(struct keeper *k)
{
    const int fds[] = {k->words_fd, k->encoder_fd, k->log_fd, k->job_fd, k->dir_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    for (int i = 0; i < SPEAKERS; i++)
        close(pipes.to[i]);
    close(pipes.report);
    close(k->spec->report_fd);
    buf_done(&k->words.part);
    buf_done(&k->encoder_lines.part);
    scene_log_done(&k->log);
    cJSON_Delete(k->scene_word);
    cJSON_Delete(k->encoder_word);
    cJSON_Delete(k->verdict.error);
}

static void hear(struct keeper *k, enum speaker who)
{
    static void (*const ears[])(struct keeper *) = {
        [SCENE] = keeper_hear_scene,
        [ENCODER] = keeper_hear_encoder,
        [WARDEN] = keeper_hear_warden,
        [LOG] = keeper_hear_log,
    };
    for (int i = 0; i < 5; i++) /* 64 KiB of a pipe in pieces of 16 */
        ears[who](k);
}

/* What it passes on goes through the supervisor to everybody who watches. */
static void check_progress(void)
{
    char text[4096];
    ssize_t n = read(pipes.report, text, sizeof(text) - 1);
    if (n <= 0)
        return;
    text[n] = '\0';
    must(text[n - 1] == '\n');
    text[n - 1] = '\0';
    own_free char *json = progress_json(STAGE_RENDER, text);
    own_json cJSON *tree = NULL;
    must(json && json_parse(json, strlen(json), FAULT_HOST, &tree, NULL) == 0);
    double percent = json_num(tree, "percent", -1);
    must(percent >= 0 && percent <= 100);
}

/* The supervisor's own reading of such a line, as if nobody had looked before. */
static void check_line(const char *text)
{
    own_free char *json = progress_json(STAGE_STORE, text);
    own_json cJSON *tree = NULL;
    must(!json || json_parse(json, strlen(json), FAULT_HOST, &tree, NULL) == 0);
}

static void check_result(const struct keeper *k)
{
    struct err e = ERR_INIT;
    bool ours = outcome_is_host_fault(k->verdict.outcome);
    int exit = k->verdict.outcome == OUTCOME_completed ? STAGE_DONE
               : ours                                  ? STAGE_HOST_FAULT
                                                       : STAGE_JOB_FAULT;
    must(result_outcome(".", "render.json", exit, &e) == k->verdict.outcome ||
         k->verdict.outcome == OUTCOME_cancelled);
    own_json cJSON *tree = NULL;
    own_free char *text = result_build(
        &(struct result_facts){.job = &job, .outcome = k->verdict.outcome, .dir = "."});
    must(strlen(text) <= CEILING_RESULT_BYTES);
    must(json_parse(text, strlen(text), FAULT_HOST, &tree, NULL) == 0);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(tree, "error");
    must(fuzz_is_clean(json_str(error, "message")) && fuzz_is_clean(json_str(tree, "log_tail")));
}

static void judge(struct keeper *k, bool only_scene, int scene_status, int encoder_status)
{
    struct err e = ERR_INIT;
    if (!k->scene_exited)
        k->scene_status = scene_status;
    k->encoder_status = encoder_status;
    keeper_judge_scene(k);
    if (only_scene && flags & FLAG_SEALED && !(flags & FLAG_NO_ENCODER) && k->verdict.set)
        must(!outcome_is_host_fault(k->verdict.outcome));
    keeper_judge_encoder(k);
    must(keeper_write_result(k, &e) == 0);
    check_result(k);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    job.picture = (struct picture){.width = 854, .height = 480, .fps_num = 15, .fps_den = 1};
    job.limits.log_bytes = 1000;
    job.limits.output_bytes = 1 << 20;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    flags = feed_byte(&f);
    int scene_status = (int)feed_number(&f, 2), encoder_status = (int)feed_number(&f, 2);
    struct keeper k;
    struct render_spec spec = {0};
    bool only_scene = true;
    open_keeper(&k, &spec);
    while (f.left) {
        enum speaker who = feed_byte(&f) % SPEAKERS;
        size_t piece_bytes;
        own_free char *piece = feed_text(&f, 0, &piece_bytes);
        only_scene = only_scene && (who == SCENE || who == LOG);
        check_line(piece);
        if (piece_bytes && write(pipes.to[who], piece, piece_bytes) > 0)
            hear(&k, who);
        check_progress();
    }
    judge(&k, only_scene, scene_status, encoder_status);
    close_keeper(&k);
    return 0;
}
