/* Replies of scripts, taken apart: what a broken server may put into them. */
#include "../unit.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "intake/script.h"

static void numbers_are_bounded(void **state)
{
    (void)state;
    redisReply words = {.type = REDIS_REPLY_STRING, .str = (char[]){"ok"}, .len = 2};
    redisReply large = {.type = REDIS_REPLY_INTEGER, .integer = INT64_MAX};
    redisReply small = {.type = REDIS_REPLY_STRING, .str = (char[]){"-99999999999999999999"}};
    redisReply fine = {.type = REDIS_REPLY_STRING, .str = (char[]){"1700000000000"}};
    redisReply *elements[] = {&words, &large, &small, &fine};
    const redisReply raw = {.type = REDIS_REPLY_ARRAY, .elements = 4, .element = elements};
    const struct reply r = reply_read(&raw, true);
    assert_null(r.error);
    assert_int_equal(r.now_ms, REPLY_NUMBER_MAX);
    assert_int_equal(reply_number(&r, 2), -REPLY_NUMBER_MAX);
    assert_int_equal(reply_number(&r, 3), 1700000000000);
    assert_int_equal(reply_number(&r, 4), 0);
    /* What is done with them: a second in milliseconds, one minus another. */
    assert_true(reply_number(&r, 1) * 1000 > 0);
    assert_true(reply_number(&r, 2) - r.now_ms + 1 < 0);
}

static void what_is_no_answer_is_an_error(void **state)
{
    (void)state;
    const redisReply text = {.type = REDIS_REPLY_STRING, .str = (char[]){"ok"}, .len = 2};
    const redisReply empty = {.type = REDIS_REPLY_ARRAY};
    assert_non_null(reply_read(&text, true).error);
    assert_non_null(reply_read(&empty, true).error);
    assert_null(reply_read(&text, false).error);
    assert_null(reply_read(NULL, true).error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(what_is_no_answer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
