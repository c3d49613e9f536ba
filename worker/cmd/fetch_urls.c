#include "fetch_urls.h"

#include <errno.h>

#include "../base/clock.h"
#include "../base/config.h"
#include "../base/err.h"
#include "../base/json.h"
#include "../base/own.h"
#include "../intake/s3_url.h"
#include "../store/store.h"

#define SLACK_S 900 /* beyond the stage's own time: clocks differ */

static char *set_or(char *one, char *other)
{
    return one && *one ? one : other;
}

/* A view of the configuration whose S3 is that of s3: URLs; owns nothing. */
static struct config view(const struct config *c, char *bucket)
{
    struct config v = *c;
    v.store_dir = NULL;
    v.s3_bucket = bucket;
    v.s3_access_key_id = c->fetch_s3_access_key_id;
    v.s3_secret_access_key = c->fetch_s3_secret_access_key;
    v.s3_session_token = c->fetch_s3_session_token;
    v.s3_endpoint = set_or(c->fetch_s3_endpoint, c->s3_endpoint);
    v.s3_region = set_or(c->fetch_s3_region, c->s3_region);
    return v;
}

static int add_url(cJSON *to, const char *url, const struct config *c, struct err *e)
{
    own_free char *bucket = s3_url_bucket(url);
    const struct config v = view(c, bucket);
    own_free char *made =
        store_presign(&v, s3_url_key(url), c->fetch_timeout_s + SLACK_S, clock_unix_ms() / 1000);
    if (!made)
        return err_set(e, -EINVAL, FAULT_HOST,
                       "an s3: URL cannot be signed: check the fetch_s3_… options");
    cJSON_AddItemToArray(to, cJSON_CreateString(made));
    return 0;
}

int fetch_urls_make(const struct job *job, const struct config *c, char **ret, struct err *e)
{
    *ret = NULL;
    own_json cJSON *list = cJSON_CreateArray();
    int found = 0;
    for (int i = -1; i < job->asset_count; i++) {
        const char *url = i < 0 ? job->source : job->assets[i].url;
        if (!url || !s3_url_is(url)) {
            cJSON_AddItemToArray(list, cJSON_CreateNull());
            continue;
        }
        int rc = add_url(list, url, c, e);
        if (rc < 0)
            return rc;
        found++;
    }
    if (!found)
        return 0;
    own_json cJSON *j = cJSON_CreateObject();
    cJSON_AddItemToObject(j, "source", cJSON_DetachItemFromArray(list, 0));
    cJSON_AddItemToObject(j, "assets", steal_ptr(&list));
    *ret = json_print(j);
    return 0;
}

int fetch_urls_check(const struct config *c, struct err *e)
{
    int rc = s3_prefixes_check(c->fetch_s3_prefixes, e);
    if (rc < 0 || !c->fetch_s3_prefixes || !*c->fetch_s3_prefixes)
        return rc;
    bool keys = c->fetch_s3_access_key_id && c->fetch_s3_secret_access_key;
    return keys ? 0
                : err_set(e, -EINVAL, FAULT_HOST,
                          "fetch_s3_prefixes is set: set fetch_s3_access_key_id and "
                          "fetch_s3_secret_access_key too");
}
