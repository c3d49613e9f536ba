/* What a box is to stop is tried inside it, and seen refused. */
#include "boxed.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

/* The world outside, made by setup(). */
static struct boxed box;
static char secret_path[4096], outside_dir[4096];
static pid_t worker_pid, outsider; /* the first is this test itself */

static int open_proc(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return opened(path, O_RDONLY);
}

#define TRY(name, ...)           \
    static int name(void)        \
    {                            \
        return MET(__VA_ARGS__); \
    }
#define TRY_OPEN(name, path, flags) \
    static int name(void)           \
    {                               \
        return opened(path, flags); \
    }
#define TRY_PROC(name, pid, file)    \
    static int name(void)            \
    {                                \
        return open_proc(pid, file); \
    }

TRY_OPEN(read_secret, secret_path, O_RDONLY)
TRY_OPEN(read_passwd, "/etc/shadow", O_RDONLY)
TRY_PROC(read_init_environ, 1, "environ")
TRY_PROC(read_parent_environ, worker_pid, "environ")
TRY_PROC(read_parent_memory, worker_pid, "mem")
TRY_PROC(read_parent_maps, worker_pid, "maps")
TRY_PROC(list_parent_fds, worker_pid, "fd")
TRY_PROC(read_outsider_memory, outsider, "mem")
TRY_OPEN(read_connections, "/proc/self/net/tcp", O_RDONLY)
TRY_OPEN(list_root, "/", O_RDONLY | O_DIRECTORY)
TRY_OPEN(list_home, "/root", O_RDONLY | O_DIRECTORY)
TRY_OPEN(lower_oom_score, "/proc/self/oom_score_adj", O_WRONLY)
TRY_OPEN(write_tmp, "/tmp/manimd-attack", O_WRONLY | O_CREAT)
TRY_OPEN(write_shm, "/dev/shm/manimd-attack", O_WRONLY | O_CREAT)
TRY_OPEN(write_usr, "/usr/manimd-attack", O_WRONLY | O_CREAT)
TRY_OPEN(open_pty, "/dev/ptmx", O_RDWR)
TRY_OPEN(open_zero, "/dev/zero", O_RDWR)
TRY_OPEN(climb_out, "../secret", O_RDONLY)
static int move_out(void)
{
    int fd = open("mine", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char path[8192];
    snprintf(path, sizeof path, "%s/taken", outside_dir);
    return fd < 0 ? 0 : MET(rename("mine", path));
}

/* A whiteout is a character device. */
static int leave_whiteout(void)
{
    int fd = open("mine", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? 0 : MET(renameat2(AT_FDCWD, "mine", AT_FDCWD, "moved", RENAME_WHITEOUT));
}

TRY(chmod_outside, chmod(secret_path, 0777))
TRY(chown_outside, chown(secret_path, getuid(), getgid()))
TRY(touch_outside, utimensat(AT_FDCWD, secret_path, NULL, 0))
TRY(label_outside, setxattr(secret_path, "user.x", "1", 1, 0))
TRY(truncate_outside, truncate(secret_path, 0))
TRY(remove_outside, unlink(secret_path))
TRY(make_link, symlink("/etc/passwd", "link"))
TRY(make_hard_link, link(secret_path, "link"))
TRY(make_fifo, mkfifo("fifo", 0600))
TRY(make_device, mknod("null", S_IFCHR | 0600, 0x103))
TRY(kill_parent, kill(worker_pid, 0))
TRY(kill_outsider, kill(outsider, SIGTERM))
TRY(queue_to_outsider, sigqueue(outsider, SIGTERM, (union sigval){0}))
TRY(trace_parent, ptrace(PTRACE_ATTACH, worker_pid, NULL, NULL))
TRY(trace_me, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
static int peek_parent(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)&box, 1};
    return MET(process_vm_readv(worker_pid, &here, 1, &there, 1, 0));
}
TRY(limit_parent, prlimit(worker_pid, RLIMIT_NOFILE, NULL, NULL))
static int pin_parent(void)
{
    cpu_set_t one = {0};
    CPU_SET(0, &one);
    return MET(sched_setaffinity(worker_pid, sizeof one, &one));
}
TRY(become_root, setuid(0))
TRY(become_group, setgid(0))
TRY(take_groups, syscall(SYS_setgroups, 0, NULL))
static int raise_limit(void)
{
    struct rlimit more = {.rlim_cur = 4096, .rlim_max = 4096};
    return MET(setrlimit(RLIMIT_NOFILE, &more));
}

TRY(make_memfd, memfd_create("x", 0))
static int map_shared(int flags)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}
TRY(share_memory, map_shared(MAP_SHARED))
TRY(share_memory_checked, map_shared(MAP_SHARED_VALIDATE))
TRY(huge_memory, map_shared(MAP_PRIVATE | MAP_HUGETLB))
TRY(system_v_memory, shmget(IPC_PRIVATE, 4096, 0600))
TRY(system_v_semaphore, semget(IPC_PRIVATE, 1, 0600))
TRY(system_v_queue, msgget(IPC_PRIVATE, 0600))
TRY(message_queue, mq_open("/x", O_RDWR | O_CREAT, 0600, NULL))
TRY(mount_tmpfs, mount("x", "/tmp", "tmpfs", 0, NULL))
TRY(new_root, chroot("."))
TRY(enter_namespace, setns(0, 0))
TRY(unshare_user, unshare(CLONE_NEWUSER))
TRY(unshare_net, unshare(CLONE_NEWNET))
TRY(clone_user, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0))
TRY(clone_pid, syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0))
TRY(clone_sibling, syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0))
TRY(clone_hidden, syscall(SYS_clone3, NULL, 0))
TRY(use_io_uring, syscall(SYS_io_uring_setup, 1, NULL))
TRY(use_bpf, syscall(SYS_bpf, 0, NULL, 0))
TRY(use_keys, syscall(SYS_keyctl, 0, 0, 0, 0, 0))
TRY(use_perf, syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0))
TRY(use_userfaultfd, syscall(SYS_userfaultfd, 0))
TRY(open_handle, syscall(SYS_open_by_handle_at, 0, NULL, 0))
TRY(add_filter, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL))
TRY(change_personality, personality(ADDR_NO_RANDOMIZE))
TRY(push_input, ioctl(0, TIOCSTI, "x"))
TRY(unknown_call, syscall(1999))
static const struct attack {
    const char *name;
    int (*run)(void);
    int expected;         /* errno */
    int expected_encoder; /* 0: the same */
} attacks[] = {
#define ATTACK(function, ...)            \
    {                                    \
#function, function, __VA_ARGS__ \
    }
    ATTACK(read_secret, EACCES, 0),
    ATTACK(read_passwd, EACCES, 0),
    ATTACK(read_init_environ, EACCES, 0),
    ATTACK(read_parent_environ, EACCES, 0),
    ATTACK(read_parent_memory, EACCES, 0),
    ATTACK(read_parent_maps, EACCES, 0),
    ATTACK(list_parent_fds, EACCES, 0),
    ATTACK(read_outsider_memory, EACCES, 0),
    ATTACK(read_connections, EACCES, 0),
    ATTACK(list_root, EACCES, 0),
    ATTACK(list_home, EACCES, 0),
    ATTACK(lower_oom_score, EACCES, 0),
    ATTACK(write_tmp, EACCES, 0),
    ATTACK(write_shm, EACCES, 0),
    ATTACK(write_usr, EACCES, 0),
    ATTACK(open_pty, EACCES, 0),
    ATTACK(open_zero, EACCES, 0),
    ATTACK(climb_out, EACCES, 0),
    ATTACK(move_out, EACCES, 0),
    ATTACK(leave_whiteout, EPERM, 0),
    ATTACK(chmod_outside, EPERM, 0),
    ATTACK(chown_outside, EPERM, 0),
    ATTACK(touch_outside, EACCES, ENOSYS),
    ATTACK(label_outside, ENOTSUP, 0),
    ATTACK(truncate_outside, EACCES, EPERM),
    ATTACK(remove_outside, EACCES, 0),
    ATTACK(make_link, EPERM, 0),
    ATTACK(make_hard_link, EPERM, 0),
    ATTACK(make_fifo, EPERM, 0),
    ATTACK(make_device, EPERM, 0),
    ATTACK(kill_parent, EPERM, 0),
    ATTACK(kill_outsider, EPERM, 0),
    ATTACK(queue_to_outsider, EPERM, ENOSYS),
    ATTACK(trace_parent, EPERM, 0),
    ATTACK(trace_me, EPERM, 0),
    ATTACK(peek_parent, EPERM, 0),
    ATTACK(limit_parent, EPERM, 0),
    ATTACK(pin_parent, EPERM, 0),
    ATTACK(become_root, EPERM, 0),
    ATTACK(become_group, EPERM, 0),
    ATTACK(take_groups, EPERM, 0),
    ATTACK(raise_limit, EPERM, 0),
    ATTACK(make_memfd, ENOSYS, 0),
    ATTACK(share_memory, EPERM, 0),
    ATTACK(share_memory_checked, EPERM, 0),
    ATTACK(huge_memory, ENOSYS, 0),
    ATTACK(system_v_memory, EPERM, 0),
    ATTACK(system_v_semaphore, EPERM, 0),
    ATTACK(system_v_queue, EPERM, 0),
    ATTACK(message_queue, EPERM, 0),
    ATTACK(mount_tmpfs, EPERM, 0),
    ATTACK(new_root, EPERM, 0),
    ATTACK(enter_namespace, EPERM, 0),
    ATTACK(unshare_user, EPERM, 0),
    ATTACK(unshare_net, EPERM, 0),
    ATTACK(clone_user, EPERM, 0),
    ATTACK(clone_pid, EPERM, 0),
    ATTACK(clone_sibling, EPERM, 0),
    ATTACK(clone_hidden, ENOSYS, 0),
    ATTACK(use_io_uring, EPERM, 0),
    ATTACK(use_bpf, EPERM, 0),
    ATTACK(use_keys, EPERM, 0),
    ATTACK(use_perf, EPERM, 0),
    ATTACK(use_userfaultfd, EPERM, 0),
    ATTACK(open_handle, EPERM, 0),
    ATTACK(add_filter, EPERM, 0),
    ATTACK(change_personality, EPERM, 0),
    ATTACK(push_input, ENOSYS, 0),
    ATTACK(unknown_call, ENOSYS, 0),
};

