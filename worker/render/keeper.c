/* The keeper's loop: hear everybody, look at the box, act on what was seen.
 *
 * Straight blocking code around one poll(2). The order at the end is always
 * the same: the scene has ended, its box is empty, the encoder has ended (by
 * the ring's END, or told to), its box is empty, the verdict, render.json. */
#include "keeper.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/own.h"

#define SEAL_WITHIN_MS 30000
#define DRAIN_READS 64 /* of 16 and 64 KiB: more than a pipe holds */

static const char *const limit_sentences[OUTCOME_COUNT] = {
    [OUTCOME_memory_limit] = "the scene's processes used more than memory_mb allows",
    [OUTCOME_cpu_limit] = "the scene's processes used more CPU time than cpu_s allows",
    [OUTCOME_process_limit] = "the scene started more processes than `processes` allows",
    [OUTCOME_sandbox_violation] = "the scene kept its files or its processes from being looked at",
    [OUTCOME_disk_limit] = "the scene wrote more than disk_mb, or more files than are allowed",
};

static void look(struct keeper *k)
{
    if (!k->sealed || k->scene_exited || k->verdict.set)
        return;
    enum outcome o = box_watch_look(&k->watch);
    if (o == OUTCOME_completed)
        return;
    const char *sentence = limit_sentences[o];
    verdict_say(&k->verdict, o, "%s", sentence ? sentence : outcome_help(o));
    if (o == OUTCOME_cpu_limit)
        keeper_tell_where(k);
}

static void check_time(struct keeper *k)
{
    int64_t now = clock_now_ms();
    if (k->sealed && now > k->sealed_ms + k->job->limits.wall_ms && !k->verdict.set) {
        verdict_say(&k->verdict, OUTCOME_time_limit, "it ran longer than %g seconds",
                    (double)k->job->limits.wall_ms / 1000);
        keeper_tell_where(k);
    }
    if (!k->sealed && now > k->started_ms + SEAL_WITHIN_MS)
        verdict_say(&k->verdict, OUTCOME_host_error,
                    "the scene's process was not ready within %d s", SEAL_WITHIN_MS / 1000);
    if (k->scene_done_ms && !k->scene_exited && now > k->scene_done_ms + END_WITHIN_MS)
        keeper_judge_endless(k);
}

/* Before the seal the scene has no uid of its own yet to be found by: then the
 * end of the job socket tells the warden, which knows its child. */
static void kill_scene(struct keeper *k)
{
    struct err e = ERR_INIT;
    k->scene_killed = true;
    if (!k->sealed || !k->warden_pid) {
        close(k->job_fd);
        k->job_fd = -1;
        return;
    }
    cgroup_box_kill(&k->cgroup);
    if (box_empty(k->spec->scene_uid, k->warden_pid, EMPTY_WITHIN_MS, &e) < 0)
        verdict_say(&k->verdict, OUTCOME_host_error, "%s", e.text);
    keeper_hear_warden(k);
}

static void drain(struct keeper *k)
{
    for (int i = 0; i < DRAIN_READS && k->words_fd >= 0; i++)
        keeper_hear_scene(k);
    for (int i = 0; i < DRAIN_READS && k->log_fd >= 0; i++)
        keeper_hear_log(k);
}

/* The scene has ended: nothing of it may live on while it is judged. */
static void end_scene(struct keeper *k)
{
    if (k->job_fd >= 0 && !k->scene_empty) {
        kill_scene(k);
        return;
    }
    drain(k);
    keeper_judge_scene(k);
}

/* It is ours, and out of the scene's reach. What it guarded is killed by uid;
 * without one, by the parent-death signal that the seal sets. */
static void warden_vanished(struct keeper *k)
{
    struct err e = ERR_INIT;
    k->scene_killed = true;
    cgroup_box_kill(&k->cgroup);
    if (k->spec->scene_uid && box_empty(k->spec->scene_uid, 0, EMPTY_WITHIN_MS, &e) < 0)
        verdict_say(&k->verdict, OUTCOME_host_error, "the scene's warden vanished: %s", e.text);
    verdict_say(&k->verdict, OUTCOME_host_error,
                "the scene's warden vanished: something killed it from outside");
}

