/* The wiring. Claims flow from the queue to the supervisor, ends flow back:
 *
 *   on_claim → supervisor_start → on_end → finish/release → on_finished
 *            → supervisor_reported → (slot emptied) → on_free → offer */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/config.h"
#include "../base/err.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/log.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "../events/result.h"
#include "../render/render.h"
#include "../sandbox/box.h"
#include "../sandbox/cgroup.h"
#include "../supervise/private_dir.h"
#include "courier_seat.h"
#include "fetch_urls.h"
#include "progress_json.h"
#include "settings.h"
#include "stage_env.h"
#include "zygotes.h"

#define FETCH_GRACE_MS 15000
#define STORE_GRACE_MS 30000
#define PROGRESS_EVERY_MS 250
#define EMPTY_WITHIN_MS 20
/* After a drain's time: for stages to stop and the queue to answer. */
#define DRAIN_GRACE_MS 20000

struct worker {
    struct worker_spec spec;
    struct settings settings;
    struct render_spec render; /* what the zygotes are started with */
    struct supervisor *supervisor;
    struct zygotes *zygotes;
    struct queue *queue;
    struct courier_seat *courier;   /* NULL: no Redis, no webhooks */
    struct private_dir private_dir; /* the work directory when none was named */
    char **env[STAGE_COUNT];
    char *sandbox;   /* what this machine offers: STAGE_ENV_SANDBOX=… */
    bool namespaces; /* whether they are among it */
    struct cgroup_home cgroup;
    uid_t uid_base;
    int running;
    bool ready_said, draining, gave_up, closing;
    struct timer patience;
};

/* One claim that runs here; claim->user. */
struct running {
    struct worker *worker;
    int lost; /* enum claim_lost, -1: not lost */
    int64_t progress_ms;
};

static void offer(struct worker *w)
{
    if (w->queue)
        w->queue->ops->offer(w->queue, supervisor_free_slots(w->supervisor));
}

/* ---- how it ended ---- */

static int64_t took(const struct attempt_end *end, enum stage stage)
{
    return end->stages[stage].start_ms ? end->stages[stage].end_ms - end->stages[stage].start_ms
                                       : 0;
}

static char *make_result(struct worker *w, const struct claim *c, const struct attempt_end *end,
                         enum outcome outcome)
{
    const struct result_facts facts = {
        .job = &c->job,
        .worker = w->spec.config->worker_name,
        .price_per_hour = w->spec.config->price_per_hour,
        .slots = w->spec.slots,
        .attempt = c->attempt,
        .outcome = outcome,
        .why = end->why,
        .dir = end->dir ? end->dir : "/nonexistent",
        .enqueued_unix_ms = c->enqueued_unix_ms,
        .claimed_unix_ms = c->claimed_unix_ms,
        .fetch_ms = took(end, STAGE_FETCH),
        .render_ms = took(end, STAGE_RENDER),
        .store_ms = took(end, STAGE_STORE),
    };
    return result_build(&facts);
}

static void log_end(const struct claim *c, const struct attempt_end *end, enum outcome outcome,
                    const char *result)
{
    double seconds =
        (double)(took(end, STAGE_FETCH) + took(end, STAGE_RENDER) + took(end, STAGE_STORE)) / 1000;
    if (outcome == OUTCOME_completed) {
        log_job(LOG_INFO, c->job.id, "completed in %.1f s", seconds);
        return;
    }
    own_json cJSON *json = NULL;
    (void)json_parse(result, strlen(result), FAULT_HOST, &json, NULL); /* our own text */
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(json, "error");
    log_job(outcome_is_host_fault(outcome) ? LOG_ERROR : LOG_INFO, c->job.id, "%s after %.1f s: %s",
            outcome_name(outcome), seconds, json_str(error, "message"));
}

/* What else a scene that ended so may have done to the process that forked it
 * is not known. */
