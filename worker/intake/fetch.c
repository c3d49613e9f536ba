/* The stage: starts the fetcher, waits for its end, and looks at what it left
 * only when nothing of it lives. See fetch.h. */
#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/file.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "../sandbox/box.h"
#include "fetch_cgroup.h"
#include "fetcher.h"

#define CA_MAX_BYTES (4 * 1024 * 1024)
#define SHOWN_BYTES 60 /* of an asset's path */
#define GRACE_MS 5000  /* beyond the deadline, for a fetcher that keeps it */
#define EMPTY_WITHIN_MS 3000
#define EXIT_WITHIN_MS 3000 /* of a fetcher that has said all */

struct fetch {
    const struct job *job;
    const struct fetch_spec *spec;
    struct fetch_plan plan;
    int dir_fd;
    enum box_level level;
    struct box_layer_report layers[LAYER_COUNT];
    struct fetch_cgroup cgroup;
    int words_fd, signal_fd;
    pid_t pid;
    struct buf words;
    bool cancelled, late;
    int64_t started_ms, requests;
    cJSON *files; /* of the result */
};

/* ---- what to get ---- */

/* Long ones cut between two characters: JSON takes no half of one. */
static void name_asset(struct fetch_item *item, const char *path)
{
    size_t n = strlen(path);
    bool cut = n > SHOWN_BYTES;
    for (n = cut ? SHOWN_BYTES : n; cut && ((unsigned char)path[n] & 0xc0) == 0x80; n--)
        ;
    snprintf(item->what, sizeof item->what, "asset \"%.*s%s\"", (int)n, path, cut ? "…" : "");
}

static void list_items(struct fetch *f)
{
    const struct job *job = f->job;
    const struct fetch_spec *s = f->spec;
    struct fetch_plan *p = &f->plan;
    p->items = own_calloc((size_t)job->asset_count + 1, sizeof *p->items);
    if (job->source) {
        p->items[p->count] = (struct fetch_item){.url = job->source,
                                                 .what = "source",
                                                 .name = FETCH_SOURCE_NAME,
                                                 .source = true,
                                                 .sha256 = "",
                                                 .most_bytes = JOB_CODE_MAX_BYTES};
        p->items[p->count].ours = s->signed_source != NULL;
        if (s->signed_source)
            p->items[p->count].url = s->signed_source;
        p->count++;
    }
    for (int i = 0; i < job->asset_count; i++) {
        const struct asset *a = &job->assets[i];
        const char *ours = s->signed_assets ? s->signed_assets[i] : NULL;
        struct fetch_item *item = &p->items[p->count++];
        *item = (struct fetch_item){.url = ours ? ours : a->url,
                                    .ours = ours != NULL,
                                    .sha256 = a->sha256,
                                    .most_bytes = s->assets_bytes};
        name_asset(item, a->path);
        snprintf(item->name, sizeof item->name, "%d", i);
    }
}

/* ---- before ---- */

/* The worker has probed once for all of its jobs; by hand, nobody has. */
static int choose_box(struct fetch *f, struct err *e)
{
    const struct fetch_spec *s = f->spec;
    int rc = 0;
    if (s->sandbox_minimum == BOX_NONE)
        f->level = BOX_NONE;
    else if (s->sandbox)
        rc = box_read_description(s->sandbox, &f->level, f->layers);
    else
        f->level = box_probe(f->layers);
    if (rc < 0)
        return err_set(e, rc, FAULT_HOST, "the sandbox's description cannot be read");
    if ((int)f->level < s->sandbox_minimum)
        return err_set(
            e, OUTCOME_sandbox_setup, FAULT_HOST,
            "this machine reaches the sandbox level \"%s\" only, and \"%s\" is asked for",
            box_level_name(f->level), box_level_name((enum box_level)s->sandbox_minimum));
    f->plan.level = f->level;
    f->plan.namespaces = f->level > BOX_NONE && f->layers[LAYER_NAMESPACES].state == LAYER_ACTIVE;
    return 0;
}

static int make_cgroup(struct fetch *f, struct err *e)
{
    if (f->level == BOX_NONE || f->layers[LAYER_CGROUP].state != LAYER_ACTIVE)
        return 0;
    int rc = fetch_cgroup_make(&f->cgroup, &f->plan, e);
    if (rc == 0)
        f->plan.cgroup_fd = f->cgroup.leaf.dir_fd;
    return rc;
}

