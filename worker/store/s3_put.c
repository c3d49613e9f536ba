/* An object goes up: in one request, or in parts of which four travel at a
 * time; then it is looked at. A multipart upload that fails or is stopped is
 * aborted, so that its parts cost nobody storage. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/http.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "s3.h"

#define HASH_CHUNK_BYTES (1024 * 1024)
#define MIB (1024LL * 1024)
#define UPLOAD_ID_BYTES 1024
#define ETAG_BYTES 200

static const struct {
    const char *extension;
    const char *type;
} types[] = {
    {".mp4", "video/mp4"},
    {".webm", "video/webm"},
    {".mov", "video/quicktime"},
    {".gif", "image/gif"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".webp", "image/webp"},
    {".m3u8", "application/vnd.apple.mpegurl"},
    {".m4s", "video/iso.segment"},
    {".vtt", "text/vtt"},
    {".srt", "application/x-subrip"},
    {".json", "application/json"},
};

static const char *content_type(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].extension, dot) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

int64_t s3_part_bytes(int64_t bytes)
{
    int64_t least = (bytes + S3_PARTS_MAX - 1) / S3_PARTS_MAX;
    int64_t rounded = (least + MIB - 1) / MIB * MIB;
    return rounded > S3_PART_MIN_BYTES ? rounded : S3_PART_MIN_BYTES;
}

static int hash_range(int fd, int64_t offset, int64_t bytes, char ret_hex[65], struct err *e)
{
    own_free char *chunk = own_calloc(1, HASH_CHUNK_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        abort();
    int rc = 0;
    while (bytes > 0 && rc == 0) {
        size_t want = bytes < HASH_CHUNK_BYTES ? (size_t)bytes : HASH_CHUNK_BYTES;
        ssize_t got = pread(fd, chunk, want, offset);
        if (got <= 0) {
            rc = err_errno(e, got < 0 ? -errno : -EIO, FAULT_HOST, "read the file");
            break;
        }
        EVP_DigestUpdate(ctx, chunk, (size_t)got);
        offset += got;
        bytes -= got;
    }
    unsigned char digest[32];
    EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
    return rc;
}

/* What the object is: sent with PUT, or with the start of a multipart upload. */
#define DESCRIBE_MAX 3
static size_t describe(const struct store_file *f, struct sigv4_pair ret[DESCRIBE_MAX])
{
    ret[0] = (struct sigv4_pair){"Content-Type", content_type(f->name)};
    ret[1] = (struct sigv4_pair){"x-amz-meta-sha256", f->sha256};
    ret[2] = (struct sigv4_pair){"x-amz-meta-job", f->job_id};
    return f->job_id ? 3 : 2;
}

static int put_single(struct s3 *s3, const struct store_file *f, struct err *e)
{
    struct sigv4_pair headers[DESCRIBE_MAX];
    own_s3_call struct s3_call call =
        S3_CALL(.method = "PUT", .key = f->key, .headers = headers, .from_file = true,
                .body_bytes = f->bytes, .payload_hash = f->sha256);
    call.header_count = describe(f, headers);
    call.body_fd = f->fd;
    return s3_run(s3, &call, 1, e);
}

struct upload {
    struct s3 *s3;
    const struct store_file *file;
    char id[UPLOAD_ID_BYTES];
    int64_t part_bytes;
    int parts;
    char (*etags)[ETAG_BYTES]; /* as the answers gave them, quotes included */
};

static int start_upload(struct upload *u, struct err *e)
{
    struct sigv4_pair headers[DESCRIBE_MAX];
    const struct sigv4_pair query = {"uploads", ""};
    own_s3_call struct s3_call call =
        S3_CALL(.method = "POST", .key = u->file->key, .query = &query, .query_count = 1,
                .headers = headers);
    call.header_count = describe(u->file, headers);
    int rc = s3_run(u->s3, &call, 1, e);
    if (rc != 0)
        return rc;
    if (!s3_xml_text(buf_str(&call.answer), "UploadId", u->id, sizeof(u->id)))
        return err_set(e, -EPROTO, FAULT_PEER,
                       "the server gave no UploadId: is s3_endpoint that of an S3 API");
    return 0;
}

