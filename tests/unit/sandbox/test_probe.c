/* What doctor says is what the machine does; names go both ways. */
#include "boxed.h"

#include "base/buf.h"
#include "base/json.h"
#include "sandbox/layers.h"

static struct box_layer_report layers[LAYER_COUNT];

static void test_best_level(void **state)
{
    (void)state;
    enum box_level level = box_probe(layers);
    bool strong = layers[LAYER_NAMESPACES].state == LAYER_ACTIVE &&
                  layers[LAYER_CGROUP].state == LAYER_ACTIVE && landlock_abi() >= 3;
    assert_int_equal(level, geteuid() != 0 ? BOX_BASIC : strong ? BOX_STRONG : BOX_STANDARD);
    for (int i = LAYER_CAPABILITIES; i <= LAYER_DESCRIPTORS; i++) {
        if (layers[i].state != LAYER_ACTIVE)
            fail_msg("%s: %s", box_layer_name((enum box_layer)i), layers[i].reason);
    }
    assert_contains(layers[LAYER_LANDLOCK].reason, "ABI");
    if (layers[LAYER_CGROUP].state != LAYER_ACTIVE)
        assert_contains(layers[LAYER_CGROUP].reason, "cgroup");
}

/* The layers were on in children, not here. */
static void test_leaves_us_as_we_were(void **state)
{
    (void)state;
    box_probe(layers);
    assert_int_equal(opened("/", O_RDONLY | O_DIRECTORY), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_without_root(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        uid_t uid = geteuid() == 0 ? box_random_uid_base() : geteuid();
        if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(1);
        if (box_uids_for_slot(0, 0).scene != 0)
            _exit(2);
        enum box_level level = box_probe(layers);
        bool said = strstr(layers[LAYER_UID].reason, "EPERM") != NULL;
        _exit(level <= BOX_BASIC && layers[LAYER_UID].state == LAYER_UNAVAILABLE && said ? 0 : 3);
    }
    assert_int_equal(boxed_wait(pid), 0);
}

static void test_description_is_json(void **state)
{
    (void)state;
    struct box_layer_report made_up[LAYER_COUNT] = {
        [LAYER_UID] = {LAYER_DEGRADED, "EPERM: \"quoted\""}};
    own_buf struct buf text = BUF_INIT(8192);
    assert_int_equal(box_describe(BOX_BASIC, made_up, &text), 0);
    own_json cJSON *j = NULL;
    struct err e = ERR_INIT;
    if (json_parse(text.data, text.bytes, FAULT_HOST, &j, &e) < 0)
        fail_msg("%s", e.text);
    assert_string_equal(json_str(j, "level"), "basic");
    cJSON *all = cJSON_GetObjectItem(j, "layers");
    assert_int_equal(cJSON_GetArraySize(all), LAYER_COUNT);
    cJSON *uid = cJSON_GetObjectItem(all, "uid");
    assert_string_equal(json_str(uid, "state"), "degraded");
    assert_string_equal(json_str(uid, "reason"), "EPERM: \"quoted\"");
    assert_string_equal(json_str(all, "seccomp"), "active");

    /* And back, as a stage is told what its worker has found. */
    struct box_layer_report read[LAYER_COUNT];
    enum box_level level;
    assert_int_equal(box_read_description(buf_str(&text), &level, read), 0);
    assert_int_equal(level, BOX_BASIC);
    for (int i = 0; i < LAYER_COUNT; i++) {
        assert_int_equal(read[i].state, made_up[i].state);
        assert_string_equal(read[i].reason, made_up[i].reason);
    }
    assert_int_equal(box_read_description("{\"level\":\"basic\",\"layers\":{}}", &level, read),
                     -EINVAL);

    struct buf small = BUF_INIT(20);
    assert_int_equal(box_describe(BOX_BASIC, made_up, &small), -EMSGSIZE);
    buf_done(&small);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = BOX_NONE; i <= BOX_STRONG; i++)
        assert_int_equal(box_level_from_name(box_level_name((enum box_level)i)), i);
    assert_int_equal(box_level_from_name("Standard"), -1);
    assert_int_equal(box_level_from_name(""), -1);
    for (int i = 0; i < LAYER_COUNT; i++)
        assert_non_null(box_layer_name((enum box_layer)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_level),   cmocka_unit_test(test_leaves_us_as_we_were),
        cmocka_unit_test(test_without_root), cmocka_unit_test(test_description_is_json),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
