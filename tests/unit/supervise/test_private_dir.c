/* A worker's own work directory: those of killed workers go, nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/own.h"
#include "supervise/private_dir.h"

static char tmp[] = "/tmp/manimd-test-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(tmp) && !setenv("TMPDIR", tmp, 1) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(AT_FDCWD, tmp, NULL);
}

static void age(const char *path)
{
    const struct timespec long_ago[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
}

static char *old_dir(const char *name, const char *inside)
{
    char *path = own_printf("%s/%s", tmp, name);
    own_free char *deep = own_printf("%s/%s", path, inside);
    assert_int_equal(mkdir(path, 0711), 0);
    assert_int_equal(mkdir(deep, 0700), 0);
    age(path);
    return path;
}

static void sweeps_the_dead_only(void **state)
{
    struct private_dir living = PRIVATE_DIR_INIT, next = PRIVATE_DIR_INIT;
    struct err e = ERR_INIT;
    struct stat st;
    (void)state;
    assert_int_equal(private_dir_make(&living, &e), 0);
    assert_int_equal(stat(living.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0711);
    age(living.path);
    own_free char *dead = old_dir("manimd-work-abcdef", "job.12345678");
    own_free char *others = old_dir("manimd-abcdef", "job.12345678");
    own_free char *fresh = old_dir("manimd-work-fresh1", "job.12345678");
    assert_int_equal(utimensat(AT_FDCWD, fresh, NULL, 0), 0); /* now: may be being made */
    assert_int_equal(private_dir_make(&next, &e), 0);
    assert_int_not_equal(access(dead, F_OK), 0);
    assert_int_equal(access(living.path, F_OK), 0);
    assert_int_equal(access(others, F_OK), 0);
    assert_int_equal(access(fresh, F_OK), 0);
    own_free char *gone = own_strdup(living.path);
    private_dir_done(&living);
    private_dir_done(&next);
    assert_int_not_equal(access(gone, F_OK), 0);
    private_dir_done(&next); /* twice is harmless */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sweeps_the_dead_only)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
