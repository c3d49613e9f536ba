/* The supervisor with real processes: tests/fake_stage.py in place of manimd,
 * told by the job's code what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/own.h"
#include "supervise/supervisor.h"

#define FAKE MANIMD_SOURCE_DIR "/tests/fake_stage.py"
#define NONCE "0123456789abcdef0123456789abcdef"
#define PATIENCE_MS 20000

struct bed {
    struct loop *loop;
    struct supervisor *supervisor;
    struct job job;
    char work_dir[256];
    bool ended, report_at_once;
    struct attempt_end end;
    bool result_was_there; /* DIR/render.json, in on_end */
    int progress_lines;
    pid_t stage_pid;
    int empty_asked, empty_refusals; /* refuse so often before it is empty */
    int freed;
    enum outcome verdict;
};

static void on_end(void *arg, void *user, const struct attempt_end *end)
{
    struct bed *bed = arg;
    assert_ptr_equal(user, &bed->job);
    assert_false(bed->ended);
    bed->ended = true;
    bed->end = *end;
    own_free char *path = own_printf("%s/render.json", end->dir);
    bed->result_was_there = !access(path, F_OK);
    if (bed->report_at_once)
        supervisor_reported(bed->supervisor, user);
}

static void on_progress(void *arg, void *user, enum stage stage, const char *json)
{
    struct bed *bed = arg;
    (void)user;
    assert_int_equal(stage, STAGE_RENDER);
    own_json cJSON *line = NULL;
    assert_int_equal(json_parse(json, strlen(json), FAULT_HOST, &line, NULL), 0);
    double pid = json_num(line, "pid", 0);
    if (pid > 0)
        bed->stage_pid = (pid_t)pid;
    bed->progress_lines++;
}

static void on_free(void *arg, int free_slots)
{
    struct bed *bed = arg;
    (void)free_slots;
    bed->freed++;
}

static int empty(void *arg, int slot)
{
    struct bed *bed = arg;
    assert_int_equal(slot, 0);
    bed->empty_asked++;
    return bed->empty_refusals-- > 0 ? -EAGAIN : 0;
}

static enum outcome judge(void *arg, const char *dir, enum stage stage, int exit_status,
                          char ret_why[512])
{
    struct bed *bed = arg;
    (void)dir, (void)stage;
    snprintf(ret_why, 512, "judged %d", exit_status);
    return bed->verdict;
}

static int setup(void **state)
{
    struct bed *bed = own_calloc(1, sizeof *bed);
    const char *tmp = getenv("TMPDIR");
    snprintf(bed->work_dir, sizeof bed->work_dir, "%s/work.%d", tmp ? tmp : "/tmp", getpid());
    log_setup(LOG_ERROR, LOG_FORMAT_TEXT);
    bed->loop = loop_new();
    bed->report_at_once = true;
    struct supervisor_spec spec = {
        .loop = bed->loop,
        .slots = 1,
        .manimd = FAKE,
        .work_dir = bed->work_dir,
        .fetch_ms = 5000,
        .store_ms = 5000,
        .judge = judge,
        .on_end = on_end,
        .on_progress = on_progress,
        .on_free = on_free,
        .empty = empty,
        .arg = bed,
    };
    assert_int_equal(supervisor_new(&spec, &bed->supervisor, NULL), 0);
    *state = bed;
    return 0;
}

static int teardown(void **state)
{
    struct bed *bed = *state;
    supervisor_free(bed->supervisor);
    assert_int_equal(rmdir(bed->work_dir), 0); /* nothing was left in it */
    loop_free(bed->loop);
    free(bed->job.code);
    free(bed->job.json);
    free(bed);
    return 0;
}

