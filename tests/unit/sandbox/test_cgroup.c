/* A box's cgroup bounds what it holds, by the kernel's own count. Where there is
 * no cgroup v2 with the controllers, what is said about that. */
#include "boxed.h"

#include "sandbox/cgroup.h"
#include "sandbox/layers.h"

#include <sys/mman.h>
#include <time.h>

static struct cgroup_home home = CGROUP_HOME_INIT;
static struct cgroup_box job = CGROUP_BOX_INIT;

static struct cgroup_box make_in(const char *name, int cpu_percent, int64_t memory_bytes,
                                 int64_t processes)
{
    struct err e = ERR_INIT;
    struct cgroup_box b;
    const struct limits limits = {.memory_bytes = memory_bytes, .processes = processes};
    if (cgroup_job_make(home.path, name, cpu_percent, &job, &e) < 0)
        fail_msg("%s", e.text);
    if (cgroup_box_make(&job, "scene", &limits, 8 * MIB, &b, &e) < 0)
        fail_msg("%s", e.text);
    return b;
}

static struct cgroup_box make(int64_t memory_bytes, int64_t processes)
{
    return make_in("test", 0, memory_bytes, processes);
}

/* The job's goes with all that is in it, and leaves nothing. */
static void done(struct cgroup_box *b)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", job.path);
    close(b->dir_fd);
    assert_int_equal(cgroup_box_done(&job), 0);
    assert_int_equal(access(path, F_OK), -1);
}

/* Sealed, at the level that there is, in the leaf. */
static int run_in(const struct cgroup_box *b, int (*inside)(void *), void *arg)
{
    struct boxed box;
    struct box_plan p;
    boxed_init(&box);
    boxed_plan(&box, BOX_SCENE, &p);
    p.limits = (struct limits){.disk_bytes = 1 << 30};
    p.cgroup_fd = b->dir_fd;
    int status = boxed_wait(boxed_start(&p, inside, arg));
    box_plan_done(&p);
    close(box.dir_fd);
    return status;
}

static int eat(void *arg)
{
    size_t bytes = (size_t) * (int64_t *)arg;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return 1;
    memset(p, 1, bytes);
    return 0;
}

/* A child is over; with it goes all the rest. */
static int child_eats(void *arg)
{
    if (fork() == 0)
        _exit(eat(arg));
    for (;;)
        pause();
}

static void test_memory(void **state)
{
    (void)state;
    int64_t little = 32 * MIB, much = 128 * MIB;
    struct cgroup_seen seen;
    struct cgroup_box b = make(64 * MIB, 0);
    assert_int_equal(run_in(&b, eat, &little), 0);
    cgroup_look(b.dir_fd, &seen);
    assert_int_equal(seen.oom_kills, 0);
    assert_true(seen.peak_bytes == 0 || seen.peak_bytes > little);

    int status = run_in(&b, child_eats, &much);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cgroup_look(b.dir_fd, &seen);
    assert_true(seen.oom_kills > 0);
    assert_true(seen.over_own_limit);
    done(&b);
}

/* Above it the limit is less: it is killed, but not for what it was allowed. */
static void test_memory_above(void **state)
{
    (void)state;
    int64_t much = 128 * MIB;
    struct cgroup_seen seen;
    struct cgroup_box b = make(256 * MIB, 0);
    const struct limits less = {.memory_bytes = 64 * MIB};
    assert_int_equal(cgroup_box_limit(job.dir_fd, &less, 0), 0);
    int status = run_in(&b, child_eats, &much);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cgroup_look(b.dir_fd, &seen);
    assert_true(seen.oom_kills > 0);
    assert_false(seen.over_own_limit);
    done(&b);
}

static int fork_to_the_end(void *arg)
{
    int met = 0, made = 0;
    (void)arg;
    for (; made < 64 && !met; made++) {
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                pause();
        met = pid < 0 ? errno : 0;
    }
    return met == EAGAIN && made < 16 ? 0 : 1;
}

static int populated(const struct cgroup_box *b)
{
    char path[PATH_MAX + 16], text[256] = "";
    snprintf(path, sizeof path, "%s/cgroup.procs", b->path);
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    return n > 0;
}

static void test_processes_and_end(void **state)
{
    (void)state;
    struct cgroup_seen seen;
    struct cgroup_box b = make(256 * MIB, 8);
    assert_int_equal(run_in(&b, fork_to_the_end, NULL), 0);
    cgroup_look(b.dir_fd, &seen);
    assert_true(seen.fork_denied > 0);
    assert_true(populated(&b)); /* they outlived it */
    done(&b);
}

static int burn(void *arg)
{
    (void)arg;
    while (clock() < CLOCKS_PER_SEC / 4)
        ;
    return 0;
}

