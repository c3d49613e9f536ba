/* Stands in for the encoder where a test wants to see the records themselves:
 * the same border (encode/spec.h), but it writes what it reads, a JSON line a
 * record, to "records" in its directory, and one byte as every output. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/own.h"
#include "base/ring.h"
#include "encode/spec.h"

static const char *const names[RING_KIND_COUNT] = {
    "pad", "frame", "still", "audio", "subtitle", "section", "end",
};

static void print_record(FILE *out, const struct ring_record *r, const unsigned char *payload)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    own_buf struct buf text = BUF_INIT(1 << 20);
    SHA256(payload, r->payload_bytes, digest);
    fprintf(out, "{\"kind\":\"%s\",\"sha256\":\"", names[r->kind]);
    for (size_t i = 0; i < sizeof digest; i++)
        fprintf(out, "%02x", digest[i]);
    if (r->kind == RING_SUBTITLE || r->kind == RING_SECTION)
        json_quote(&text, (const char *)payload, r->payload_bytes);
    fprintf(out,
            "\",\"repeat\":%u,\"width\":%u,\"height\":%u,\"rate\":%u,\"channels\":%u,"
            "\"start_us\":%lld,\"duration_us\":%lld,\"bytes\":%llu,\"text\":%s}\n",
            r->repeat, r->width, r->height, r->sample_rate, r->channels, (long long)r->start_us,
            (long long)r->duration_us, (unsigned long long)r->payload_bytes,
            text.bytes ? text.data : "null");
}

/* An audio record is dumped whole, so that a test can hash them all as one. */
static void print_audio(FILE *pcm, const struct ring_record *r, const void *payload)
{
    if (r->kind == RING_AUDIO)
        fwrite(payload, 1, r->payload_bytes, pcm);
}

static int dump(struct ring_reader *reader, FILE *out, FILE *pcm, struct err *e)
{
    for (;;) {
        struct ring_record r;
        bool closed = ring_is_closed(reader);
        int rc = ring_next(reader, &r, e);
        if (rc < 0 || (rc == 0 && closed))
            return -EPROTO;
        if (rc == 0) {
            struct pollfd fds[] = {{.fd = ENCODE_FD_DATA_READY, .events = POLLIN},
                                   {.fd = ENCODE_FD_REPORT}};
            if (poll(fds, 2, -1) < 0 || fds[1].revents & (POLLERR | POLLHUP))
                return -EPIPE;
            continue;
        }
        own_free unsigned char *payload = own_calloc(1, r.payload_bytes + 1);
        ring_payload(reader, payload);
        print_record(out, &r, payload);
        print_audio(pcm, &r, payload);
        if (r.kind == RING_END)
            return 0;
    }
}

static FILE *create(const char *name, uid_t uid)
{
    FILE *f = fopen(name, "we");
    if (f && uid && fchown(fileno(f), uid, uid) < 0)
        perror(name);
    return f;
}

static void finish(const cJSON *spec, uid_t uid)
{
    const cJSON *kind;
    own_buf struct buf line = BUF_INIT(CEILING_REPORT_LINE_BYTES);
    buf_add_str(&line, "{\"done\":true,\"encoder_used\":\"none\",\"frames\":0,\"outputs\":[");
    cJSON_ArrayForEach(kind, cJSON_GetObjectItemCaseSensitive(spec, "outputs"))
    {
        own_file FILE *f = create(kind->valuestring, uid);
        fputc('x', f);
        buf_printf(&line, "%s{\"kind\":\"%s\",\"name\":\"%s\"}",
                   line.data[line.bytes - 1] == '[' ? "" : ",", kind->valuestring,
                   kind->valuestring);
    }
    buf_add_str(&line, "]}\n");
    (void)file_write_all(ENCODE_FD_REPORT, line.data, line.bytes);
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    struct ring_fds fds = {ENCODE_FD_MEMORY, ENCODE_FD_DATA_READY, ENCODE_FD_SPACE_FREE};
    own_buf struct buf text = BUF_INIT(CEILING_CONFIG_BYTES);
    own_json cJSON *spec = NULL;
    if (argc != 2 || file_read(AT_FDCWD, argv[1], &text, &e) < 0 ||
        json_parse(buf_str(&text), text.bytes, FAULT_HOST, &spec, &e) < 0)
        return 3;
    uid_t uid = (uid_t)json_num(spec, "uid", 0);
    own_file FILE *out = create("records", uid);
    own_file FILE *pcm = create("pcm", uid);
    struct ring_reader *reader = ring_attach_reader(&fds, &e);
    if (!out || !pcm || !reader || dump(reader, out, pcm, &e) < 0)
        return 3;
    ring_reader_free(reader);
    finish(spec, uid);
    return 0;
}
