/* What S3's answers mean. One table of codes; what it does not list is judged
 * by status. Sources: "Error responses", Amazon S3 API Reference; Ceph RGW's
 * rgw_common.cc for the codes that only it has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/http.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "s3.h"

#define SKEW_UNSAID_S 300 /* a refused HEAD says no reason: the clocks do */

static const struct meaning {
    const char *code;
    enum s3_verdict verdict;
    enum fault fault;
    const char *words;
} meanings[] = {
    {"NoSuchBucket", S3_GIVE_UP, FAULT_HOST, "no such bucket: create it or set s3_bucket"},
    {"InvalidBucketName", S3_GIVE_UP, FAULT_HOST, "no valid name for a bucket: set s3_bucket"},
    {"InvalidAccessKeyId", S3_GIVE_UP, FAULT_HOST,
     "the access key id is not known there: set s3_access_key_id"},
    {"SignatureDoesNotMatch", S3_GIVE_UP, FAULT_HOST,
     "the signature does not match: set s3_secret_access_key (or s3_region)"},
    {"AccessDenied", S3_GIVE_UP, FAULT_HOST,
     "access denied: let this access key put and get objects there"},
    {"AllAccessDisabled", S3_GIVE_UP, FAULT_HOST, "all access to the bucket is disabled"},
    {"AccountProblem", S3_GIVE_UP, FAULT_HOST, "there is a problem with the account"},
    {"UserSuspended", S3_GIVE_UP, FAULT_HOST, "the access key's user is suspended"},
    {"ExpiredToken", S3_GIVE_UP, FAULT_HOST,
     "the session token has expired: renew s3_session_token"},
    {"InvalidToken", S3_GIVE_UP, FAULT_HOST, "the session token is wrong: set s3_session_token"},
    {"RequestTimeTooSkewed", S3_GIVE_UP, FAULT_HOST,
     "the clocks differ too much, also after a correction: set this machine's clock"},
    {"AuthorizationHeaderMalformed", S3_GIVE_UP, FAULT_HOST,
     "not signed as it wants: set s3_region to the bucket's"},
    {"IllegalLocationConstraintException", S3_GIVE_UP, FAULT_HOST,
     "the bucket is in another region: set s3_region"},
    {"PermanentRedirect", S3_GIVE_UP, FAULT_HOST,
     "the bucket is elsewhere: set s3_region or s3_endpoint to where it is"},
    {"TemporaryRedirect", S3_GIVE_UP, FAULT_HOST,
     "the bucket is elsewhere: set s3_region or s3_endpoint to where it is"},
    {"QuotaExceeded", S3_GIVE_UP, FAULT_HOST, "the quota is used up: free some or raise it"},
    {"EntityTooLarge", S3_GIVE_UP, FAULT_PEER, "larger than this server takes"},
    {"NotImplemented", S3_GIVE_UP, FAULT_PEER, "the server does not know this request"},
    {"MethodNotAllowed", S3_GIVE_UP, FAULT_HOST,
     "the server does not allow this request: is s3_endpoint that of an S3 API"},
    {"NoSuchUpload", S3_GIVE_UP, FAULT_PEER, "the multipart upload is gone: somebody ended it"},
    {"XAmzContentSHA256Mismatch", S3_AGAIN, FAULT_PEER, "the bytes changed on the way"},
    {"BadDigest", S3_AGAIN, FAULT_PEER, "the bytes changed on the way"},
    {"IncompleteBody", S3_AGAIN, FAULT_PEER, "not all of the bytes arrived"},
    {"RequestTimeout", S3_AGAIN, FAULT_PEER, "the server waited too long for the bytes"},
    {"OperationAborted", S3_AGAIN, FAULT_PEER, "another request was in the way"},
    {"ConditionalRequestConflict", S3_AGAIN, FAULT_PEER, "another request was in the way"},
    {"SlowDown", S3_AGAIN, FAULT_PEER, "the server says to slow down"},
    {"Throttling", S3_AGAIN, FAULT_PEER, "the server says to slow down"},
    {"ThrottlingException", S3_AGAIN, FAULT_PEER, "the server says to slow down"},
    {"RequestLimitExceeded", S3_AGAIN, FAULT_PEER, "the server says to slow down"},
    {"RequestThrottled", S3_AGAIN, FAULT_PEER, "the server says to slow down"},
    {"BandwidthLimitExceeded", S3_AGAIN, FAULT_PEER, "the server says to slow down"},
    {"TooManyRequests", S3_AGAIN, FAULT_PEER, "the server says to slow down"},
    {"InternalError", S3_AGAIN, FAULT_PEER, "the server failed inside (InternalError)"},
    {"ServiceUnavailable", S3_AGAIN, FAULT_PEER, "the server is not available"},
};

