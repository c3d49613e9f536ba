/* What is not there: seen with the namespaces alone, so that no other layer
 * hides what this one lets through. The process inside is root. */
#include "boxed.h"

#include "base/clock.h"
#include "sandbox/layers.h"

#include <dirent.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#define BURN_MS 300
#define WAIT_MS 10000

static struct boxed box;
static char here[4096];
static pid_t outsider;
static int shared_memory;

struct inside {
    struct box_plan plan;
    int (*run)(void);
};

/* 0 when `run` says so in a fresh PID namespace with layer_namespaces() on. */
static int in_namespaces(struct inside *in)
{
    struct err e = ERR_INIT;
    pid_t reaper_pid;
    fflush(NULL);
    pid_t warden = fork();
    if (warden == 0) {
        if (box_pids_begin(&reaper_pid, &e) < 0)
            fail_msg("%s", e.text);
        pid_t pid = fork();
        if (pid == 0) {
            int rc = layer_namespaces(&in->plan, &e);
            if (rc < 0)
                dprintf(2, "%s\n", e.text);
            _exit(rc < 0 ? SEAL_FAILED : in->run());
        }
        int status = boxed_wait(pid);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 126);
    }
    int status = boxed_wait(warden);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

static struct inside a_scene(int (*run)(void))
{
    struct inside in = {.run = run};
    box.namespaces = true;
    boxed_plan(&box, BOX_SCENE, &in.plan);
    return in;
}

static void holds(int (*run)(void))
{
    struct inside in = a_scene(run);
    assert_int_equal(in_namespaces(&in), 0);
    box_plan_done(&in.plan);
}

/* How many entries a directory has; `only` are the names that it may. */
static int count_entries(const char *path, const char *only)
{
    DIR *dir = opendir(path);
    int count = 0;
    for (const struct dirent *d; dir && (d = readdir(dir));) {
        if (d->d_name[0] == '.')
            continue;
        count++;
        if (!strstr(only, d->d_name))
            return -1;
    }
    if (dir)
        closedir(dir);
    return dir ? count : -2;
}

static int look_at_files(void)
{
    char above[4200];
    snprintf(above, sizeof above, "%s/secret", here);
    /* The last is what leads to this test's directory. */
    char roots[4400];
    snprintf(roots, sizeof roots, "bin dev etc lib lib64 proc sys tmp usr var %s", here);
    if (count_entries("/", roots) < 8)
        return 1;
    if (opened("/etc/passwd", O_RDONLY) != ENOENT || opened("/root", O_RDONLY) != ENOENT)
        return 2;
    if (opened(above, O_RDONLY) != ENOENT || opened("../secret", O_RDONLY) != ENOENT)
        return 3;
    if (count_entries("/tmp", here) > 1 || count_entries("/dev/shm", "") != 0)
        return 4;
    if (count_entries("/dev", "fd stdin stdout stderr shm null random urandom") < 8)
        return 5;
    if (opened("/usr/bin/env", O_RDONLY) || opened("/bin/sh", O_RDONLY) ||
        opened("/dev/null", O_RDWR))
        return 6;
    return 0;
}

static int write_everywhere(void)
{
    static const char *const places[] = {"/x",     "/usr/x",     "/tmp/x",
                                         "/dev/x", "/dev/shm/x", "/etc/x"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (opened(places[i], O_WRONLY | O_CREAT) != EROFS)
            return 1 + (int)i;
    }
    if (MET(mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL)) != 0)
        return 20; /* root with all its capabilities may: it is the other layers' */
    return fchdir(box.dir_fd) < 0 || opened("mine", O_WRONLY | O_CREAT) ? 21 : 0;
}

/* Nothing of the old root is mounted, and no descriptor leads back to it. */
static int find_the_old_root(void)
{
    if (fchdir(box.dir_fd) < 0)
        return 1;
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0)
            return 2;
    if (opened("etc/passwd", O_RDONLY) != ENOENT)
        return 3;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    char line[4096];
    while (mounts && fgets(line, sizeof line, mounts)) {
        char root[2048], at[2048];
        if (sscanf(line, "%*d %*d %*s %2047s %2047s", root, at) != 2)
            return 4;
        if (strcmp(at, "/") == 0 && !strstr(line, "- tmpfs"))
            return 5;
        if (!strstr(line, "nosuid"))
            return 6;
    }
    if (mounts)
        fclose(mounts);
    return mounts ? 0 : 7;
}

