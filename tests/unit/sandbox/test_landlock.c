/* Each ABI of Landlock that this kernel has, by itself: what it denies, and what
 * only the next one does. Nothing else of a box is on here. */
#include "boxed.h"

#include "sandbox/layers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#define NEWEST_KNOWN 10

static int root_fd; /* of a directory with "in/", "out/" and files in them */
static struct sockaddr_in tcp, udp;
static struct sockaddr_un abstract = {.sun_family = AF_UNIX}, named = {.sun_family = AF_UNIX};
#define ABSTRACT_BYTES ((socklen_t)(offsetof(struct sockaddr_un, sun_path) + 32))

static int call(const void *address, socklen_t bytes, int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    int met = MET(connect(fd, address, bytes));
    close(fd);
    return met;
}

/* Each returns what it met; the first ABI that must deny it, and with what. */
static int read_outside(void)
{
    return opened("/etc/passwd", O_RDONLY);
}

static int list_outside(void)
{
    return opened("/", O_RDONLY | O_DIRECTORY);
}

static int write_readable(void)
{
    int fd = openat(root_fd, "in/file", O_WRONLY | O_CLOEXEC);
    return fd < 0 ? errno : 0;
}

static int run_writable(void)
{
    int fd = openat(root_fd, "out/file", O_RDONLY | O_CLOEXEC);
    char *const none[] = {NULL};
    return fd < 0 ? -1 : MET(execveat(fd, "", none, none, AT_EMPTY_PATH));
}

static int make_fifo(void)
{
    return MET(mkfifoat(root_fd, "out/fifo", 0600));
}

static int truncate_readable(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d/in/file", root_fd);
    return MET(truncate(path, 0));
}

static int call_tcp(void)
{
    return call(&tcp, sizeof tcp, AF_INET, SOCK_STREAM);
}

static int command_device(void)
{
    struct termios t;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd < 0 ? -1 : MET(ioctl(fd, TCGETS, &t));
}

static int signal_parent(void)
{
    return MET(kill(getppid(), 0));
}

static int call_abstract(void)
{
    return call(&abstract, ABSTRACT_BYTES, AF_UNIX, SOCK_STREAM);
}

static int call_named(void)
{
    return call(&named, sizeof named, AF_UNIX, SOCK_STREAM);
}

static int call_udp(void)
{
    return call(&udp, sizeof udp, AF_INET, SOCK_DGRAM);
}

static const struct denial {
    const char *name;
    int (*attempt)(void);
    int since;  /* the ABI */
    int denied; /* errno from then on */
    int before; /* errno before it: 0, it goes through */
} denials[] = {
    {"read outside", read_outside, 1, EACCES, 0},
    {"list outside", list_outside, 1, EACCES, 0},
    {"write what is readable", write_readable, 1, EACCES, 0},
    {"run what is writable", run_writable, 1, EACCES, 0},
    {"make a FIFO", make_fifo, 1, EACCES, 0},
    {"truncate what is readable", truncate_readable, 3, EACCES, 0},
    {"call by TCP", call_tcp, 4, EACCES, 0},
    {"command a device", command_device, 5, EACCES, ENOTTY},
    {"signal the parent", signal_parent, 6, EPERM, 0},
    {"call an abstract socket", call_abstract, 6, EPERM, 0},
    {"call a named socket", call_named, 9, EACCES, 0},
    {"call by UDP", call_udp, 10, EACCES, 0},
};
enum { DENIALS = sizeof denials / sizeof denials[0] };

/* What is allowed works at every ABI; from the second on, moving files too. */
static bool permitted_works(int abi)
{
    int in = openat(root_fd, "in/file", O_RDONLY | O_CLOEXEC);
    int out = openat(root_fd, "out/new", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int moved = MET(renameat(root_fd, "out/new", root_fd, "out/sub/new"));
    if (unlinkat(root_fd, moved ? "out/new" : "out/sub/new", 0) < 0)
        return false;
    return in >= 0 && out >= 0 && moved == (abi == 1 ? EXDEV : 0);
}

static int inside(const struct box_plan *p, int abi)
{
    struct err e = ERR_INIT;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_enter(p, abi, &e) < 0)
        return SEAL_FAILED;
    if (!permitted_works(abi))
        return 1;
    for (int i = 0; i < DENIALS; i++) {
        const struct denial *d = &denials[i];
        int met = d->attempt();
        if (met == (abi >= d->since ? d->denied : d->before))
            continue;
        dprintf(2, "ABI %d: %s met %d\n", abi, d->name, met);
        return 2;
    }
    return 0;
}

