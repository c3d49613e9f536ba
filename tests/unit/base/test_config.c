/* config.c: which source wins, what is refused and how, who is given what. */
#include "../unit.h"

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>

#define ARGS_MAX 16

/* Everything but what tells cmocka how to report. */
static void forget_environment(void)
{
    const char *output = getenv("CMOCKA_MESSAGE_OUTPUT");
    own_free char *kept = output ? own_strdup(output) : NULL;
    clearenv();
    if (kept)
        setenv("CMOCKA_MESSAGE_OUTPUT", kept, 1);
}

static int setup(void **state)
{
    (void)state;
    forget_environment();
    return setenv("PATH", "/bin", 1);
}

static void put(const char *name, const char *text)
{
    assert_int_equal(file_write_atomic(AT_FDCWD, name, text, strlen(text), 0600, NULL), 0);
}

/* Loads with `words` (by spaces) as the command line; leaves in `words` what
 * config_load() leaves. */
static int load(struct config *c, char *words, struct err *e)
{
    char *argv[ARGS_MAX + 1] = {NULL}, *word, left[200] = "";
    own_free char *copy = own_strdup(words);
    char *rest = copy;
    int argc = 0;
    while (argc < ARGS_MAX && (word = strsep(&rest, " ")))
        if (*word)
            argv[argc++] = word;
    int rc = config_load(c, &argc, argv, e);
    if (rc < 0)
        return rc;
    for (int i = 0; i < argc; i++) {
        size_t used = strlen(left);
        snprintf(left + used, sizeof(left) - used, "%s%s", i ? " " : "", argv[i]);
    }
    assert_null(argv[argc]);
    snprintf(words, strlen(words) + 1, "%s", left);
    return 0;
}

static int load_plain(struct config *c, struct err *e)
{
    char none[] = "";
    return load(c, none, e);
}

static void refused(char *words, const char *sentence)
{
    struct config c = {.slots = 99};
    struct err e = ERR_INIT;
    assert_int_equal(load(&c, words, &e), -EINVAL);
    assert_int_equal(e.fault, FAULT_HOST);
    assert_string_equal(e.text, sentence);
    assert_int_equal(c.slots, 99); /* as it was */
}

static void defaults_are_the_tables(void **state)
{
    (void)state;
    struct config c;
    assert_int_equal(load_plain(&c, NULL), 0);
    assert_string_equal(c.redis_url, "redis://127.0.0.1:6379/0");
    assert_null(c.redis_password);
    assert_int_equal(c.slots, 1);
    assert_string_equal(c.s3_prefix, "");
    assert_string_equal(c.sandbox, "standard");
    config_done(&c);
    config_done(&c);
}

static void later_sources_win(void **state)
{
    (void)state;
    struct config c;
    put("conf", "slots = 2\nqueue = from-file\nworker_name = f\n");
    setenv("MANIMD_CONFIG", "conf", 1);
    setenv("MANIMD_QUEUE", "from-environment", 1);
    setenv("MANIMD_WORKER_NAME", "e", 1);
    char words[] = "work --worker-name c FILE --until-empty -x --slots=3";
    assert_int_equal(load(&c, words, NULL), 0);
    assert_string_equal(words, "work FILE --until-empty -x");
    assert_int_equal(c.slots, 3);
    assert_string_equal(c.queue, "from-environment");
    assert_string_equal(c.worker_name, "c");
    config_done(&c);
}

static void the_command_names_the_file(void **state)
{
    (void)state;
    struct config c;
    put("conf", "# words\n\n  slots=5 \r\n worker_name = \" a b \"\nqueue = a=b#c");
    put("other", "slots = 6\n");
    setenv("MANIMD_CONFIG", "other", 1);
    char words[] = "a --config conf b";
    assert_int_equal(load(&c, words, NULL), 0);
    assert_string_equal(words, "a b");
    assert_int_equal(c.slots, 5);
    assert_string_equal(c.worker_name, " a b ");
    assert_string_equal(c.queue, "a=b#c");
    config_done(&c);
    char equals[] = "--config=other";
    assert_int_equal(load(&c, equals, NULL), 0);
    assert_string_equal(equals, "");
    assert_int_equal(c.slots, 6);
    config_done(&c);
}

