#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/file.h"
#include "../base/own.h"

#define ERROR_TEXT_MAX 8192
#define OUTPUTS_MAX 64

void verdict_set(struct verdict *v, enum outcome outcome, cJSON *error)
{
    if (v->set) {
        cJSON_Delete(error);
        return;
    }
    *v = (struct verdict){.set = true, .outcome = outcome, .error = error};
}

void verdict_say(struct verdict *v, enum outcome outcome, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (v->set)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text[text_clean(text, strlen(text))] = 0;
    cJSON *error = cJSON_CreateObject();
    cJSON_AddStringToObject(error, "code", outcome_name(outcome));
    cJSON_AddStringToObject(error, "message", text);
    verdict_set(v, outcome, error);
}

/* What a scene's own words may choose. */
static const enum outcome scene_may_say[] = {
    OUTCOME_source_rejected, OUTCOME_scene_error,   OUTCOME_tex_error,  OUTCOME_memory_limit,
    OUTCOME_output_missing,  OUTCOME_process_limit, OUTCOME_disk_limit,
};

static bool scene_said(const cJSON *word, enum outcome *ret)
{
    int o = outcome_from_name(json_str(word, "outcome"));
    for (size_t i = 0; i < sizeof scene_may_say / sizeof scene_may_say[0]; i++)
        if (o == (int)scene_may_say[i]) {
            *ret = scene_may_say[i];
            return true;
        }
    return false;
}

static void copy_text(cJSON *to, const cJSON *from, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(from, key);
    if (!cJSON_IsString(value))
        return;
    own_free char *text = own_strndup(value->valuestring, ERROR_TEXT_MAX);
    text[text_clean(text, strlen(text))] = 0;
    cJSON_AddStringToObject(to, key, text);
}

static void copy_number(cJSON *to, const cJSON *from, const char *key)
{
    double n = json_num(from, key, 0);
    if (n >= 1 && n < 1e9)
        json_add_int(to, key, (int64_t)n);
}

/* The scene's words about its error: known fields, bounded, cleaned. */
static cJSON *clean_error(const cJSON *error)
{
    cJSON *out = cJSON_CreateObject();
    copy_text(out, error, "code");
    copy_text(out, error, "message");
    copy_number(out, error, "line");
    copy_number(out, error, "column");
    copy_text(out, error, "excerpt");
    copy_text(out, error, "file");
    copy_text(out, error, "traceback");
    return out;
}

static const struct {
    int signo;
    enum outcome outcome;
    const char *sentence;
} scene_signals[] = {
    {SIGSYS, OUTCOME_sandbox_violation, "the scene made a system call that the sandbox forbids"},
    {SIGXCPU, OUTCOME_cpu_limit, "the scene used more CPU time than cpu_s allows"},
    {SIGXFSZ, OUTCOME_disk_limit, "the scene wrote a file larger than disk_mb allows"},
};

static void judge_signal(struct keeper *k, int signo)
{
    for (size_t i = 0; i < sizeof scene_signals / sizeof scene_signals[0]; i++)
        if (scene_signals[i].signo == signo) {
            verdict_say(&k->verdict, scene_signals[i].outcome, "%s", scene_signals[i].sentence);
            if (scene_signals[i].outcome == OUTCOME_cpu_limit)
                keeper_tell_where(k);
            return;
        }
    /* RLIMIT_CPU's hard limit is a SIGKILL. */
    if (signo == SIGKILL && k->job->limits.cpu_ms && k->cpu_ms >= k->job->limits.cpu_ms)
        verdict_say(&k->verdict, OUTCOME_cpu_limit, "%s", scene_signals[1].sentence);
    else
        verdict_say(&k->verdict, OUTCOME_crashed, "the scene's process died of signal %d (%s)",
                    signo, strsignal(signo));
}

/* Its own words, where these may choose. */
static bool believe_scene(struct keeper *k)
{
    enum outcome said;
    if (!scene_said(k->scene_word, &said))
        return false;
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(k->scene_word, "error");
    verdict_set(&k->verdict, said, clean_error(error));
    return true;
}

