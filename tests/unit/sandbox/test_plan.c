/* What a plan allows is what the box can reach, and no more. */
#include "boxed.h"

static struct boxed box;

static void make_file(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_missing_path_is_left_out(void **state)
{
    (void)state;
    struct box_plan p;
    boxed_plan(&box, BOX_SCENE, &p);
    int before = p.paths;
    assert_int_equal(box_plan_allow(&p, "nowhere", BOX_READ, NULL), 1);
    assert_int_equal(box_plan_allow(&p, "open/nowhere", BOX_READ, NULL), 1);
    assert_int_equal(p.paths, before);
    box_plan_done(&p);
    box_plan_done(&p);
}

static void test_descriptors_are_cloexec(void **state)
{
    (void)state;
    struct box_plan p;
    boxed_plan(&box, BOX_SCENE, &p);
    assert_int_equal(box_plan_allow_fd(&p, box.dir_fd, BOX_READ), 0);
    assert_true(p.paths > 5);
    for (int i = 0; i < p.paths; i++)
        assert_int_equal(fcntl(p.path_fds[i], F_GETFD), FD_CLOEXEC);
    box_plan_done(&p);
}

static void test_full_table(void **state)
{
    (void)state;
    struct box_plan p;
    boxed_plan(&box, BOX_ENCODER, &p);
    int rc = 0;
    struct err e = ERR_INIT;
    for (int i = 0; i <= BOX_PATHS_MAX && rc == 0; i++)
        rc = box_plan_allow(&p, ".", BOX_READ, &e);
    assert_int_equal(rc, -ENOSPC);
    assert_contains(e.text, "allow \".\"");
    box_plan_done(&p);
}

/* The working directory is put back by absolute paths: the box's is another. */
static char here[4096];

static int met_at(const char *name, int flags)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", here, name);
    return opened(path, flags);
}

static int reach(void *arg)
{
    (void)arg;
    if (met_at("open/file", O_RDONLY) != 0 || met_at("open/file", O_WRONLY) != EACCES)
        return 1;
    if (met_at("shut/file", O_RDONLY) != EACCES || met_at("shut", O_RDONLY) != EACCES)
        return 2;
    if (met_at("written/file", O_RDWR) != 0 || met_at("written/new", O_RDWR | O_CREAT) != 0)
        return 3;
    char program[8192];
    snprintf(program, sizeof program, "%s/open/true", here);
    return MET(execl(program, "true", (char *)NULL)) == EACCES ? 0 : 4;
}

static int run_allowed(void *arg)
{
    (void)arg;
    char program[8192];
    snprintf(program, sizeof program, "%s/open/true", here);
    execl(program, "true", (char *)NULL);
    return errno;
}

static void test_access_bits(void **state)
{
    (void)state;
    struct box_plan p;
    boxed_plan(&box, BOX_SCENE, &p);
    assert_int_equal(box_plan_allow(&p, "open", BOX_READ, NULL), 0);
    assert_int_equal(box_plan_allow(&p, "written", BOX_READ | BOX_WRITE, NULL), 0);
    assert_int_equal(boxed_wait(boxed_start(&p, reach, NULL)), 0);
    box_plan_done(&p);

    boxed_plan(&box, BOX_SCENE, &p);
    assert_int_equal(box_plan_allow(&p, "open", BOX_READ | BOX_EXEC, NULL), 0);
    assert_int_equal(boxed_wait(boxed_start(&p, run_allowed, NULL)), 0);
    box_plan_done(&p);
}

static int setup(void **state)
{
    (void)state;
    boxed_init(&box);
    assert_non_null(getcwd(here, sizeof here));
    const char *const dirs[] = {"open", "shut", "written"};
    for (size_t i = 0; i < 3; i++) {
        char path[32];
        snprintf(path, sizeof path, "%s/file", dirs[i]);
        assert_int_equal(mkdir(dirs[i], 0777), 0);
        assert_int_equal(chmod(dirs[i], 0777), 0);
        make_file(path, 0666);
    }
    /* A program of its own: a copy of true, byte by byte. */
    int from = open("/bin/true", O_RDONLY | O_CLOEXEC);
    int to = open("open/true", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    char block[4096];
    for (ssize_t n; (n = read(from, block, sizeof block)) > 0;)
        assert_int_equal(write(to, block, (size_t)n), n);
    close(from);
    close(to);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_path_is_left_out),
        cmocka_unit_test(test_descriptors_are_cloexec),
        cmocka_unit_test(test_full_table),
        cmocka_unit_test(test_access_bits),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