static int look_for_processes(void)
{
    if (getpid() != 2 || getppid() != 0)
        return 1;
    if (MET(kill(outsider, 0)) != ESRCH || MET(kill(-outsider, 0)) != ESRCH)
        return 2;
    int seen = 0;
    DIR *proc = opendir("/proc");
    for (const struct dirent *d; proc && (d = readdir(proc));)
        seen += d->d_name[0] >= '1' && d->d_name[0] <= '9';
    if (proc)
        closedir(proc);
    /* As another uid, pid 1 is hidden too; as root it is seen. */
    return seen == 2 && opened("/proc/meminfo", O_RDONLY) == ENOENT ? 0 : 3;
}

static int look_for_others(void)
{
    uid_t uid = box.uid;
    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        return 1;
    return MET(access("/proc/1", F_OK)) == ENOENT && MET(kill(1, 0)) == EPERM ? 0 : 2;
}

static int reach_the_network(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (MET(connect(fd, (struct sockaddr *)&to, sizeof to)) != ENETUNREACH)
        return 1;
    struct if_nameindex *all = if_nameindex();
    int count = 0;
    for (struct if_nameindex *i = all; i && i->if_index; i++) {
        struct ifreq request = {0};
        snprintf(request.ifr_name, sizeof request.ifr_name, "%s", i->if_name);
        if (ioctl(fd, SIOCGIFFLAGS, &request) < 0 || request.ifr_flags & IFF_UP)
            return 2;
        count++;
    }
    if_freenameindex(all);
    return count == 1 ? 0 : 3; /* lo, down */
}

static int look_for_the_rest(void)
{
    char name[64] = "";
    gethostname(name, sizeof name - 1);
    if (strcmp(name, "manimd") != 0)
        return 1;
    return MET(shmctl(shared_memory, IPC_STAT, &(struct shmid_ds){0})) == EINVAL ? 0 : 2;
}

static void test_files(void **state)
{
    (void)state;
    holds(look_at_files);
    holds(write_everywhere);
    struct stat st;
    assert_int_equal(fstatat(box.dir_fd, "mine", &st, 0), 0); /* it is the same directory */
    holds(find_the_old_root);
}

static void test_processes(void **state)
{
    (void)state;
    holds(look_for_processes);
    if (box.uid)
        holds(look_for_others);
}

static void test_network(void **state)
{
    (void)state;
    holds(reach_the_network);
}

static void test_the_rest(void **state)
{
    (void)state;
    holds(look_for_the_rest);
    char name[64] = "";
    gethostname(name, sizeof name - 1);
    assert_string_not_equal(name, "manimd");
}

/* A script's folder, in whose midst the box's own directory is: read, not written. */
static int folder_around(void)
{
    if (opened("../secret", O_RDONLY) != 0 && fchdir(box.dir_fd) < 0)
        return 1;
    if (fchdir(box.dir_fd) < 0 || opened("../secret", O_RDONLY) != 0)
        return 2;
    return opened("../secret", O_WRONLY) == EROFS && opened("own", O_WRONLY | O_CREAT) == 0 ? 0 : 3;
}

static int everything_around(void)
{
    return opened("/etc/passwd", O_RDONLY) == 0 && opened("/x", O_WRONLY | O_CREAT) == EROFS &&
                   fchdir(box.dir_fd) == 0 && opened("own", O_WRONLY | O_CREAT) == 0
               ? 0
               : 1;
}

static void test_folders_within_folders(void **state)
{
    (void)state;
    struct inside in = a_scene(folder_around);
    assert_int_equal(box_plan_allow(&in.plan, here, BOX_READ, NULL), 0);
    assert_int_equal(in_namespaces(&in), 0);
    box_plan_done(&in.plan);

    in = a_scene(everything_around);
    assert_int_equal(box_plan_allow(&in.plan, "/", BOX_READ, NULL), 0);
    assert_int_equal(in_namespaces(&in), 0);
    box_plan_done(&in.plan);
}

/* A path that is another one by now is not what the plan holds. */
static int nothing(void)
{
    return 0;
}

