/* The warm path with real parts: one zygote, several jobs, nothing of one in
 * the next. */
#include "../unit.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/own.h"
#include "render/render.h"
#include "sandbox/box.h"

#define READY_MS 60000

struct house {
    char encoder[PATH_MAX + 32], native[PATH_MAX + 32];
    struct render_spec spec;
    struct zygote zygote;
};

static void find_parts(struct house *h)
{
    char self[PATH_MAX] = {0};
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    for (int up = 0; up < 3; up++)
        *strrchr(self, '/') = 0; /* BUILD/unit/render/test_zygote */
    snprintf(h->encoder, sizeof h->encoder, "%s/manimd-encode", self);
    /* The interpreter is not sanitized, so the extension must not be either:
     * a build in build/asan uses the one of build. */
#if defined(__SANITIZE_ADDRESS__)
    *strrchr(self, '/') = 0;
#endif
    snprintf(h->native, sizeof h->native, "%s/harness/_manimd.so", self);
    bool root = geteuid() == 0;
    struct box_uids uids =
        root ? box_uids_for_slot(box_random_uid_base(), 0) : (struct box_uids){0};
    h->spec = (struct render_spec){
        .python = MANIMD_PYTHON,
        .harness = MANIMD_SOURCE_DIR "/worker/render/harness",
        .encoder = h->encoder,
        .native = h->native,
        .zygote_fd = -1,
        .scene_uid = uids.scene,
        .encoder_uid = uids.encoder,
        .sandbox_minimum = root ? BOX_STANDARD : BOX_BASIC,
        .report_fd = -1,
    };
}

/* As a worker tells its zygotes. */
static bool has_namespaces(void)
{
    struct box_layer_report layers[LAYER_COUNT];
    return box_probe(layers) > BOX_NONE && layers[LAYER_NAMESPACES].state == LAYER_ACTIVE;
}

static int start(void **state, bool spare)
{
    struct house *h = own_calloc(1, sizeof *h);
    struct err e = ERR_INIT;
    h->zygote = (struct zygote)ZYGOTE_INIT;
    find_parts(h);
    h->spec.spare = spare;
    h->spec.namespaces = spare && has_namespaces();
    if (zygote_start(&h->zygote, &h->spec, &e) < 0)
        fail_msg("%s", e.text);
    struct pollfd ready = {.fd = h->zygote.control_fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, READY_MS), 1);
    if (zygote_read(&h->zygote, &e) < 0)
        fail_msg("%s", e.text);
    *state = h;
    return 0;
}

static int set_up(void **state)
{
    return start(state, false);
}

static int set_up_spare(void **state)
{
    return start(state, true);
}

static int tear_down(void **state)
{
    struct house *h = *state;
    int status = -1;
    if (!h)
        return -1; /* set_up() failed */
    zygote_stop(&h->zygote);
    assert_int_equal(waitpid(h->zygote.pid, &status, 0), h->zygote.pid);
    assert_int_equal(status, 0);
    free(h);
    return 0;
}

static struct job a_job(char *code)
{
    return (struct job){
        .id = "unit",
        .code = code,
        .picture = {.width = 214, .height = 120, .fps_num = 15, .fps_den = 1},
        .outputs = OUTPUT_BIT(OUTPUT_MP4),
        .limits = {.wall_ms = 30000,
                   .cpu_ms = 60000,
                   .memory_bytes = 1 << 30,
                   .disk_bytes = 1 << 28,
                   .files = 1000,
                   .processes = 64,
                   .log_bytes = 1 << 20,
                   .output_bytes = 1 << 28,
                   .frames = 10000},
    };
}