static void start(struct bed *bed, const char *orders)
{
    struct job *job = &bed->job;
    snprintf(job->id, sizeof job->id, "j1");
    job->code = own_strdup(orders);
    job->limits.wall_ms = 10000;
    own_json cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "id", job->id);
    cJSON_AddStringToObject(json, "code", orders);
    job->json = json_print(json);
    struct attempt a = {.job = job, .nonce = NONCE, .user = job};
    struct err e = ERR_INIT;
    if (supervisor_start(bed->supervisor, &a, &e))
        fail_msg("%s", e.text);
}

static void run_until(struct bed *bed, const bool *flag)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (!*flag && clock_now_ms() < until_ms)
        loop_step(bed->loop, 100);
    assert_true(*flag);
}

static void run_until_free(struct bed *bed)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (!supervisor_idle(bed->supervisor) && clock_now_ms() < until_ms)
        loop_step(bed->loop, 100);
    assert_true(supervisor_idle(bed->supervisor));
    assert_int_equal(bed->freed, 1);
}

static void run_until_rendering(struct bed *bed)
{
    int64_t until_ms = clock_now_ms() + PATIENCE_MS;
    while (!bed->stage_pid && clock_now_ms() < until_ms)
        loop_step(bed->loop, 100);
    assert_true(bed->stage_pid > 0);
}

static void test_completes(void **state)
{
    struct bed *bed = *state;
    start(bed, "# fake: sleep_ms 20\n");
    assert_int_equal(supervisor_free_slots(bed->supervisor), 0);
    run_until_free(bed);
    assert_int_equal(bed->end.outcome, OUTCOME_completed);
    assert_false(bed->end.released);
    assert_true(bed->result_was_there);
    assert_int_equal(bed->progress_lines, 11);
    assert_int_equal(bed->end.stages[STAGE_FETCH].start_ms, 0);
    assert_true(bed->end.stages[STAGE_RENDER].end_ms > bed->end.stages[STAGE_RENDER].start_ms);
    assert_true(bed->end.stages[STAGE_STORE].start_ms >= bed->end.stages[STAGE_RENDER].end_ms);
}

static void test_directory_is_private_and_locked(void **state)
{
    struct bed *bed = *state;
    start(bed, "# fake: hang 1\n");
    run_until_rendering(bed);
    own_free char *dir = own_printf("%s/j1.01234567", bed->work_dir);
    own_free char *job = own_printf("%s/job.json", dir);
    struct stat st;
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0711);
    assert_int_equal(stat(job, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    own_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    supervisor_cancel(bed->supervisor, &bed->job);
    run_until_free(bed);
    assert_int_equal(access(dir, F_OK), -1);
}

static void test_job_fault_is_judged_and_not_stored(void **state)
{
    struct bed *bed = *state;
    bed->verdict = OUTCOME_scene_error;
    start(bed, "# fake: exit 1\n");
    run_until_free(bed);
    assert_int_equal(bed->end.outcome, OUTCOME_scene_error);
    assert_string_equal(bed->end.why, "judged 1");
    assert_int_equal(bed->end.stages[STAGE_STORE].start_ms, 0);
}

static void test_store_fault(void **state)
{
    struct bed *bed = *state;
    bed->verdict = OUTCOME_store_failed;
    start(bed, "# fake: store_exit 3\n");
    run_until_free(bed);
    assert_int_equal(bed->end.outcome, OUTCOME_store_failed);
    assert_true(bed->end.stages[STAGE_STORE].start_ms > 0);
}

/* A stage that dies in another way never chooses the outcome. */
static void test_other_exits_are_ours(void **state)
{
    static const char *const orders[] = {"# fake: exit 2\n", "# fake: exit 139\n",
                                         "# fake: signal 9\n", "# fake: signal 11\n"};
    struct bed *bed = *state;
    bed->verdict = OUTCOME_scene_error;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        bed->ended = false;
        bed->freed = 0;
        start(bed, orders[i]);
        run_until_free(bed);
        assert_int_equal(bed->end.outcome, OUTCOME_host_error);
        assert_non_null(strstr(bed->end.why, "stage render"));
        free(bed->job.code);
        free(bed->job.json);
        bed->job = (struct job){0};
    }
}

