#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/own.h"

#define WARDEN_MESSAGE_BYTES 4096
#define REPORT_EVERY_MS 100
#define FPS_MAX 120
#define SIDE_MAX 8192 /* more the encoder would refuse as our fault (encode/settings.c) */

static int64_t integer(const cJSON *j, const char *key)
{
    double n = json_num(j, key, 0);
    return n > 0 && n < 9e15 ? (int64_t)n : 0;
}

static bool has(const cJSON *j, const char *key)
{
    return cJSON_HasObjectItem(j, key);
}

/* The warden's messages, by the key that names each (native/native.h). */

static void on_warden(struct keeper *k, const cJSON *m)
{
    k->warden_pid = (pid_t)integer(m, "warden");
    k->watch.reaper_pid = k->warden_pid;
}

static void on_init(struct keeper *k, const cJSON *m)
{
    k->watch.init_pid = (pid_t)integer(m, "init");
}

static void on_scene(struct keeper *k, const cJSON *m)
{
    k->scene_pid = (pid_t)integer(m, "scene");
}

static void on_about(struct keeper *k, const cJSON *m)
{
    const cJSON *about = cJSON_GetObjectItemCaseSensitive(m, "about");
    const char *path = json_str(about, "render_path"), *reason = json_str(about, "reason");
    snprintf(k->render_path, sizeof k->render_path, *reason ? "%s: %s" : "%s%s", path, reason);
}

static void on_sealed(struct keeper *k, const cJSON *m)
{
    k->sealed = true;
    /* It may have been said while the keeper was busy. */
    int64_t now = clock_now_ms(), at = integer(m, "at_ms");
    k->sealed_ms = at >= k->started_ms && at <= now ? at : now;
}

static void on_setup_failed(struct keeper *k, const cJSON *m)
{
    verdict_say(&k->verdict, OUTCOME_sandbox_setup, "%s", json_str(m, "setup_failed"));
}

static void on_tripwires(struct keeper *k, const cJSON *m)
{
    const char *state = json_str(m, "tripwires");
    snprintf(k->tripwires, sizeof k->tripwires, "%s", state);
}

static void on_reaped(struct keeper *k, const cJSON *m)
{
    k->watch.cpu_ms_reaped = integer(m, "reaped_cpu_ms");
}

static void take_usage(struct keeper *k, const cJSON *m)
{
    k->cpu_ms = integer(m, "cpu_ms");
    k->maxrss_bytes = integer(m, "maxrss_kb") * 1024;
}

static void on_exit_status(struct keeper *k, const cJSON *m)
{
    k->scene_exited = true;
    k->scene_status = (int)integer(m, "exit");
    k->scene_end_ms = clock_now_ms();
    take_usage(k, m);
}

static void on_empty(struct keeper *k, const cJSON *m)
{
    k->scene_empty = true;
    take_usage(k, m);
}

static const struct {
    const char *key;
    void (*hear)(struct keeper *k, const cJSON *message);
} warden_words[] = {
    {"warden", on_warden},
    {"init", on_init},
    {"scene", on_scene},
    {"about", on_about},
    {"sealed", on_sealed},
    {"exit", on_exit_status},
    {"empty", on_empty},
    {"reaped_cpu_ms", on_reaped},
    {"setup_failed", on_setup_failed},
    {"tripwires", on_tripwires},
};

static void warden_message(struct keeper *k, const char *text, size_t bytes)
{
    own_json cJSON *m = NULL;
    if (json_parse(text, bytes, FAULT_HOST, &m, NULL) < 0)
        return;
    for (size_t i = 0; i < sizeof warden_words / sizeof warden_words[0]; i++)
        if (has(m, warden_words[i].key))
            warden_words[i].hear(k, m);
}

/* The one descriptor that comes by this socket is the tripwires' listener. */
static void take_listener(struct keeper *k, struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    int fd;
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof fd))
        return;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (k->trips.fd >= 0)
        close(k->trips.fd);
    k->trips.fd = fd;
}

void keeper_hear_warden(struct keeper *k)
{
    char text[WARDEN_MESSAGE_BYTES];
    for (;;) {
        struct iovec iov = {.iov_base = text, .iov_len = sizeof text - 1};
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.space,
                           .msg_controllen = sizeof control.space};
        ssize_t n = recvmsg(k->job_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            close(k->job_fd);
            k->job_fd = -1;
            return;
        }
        take_listener(k, &m);
        text[n] = 0;
        warden_message(k, text, (size_t)n);
    }
}

/* Which it tried most; there is one, as one was counted. */
static const char *most_tripped(const struct box_trips *t)
{
    int most = 0;
    for (int i = 0; i < BOX_TRIPWIRES_MAX; i++)
        most = t->counts[i] > t->counts[most] ? i : most;
    const char *name = box_tripwire_name(most);
    return name ? name : "?";
}

void keeper_hear_trips(struct keeper *k)
{
    box_trips_answer(&k->trips);
    if (k->spec->tripwires > 0 && k->trips.total > k->spec->tripwires)
        verdict_say(&k->verdict, OUTCOME_sandbox_violation,
                    "the scene tried %lld system calls that only an escape needs, most often %s()",
                    (long long)k->trips.total, most_tripped(&k->trips));
}

/* A scene may change the shape and the rate of its picture, as it may under
 * stock Manim, but not make it larger than the job's: that is what was paid. */
