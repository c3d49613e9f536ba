/* `manimd list --state STATE`: jobs in one state, newest first. */
#include <stdio.h>
#include <string.h>

#include "../base/json.h"
#include "../base/own.h"
#include "client.h"

#define LIMIT_USUAL 50
#define LIMIT_MOST 1000
#define STATES "queued delayed active retrying completed failed cancelled dead, or rejected"

static void print_jobs(const cJSON *jobs)
{
    const cJSON *job;
    cJSON_ArrayForEach(job, jobs)
    {
        const cJSON *result = cJSON_GetObjectItemCaseSensitive(job, "result");
        const cJSON *error = cJSON_GetObjectItemCaseSensitive(result, "error");
        printf("%s  %s  %s  %.100s\n", json_str(job, "id"), json_str(job, "state"),
               json_str(result, "outcome"), json_str(error, "message"));
    }
}

static void print_rejected(const cJSON *entries)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, entries)
        printf("%s  %.0f bytes  %.200s\n", *json_str(one, "id") ? json_str(one, "id") : "(no id)",
               json_num(one, "bytes", 0), json_str(one, "reason"));
}

static int show(struct client *c, const char *state, int64_t limit, bool json)
{
    own_json cJSON *found = NULL;
    bool rejected = !strcmp(state, "rejected");
    int rc = rejected ? producer_rejected(c->producer, (int)limit, &found, &c->err)
                      : producer_list(c->producer, (enum job_state)job_state_from_name(state),
                                      (int)limit, &found, &c->err);
    if (rc)
        return client_exit(rc);
    if (json) {
        own_free char *text = json_print(found);
        printf("%s\n", text);
    } else if (rejected) {
        print_rejected(found);
    } else {
        print_jobs(found);
    }
    return EXIT_DONE;
}

static bool is_listed(const char *state, struct err *e)
{
    if (state && (!strcmp(state, "rejected") || job_state_from_name(state) >= 0))
        return true;
    if (state)
        err_set(e, 0, FAULT_HOST, "option --state: \"%.40s\" is none of " STATES, state);
    else
        err_set(e, 0, FAULT_HOST, "option --state is missing: one of " STATES);
    return false;
}

int cmd_list(int argc, char **argv)
{
    bool json = false;
    const char *state = NULL;
    int64_t limit = LIMIT_USUAL;
    const char *words[1] = {0};
    const struct arg table[] = {
        {"state", 0, ARG_TEXT, &state, "STATE", STATES, 0, 0},
        {"limit", 0, ARG_NUMBER, &limit, "N", "at most so many; 50 when not said", 1, LIMIT_MOST},
        {"json", 0, ARG_FLAG, &json, NULL, "for machines", 0, 0},
        {0}};
    const struct args args = {
        .usage = "list --state STATE [--limit N] [--json]",
        .about = "Jobs in one state, newest first; `rejected` is input that never became a job.",
        .table = table,
        .words = words,
    };
    struct client c = {0};
    int exit;
    if (!cmd_begin(&c.config, &args, argc, argv, &exit))
        return exit;
    if (!is_listed(state, &c.err))
        return client_end(&c, EXIT_USAGE);
    exit = client_connect(&c);
    if (exit == EXIT_DONE)
        exit = show(&c, state, limit, json);
    return client_end(&c, exit);
}
