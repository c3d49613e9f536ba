/* What an S3 server, or whoever answers in its place, may say: a status, raw
 * header lines and a body. Whatever it is, there is a verdict, one sentence fit
 * for a terminal, and no region or clock that makes no sense.
 *
 * Input: two bytes of status, one of flags, headers up to a NUL, the body. */
#include <errno.h>

#include "../../worker/base/err.h"
#include "../../worker/base/http.h"
#include "../../worker/base/limits.h"
#include "../../worker/store/s3.h"
#include "fuzz.h"

enum { FLAG_HEAD = 1, FLAG_LEARNED = 2, FLAG_BROKEN = 4 };

static const char *const tags[] = {"Code", "Message", "Region", "UploadId", "ETag"};

static void check_words(const struct s3_call *call)
{
    char text[200];
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        for (size_t room = 1; room <= sizeof(text); room += 66)
            if (s3_xml_text(buf_str(&call->answer), tags[i], text, room))
                must(strlen(text) > 0 && strlen(text) < room);
        if (http_header(&call->answer_headers, tags[i], text, sizeof(text)))
            must(strlen(text) < sizeof(text));
    }
    if (http_header(&call->answer_headers, "Date", text, sizeof(text)))
        (void)http_parse_date(text);
}

static void check_verdict(const struct s3 *s3, const struct s3_call *call, enum s3_verdict v)
{
    bool good = call->rc == 0 && call->status >= 200 && call->status < 300;
    must(v != S3_DONE || good);
    must(v == S3_DONE || call->rc < 0);
    if (v != S3_DONE)
        fuzz_check_sentence(call->err.text);
    must(strlen(call->code) < sizeof(call->code) && fuzz_is_clean(call->code));
    must(*s3->region && strlen(s3->region) < 64);
    must(!strpbrk(s3->host, "/@ \r\n"));
}

static struct s3 *new_s3(unsigned flags)
{
    struct config c = {.s3_bucket = "bucket",
                       .s3_access_key_id = "id",
                       .s3_secret_access_key = "secret",
                       .s3_tries = 3};
    struct s3 *s3 = NULL;
    must(s3_new(&c, NULL, &s3, NULL) == 0);
    s3->region_learned = flags & FLAG_LEARNED;
    return s3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    size_t header_bytes;
    own_s3_call struct s3_call call = S3_CALL(.method = "PUT", .key = "a/b");
    call.status = (long)(feed_number(&f, 2) % 1000);
    unsigned flags = feed_byte(&f);
    call.wait_until_there = flags & FLAG_HEAD;
    if (flags & FLAG_BROKEN)
        call.rc = err_set(&call.err, -EPROTO, FAULT_PEER, "it speaks no HTTP");
    own_free char *headers = feed_text(&f, 0, &header_bytes);
    (void)buf_add(&call.answer_headers, headers, header_bytes);
    (void)buf_add(&call.answer, f.at, f.left);
    struct s3 *s3 = new_s3(flags);
    check_words(&call);
    enum s3_verdict v = s3_judge(s3, &call);
    check_verdict(s3, &call, v);
    s3_free(s3);
    return 0;
}