static int run_attack(void *arg)
{
    const struct attack *a = arg;
    return a->run();
}

/* In namespaces of its own a box meets nothing, where else it meets a refusal. */
static bool not_there(int met)
{
    return box.namespaces && (met == ENOENT || met == ESRCH || met == EROFS || met == EXDEV);
}

/* Where /usr is read-only, as in a hardened container, the kernel says so before
 * it asks Landlock. */
static bool is_read_only(const struct attack *a, int met)
{
    struct statvfs fs;
    return a->run == write_usr && met == EROFS && statvfs("/usr", &fs) == 0 &&
           (fs.f_flag & ST_RDONLY);
}

static void run_attacks(enum box_profile profile)
{
    int breaches = 0;
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        struct attack a = attacks[i];
        int expected = a.expected;
        if (profile == BOX_ENCODER && a.expected_encoder)
            expected = a.expected_encoder;
        int status = boxed_run(&box, profile, run_attack, &a);
        if (WIFEXITED(status) &&
            (WEXITSTATUS(status) == expected || not_there(WEXITSTATUS(status)) ||
             is_read_only(&a, WEXITSTATUS(status))))
            continue;
        breaches++;
        print_error("%s: expected %s, met %s (status 0x%x)\n", a.name, strerrorname_np(expected),
                    WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "nothing", status);
    }
    assert_int_equal(breaches, 0);
}

