/* A box's cgroup bounds what it holds, by the kernel's own count. Where there is
 * no cgroup v2 with the controllers, what is said about that. */
#include "boxed.h"

#include "sandbox/cgroup.h"

#include <sys/mman.h>
#include <time.h>

static struct cgroup_home home = CGROUP_HOME_INIT;

static struct cgroup_box make(int64_t memory_bytes, int64_t processes)
{
    struct err e = ERR_INIT;
    struct cgroup_box b;
    const struct limits limits = {.memory_bytes = memory_bytes, .processes = processes};
    if (cgroup_box_make(home.path, "test", &limits, 8 * MIB, &b, &e) < 0)
        fail_msg("%s", e.text);
    return b;
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
    assert_int_equal(cgroup_box_done(&b), 0);
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
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", b.path);
    assert_int_equal(cgroup_box_done(&b), 0);
    assert_int_equal(access(path, F_OK), -1);
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
    struct cgroup_box again = make(256 * MIB, 8);
    cgroup_look(again.dir_fd, &seen);
    assert_in_range(seen.cpu_ms, 0, 100);
    assert_int_equal(cgroup_box_done(&again), 0);
    close(b.dir_fd);
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
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_processes_and_end),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_home_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
