/* `manimd doctor`: what this machine can really do, found by doing it. Each
 * check is a function; the table of them is the whole program. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../base/buf.h"
#include "../base/err.h"
#include "../base/json.h"
#include "../base/own.h"
#include "../render/render.h"
#include "../sandbox/box.h"
#include "../store/store.h"
#include "client.h"
#include "doctor_queue.h"
#include "settings.h"

#define ZYGOTE_MS 60000

enum grade { GRADE_GOOD, GRADE_ABSENT, GRADE_BAD };

struct doctor {
    struct client client;
    struct settings settings;
    bool settings_found;
    cJSON *report; /* an object of checks */
    bool json;
    int bad;
};

/* One line for people, one object for machines. */
static void note(struct doctor *d, const char *what, enum grade grade, const char *text)
{
    static const char *const marks[] = {
        [GRADE_GOOD] = "ok", [GRADE_ABSENT] = "--", [GRADE_BAD] = "NO"};
    static const char *const words[] = {
        [GRADE_GOOD] = "ok", [GRADE_ABSENT] = "absent", [GRADE_BAD] = "failed"};
    d->bad += grade == GRADE_BAD;
    cJSON *entry = cJSON_AddObjectToObject(d->report, what);
    cJSON_AddStringToObject(entry, "state", words[grade]);
    cJSON_AddStringToObject(entry, "detail", text);
    if (!d->json)
        printf("%-2s  %-14s %s\n", marks[grade], what, text);
}

static void check_parts(struct doctor *d)
{
    struct err e = ERR_INIT;
    if (settings_find(&d->client.config, &d->settings, &e)) {
        note(d, "parts", GRADE_BAD, e.text);
        return;
    }
    d->settings_found = true;
    own_free char *text = own_printf("python %s, encoder %s, harness %s", d->settings.python,
                                     d->settings.encoder, d->settings.harness);
    note(d, "parts", GRADE_GOOD, text);
}

static void end_zygote(struct zygote *z)
{
    zygote_stop(z);
    kill(z->pid, SIGKILL); /* it holds no job */
    (void)waitpid(z->pid, NULL, 0);
}

/* What the interpreter said of itself (harness/job.py). */
static char *about_in_words(const char *about)
{
    own_json cJSON *j = NULL;
    if (json_parse(about, strlen(about), FAULT_HOST, &j, NULL) < 0)
        return own_strdup(about);
    const char *reason = json_str(j, "reason");
    return own_printf("Manim %s, Python %s, NumPy %s; render path %s%s%s", json_str(j, "manim"),
                      json_str(j, "python"), json_str(j, "numpy"), json_str(j, "render_path"),
                      *reason ? ": " : "", reason);
}

static void check_manim(struct doctor *d)
{
    if (!d->settings_found)
        return;
    struct err e = ERR_INIT;
    const struct render_spec spec = {.python = d->settings.python,
                                     .harness = d->settings.harness,
                                     .encoder = d->settings.encoder,
                                     .zygote_fd = -1,
                                     .report_fd = -1};
    struct zygote z = ZYGOTE_INIT;
    if (zygote_start(&z, &spec, &e)) {
        note(d, "manim", GRADE_BAD, e.text);
        return;
    }
    struct pollfd ready = {.fd = z.control_fd, .events = POLLIN};
    int rc =
        poll(&ready, 1, ZYGOTE_MS) == 1
            ? zygote_read(&z, &e)
            : err_set(&e, -ETIMEDOUT, FAULT_HOST, "no word from it within %d s", ZYGOTE_MS / 1000);
    own_free char *words = rc ? NULL : about_in_words(z.about);
    note(d, "manim", rc ? GRADE_BAD : GRADE_GOOD, rc ? e.text : words);
    end_zygote(&z);
}

static void check_redis(struct doctor *d)
{
    struct client *c = &d->client;
    struct err e = ERR_INIT;
    own_json cJSON *counts = NULL;
    char unsure[PRODUCER_UNSURE_CHARS] = "";
    int exit = client_connect(c);
    e = c->err;
    c->err = (struct err)ERR_INIT;
    if (exit == EXIT_DONE &&
        (producer_vet(c->producer, unsure, &e) || producer_counts(c->producer, &counts, &e)))
        exit = EXIT_HOST;
    if (exit != EXIT_DONE) {
        note(d, "redis", GRADE_BAD, e.text);
        return;
    }
    own_free char *text = own_printf("queue \"%s\" answers: %.0f in the inbox, %.0f queued%s%s",
                                     c->config.queue, json_num(counts, "inbox", 0),
                                     json_num(counts, "queued", 0), *unsure ? "; " : "", unsure);
    note(d, "redis", GRADE_GOOD, text);
}

