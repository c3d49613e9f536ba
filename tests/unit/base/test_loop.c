/* loop.c, and the behaviour of the kernel that it leans on. */
#include "../unit.h"

#include "base/clock.h"
#include "base/loop.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    return !loop;
}

static int teardown(void **state)
{
    (void)state;
    loop = loop_free(loop);
    return 0;
}

/* A pipe with something to read in it. */
struct source {
    struct watch watch;
    int in, out, calls;
    struct source *victim; /* whom on_ready unwatches and frees */
};

static struct source *source_new(void)
{
    struct source *s = own_calloc(1, sizeof(*s));
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    s->watch = (struct watch)WATCH_INIT;
    s->in = ends[0];
    s->out = ends[1];
    assert_int_equal(write(s->out, "x", 1), 1);
    return s;
}

static void source_free(struct source *s)
{
    loop_unwatch(loop, &s->watch);
    close(s->in);
    close(s->out);
    free(s);
}

static void count(void *arg, uint32_t events)
{
    struct source *s = arg;
    assert_int_equal(events, EPOLLIN);
    s->calls++;
}

static void kill_victim(void *arg, uint32_t events)
{
    struct source *s = arg;
    count(s, events);
    if (s->victim)
        source_free(s->victim);
    s->victim = NULL;
}

static void a_watch_that_died_in_the_batch_is_not_called(void **state)
{
    (void)state;
    struct source *a = source_new(), *b = source_new();
    a->victim = b;
    b->victim = a; /* whichever comes first frees the other */
    assert_int_equal(loop_watch(loop, &a->watch, a->in, EPOLLIN, kill_victim, a), 0);
    assert_int_equal(loop_watch(loop, &b->watch, b->in, EPOLLIN, kill_victim, b), 0);
    loop_step(loop, 1000); /* a sanitizer would see the use of freed memory */
    struct source *left = a->victim == NULL ? a : b;
    assert_int_equal(left->calls, 1);
    source_free(left);
}

static void step_within(void *arg, uint32_t events)
{
    struct source *s = arg;
    count(s, events);
    loop_rewatch(loop, &s->watch, 0);
    loop_step(loop, 0); /* frees the victim, whose event the outer step still holds */
}

static void steps_within_steps_know_of_the_dead_too(void **state)
{
    (void)state;
    struct source *a = source_new(), *killer = source_new(), *victim = source_new();
    killer->victim = victim;
    assert_int_equal(loop_watch(loop, &a->watch, a->in, EPOLLIN, step_within, a), 0);
    assert_int_equal(loop_watch(loop, &killer->watch, killer->in, EPOLLIN, kill_victim, killer), 0);
    assert_int_equal(loop_watch(loop, &victim->watch, victim->in, EPOLLIN, count, victim), 0);
    loop_step(loop, 1000);
    assert_true(killer->calls >= 1);
    source_free(a);
    source_free(killer);
}

static void stop_listening(void *arg, uint32_t events)
{
    struct source *s = arg;
    count(s, events);
    if (s->victim)
        loop_rewatch(loop, &s->victim->watch, 0);
}

static void a_rewatch_takes_effect_within_the_batch(void **state)
{
    (void)state;
    struct source *a = source_new(), *b = source_new();
    a->victim = b;
    b->victim = a;
    assert_int_equal(loop_watch(loop, &a->watch, a->in, EPOLLIN, stop_listening, a), 0);
    assert_int_equal(loop_watch(loop, &b->watch, b->in, EPOLLIN, stop_listening, b), 0);
    loop_step(loop, 1000);
    assert_int_equal(a->calls + b->calls, 1);
    source_free(a);
    source_free(b);
}

static void errors_of_watching_are_told(void **state)
{
    (void)state;
    struct watch w = WATCH_INIT;
    assert_int_equal(loop_watch(loop, &w, -1, EPOLLIN, count, NULL), -EBADF);
    assert_int_equal(w.fd, -1);
    loop_unwatch(loop, &w);
}

/* Timers. */
static char order[16];

static void note(void *arg)
{
    size_t used = strlen(order);
    order[used] = *(const char *)arg;
    order[used + 1] = '\0';
    if (*(const char *)arg == 'z')
        loop_stop(loop);
}