static void make_plan(struct box_plan *p)
{
    *p = (struct box_plan){.level = BOX_STANDARD, .uid = 1, .dir_fd = -1};
    char in[64], out[64];
    snprintf(in, sizeof in, "/proc/self/fd/%d/in", root_fd);
    snprintf(out, sizeof out, "/proc/self/fd/%d/out", root_fd);
    assert_int_equal(box_plan_allow(p, in, BOX_READ, NULL), 0);
    assert_int_equal(box_plan_allow(p, out, BOX_READ | BOX_WRITE, NULL), 0);
    assert_int_equal(box_plan_allow(p, "/dev/null", BOX_READ | BOX_WRITE, NULL), 0);
}

static void test_each_abi(void **state)
{
    (void)state;
    int newest = landlock_abi();
    if (newest < 1)
        fail_msg("Landlock is not to be had: %d", newest);
    struct box_plan p;
    make_plan(&p);
    for (int abi = 1; abi <= newest && abi <= NEWEST_KNOWN; abi++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(inside(&p, abi));
        int status = boxed_wait(pid);
        if (status != 0)
            fail_msg("ABI %d: status 0x%x", abi, (unsigned)status);
    }
    box_plan_done(&p);
}

/* One that is newer than all that is known denies at least as much. */
static void test_a_future_abi(void **state)
{
    (void)state;
    struct box_plan p;
    make_plan(&p);
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = ERR_INIT;
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        int rc = landlock_enter(&p, 99, &e);
        if (landlock_abi() < NEWEST_KNOWN) /* then this kernel refuses the newest row */
            _exit(rc == -EINVAL ? 0 : 1);
        _exit(rc == 0 && call_udp() == EACCES ? 0 : 2);
    }
    assert_int_equal(boxed_wait(pid), 0);
    box_plan_done(&p);
}

static void test_refused(void **state)
{
    (void)state;
    struct box_plan p;
    struct err e = ERR_INIT;
    make_plan(&p);
    assert_int_equal(landlock_enter(&p, 0, &e), -EOPNOTSUPP);
    assert_int_equal(landlock_enter(&p, -EPERM, &e), -EPERM);
    p.uid = 0; /* basic: nothing but ABI 6 keeps its signals inside */
    assert_int_equal(landlock_enter(&p, 5, &e), -EOPNOTSUPP);
    assert_contains(e.text, "cannot scope signals");
    box_plan_done(&p);
}

static int listener(int family, int type, const void *address, socklen_t bytes)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, address, bytes), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static void listen_inet(struct sockaddr_in *ret, int type)
{
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = listener(AF_INET, type, ret, sizeof *ret);
    socklen_t bytes = sizeof *ret;
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &bytes), 0);
}

static int setup(void **state)
{
    (void)state;
    root_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *const dirs[] = {"in", "out", "out/sub"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mkdir(dirs[i], 0700), 0);
    const char *const files[] = {"in/file", "out/file"};
    for (size_t i = 0; i < 2; i++)
        close(openat(root_fd, files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0700));
    snprintf(named.sun_path, sizeof named.sun_path, "in/socket");
    listener(AF_UNIX, SOCK_STREAM, &named, sizeof named);
    snprintf(abstract.sun_path + 1, 31, "manimd-test-%d", (int)getpid());
    listener(AF_UNIX, SOCK_STREAM, &abstract, ABSTRACT_BYTES);
    listen_inet(&tcp, SOCK_STREAM);
    listen_inet(&udp, SOCK_DGRAM);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_abi),
        cmocka_unit_test(test_a_future_abi),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
