/* The job parser, under the operator's maxima (what a producer pushes) and as
 * a stage reads it (job.json): what is accepted is within every bound, and the
 * text that is kept of it is the same job; what is refused has a sentence. */
#include <strings.h>

#include "../../worker/base/err.h"
#include "../../worker/intake/job.h"
#include "fuzz.h"

#define OUR_ID "an-id-of-ours"

static struct config config;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_default_config(&config);
    config.fetch_s3_prefixes = own_strdup("s3://brand/public/");
    return 0;
}

static void check_limits(const struct job *j)
{
    const struct limits *l = &j->limits;
    must(l->wall_ms > 0 && l->wall_ms <= config.max_timeout_s * 1000);
    must(l->memory_bytes > 0 && l->memory_bytes <= config.max_memory_mb << 20);
    must(l->cpu_ms > 0 && l->disk_bytes > 0 && l->processes > 0);
    must(j->priority >= 0 && j->priority <= 9);
}

static void check_picture(const struct picture *p)
{
    must(p->width > 0 && p->width <= 3840 && p->height > 0 && p->height <= 3840);
    must((int64_t)p->width * p->height <= 3840LL * 2160);
    must(p->fps_num > 0 && p->fps_den > 0 && p->fps_num <= 120LL * p->fps_den);
}

static void check_url(const char *url)
{
    bool s3 = strncmp(url, "s3://brand/public/", 18) == 0 && !strstr(url, "/../");
    must(s3 || strncasecmp(url, "https://", 8) == 0);
}

/* An asset lies beneath the scene's folder, at a place of its own. */
static void check_assets(const struct job *j)
{
    must(j->asset_count >= 0 && j->asset_count <= config.max_assets);
    for (int i = 0; i < j->asset_count; i++) {
        const struct asset *a = &j->assets[i];
        must(*a->path && *a->path != '/' && *a->path != '.' && !strstr(a->path, "/."));
        must(fuzz_is_clean(a->path) && !strpbrk(a->path, "\n\t\\"));
        must(strcmp(a->path, "scene.py") != 0 && strncmp(a->path, "media/", 6) != 0);
        must(!*a->sha256 || strspn(a->sha256, "0123456789abcdef") == 64);
        check_url(a->url);
        for (int k = 0; k < i; k++)
            must(strcmp(a->path, j->assets[k].path) != 0);
    }
    if (j->source)
        check_url(j->source);
}

/* job->json is what stages read: it must be this job. */
static void check_kept(const struct job *j)
{
    struct job again;
    struct err e = ERR_INIT;
    char digest[41], digest_again[41];
    must(j->json && json_valid_utf8(j->json, strlen(j->json)));
    must(job_load(j->json, strlen(j->json), &config, &again, &e) == 0);
    must(strcmp(j->id, again.id) == 0 && j->seed == again.seed && j->outputs == again.outputs);
    must(j->asset_count == again.asset_count && !j->source == !again.source);
    must(!j->code == !again.code && (!j->code || strcmp(j->code, again.code) == 0));
    must(memcmp(&j->picture, &again.picture, sizeof(j->picture)) == 0);
    must(memcmp(&j->limits, &again.limits, sizeof(j->limits)) == 0);
    job_digest(j, digest);
    job_digest(&again, digest_again);
    must(strcmp(digest, digest_again) == 0);
    job_free(&again);
}

static void check_refused(const struct job *j, const struct err *e)
{
    must(e->fault == FAULT_JOB && !j->code && !j->source && !j->json);
    must(!j->id[0] || job_valid_id(j->id));
    fuzz_check_sentence(e->text);
}

static void as_pushed(const char *text, size_t bytes)
{
    struct job j;
    struct err e = ERR_INIT;
    if (job_parse(text, bytes, &config, OUR_ID, &j, &e) < 0) {
        check_refused(&j, &e);
        return;
    }
    must(job_valid_id(j.id) && !j.code != !j.source && j.outputs);
    check_limits(&j);
    check_picture(&j.picture);
    check_assets(&j);
    check_kept(&j);
    job_free(&j);
}

static void as_loaded(const char *text, size_t bytes)
{
    struct job j;
    struct err e = ERR_INIT;
    if (job_load(text, bytes, &config, &j, &e) < 0)
        check_refused(&j, &e);
    else
        check_picture(&j.picture);
    job_free(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    as_pushed((const char *)data, bytes);
    as_loaded((const char *)data, bytes);
    own_free char *webhook = job_webhook_of((const char *)data, bytes, &config);
    must(!webhook || strncasecmp(webhook, "https://", 8) == 0 || config.allow_http);
    return 0;
}