static void a_dash_dash_ends_our_reading(void **state)
{
    (void)state;
    struct config c;
    char words[] = "render --slots 2 -- --slots 3 --config x";
    assert_int_equal(load(&c, words, NULL), 0);
    assert_string_equal(words, "render -- --slots 3 --config x");
    assert_int_equal(c.slots, 2);
    config_done(&c);
}

static void wrong_values_are_named(void **state)
{
    (void)state;
    char words[][64] = {"--slots two",    "--slots 65",      "--slots=0", "--slots 1x",
                        "--sandbox weak", "--sandbox stand", "--slots",   "--slots +1"};
    const char *const sentences[] = {
        "option \"slots\" is \"two\" (the command line), it must be a whole number from 1 to 64",
        "option \"slots\" is \"65\" (the command line), it must be a whole number from 1 to 64",
        "option \"slots\" is \"0\" (the command line), it must be a whole number from 1 to 64",
        "option \"slots\" is \"1x\" (the command line), it must be a whole number from 1 to 64",
        "option \"sandbox\" is \"weak\" (the command line), it must be one of "
        "strong|standard|basic|none",
        "option \"sandbox\" is \"stand\" (the command line), it must be one of "
        "strong|standard|basic|none",
        "option \"--slots\" needs a value",
        "option \"slots\" is \"+1\" (the command line), it must be a whole number from 1 to 64",
    };
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
        refused(words[i], sentences[i]);
}

static void the_place_of_a_wrong_value_is_named(void **state)
{
    (void)state;
    char none[] = "", missing[] = "--config nowhere";
    put("conf", "queue = a\n\nslots = 99999999999999999999\n");
    setenv("MANIMD_CONFIG", "conf", 1);
    refused(none, "option \"slots\" is \"99999999999999999999\" (\"conf\" line 3), "
                  "it must be a whole number from 1 to 64");
    put("conf", "\nslot = 1\n");
    refused(none, "\"conf\" line 2: there is no option \"slot\"");
    put("conf", "slots\n");
    refused(none, "\"conf\" line 1: \"name = value\" is expected");
    put("conf", "");
    setenv("MANIMD_SLOTS", "x", 1);
    refused(none, "option \"slots\" is \"x\" (MANIMD_SLOTS in the environment), "
                  "it must be a whole number from 1 to 64");
    struct config c;
    struct err e = ERR_INIT;
    assert_int_equal(load(&c, missing, &e), -ENOENT);
    assert_string_equal(e.text, "configuration: open \"nowhere\": No such file or directory");
}

static void empty_is_the_default(void **state)
{
    (void)state;
    struct config c;
    put("conf", "slots = 4\nqueue = q\nsandbox = basic\n");
    setenv("MANIMD_CONFIG", "conf", 1);
    setenv("MANIMD_SLOTS", "", 1); /* in the environment: not set at all */
    char words[] = "--queue= --sandbox=";
    assert_int_equal(load(&c, words, NULL), 0);
    assert_int_equal(c.slots, 4);
    assert_string_equal(c.queue, "default");
    assert_string_equal(c.sandbox, "standard");
    config_done(&c);
}

static void aliases_are_understood_and_ours_wins(void **state)
{
    (void)state;
    struct config c;
    setenv("AWS_ENDPOINT_URL", "second", 1);
    setenv("BUCKET_ENDPOINT_URL", "third", 1);
    setenv("AWS_ENDPOINT_URL_S3", "", 1);
    setenv("REDIS_URL", "redis://alias", 1);
    assert_int_equal(load_plain(&c, NULL), 0);
    assert_string_equal(c.s3_endpoint, "second");
    assert_string_equal(c.redis_url, "redis://alias");
    config_done(&c);
    setenv("MANIMD_REDIS_URL", "redis://ours", 1);
    assert_int_equal(load_plain(&c, NULL), 0);
    assert_string_equal(c.redis_url, "redis://ours");
    config_done(&c);
}