static int copy_ca_file(struct fetch *f, const char *from, const char *to, bool *ret, struct err *e)
{
    (void)unlinkat(f->dir_fd, to, 0); /* of an earlier run */
    if (!from || !*from)
        return 0;
    own_buf struct buf text = BUF_INIT(CA_MAX_BYTES);
    int rc = file_read(AT_FDCWD, from, &text, e);
    if (rc >= 0)
        rc = file_write_atomic(f->dir_fd, to, buf_str(&text), text.bytes, 0644, e);
    *ret = rc >= 0;
    return rc < 0 ? err_wrap(e, rc, "CA certificates") : 0;
}

static int make_place(struct fetch *f, struct err *e)
{
    const struct fetch_spec *s = f->spec;
    if (fchmod(f->dir_fd, 0711) < 0)
        return err_errno(e, -errno, FAULT_HOST, "chmod the attempt's directory");
    int rc = file_remove_tree(f->dir_fd, "fetched", e);
    if (rc && rc != -ENOENT)
        return rc;
    f->plan.dir_fd = file_make_dir(f->dir_fd, "fetched", 0700, e);
    if (f->plan.dir_fd < 0)
        return f->plan.dir_fd;
    if (s->uid && fchown(f->plan.dir_fd, s->uid, s->uid) < 0)
        return err_errno(e, -errno, FAULT_HOST, "give \"fetched\" to uid %u", (unsigned)s->uid);
    rc = copy_ca_file(f, s->ca_file, FETCH_CA_FILE, &f->plan.has_ca_file, e);
    return rc ? rc : copy_ca_file(f, s->s3_ca_file, FETCH_S3_CA_FILE, &f->plan.has_s3_ca_file, e);
}

static int start_fetcher(struct fetch *f, const sigset_t *before, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(e, -errno, FAULT_HOST, "make a pipe");
    f->words_fd = ends[0];
    own_fd int write_end = ends[1];
    f->plan.deadline_ms = clock_now_ms() + f->spec->timeout_ms;
    f->pid = box_fork_alone(f->plan.namespaces, e);
    if (f->pid < 0)
        return f->pid;
    if (f->pid == 0) {
        sigprocmask(SIG_SETMASK, before, NULL);
        fetcher_run(&f->plan, write_end);
    }
    return 0;
}

/* ---- while it runs ---- */

static void kill_fetcher(const struct fetch *f)
{
    kill(f->pid, SIGKILL); /* all of it: it cannot fork */
}

static void hear_words(struct fetch *f)
{
    char *room = buf_room(&f->words, 1024);
    ssize_t n = room ? read(f->words_fd, room, 1024) : 0;
    if (n > 0) {
        buf_wrote(&f->words, (size_t)n);
        return;
    }
    if (!room)
        kill_fetcher(f); /* it would talk for ever */
    close(f->words_fd);
    f->words_fd = -1;
}

static int wait_ms(const struct fetch *f)
{
    int64_t left_ms = f->plan.deadline_ms + GRACE_MS - clock_now_ms();
    return left_ms < 0 ? 0 : left_ms > 60000 ? 60000 : (int)left_ms;
}

static void wait_for_fetcher(struct fetch *f)
{
    while (f->words_fd >= 0 && !f->cancelled && !f->late) {
        struct pollfd fds[] = {{.fd = f->words_fd, .events = POLLIN},
                               {.fd = f->signal_fd, .events = POLLIN}};
        if (poll(fds, 2, wait_ms(f)) < 0)
            continue;
        f->cancelled = fds[1].revents != 0;
        if (fds[0].revents)
            hear_words(f);
        f->late = clock_now_ms() > f->plan.deadline_ms + GRACE_MS;
    }
    if (f->cancelled || f->late)
        kill_fetcher(f);
}

/* It has nothing left to do; one that somebody has taken over may stay. */
static void wait_for_exit(const struct fetch *f)
{
    own_fd int pid_fd = pidfd_open(f->pid, 0);
    struct pollfd ended = {.fd = pid_fd, .events = POLLIN};
    if (pid_fd < 0 || poll(&ended, 1, EXIT_WITHIN_MS) != 1)
        kill_fetcher(f);
}

/* ---- what it left ---- */