/* Renders `code` from the warm zygote; the result, which the caller frees. */
static cJSON *render_warm(struct house *h, const char *code, int expected_exit)
{
    char dir[] = "job-XXXXXX";
    struct err e = ERR_INIT;
    own_free char *copy = own_strdup(code);
    struct job job = a_job(copy);
    struct render_spec spec = h->spec;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(zygote_lend(&h->zygote, &spec.zygote_fd, &e), 0);
    int status = render_stage(&job, dir, &spec, &e);
    close(spec.zygote_fd);
    own_buf struct buf text = BUF_INIT(1 << 20);
    own_fd int dir_fd = file_open_dir(AT_FDCWD, dir, &e);
    assert_int_equal(file_read(dir_fd, "render.json", &text, &e), 0);
    if (status != expected_exit)
        fail_msg("exit %d: %s", status, buf_str(&text));
    cJSON *result = NULL;
    assert_int_equal(json_parse(buf_str(&text), text.bytes, FAULT_HOST, &result, &e), 0);
    return result;
}

static const char good[] = "from manim import *\n"
                           "class Good(Scene):\n"
                           "    def construct(self):\n"
                           "        self.play(Create(Square()), run_time=0.4)\n";

static void renders_job_after_job(void **state)
{
    struct house *h = *state;
    for (int i = 0; i < 2; i++) {
        own_json cJSON *r = render_warm(h, good, STAGE_DONE);
        assert_string_equal(json_str(r, "outcome"), "completed");
        assert_string_equal(json_str(r, "render_path"), "exact");
        assert_int_equal((int)json_num(r, "frames", 0), 6);
    }
    assert_int_equal(h->zygote.lent, 2);
    assert_non_null(strstr(h->zygote.about, MANIM_VERSION));
}

static void one_job_leaves_nothing_to_the_next(void **state)
{
    struct house *h = *state;
    static const char dirty[] = "import manim, os, random\n"
                                "from manim import *\n"
                                "manim.stolen = 'x'\n"
                                "os.environ['STOLEN'] = 'x'\n"
                                "Square.set_default(color=RED)\n"
                                "raise SystemExit\n";
    static const char nosy[] = "import manim, os\n"
                               "from manim import *\n"
                               "print('left:', hasattr(manim, 'stolen'), 'STOLEN' in os.environ,"
                               " Square().color == Square(color=WHITE).color,"
                               " 'Bad' in globals())\n"
                               "class Good(Scene):\n"
                               "    def construct(self): self.wait(0.2)\n";
    own_json cJSON *first = render_warm(h, dirty, STAGE_JOB_FAULT);
    assert_string_equal(json_str(first, "outcome"), "scene_error");
    own_json cJSON *second = render_warm(h, nosy, STAGE_DONE);
    assert_string_equal(json_str(second, "log_tail"), "left: False False True False\n");
}

static void a_crash_does_not_hurt_the_zygote(void **state)
{
    struct house *h = *state;
    own_json cJSON *first =
        render_warm(h, "import os\nos.kill(os.getpid(), 11)\n", STAGE_JOB_FAULT);
    assert_string_equal(json_str(first, "outcome"), "crashed");
    own_json cJSON *second = render_warm(h, good, STAGE_DONE);
    assert_string_equal(json_str(second, "outcome"), "completed");
}

static void the_environment_holds_no_secret(void **state)
{
    struct house *h = *state;
    static const char code[] = "import os\n"
                               "print(sorted(os.environ))\n"
                               "from manim import *\n"
                               "class Good(Scene):\n"
                               "    def construct(self): self.wait(0.2)\n";
    own_json cJSON *r = render_warm(h, code, STAGE_DONE);
    assert_null(strstr(json_str(r, "log_tail"), "MANIMD_TEST_SECRET"));
    assert_non_null(strstr(json_str(r, "log_tail"), "PYTHONHASHSEED"));
}

static void starts_within_bounds(void **state)
{
    struct house *h = *state;
    own_json cJSON *r = render_warm(h, good, STAGE_DONE);
    const cJSON *timings = cJSON_GetObjectItem(r, "timings_ms");
    print_message("from request to sealed: %d ms\n", (int)json_num(timings, "start", -1));
    assert_true(json_num(timings, "start", 1e9) < 1000);
}

