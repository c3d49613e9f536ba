/* What NVENC needs first: CUDA's driver comes up in an encoder's box with a GPU and
 * finds the card, if there is one. (The calls are those of cuda.h, which is not needed.) */
#include "boxed.h"

#include <dlfcn.h>

#define DRIVER "libcuda.so.1"
#define MEMORY_BYTES (4096 * MIB) /* what the driver maps in the process; little of it is used */

static struct boxed box;

static int setup(void **state)
{
    (void)state;
    boxed_init(&box);
    return 0;
}

/* A call by its name; 0 is CUDA_SUCCESS, and -1 that there is no such call. */
#define CALL(driver, name, types, ...)                                   \
    ({                                                                   \
        int(*call) types = (int(*) types)(uintptr_t)dlsym(driver, name); \
        int rc = call ? call(__VA_ARGS__) : -1;                          \
        if (rc)                                                          \
            dprintf(2, "%s: %d\n", name, rc);                            \
        rc;                                                              \
    })

/* 0, or which step failed. */
static int use_the_card(void *driver)
{
    int device = -1;
    if (CALL(driver, "cuInit", (unsigned), 0))
        return 1;
    return CALL(driver, "cuDeviceGet", (int *, int), &device, 0) ? 2 : 0;
}

/* The driver is loaded in the box, as libavcodec does when it opens NVENC. */
static int load_and_use(void *arg)
{
    (void)arg;
    void *driver = dlopen(DRIVER, RTLD_NOW);
    if (!driver) {
        dprintf(2, "%s\n", dlerror());
        return 3;
    }
    return use_the_card(driver);
}

static int run_with(enum box_profile profile, int (*inside)(void *))
{
    struct box_plan p;
    boxed_plan(&box, profile, &p);
    p.limits.memory_bytes = MEMORY_BYTES;
    int status = boxed_wait(boxed_start(&p, inside, NULL));
    box_plan_done(&p);
    return status;
}

static void test_cuda_comes_up(void **state)
{
    (void)state;
    assert_int_equal(run_with(BOX_ENCODER_GPU, load_and_use), 0);
}

/* Without the profile it does not: the driver's nodes are shut. */
static void test_cuda_is_not_for_every_encoder(void **state)
{
    (void)state;
    int status = run_with(BOX_ENCODER, load_and_use);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

/* A scene draws; what memory of the card and of the host are one for is not its own. */
static void test_cuda_is_not_for_scenes(void **state)
{
    (void)state;
    int status = run_with(BOX_SCENE_GPU, load_and_use);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuda_comes_up),
        cmocka_unit_test(test_cuda_is_not_for_every_encoder),
        cmocka_unit_test(test_cuda_is_not_for_scenes),
    };
    void *driver = dlopen(DRIVER, RTLD_NOW);
    if (!driver || access("/dev/nvidia-uvm", R_OK | W_OK) < 0) {
        printf("1..1\nok 1 - not applicable: dlopen(\"" DRIVER "\"), /dev/nvidia-uvm: no card\n");
        return 0;
    }
    dlclose(driver);
    int failed = cmocka_run_group_tests(tests, setup, NULL);
    if (!boxed_has_namespaces())
        return failed;
    box.namespaces = true;
    return failed + cmocka_run_group_tests_name("in namespaces", tests, NULL, NULL);
}
