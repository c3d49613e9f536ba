#include "verdict.h"

#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/config.h"
#include "../base/json.h"
#include "../base/own.h"
#include "../manimd.h"
#include "../store/store.h"
#include "cmd.h"

#define LOG_LINES_BYTES 1500

static const cJSON *item(const cJSON *object, const char *key)
{
    return object ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

static void print_output(const cJSON *output)
{
    const char *url = json_str(output, "url");
    printf("%s", *url ? url : json_str(output, "key"));
    if (json_num(output, "width", 0) > 0)
        printf("  %.0fx%.0f", json_num(output, "width", 0), json_num(output, "height", 0));
    if (json_num(output, "frames", 0) > 0)
        printf("  %.0f frames", json_num(output, "frames", 0));
    if (json_num(output, "duration_s", 0) > 0)
        printf("  %.1f s", json_num(output, "duration_s", 0));
    printf("  %.2f MB\n", json_num(output, "bytes", 0) / 1e6);
}

static void print_indented(const char *text)
{
    for (const char *line = text; *line;) {
        size_t bytes = strcspn(line, "\n");
        fprintf(stderr, "  %.*s\n", (int)bytes, line);
        line += bytes + (line[bytes] == '\n');
    }
}

/* Who looks for a mistake by print() looks for it here. */
static void print_log(const cJSON *result)
{
    const char *tail = json_str(result, "log_tail");
    size_t bytes = strlen(tail);
    if (!bytes)
        return;
    const char *cut = bytes > LOG_LINES_BYTES ? strchr(tail + bytes - LOG_LINES_BYTES, '\n') : NULL;
    fprintf(stderr, "what it printed%s:\n", cut ? " last" : "");
    print_indented(cut ? cut + 1 : tail);
}

static void print_error(const cJSON *result, const char *file)
{
    const cJSON *error = item(result, "error");
    const char *named = json_str(error, "file");
    fprintf(stderr, "%s", *named ? named : file ? file : json_str(result, "id"));
    if (json_num(error, "line", 0) > 0)
        fprintf(stderr, ":%.0f", json_num(error, "line", 0));
    if (json_num(error, "line", 0) > 0 && json_num(error, "column", 0) > 0)
        fprintf(stderr, ":%.0f", json_num(error, "column", 0));
    const char *message = json_str(error, "message");
    fprintf(stderr, ": error: %s [%s]\n", *message ? message : "no reason given",
            json_str(result, "outcome"));
    print_indented(json_str(error, "excerpt"));
    /* Manim logs TeX's error as well, at length; the excerpt has its line. */
    bool told = json_num(error, "line", 0) > 0 &&
                !strcmp(json_str(result, "outcome"), outcome_name(OUTCOME_tex_error));
    if (!told)
        print_log(result);
}

void verdict_print(const cJSON *result, const char *file)
{
    if (strcmp(json_str(result, "state"), job_state_name(STATE_COMPLETED))) {
        print_error(result, file);
        return;
    }
    print_log(result);
    const cJSON *output;
    cJSON_ArrayForEach(output, item(result, "outputs")) print_output(output);
    const cJSON *timings = item(result, "timings_ms");
    fprintf(stderr, "completed: render %.1f s, store %.1f s\n",
            json_num(timings, "render", 0) / 1e3, json_num(timings, "store", 0) / 1e3);
}

int verdict_exit(const cJSON *result)
{
    int state = job_state_from_name(json_str(result, "state"));
    if (state == STATE_COMPLETED)
        return EXIT_DONE;
    return state == STATE_FAILED || state == STATE_CANCELLED ? EXIT_JOB : EXIT_HOST;
}

void verdict_presign(cJSON *result, const struct config *config)
{
    int64_t now_ms = clock_unix_ms();
    cJSON *output;
    cJSON_ArrayForEach(output, cJSON_GetObjectItemCaseSensitive(result, "outputs"))
    {
        own_free char *url =
            store_presign(config, json_str(output, "key"), config->url_expires_s, now_ms / 1000);
        if (!url)
            continue;
        char until[25];
        clock_format_iso(now_ms + config->url_expires_s * 1000, until);
        cJSON_DeleteItemFromObjectCaseSensitive(output, "url");
        cJSON_DeleteItemFromObjectCaseSensitive(output, "url_expires_at");
        cJSON_AddStringToObject(output, "url", url);
        cJSON_AddStringToObject(output, "url_expires_at", until);
    }
}