static bool is_abnormal(enum outcome o)
{
    return o != OUTCOME_completed && o != OUTCOME_scene_error && o != OUTCOME_tex_error &&
           o != OUTCOME_source_rejected && o != OUTCOME_output_missing &&
           o != OUTCOME_store_failed && o != OUTCOME_fetch_failed;
}

static void on_end(void *arg, void *user, const struct attempt_end *end)
{
    struct worker *w = arg;
    struct claim *c = user;
    const struct running *r = c->user;
    if (end->released) {
        log_job(LOG_INFO, c->job.id, "given back to the queue");
        w->queue->ops->release(w->queue, c);
        return;
    }
    enum outcome outcome = end->outcome;
    if (outcome == OUTCOME_cancelled && r->lost == CLAIM_EXPIRED)
        outcome = OUTCOME_expired;
    own_free char *result = make_result(w, c, end, outcome);
    log_end(c, end, outcome, result);
    if (end->stages[STAGE_RENDER].start_ms && is_abnormal(outcome))
        zygotes_spoiled(w->zygotes);
    if (w->spec.on_result)
        w->spec.on_result(w->spec.arg, end, result);
    w->queue->ops->finish(w->queue, c, outcome, result);
}

/* ---- the queue's words ---- */

static void on_claim(void *arg, struct claim *c)
{
    struct worker *w = arg;
    struct running *r = own_calloc(1, sizeof *r);
    *r = (struct running){.worker = w, .lost = -1};
    c->user = r;
    w->running++;
    const struct picture *p = &c->job.picture;
    log_job(LOG_INFO, c->job.id, "started: %s at %dx%d, attempt %d",
            c->job.scene ? c->job.scene : "its scene", p->width, p->height, c->attempt);
    struct err e = ERR_INIT;
    own_free char *urls = NULL;
    struct attempt_end end = {.outcome = OUTCOME_fetch_failed};
    int rc = fetch_urls_make(&c->job, w->spec.config, &urls, &e);
    if (!rc) {
        const struct attempt a = {.job = &c->job, .nonce = c->nonce, .urls = urls, .user = c};
        rc = supervisor_start(w->supervisor, &a, &e);
        end = (struct attempt_end){.outcome = OUTCOME_host_error, .released = rc == -EBUSY};
    }
    if (!rc)
        return;
    snprintf(end.why, sizeof end.why, "%.500s", e.text);
    on_end(w, c, &end);
}

static void forget_running(struct worker *w, struct claim *c)
{
    free(c->user);
    c->user = NULL;
    w->running--;
}

static void on_lost(void *arg, struct claim *c, enum claim_lost why)
{
    struct worker *w = arg;
    struct running *r = c->user;
    if (why != CLAIM_STALE) {
        r->lost = (int)why;
        supervisor_cancel(w->supervisor, c);
        return;
    }
    log_job(LOG_WARN, c->job.id, "somebody else has it: stopped, nothing is published");
    supervisor_lost(w->supervisor, c);
    forget_running(w, c);
    w->queue->ops->forget(w->queue, c);
}

static void on_finished(void *arg, struct claim *c, enum queue_verdict v)
{
    struct worker *w = arg;
    if (v == QUEUE_STALE)
        log_job(LOG_WARN, c->job.id, "its result came too late: somebody else has it");
    else if (v == QUEUE_RETRYING)
        log_job(LOG_INFO, c->job.id, "will be tried again");
    if (c->job.webhook)
        courier_seat_poke(w->courier);
    supervisor_reported(w->supervisor, c);
    forget_running(w, c);
    offer(w);
}

static void on_empty(void *arg)
{
    struct worker *w = arg;
    if (w->spec.until_empty && !w->draining && w->running == 0) {
        log_at(LOG_INFO, "the queue is empty: stopping");
        worker_drain(w, 0);
    }
}

static void on_state(void *arg, bool up, const char *why)
{
    struct worker *w = arg;
    if (!up) {
        log_at(LOG_WARN, "the queue is away: %s", why ? why : "no reason given");
        return;
    }
    log_at(LOG_INFO, w->ready_said ? "the queue is back" : "ready: %d slots, queue \"%s\"",
           w->spec.slots, w->spec.config->queue);
    w->ready_said = true;
}

