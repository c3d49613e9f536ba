/* A look that lists nothing, since nobody was born, still sees whoever is there. */
#include "boxed.h"

#include "sandbox/sweep.h"

#define LOOKS 12

static struct boxed box;

static pid_t sleeper(void)
{
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool taken = !box.uid || setresuid(box.uid, box.uid, box.uid) == 0;
        (void)!write(ends[1], taken ? "y" : "n", 1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(ends[0]);
    close(ends[1]);
    return pid;
}

/* As a helper: born, and not of the box. */
static pid_t fork_one(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int seen(struct sweep_past *past)
{
    own_sweep struct sweep s = SWEEP_INIT;
    assert_int_equal(sweep_look_again(&s, box.uid, getpid(), past), 0);
    return s.count;
}

static void test_births_and_ends_are_seen_at_once(void **state)
{
    (void)state;
    struct sweep_past past = {0};
    pid_t first = sleeper();
    for (int i = 0; i < LOOKS; i++) {
        assert_int_equal(seen(&past), 1);
        assert_int_equal(seen(&past), 1);
        pid_t second = sleeper();
        assert_int_equal(seen(&past), 2);
        end(second);
        assert_int_equal(seen(&past), 1);
        assert_int_equal(seen(&past), 1);
        int64_t born = sweep_last_born(&past);
        end(fork_one());
        second = sleeper(); /* two were born, and one of them is not ours */
        sweep_one_was_ours(&past, born);
        assert_int_equal(seen(&past), 2);
        end(second);
    }
    end(first);
    for (int i = 0; i < LOOKS; i++)
        assert_int_equal(seen(&past), 0);
    sweep_past_done(&past);
}

/* It shows by whom it forgets: a look that lists finds him again. When others are
 * born meanwhile, all looks list; not two hundred times in a row. */
static void test_a_look_after_no_birth_lists_nothing(void **state)
{
    (void)state;
    struct sweep_past past = {0};
    pid_t only = sleeper();
    int found = seen(&past);
    for (int i = 0; i < 200 && past.births_fd >= 0 && found == 1; i++) {
        assert_int_equal(seen(&past), 1);
        assert_int_equal(seen(&past), 1);
        int64_t born = sweep_last_born(&past);
        end(fork_one());
        sweep_one_was_ours(&past, born);
        past.ours.count = 0;
        found = seen(&past);
    }
    if (past.births_fd < 0)
        print_message("not applicable: births_fd: /proc/loadavg does not tell of births here\n");
    else
        assert_int_equal(found, 0);
    end(only);
    sweep_past_done(&past);
}

static int setup(void **state)
{
    (void)state;
    boxed_init(&box);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_births_and_ends_are_seen_at_once),
        cmocka_unit_test(test_a_look_after_no_birth_lists_nothing),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
