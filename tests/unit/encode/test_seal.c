/* What the encoder's box stops, seen from the inside of one. */
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "encode/seal.h"
#include "encode/settings.h"

#define UID 1900000002

/* Each returns 0 when what it tried was refused (or, for may_…, worked). */
static int may_write_here(void)
{
    int fd = open("mine", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 || write(fd, "x", 1) != 1 || rename("mine", "yours") || unlink("yours");
}

static void *nothing(void *arg)
{
    return arg;
}

static int may_start_threads(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL);
}

static int passwd(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static int parent_directory(void)
{
    return open("../outside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0;
}

static int neighbours(void)
{
    return open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0 ||
           open("/proc/1/environ", O_RDONLY | O_CLOEXEC) >= 0;
}

/* Its own directory is the only place where it can make or change a file. */
static int other_places(void)
{
    static const char *const places[] = {"/tmp",        "/var/tmp",   "/dev/shm",   "/run/lock",
                                         "/dev/mqueue", "/proc/self", "/var/crash", "/"};
    char name[64];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(name, sizeof name, "%s/encode-seal-try", places[i]);
        if (open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 || mkdir(name, 0700) == 0 ||
            rename("mine", name) == 0)
            return 1;
    }
    return open("/proc/self/comm", O_WRONLY | O_CLOEXEC) >= 0 ||
           open("/dev/urandom", O_WRONLY | O_CLOEXEC) >= 0;
}

static int sockets(void)
{
    int pair[2];
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ||
           socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
}

static int forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

static int exec(void)
{
    char *const argv[] = {"true", NULL};
    execve("/bin/true", argv, NULL); /* exits with 0 when it may */
    return 0;
}

static int signals(void)
{
    return kill(getppid(), 0) == 0;
}

static int root_again(void)
{
    return setuid(0) == 0 || getuid() != UID;
}

static int descriptors(void)
{
    for (int fd = 7; fd < 100; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            return 1;
    }
    return 0;
}

/* Runs `try` in a sealed child in a directory of its own: 42 + its answer. */
static int in_box(int (*try)(void))
{
    char dir[] = "/tmp/encode-seal-XXXXXX";
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chown(dir, UID, UID), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct settings s = {.level = BOX_STANDARD, .uid = UID, .gid = UID};
        s.limits = (struct limits){.cpu_ms = 5000, .memory_bytes = 1 << 30, .disk_bytes = 1 << 20};
        struct err e = ERR_INIT;
        open("/etc/hostname", O_RDONLY); /* to be closed by the seal */
        for (int fd = 3; fd <= 6; fd++)
            dup2(2, fd);
        if (chdir(dir) || encode_seal(&s, &e)) {
            (void)fprintf(stderr, "%s\n", e.text);
            _exit(99);
        }
        _exit(42 + try());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(rmdir(dir), 0);
    if (WIFSIGNALED(status))
        return 1000 + WTERMSIG(status);
    return WEXITSTATUS(status);
}

static void allows(void **state)
{
    (void)state;
    assert_int_equal(in_box(may_write_here), 42);
    assert_int_equal(in_box(may_start_threads), 42);
}

/* Refused with an error, or by the filter's signal. */
static int refused(int (*try)(void))
{
    int how = in_box(try);
    return how == 42 || how == 1000 + SIGSYS;
}

static void refuses(void **state)
{
    (void)state;
    assert_true(refused(passwd));
    assert_true(refused(parent_directory));
    assert_true(refused(neighbours));
    assert_true(refused(other_places));
    assert_true(refused(sockets));
    assert_true(refused(forks));
    assert_true(refused(exec));
    assert_true(refused(signals));
    assert_true(refused(root_again));
    assert_true(refused(descriptors));
}

static void says_which_layer_failed(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct settings s = {.level = BOX_STANDARD}; /* no uid of its own */
        struct err e = ERR_INIT;
        int rc = encode_seal(&s, &e);
        _exit(rc == OUTCOME_sandbox_setup && e.text[0] ? 42 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows),
        cmocka_unit_test(refuses),
        cmocka_unit_test(says_which_layer_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