/* The child of `pid` with that place among them, once there are as many. */
static pid_t await_child(pid_t pid, int place)
{
    char path[64], text[64] = "";
    pid_t children[2] = {0};
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    int64_t deadline_ms = clock_now_ms() + READY_MS;
    while (sscanf(text, "%d %d", &children[0], &children[1]) <= place) {
        assert_true(clock_now_ms() < deadline_ms);
        own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = 0;
        poll(NULL, 0, 5);
    }
    return children[place];
}

/* The warden that stands ready: the zygote's only child while no job runs. */
static pid_t await_spare(const struct house *h)
{
    return await_child(h->zygote.pid, 0);
}

/* Its scene: behind pid 1 of the namespace, where there is one. */
static pid_t await_spare_scene(pid_t spare)
{
    return await_child(spare, has_namespaces());
}

static void a_spare_takes_the_next_job(void **state)
{
    struct house *h = *state;
    pid_t before = await_spare(h);
    assert_true(before > 0);
    own_json cJSON *r = render_warm(h, good, STAGE_DONE);
    assert_string_equal(json_str(r, "outcome"), "completed");
    while (kill(before, 0) == 0) /* it was the warden, which ends with its job */
        poll(NULL, 0, 5);
    assert_true(await_spare(h) > 0);
}

static void a_dead_spare_costs_no_job(void **state)
{
    struct house *h = *state;
    pid_t spare = await_spare(h);
    assert_int_equal(kill(spare, SIGKILL), 0);
    while (kill(spare, 0) == 0) /* until the zygote has reaped it */
        poll(NULL, 0, 5);
    own_json cJSON *r = render_warm(h, good, STAGE_DONE);
    assert_string_equal(json_str(r, "outcome"), "completed");
}

/* So that its fork is nothing that a job waits for. */
static void a_spare_has_its_scene_already(void **state)
{
    struct house *h = *state;
    pid_t scene = await_spare_scene(await_spare(h));
    assert_true(scene > 0);
    own_json cJSON *r = render_warm(h, good, STAGE_DONE);
    assert_string_equal(json_str(r, "outcome"), "completed");
    assert_int_equal(kill(scene, 0), -1); /* it was that job's, and the next has another */
    pid_t next = await_spare_scene(await_spare(h));
    assert_true(next > 0 && next != scene);
}

static void a_dead_spare_scene_costs_no_job(void **state)
{
    struct house *h = *state;
    pid_t spare = await_spare(h), scene = await_spare_scene(spare);
    assert_int_equal(kill(scene, SIGKILL), 0);
    while (kill(spare, 0) == 0) /* it has nothing to wait for */
        poll(NULL, 0, 5);
    own_json cJSON *r = render_warm(h, good, STAGE_DONE);
    assert_string_equal(json_str(r, "outcome"), "completed");
}

static void a_spare_ends_with_its_zygote(void **state)
{
    (void)state;
    void *own = NULL;
    assert_int_equal(set_up_spare(&own), 0);
    pid_t spare = await_spare(own), scene = await_spare_scene(spare);
    assert_int_equal(tear_down(&own), 0);
    assert_int_equal(kill(spare, 0), -1);
    assert_int_equal(kill(scene, 0), -1);
}

int main(void)
{
    const struct CMUnitTest with_spare[] = {
        cmocka_unit_test(a_spare_takes_the_next_job),
        cmocka_unit_test(a_dead_spare_costs_no_job),
        cmocka_unit_test(a_spare_has_its_scene_already),
        cmocka_unit_test(a_dead_spare_scene_costs_no_job),
        cmocka_unit_test(a_spare_ends_with_its_zygote),
        cmocka_unit_test(one_job_leaves_nothing_to_the_next),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renders_job_after_job),
        cmocka_unit_test(one_job_leaves_nothing_to_the_next),
        cmocka_unit_test(a_crash_does_not_hurt_the_zygote),
        cmocka_unit_test(the_environment_holds_no_secret),
        cmocka_unit_test(starts_within_bounds),
    };
    setenv("MANIMD_TEST_SECRET", "canary", 1);
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    return failed + cmocka_run_group_tests(with_spare, set_up_spare, tear_down);
}
