/* The table of subcommands, and what all of them begin with. */
#include <curl/curl.h>
#include <hiredis/hiredis.h>
#include <openssl/crypto.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "../base/config.h"
#include "../base/err.h"
#include "../base/log.h"
#include "../manimd.h"
#include "cmd.h"

static int cmd_options(int argc, char **argv)
{
    config_print_table(stdout, argc > 0 && !strcmp(argv[0], "--json"));
    return EXIT_DONE;
}

const struct command commands[] = {
    {"render", cmd_render, "render a scene of a file here, in the sandbox", false},
    {"work", cmd_work, "take jobs from Redis until told to stop", false},
    {"submit", cmd_submit, "push a job", false},
    {"watch", cmd_watch, "follow a job to its end", false},
    {"cancel", cmd_cancel, "stop a job, waiting or running", false},
    {"retry", cmd_retry, "queue a dead or failed job, or a webhook, again", false},
    {"status", cmd_status, "a job, or the queue and its workers", false},
    {"list", cmd_list, "jobs in one state", false},
    {"doctor", cmd_doctor, "what this machine can really do, found by doing it", false},
    {"options", cmd_options, "every option, its default and bounds", false},
    {"courier", cmd_courier, "deliver webhooks", true},
    {"stage", cmd_stage, "one stage on one attempt's directory", true},
    {NULL, NULL, NULL, false},
};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

void commands_print(void)
{
    printf("manimd COMMAND [arguments]\n\n"
           "Renders Manim scenes: a job goes in at Redis, a video comes out of S3.\n\n");
    for (const struct command *c = commands; c->name; c++)
        if (!c->hidden)
            printf("  %-10s%s\n", c->name, c->summary);
    printf("\nmanimd COMMAND --help says more; manimd --version says what it was built with.\n");
}

void version_print(void)
{
    const struct scmp_version *scmp = seccomp_version();
    printf("manimd %s for Manim %s\n", MANIMD_VERSION, MANIM_VERSION);
    printf("%s\n", curl_version());
    printf("hiredis/%d.%d.%d %s libseccomp/%u.%u.%u\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH,
           OpenSSL_version(OPENSSL_VERSION), scmp->major, scmp->minor, scmp->micro);
}

int cmd_fail(int exit, const struct err *e)
{
    fprintf(stderr, "manimd: %s\n", e->text);
    return exit;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return true;
    return false;
}

void cmd_log(const struct config *c)
{
    enum log_level level = LOG_INFO;
    (void)log_level_from_name(c->log_level, &level); /* a choice that was checked */
    enum log_format format = LOG_FORMAT_AUTO;
    if (!strcmp(c->log_format, "text"))
        format = LOG_FORMAT_TEXT;
    else if (!strcmp(c->log_format, "json"))
        format = LOG_FORMAT_JSON;
    log_setup(level, format);
}

bool cmd_begin(struct config *c, const struct args *args, int argc, char **argv, int *ret_exit)
{
    *c = (struct config){0};
    if (wants_help(argc, argv)) {
        args_print(args);
        *ret_exit = EXIT_DONE;
        return false;
    }
    struct err e = ERR_INIT;
    int rc = config_load(c, &argc, argv, &e);
    if (!rc)
        rc = args_parse(args, argc, argv, &e);
    if (rc) {
        config_done(c);
        *ret_exit = cmd_fail(EXIT_USAGE, &e);
        return false;
    }
    cmd_log(c);
    return true;
}