static void test_cpu(void **state)
{
    (void)state;
    struct cgroup_seen seen;
    struct cgroup_box b = make(256 * MIB, 8);
    assert_int_equal(run_in(&b, burn, NULL), 0);
    cgroup_look(b.dir_fd, &seen);
    assert_in_range(seen.cpu_ms, 200, 5000);
    /* What a dead keeper left is emptied, and its counts are not the next one's. */
    close(b.dir_fd);
    close(job.dir_fd);
    struct cgroup_box again = make(256 * MIB, 8);
    cgroup_look(again.dir_fd, &seen);
    assert_in_range(seen.cpu_ms, 0, 100);
    done(&again);
}

/* A quarter of a second's work takes a second at a quarter of a core. */
static void test_cpu_percent(void **state)
{
    (void)state;
    struct cgroup_seen seen;
    struct cgroup_box b = make_in("test", 25, 256 * MIB, 8);
    assert_int_equal(run_in(&b, burn, NULL), 0);
    cgroup_look(job.dir_fd, &seen);
    assert_in_range(seen.throttled_ms, 300, 60000);
    done(&b);
}

/* A worker that was killed: its home, with a job in it that goes on. */
static int leave_a_home(int said_fd)
{
    struct cgroup_home h = CGROUP_HOME_INIT;
    struct err e = ERR_INIT;
    struct cgroup_box left, leaf;
    const struct limits limits = {.memory_bytes = 64 * MIB};
    if (cgroup_begin(&h, &e) < 0 || cgroup_job_make(h.path, "left", 0, &left, &e) < 0 ||
        cgroup_box_make(&left, "scene", &limits, 0, &leaf, &e) < 0)
        return 1;
    pid_t scene = fork();
    if (scene == 0) {
        const struct box_plan p = {.cgroup_fd = leaf.dir_fd};
        close(h.lock_fd);
        (void)layer_cgroup(&p, NULL);
        dprintf(said_fd, "%s %d", h.path, (int)getpid());
        for (;;)
            pause();
    }
    for (;;)
        pause();
}

/* Whoever is alone in its cgroup takes that for its home (as a service does, and
 * sweeps only that); somebody beside us, and homes are at the top. */
static pid_t start_companion(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (;;)
            pause();
    }
    return pid;
}

static void test_dead_worker_is_swept(void **state)
{
    (void)state;
    pid_t companion = start_companion();
    int ends[2];
    char text[PATH_MAX + 32] = "", path[PATH_MAX] = "";
    int scene = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    pid_t worker = fork();
    if (worker == 0)
        _exit(leave_a_home(ends[1]));
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    assert_int_equal(sscanf(text, "%4095s %d", path, &scene), 2);
    struct cgroup_home mine = CGROUP_HOME_INIT;
    struct err e = ERR_INIT;
    if (cgroup_begin(&mine, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(access(path, F_OK), 0); /* it lives */
    assert_int_equal(kill(scene, 0), 0);
    cgroup_end(&mine);
    assert_int_equal(kill(worker, SIGKILL), 0);
    (void)boxed_wait(worker);
    assert_int_equal(access(path, F_OK), 0);
    if (cgroup_begin(&mine, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(access(path, F_OK), -1);
    assert_true(WIFSIGNALED(boxed_wait(scene)));
    cgroup_end(&mine);
    assert_int_equal(kill(companion, SIGKILL), 0);
    (void)boxed_wait(companion);
    close(ends[0]);
    close(ends[1]);
}

static void test_home_goes(void **state)
{
    (void)state;
    char path[PATH_MAX];
    bool made = home.made;
    snprintf(path, sizeof path, "%s", home.path);
    cgroup_end(&home);
    assert_string_equal(home.path, "");
    assert_int_equal(access(path, F_OK), made ? -1 : 0);
    cgroup_end(&home);
}

/* Nothing is made, and it is said what is missing. */
static void test_without(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct cgroup_home none = CGROUP_HOME_INIT;
    assert_true(cgroup_begin(&none, &e) < 0);
    assert_string_equal(none.path, "");
    assert_true(strlen(e.text) > 10);
    cgroup_end(&none);
}

int main(void)
{
    struct err e = ERR_INIT;
    int rc = cgroup_begin(&home, &e);
    assert_true((rc < 0) == (e.text[0] != 0));
    if (rc < 0) {
        printf("not applicable: cgroup_begin(): %s\n", e.text);
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_without)};
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),       cmocka_unit_test(test_processes_and_end),
        cmocka_unit_test(test_memory_above), cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_cpu_percent),  cmocka_unit_test(test_dead_worker_is_swept),
        cmocka_unit_test(test_home_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