static void test_cancel(void **state)
{
    struct bed *bed = *state;
    start(bed, "# fake: hang 1\n");
    run_until_rendering(bed);
    supervisor_cancel(bed->supervisor, &bed->job);
    supervisor_cancel(bed->supervisor, &bed->job); /* twice is once */
    run_until_free(bed);
    assert_int_equal(bed->end.outcome, OUTCOME_cancelled);
}

/* Signals that the supervisor blocks (it has them on a descriptor) are not
 * blocked in its stages. */
static void test_stage_has_no_signal_blocked(void **state)
{
    struct bed *bed = *state;
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    start(bed, "# fake: hang 1\n");
    run_until_rendering(bed);
    int64_t start_ms = clock_now_ms();
    supervisor_cancel(bed->supervisor, &bed->job);
    run_until_free(bed);
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_true(clock_now_ms() - start_ms < 2500);
}

static void test_cancel_kills_the_deaf(void **state)
{
    struct bed *bed = *state;
    start(bed, "# fake: hang 1\n# fake: deaf 1\n");
    run_until_rendering(bed);
    int64_t start_ms = clock_now_ms();
    supervisor_cancel(bed->supervisor, &bed->job);
    run_until_free(bed);
    assert_int_equal(bed->end.outcome, OUTCOME_cancelled);
    assert_in_range(clock_now_ms() - start_ms, 2900, 5000);
}

static void test_lost_lease_reports_nothing(void **state)
{
    struct bed *bed = *state;
    start(bed, "# fake: hang 1\n");
    run_until_rendering(bed);
    supervisor_lost(bed->supervisor, &bed->job);
    run_until_free(bed);
    assert_false(bed->ended);
    assert_int_equal(kill(bed->stage_pid, 0), -1);
}

static void test_drain_releases(void **state)
{
    struct bed *bed = *state;
    start(bed, "# fake: hang 1\n");
    run_until_rendering(bed);
    supervisor_drain(bed->supervisor, 50);
    assert_int_equal(supervisor_free_slots(bed->supervisor), 0);
    run_until_free(bed);
    assert_true(bed->end.released);
    struct attempt again = {.job = &bed->job, .nonce = NONCE, .user = &bed->job};
    assert_int_equal(supervisor_start(bed->supervisor, &again, NULL), -EBUSY);
}

static void test_drain_lets_the_quick_end(void **state)
{
    struct bed *bed = *state;
    start(bed, "# fake: sleep_ms 100\n");
    supervisor_drain(bed->supervisor, 10000);
    run_until_free(bed);
    assert_false(bed->end.released);
    assert_int_equal(bed->end.outcome, OUTCOME_completed);
}

/* The slot waits for the queue's answer, with the directory in place. */
static void test_report_waits(void **state)
{
    struct bed *bed = *state;
    bed->report_at_once = false;
    start(bed, "# fake: sleep_ms 10\n");
    run_until(bed, &bed->ended);
    own_free char *dir = own_printf("%s/j1.01234567", bed->work_dir);
    assert_int_equal(access(dir, F_OK), 0);
    supervisor_cancel(bed->supervisor, &bed->job); /* too late */
    assert_false(supervisor_idle(bed->supervisor));
    supervisor_reported(bed->supervisor, &bed->job);
    run_until_free(bed);
    assert_int_equal(access(dir, F_OK), -1);
    assert_int_equal(bed->end.outcome, OUTCOME_completed);
}

static void test_slot_is_free_only_when_empty(void **state)
{
    struct bed *bed = *state;
    bed->empty_refusals = 5;
    start(bed, "# fake: sleep_ms 10\n");
    run_until_free(bed);
    assert_int_equal(bed->empty_asked, 6);
}

