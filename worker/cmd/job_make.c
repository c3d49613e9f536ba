#include "job_make.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../base/buf.h"
#include "../base/config.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/json.h"
#include "../base/own.h"
#include "../intake/job.h"

static void add_text(cJSON *job, const char *name, const char *text)
{
    if (text)
        cJSON_AddStringToObject(job, name, text);
}

static void add_number(cJSON *job, const char *name, int64_t number)
{
    if (number >= 0)
        json_add_int(job, name, number);
}

static void add_outputs(cJSON *job, const char *format)
{
    if (!format)
        return;
    cJSON *outputs = cJSON_AddArrayToObject(job, "outputs");
    for (const char *at = format; *at;) {
        size_t bytes = strcspn(at, ",");
        own_free char *one = own_strndup(at, bytes);
        cJSON_AddItemToArray(outputs, cJSON_CreateString(one));
        at += bytes + (at[bytes] == ',');
    }
}

static int add_json(cJSON *job, const char *name, const char *text, struct err *e)
{
    if (!text)
        return 0;
    cJSON *value = NULL;
    int rc = json_parse(text, strlen(text), FAULT_JOB, &value, e);
    if (rc)
        return err_wrap(e, rc, "option --%s", name);
    cJSON_AddItemToObject(job, name, value);
    return 0;
}

bool job_is_url(const char *file)
{
    static const char *const schemes[] = {"https://", "http://", "s3://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(file, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

static int add_code(cJSON *job, const char *file, struct err *e)
{
    own_buf struct buf code = BUF_INIT(JOB_CODE_MAX_BYTES);
    if (job_is_url(file)) {
        add_text(job, "source", file);
        return 0;
    }
    int rc = file_read(AT_FDCWD, file, &code, e);
    if (rc < 0)
        return rc;
    if (!json_valid_utf8(buf_str(&code), code.bytes) || strlen(buf_str(&code)) != code.bytes)
        return err_set(e, -EINVAL, FAULT_JOB, "\"%s\": is no UTF-8 text", file);
    add_text(job, "code", buf_str(&code));
    return 0;
}

/* What only a worker knows, it says; all else is said before the push. */
static int check(const char *json, const struct config *config, struct err *e)
{
    struct config roomy = *config;
    roomy.max_timeout_s = 86400;
    roomy.fetch_s3_prefixes = (char *)"s3://"; /* of any bucket */
    struct job job = {0};
    int rc = job_parse(json, strlen(json), &roomy, NULL, &job, e);
    job_free(&job);
    return rc;
}

int job_make(const struct job_args *a, const struct config *config, char **ret_json, struct err *e)
{
    own_json cJSON *job = cJSON_CreateObject();
    char id[JOB_ID_MAX + 1];
    job_new_id(id);
    add_text(job, "id", a->id ? a->id : id);
    int rc = add_code(job, a->file, e);
    if (rc)
        return rc;
    add_text(job, "scene", a->scene);
    add_text(job, "quality", a->quality);
    add_text(job, "background", a->background);
    add_outputs(job, a->format);
    add_number(job, "width", a->width);
    add_number(job, "height", a->height);
    if (a->fps >= 0)
        cJSON_AddNumberToObject(job, "fps", a->fps);
    add_number(job, "seed", a->seed);
    add_number(job, "timeout_s", a->timeout_s);
    add_number(job, "priority", a->priority);
    add_text(job, "webhook", a->webhook);
    if (a->notify)
        cJSON_AddTrueToObject(job, "notify");
    rc = add_json(job, "metadata", a->metadata, e);
    if (!rc)
        rc = add_json(job, "assets", a->assets, e);
    own_free char *json = json_print(job);
    if (!rc)
        rc = check(json, config, e);
    if (rc)
        return rc;
    *ret_json = steal_ptr(&json);
    return 0;
}
