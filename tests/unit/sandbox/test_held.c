/* What a box with a GPU holds in memfds is its memory, mapped or not; what is
 * ours of them (the ring) is not. */
#include "boxed.h"

#include <poll.h>
#include <sys/mman.h>

#define HELD (24 * MIB)
#define NOISE (4 * MIB) /* of its descriptors and mappings */

static struct boxed box;

struct ends {
    int told, held; /* it writes to one when it holds all, and waits for the other */
    int ring;
};

static int wait_for_end(const struct ends *ends)
{
    char byte;
    if (write(ends->told, "x", 1) != 1)
        return 1;
    return read(ends->held, &byte, 1) == 0 ? 0 : 2;
}

/* Out of every resident set: written, never mapped. */
static int hold_open(void *arg)
{
    char block[4096] = {1};
    int fd = memfd_create("open", MFD_CLOEXEC);
    for (int64_t i = 0; i < HELD / (int64_t)sizeof block; i++)
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            return 3;
    return wait_for_end(arg);
}

/* Closed, mapped, and dropped from its resident set: it stays allocated. */
static int hold_mapped(void *arg)
{
    int fd = memfd_create("mapped", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, HELD) < 0)
        return 3;
    char *at = mmap(NULL, HELD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return 4;
    memset(at, 1, HELD);
    close(fd);
    if (madvise(at, HELD, MADV_DONTNEED) < 0)
        return 5;
    return wait_for_end(arg);
}

static int hold_ring(void *arg)
{
    const struct ends *ends = arg;
    if (mmap(NULL, HELD, PROT_READ | PROT_WRITE, MAP_SHARED, ends->ring, 0) == MAP_FAILED)
        return 3;
    return wait_for_end(arg);
}

/* What the watch finds in the kernel's hands while `inside` holds it. */
static int64_t measure(int (*inside)(void *), int ring)
{
    int told[2], held[2];
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    assert_int_equal(pipe2(held, O_CLOEXEC), 0);
    struct ends ends = {.told = told[1], .held = held[0], .ring = ring};
    struct box_plan p;
    boxed_plan(&box, BOX_SCENE_GPU, &p);
    box_plan_keep(&p, ends.told);
    box_plan_keep(&p, ends.held);
    if (ring >= 0)
        box_plan_keep(&p, ring);
    pid_t pid = boxed_start(&p, inside, &ends);
    char byte;
    assert_int_equal(read(told[0], &byte, 1), 1);
    struct stat st = {0};
    (void)fstat(ring, &st);
    struct box_watch w = {.uid = box.uid,
                          .reaper_pid = getpid(),
                          .dir_fd = box.dir_fd,
                          .limits = p.limits,
                          .shared_inode = st.st_ino};
    assert_int_equal(box_watch_look(&w), OUTCOME_completed);
    close(held[1]);
    int status = boxed_wait(pid);
    if (status != 0)
        fail_msg("inside: status 0x%x", (unsigned)status);
    close(told[0]);
    close(told[1]);
    close(held[0]);
    box_plan_done(&p);
    int64_t kernel_bytes = w.usage.kernel_bytes;
    box_watch_done(&w);
    return kernel_bytes;
}

static void test_open(void **state)
{
    (void)state;
    int64_t bytes = measure(hold_open, -1);
    assert_true(bytes >= HELD && bytes < HELD + NOISE);
}

static void test_mapped(void **state)
{
    (void)state;
    int64_t bytes = measure(hold_mapped, -1);
    assert_true(bytes >= HELD && bytes < HELD + NOISE);
}

static void test_ring(void **state)
{
    (void)state;
    int ring = memfd_create("ring", MFD_CLOEXEC);
    assert_int_equal(ftruncate(ring, HELD), 0);
    assert_true(measure(hold_ring, ring) < NOISE);
    close(ring);
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
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_ring),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
