/* The S3 signer's canonical form: whatever stands in path, query and headers,
 * it is encoded reversibly, sorted, and never breaks a line. */
#include <ctype.h>

#include "../../worker/base/buf.h"
#include "../../worker/base/limits.h"
#include "../../worker/store/sigv4.h"
#include "fuzz.h"

#define PAIRS_MAX 6

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : c - 'A' + 10;
}

/* Undoes percent-encoding, which must be written in capitals. */
static void check_encoded(const char *encoded, const char *raw)
{
    const char *at = encoded;
    for (; *raw; raw++) {
        char c = *at++;
        if (c == '%') {
            must(isxdigit((unsigned char)at[0]) && isxdigit((unsigned char)at[1]));
            must(!islower((unsigned char)at[0]) && !islower((unsigned char)at[1]));
            c = (char)(hex(at[0]) * 16 + hex(at[1]));
            at += 2;
        } else {
            must(isalnum((unsigned char)c) || strchr("-._~/", c));
        }
        must(c == *raw);
    }
    must(*at == '\0');
}

static size_t take_pairs(struct feed *f, struct sigv4_pair *ret)
{
    size_t count = feed_byte(f) % PAIRS_MAX;
    for (size_t i = 0; i < count; i++) {
        ret[i].name = feed_text(f, '=', NULL);
        ret[i].value = feed_text(f, '&', NULL);
    }
    return count;
}

/* Headers are ours: names are names, values hold no line's end. */
static void tame(const struct sigv4_pair *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (char *c = (char *)(uintptr_t)headers[i].name; *c; c++)
            *c = isalnum((unsigned char)*c) ? *c : '-';
        for (char *c = (char *)(uintptr_t)headers[i].value; *c; c++)
            *c = *c == '\n' ? ' ' : *c;
    }
}

static void free_pairs(const struct sigv4_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)pairs[i].name);
        free((char *)(uintptr_t)pairs[i].value);
    }
}

static void check_query(const struct sigv4_pair *query, size_t count)
{
    own_buf struct buf once = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    own_buf struct buf turned = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    struct sigv4_pair backwards[PAIRS_MAX];
    for (size_t i = 0; i < count; i++)
        backwards[i] = query[count - 1 - i];
    int rc = sigv4_add_query(&once, query, count);
    must(rc == sigv4_add_query(&turned, backwards, count));
    must(rc || strcmp(buf_str(&once), buf_str(&turned)) == 0);
}

static void check_signed(const struct sigv4_request *r)
{
    own_buf struct buf lines = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    own_buf struct buf presigned = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    if (sigv4_sign(r, &lines) == 0) {
        size_t count = 0;
        for (const char *c = buf_str(&lines); *c; c++)
            count += *c == '\n';
        must(count == 3 && strstr(lines.data, "Signature="));
    }
    if (sigv4_presign(r, 60, &presigned) == 0)
        must(strstr(presigned.data, "X-Amz-Signature=") && !strpbrk(presigned.data, " \r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    struct sigv4_pair query[PAIRS_MAX], headers[PAIRS_MAX];
    own_free char *rest = feed_text(&f, '\n', NULL);
    own_free char *path = own_printf("/%s", rest);
    own_buf struct buf encoded = BUF_INIT(CEILING_S3_REQUEST_BYTES);
    if (sigv4_add_path(&encoded, path) == 0)
        check_encoded(buf_str(&encoded), path);
    size_t query_count = take_pairs(&f, query), header_count = take_pairs(&f, headers);
    tame(headers, header_count);
    check_query(query, query_count);
    check_signed(&(struct sigv4_request){.method = "PUT",
                                         .host = "s3.example.org",
                                         .path = path,
                                         .query = query,
                                         .query_count = query_count,
                                         .headers = headers,
                                         .header_count = header_count,
                                         .payload_hash = SIGV4_UNSIGNED,
                                         .unix_s = 1000000000,
                                         .region = "us-east-1",
                                         .service = "s3",
                                         .keys = {"id", "secret", NULL}});
    free_pairs(query, query_count);
    free_pairs(headers, header_count);
    return 0;
}
