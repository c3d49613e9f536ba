/* log.c: one clean record each, in both formats. stderr is a pipe here, so
 * "auto" means JSON. */
#include "../unit.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/own.h"

#include <fcntl.h>

/* Puts `end` in the place of stderr; returns what stood there. */
static int replace_stderr(int end)
{
    int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(saved >= 0 && dup2(end, STDERR_FILENO) >= 0);
    return saved;
}

/* What `log_something` writes to stderr. */
static char *captured(void (*log_something)(void))
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    own_fd int in = ends[0], out = ends[1];
    int saved = replace_stderr(out);
    log_something();
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(steal_fd(&out));
    struct buf b = BUF_INIT(100000);
    assert_int_equal(file_read_fd(in, &b, NULL), 0);
    return b.data ? b.data : own_strdup("");
}

static void a_dirty_record(void)
{
    log_at(LOG_ERROR, "open \"%s\"", "\033[31m\n\xc2\x9b é");
}

static void below_the_level(void)
{
    log_at(LOG_DEBUG, "nobody reads this");
}

static void about_a_job(void)
{
    log_job(LOG_WARN, "job-2", "slow");
}

static void far_too_long(void)
{
    char word[100000] = {0};
    memset(word, '"', sizeof(word) - 1);
    log_at(LOG_INFO, "%s", word);
}

static void json_is_for_machines(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_FORMAT_AUTO);
    log_set_context("job-1", "render");
    own_free char *line = captured(a_dirty_record);
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
    own_json cJSON *record = NULL;
    assert_int_equal(json_parse(line, strlen(line), 0, &record, NULL), 0);
    assert_string_equal(json_str(record, "message"), "open \"\033[31m\n\xc2\x9b é\"");
    assert_string_equal(json_str(record, "log.level"), "error");
    assert_string_equal(json_str(record, "job.id"), "job-1");
    assert_string_equal(json_str(record, "stage"), "render");
    assert_int_equal(strlen(json_str(record, "@timestamp")), 24);
    assert_null(strchr(line, '\033'));

    own_free char *other = captured(about_a_job);
    assert_contains(other, "\"job.id\":\"job-2\"");
    log_set_context(NULL, NULL);
}

static void text_is_for_people_and_clean(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_FORMAT_TEXT);
    own_free char *line = captured(a_dirty_record);
    assert_string_equal(line, "error: open \"?[31m?? é\"\n");
    own_free char *other = captured(about_a_job);
    assert_string_equal(other, "warn: job job-2: slow\n");
}

static void the_level_holds_back(void **state)
{
    (void)state;
    enum log_level level;
    log_setup(LOG_INFO, LOG_FORMAT_TEXT);
    own_free char *nothing = captured(below_the_level);
    assert_string_equal(nothing, "");
    assert_true(log_level_from_name("debug", &level));
    assert_false(log_level_from_name("loud", &level));
    log_setup(level, LOG_FORMAT_TEXT);
    own_free char *line = captured(below_the_level);
    assert_string_equal(line, "debug: nobody reads this\n");
}

static void a_long_message_is_cut_and_still_json(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_FORMAT_JSON);
    own_free char *line = captured(far_too_long);
    own_json cJSON *record = NULL;
    assert_int_equal(json_parse(line, strlen(line), 0, &record, NULL), 0);
    assert_true(strlen(json_str(record, "message")) < 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_for_machines),
        cmocka_unit_test(text_is_for_people_and_clean),
        cmocka_unit_test(the_level_holds_back),
        cmocka_unit_test(a_long_message_is_cut_and_still_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
