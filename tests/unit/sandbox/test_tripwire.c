/* Tripwires: who calls is refused and counted; nobody can wait for ever, and the
 * way by which the listener leaves the box is none for the box. */
#include "boxed.h"

#include "base/own.h"

#include <poll.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static struct boxed box;

struct trial {
    struct box_plan plan;
    int socket;
    struct box_trips trips;
    char said[128];
};

static void begin(struct trial *t)
{
    *t = (struct trial){.trips = {.fd = -1}};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    boxed_plan(&box, BOX_SCENE, &t->plan);
    assert_int_equal(dup3(ends[1], BOX_TRIPWIRE_FD, O_CLOEXEC), BOX_TRIPWIRE_FD);
    close(ends[1]);
    box_plan_keep(&t->plan, BOX_TRIPWIRE_FD);
    t->plan.tripwires = true;
    t->socket = ends[0];
}

/* What the seal sends. */
static void receive(struct trial *t)
{
    close(BOX_TRIPWIRE_FD);
    struct iovec iov = {.iov_base = t->said, .iov_len = sizeof t->said - 1};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = sizeof control.space};
    assert_true(recvmsg(t->socket, &m, MSG_CMSG_CLOEXEC) > 0);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c)
        memcpy(&t->trips.fd, CMSG_DATA(c), sizeof t->trips.fd);
}

static void finish(struct trial *t)
{
    box_plan_done(&t->plan);
    if (t->trips.fd >= 0)
        close(t->trips.fd);
    close(t->socket);
}

static int64_t counted(const struct box_trips *t, const char *name)
{
    int64_t sum = 0;
    const char *at;
    for (int i = 0; (at = box_tripwire_name(i)); i++)
        sum += strcmp(at, name) == 0 ? t->counts[i] : 0;
    return sum;
}

static int trip(void *arg)
{
    (void)arg;
    if (MET(ptrace(PTRACE_TRACEME, 0, NULL, NULL)) != EPERM)
        return 1;
    if (MET(socket(AF_INET, SOCK_STREAM, 0)) != EAFNOSUPPORT)
        return 2;
    if (MET(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)) != EPERM)
        return 3;
    return MET(socket(AF_UNIX, SOCK_STREAM, 0)) == EAFNOSUPPORT ? 0 : 4;
}

/* Nobody can count what an outer filter refuses first, as a container's engine
 * does. Each call of trip() is made outside of the box, with an argument that only
 * the kernel itself finds wrong: another answer is a filter's. */
static int64_t reaches(const char *name)
{
    int met = strcmp(name, "ptrace") == 0 ? MET(ptrace(PTRACE_CONT, 0, NULL, NULL)) == ESRCH
              : strcmp(name, "socket") == 0
                  ? MET(socket(AF_INET, 0xf, 0)) == EINVAL
                  : MET(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS, 0, 0, 0, 0)) == EINVAL;
    if (!met)
        print_message("not applicable: %s() outside of the box: a filter around us refuses it\n",
                      name);
    return met;
}

static void test_refused_and_counted(void **state)
{
    (void)state;
    struct trial t;
    begin(&t);
    pid_t pid = boxed_start(&t.plan, trip, NULL);
    receive(&t);
    assert_contains(t.said, "\"active\"");
    while (t.trips.fd >= 0) { /* it closes itself when the box has ended */
        struct pollfd waiting = {.fd = t.trips.fd, .events = POLLIN};
        assert_int_equal(poll(&waiting, 1, 10000), 1);
        box_trips_answer(&t.trips);
    }
    assert_int_equal(boxed_wait(pid), 0);
    static const char *const names[] = {"ptrace", "clone", "socket"}; /* not the local one */
    int64_t total = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int64_t wanted = reaches(names[i]);
        assert_int_equal(counted(&t.trips, names[i]), wanted);
        total += wanted;
    }
    assert_int_equal(t.trips.total, total);
    finish(&t);
}

/* Until the listener is closed a call waits for it; then it fails. */
static int trip_unheard(void *arg)
{
    (void)arg;
    return MET(ptrace(PTRACE_TRACEME, 0, NULL, NULL)) == ENOSYS ? 0 : 1;
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct trial t;
    begin(&t);
    pid_t pid = boxed_start(&t.plan, trip_unheard, NULL);
    receive(&t);
    struct pollfd waiting = {.fd = t.trips.fd, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 10000), 1); /* it is in the call now */
    close(steal_fd(&t.trips.fd));
    assert_int_equal(boxed_wait(pid), 0);
    finish(&t);
}

/* As where the kernel has no listeners: refused at once, by the kernel. */
static void test_without_tripwires(void **state)
{
    (void)state;
    assert_int_equal(boxed_run(&box, BOX_SCENE, trip, NULL), 0);
}

static int look_for_the_way(void *arg)
{
    (void)arg;
    struct msghdr m = {0};
    struct rlimit files;
    if (MET(sendmsg(BOX_TRIPWIRE_FD, &m, 0)) != EBADF)
        return 1;
    if (MET(sendmsg(1, &m, 0)) != ENOSYS)
        return 2;
    if (MET(dup2(1, BOX_TRIPWIRE_FD)) != EBADF || MET(fcntl(1, F_DUPFD, BOX_TRIPWIRE_FD)) != EINVAL)
        return 3;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max >= BOX_TRIPWIRE_FD)
        return 4;
    files.rlim_max = files.rlim_cur = BOX_TRIPWIRE_FD + 1;
    return MET(setrlimit(RLIMIT_NOFILE, &files)) == EPERM ? 0 : 5;
}

static void test_the_way_out_is_shut(void **state)
{
    (void)state;
    struct trial t;
    begin(&t);
    pid_t pid = boxed_start(&t.plan, look_for_the_way, NULL);
    receive(&t);
    assert_int_equal(boxed_wait(pid), 0);
    finish(&t);
}

static void test_names(void **state)
{
    (void)state;
    int count = 0;
    while (box_tripwire_name(count))
        count++;
    assert_true(count > 20 && count < BOX_TRIPWIRES_MAX);
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
        cmocka_unit_test(test_refused_and_counted),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_without_tripwires),
        cmocka_unit_test(test_the_way_out_is_shut),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
