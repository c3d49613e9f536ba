/* `manimd submit FILE|URL [SCENE]`: pushes a job. */
#include <stdio.h>
#include <string.h>

#include "../base/json.h"
#include "../base/own.h"
#include "client.h"
#include "job_make.h"

static void say_id(const char *id, bool json)
{
    if (json)
        printf("{\"id\":\"%s\"}\n", id);
    else
        printf("%s\n", id);
    fflush(stdout);
}

static int push(struct client *c, const struct job_args *job, const char *text, bool wait,
                bool json)
{
    own_json cJSON *parsed = NULL;
    (void)json_parse(text, strlen(text), FAULT_HOST, &parsed, NULL); /* our own text */
    const char *id = json_str(parsed, "id");
    int exit = client_connect(c);
    if (exit != EXIT_DONE)
        return exit;
    int rc = job->id ? producer_check_new(c->producer, id, text, &c->err) : 0;
    if (!rc)
        rc = producer_push(c->producer, text, strlen(text), &c->err);
    if (rc)
        return client_exit(rc);
    if (!wait) {
        say_id(id, json);
        return EXIT_DONE;
    }
    return client_follow(c, id, json, job->file);
}

int cmd_submit(int argc, char **argv)
{
    struct job_args job = JOB_ARGS_INIT;
    bool wait = false, json = false;
    const char *words[2] = {0};
    const struct arg table[] = {
        JOB_ARGS_ROWS(job),
        {"id", 0, ARG_TEXT, &job.id, "ID", "the job's name; a new UUID when not said", 0, 0},
        {"priority", 0, ARG_NUMBER, &job.priority, "N", "0 first … 9 last", 0, 9},
        {"assets", 0, ARG_TEXT, &job.assets, "JSON", "[{\"path\", \"url\", \"sha256\"}, …]", 0, 0},
        {"metadata", 0, ARG_TEXT, &job.metadata, "JSON", "echoed in the result", 0, 0},
        {"notify", 0, ARG_FLAG, &job.notify, NULL, "push the result on wait:ID", 0, 0},
        {"webhook", 0, ARG_TEXT, &job.webhook, "URL", "is told of its end", 0, 0},
        {"wait", 0, ARG_FLAG, &wait, NULL, "follow it to its end, as `watch` does", 0, 0},
        {"json", 0, ARG_FLAG, &json, NULL, "for machines", 0, 0},
        {0}};
    const struct args args = {
        .usage = "submit FILE|URL [SCENE] [options]",
        .about =
            "Pushes a job that renders a scene of FILE, and prints its id. A URL (https:, s3:)\n"
            "and the assets are fetched by the worker.",
        .table = table,
        .words = words,
        .words_least = 1,
        .words_most = 2,
    };
    struct client c = {0};
    int exit;
    if (!cmd_begin(&c.config, &args, argc, argv, &exit))
        return exit;
    job.file = words[0];
    job.scene = words[1];
    own_free char *text = NULL;
    exit = job_make(&job, &c.config, &text, &c.err) ? EXIT_USAGE : push(&c, &job, text, wait, json);
    return client_end(&c, exit);
}