static void timers_run_in_order(void **state)
{
    (void)state;
    struct timer a = TIMER_INIT, b = TIMER_INIT, c = TIMER_INIT, d = TIMER_INIT, z = TIMER_INIT;
    order[0] = '\0';
    int64_t start_ms = clock_now_ms();
    loop_timer(loop, &z, 30, note, "z");
    loop_timer(loop, &b, 10, note, "b");
    loop_timer(loop, &a, 0, note, "a");
    loop_timer(loop, &c, 10, note, "c");
    loop_timer(loop, &d, 5, note, "d");
    loop_timer_cancel(loop, &d);
    loop_timer_cancel(loop, &d);
    loop_timer(loop, &a, 20, note, "a"); /* set again: moved */
    loop_run(loop);
    assert_string_equal(order, "bcaz");
    assert_true(clock_now_ms() - start_ms >= 29);
    assert_false(a.set);
}

static void last_in_a_pass(void **state)
{
    (void)state;
    struct timer send = TIMER_INIT, gather = TIMER_INIT, due = TIMER_INIT;
    order[0] = '\0';
    loop_timer(loop, &due, 0, note, "d");
    loop_after(loop, &send, AFTER_SEND, note, "s");
    loop_after(loop, &gather, AFTER_GATHER, note, "g");
    loop_after(loop, &send, AFTER_SEND, note, "s"); /* once */
    assert_string_equal(order, "");
    loop_step(loop, -1); /* does not wait for a descriptor */
    assert_true(order[0] == 'g' && order[1] == 's' && order[2] != 's');
    assert_true(!send.set && !gather.set);
    loop_timer_cancel(loop, &due);
}

static struct timer eager, victim_timer;
static int eager_runs;

static void run_again_at_once(void *arg)
{
    (void)arg;
    eager_runs++;
    loop_timer_cancel(loop, &victim_timer);
    loop_timer(loop, &eager, 0, run_again_at_once, NULL);
}

static void an_eager_timer_starves_nobody(void **state)
{
    (void)state;
    struct source *s = source_new();
    order[0] = '\0';
    eager_runs = 0;
    assert_int_equal(loop_watch(loop, &s->watch, s->in, EPOLLIN, count, s), 0);
    loop_timer(loop, &eager, 0, run_again_at_once, NULL);
    loop_timer(loop, &victim_timer, 0, note, "v");
    for (int i = 0; i < 50; i++)
        loop_step(loop, 0);
    assert_int_equal(s->calls, 50);
    assert_true(eager_runs >= 1 && eager_runs <= 50);
    assert_string_equal(order, ""); /* cancelled while it was due */
    loop_timer_cancel(loop, &eager);
    source_free(s);
}

/* Children. */
static int last_status, exits;

static void on_exit_status(void *arg, int status)
{
    (void)arg;
    last_status = status;
    if (++exits == *(int *)arg)
        loop_stop(loop);
}

static pid_t spawn(int exit_code, int signo)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (signo)
            raise(signo);
        _exit(exit_code);
    }
    return pid;
}

static void children_are_reaped_with_their_status(void **state)
{
    (void)state;
    const struct {
        int code, signo;
    } ends[] = {{0, 0}, {3, 0}, {255, 0}, {0, SIGKILL}, {0, SIGTERM}};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct child c = CHILD_INIT;
        int wanted = 1;
        exits = 0;
        pid_t pid = spawn(ends[i].code, ends[i].signo);
        assert_int_equal(loop_child(loop, &c, pid, on_exit_status, &wanted), 0);
        loop_run(loop);
        assert_int_equal(c.pid, 0);
        if (ends[i].signo) {
            assert_true(WIFSIGNALED(last_status));
            assert_int_equal(WTERMSIG(last_status), ends[i].signo);
        } else {
            assert_true(WIFEXITED(last_status));
            assert_int_equal(WEXITSTATUS(last_status), ends[i].code);
        }
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
    }
}