static void check_store(struct doctor *d)
{
    const struct config *c = &d->client.config;
    struct err e = ERR_INIT;
    if (!c->store_dir && !c->s3_bucket) {
        note(d, "store", GRADE_ABSENT, "neither store_dir nor s3_bucket is set");
        return;
    }
    int rc = store_probe(c, &e);
    own_free char *text = own_printf("put, looked at and removed an object in \"%s\"",
                                     c->s3_bucket ? c->s3_bucket : c->store_dir);
    note(d, "store", rc ? GRADE_BAD : GRADE_GOOD, rc ? e.text : text);
}

static void check_gpu(struct doctor *d)
{
    if (strcmp(d->client.config.gpu, "none") == 0)
        note(d, "gpu", GRADE_ABSENT, "jobs have none (option gpu)");
    else
        note(d, "gpu", GRADE_GOOD, "GPU jobs: kernel driver exposed");
}

static void note_layer(struct doctor *d, enum box_layer layer, const struct box_layer_report *r)
{
    static const char *const words[] = {[LAYER_ACTIVE] = "active",
                                        [LAYER_DEGRADED] = "degraded",
                                        [LAYER_UNAVAILABLE] = "unavailable"};
    own_free char *name = own_printf("box.%s", box_layer_name(layer));
    own_free char *text = own_printf(r->reason[0] ? "%s (%s)" : "%s", words[r->state], r->reason);
    note(d, name, r->state == LAYER_ACTIVE ? GRADE_GOOD : GRADE_ABSENT, text);
}

/* In plain words what the layers that are missing here would have stopped. */
static void note_not_contained(struct doctor *d, const struct box_layer_report *layers)
{
    cJSON *all = cJSON_AddArrayToObject(d->report, "not_contained");
    for (int i = 0; i < LAYER_COUNT; i++) {
        if (layers[i].state == LAYER_ACTIVE)
            continue;
        const char *text = box_layer_missing((enum box_layer)i);
        cJSON_AddItemToArray(all, cJSON_CreateString(text));
        if (!d->json)
            printf("--  %-14s %s\n", "not contained:", text);
    }
}

static void check_sandbox(struct doctor *d)
{
    struct box_layer_report layers[LAYER_COUNT];
    enum box_level level = box_probe(layers);
    for (int i = 0; i < LAYER_COUNT; i++)
        note_layer(d, (enum box_layer)i, &layers[i]);
    bool enough = (int)level >= box_level_from_name(d->client.config.sandbox);
    own_free char *text =
        own_printf("level %s, with every layer that is active; jobs are run at %s or better",
                   box_level_name(level), d->client.config.sandbox);
    note(d, "sandbox", enough ? GRADE_GOOD : GRADE_BAD, text);
    note_not_contained(d, layers);
}

/* `--queue` is also the option that names a queue: without a name behind it, it
 * asks for the check. */
static bool take_queue_flag(int *argc, char **argv)
{
    for (int i = 0; i < *argc && strcmp(argv[i], "--"); i++) {
        if (strcmp(argv[i], "--queue") || (i + 1 < *argc && strncmp(argv[i + 1], "--", 2)))
            continue;
        memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof *argv); /* with its NULL */
        --*argc;
        return true;
    }
    return false;
}

int cmd_doctor(int argc, char **argv)
{
    static void (*const checks[])(struct doctor *) = {check_parts, check_manim,   check_redis,
                                                      check_store, check_sandbox, check_gpu};
    struct doctor d = {0};
    bool queue = take_queue_flag(&argc, argv), repair = false;
    const struct arg table[] = {
        {"queue", 0, ARG_FLAG, &queue, NULL, "(without a name) check the queue's keys instead", 0,
         0},
        {"repair", 0, ARG_FLAG, &repair, NULL, "with --queue: mend what disagrees", 0, 0},
        {"json", 0, ARG_FLAG, &d.json, NULL, "for machines", 0, 0},
        {0}};
    const struct args args = {
        .usage = "doctor [--queue [--repair]] [--json] [options]",
        .about = "Tries everything that a worker needs: its parts, Manim, Redis, the store, each\n"
                 "layer of the sandbox. With --queue, whether every job of the queue is where its\n"
                 "hash says (--queue --queue=NAME: of that queue); workers may run meanwhile.\n"
                 "Exits with 3 when something is missing, or disagrees and was not mended.",
        .table = table,
    };
    int exit;
    if (!cmd_begin(&d.client.config, &args, argc, argv, &exit))
        return exit;
    if (repair && !queue) {
        err_set(&d.client.err, 0, FAULT_HOST, "option --repair: goes with --queue");
        return client_end(&d.client, EXIT_USAGE);
    }
    if (queue)
        return client_end(&d.client, doctor_queue(&d.client, repair, d.json));
    if (!d.json)
        version_print();
    d.report = cJSON_CreateObject();
    cJSON_AddStringToObject(d.report, "version", MANIMD_VERSION);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        checks[i](&d);
    if (d.json) {
        own_free char *text = json_print(d.report);
        printf("%s\n", text);
    }
    cJSON_Delete(d.report);
    return client_end(&d.client, d.bad ? EXIT_HOST : EXIT_DONE);
}
