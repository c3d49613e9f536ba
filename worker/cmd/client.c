#include "client.h"

#include <stdio.h>
#include <string.h>

#include "../base/json.h"
#include "../base/loop.h"
#include "../base/own.h"
#include "../intake/job.h"
#include "progress.h"
#include "verdict.h"

int client_exit(int rc)
{
    return rc == 0 ? EXIT_DONE : rc < 0 ? EXIT_HOST : EXIT_JOB;
}

int client_connect(struct client *c)
{
    c->loop = loop_new();
    int rc = producer_open(c->loop, &c->config, &c->producer, &c->err);
    return rc ? EXIT_HOST : EXIT_DONE;
}

bool client_begin(struct client *c, const struct args *args, int argc, char **argv,
                  const char *const *id, int *ret_exit)
{
    *c = (struct client){0};
    if (!cmd_begin(&c->config, args, argc, argv, ret_exit))
        return false;
    if (id && *id && !job_valid_id(*id)) {
        err_set(&c->err, 0, FAULT_HOST, "id \"%.80s\": is none: 1 to 64 of A-Z a-z 0-9 . _ -", *id);
        *ret_exit = client_end(c, EXIT_USAGE);
        return false;
    }
    *ret_exit = client_connect(c);
    if (*ret_exit == EXIT_DONE)
        return true;
    *ret_exit = client_end(c, *ret_exit);
    return false;
}

int client_end(struct client *c, int exit)
{
    if (c->err.text[0])
        cmd_fail(exit, &c->err);
    producer_close(c->producer);
    if (c->loop)
        loop_free(c->loop);
    config_done(&c->config);
    return exit;
}

/* ---- following ---- */

struct follow {
    struct progress progress;
};

static bool on_change(void *arg, const cJSON *status)
{
    struct follow *f = arg;
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(status, "progress");
    const char *state = json_str(status, "state");
    bool active = !strcmp(state, "active");
    int named = job_state_from_name(state);
    if (named == STATE_COMPLETED || named == STATE_FAILED || named == STATE_CANCELLED ||
        named == STATE_DEAD)
        return true; /* the result says it */
    progress_show(&f->progress, active && f->progress.form != PROGRESS_JSON ? "rendering" : state,
                  active && cJSON_IsObject(at) ? at : NULL);
    return true;
}

static int tell(struct client *c, const cJSON *status, bool json, const char *file)
{
    cJSON *result = cJSON_GetObjectItemCaseSensitive(status, "result");
    if (!cJSON_IsObject(result)) { /* cancelled before it began, say */
        fprintf(stderr, "%s: %s\n", json_str(status, "id"), json_str(status, "state"));
        result = NULL;
    } else {
        verdict_presign(result, &c->config);
    }
    if (json) {
        own_free char *text = json_print(result ? result : status);
        printf("%s\n", text);
    } else if (result) {
        verdict_print(result, file);
    }
    return verdict_exit(result ? result : status);
}

int client_follow(struct client *c, const char *id, bool json, const char *file)
{
    struct follow f;
    progress_init(&f.progress, json);
    own_json cJSON *status = NULL;
    const struct producer_watcher watcher = {on_change, &f};
    int rc = producer_follow(c->producer, id, 0, &watcher, &status, &c->err);
    progress_wipe(&f.progress);
    if (rc)
        return client_exit(rc);
    c->err = (struct err)ERR_INIT; /* that it was not there at first, say */
    return tell(c, status, json, file);
}