static void a_child_reaped_by_another_did_not_end_well(void **state)
{
    (void)state;
    struct child c = CHILD_INIT;
    int wanted = 1;
    exits = 0;
    pid_t pid = spawn(0, 0);
    assert_int_equal(loop_child(loop, &c, pid, on_exit_status, &wanted), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    loop_run(loop);
    assert_true(WIFSIGNALED(last_status));
    assert_int_equal(loop_child(loop, &c, pid, on_exit_status, &wanted), -ESRCH);
}

static void a_forgotten_child_is_left_to_others(void **state)
{
    (void)state;
    struct child c = CHILD_INIT;
    int wanted = 1;
    exits = 0;
    pid_t pid = spawn(0, 0);
    assert_int_equal(loop_child(loop, &c, pid, on_exit_status, &wanted), 0);
    loop_child_forget(&c);
    loop_child_forget(&c);
    loop_step(loop, 20);
    assert_int_equal(exits, 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void on_exit_once(void *arg, int status)
{
    (void)status;
    ++*(int *)arg;
    exits++;
}

/* What hung a sketch of this loop: each child inherits the pidfds of those
 * before it, as fork() without exec keeps them, so that closing ours does not
 * take them out of epoll. */
static void children_that_hold_each_others_pidfds_do_not_hang_it(void **state)
{
    enum { CHILDREN = 200 };
    static struct child children[CHILDREN];
    static int ended[CHILDREN];
    int gate[2];
    (void)state;
    exits = 0;
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char byte;
            if (i % 2 == 0)
                _exit(0); /* odd ones live on, with the even ones' pidfds */
            close(gate[1]);
            _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
        }
        assert_int_equal(loop_child(loop, &children[i], pid, on_exit_once, &ended[i]), 0);
    }
    while (exits < CHILDREN / 2)
        loop_step(loop, 1000);
    for (int i = 0; i < 10; i++)
        loop_step(loop, 0); /* nothing is reported twice */
    close(gate[1]);
    while (exits < CHILDREN)
        loop_step(loop, 1000);
    for (int i = 0; i < CHILDREN; i++)
        assert_int_equal(ended[i], 1);
    close(gate[0]);
}

/* The same, without the loop: what the kernel does and why DEL comes first. */
static void kernel_keeps_reporting_a_closed_pidfd_that_a_child_holds(void **state)
{
    (void)state;
    own_fd int epoll = epoll_create1(EPOLL_CLOEXEC);
    int gate[2];
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    pid_t first = spawn(0, 0);
    int pidfd = pidfd_open(first, 0);
    struct epoll_event event = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event), 0);
    pid_t holder = fork();
    if (holder == 0) {
        char byte;
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(pidfd); /* without EPOLL_CTL_DEL: the holder's copy keeps it in */
    assert_int_equal(waitpid(first, NULL, 0), first);
    assert_int_equal(epoll_wait(epoll, &event, 1, 1000), 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 1000), 1); /* and for ever */
    close(gate[1]);
    close(gate[0]);
    assert_int_equal(waitpid(holder, NULL, 0), holder);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
}

static void kernel_waitid_on_a_running_child_says_nothing(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    own_fd int pidfd = pidfd_open(pid, 0);
    assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
    siginfo_t info = {0};
    assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG), 0);
    assert_int_equal(info.si_pid, 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Signals. */
static int got_signals[8], got_count;

static void on_signal(void *arg, int signo)
{
    (void)arg;
    got_signals[got_count++] = signo;
    if (got_count == 2)
        loop_stop(loop);
}

static void signals_come_through_the_loop(void **state)
{
    (void)state;
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(loop_signals(loop, &set, on_signal, NULL), 0);
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGHUP);
    loop_run(loop);
    assert_int_equal(got_signals[0] + got_signals[1], SIGTERM + SIGHUP);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static void stop_before_run_is_kept(void **state)
{
    (void)state;
    loop_stop(loop);
    loop_run(loop);
    int64_t start_ms = clock_now_ms();
    loop_step(loop, 20);
    assert_true(clock_now_ms() - start_ms >= 19);
}

int main(void)
{
#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_LOOP(a_watch_that_died_in_the_batch_is_not_called),
        WITH_LOOP(steps_within_steps_know_of_the_dead_too),
        WITH_LOOP(a_rewatch_takes_effect_within_the_batch),
        WITH_LOOP(errors_of_watching_are_told),
        WITH_LOOP(timers_run_in_order),
        WITH_LOOP(last_in_a_pass),
        WITH_LOOP(an_eager_timer_starves_nobody),
        WITH_LOOP(children_are_reaped_with_their_status),
        WITH_LOOP(a_child_reaped_by_another_did_not_end_well),
        WITH_LOOP(a_forgotten_child_is_left_to_others),
        WITH_LOOP(children_that_hold_each_others_pidfds_do_not_hang_it),
        cmocka_unit_test(kernel_keeps_reporting_a_closed_pidfd_that_a_child_holds),
        cmocka_unit_test(kernel_waitid_on_a_running_child_says_nothing),
        WITH_LOOP(signals_come_through_the_loop),
        WITH_LOOP(stop_before_run_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