static int say_odd_end(const struct fetch *f, int status, struct err *e)
{
    const char *killed = fetch_cgroup_reason(&f->cgroup);
    if (killed)
        return err_set(e, OUTCOME_fetch_failed, FAULT_HOST,
                       "the kernel ended the fetching process: %s", killed);
    return err_set(e, OUTCOME_fetch_failed, FAULT_HOST, "the fetching process %s %d",
                   WIFSIGNALED(status) ? "was killed by signal" : "ended oddly, with",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static int hear_verdict(struct fetch *f, int status, struct err *e)
{
    if (f->cancelled)
        return err_set(e, OUTCOME_cancelled, FAULT_NONE, "cancelled");
    if (f->late)
        return err_set(e, OUTCOME_fetch_failed, FAULT_HOST,
                       "the fetching process did not end in time");
    own_json cJSON *said = NULL;
    if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0 ||
        json_parse(buf_str(&f->words), f->words.bytes, FAULT_HOST, &said, NULL) < 0)
        return say_odd_end(f, status, e);
    double requests = json_num(said, "requests", 0);
    f->requests = requests > 0 && requests < 1e9 ? (int64_t)requests : 0;
    int outcome = outcome_from_name(json_str(said, "outcome"));
    bool known = outcome == OUTCOME_completed || outcome == OUTCOME_source_rejected ||
                 outcome == OUTCOME_fetch_failed || outcome == OUTCOME_sandbox_setup;
    if (outcome == OUTCOME_completed)
        return 0;
    return err_set(e, known ? outcome : OUTCOME_fetch_failed, FAULT_HOST, "%s",
                   json_str(said, "message"));
}

static int check_text(const struct fetch_item *item, int fd, struct err *e)
{
    own_buf struct buf text = BUF_INIT(JOB_CODE_MAX_BYTES);
    if (file_read_fd(fd, &text, e) < 0)
        return err_wrap(e, OUTCOME_host_error, "%s", item->what);
    const char *why = NULL;
    if (text.bytes == 0)
        why = "is empty";
    else if (!json_valid_utf8(buf_str(&text), text.bytes) || memchr(text.data, 0, text.bytes))
        why = "is no UTF-8 text";
    return why ? err_set(e, OUTCOME_source_rejected, FAULT_JOB, "%s: %s", item->what, why) : 0;
}

/* Positive: how the attempt ends. */
static int take_item(struct fetch *f, const struct fetch_item *item, int64_t *assets_bytes,
                     struct err *e)
{
    char sha256[65];
    int64_t bytes = 0;
    uid_t owner = f->spec->uid ? f->spec->uid : geteuid();
    own_fd int fd = file_open_beneath(f->plan.dir_fd, item->name, owner, item->most_bytes, e);
    if (fd < 0 || file_sha256(fd, sha256, &bytes, e) < 0)
        return err_wrap(e, OUTCOME_fetch_failed, "%s", item->what);
    if (!item->source)
        *assets_bytes += bytes;
    if (*assets_bytes > f->spec->assets_bytes)
        return err_set(e, OUTCOME_source_rejected, FAULT_JOB,
                       "%s: the assets have more than the %lld bytes that are allowed", item->what,
                       (long long)f->spec->assets_bytes);
    if (*item->sha256 && strcmp(item->sha256, sha256) != 0)
        return err_set(e, OUTCOME_source_rejected, FAULT_JOB,
                       "%s: its SHA-256 is not the one that the job names", item->what);
    int rc = item->source ? check_text(item, fd, e) : 0;
    if (rc)
        return rc;
    if (fchown(fd, geteuid(), getegid()) < 0 || fchmod(fd, 0644) < 0)
        return err_errno(e, -errno, FAULT_HOST, "take over \"fetched/%s\"", item->name),
               OUTCOME_host_error;
    cJSON *file = cJSON_CreateObject();
    cJSON_AddStringToObject(file, "name", item->name);
    json_add_int(file, "bytes", bytes);
    cJSON_AddStringToObject(file, "sha256", sha256);
    cJSON_AddItemToArray(f->files, file);
    return 0;
}

static int take_all(struct fetch *f, struct err *e)
{
    int64_t assets_bytes = 0;
    for (int i = 0; i < f->plan.count; i++) {
        int rc = take_item(f, &f->plan.items[i], &assets_bytes, e);
        if (rc)
            return rc;
    }
    if (fchown(f->plan.dir_fd, geteuid(), getegid()) < 0)
        return err_errno(e, -errno, FAULT_HOST, "take over \"fetched\""), OUTCOME_host_error;
    return 0;
}

/* Positive: how the attempt ends, with its sentence. */
static int fetch_all(struct fetch *f, const sigset_t *before, struct err *e)
{
    int status = 0, boxed = choose_box(f, e);
    if (boxed > 0)
        return boxed;
    if (boxed < 0 || make_place(f, e) < 0)
        return OUTCOME_host_error;
    if (make_cgroup(f, e) < 0)
        return OUTCOME_sandbox_setup;
    if (start_fetcher(f, before, e) < 0)
        return OUTCOME_host_error;
    wait_for_fetcher(f);
    wait_for_exit(f);
    while (waitpid(f->pid, &status, 0) < 0 && errno == EINTR)
        ;
    f->pid = 0;
    if (f->spec->uid && box_empty(f->spec->uid, 0, EMPTY_WITHIN_MS, e) < 0)
        return OUTCOME_host_error;
    int rc = hear_verdict(f, status, e);
    return rc ? rc : take_all(f, e);
}

/* ---- the result ---- */

static void add_sandbox(const struct fetch *f, cJSON *result)
{
    own_buf struct buf text = BUF_INIT(CEILING_REPORT_LINE_BYTES);
    cJSON *sandbox = NULL;
    if (f->level == BOX_NONE || box_describe(f->level, f->layers, &text) < 0 ||
        json_parse(buf_str(&text), text.bytes, FAULT_HOST, &sandbox, NULL) < 0)
        sandbox = cJSON_CreateObject();
    if (f->level == BOX_NONE)
        cJSON_AddStringToObject(sandbox, "level", box_level_name(f->level));
    const char *pid = f->plan.namespaces && geteuid() == 0 ? "pid " : "";
    own_free char *names =
        own_printf("%s%s", pid, f->plan.namespaces ? "mount ipc uts cgroup" : "none");
    cJSON_AddStringToObject(sandbox, "namespaces", names);
    cJSON_AddItemToObject(result, "sandbox", sandbox);
}

static int write_result(struct fetch *f, enum outcome outcome, const struct err *why, struct err *e)
{
    own_json cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "outcome", outcome_name(outcome));
    if (outcome == OUTCOME_completed) {
        cJSON_AddNullToObject(j, "error");
    } else {
        cJSON *error = cJSON_AddObjectToObject(j, "error");
        cJSON_AddStringToObject(error, "code", outcome_name(outcome));
        cJSON_AddStringToObject(error, "message", why->text);
    }
    cJSON_AddItemToObject(j, "files", steal_ptr(&f->files));
    json_add_int(j, "requests", f->requests);
    add_sandbox(f, j);
    cJSON *timings = cJSON_AddObjectToObject(j, "timings_ms");
    json_add_int(timings, "fetch", clock_now_ms() - f->started_ms);
    own_free char *text = json_print(j);
    return file_write_atomic(f->dir_fd, "fetch.json", text, strlen(text), 0600, e);
}

