/* SPEC.json: what is taken, what is assumed, what is refused. */
#include "../unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "encode/settings.h"

#define PICTURE "\"width\":1920,\"height\":1080,\"fps_num\":30000,\"fps_den\":1001"
#define REST "\"outputs\":[\"mp4\",\"png\"],\"level\":\"basic\""

static int read_text(struct settings *s, const char *text, struct err *e)
{
    FILE *f = fopen("spec.json", "we");
    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
    int rc = settings_read(s, "spec.json", e);
    unlink("spec.json");
    return rc;
}

static void takes_what_it_says(void **state)
{
    (void)state;
    own_settings struct settings s = {0};
    assert_int_equal(read_text(&s,
                               "{" PICTURE "," REST ",\"uid\":1234567,\"gid\":7654321,"
                               "\"frame_log\":true,\"title\":\"T\",\"threads\":3,"
                               "\"limits\":{\"output_bytes\":5000,\"frames\":77}}",
                               NULL),
                     0);
    assert_int_equal(s.width, 1920);
    assert_int_equal(settings_frame_bytes(&s), 1920 * 1080 * 4);
    assert_int_equal(s.fps_num, 30000);
    assert_int_equal(s.fps_den, 1001);
    assert_int_equal(s.outputs, OUTPUT_BIT(OUTPUT_MP4) | OUTPUT_BIT(OUTPUT_PNG));
    assert_int_equal(s.uid, 1234567);
    assert_int_equal(s.gid, 7654321);
    assert_int_equal(s.level, BOX_BASIC);
    assert_int_equal(s.threads, 3);
    assert_int_equal(s.limits.output_bytes, 5000);
    assert_int_equal(s.limits.frames, 77);
    assert_true(s.frame_log);
    assert_string_equal(s.title, "T");
}

static void assumes_the_rest(void **state)
{
    (void)state;
    own_settings struct settings s = {0};
    assert_int_equal(read_text(&s, "{" PICTURE "," REST "}", NULL), 0);
    assert_in_range(s.threads, 1, 12);
    assert_true(s.limits.output_bytes > 0 && s.limits.frames > 0 && s.limits.memory_bytes > 0);
    assert_true(s.limits.disk_bytes > 2 * s.limits.output_bytes);
    assert_string_equal(s.title, "");
    assert_false(s.frame_log);
}

static void refuses(void **state)
{
    (void)state;
    static const char *const specs[] = {
        "",
        "[]",
        "{}",
        "{" PICTURE ",\"level\":\"basic\"}",
        "{" PICTURE ",\"outputs\":[5],\"level\":\"basic\"}",
        "{" PICTURE ",\"outputs\":[\"mp4\"]}",
        "{" PICTURE "," REST ",\"transparent\":true}",
        "{\"width\":1e300,\"height\":10,\"fps_num\":30," REST "}",
        "{\"width\":-5,\"height\":10,\"fps_num\":30," REST "}",
        "{\"width\":10,\"height\":10,\"fps_num\":30,\"fps_den\":0," REST "}",
    };
    for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++) {
        own_settings struct settings s = {0};
        struct err e = ERR_INIT;
        assert_true(read_text(&s, specs[i], &e) < 0);
        assert_int_equal(e.fault, FAULT_HOST);
        assert_contains(e.text, "spec");
    }
}

static void a_spec_that_is_not_there(void **state)
{
    (void)state;
    own_settings struct settings s = {0};
    struct err e = ERR_INIT;
    assert_int_equal(settings_read(&s, "no-such-file", &e), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_it_says),
        cmocka_unit_test(assumes_the_rest),
        cmocka_unit_test(refuses),
        cmocka_unit_test(a_spec_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