static void secrets_come_from_files(void **state)
{
    (void)state;
    struct config c;
    own_fd int credentials = file_make_dir(AT_FDCWD, "credentials", 0700, NULL);
    assert_true(credentials >= 0);
    put("credentials/redis_password", "from-systemd\n");
    put("secret", "from-file\r\n");
    setenv("CREDENTIALS_DIRECTORY", "credentials", 1);
    setenv("MANIMD_S3_SECRET_ACCESS_KEY_FILE", "secret", 1);
    assert_int_equal(load_plain(&c, NULL), 0);
    assert_string_equal(c.redis_password, "from-systemd");
    assert_string_equal(c.s3_secret_access_key, "from-file");
    config_done(&c);

    put("conf", "redis_password_file = secret\n");
    unsetenv("CREDENTIALS_DIRECTORY");
    char words[] = "--config conf --s3-access-key-id-file secret";
    assert_int_equal(load(&c, words, NULL), 0);
    assert_string_equal(words, "");
    assert_string_equal(c.redis_password, "from-file");
    assert_string_equal(c.s3_access_key_id, "from-file");
    config_done(&c);

    setenv("MANIMD_REDIS_PASSWORD_FILE", "gone", 1);
    struct err e = ERR_INIT;
    assert_int_equal(load_plain(&c, &e), -ENOENT);
    assert_string_equal(e.text, "option \"redis_password\" (MANIMD_REDIS_PASSWORD_FILE): "
                                "open \"gone\": No such file or directory");
}

static bool holds(char **env, const char *entry)
{
    for (; *env; env++)
        if (strcmp(*env, entry) == 0)
            return true;
    return false;
}

static void a_stage_is_given_only_its_own(void **state)
{
    (void)state;
    struct config c;
    setenv("TMPDIR", "/var/tmp", 1);
    setenv("HOME", "/root", 1);
    setenv("REDIS_URL", "redis://:pass@host", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "key", 1);
    char words[] = "--s3-tries 9 --log-level debug --store-dir x --s3-prefix p --s3-prefix=";
    assert_int_equal(load(&c, words, NULL), 0);
    char **env = config_env(&c, FOR_STORE);
    const char *const wanted[] = {
        "PATH=/bin",
        "LANG=C.UTF-8",
        "MANIMD_CONFIG=",
        "TMPDIR=/var/tmp",
        "MANIMD_S3_SECRET_ACCESS_KEY=key",
        "MANIMD_S3_TRIES=9",
        "MANIMD_LOG_LEVEL=debug",
        "MANIMD_STORE_DIR=x",
    };
    size_t count = sizeof(wanted) / sizeof(wanted[0]), entries = 0;
    for (size_t i = 0; i < count; i++)
        assert_true(holds(env, wanted[i]));
    while (env[entries])
        entries++;
    assert_int_equal(entries, count);
    env = config_env_free(env);

    unsetenv("PATH");
    unsetenv("TMPDIR");
    env = config_env(&c, FOR_RENDER);
    assert_true(holds(env, "PATH=/usr/local/bin:/usr/bin:/bin"));
    assert_true(holds(env, "MANIMD_LOG_LEVEL=debug"));
    for (char **entry = env; *entry; entry++)
        assert_null(strstr(*entry, "SECRET"));
    config_env_free(env);
    config_done(&c);
}

/* What is handed on means the same to the stage that reads it. */
static void a_stage_reads_what_the_worker_had(void **state)
{
    (void)state;
    struct config worker, stage;
    put("conf", "s3_region = x\ns3_tries = 2\n");
    char words[] = "--config conf --s3-region=";
    assert_int_equal(load(&worker, words, NULL), 0);
    char **env = config_env(&worker, FOR_STORE);
    setenv("MANIMD_CONFIG", "conf", 1); /* as if it stood in /etc */
    for (char **entry = env; *entry; entry++)
        assert_int_equal(putenv(*entry), 0);
    assert_int_equal(load_plain(&stage, NULL), 0);
    assert_string_equal(stage.s3_region, "us-east-1");
    assert_int_equal(stage.s3_tries, 2);
    forget_environment(); /* before its strings are freed */
    config_env_free(env);
    config_done(&worker);
    config_done(&stage);
}