/* For answers without a body: those to HEAD, and some proxies'. */
static const struct {
    long status;
    const char *code;
} bare[] = {
    {301, "PermanentRedirect"}, {307, "TemporaryRedirect"},  {403, "AccessDenied"},
    {405, "MethodNotAllowed"},  {408, "RequestTimeout"},     {429, "TooManyRequests"},
    {501, "NotImplemented"},    {503, "ServiceUnavailable"},
};

static bool decode_entity(const char **from, char *to)
{
    static const struct {
        const char *name;
        char c;
    } entities[] = {{"&amp;", '&'},   {"&lt;", '<'},  {"&gt;", '>'},   {"&quot;", '"'},
                    {"&apos;", '\''}, {"&#34;", '"'}, {"&#39;", '\''}, {"&#x22;", '"'}};
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        size_t bytes = strlen(entities[i].name);
        if (strncmp(*from, entities[i].name, bytes) == 0) {
            *to = entities[i].c;
            *from += bytes;
            return true;
        }
    }
    return false;
}

bool s3_xml_text(const char *xml, const char *tag, char *ret, size_t bytes)
{
    size_t tag_bytes = strlen(tag);
    const char *at = xml;
    while ((at = strchr(at, '<')) &&
           !(strncmp(at + 1, tag, tag_bytes) == 0 && strchr(" >", at[1 + tag_bytes])))
        at++;
    at = at ? strchr(at, '>') : NULL;
    if (!at)
        return false;
    at++;
    size_t used = 0;
    char text[2048];
    while (*at && *at != '<' && used + 1 < sizeof(text)) {
        if (*at != '&' || !decode_entity(&at, &text[used]))
            text[used] = *at++;
        used++;
    }
    text[used] = '\0';
    if (*at != '<' || used == 0 || used + 1 > bytes)
        return false;
    memcpy(ret, text, used + 1);
    return true;
}

/* Words of a server, for a sentence and for JSON: no control characters (those of
 * C1 are two bytes in UTF-8), and only ASCII of what is no UTF-8. */
static void clean(char *s)
{
    bool is_utf8 = json_valid_utf8(s, strlen(s));
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];
        if (is_utf8 && c == 0xc2 && next < 0xa0)
            s[0] = s[1] = ' ';
        else if (c < 0x20 || c == 0x7f)
            *s = ' ';
        else if (c >= 0x80 && !is_utf8)
            *s = '?';
    }
}

static void read_code(struct s3_call *call)
{
    call->code[0] = '\0';
    if (s3_xml_text(buf_str(&call->answer), "Code", call->code, sizeof(call->code))) {
        clean(call->code);
        return;
    }
    for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
        if (bare[i].status == call->status)
            (void)snprintf(call->code, sizeof(call->code), "%s", bare[i].code);
    }
}

