/* Lines from processes that are not trusted. */
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/own.h"
#include "render/lines.h"

struct heard {
    int count;
    size_t longest;
    char last[64];
};

static void hear(void *arg, char *line)
{
    struct heard *h = arg;
    h->count++;
    if (strlen(line) > h->longest)
        h->longest = strlen(line);
    snprintf(h->last, sizeof h->last, "%s", line);
}

static int feed(struct lines *l, const char *text, size_t bytes, struct heard *h)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(write(ends[1], text, bytes), (ssize_t)bytes);
    int rc;
    while ((rc = lines_read(l, ends[0], hear, h)) > 0)
        ;
    assert_int_equal(rc, 0);
    close(ends[1]);
    assert_int_equal(lines_read(l, ends[0], hear, h), -EPIPE);
    close(ends[0]);
    return h->count;
}

static void splits_lines_across_reads(void **state)
{
    (void)state;
    struct lines l = LINES_INIT;
    struct heard h = {0};
    assert_int_equal(feed(&l, "one\n\ntw", 7, &h), 1);
    assert_string_equal(h.last, "one");
    assert_int_equal(feed(&l, "o\nthree", 7, &h), 2);
    assert_string_equal(h.last, "two");
    assert_int_equal(l.bytes, 14);
    buf_done(&l.part);
}

static void drops_a_line_without_bound_whole(void **state)
{
    (void)state;
    struct lines l = LINES_INIT;
    struct heard h = {0};
    own_free char *flood = own_calloc(1, 32768);
    memset(flood, 'x', 32768);
    for (int i = 0; i < 100; i++)
        assert_int_equal(feed(&l, flood, 32768, &h), 0);
    assert_true(l.part.capacity <= 2 * CEILING_REPORT_LINE_BYTES);
    assert_int_equal(feed(&l, "end\nnext\n", 9, &h), 1);
    assert_string_equal(h.last, "next");
    buf_done(&l.part);
}

static void cleans_text(void **state)
{
    (void)state;
    static const struct {
        const char *dirty, *clean;
    } cases[] = {
        {"plain\ttext\n", "plain\ttext\n"},
        {"\x1b[31mred\x07\x7f", "[31mred"},
        {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xff\xfe", "??"},
        {"cut \xe2\x82", "cut ??"},
        {"\xc0\xaf overlong", "?? overlong"},
        {"\xed\xa0\x80", "???"}, /* a surrogate */
        {"\xc2\x9b"
         "31m",
         "31m"}, /* CSI of C1 */
        {"abc\xe2\x80\xae"
         "def",
         "abcdef"},                   /* right-to-left override */
        {"\xf4\x90\x80\x80", "????"}, /* beyond Unicode */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        own_free char *text = own_strdup(cases[i].dirty);
        text[text_clean(text, strlen(text))] = 0;
        assert_string_equal(text, cases[i].clean);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_lines_across_reads),
        cmocka_unit_test(drops_a_line_without_bound_whole),
        cmocka_unit_test(cleans_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
