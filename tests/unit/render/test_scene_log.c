/* The head and the tail of what a scene prints. */
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/own.h"
#include "render/scene_log.h"

static void print(struct scene_log *log, char fill, int64_t bytes)
{
    int ends[2];
    char block[4096];
    memset(block, fill, sizeof block);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    while (bytes > 0) {
        size_t n = bytes < (int64_t)sizeof block ? (size_t)bytes : sizeof block;
        assert_int_equal(write(ends[1], block, n), (ssize_t)n);
        assert_int_equal(scene_log_read(log, ends[0]), 1);
        bytes -= (int64_t)n;
    }
    close(ends[1]);
    assert_int_equal(scene_log_read(log, ends[0]), -EPIPE);
    close(ends[0]);
}

static void finish(struct scene_log *log, struct buf *ret)
{
    struct err e = ERR_INIT;
    assert_int_equal(scene_log_finish(log, &e), 0);
    assert_int_equal(file_read(AT_FDCWD, "log", ret, &e), 0);
    scene_log_done(log);
}

static struct scene_log opened(void)
{
    struct scene_log log = SCENE_LOG_INIT;
    struct err e = ERR_INIT;
    assert_int_equal(scene_log_open(&log, AT_FDCWD, &e), 0);
    return log;
}

static void keeps_a_short_log_whole(void **state)
{
    (void)state;
    struct scene_log log = opened();
    own_buf struct buf text = BUF_INIT(1 << 20);
    print(&log, 'a', 1000);
    own_free char *last = scene_log_last(&log, 10);
    assert_string_equal(last, "aaaaaaaaaa");
    finish(&log, &text);
    assert_int_equal(text.bytes, 1000);
}

static void joins_head_and_tail_without_a_gap(void **state)
{
    (void)state;
    struct scene_log log = opened();
    own_buf struct buf text = BUF_INIT(1 << 20);
    print(&log, 'a', SCENE_LOG_HEAD_BYTES - 5);
    print(&log, 'b', SCENE_LOG_TAIL_BYTES);
    finish(&log, &text);
    assert_int_equal(text.bytes, SCENE_LOG_HEAD_BYTES + SCENE_LOG_TAIL_BYTES - 5);
    assert_int_equal(text.data[SCENE_LOG_HEAD_BYTES - 6], 'a');
    assert_int_equal(text.data[SCENE_LOG_HEAD_BYTES - 5], 'b');
    assert_null(strstr(text.data, "left out"));
}

static void leaves_out_the_middle_of_a_flood(void **state)
{
    (void)state;
    struct scene_log log = opened();
    own_buf struct buf text = BUF_INIT(1 << 20);
    print(&log, 'a', SCENE_LOG_HEAD_BYTES);
    print(&log, 'b', 12345);
    print(&log, 'c', SCENE_LOG_TAIL_BYTES);
    own_free char *last = scene_log_last(&log, 100);
    assert_int_equal(strlen(last), 100);
    finish(&log, &text);
    assert_non_null(strstr(text.data, "a\n[12345 bytes left out]\nc"));
    assert_null(strchr(strstr(text.data, "out]") + 4, 'b'));
    assert_int_equal(text.data[text.bytes - 1], 'c');
}

static void cuts_between_characters(void **state)
{
    (void)state;
    struct scene_log log = opened();
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "\xe2\x82\xac\xe2\x82\xac\x1b", 7), 7);
    assert_int_equal(scene_log_read(&log, ends[0]), 1);
    own_free char *last = scene_log_last(&log, 6);
    assert_string_equal(last, "\xe2\x82\xac");
    close(ends[0]);
    close(ends[1]);
    scene_log_done(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_a_short_log_whole),
        cmocka_unit_test(joins_head_and_tail_without_a_gap),
        cmocka_unit_test(leaves_out_the_middle_of_a_flood),
        cmocka_unit_test(cuts_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
