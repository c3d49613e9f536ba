/* A pool in which what the kernel has for it runs out: a zygote that cannot be
 * watched must not keep the seat of one that can. */
#include "../unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/own.h"
#include "cmd/zygotes.h"
#include "render/render.h"

#define WITHIN_MS 30000
#define KEPT 2

static int refusals, watched;

/* In the place of libc's. */
int pidfd_open(pid_t pid, unsigned flags)
{
    if (refusals > 0) {
        refusals--;
        errno = EMFILE;
        return -1;
    }
    watched++;
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

/* Says that it is ready, and waits for the end of its socket. */
static void write_program(const char *path, const char *text)
{
    own_file FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fflush(f), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

static bool has_zombie(void)
{
    siginfo_t info = {0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

static void test_one_that_cannot_be_watched_leaves_its_seat(void **state)
{
    (void)state;
    write_program("python", "#!/bin/sh\nprintf '{\"ready\":true}' >&3\nexec cat <&3 >/dev/null\n");
    write_program("zygote.py", "");
    const struct render_spec spec = {.python = "./python", .harness = ".", .native = "zygote.py"};
    struct loop *loop = loop_new();
    assert_non_null(loop);
    for (int failing = 1; failing <= KEPT; failing++) {
        refusals = failing;
        watched = 0;
        struct zygotes *pool = zygotes_new(loop, &spec, 100);
        assert_false(has_zombie());
        int64_t until_ms = clock_now_ms() + WITHIN_MS;
        while (watched < KEPT && clock_now_ms() < until_ms)
            loop_step(loop, 50);
        assert_int_equal(watched, KEPT);
        assert_int_equal(refusals, 0);
        int lent = -1;
        while ((lent = zygotes_lend(pool)) < 0 && clock_now_ms() < until_ms)
            loop_step(loop, 50);
        assert_true(lent >= 0);
        close(lent);
        zygotes_free(pool);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
    }
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_cannot_be_watched_leaves_its_seat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
