/* fetch.c with a fetcher that somebody has taken over: this one says what it is
 * told to say, and how it goes on after that. It stands in for fetcher.c. */
#include "../unit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/guard.h"
#include "base/own.h"
#include "intake/fetch.h"
#include "intake/fetcher.h"

static const char *words;
static bool lingers;

_Noreturn void fetcher_run(const struct fetch_plan *plan, int words_fd)
{
    (void)plan;
    (void)!write(words_fd, words, strlen(words));
    close(words_fd);
    while (lingers)
        pause();
    _exit(0);
}

static int fetch(const char *said, bool stays)
{
    char dir[] = "/tmp/manimd-fetch-XXXXXX";
    const struct guard guard = {.allow_http = true};
    const struct fetch_spec spec = {.guard = &guard, .timeout_ms = 600000, .tries = 1};
    const struct job job = {.id = "a", .source = (char *)"http://127.0.0.1:1/"};
    struct err e = ERR_INIT;
    words = said;
    lingers = stays;
    assert_non_null(mkdtemp(dir));
    int status = fetch_stage(&job, dir, &spec, &e);
    own_free char *remove = own_printf("%s/fetched", dir);
    own_free char *result = own_printf("%s/fetch.json", dir);
    assert_int_equal(unlink(result), 0);
    assert_int_equal(rmdir(remove), 0);
    assert_int_equal(rmdir(dir), 0);
    return status;
}

static void what_has_said_all_and_stays_is_not_waited_for(void **state)
{
    (void)state;
    int64_t began_ms = clock_now_ms();
    alarm(60); /* ends the test where it would wait for ever */
    assert_int_equal(fetch("{\"outcome\":\"source_rejected\",\"message\":\"no\"}", true),
                     STAGE_HOST_FAULT);
    alarm(0);
    assert_in_range(clock_now_ms() - began_ms, 0, 30000);
}

static void who_ends_well_is_believed(void **state)
{
    (void)state;
    assert_int_equal(
        fetch("{\"outcome\":\"source_rejected\",\"message\":\"no\",\"requests\":1e300}", false),
        STAGE_JOB_FAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_said_all_and_stays_is_not_waited_for),
        cmocka_unit_test(who_ends_well_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