static int exit_of(enum outcome outcome)
{
    if (outcome == OUTCOME_completed)
        return STAGE_DONE;
    return outcome == OUTCOME_source_rejected ? STAGE_JOB_FAULT : STAGE_HOST_FAULT;
}

static int run(struct fetch *f, struct err *e)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &before);
    f->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    list_items(f);
    struct err why = ERR_INIT, unwritten = ERR_INIT;
    int rc = f->signal_fd < 0 ? err_errno(&why, -errno, FAULT_HOST, "catch signals")
                              : fetch_all(f, &before, &why);
    enum outcome outcome = rc < 0 ? OUTCOME_host_error : rc ? (enum outcome)rc : OUTCOME_completed;
    if (e)
        *e = why;
    if (write_result(f, outcome, &why, &unwritten) < 0) {
        if (e)
            *e = unwritten;
        return STAGE_HOST_FAULT;
    }
    return exit_of(outcome);
}

int fetch_stage(const struct job *job, const char *dir, const struct fetch_spec *spec,
                struct err *e)
{
    struct fetch f = {
        .job = job,
        .spec = spec,
        .plan = {.spec = spec, .dir_fd = -1},
        .cgroup = FETCH_CGROUP_INIT,
        .words_fd = -1,
        .signal_fd = -1,
        .words = BUF_INIT(FETCH_WORDS_MAX_BYTES),
        .started_ms = clock_now_ms(),
        .files = cJSON_CreateArray(),
    };
    f.dir_fd = file_open_dir(AT_FDCWD, dir, e);
    int exit = f.dir_fd < 0 ? STAGE_HOST_FAULT : run(&f, e);
    const int fds[] = {f.dir_fd, f.plan.dir_fd, f.words_fd, f.signal_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    fetch_cgroup_done(&f.cgroup);
    cJSON_Delete(f.files);
    free(f.plan.items);
    buf_done(&f.words);
    return exit;
}