static void test_replaced_path_is_refused(void **state)
{
    (void)state;
    char path[4200];
    snprintf(path, sizeof path, "%s/folder", here);
    assert_int_equal(mkdir(path, 0755), 0);
    struct inside in = a_scene(nothing);
    assert_int_equal(box_plan_allow(&in.plan, path, BOX_READ, NULL), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/etc", path), 0);
    assert_int_equal(in_namespaces(&in), SEAL_FAILED);
    assert_int_equal(unlink(path), 0);
    box_plan_done(&in.plan);
}

/* What is no process is there when the plan names some of it, and Landlock's rule
 * is for the box's own /proc, not for the host's. */
static int read_proc(void *arg)
{
    (void)arg;
    return opened("/proc/meminfo", O_RDONLY) == 0 && opened("/proc/version", O_RDONLY) == EACCES
               ? 0
               : 1;
}

static void test_files_of_proc(void **state)
{
    (void)state;
    struct box_plan p;
    boxed_plan(&box, BOX_SCENE, &p);
    assert_int_equal(box_plan_allow(&p, "/proc/meminfo", BOX_READ, NULL), 0);
    assert_int_equal(boxed_wait(boxed_start(&p, read_proc, NULL)), 0);
    box_plan_done(&p);
}

/* ---- pid 1 ---- */

static void burn(void)
{
    while (clock() < (clock_t)BURN_MS * CLOCKS_PER_SEC / 1000)
        ;
}

/* What a daemon of the scene used is in pid 1's count, and ours when it ends. */
static void orphan_burns(int ready_fd)
{
    if (fork() == 0) {
        if (fork() == 0) {
            burn();
            (void)!write(ready_fd, "x", 1);
            for (;;)
                pause();
        }
        _exit(0);
    }
    for (;;)
        pause();
}

static pid_t begin(int *ret_reaper, void (*run)(int), int ready_fd)
{
    struct err e = ERR_INIT;
    if (box_pids_begin(ret_reaper, &e) < 0)
        fail_msg("%s", e.text);
    pid_t pid = fork();
    if (pid == 0)
        run(ready_fd);
    return pid;
}

/* The pipe's writing ends are closed when all that holds them is dead. */
static bool all_dead(int fd)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&end, 1, WAIT_MS) == 1 && read(fd, &byte, 1) == 0;
}

static int killed_with_pid_1(const int ends[2])
{
    pid_t reaper = 0;
    pid_t scene = begin(&reaper, orphan_burns, ends[1]);
    close(ends[1]);
    char byte;
    if (read(ends[0], &byte, 1) != 1 || kill(reaper, SIGTERM) < 0)
        return 1;
    int status = boxed_wait(scene); /* pid 1 ends when all others are reaped */
    if (waitpid(reaper, NULL, 0) != reaper || !all_dead(ends[0]))
        return 2;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return 3;
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    int64_t ms = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
                 (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
    return ms >= BURN_MS * 8 / 10 ? 0 : 4;
}

static void test_pid_1_takes_all_with_it(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t warden = fork();
    if (warden == 0)
        _exit(killed_with_pid_1(ends));
    close(ends[1]);
    assert_int_equal(boxed_wait(warden), 0);
    close(ends[0]);
}

/* Without anybody's doing, and though the scene has left its session. */
static void leave_and_stay(int ready_fd)
{
    setsid();
    if (fork() == 0)
        setsid();
    (void)!write(ready_fd, "x", 1);
    for (;;)
        pause();
}

static void test_dies_with_the_warden(void **state)
{
    (void)state;
    int ends[2];
    char byte;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t warden = fork();
    if (warden == 0) {
        pid_t reaper;
        begin(&reaper, leave_and_stay, ends[1]);
        for (;;)
            pause();
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    kill(warden, SIGKILL);
    boxed_wait(warden);
    while (read(ends[0], &byte, 1) == 1)
        ;
    assert_true(all_dead(ends[0]));
    close(ends[0]);
}

static int setup(void **state)
{
    (void)state;
    boxed_init(&box);
    assert_non_null(getcwd(here, sizeof here - 16));
    int fd = open("secret", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    close(fd);
    shared_memory = shmget(IPC_PRIVATE, 4096, 0666);
    outsider = fork();
    if (outsider == 0)
        for (;;)
            pause();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kill(outsider, SIGKILL);
    boxed_wait(outsider);
    shmctl(shared_memory, IPC_RMID, NULL);
    close(box.dir_fd);
    return 0;
}

/* A seal that was promised namespaces and gets none fails. */
static int refused_inside(void)
{
    return 0;
}

static void test_refused(void **state)
{
    (void)state;
    boxed_init(&box);
    struct inside in = a_scene(refused_inside);
    in.plan.profile = BOX_ENCODER; /* which needs no PID namespace first */
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(-layer_namespaces(&in.plan, NULL));
    assert_int_not_equal(boxed_wait(pid), 0);
    box_plan_done(&in.plan);
    close(box.dir_fd);
}

int main(void)
{
    if (!boxed_has_namespaces()) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused)};
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_the_rest),
        cmocka_unit_test(test_folders_within_folders),
        cmocka_unit_test(test_files_of_proc),
        cmocka_unit_test(test_replaced_path_is_refused),
        cmocka_unit_test(test_pid_1_takes_all_with_it),
        cmocka_unit_test(test_dies_with_the_warden),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