static void steer_scene(struct keeper *k)
{
    if (k->job_fd >= 0 && !k->scene_exited && k->verdict.set)
        kill_scene(k);
    else if (k->scene_exited && !k->scene_finished && !k->verdict.set)
        end_scene(k);
    else if (k->scene_exited && k->job_fd >= 0 && !k->scene_empty)
        kill_scene(k);
    else if (k->job_fd < 0 && !k->scene_exited && !k->scene_killed)
        warden_vanished(k);
}

static void stop_encoder(struct keeper *k)
{
    int64_t now = clock_now_ms();
    if (!k->encoder_told) {
        k->encoder_told = true;
        k->encoder_kill_ms = now + ENCODER_STOP_MS;
        kill(k->encoder_pid, SIGTERM);
    } else if (now > k->encoder_kill_ms) {
        kill(k->encoder_pid, SIGKILL);
    }
}

/* Nothing of the scene lives: what it has not written it will not write. */
static void close_ring(struct keeper *k)
{
    struct err e = ERR_INIT;
    if (k->ring_closed || k->job_fd >= 0 || !k->scene_finished)
        return;
    k->ring_closed = true;
    if (ring_close(&k->ring, &e) < 0)
        verdict_say(&k->verdict, OUTCOME_host_error, "%s", e.text);
}

static void reap_encoder(struct keeper *k)
{
    struct err e = ERR_INIT;
    pid_t pid = waitpid(k->encoder_pid, &k->encoder_status, WNOHANG);
    if (pid != k->encoder_pid)
        return;
    k->encoder_pid = 0;
    k->encoder_end_ms = clock_now_ms();
    for (int i = 0; i < DRAIN_READS && k->encoder_fd >= 0; i++)
        keeper_hear_encoder(k);
    if (k->spec->encoder_uid && box_empty(k->spec->encoder_uid, 0, EMPTY_WITHIN_MS, &e) < 0)
        verdict_say(&k->verdict, OUTCOME_host_error, "%s", e.text);
    keeper_judge_encoder(k);
}

static void steer_encoder(struct keeper *k)
{
    if (k->encoder_pid == 0)
        return;
    if (k->verdict.set)
        stop_encoder(k);
    close_ring(k);
    reap_encoder(k);
}

static bool ended(const struct keeper *k)
{
    bool scene = k->job_fd < 0 && (k->verdict.set || k->scene_finished);
    return scene && k->encoder_pid == 0;
}

static void hear(struct keeper *k, int within_ms)
{
    const struct {
        int fd;
        void (*hear)(struct keeper *k);
    } sources[] = {
        {k->signal_fd, keeper_hear_signal}, {k->log_fd, keeper_hear_log},
        {k->words_fd, keeper_hear_scene},   {k->encoder_fd, keeper_hear_encoder},
        {k->job_fd, keeper_hear_warden},    {k->trips.fd, keeper_hear_trips},
    };
    enum { COUNT = sizeof sources / sizeof sources[0] };
    struct pollfd fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = (struct pollfd){.fd = sources[i].fd, .events = POLLIN};
    if (poll(fds, COUNT, within_ms) < 0)
        return; /* interrupted: the next round hears it */
    for (int i = 0; i < COUNT; i++)
        if (fds[i].revents)
            sources[i].hear(k);
}

static void keeper_loop(struct keeper *k)
{
    int64_t next_look_ms = 0;
    while (!ended(k)) {
        int pause_ms = k->watch.pause_ms ? k->watch.pause_ms : WATCH_EVERY_MS;
        hear(k, pause_ms);
        if (clock_now_ms() >= next_look_ms) {
            look(k);
            check_time(k);
            next_look_ms = clock_now_ms() + (k->watch.pause_ms ? k->watch.pause_ms : pause_ms);
        }
        steer_scene(k);
        steer_encoder(k);
    }
    drain(k);
}