static void on_warning(void *arg, const char *text)
{
    (void)arg;
    log_at(LOG_WARN, "%s", text);
}

/* ---- the supervisor's words ---- */

static void on_progress(void *arg, void *user, enum stage stage, const char *line)
{
    struct worker *w = arg;
    struct claim *c = user;
    struct running *r = c->user;
    int64_t now_ms = clock_now_ms();
    if (now_ms - r->progress_ms < PROGRESS_EVERY_MS)
        return;
    own_free char *json = progress_json(stage, line);
    if (!json)
        return;
    r->progress_ms = now_ms;
    if (w->spec.on_progress)
        w->spec.on_progress(w->spec.arg, json);
    w->queue->ops->progress(w->queue, c, json);
}

/* A claim may be granted yet while its answer is on its way: it is waited for, to be
 * given back. */
static bool is_drained(const struct worker *w)
{
    return w->draining && supervisor_idle(w->supervisor) &&
           (!w->queue || w->queue->ops->settled(w->queue));
}

static void on_free(void *arg, int free_slots)
{
    struct worker *w = arg;
    (void)free_slots;
    if (is_drained(w))
        loop_stop(w->spec.loop);
    else
        offer(w);
}

static void on_settled(void *arg)
{
    struct worker *w = arg;
    if (!w->closing && is_drained(w))
        loop_stop(w->spec.loop);
}

static int lend(void *arg)
{
    struct worker *w = arg;
    return zygotes_lend(w->zygotes);
}

static bool is_child(void *arg, pid_t pid)
{
    struct worker *w = arg;
    return (w->zygotes && zygotes_is_child(w->zygotes, pid)) ||
           courier_seat_is_child(w->courier, pid);
}

static struct slot_uids slot_uids(void *arg, int slot)
{
    const struct worker *w = arg;
    struct box_uids uids = {0};
    if (geteuid() == 0)
        uids = box_uids_for_slot(w->uid_base, slot);
    return (struct slot_uids){uids.scene, uids.encoder, uids.fetch};
}

/* Without uids of their own, what ran in a slot can only be told from the rest
 * by its parent: with a single slot and no zygote, all our children are it. */
static int empty_slot(void *arg, int slot)
{
    struct worker *w = arg;
    const struct slot_uids u = slot_uids(w, slot);
    const uid_t uids[] = {u.scene, u.encoder, u.fetch};
    supervisor_reap(w->supervisor);
    if (!u.scene)
        return w->spec.slots == 1 && w->spec.zygote_jobs == 0 &&
                       box_empty(0, getpid(), EMPTY_WITHIN_MS, NULL)
                   ? -EAGAIN
                   : 0;
    for (size_t i = 0; i < sizeof uids / sizeof *uids; i++)
        if (box_empty(uids[i], 0, EMPTY_WITHIN_MS, NULL))
            return -EAGAIN;
    return 0;
}

static enum outcome judge(void *arg, const char *dir, enum stage stage, int exit_status,
                          char ret_why[512])
{
    (void)arg;
    own_free char *file = own_printf("%s.json", stage_name(stage));
    struct err e = ERR_INIT;
    enum outcome o = result_outcome(dir, file, exit_status, &e);
    snprintf(ret_why, 512, "%.500s", e.text);
    return o;
}

/* ---- life ---- */