struct part {
    char number[12];
    char hash[65];
    struct sigv4_pair query[2];
};

static int prepare_part(const struct upload *u, int index, struct part *part, struct s3_call *call,
                        struct err *e)
{
    int64_t offset = index * u->part_bytes;
    int64_t left = u->file->bytes - offset;
    (void)snprintf(part->number, sizeof(part->number), "%d", index + 1);
    part->query[0] = (struct sigv4_pair){"partNumber", part->number};
    part->query[1] = (struct sigv4_pair){"uploadId", u->id};
    *call = (struct s3_call)S3_CALL(.method = "PUT", .key = u->file->key, .query = part->query,
                                    .query_count = 2, .from_file = true, .body_offset = offset,
                                    .payload_hash = part->hash);
    call->body_fd = u->file->fd;
    call->body_bytes = left < u->part_bytes ? left : u->part_bytes;
    return hash_range(u->file->fd, offset, call->body_bytes, part->hash, e);
}

static int send_parts(struct upload *u, int first, int count, struct err *e)
{
    struct part parts[S3_PARALLEL];
    struct s3_call calls[S3_PARALLEL];
    int rc = 0, made = 0;
    while (made < count && rc == 0) {
        rc = prepare_part(u, first + made, &parts[made], &calls[made], e);
        made++;
    }
    rc = rc ? rc : s3_run(u->s3, calls, (size_t)count, e);
    for (int i = 0; i < made; i++) {
        if (rc == 0 &&
            !http_header(&calls[i].answer_headers, "ETag", u->etags[first + i], ETAG_BYTES))
            rc = err_set(e, -EPROTO, FAULT_PEER, "the server gave no ETag for a part");
        s3_call_done(&calls[i]);
    }
    return rc;
}

static int list_parts(const struct upload *u, struct buf *xml)
{
    int rc = buf_add_str(xml, "<CompleteMultipartUpload>");
    for (int i = 0; i < u->parts && rc == 0; i++)
        rc = buf_printf(xml, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i + 1,
                        u->etags[i]);
    return rc ? rc : buf_add_str(xml, "</CompleteMultipartUpload>");
}

/* 1 when it may have been completed by a try whose answer was lost. */
static int complete_upload(struct upload *u, struct err *e)
{
    own_buf struct buf xml = BUF_INIT(CEILING_S3_COMPLETE_BYTES);
    if (list_parts(u, &xml) != 0)
        return err_set(e, -EMSGSIZE, FAULT_HOST, "too many parts");
    const struct sigv4_pair query = {"uploadId", u->id};
    const struct sigv4_pair header = {"Content-Type", "application/xml"};
    own_s3_call struct s3_call call =
        S3_CALL(.method = "POST", .key = u->file->key, .query = &query, .query_count = 1,
                .headers = &header, .header_count = 1, .body = xml.data, .slow_answer = true);
    call.body_bytes = (int64_t)xml.bytes;
    int rc = s3_run(u->s3, &call, 1, e);
    return rc != 0 && call.sent > 1 && strcmp(call.code, "NoSuchUpload") == 0 ? 1 : rc;
}

static void abort_upload(struct upload *u)
{
    const struct sigv4_pair query = {"uploadId", u->id};
    own_s3_call struct s3_call call =
        S3_CALL(.method = "DELETE", .key = u->file->key, .query = &query, .query_count = 1);
    int tries = u->s3->tries;
    u->s3->last_words = true;
    u->s3->tries = 1;
    (void)s3_run(u->s3, &call, 1, NULL); /* the bucket's lifecycle rule removes it later */
    u->s3->tries = tries;
    u->s3->last_words = false;
}

