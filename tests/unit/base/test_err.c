/* err.c: one sentence, cut where it is too long, wrapped on the way up. */
#include "../unit.h"

#include "base/err.h"

#include <errno.h>

static void sentence_is_built_and_wrapped(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(err_errno(&e, -ENOENT, FAULT_HOST, "open \"%s\"", "x"), -ENOENT);
    assert_string_equal(e.text, "open \"x\": No such file or directory");
    assert_int_equal(e.fault, FAULT_HOST);
    assert_int_equal(err_wrap(&e, -ENOENT, "read the job %d", 7), -ENOENT);
    assert_string_equal(e.text, "read the job 7: open \"x\": No such file or directory");
    assert_int_equal(e.fault, FAULT_HOST);
    assert_int_equal(err_set(&e, 3, FAULT_JOB, "no"), 3);
    assert_string_equal(e.text, "no");
    assert_string_equal(fault_name(e.fault), "job");
}

static void nobody_has_to_listen(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, -1, FAULT_JOB, "x"), -1);
    assert_int_equal(err_errno(NULL, -2, FAULT_JOB, "x"), -2);
    assert_int_equal(err_wrap(NULL, -3, "x"), -3);
}

static void too_long_is_cut(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char word[2000] = {0};
    memset(word, 'a', sizeof(word) - 1);
    err_errno(&e, -EIO, FAULT_PEER, "%s", word);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
    err_wrap(&e, -EIO, "head");
    assert_memory_equal(e.text, "head: aaa", 9);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentence_is_built_and_wrapped),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