static int catch_signals(struct keeper *k, sigset_t *ret_before, struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, ret_before) < 0)
        return err_errno(e, -errno, FAULT_HOST, "block signals");
    k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (k->signal_fd < 0)
        return err_errno(e, -errno, FAULT_HOST, "catch signals");
    return 0;
}

/* The zygote that we started ourselves has nothing left to do. */
static void end_cold(struct keeper *k)
{
    if (!k->cold.pid)
        return;
    zygote_stop(&k->cold);
    kill(k->cold.pid, SIGKILL);
    while (waitpid(k->cold.pid, NULL, 0) < 0 && errno == EINTR)
        ;
    k->cold.pid = 0;
}

static void keeper_done(struct keeper *k)
{
    int *fds[] = {&k->job_fd,      &k->log_fd,          &k->words_fd,        &k->encoder_fd,
                  &k->signal_fd,   &k->dir_fd,          &k->scene_dir_fd,    &k->out_dir_fd,
                  &k->ring.memory, &k->ring.data_ready, &k->ring.space_free, &k->trips.fd};
    end_cold(k);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        own_close_fd(fds[i]);
    box_watch_done(&k->watch);
    keeper_end_cgroup(k);
    scene_log_done(&k->log);
    buf_done(&k->words.part);
    buf_done(&k->encoder_lines.part);
    cJSON_Delete(k->scene_word);
    cJSON_Delete(k->encoder_word);
    cJSON_Delete(k->verdict.error);
    free(k->scene_dir);
    free(k->script_dir);
    free(k->script_path);
    free(k->dir);
}

/* The start failed: the sentence is the verdict, unless there is one. */
static void failed_to_start(struct keeper *k, const struct err *e)
{
    verdict_say(&k->verdict, OUTCOME_host_error, "%s", e->text);
}

static int run(struct keeper *k, struct err *e)
{
    k->started_ms = clock_now_ms();
    int rc = keeper_prepare(k, e);
    if (rc == 0)
        rc = keeper_start_scene(k, e);
    if (rc < 0)
        failed_to_start(k, e);
    else
        keeper_loop(k);
    keeper_look_at_cgroup(k);
    end_cold(k);
    return keeper_write_result(k, e);
}

static int stage_exit(enum outcome o)
{
    if (o == OUTCOME_completed)
        return STAGE_DONE;
    return outcome_is_host_fault(o) ? STAGE_HOST_FAULT : STAGE_JOB_FAULT;
}

int render_stage(const struct job *job, const char *dir, const struct render_spec *spec,
                 struct err *e)
{
    char absolute[PATH_MAX];
    if (!realpath(dir, absolute)) {
        err_errno(e, -errno, FAULT_HOST, "find \"%s\"", dir);
        return STAGE_HOST_FAULT;
    }
    struct keeper k = {
        .job = job,
        .spec = spec,
        .dir_fd = -1,
        .scene_dir_fd = -1,
        .out_dir_fd = -1,
        .job_fd = -1,
        .log_fd = -1,
        .words_fd = -1,
        .encoder_fd = -1,
        .signal_fd = -1,
        .cgroup_home = CGROUP_HOME_INIT,
        .job_cgroup = CGROUP_BOX_INIT,
        .cgroup = CGROUP_BOX_INIT,
        .encoder_cgroup = CGROUP_BOX_INIT,
        .ring = {-1, -1, -1},
        .trips = {.fd = -1},
        .cold = ZYGOTE_INIT,
        .words = LINES_INIT,
        .encoder_lines = LINES_INIT,
        .log = SCENE_LOG_INIT,
        .picture = job->picture,
        .dir = own_strdup(absolute),
    };
    k.scene_dir = own_printf("%s/scene", absolute);
    sigset_t before;
    int rc = catch_signals(&k, &before, e);
    if (rc == 0)
        rc = run(&k, e);
    int status = rc < 0 ? STAGE_HOST_FAULT : stage_exit(k.verdict.outcome);
    keeper_done(&k);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}
