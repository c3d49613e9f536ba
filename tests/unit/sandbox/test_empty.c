/* Nothing of a box is left when it was emptied, whatever it does against it. */
#include "boxed.h"

#include "base/clock.h"

#include <sys/prctl.h>

#define BOMB 400

static struct boxed box;

static void sleep_for_ever(void)
{
    for (;;)
        pause();
}

/* Says 'x' when all are there. */
static int bomb(void *arg)
{
    int ready_fd = *(int *)arg;
    for (int i = 0; i < BOMB - 1; i++) {
        pid_t pid = fork();
        if (pid == 0)
            sleep_for_ever();
        if (pid < 0)
            return 1;
    }
    (void)!write(ready_fd, "x", 1);
    sleep_for_ever();
    return 0;
}

/* Each child starts the next one and goes, faster than a sweep can follow; all
 * signals that can be are ignored, in sessions of their own. */
static int run_away(void *arg)
{
    int ready_fd = *(int *)arg;
    for (int signo = 1; signo < 32; signo++)
        signal(signo, SIG_IGN);
    (void)!write(ready_fd, "x", 1);
    for (;;) {
        setsid();
        if (fork() > 0)
            _exit(0);
    }
}

/* Stops itself, as no deadline by SIGTERM could end it. */
static int stop(void *arg)
{
    (void)!write(*(int *)arg, "x", 1);
    raise(SIGSTOP);
    return 0;
}

static pid_t start(const struct boxed *b, int (*inside)(void *), int64_t processes)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct box_plan p;
    boxed_plan(b, BOX_SCENE, &p);
    p.limits.processes = processes;
    box_plan_keep(&p, ends[1]);
    pid_t pid = boxed_start(&p, inside, &ends[1]);
    close(ends[1]);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    box_plan_done(&p);
    return pid;
}

static void reap_all(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

static void empties(const struct boxed *b, int (*inside)(void *), int at_least, int64_t within_ms)
{
    start(b, inside, BOMB + 50);
    assert_true(box_count(b->uid, getpid()) >= at_least);
    int64_t began_ms = clock_now_ms();
    struct err e = ERR_INIT;
    if (box_empty(b->uid, getpid(), within_ms, &e) < 0)
        fail_msg("%s", e.text);
    print_message("empty after %d ms\n", (int)(clock_now_ms() - began_ms));
    assert_int_equal(box_count(b->uid, getpid()), 0);
    reap_all();
}

static void test_bomb(void **state)
{
    (void)state;
    empties(&box, bomb, BOMB, 3000);
}

static void test_stopped(void **state)
{
    (void)state;
    empties(&box, stop, 1, 3000);
}

static void test_run_away(void **state)
{
    (void)state;
    empties(&box, run_away, 0, 3000);
}

/* As at level basic: by descent. */
static void test_without_uid(void **state)
{
    (void)state;
    struct boxed basic = {.level = BOX_BASIC, .dir_fd = box.dir_fd};
    empties(&basic, bomb, BOMB, 3000);
    empties(&basic, stop, 1, 3000);
    empties(&basic, run_away, 0, 3000);
}

static void test_nothing_there(void **state)
{
    (void)state;
    assert_int_equal(box_empty(box.uid, getpid(), 0, NULL), 0);
    assert_int_equal(box_count(box.uid, getpid()), 0);
}

/* A zombie holds nothing; its parent may take its time. */
static void test_zombie_counts_as_gone(void **state)
{
    (void)state;
    pid_t pid = start(&box, stop, 8);
    assert_int_equal(box_count(box.uid, getpid()), 1);
    assert_int_equal(box_empty(box.uid, getpid(), 3000, NULL), 0);
    assert_int_equal(box_count(box.uid, getpid()), 0);
    assert_int_equal(WTERMSIG(boxed_wait(pid)), SIGKILL);
}

/* kill(-1) as ourselves would be the end of everything that is ours. */
static void test_spares_its_own_uid(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        uid_t uid = box.neighbour;
        if (uid && setresuid(uid, uid, uid) < 0)
            _exit(1);
        _exit(box_empty(getuid(), 0, 100, NULL) == -EINVAL ? 0 : 2);
    }
    assert_int_equal(boxed_wait(pid), 0);
}

static int setup(void **state)
{
    (void)state;
    boxed_init(&box);
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static int setup_namespaces(void **state)
{
    int rc = setup(state);
    box.namespaces = true;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_run_away),
        cmocka_unit_test(test_without_uid),
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_zombie_counts_as_gone),
        cmocka_unit_test(test_spares_its_own_uid),
    };
    int failed = cmocka_run_group_tests_name("test_empty", tests, setup, NULL);
    if (!boxed_has_namespaces())
        return failed;
    return failed +
           cmocka_run_group_tests_name("test_empty_in_namespaces", tests, setup_namespaces, NULL);
}