static bool picture_allowed(const struct keeper *k, const struct picture *p)
{
    const struct picture *job = &k->job->picture;
    int64_t pixels = (int64_t)p->width * p->height;
    return p->width > 0 && p->height > 0 && p->fps_num > 0 && p->fps_den > 0 &&
           p->width <= SIDE_MAX && p->height <= SIDE_MAX &&
           pixels <= (int64_t)job->width * job->height &&
           (int64_t)p->fps_num <= (int64_t)FPS_MAX * p->fps_den;
}

static int bounded(const cJSON *j, const char *key)
{
    int64_t n = integer(j, key);
    return n < 1000000 ? (int)n : 0;
}

static void on_picture(struct keeper *k, const cJSON *word)
{
    if (k->encoder_started || k->verdict.set)
        return;
    struct picture p = k->job->picture;
    p.width = bounded(word, "width");
    p.height = bounded(word, "height");
    p.fps_num = bounded(word, "fps_num");
    p.fps_den = bounded(word, "fps_den");
    if (!picture_allowed(k, &p)) {
        verdict_say(&k->verdict, OUTCOME_output_invalid,
                    "the scene sets a picture of %dx%d at %g fps in `config`, beyond the job's "
                    "%dx%d; ask for it with `quality`, or `width`, `height` and `fps`",
                    p.width, p.height, (double)p.fps_num / (p.fps_den ? p.fps_den : 1),
                    k->job->picture.width, k->job->picture.height);
        return;
    }
    struct err e = ERR_INIT;
    k->picture = p;
    if (keeper_start_encoder(k, &e) < 0)
        verdict_say(&k->verdict, OUTCOME_host_error, "%s", e.text);
}

static void on_progress(struct keeper *k, const cJSON *word)
{
    int64_t now = clock_now_ms();
    if (k->spec->report_fd < 0 || now < k->next_report_ms)
        return;
    k->next_report_ms = now + REPORT_EVERY_MS;
    double percent = json_num(word, "percent", 0);
    percent = percent >= 0 && percent <= 100 ? percent : 0;
    int64_t frames = integer(word, "frames"), play = integer(word, "play");
    double seconds = (double)(now - k->sealed_ms) / 1000;
    double fps = seconds > 0 ? (double)frames / seconds : 0;
    double eta = percent > 0 ? seconds * (100 - percent) / percent : 0;
    own_free char *line =
        own_printf("{\"percent\":%.1f,\"frames\":%lld,\"fps\":%.1f,\"eta_s\":%.1f,\"play\":%lld}\n",
                   percent, (long long)frames, fps, eta, (long long)play);
    (void)file_write_all(k->spec->report_fd, line, strlen(line)); /* nobody need listen */
}

static void on_scene_line(void *arg, char *line)
{
    struct keeper *k = arg;
    own_json cJSON *j = NULL;
    if (json_parse(line, strlen(line), FAULT_JOB, &j, NULL) < 0) {
        keeper_hear_where(k, line);
        return;
    }
    const cJSON *word = cJSON_GetObjectItemCaseSensitive(j, "progress");
    if (cJSON_IsObject(word))
        on_progress(k, word);
    word = cJSON_GetObjectItemCaseSensitive(j, "picture");
    if (cJSON_IsObject(word))
        on_picture(k, word);
    cJSON *result = cJSON_DetachItemFromObjectCaseSensitive(j, "result");
    if (result) {
        cJSON_Delete(k->scene_word);
        k->scene_word = result;
        k->scene_done_ms = k->scene_done_ms ? k->scene_done_ms : clock_now_ms();
    }
}

static void close_at_end(int *fd, int rc)
{
    if (rc >= 0)
        return;
    close(*fd);
    *fd = -1;
}

void keeper_hear_scene(struct keeper *k)
{
    int rc = lines_read(&k->words, k->words_fd, on_scene_line, k);
    if (k->words.bytes > WORDS_MAX_BYTES)
        verdict_say(&k->verdict, OUTCOME_log_limit, "the scene wrote more than %d MB of reports",
                    WORDS_MAX_BYTES >> 20);
    close_at_end(&k->words_fd, rc);
}

void keeper_hear_log(struct keeper *k)
{
    int rc = scene_log_read(&k->log, k->log_fd);
    if (rc < 0 && rc != -EPIPE)
        verdict_say(&k->verdict, OUTCOME_host_error, "write \"log\": %s", strerror(-rc));
    if (k->log.bytes > k->job->limits.log_bytes)
        verdict_say(&k->verdict, OUTCOME_log_limit, "the scene printed more than %lld bytes",
                    (long long)k->job->limits.log_bytes);
    close_at_end(&k->log_fd, rc);
}

static void on_encoder_line(void *arg, char *line)
{
    struct keeper *k = arg;
    cJSON *j = NULL;
    if (json_parse(line, strlen(line), FAULT_HOST, &j, NULL) < 0)
        return;
    if (!has(j, "done") && !has(j, "error")) {
        cJSON_Delete(j);
        return;
    }
    cJSON_Delete(k->encoder_word);
    k->encoder_word = j;
}

void keeper_hear_encoder(struct keeper *k)
{
    close_at_end(&k->encoder_fd, lines_read(&k->encoder_lines, k->encoder_fd, on_encoder_line, k));
}

void keeper_hear_signal(struct keeper *k)
{
    struct signalfd_siginfo info;
    while (read(k->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            verdict_say(&k->verdict, OUTCOME_cancelled, "stopped from outside");
}
