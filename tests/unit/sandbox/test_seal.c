/* What a sealed process is and may do, how its limits end it, and when a seal is
 * refused. (What it may not do: test_attacks.c.) */
#include "boxed.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifndef HAS_ASAN
#define HAS_ASAN 0
#endif

static struct boxed box;

static void *in_thread(void *arg)
{
    *(int *)arg = 1;
    return NULL;
}

static int a_thread(void)
{
    int ran = 0;
    pthread_t thread;
    return pthread_create(&thread, NULL, in_thread, &ran) || pthread_join(thread, NULL) || !ran;
}

static int a_file(void)
{
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    struct stat st;
    if (fd < 0 || write(fd, "abc", 3) != 3 || ftruncate(fd, 2) < 0 || fstat(fd, &st) < 0)
        return 3;
    if (st.st_mode & 077)
        return 4; /* umask */
    return rename("file", "other") < 0 || unlink("other") < 0 ? 5 : 0;
}

static int system_files(void)
{
    return opened("/usr/lib", O_RDONLY) || opened("/dev/urandom", O_RDONLY) ||
           opened("/dev/null", O_RDWR);
}

/* Files and threads: what both need. */
static int permitted(void *arg)
{
    (void)arg;
    if (a_thread())
        return 1;
    int rc = a_file();
    if (rc)
        return rc;
    return system_files() ? 6 : 0;
}

static int permitted_scene(void *arg)
{
    int rc = permitted(arg);
    if (rc)
        return rc;
    if (mkdir("dir", 0700) < 0 || rename("dir", "dir2") < 0 || rmdir("dir2") < 0)
        return 20;
    if (opened("/proc/self/maps", O_RDONLY))
        return 22;
    pid_t pid = fork();
    if (pid == 0)
        execl("/bin/true", "true", (char *)NULL);
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 21;
}

static void test_permitted_things_work(void **state)
{
    (void)state;
    assert_int_equal(boxed_run(&box, BOX_ENCODER, permitted, NULL), 0);
    assert_int_equal(boxed_run(&box, BOX_SCENE, permitted_scene, NULL), 0);
}

static int look_at_ids(void *arg)
{
    (void)arg;
    uid_t r, e, s;
    if (getresuid(&r, &e, &s) < 0 || r != e || e != s || r != (box.uid ? box.uid : getuid()))
        return 1;
    gid_t groups[8];
    if (box.uid && getgroups(8, groups) != 0)
        return 2;
    int signo = 0;
    if (prctl(PR_GET_PDEATHSIG, &signo) < 0 || signo != SIGKILL)
        return 3;
    for (int fd = 3; fd < 512; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            return 4;
    }
    return getsid(0) == getpid() && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 5;
}

static void test_what_it_is(void **state)
{
    (void)state;
    int leaked = open("/", O_RDONLY | O_DIRECTORY); /* on purpose without CLOEXEC */
    struct box_plan p;
    boxed_plan(&box, BOX_SCENE, &p);
    p.parent_death = true;
    p.parent_pid = getpid();
    assert_int_equal(boxed_wait(boxed_start(&p, look_at_ids, NULL)), 0);
    box_plan_done(&p);
    close(leaked);
}

static int kept_works(void *arg)
{
    return write(*(int *)arg, "x", 1) == 1 ? 0 : 1;
}

static void test_kept_descriptor(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct box_plan p;
    boxed_plan(&box, BOX_SCENE, &p);
    box_plan_keep(&p, ends[1]);
    assert_int_equal(boxed_wait(boxed_start(&p, kept_works, &ends[1])), 0);
    char byte = 0;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    box_plan_done(&p);
    close(ends[0]);
    close(ends[1]);
}

#if !HAS_ASAN /* whose shadow memory no RLIMIT_DATA could hold */
static int allocate(void *arg)
{
    char *p = malloc((size_t) * (int64_t *)arg);
    return p ? 0 : 7;
}
#endif