static bool learn_skew(struct s3 *s3, const struct s3_call *call)
{
    char date[64];
    bool said = strcmp(call->code, "RequestTimeTooSkewed") == 0;
    bool unsaid = call->status == 403 && call->answer.bytes == 0;
    if (s3->skew_learned || !(said || unsaid) ||
        !http_header(&call->answer_headers, "Date", date, sizeof(date)))
        return false;
    int64_t server_s = http_parse_date(date);
    int64_t skew_s = server_s - clock_unix_ms() / 1000;
    if (server_s <= 0 || (unsaid && !said && llabs(skew_s - s3->skew_s) < SKEW_UNSAID_S))
        return false;
    s3->skew_s = skew_s;
    s3->skew_learned = true;
    return true;
}

/* 301, 307 and 400 name the bucket's region in a header or in the body. */
static bool learn_region(struct s3 *s3, const struct s3_call *call)
{
    char region[64];
    if (call->status != 301 && call->status != 307 && call->status != 400)
        return false;
    if (!http_header(&call->answer_headers, "x-amz-bucket-region", region, sizeof(region)) &&
        !s3_xml_text(buf_str(&call->answer), "Region", region, sizeof(region)))
        return false;
    return s3_learn_region(s3, region);
}

static enum s3_verdict judge_status(struct s3_call *call)
{
    char message[200] = "";
    if (s3_xml_text(buf_str(&call->answer), "Message", message, sizeof(message)))
        clean(message);
    long s = call->status;
    bool again = s == 408 || s == 425 || s == 429 || s == 499 ||
                 (s >= 500 && s != 501 && s != 505 && s != 507);
    call->rc = err_set(&call->err, -EREMOTEIO, FAULT_PEER, "the server answered %ld%s%s%s%s", s,
                       *call->code ? " " : "", call->code, *message ? ": " : "", message);
    return again ? S3_AGAIN : S3_GIVE_UP;
}

static enum s3_verdict judge_answer(struct s3 *s3, struct s3_call *call)
{
    read_code(call);
    if (learn_skew(s3, call) || learn_region(s3, call)) {
        (void)judge_status(call); /* for its sentence, should no try be left */
        return S3_AGAIN_AT_ONCE;
    }
    if (call->wait_until_there && call->status == 404) {
        call->rc = err_set(&call->err, -EREMOTEIO, FAULT_PEER, "it is not there after the upload");
        return S3_AGAIN;
    }
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        const struct meaning *m = &meanings[i];
        if (strcmp(m->code, call->code) == 0) {
            call->rc = err_set(&call->err, -EREMOTEIO, m->fault, "%s", m->words);
            return m->verdict;
        }
    }
    return judge_status(call);
}

/* What to do when no answer came; http.c has said what happened. */
static void advise(struct s3_call *call)
{
    static const struct {
        int rc;
        const char *words;
    } advices[] = {
        {-ECONNREFUSED, "is s3_endpoint right, and does it run there"},
        {-EHOSTUNREACH, "is s3_endpoint right"},
        {-EPROTO, "is s3_endpoint right, http:// or https:// too"},
        {-EKEYREJECTED, "set s3_ca_file to the certificates to be trusted"},
    };
    size_t used = strlen(call->err.text);
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
        if (advices[i].rc == call->rc)
            (void)snprintf(call->err.text + used, sizeof(call->err.text) - used, ": %s",
                           advices[i].words);
    }
}

enum s3_verdict s3_judge(struct s3 *s3, struct s3_call *call)
{
    advise(call);
    if (call->rc == -ECANCELED || call->rc == -EINVAL || call->rc == -EKEYREJECTED ||
        (call->rc != 0 && call->err.fault == FAULT_HOST))
        return S3_GIVE_UP;
    if (call->rc != 0)
        return S3_AGAIN;
    /* Complete may say 200 first and an error later, in the body. */
    bool error_inside = strstr(buf_str(&call->answer), "<Error>") != NULL;
    if (call->status >= 200 && call->status < 300 && !error_inside)
        return S3_DONE;
    return judge_answer(s3, call);
}
