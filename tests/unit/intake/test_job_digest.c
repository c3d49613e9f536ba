/* Digests of jobs as they lie in Redis: no version may reckon them otherwise. */
#include "../unit.h"

#include <string.h>

#include "base/config.h"
#include "base/err.h"
#include "intake/job.h"
#include "intake/script.h"

static struct config config;

/* What is stored in Redis must stay comparable: the producer's fields by name, the id
 * first, without our limits, and with those that only are called so. */
static void the_digest_is_of_what_was_asked(void **state)
{
    (void)state;
    static const char json[] =
        "{ \"scene\":\"S\", \"id\":\"a1\", \"metadata\":{\"b\":1.50,"
        "\"limits\":{\"frames\":1}}, \"code\":\"x\\u00e9,\\\"limits\\\":{\"}";
    static const char asked[] =
        "{\"id\":\"a1\",\"code\":\"x\xc3\xa9,\\\"limits\\\":{\","
        "\"metadata\":{\"b\":1.5,\"limits\":{\"frames\":1}},\"scene\":\"S\"}";
    struct job job;
    struct err e = ERR_INIT;
    char digest[41], wanted[41];
    assert_int_equal(job_parse(json, strlen(json), &config, NULL, &job, &e), 0);
    job_digest(&job, digest);
    sha1_hex(asked, strlen(asked), wanted);
    assert_string_equal(digest, wanted);
    job_free(&job);
}

int main(void)
{
    int argc = 0;
    if (config_load(&config, &argc, (char *[]){NULL}, NULL) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_is_of_what_was_asked),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_done(&config);
    return failed;
}
