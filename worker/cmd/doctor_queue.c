/* A line for people per job that disagrees, as it is found; for machines one
 * object with all of them. */
#include "doctor_queue.h"

#include <stdio.h>
#include <string.h>

#include "../base/json.h"
#include "../base/own.h"
#include "../intake/fsck.h"
#include "client.h"

/* Of an object for machines; the counts tell of all. */
#define FINDINGS_MAX 10000

static const char *const done_names[] = {
    [FSCK_FOUND] = "found", [FSCK_MENDED] = "mended", [FSCK_LEFT] = "left"};

static void print_finding(void *arg, const struct fsck_finding *f)
{
    (void)arg;
    printf("%-6s  %s  %s: %s\n", done_names[f->done], f->key, f->kinds, f->text);
}

static void add_finding(void *arg, const struct fsck_finding *f)
{
    cJSON *list = arg;
    if (cJSON_GetArraySize(list) >= FINDINGS_MAX)
        return;
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(one, "key", f->key);
    cJSON_AddItemToObject(one, "id", *f->id ? cJSON_CreateString(f->id) : cJSON_CreateNull());
    cJSON_AddItemToObject(one, "state",
                          *f->state ? cJSON_CreateString(f->state) : cJSON_CreateNull());
    cJSON *kinds = cJSON_AddArrayToObject(one, "damage");
    own_free char *copy = own_strdup(f->kinds);
    char *rest = copy;
    for (char *kind; (kind = strsep(&rest, ","));)
        cJSON_AddItemToArray(kinds, cJSON_CreateString(kind));
    cJSON_AddStringToObject(one, "text", f->text);
    cJSON_AddStringToObject(one, "done", done_names[f->done]);
    cJSON_AddItemToArray(list, one);
}

static void print_counts(const struct fsck_counts *n, bool repair)
{
    printf("%lld jobs, %lld index entries: ", (long long)n->jobs, (long long)n->entries);
    if (n->found == 0)
        printf("all agree\n");
    else if (repair)
        printf("%lld disagreed, %lld mended, %lld left for you\n", (long long)n->found,
               (long long)n->mended, (long long)n->left);
    else
        printf("%lld disagree: mend them with `manimd doctor --queue --repair`\n",
               (long long)n->found);
}

static void print_json(struct client *c, const struct fsck_counts *n, cJSON *findings)
{
    own_json cJSON *whole = cJSON_CreateObject();
    cJSON_AddStringToObject(whole, "queue", c->config.queue);
    json_add_int(whole, "jobs", n->jobs);
    json_add_int(whole, "entries", n->entries);
    json_add_int(whole, "found", n->found);
    json_add_int(whole, "mended", n->mended);
    json_add_int(whole, "left", n->left);
    cJSON_AddItemToObject(whole, "findings", findings);
    own_free char *text = json_print(whole);
    printf("%s\n", text);
}

int doctor_queue(struct client *c, bool repair, bool json)
{
    int exit = client_connect(c);
    if (exit != EXIT_DONE)
        return exit;
    own_json cJSON *findings = json ? cJSON_CreateArray() : NULL;
    struct fsck_counts counts = {0};
    const struct fsck_spec spec = {.config = &c->config,
                                   .repair = repair,
                                   .on_finding = json ? add_finding : print_finding,
                                   .arg = findings};
    if (fsck_run(c->producer, &spec, &counts, &c->err))
        return EXIT_HOST;
    if (json)
        print_json(c, &counts, steal_ptr(&findings));
    else
        print_counts(&counts, repair);
    return counts.found == counts.mended ? EXIT_DONE : EXIT_HOST;
}