static void scrubbing_wipes_the_bytes(void **state)
{
    (void)state;
    static char ours[] = "MANIMD_REDIS_PASSWORD=secret", alias[] = "REDIS_URL=redis://:p@h";
    putenv(ours);
    putenv(alias);
    setenv("HOME", "/root", 1);
    config_scrub_environment();
    assert_null(getenv("MANIMD_REDIS_PASSWORD"));
    assert_null(getenv("REDIS_URL"));
    assert_string_equal(getenv("HOME"), "/root");
    for (size_t i = strlen("MANIMD_REDIS_PASSWORD="); i < sizeof(ours); i++)
        assert_int_equal(ours[i], 0);
    assert_int_equal(alias[strlen("REDIS_URL=")], 0);
}

static void the_table_prints_as_json_and_text(void **state)
{
    (void)state;
    own_free char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    config_print_table(out, true);
    fclose(out);
    own_json cJSON *table = NULL;
    assert_int_equal(json_parse(text, bytes, 0, &table, NULL), 0);
    const cJSON *first = cJSON_GetArrayItem(table, 0);
    assert_string_equal(json_str(first, "name"), "redis_url");
    assert_string_equal(json_str(first, "type"), "string");
    assert_string_equal(json_str(first, "aliases"), "REDIS_URL");
    assert_true(cJSON_GetArraySize(table) > 30);

    own_free char *people = NULL;
    out = open_memstream(&people, &bytes);
    config_print_table(out, false);
    fclose(out);
    assert_contains(people, "slots                  1, from 1 to 64\n    jobs rendered");
}

/* What may change while a worker runs is taken; the rest is only named. */
static void a_running_worker_takes_what_is_live(void **state)
{
    struct config c = {0}, fresh = {0};
    own_free char *taken = NULL;
    own_free char *fixed = NULL;
    (void)state;
    char before[] = "--attempts=3 --store-dir=/a --slots=2 --s3-secret-access-key=old --queue=q";
    char after[] = "--attempts=7 --slots=4 --s3-secret-access-key=new --queue=q --allow-http "
                   "--log-level=debug";
    assert_int_equal(load(&c, before, NULL), 0);
    assert_int_equal(load(&fresh, after, NULL), 0);
    config_adopt(&c, &fresh, &taken, &fixed);
    config_done(&fresh);
    assert_string_equal(taken, "attempts, store_dir, s3_secret_access_key, allow_http, log_level");
    assert_string_equal(fixed, "slots");
    assert_int_equal(c.attempts, 7);
    assert_null(c.store_dir);
    assert_string_equal(c.s3_secret_access_key, "new");
    assert_string_equal(c.log_level, "debug");
    assert_true(c.allow_http);
    assert_int_equal(c.slots, 2);
    assert_string_equal(c.queue, "q");
    config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_the_tables, setup),
        cmocka_unit_test_setup(later_sources_win, setup),
        cmocka_unit_test_setup(the_command_names_the_file, setup),
        cmocka_unit_test_setup(a_dash_dash_ends_our_reading, setup),
        cmocka_unit_test_setup(wrong_values_are_named, setup),
        cmocka_unit_test_setup(the_place_of_a_wrong_value_is_named, setup),
        cmocka_unit_test_setup(empty_is_the_default, setup),
        cmocka_unit_test_setup(aliases_are_understood_and_ours_wins, setup),
        cmocka_unit_test_setup(secrets_come_from_files, setup),
        cmocka_unit_test_setup(a_stage_is_given_only_its_own, setup),
        cmocka_unit_test_setup(a_stage_reads_what_the_worker_had, setup),
        cmocka_unit_test_setup(scrubbing_wipes_the_bytes, setup),
        cmocka_unit_test_setup(a_running_worker_takes_what_is_live, setup),
        cmocka_unit_test_setup(the_table_prints_as_json_and_text, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
