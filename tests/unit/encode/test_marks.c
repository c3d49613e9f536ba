/* Subtitles and sections: what is refused, how they are put in order. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "encode/marks.h"
#include "manimd.h"

static int add(struct marks *m, int64_t start, int64_t end, char *text)
{
    const struct subtitle s = {start, end, text};
    return marks_add_subtitle(m, &s, strlen(text), NULL);
}

static void subtitles_are_sorted_and_cut(void **state)
{
    (void)state;
    struct marks m = {0};
    assert_int_equal(add(&m, 3000, 9000, "c"), 0);
    assert_int_equal(add(&m, 1000, 2000, "a"), 0);
    assert_int_equal(add(&m, 1500, 8000, "b"), 0);
    marks_sort(&m, 10);
    assert_string_equal(m.subtitles[0].text, "a");
    assert_int_equal(m.subtitles[0].end_us, 1500);
    assert_int_equal(m.subtitles[1].end_us, 3000);
    assert_int_equal(m.subtitles[2].end_us, 9000);
    marks_done(&m);
}

static void subtitles_at_impossible_times(void **state)
{
    (void)state;
    struct marks m = {0};
    assert_int_equal(add(&m, -1, 5, "x"), OUTCOME_output_invalid);
    assert_int_equal(add(&m, 5, 4, "x"), OUTCOME_output_invalid);
    assert_int_equal(add(&m, 0, INT64_MAX, "x"), OUTCOME_output_invalid);
    assert_int_equal(add(&m, INT64_MAX, INT64_MAX, "x"), OUTCOME_output_invalid);
    assert_int_equal(add(&m, 0, 1, "\xc3"), OUTCOME_output_invalid);
    assert_int_equal(m.subtitle_count, 0);
    marks_done(&m);
}

static void subtitles_have_a_ceiling(void **state)
{
    (void)state;
    struct marks m = {0};
    static char text[60001];
    memset(text, 'x', 60000);
    int rc = 0, n = 0;
    for (; !rc && n < 100; n++)
        rc = add(&m, n, n + 1, text);
    assert_int_equal(rc, OUTCOME_output_invalid);
    assert_in_range(m.text_bytes, 900000, 1024 * 1024);
    marks_done(&m);
}

static int section(struct marks *m, const char *json, int64_t frame)
{
    return marks_add_section(m, json, strlen(json), frame, NULL);
}

static void sections_without_frames_go(void **state)
{
    (void)state;
    struct marks m = {0};
    assert_int_equal(section(&m, "{\"name\":\"empty\"}", 0), 0);
    assert_int_equal(section(&m, "{\"name\":\"a\",\"type\":\"x\"}", 0), 0);
    assert_int_equal(section(&m, "{\"name\":\"b\"}", 7), 0);
    assert_int_equal(section(&m, "{\"name\":\"last\"}", 20), 0);
    marks_sort(&m, 20);
    assert_int_equal(m.section_count, 2);
    assert_string_equal(m.sections[0].name, "a");
    assert_int_equal(m.sections[1].first_frame, 7);
    marks_done(&m);
}

static void section_names_are_cut_between_characters(void **state)
{
    (void)state;
    struct marks m = {0};
    char json[512] = "{\"name\":\"x";
    for (int i = 0; i < 100; i++)
        (void)snprintf(json + strlen(json), sizeof(json) - strlen(json), "ü");
    (void)snprintf(json + strlen(json), sizeof(json) - strlen(json), "\"}");
    assert_int_equal(section(&m, json, 0), 0);
    size_t length = strlen(m.sections[0].name);
    assert_int_equal(length, 127);
    assert_int_equal((unsigned char)m.sections[0].name[length - 1], 0xbc);
    assert_int_equal(section(&m, "{\"name\":5}", 0), 0);
    assert_string_equal(m.sections[1].name, "");
    assert_int_equal(section(&m, "nonsense", 0), OUTCOME_output_invalid);
    assert_int_equal(section(&m, "[]", 0), OUTCOME_output_invalid);
    marks_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subtitles_are_sorted_and_cut),
        cmocka_unit_test(subtitles_at_impossible_times),
        cmocka_unit_test(subtitles_have_a_ceiling),
        cmocka_unit_test(sections_without_frames_go),
        cmocka_unit_test(section_names_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
