/* `manimd status [ID]`: one job, or the queue and its workers. */
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/json.h"
#include "../base/own.h"
#include "client.h"
#include "verdict.h"

static const cJSON *item(const cJSON *object, const char *key)
{
    return object ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

static void print_ago(const cJSON *status, const char *key, const char *what)
{
    double at_ms = json_num(status, key, 0);
    if (at_ms > 0)
        printf("  %s %.0f s ago", what, ((double)clock_unix_ms() - at_ms) / 1000);
}

static void print_job(const cJSON *status)
{
    printf("%s  %s", json_str(status, "id"), json_str(status, "state"));
    if (json_num(status, "attempt", 0) > 0)
        printf("  attempt %.0f", json_num(status, "attempt", 0));
    print_ago(status, "enqueued_at_ms", "pushed");
    print_ago(status, "started_at_ms", "started");
    print_ago(status, "finished_at_ms", "ended");
    if (*json_str(status, "worker"))
        printf("  on %s", json_str(status, "worker"));
    const cJSON *progress = item(status, "progress");
    if (cJSON_IsObject(progress) && !strcmp(json_str(status, "state"), "active"))
        printf("  %.0f%%, %.0f frames", json_num(progress, "percent", 0),
               json_num(progress, "frames", 0));
    printf("\n");
}

static int show_job(struct client *c, const char *id, bool json)
{
    own_json cJSON *status = NULL;
    int rc = producer_status(c->producer, id, &status, &c->err);
    if (rc)
        return client_exit(rc);
    cJSON *result = cJSON_GetObjectItemCaseSensitive(status, "result");
    if (cJSON_IsObject(result))
        verdict_presign(result, &c->config);
    if (json) {
        own_free char *text = json_print(status);
        printf("%s\n", text);
        return EXIT_DONE;
    }
    print_job(status);
    if (cJSON_IsObject(result))
        verdict_print(result, NULL);
    return EXIT_DONE;
}

/* "4 s", "3 min", "2 h 5 min", "9 d 2 h" */
static void print_span(double ms)
{
    double s = ms / 1000;
    if (s < 120)
        printf("%.0f s", s);
    else if (s < 7200)
        printf("%.0f min", s / 60);
    else if (s < 172800)
        printf("%d h %d min", (int)(s / 3600), (int)(s / 60) % 60);
    else
        printf("%d d %d h", (int)(s / 86400), (int)(s / 3600) % 24);
}

static void print_progress(const cJSON *progress)
{
    const cJSON *percent = item(progress, "percent"), *frames = item(progress, "frames");
    const cJSON *fps = item(progress, "fps"), *eta_s = item(progress, "eta_s");
    printf("  %s", *json_str(progress, "stage") ? json_str(progress, "stage") : "starting");
    if (cJSON_IsNumber(percent))
        printf(" %.0f%%", percent->valuedouble);
    if (cJSON_IsNumber(frames))
        printf(", %.0f frames", frames->valuedouble);
    if (cJSON_IsNumber(fps))
        printf(", %.1f fps", fps->valuedouble);
    if (cJSON_IsNumber(eta_s)) {
        printf(", ");
        print_span(eta_s->valuedouble * 1000);
        printf(" left");
    }
}

static void print_rendered(const cJSON *job)
{
    printf("    %s  attempt %.0f", json_str(job, "id"), json_num(job, "attempt", 0));
    print_progress(item(job, "progress"));
    if (cJSON_IsNumber(item(job, "beat_ms_ago"))) {
        printf("  beat ");
        print_span(json_num(job, "beat_ms_ago", 0));
        printf(" ago");
    }
    printf("\n");
}

static void print_worker(const cJSON *worker)
{
    double slots = json_num(worker, "slots", 0), busy = json_num(worker, "busy", 0);
    bool draining = !strcmp(json_str(worker, "state"), "draining");
    printf("%s  manimd %s, Manim %s  %.0f of %.0f slots busy%s  up ", json_str(worker, "name"),
           json_str(worker, "version"), json_str(worker, "manim"), busy, slots,
           !draining  ? ""
           : busy > 0 ? ", draining"
                      : ", drained");
    print_span(json_num(worker, "since_ms_ago", 0));
    printf("  seen ");
    print_span(json_num(worker, "seen_ms_ago", 0));
    printf(" ago\n");
    const cJSON *job;
    cJSON_ArrayForEach(job, item(worker, "jobs")) print_rendered(job);
}

static void print_workers(const cJSON *workers)
{
    const cJSON *worker;
    cJSON_ArrayForEach(worker, workers) print_worker(worker);
    if (!cJSON_GetArraySize(workers))
        printf("no worker is there: start one with `manimd work`\n");
}

static int show_queue(struct client *c, bool json)
{
    own_json cJSON *counts = NULL;
    own_json cJSON *workers = NULL;
    own_json cJSON *metrics = NULL;
    int rc = producer_counts(c->producer, &counts, &c->err);
    if (!rc)
        rc = producer_metrics(c->producer, &metrics, &c->err);
    if (!rc)
        rc = producer_workers(c->producer, &workers, &c->err);
    if (rc)
        return client_exit(rc);
    if (json) {
        own_json cJSON *whole = cJSON_CreateObject();
        cJSON_AddStringToObject(whole, "queue", c->config.queue);
        cJSON_AddItemToObject(whole, "counts", steal_ptr(&counts));
        cJSON_AddItemToObject(whole, "metrics", steal_ptr(&metrics));
        cJSON_AddItemToObject(whole, "workers", steal_ptr(&workers));
        own_free char *text = json_print(whole);
        printf("%s\n", text);
        return EXIT_DONE;
    }
    printf("queue %s:", c->config.queue);
    const cJSON *count;
    cJSON_ArrayForEach(count, counts) printf("  %s %.0f", count->string, count->valuedouble);
    printf("\n");
    print_workers(workers);
    return EXIT_DONE;
}

int cmd_status(int argc, char **argv)
{
    bool json = false;
    const char *words[1] = {0};
    const struct arg table[] = {{"json", 0, ARG_FLAG, &json, NULL, "for machines", 0, 0}, {0}};
    const struct args args = {
        .usage = "status [ID] [--json]",
        .about = "With ID, how a job stands, and its result. Without, the queue's depths, the\n"
                 "workers, and what each renders.",
        .table = table,
        .words = words,
        .words_most = 1,
    };
    struct client c;
    int exit;
    if (!client_begin(&c, &args, argc, argv, &words[0], &exit))
        return exit;
    exit = words[0] ? show_job(&c, words[0], json) : show_queue(&c, json);
    return client_end(&c, exit);
}