static void test_scene_attacks(void **state)
{
    (void)state;
    run_attacks(BOX_SCENE);
}

static void test_encoder_attacks(void **state)
{
    (void)state;
    run_attacks(BOX_ENCODER);
}

static int every_family(void *arg)
{
    (void)arg;
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
    int pair[2];
    for (int family = 0; family <= AF_MAX + 2; family++) {
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            if (MET(socket(family, types[i], 0)) != EAFNOSUPPORT ||
                MET(socketpair(family, types[i], 0, pair)) != EAFNOSUPPORT)
                return family + 1;
        }
    }
    return 0;
}

static void test_sockets_of_every_family(void **state)
{
    (void)state;
    assert_int_equal(boxed_run(&box, BOX_SCENE, every_family, NULL), 0);
    assert_int_equal(boxed_run(&box, BOX_ENCODER, every_family, NULL), 0);
}

#if defined(__x86_64__)
static int foreign_call(void *arg)
{
    (void)arg;
    long number = 20; /* getpid of i386 */
    __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
    return 0;
}

static int x32_call(void *arg)
{
    (void)arg;
    return syscall(0x40000000 | SYS_getpid) > 0 ? 0 : 1;
}

static void test_foreign_architectures_kill(void **state)
{
    (void)state;
    int (*const calls[])(void *) = {foreign_call, x32_call};
    for (size_t i = 0; i < 2; i++) {
        int status = boxed_run(&box, BOX_SCENE, calls[i], NULL);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}
#endif

static int encoder_starts_program(void *arg)
{
    (void)arg;
    char *const argv[] = {"true", NULL};
    if (MET(syscall(SYS_fork)) != EPERM || MET(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) != EPERM)
        return 1;
    return MET(execv("/bin/true", argv)) == EPERM ? 0 : 2;
}

static void test_encoder_has_no_programs(void **state)
{
    (void)state;
#if defined(SYS_fork)
    assert_int_equal(boxed_run(&box, BOX_ENCODER, encoder_starts_program, NULL), 0);
#endif
}

/* Root without a uid of its own, as a laptop's user is: on files that are its
 * own, only Landlock and seccomp stand in the way. */
static int basic_inside(void *arg)
{
    (void)arg;
    if (MET(chmod(secret_path, 0600)) != EPERM || MET(chown(secret_path, 0, 0)) != EPERM)
        return 1;
    if (touch_outside() != EPERM || label_outside() != ENOTSUP || read_secret() != EACCES)
        return 2;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &head, sets) < 0 || sets[0].effective || sets[0].permitted)
        return 3;
    return kill_parent() == EPERM && read_parent_environ() == EACCES ? 0 : 4;
}

