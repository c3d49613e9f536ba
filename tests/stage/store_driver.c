/* The store room as a program, for the tests of this directory.
 *
 *   store_driver sign             one JSON request a line on stdin, what the
 *                                 signer makes of it on stdout (test_signer.py)
 *   store_driver stage DIR ID NONCE [UID]
 *                                 the stage on a directory, its sentence on stderr
 *   store_driver presign KEY EXPIRES_S UNIX_S
 *   store_driver probe
 *
 * Options come from the environment, as for manimd. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../worker/base/buf.h"
#include "../../worker/base/config.h"
#include "../../worker/base/err.h"
#include "../../worker/base/json.h"
#include "../../worker/base/limits.h"
#include "../../worker/base/own.h"
#include "../../worker/manimd.h"
#include "../../worker/store/sigv4.h"
#include "../../worker/store/store.h"

#define PAIRS_MAX 32

static size_t pairs_of(const cJSON *list, struct sigv4_pair ret[PAIRS_MAX])
{
    size_t n = 0;
    const cJSON *pair;
    cJSON_ArrayForEach(pair, list)
    {
        if (n == PAIRS_MAX)
            abort();
        ret[n].name = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0));
        ret[n++].value = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1));
    }
    return n;
}

static const char *text_of(const cJSON *request, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(request, name));
}

static void answer(const cJSON *request, const struct sigv4_request *r)
{
    own_buf struct buf path = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    own_buf struct buf signature = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    const cJSON *expires = cJSON_GetObjectItem(request, "expires");
    int rc = sigv4_add_path(&path, r->path);
    rc = rc ? rc
            : (expires ? sigv4_presign(r, (int64_t)expires->valuedouble, &signature)
                       : sigv4_sign(r, &signature));
    own_json cJSON *out = cJSON_CreateObject();
    cJSON_AddNumberToObject(out, "rc", rc);
    cJSON_AddStringToObject(out, "path", buf_str(&path));
    cJSON_AddStringToObject(out, expires ? "query" : "lines", buf_str(&signature));
    own_free char *text = cJSON_PrintUnformatted(out);
    puts(text);
}

static int sign(void)
{
    own_free char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        own_json cJSON *request = cJSON_Parse(line);
        struct sigv4_pair query[PAIRS_MAX], headers[PAIRS_MAX];
        struct sigv4_request r = {
            .method = text_of(request, "method"),
            .host = text_of(request, "host"),
            .path = text_of(request, "path"),
            .query = query,
            .query_count = pairs_of(cJSON_GetObjectItem(request, "query"), query),
            .headers = headers,
            .header_count = pairs_of(cJSON_GetObjectItem(request, "headers"), headers),
            .payload_hash = text_of(request, "hash"),
            .unix_s = (int64_t)cJSON_GetObjectItem(request, "time")->valuedouble,
            .region = text_of(request, "region"),
            .service = "s3",
            .keys = {text_of(request, "id"), text_of(request, "secret"), text_of(request, "token")},
        };
        answer(request, &r);
    }
    return 0;
}

static int stage(char **words, const struct config *c, struct err *e)
{
    struct job job = {.limits.output_bytes = 1LL << 40};
    (void)snprintf(job.id, sizeof(job.id), "%s", words[2]);
    const struct store_spec spec = {.config = c,
                                    .nonce = words[3],
                                    .encoder_uid =
                                        words[4] ? (uid_t)strtoul(words[4], NULL, 10) : 0,
                                    .report_fd = 1};
    return store_stage(&job, words[1], &spec, e);
}

static int presign(char **words, const struct config *c)
{
    own_free char *url =
        store_presign(c, words[1], strtoll(words[2], NULL, 10), strtoll(words[3], NULL, 10));
    puts(url ? url : "none");
    return 0;
}

static int with_config(int argc, char **words)
{
    struct config c = {0};
    struct err e = ERR_INIT;
    int rc = config_load(&c, &argc, words, &e) ? STAGE_USAGE : STAGE_DONE;
    if (rc == 0 && argc >= 4 && strcmp(words[0], "stage") == 0)
        rc = stage(words, &c, &e);
    else if (rc == 0 && argc == 4 && strcmp(words[0], "presign") == 0)
        rc = presign(words, &c);
    else if (rc == 0 && argc == 1 && strcmp(words[0], "probe") == 0)
        rc = store_probe(&c, &e) ? STAGE_HOST_FAULT : 0;
    else if (rc == 0)
        rc = STAGE_USAGE;
    if (rc != 0)
        (void)fprintf(stderr, "%s: %s\n", fault_name(e.fault), e.text);
    config_done(&c);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "sign") == 0)
        return sign();
    return argc > 1 ? with_config(argc - 1, argv + 1) : STAGE_USAGE;
}