/* Probed once: the stages are told. */
static int check_sandbox(struct worker *w, struct err *e)
{
    struct box_layer_report layers[LAYER_COUNT];
    enum box_level level = box_probe(layers);
    own_buf struct buf text = BUF_INIT(CEILING_REPORT_LINE_BYTES);
    if (box_describe(level, layers, &text) == 0)
        w->sandbox = own_printf(STAGE_ENV_SANDBOX "=%s", buf_str(&text));
    w->namespaces = level > BOX_NONE && layers[LAYER_NAMESPACES].state == LAYER_ACTIVE;
    int wanted = box_level_from_name(w->spec.config->sandbox);
    const struct box_layer_report *cpu = &layers[LAYER_CPU];
    if (w->spec.config->cpu_percent && cpu->state != LAYER_ACTIVE)
        log_at(LOG_WARN, "cpu_percent cannot be kept here: %s", cpu->reason);
    if ((int)level >= wanted)
        return layers[LAYER_CGROUP].state == LAYER_ACTIVE ? cgroup_begin(&w->cgroup, e) : 0;
    const char *why = "";
    for (int i = 0; i < LAYER_COUNT && !*why; i++)
        if (layers[i].state != LAYER_ACTIVE)
            why = layers[i].reason;
    return err_set(e, -EPERM, FAULT_HOST,
                   "sandbox: this machine reaches level \"%s\" and \"%s\" is the least allowed "
                   "(%s); see `manimd doctor`, or allow it by name with --sandbox %s",
                   box_level_name(level), w->spec.config->sandbox, why, box_level_name(level));
}

static char **env_with(char **env, const char *const *extra)
{
    size_t count = 0, added = 0;
    while (env[count])
        count++;
    while (extra && extra[added])
        added++;
    env = own_realloc(env, (count + added + 1) * sizeof *env);
    for (size_t i = 0; i < added; i++)
        env[count + i] = own_strdup(extra[i]);
    env[count + added] = NULL;
    return env;
}

static void make_env(struct worker *w)
{
    const struct config *c = w->spec.config;
    own_free char *cgroup = own_printf(STAGE_ENV_CGROUP "=%s", w->cgroup.path);
    const char *const offered[] = {w->sandbox, w->cgroup.path[0] ? cgroup : NULL, NULL};
    w->env[STAGE_FETCH] = env_with(config_env(c, FOR_FETCH), offered);
    w->env[STAGE_RENDER] = env_with(config_env(c, FOR_RENDER), w->spec.render_extra);
    w->env[STAGE_RENDER] = env_with(w->env[STAGE_RENDER], offered);
    w->env[STAGE_STORE] = config_env(c, FOR_STORE);
}

static void free_env(struct worker *w)
{
    for (int i = 0; i < STAGE_COUNT; i++)
        if (w->env[i])
            w->env[i] = config_env_free(w->env[i]);
}

static int64_t store_ms(const struct worker *w)
{
    return w->spec.config->store_timeout_s * 1000 + STORE_GRACE_MS;
}

static int64_t fetch_ms(const struct worker *w)
{
    return w->spec.config->fetch_timeout_s * 1000 + FETCH_GRACE_MS;
}

static int start_supervisor(struct worker *w, struct err *e)
{
    const struct config *c = w->spec.config;
    make_env(w);
    struct supervisor_spec spec = {
        .loop = w->spec.loop,
        .slots = w->spec.slots,
        .manimd = w->settings.manimd,
        .work_dir = w->private_dir.path ? w->private_dir.path : c->work_dir,
        .stage_env = {w->env[0], w->env[1], w->env[2]},
        .fetch_ms = fetch_ms(w),
        .store_ms = store_ms(w),
        .uids = slot_uids,
        .judge = judge,
        .is_child = is_child,
        .lend = lend,
        .on_end = on_end,
        .on_progress = on_progress,
        .on_free = on_free,
        .empty = empty_slot,
        .arg = w,
    };
    return supervisor_new(&spec, &w->supervisor, e);
}

static int open_queue(struct worker *w, struct err *e)
{
    const struct queue_events events = {
        .on_claim = on_claim,
        .on_lost = on_lost,
        .on_finished = on_finished,
        .on_empty = w->spec.until_empty ? on_empty : NULL, /* finding out costs a script */
        .on_state = on_state,
        .on_settled = on_settled,
        .on_warning = on_warning,
        .arg = w,
    };
    const struct worker_spec *s = &w->spec;
    int rc = s->queue_dir ? queue_open_dir(s->loop, s->config, s->queue_dir, &events, &w->queue, e)
                          : queue_open_redis(s->loop, s->config, &events, &w->queue, e);
    if (!rc)
        offer(w);
    return rc;
}

