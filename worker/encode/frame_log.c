/* frames.log: a line per frame record, INDEX REPEAT HASH. INDEX is the number
 * of the record's first frame in the video; HASH the first 16 hex digits of
 * the SHA-256 of its RGBA bytes. Compared with stock Manim's, it is the proof
 * that both draw the same pixels. */
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>

#include "../base/err.h"
#include "../base/own.h"
#include "fault.h"
#include "output.h"
#include "settings.h"
#include "spool.h"

#define PART "frames.log.part"
#define LINE_BYTES 64

struct frame_log {
    FILE *file;
    EVP_MD_CTX *digest;
};

/* OpenSSL reads its configuration when it is first used: before the seal. */
static int log_open(struct output *o, struct err *e)
{
    struct frame_log *l = own_calloc(1, sizeof(*l));
    o->state = l;
    l->digest = EVP_MD_CTX_new();
    if (!l->digest || EVP_DigestInit_ex(l->digest, EVP_sha256(), NULL) != 1)
        return err_set(e, -EIO, FAULT_HOST, "SHA-256: this OpenSSL refuses it");
    return 0;
}

static int hash(struct frame_log *l, const uint8_t *rgba, size_t bytes, char ret_hex[17])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    if (EVP_DigestInit_ex(l->digest, NULL, NULL) != 1 ||
        EVP_DigestUpdate(l->digest, rgba, bytes) != 1 ||
        EVP_DigestFinal_ex(l->digest, md, NULL) != 1)
        return -EIO;
    for (int i = 0; i < 8; i++)
        (void)snprintf(ret_hex + i * 2, 3, "%02x", md[i]);
    return 0;
}

static int log_frame(struct output *o, const struct shot *shot, struct err *e)
{
    struct frame_log *l = o->state;
    char hex[17];
    if (!shot->is_new)
        return 0;
    int rc = hash(l, shot->rgba, settings_frame_bytes(o->settings), hex);
    if (rc)
        return err_set(e, rc, FAULT_HOST, "SHA-256: OpenSSL failed");
    rc = budget_take(o->budget, LINE_BYTES, e);
    if (rc)
        return rc;
    if (!l->file)
        l->file = fopen(PART, "we");
    if (!l->file)
        return fault_errno(e, "create", PART);
    if (fprintf(l->file, "%" PRId64 " %" PRIu32 " %s\n", shot->index, shot->record_repeat, hex) < 0)
        return fault_errno(e, "write", PART);
    return 0;
}

static int log_finish(struct output *o, const struct ending *ending, struct err *e)
{
    struct frame_log *l = o->state;
    (void)ending; /* a scene that played nothing has no log */
    if (!l->file)
        return 0;
    int failed = fclose(l->file);
    l->file = NULL;
    return failed ? fault_errno(e, "write", PART) : output_publish(o, e);
}

static void log_close(struct output *o)
{
    struct frame_log *l = o->state;
    if (!l)
        return;
    if (l->file)
        (void)fclose(l->file); /* the job has failed already */
    EVP_MD_CTX_free(l->digest);
    free(l);
    o->state = NULL;
}

const struct output_ops frame_log_output = {
    .name = "frames.log",
    .is_log = true,
    .open = log_open,
    .frame = log_frame,
    .finish = log_finish,
    .close = log_close,
};