/* What a dead stage leaves behind becomes ours, and is reaped when it dies. */
static void test_orphans_are_reaped(void **state)
{
    struct bed *bed = *state;
    start(bed, "# fake: leave 2\n# fake: sleep_ms 10\n");
    run_until_free(bed);
    own_free char *path = own_printf("/proc/self/task/%d/children", getpid());
    own_file FILE *f = fopen(path, "re");
    assert_non_null(f);
    int orphans = 0;
    for (int pid; fscanf(f, "%d", &pid) == 1; orphans++)
        kill(pid, SIGKILL);
    assert_int_equal(orphans, 2);
    int reaped = 0;
    for (int64_t until_ms = clock_now_ms() + PATIENCE_MS; reaped < 2 && clock_now_ms() < until_ms;)
        reaped += supervisor_reap(bed->supervisor);
    assert_int_equal(reaped, 2);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void test_whoever_goes_takes_his_descriptors_along(void **state)
{
    struct bed *bed = *state;
    int before = open_descriptors();
    start(bed, "# fake: hang 1\n");
    run_until_rendering(bed);
    bed->supervisor = supervisor_free(bed->supervisor);
    assert_int_equal(kill(bed->stage_pid, 0), -1);
    assert_int_equal(open_descriptors(), before - 1); /* its work directory */
}

static void test_missing_program(void **state)
{
    struct bed *bed = *state;
    struct bed other = {.loop = loop_new(), .report_at_once = true};
    snprintf(other.work_dir, sizeof other.work_dir, "%.200s.2", bed->work_dir);
    struct supervisor_spec spec = {
        .loop = other.loop,
        .slots = 1,
        .manimd = "/nonexistent/manimd",
        .work_dir = other.work_dir,
        .judge = judge,
        .on_end = on_end,
        .on_free = on_free,
        .arg = &other,
        .store_ms = 1000,
        .fetch_ms = 1000,
    };
    assert_int_equal(supervisor_new(&spec, &other.supervisor, NULL), 0);
    start(&other, "");
    run_until_free(&other);
    assert_int_equal(other.end.outcome, OUTCOME_host_error);
    supervisor_free(other.supervisor);
    assert_int_equal(rmdir(other.work_dir), 0);
    loop_free(other.loop);
    free(other.job.code);
    free(other.job.json);
}

/* A dead supervisor's directories go, a living one's and others' stay. */
static void test_sweep(void **state)
{
    struct bed *bed = *state;
    own_free char *root = own_printf("%s.3", bed->work_dir);
    own_free char *dead = own_printf("%s/a.00000000", root);
    own_free char *inner = own_printf("%s/scene", dead);
    own_free char *held = own_printf("%s/b.11111111", root);
    own_free char *other = own_printf("%s/precious", root);
    const char *dirs[] = {root, dead, inner, held, other};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(mkdir(dirs[i], 0711), 0);
    own_fd int fd = open(held, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    struct supervisor_spec spec = {.loop = bed->loop,
                                   .slots = 1,
                                   .manimd = FAKE,
                                   .work_dir = root,
                                   .judge = judge,
                                   .on_end = on_end};
    struct supervisor *s;
    assert_int_equal(supervisor_new(&spec, &s, NULL), 0);
    supervisor_free(s);
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(rmdir(held), 0);
    assert_int_equal(rmdir(other), 0);
    assert_int_equal(rmdir(root), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_completes),
        TEST(test_directory_is_private_and_locked),
        TEST(test_job_fault_is_judged_and_not_stored),
        TEST(test_store_fault),
        TEST(test_other_exits_are_ours),
        TEST(test_cancel),
        TEST(test_stage_has_no_signal_blocked),
        TEST(test_cancel_kills_the_deaf),
        TEST(test_lost_lease_reports_nothing),
        TEST(test_drain_releases),
        TEST(test_drain_lets_the_quick_end),
        TEST(test_report_waits),
        TEST(test_slot_is_free_only_when_empty),
        TEST(test_orphans_are_reaped),
        TEST(test_whoever_goes_takes_his_descriptors_along),
        TEST(test_missing_program),
        TEST(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
