/* What a box uses is seen from outside, and the verdict is the right one. */
#include "boxed.h"

#include "base/clock.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

static struct boxed box;

#define WITHIN_MS 30000
#define LOOKS_MORE 20
#define NEVER INT64_MAX

static void sleep_for_ever(void)
{
    for (;;)
        pause();
}

static void *touched(int64_t bytes, int flags, int fd)
{
    char *p = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (p != MAP_FAILED)
        memset(p, 1, (size_t)bytes);
    return p;
}

static int eat_private(void *arg)
{
    (void)arg;
    touched(400 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    sleep_for_ever();
    return 0;
}

static int eat_slowly(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        touched(8 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        nanosleep(&(struct timespec){.tv_nsec = 25000000}, NULL);
    }
    sleep_for_ever();
    return 0;
}

/* No process is over the limit, all together are. */
static int eat_in_children(void *arg)
{
    (void)arg;
    for (int i = 0; i < 8; i++) {
        if (fork() == 0) {
            touched(60 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
            sleep_for_ever();
        }
    }
    sleep_for_ever();
    return 0;
}

/* Pages that are never written are not its own, but their tables are. */
static int eat_page_tables(void *arg)
{
    (void)arg;
    size_t bytes = 160ULL << 30;
    char *p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return 1;
    madvise(p, bytes, MADV_NOHUGEPAGE);
    int sum = 0;
    for (size_t at = 0; at < bytes; at += 2 * MIB)
        sum += ((volatile char *)p)[at];
    sleep_for_ever();
    return sum;
}

static int share_pages(void *arg)
{
    (void)arg;
    touched(100 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    for (int i = 0; i < 10; i++) {
        if (fork() == 0)
            sleep_for_ever();
    }
    (void)!write(1, "", 0);
    sleep_for_ever();
    return 0;
}

static int map_ring(void *arg)
{
    touched(300 * MIB, MAP_SHARED, *(int *)arg);
    sleep_for_ever();
    return 0;
}

static int fork_bomb(void *arg)
{
    (void)arg;
    while (fork() >= 0 || errno == EAGAIN)
        ;
    return 1;
}

static int fill_disk(void *arg)
{
    (void)arg;
    static char block[1 << 20];
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        for (int n = 0; n < 4; n++)
            (void)!write(fd, block, sizeof block);
        close(fd);
    }
    sleep_for_ever();
    return 0;
}

static int many_files(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    sleep_for_ever();
    return 0;
}

/* Files that have no name any more are in no tree. */
static int fill_disk_unseen(void *arg)
{
    (void)arg;
    static char block[1 << 20];
    for (int i = 0; i < 60; i++) {
        int fd = open("unseen", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        unlink("unseen");
        for (int n = 0; n < 4; n++)
            (void)!write(fd, block, sizeof block);
        /* Half of them are held by a mapping alone. */
        if (i % 2) {
            (void)!mmap(NULL, 4 * MIB, PROT_READ, MAP_SHARED, fd, 0);
            close(fd);
        }
    }
    sleep_for_ever();
    return 0;
}

static int burn_in_children(void *arg)
{
    (void)arg;
    for (;;) {
        pid_t pid = fork();
        if (pid == 0) {
            for (clock_t until = clock() + CLOCKS_PER_SEC / 5; clock() < until;)
                ;
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
}

/* Nobody waits for them, so what they used is in nobody's count. */
static int burn_unwaited(void *arg)
{
    (void)arg;
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        if (fork() == 0) {
            for (clock_t until = clock() + CLOCKS_PER_SEC / 4; clock() < until;)
                ;
            _exit(0);
        }
        nanosleep(&(struct timespec){.tv_nsec = 250000000}, NULL);
    }
}

/* Each page with other rights than its neighbours, so a mapping of its own. */
static int eat_mappings(void *arg)
{
    (void)arg;
    for (int n = 0; n < 24; n++) {
        if (fork() != 0)
            continue;
        size_t bytes = 60000 * 4096;
        char *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        for (size_t at = 0; p != MAP_FAILED && at < bytes; at += 2 * 4096)
            mprotect(p + at, 4096, PROT_READ);
        sleep_for_ever();
    }
    sleep_for_ever();
    return 0;
}

static int eat_pipes(void *arg)
{
    (void)arg;
    static char block[1 << 16];
    for (int n = 0; n < 24; n++) {
        if (fork() != 0)
            continue;
        int ends[2];
        while (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0)
            (void)!write(ends[1], block, sizeof block);
        sleep_for_ever();
    }
    sleep_for_ever();
    return 0;
}

/* A helper has the box's uid: where Landlock does not know signals, its
 * processes can kill it before it has counted anything. */
static int kill_all_the_time(void *arg)
{
    (void)arg;
    while (kill(-1, SIGKILL) <= 0)
        ;
    return 1;
}

/* A tree that is never twice the same cannot be walked. */
static int move_about(void *arg)
{
    (void)arg;
    mkdir("a", 0700);
    mkdir("a/b", 0700);
    mkdir("a/b/c", 0700);
    mkdir("z", 0700);
    while (rename("a/b/c", "z/c") == 0 && rename("z/c", "a/b/c") == 0)
        ;
    sleep_for_ever();
    return 0;
}

/* Each lives for less than the time between two looks. */
static void burn_a_moment(int milliseconds)
{
    pid_t pid = fork();
    struct timespec used;
    if (pid == 0) {
        do
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        while (used.tv_nsec < milliseconds * 1000000L);
        _exit(0);
    }
    (void)waitpid(pid, NULL, 0); /* where SIGCHLD is ignored: until it is gone */
}

static int burn_moments_unwaited(void *arg)
{
    (void)arg;
    signal(SIGCHLD, SIG_IGN);
    for (;;)
        burn_a_moment(4);
    return 0;
}

#define MOMENTS 250

static int burn_moments(void *arg)
{
    (void)arg;
    for (int i = 0; i < MOMENTS; i++)
        burn_a_moment(4);
    return 0;
}

static int idle(void *arg)
{
    (void)arg;
    sleep_for_ever();
    return 0;
}

/* Looks every 20 ms until there is a verdict; or until it has seen more memory
 * than `until_bytes` and then looked LOOKS_MORE times: innocent. */
static enum outcome watch_it(int (*inside)(void *), void *arg, struct box_watch *w,
                             int64_t until_bytes)
{
    struct box_plan p;
    boxed_plan(&box, BOX_SCENE, &p);
    p.limits.memory_bytes = 1024 * MIB; /* the watch is what is tested */
    p.limits.processes = w->limits.processes ? w->limits.processes : 64;
    if (arg)
        box_plan_keep(&p, *(int *)arg);
    boxed_start(&p, inside, arg);
    box_plan_done(&p);
    w->uid = box.uid;
    w->reaper_pid = getpid();
    enum outcome seen = OUTCOME_completed;
    int64_t until_ms = clock_now_ms() + WITHIN_MS;
    for (int looks = 0; seen == OUTCOME_completed && looks < LOOKS_MORE;) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        seen = box_watch_look(w);
        looks += w->usage.memory_peak_bytes > until_bytes;
        if (clock_now_ms() > until_ms)
            fail_msg("no verdict within %d ms", WITHIN_MS);
    }
    box_watch_done(w);
    assert_int_equal(box_empty(box.uid, getpid(), 3000, NULL), 0);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    return seen;
}

#define LIMITS(...)                             \
    {                                           \
        .dir_fd = -1, .limits = { __VA_ARGS__ } \
    }

static void test_memory(void **state)
{
    (void)state;
    int (*const eaters[])(void *) = {eat_private, eat_in_children, eat_page_tables, eat_mappings,
                                     eat_pipes};
    for (size_t i = 0; i < sizeof eaters / sizeof eaters[0]; i++) {
        struct box_watch w = LIMITS(.memory_bytes = 256 * MIB);
        assert_int_equal(watch_it(eaters[i], NULL, &w, NEVER), OUTCOME_memory_limit);
        assert_true(w.usage.memory_peak_bytes > 256 * MIB);
    }
}

/* The sum is 1.1 GiB, what is there is 100 MiB. */
static void test_shared_pages_are_innocent(void **state)
{
    (void)state;
    struct box_watch w = LIMITS(.memory_bytes = 256 * MIB);
    assert_int_equal(watch_it(share_pages, NULL, &w, 1000 * MIB), OUTCOME_completed);
}

static void test_ring_is_not_its_own(void **state)
{
    (void)state;
    int fd = memfd_create("ring", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 300 * MIB), 0);
    struct box_watch w = LIMITS(.memory_bytes = 128 * MIB);
    struct stat ring;
    assert_int_equal(fstat(fd, &ring), 0);
    w.shared_bytes = 300 * MIB;
    w.shared_inode = ring.st_ino;
    assert_int_equal(watch_it(map_ring, &fd, &w, 290 * MIB), OUTCOME_completed);
    struct box_watch without = LIMITS(.memory_bytes = 128 * MIB);
    assert_int_equal(watch_it(map_ring, &fd, &without, NEVER), OUTCOME_memory_limit);
    close(fd);
}

static void test_processes(void **state)
{
    (void)state;
    struct box_watch w = LIMITS(.processes = 40);
    assert_int_equal(watch_it(fork_bomb, NULL, &w, NEVER), OUTCOME_process_limit);
}

static void test_disk(void **state)
{
    (void)state;
    struct box_watch w = LIMITS(.disk_bytes = 100 * MIB);
    w.dir_fd = box.dir_fd;
    assert_int_equal(watch_it(fill_disk, NULL, &w, NEVER), OUTCOME_disk_limit);
    assert_true(w.usage.disk_bytes > 100 * MIB);

    struct box_watch files = LIMITS(.files = 1000);
    files.dir_fd = box.dir_fd;
    assert_int_equal(watch_it(many_files, NULL, &files, NEVER), OUTCOME_disk_limit);
}

static void test_disk_without_names(void **state)
{
    (void)state;
    struct box_watch w = LIMITS(.disk_bytes = 400 * MIB);
    w.dir_fd = box.dir_fd;
    assert_int_equal(watch_it(idle, NULL, &w, 0), OUTCOME_completed);
    w.limits.disk_bytes = w.usage.disk_bytes + 150 * MIB;
    assert_int_equal(watch_it(fill_disk_unseen, NULL, &w, NEVER), OUTCOME_disk_limit);
}

static void test_cpu(void **state)
{
    (void)state;
    struct box_watch w = LIMITS(.cpu_ms = 1000);
    assert_int_equal(watch_it(burn_in_children, NULL, &w, NEVER), OUTCOME_cpu_limit);
}

static void test_cpu_of_children_that_nobody_waits_for(void **state)
{
    (void)state;
    struct box_watch w = LIMITS(.cpu_ms = 1000);
    assert_int_equal(watch_it(burn_unwaited, NULL, &w, NEVER), OUTCOME_cpu_limit);
    assert_int_equal(w.cpu_ms_reaped, 0);
}

/* No look sees more than one of fifty: it stands for the others. */
static void test_cpu_of_moments_that_nobody_waits_for(void **state)
{
    (void)state;
    struct box_watch w = LIMITS(.cpu_ms = 1500);
    assert_int_equal(watch_it(burn_moments_unwaited, NULL, &w, NEVER), OUTCOME_cpu_limit);
}

static int64_t reaped_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

/* Whoever waits for its children is told what they used and no more: what samples
 * stand for comes by chance. */
static void test_cpu_is_not_made_up(void **state)
{
    (void)state;
    struct box_plan p;
    struct box_watch w = LIMITS(.cpu_ms = NEVER, .processes = 64);
    w.uid = box.uid;
    w.reaper_pid = getpid();
    int64_t before_ms = reaped_ms();
    boxed_plan(&box, BOX_SCENE, &p);
    pid_t pid = boxed_start(&p, burn_moments, NULL);
    box_plan_done(&p);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        assert_int_equal(box_watch_look(&w), OUTCOME_completed);
    }
    int64_t used_ms = reaped_ms() - before_ms;
    assert_true(used_ms >= MOMENTS * 4);
    if (w.usage.cpu_ms > used_ms + used_ms / 20)
        fail_msg("%lld ms were used, %lld are told", (long long)used_ms, (long long)w.usage.cpu_ms);
    box_watch_done(&w);
}

/* Whether they are seen or not: it does not last. */
static void test_nobody_hides(void **state)
{
    (void)state;
    struct box_watch killer = LIMITS(.cpu_ms = 3000);
    killer.dir_fd = box.dir_fd;
    enum outcome o = watch_it(kill_all_the_time, NULL, &killer, NEVER);
    assert_true(o == OUTCOME_sandbox_violation || o == OUTCOME_cpu_limit);
    struct box_watch mover = LIMITS(.cpu_ms = 3000, .disk_bytes = 1LL << 40);
    mover.dir_fd = box.dir_fd;
    o = watch_it(move_about, NULL, &mover, NEVER);
    assert_true(o == OUTCOME_sandbox_violation || o == OUTCOME_cpu_limit);
}

/* As memory grows towards its limit, so does the watch's attention. */
static void test_looks_sooner_near_the_limit(void **state)
{
    (void)state;
    struct box_watch w = LIMITS(.memory_bytes = 256 * MIB);
    assert_int_equal(watch_it(idle, NULL, &w, 0), OUTCOME_completed);
    assert_int_equal(w.pause_ms, 50);
    int pause_ms = 0;
    for (int i = 0; i < 5 && pause_ms != 10; i++) { /* a stalled machine: one look finds it all */
        struct box_watch eaten = LIMITS(.memory_bytes = 256 * MIB);
        assert_int_equal(watch_it(eat_slowly, NULL, &eaten, NEVER), OUTCOME_memory_limit);
        pause_ms = eaten.pause_ms;
    }
    assert_int_equal(pause_ms, 10);
}

static void test_within_the_limits(void **state)
{
    (void)state;
    struct box_watch w =
        LIMITS(.memory_bytes = 256 * MIB, .processes = 8, .cpu_ms = 1000, .disk_bytes = 1LL << 40);
    w.dir_fd = box.dir_fd;
    assert_int_equal(watch_it(idle, NULL, &w, 0), OUTCOME_completed);
    assert_int_equal(w.usage.processes, 1);
    assert_true(w.usage.memory_bytes > 0);
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
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_shared_pages_are_innocent),
        cmocka_unit_test(test_ring_is_not_its_own),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_disk_without_names),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_cpu_of_children_that_nobody_waits_for),
        cmocka_unit_test(test_cpu_of_moments_that_nobody_waits_for),
        cmocka_unit_test(test_cpu_is_not_made_up),
        cmocka_unit_test(test_nobody_hides),
        cmocka_unit_test(test_looks_sooner_near_the_limit),
        cmocka_unit_test(test_within_the_limits),
    };
    /* What looks through names, and what another reaper adopts. */
    const struct CMUnitTest in_namespaces[] = {
        cmocka_unit_test(test_disk_without_names),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_within_the_limits),
    };
    int failed = cmocka_run_group_tests_name("test_watch", tests, setup, NULL);
    if (!boxed_has_namespaces())
        return failed;
    return failed + cmocka_run_group_tests_name("test_watch_in_namespaces", in_namespaces,
                                                setup_namespaces, NULL);
}