static void test_level_basic(void **state)
{
    (void)state;
    struct boxed basic = {.level = BOX_BASIC, .dir_fd = box.dir_fd};
    assert_int_equal(boxed_run(&basic, BOX_SCENE, basic_inside, NULL), 0);
}

static int setup(void **state)
{
    (void)state;
    boxed_init(&box);
    worker_pid = getpid();
    assert_non_null(getcwd(outside_dir, sizeof outside_dir - 16));
    snprintf(secret_path, sizeof secret_path, "%.4000s/secret", outside_dir);
    int fd = open(secret_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "canary", 6), 6);
    close(fd);
    assert_int_equal(chmod(".", 0777), 0);
    outsider = fork();
    if (outsider == 0) {
        if (box.neighbour)
            (void)!setresuid(box.neighbour, box.neighbour, box.neighbour);
        for (;;)
            pause();
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kill(outsider, SIGKILL);
    boxed_wait(outsider);
    close(box.dir_fd);
    return 0;
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
        cmocka_unit_test(test_scene_attacks),
        cmocka_unit_test(test_encoder_attacks),
        cmocka_unit_test(test_sockets_of_every_family),
#if defined(__x86_64__)
        cmocka_unit_test(test_foreign_architectures_kill),
#endif
        cmocka_unit_test(test_encoder_has_no_programs),
        cmocka_unit_test(test_level_basic),
    };
    int failed = cmocka_run_group_tests_name("test_attacks", tests, setup, teardown);
    if (!boxed_has_namespaces())
        return failed;
    return failed + cmocka_run_group_tests_name("test_attacks_in_namespaces", tests,
                                                setup_namespaces, teardown);
}