static void name_worker(struct config *c)
{
    char host[256] = "worker";
    if (c->worker_name)
        return;
    (void)gethostname(host, sizeof host - 1); /* cut short is as good */
    c->worker_name = own_printf("%s-%d", host, (int)getpid());
}

static int start(struct worker *w, struct err *e)
{
    int rc = settings_find(w->spec.config, &w->settings, e);
    if (!rc)
        rc = check_sandbox(w, e);
    if (!rc && !w->spec.config->work_dir)
        rc = private_dir_make(&w->private_dir, e);
    if (!rc)
        rc = start_supervisor(w, e);
    if (rc)
        return rc;
    w->render = (struct render_spec){.spare = true,
                                     .namespaces = w->namespaces,
                                     .python = w->settings.python,
                                     .harness = w->settings.harness,
                                     .encoder = w->settings.encoder,
                                     .zygote_fd = -1,
                                     .report_fd = -1};
    w->zygotes = zygotes_new(w->spec.loop, &w->render, w->spec.zygote_jobs);
    if (!w->spec.queue_dir)
        w->courier = courier_seat_new(w->spec.loop, w->spec.config, w->settings.manimd);
    return open_queue(w, e);
}

int worker_new(const struct worker_spec *spec, struct worker **ret, struct err *e)
{
    struct worker *w = own_calloc(1, sizeof *w);
    w->spec = *spec;
    w->private_dir = (struct private_dir)PRIVATE_DIR_INIT;
    w->uid_base = (uid_t)spec->config->slot_uid_base;
    if (!w->uid_base && geteuid() == 0)
        w->uid_base = box_random_uid_base();
    name_worker(spec->config);
    int rc = start(w, e);
    if (rc) {
        worker_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

int worker_run(struct worker *w)
{
    loop_run(w->spec.loop);
    return w->gave_up ? -ETIMEDOUT : 0;
}

static void on_patience(void *arg)
{
    struct worker *w = arg;
    log_at(LOG_ERROR, "the queue did not answer in time: %d jobs are left to their leases",
           w->running);
    w->gave_up = true;
    loop_stop(w->spec.loop);
}

void worker_drain(struct worker *w, int64_t timeout_ms)
{
    if (w->closing)
        return; /* a signal while the last things are put away */
    if (!w->draining && w->queue)
        w->queue->ops->draining(w->queue);
    w->draining = true;
    supervisor_drain(w->supervisor, timeout_ms);
    offer(w);
    loop_timer_cancel(w->spec.loop, &w->patience);
    loop_timer(w->spec.loop, &w->patience, timeout_ms + DRAIN_GRACE_MS, on_patience, w);
    if (is_drained(w))
        loop_stop(w->spec.loop);
}

void worker_reload(struct worker *w)
{
    if (w->closing)
        return;
    free_env(w);
    make_env(w);
    supervisor_reload(w->supervisor, w->env, fetch_ms(w), store_ms(w));
    courier_seat_reload(w->courier, w->spec.config);
}

void *worker_free(struct worker *w)
{
    if (!w)
        return NULL;
    w->closing = true;
    loop_timer_cancel(w->spec.loop, &w->patience);
    if (w->supervisor)
        w->supervisor = supervisor_free(w->supervisor);
    if (w->queue)
        w->queue->ops->close(w->queue);
    w->zygotes = zygotes_free(w->zygotes);
    w->courier = courier_seat_free(w->courier); /* last: jobs that ended owe webhooks */
    cgroup_end(&w->cgroup);
    private_dir_done(&w->private_dir);
    free_env(w);
    free(w->sandbox);
    free(w);
    return NULL;
}