static int write_long(void *arg)
{
    (void)arg;
    signal(SIGXFSZ, SIG_IGN);
    int fd = open("long", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int sparse = MET(ftruncate(fd, 1LL << 40));
    int blocks = MET(fallocate(fd, 0, 0, 128 * MIB));
    return sparse == EFBIG && blocks == EFBIG ? 0 : 1;
}

static int burn(void *arg)
{
    while (!arg)
        ;
    return 0;
}

static int fork_many(void *arg)
{
    (void)arg;
    int made = 0, met = 0;
    while (made < 200 && !met) {
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                pause();
        met = pid < 0 ? errno : 0;
        made++;
    }
    return met == EAGAIN && made < 60 ? 0 : 1;
}

static void test_limits(void **state)
{
    (void)state;
#if !HAS_ASAN
    int64_t much = 4096 * MIB, little = 512 * MIB;
    assert_int_equal(WEXITSTATUS(boxed_run(&box, BOX_SCENE, allocate, &much)), 7);
    assert_int_equal(boxed_run(&box, BOX_SCENE, allocate, &little), 0);
#endif
    assert_int_equal(boxed_run(&box, BOX_SCENE, write_long, NULL), 0);

    struct box_plan p;
    boxed_plan(&box, BOX_SCENE, &p);
    p.limits.cpu_ms = 1000;
    int status = boxed_wait(boxed_start(&p, burn, NULL));
    assert_int_equal(WTERMSIG(status), SIGXCPU);
    box_plan_done(&p);

    assert_int_equal(boxed_run(&box, BOX_SCENE, fork_many, NULL), 0);
    if (box.uid)
        assert_int_equal(box_empty(box.uid, 0, 2000, NULL), 0);
}

static void *wait_for_end(void *arg)
{
    (void)!read(*(int *)arg, &(char){0}, 1);
    return NULL;
}

/* Sealing is refused, and how, in a child of its own. */
static int refusal(struct box_plan *p)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(-box_seal(p, NULL));
    return WEXITSTATUS(boxed_wait(pid));
}

static void test_refuses_to_seal(void **state)
{
    (void)state;
    struct box_plan p;
    boxed_plan(&box, BOX_SCENE, &p);
    if (p.namespaces) /* and this process has begun none for its children */
        assert_int_equal(refusal(&p), EINVAL);
    p.namespaces = false;
    box_plan_keep(&p, box.dir_fd);
    assert_int_equal(refusal(&p), EISDIR);
    p.kept = 0;

    p.parent_death = true;
    p.parent_pid = 1;
    assert_int_equal(refusal(&p), ESRCH);
    p.parent_death = false;

    p.filter.length = 0;
    assert_int_equal(refusal(&p), EINVAL);
    p.level = BOX_STRONG; /* without what it is made of */
    assert_int_equal(refusal(&p), EINVAL);
    p.level = BOX_STANDARD;
    p.uid = 0;
    assert_int_equal(refusal(&p), EINVAL);

    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_end, &ends[0]), 0);
    p.level = BOX_NONE;
    assert_int_equal(box_seal(&p, NULL), -EBUSY);
    close(ends[1]);
    pthread_join(thread, NULL);
    close(ends[0]);
    box_plan_done(&p);
}

static int none_inside(void *arg)
{
    (void)arg;
    struct rlimit core;
    if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
        return 1;
    return fcntl(box.dir_fd, F_GETFD) < 0 && opened("/etc/passwd", O_RDONLY) == 0 ? 0 : 2;
}

static void test_level_none(void **state)
{
    (void)state;
    struct box_plan p;
    assert_int_equal(box_plan_init(&p, BOX_SCENE, BOX_NONE, NULL), 0);
    assert_int_equal(boxed_wait(boxed_start(&p, none_inside, NULL)), 0);
    box_plan_done(&p);
}

static int measurable(void *arg)
{
    (void)arg;
    return prctl(PR_GET_DUMPABLE) == 1 && opened("/proc/self/maps", O_RDONLY) == 0 ? 0 : 1;
}

/* Its forks' shares of pages could not be told else, and a scene that shares
 * them would be ended for memory that it does not use. */
static void test_basic_is_measurable_though_its_warden_is_not(void **state)
{
    (void)state;
    struct box_plan p;
    assert_int_equal(box_plan_init(&p, BOX_SCENE, BOX_BASIC, NULL), 0);
    assert_int_equal(prctl(PR_SET_DUMPABLE, 0), 0);
    pid_t pid = boxed_start(&p, measurable, NULL);
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
    assert_int_equal(boxed_wait(pid), 0);
    box_plan_done(&p);
}

static int setup(void **state)
{
    (void)state;
    boxed_init(&box);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
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
        cmocka_unit_test(test_permitted_things_work),
        cmocka_unit_test(test_what_it_is),
        cmocka_unit_test(test_kept_descriptor),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_refuses_to_seal),
        cmocka_unit_test(test_level_none),
        cmocka_unit_test(test_basic_is_measurable_though_its_warden_is_not),
    };
    int failed = cmocka_run_group_tests_name("test_seal", tests, setup, teardown);
    if (!boxed_has_namespaces())
        return failed;
    return failed + cmocka_run_group_tests_name("test_seal_in_namespaces", tests, setup_namespaces,
                                                teardown);
}