void keeper_judge_scene(struct keeper *k)
{
    int status = k->scene_status;
    if (!k->sealed) {
        verdict_say(&k->verdict, OUTCOME_host_error,
                    "the scene's process ended before it was in its sandbox");
        return;
    }
    keeper_look_at_cgroup(k);
    if (WIFSIGNALED(status)) {
        judge_signal(k, WTERMSIG(status));
        return;
    }
    if (believe_scene(k))
        return;
    bool well = strcmp(json_str(k->scene_word, "outcome"), "completed") == 0;
    if (WEXITSTATUS(status) != 0 || !well)
        verdict_say(&k->verdict, OUTCOME_scene_error,
                    "the scene ended its own process (exit status %d) before it was done",
                    WEXITSTATUS(status));
    else if (!k->encoder_started)
        verdict_say(&k->verdict, OUTCOME_output_missing, "the scene ended without any picture");
    else
        k->scene_finished = true;
}

void keeper_judge_endless(struct keeper *k)
{
    if (!k->verdict.set && !believe_scene(k))
        verdict_say(&k->verdict, OUTCOME_scene_error,
                    "the scene was done, but its process went on for %d s", END_WITHIN_MS / 1000);
}

void keeper_judge_encoder(struct keeper *k)
{
    int status = k->encoder_status;
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(k->encoder_word, "error");
    const char *message = json_str(error, "message");
    if (WIFEXITED(status) && WEXITSTATUS(status) == STAGE_DONE && !error && k->encoder_word) {
        k->scene_done_ms = k->scene_done_ms ? k->scene_done_ms : k->encoder_end_ms;
        return;
    }
    int o = outcome_from_name(json_str(error, "outcome"));
    if (WIFEXITED(status) && WEXITSTATUS(status) == STAGE_JOB_FAULT && o >= 0 &&
        !outcome_is_host_fault((enum outcome)o) && o != OUTCOME_completed) {
        verdict_say(&k->verdict, (enum outcome)o, "%s", message);
        return;
    }
    keeper_look_at_encoder_cgroup(k);
    if (WIFSIGNALED(status))
        verdict_say(&k->verdict, OUTCOME_host_error, "the encoder died of signal %d (%s)",
                    WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        verdict_say(&k->verdict,
                    o == OUTCOME_sandbox_setup ? OUTCOME_sandbox_setup : OUTCOME_host_error,
                    "the encoder failed (exit status %d)%s%s", WEXITSTATUS(status),
                    *message ? ": " : "", message);
}

/* Looks at one file that the encoder says it made. */
static int check_output(struct keeper *k, const cJSON *output, unsigned *made, struct err *e)
{
    const char *name = json_str(output, "name");
    int kind = output_kind_from_name(json_str(output, "kind"));
    if (kind < 0 || !*name)
        return err_set(e, -EPROTO, FAULT_HOST, "the encoder names no output");
    uid_t owner = k->spec->encoder_uid ? k->spec->encoder_uid : geteuid();
    int fd = file_open_beneath(k->out_dir_fd, name, owner, k->job->limits.output_bytes, e);
    if (fd < 0)
        return fd;
    struct stat st;
    int rc = fstat(fd, &st) < 0 ? -errno : 0;
    close(fd);
    if (rc == 0 && st.st_size > 0)
        *made |= OUTPUT_BIT(kind);
    return rc;
}

static void check_outputs(struct keeper *k)
{
    unsigned made = 0;
    int count = 0;
    const cJSON *output;
    cJSON_ArrayForEach(output, cJSON_GetObjectItemCaseSensitive(k->encoder_word, "outputs"))
    {
        struct err e = ERR_INIT;
        if (++count > OUTPUTS_MAX || check_output(k, output, &made, &e) < 0) {
            verdict_say(&k->verdict, OUTCOME_host_error, "output: %s", e.text);
            return;
        }
    }
    for (int kind = 0; kind < OUTPUT_COUNT; kind++)
        if (k->job->outputs & ~made & OUTPUT_BIT(kind))
            verdict_say(&k->verdict, OUTCOME_output_missing, "the output \"%s\" was not made",
                        output_kind_name((enum output_kind)kind));
}

static void add_timings(const struct keeper *k, cJSON *result)
{
    cJSON *t = cJSON_AddObjectToObject(result, "timings_ms");
    int64_t sealed = k->sealed_ms ? k->sealed_ms : k->started_ms;
    int64_t scene = k->scene_end_ms ? k->scene_end_ms : sealed;
    int64_t encoder = k->encoder_end_ms > scene ? k->encoder_end_ms : scene;
    json_add_int(t, "start", sealed - k->started_ms);
    json_add_int(t, "render", scene - sealed);
    json_add_int(t, "encode", encoder - scene);
}

/* What an encoder that a scene has taken over may call a number. */
static int64_t count_of(const cJSON *word, const char *key)
{
    double n = json_num(word, key, 0);
    return n > 0 && n < 9e15 ? (int64_t)n : 0;
}

static void add_encoded(const struct keeper *k, cJSON *result)
{
    bool done = k->verdict.outcome == OUTCOME_completed;
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(k->encoder_word, "outputs");
    cJSON_AddItemToObject(result, "outputs",
                          done && outputs ? cJSON_Duplicate(outputs, true) : cJSON_CreateArray());
    json_add_int(result, "frames", count_of(k->encoder_word, "frames"));
    json_add_int(result, "frames_distinct", count_of(k->encoder_word, "distinct"));
    cJSON_AddStringToObject(result, "encoder_used", json_str(k->encoder_word, "encoder_used"));
}

/* What of the scene's calls tripped, by name; rows of one name are one. */
static void add_tripped(const struct keeper *k, cJSON *sandbox)
{
    cJSON_AddStringToObject(sandbox, "tripwires",
                            k->tripwires[0] ? k->tripwires : "nobody listened");
    cJSON_AddStringToObject(sandbox, "gpu", k->spec->gpu ? "kernel driver exposed" : "none");
    cJSON *tripped = cJSON_AddObjectToObject(sandbox, "tripped");
    const char *name;
    for (int i = 0; (name = box_tripwire_name(i)); i++)
        if (k->trips.counts[i] > 0)
            json_add_int(tripped, name, k->trips.counts[i]);
}

static void add_sandbox(const struct keeper *k, cJSON *result)
{
    own_buf struct buf text = BUF_INIT(CEILING_REPORT_LINE_BYTES);
    cJSON *sandbox = NULL;
    if (box_describe(k->level, k->layers, &text) == 0 &&
        json_parse(buf_str(&text), text.bytes, FAULT_HOST, &sandbox, NULL) == 0)
        cJSON_AddItemToObject(result, "sandbox", sandbox);
    add_tripped(k, sandbox);
    json_add_int(sandbox, "cpu_percent", keeper_cpu_percent(k));
}

static cJSON *result_json(const struct keeper *k)
{
    cJSON *r = cJSON_CreateObject();
    cJSON_AddStringToObject(r, "outcome", outcome_name(k->verdict.outcome));
    cJSON_AddItemToObject(r, "error",
                          k->verdict.error ? cJSON_Duplicate(k->verdict.error, true)
                                           : cJSON_CreateNull());
    own_free char *log_tail = k->log.tail ? scene_log_last(&k->log, CEILING_LOG_TAIL_BYTES) : NULL;
    cJSON_AddStringToObject(r, "log_tail", log_tail ? log_tail : "");
    add_encoded(k, r);
    add_timings(k, r);
    int64_t peak = k->watch.usage.memory_peak_bytes;
    if (peak < k->maxrss_bytes)
        peak = k->maxrss_bytes;
    json_add_int(r, "peak_memory_bytes", k->charged_bytes ? k->charged_bytes : peak);
    int64_t seen_ms = k->watch.usage.cpu_ms; /* more, when nobody waited for its children */
    json_add_int(r, "cpu_ms", seen_ms > k->cpu_ms ? seen_ms : k->cpu_ms);
    cJSON_AddStringToObject(r, "render_path", k->render_path);
    add_sandbox(k, r);
    return r;
}

int keeper_write_result(struct keeper *k, struct err *e)
{
    struct err log_error = ERR_INIT;
    if (k->log.fd >= 0 && scene_log_finish(&k->log, &log_error) < 0)
        verdict_say(&k->verdict, OUTCOME_host_error, "%s", log_error.text);
    if (!k->verdict.set)
        check_outputs(k);
    if (!k->verdict.set)
        verdict_set(&k->verdict, OUTCOME_completed, NULL);
    own_json cJSON *result = result_json(k);
    own_free char *text = json_print(result);
    int rc = k->dir_fd < 0
                 ? -EBADF
                 : file_write_atomic(k->dir_fd, "render.json", text, strlen(text), 0644, e);
    return rc < 0 ? err_wrap(e, rc, "write \"render.json\"") : 0;
}