static int put_parts(struct s3 *s3, const struct store_file *f, struct err *e)
{
    struct upload u = {.s3 = s3, .file = f, .part_bytes = s3_part_bytes(f->bytes)};
    u.parts = (int)((f->bytes + u.part_bytes - 1) / u.part_bytes);
    int rc = start_upload(&u, e);
    if (rc != 0)
        return rc;
    own_free void *etags = u.etags = own_calloc((size_t)u.parts, sizeof(*u.etags));
    (void)etags;
    for (int done = 0; done < u.parts && rc == 0; done += S3_PARALLEL) {
        int left = u.parts - done;
        rc = send_parts(&u, done, left < S3_PARALLEL ? left : S3_PARALLEL, e);
    }
    rc = rc ? rc : complete_upload(&u, e);
    if (rc < 0)
        abort_upload(&u);
    return rc;
}

static int compare(const struct s3_call *call, const struct store_file *f, struct err *e)
{
    char length[32] = "", sha256[80] = "";
    (void)http_header(&call->answer_headers, "Content-Length", length, sizeof(length));
    if (!http_header(&call->answer_headers, "x-amz-meta-sha256", sha256, sizeof(sha256)))
        return err_set(e, -EPROTO, FAULT_PEER,
                       "the server kept no x-amz-meta-sha256: is s3_endpoint that of an S3 API");
    if (strtoll(length, NULL, 10) != f->bytes || strcmp(sha256, f->sha256) != 0)
        return err_set(e, -EPROTO, FAULT_PEER,
                       "the server holds something else than was sent (%.20s bytes, not %lld)",
                       length, (long long)f->bytes);
    return 0;
}

/* A key that may put but not get cannot look: then the server's check of the
 * payload hash has to do, unless `doubtful`. */
static int verify(struct s3 *s3, const struct store_file *f, bool doubtful, bool *ret_verified,
                  struct err *e)
{
    own_s3_call struct s3_call call =
        S3_CALL(.method = "HEAD", .key = f->key, .wait_until_there = true);
    int rc = s3_run(s3, &call, 1, e);
    if (rc == -EREMOTEIO && call.status == 403 && !doubtful) {
        *ret_verified = false;
        return 0;
    }
    rc = rc ? rc : compare(&call, f, e);
    if (rc == 0)
        *ret_verified = true;
    return rc;
}

int s3_put(struct s3 *s3, const struct store_file *f, struct store_put *ret, struct err *e)
{
    bool verified = false;
    int rc = f->bytes <= S3_SINGLE_MAX_BYTES ? put_single(s3, f, e) : put_parts(s3, f, e);
    if (rc >= 0)
        rc = verify(s3, f, rc == 1, &verified, e);
    if (rc < 0)
        return err_wrap(e, rc, "put \"%s\" to bucket \"%s\"", f->key, s3->bucket);
    *ret = (struct store_put){.verified = verified};
    return 0;
}

int s3_delete(struct s3 *s3, const char *key, struct err *e)
{
    own_s3_call struct s3_call call = S3_CALL(.method = "DELETE", .key = key);
    int rc = s3_run(s3, &call, 1, e);
    return rc ? err_wrap(e, rc, "delete \"%s\" from bucket \"%s\"", key, s3->bucket) : 0;
}

static int kind_open(const struct config *c, struct store_watch *w, void **ret, struct err *e)
{
    struct s3 *s3 = NULL;
    int rc = s3_new(c, w, &s3, e);
    if (rc == 0)
        *ret = s3;
    return rc;
}

static int kind_put(void *store, const struct store_file *f, struct store_put *ret, struct err *e)
{
    return s3_put(store, f, ret, e);
}

static int kind_remove(void *store, const char *key, struct err *e)
{
    return s3_delete(store, key, e);
}

static void *kind_close(void *store)
{
    return s3_free(store);
}

const struct store_kind store_kind_s3 = {
    .name = "s3", .open = kind_open, .put = kind_put, .remove = kind_remove, .close = kind_close};
