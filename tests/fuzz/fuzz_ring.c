/* The ring as a hostile scene fills it, read as the encoder reads it: with the
 * encoder's own session, sound and marks, and with pages that change between
 * the copy of a header and the copy of its payload. What is copied is what was
 * checked, and never more than the record that was given.
 *
 * Input: a byte of flags, then steps of 24 bytes; a mutator of our own keeps
 * them whole. The memory is one ring for all inputs, wiped behind each. */
#include <errno.h>
#include <libavutil/log.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../worker/base/err.h"
#include "../../worker/base/ring.h"
#include "../../worker/encode/session.h"
#include "../../worker/encode/settings.h"
#include "fuzz.h"

#define SIDE 8
#define FRAME_BYTES (SIDE * SIDE * 4)
#define HEADER_BYTES 4096
#define STEPS_MAX 64
#define FROM_END 0xfff00000u
#define READS_MAX 400
#define SHOWN_MAX 4096 /* frames: x264 takes time for each */

enum {
    FLAG_MP4 = 1,     /* with libx264 and AAC: slow, so not always */
    FLAG_BARE = 2,    /* ring_next() and ring_payload() alone */
    FLAG_DISTURB = 4, /* pages change between the two reads */
};

/* What a step does: writes a record at the head and moves it, moves the head
 * alone, pokes eight bytes, or lets the reader read. */
enum step_kind { STEP_RECORD, STEP_HEAD, STEP_POKE, STEP_READ, STEP_KINDS };

struct step {
    uint8_t kind, record_kind;
    uint16_t repeat;
    uint32_t payload_bytes; /* HEAD: added to the head; POKE: where */
    uint16_t width, height;
    uint32_t sample_rate;
    uint32_t channels;
    uint32_t value; /* start of a subtitle; POKE: what */
};
_Static_assert(sizeof(struct step) == 24, "the mutator goes by it");

void __wrap_ring_payload(struct ring_reader *r, void *dst);
void __real_ring_payload(struct ring_reader *r, void *dst);

static struct {
    struct ring_fds fds;
    uint8_t *memory;
    size_t bytes;
    uint64_t *head, *tail;
    uint64_t dirty; /* data bytes from the front that were written */
    unsigned flags;
} ring;

static uint64_t data_bytes(void)
{
    return ring.bytes - HEADER_BYTES;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct stat st;
    (void)argc;
    (void)argv;
    av_log_set_level(AV_LOG_QUIET);
    must(ring_create(FRAME_BYTES, &ring.fds, NULL) == 0 && fstat(ring.fds.memory, &st) == 0);
    ring.bytes = (size_t)st.st_size;
    ring.memory = mmap(NULL, ring.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fds.memory, 0);
    must(ring.memory != MAP_FAILED);
    ring.head = (uint64_t *)(void *)(ring.memory + 64);
    ring.tail = (uint64_t *)(void *)(ring.memory + 128);
    return 0;
}

static void wipe(void)
{
    memset(ring.memory + HEADER_BYTES, 0, ring.dirty);
    *ring.head = *ring.tail = 0;
    ring.dirty = 0;
}

static void write_data(uint64_t at, const void *data, size_t bytes)
{
    at %= data_bytes();
    if (bytes > data_bytes() - at)
        bytes = data_bytes() - at;
    memcpy(ring.memory + HEADER_BYTES + at, data, bytes);
    if (at + bytes > ring.dirty)
        ring.dirty = at + bytes;
}

/* Sizes in a range of their own are counted from the ring's end: with others, no
 * record would ever come to lie beside it. */
static uint64_t payload_of(const struct step *s)
{
    uint64_t to_end = data_bytes() - *ring.head % data_bytes();
    bool from_end = s->payload_bytes >= FROM_END && s->payload_bytes < FROM_END + 4096;
    uint64_t spared = sizeof(struct ring_record) + (s->payload_bytes - FROM_END);
    if (!from_end)
        return s->payload_bytes;
    return to_end > spared ? to_end - spared : 0;
}

static void write_record(const struct step *s)
{
    uint64_t payload_bytes = payload_of(s);
    const struct ring_record r = {.kind = s->record_kind % (RING_KIND_COUNT + 1),
                                  .repeat = s->repeat,
                                  .payload_bytes = payload_bytes,
                                  .width = s->width,
                                  .height = s->height,
                                  .sample_rate = s->sample_rate,
                                  .channels = s->channels,
                                  .start_us = (int64_t)s->value << 24,
                                  .duration_us = (int64_t)s->value << 31};
    uint64_t bytes = (sizeof(r) + payload_bytes + 63) / 64 * 64;
    write_data(*ring.head, &r, sizeof(r));
    if (s->record_kind % RING_KIND_COUNT == RING_SECTION)
        write_data(*ring.head + sizeof(r), "{\"name\":\"a\",\"type\":\"x\"}", 23);
    *ring.head += bytes;
}

/* The other side is at work while we read: the record under the reader's hand
 * becomes something else between its two looks. */
void __wrap_ring_payload(struct ring_reader *r, void *dst)
{
    if (ring.flags & FLAG_DISTURB) {
        static const struct ring_record other = {
            .kind = RING_FRAME, .payload_bytes = UINT64_MAX, .width = 16384, .height = 16384};
        write_data(*ring.tail, &other, sizeof(other));
        *ring.head += 64;
    }
    __real_ring_payload(r, dst);
}

/* The reader alone: what it says of a record is what its caller gives room for. */
static int read_bare(struct ring_reader *r)
{
    struct ring_record record;
    struct err e = ERR_INIT;
    int rc = ring_next(r, &record, &e);
    if (rc <= 0) {
        must(rc == 0 || (e.fault == FAULT_JOB && *e.text));
        return rc;
    }
    must(record.kind > RING_PAD && record.kind < RING_KIND_COUNT);
    must(*ring.tail % data_bytes() + sizeof(record) + record.payload_bytes <= data_bytes());
    own_free void *payload = own_calloc(1, record.payload_bytes ? record.payload_bytes : 1);
    ring_payload(r, record.repeat % 2 ? payload : NULL);
    return 1;
}

static int read_session(struct session *s)
{
    enum read_state state = READ_NOTHING;
    struct err e = ERR_INIT;
    int rc = session_read(s, &state, &e);
    must(rc >= 0 || e.fault == FAULT_HOST);
    if (rc)
        fuzz_check_sentence(e.text);
    must(s->frames <= s->settings->limits.frames);
    return rc ? -1 : state == READ_ONE;
}

struct reading {
    struct ring_reader *reader;
    struct session session;
    bool over;
    int reads;
};

static void read_all(struct reading *reading)
{
    int rc = 1;
    while (!reading->over && rc > 0 && reading->reads++ < READS_MAX)
        rc = ring.flags & FLAG_BARE ? read_bare(reading->reader) : read_session(&reading->session);
    reading->over = reading->over || rc < 0;
}

static void take_step(const struct step *s, struct reading *reading)
{
    switch ((enum step_kind)(s->kind % STEP_KINDS)) {
    case STEP_RECORD:
        write_record(s);
        break;
    case STEP_HEAD:
        *ring.head += (uint64_t)(int64_t)(int32_t)s->payload_bytes;
        break;
    case STEP_POKE:
        write_data(s->payload_bytes, &s->value, sizeof(s->value));
        break;
    case STEP_READ:
    case STEP_KINDS:
        read_all(reading);
        break;
    }
}

static void run(struct feed *f, struct reading *reading)
{
    for (int i = 0; i < STEPS_MAX && f->left >= sizeof(struct step); i++) {
        struct step s;
        memcpy(&s, f->at, sizeof(s));
        f->at += sizeof(s);
        f->left -= sizeof(s);
        take_step(&s, reading);
    }
    read_all(reading);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    ring.flags = feed_byte(&f);
    struct settings settings = {.width = SIDE,
                                .height = SIDE,
                                .fps_num = 15,
                                .fps_den = 1,
                                .threads = 1,
                                .title = (char[]){"a"},
                                .outputs = OUTPUT_BIT(OUTPUT_PNG)};
    if (ring.flags & FLAG_MP4)
        settings.outputs |= OUTPUT_BIT(OUTPUT_MP4);
    settings.frame_log = !(ring.flags & FLAG_MP4);
    settings.limits = (struct limits){.frames = SHOWN_MAX, .output_bytes = 1 << 24};
    if (ring.flags & FLAG_MP4)
        settings.limits.frames = 64;
    struct reading reading = {.reader = ring_attach_reader(&ring.fds, NULL)};
    struct err e = ERR_INIT;
    must(reading.reader);
    must(session_open(&reading.session, &settings, reading.reader, &e) == 0);
    run(&f, &reading);
    if (!reading.over)
        (void)session_finish(&reading.session, &e);
    session_close(&reading.session);
    ring_reader_free(reading.reader);
    wipe();
    return 0;
}

/* ---- the mutator ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u; /* Numerical Recipes' constants */
    return *state >> 8;
}

/* A record that is nearly right: what is wrong with it, mutation finds. */
static void make_step(struct step *s, uint32_t *random)
{
    static const uint32_t sizes[] = {0,
                                     1,
                                     23,
                                     64,
                                     128,
                                     192,
                                     FRAME_BYTES,
                                     65536,
                                     65537,
                                     4 << 20,
                                     0xffffffc0,
                                     FROM_END,
                                     FROM_END + 64,
                                     FROM_END + 128,
                                     FROM_END + 65};
    *s = (struct step){.kind = next_random(random) % 8 ? STEP_RECORD : next_random(random) % 4};
    s->record_kind = (uint8_t)(next_random(random) % (RING_KIND_COUNT + 1));
    s->repeat = (uint16_t)(next_random(random) % 4);
    s->width = s->height = SIDE;
    s->sample_rate = next_random(random) % 2 ? 48000 : 44100;
    s->channels = next_random(random) % 3;
    s->value = next_random(random);
    s->payload_bytes = sizes[next_random(random) % (sizeof(sizes) / sizeof(sizes[0]))];
    if (s->record_kind == RING_FRAME || s->record_kind == RING_STILL)
        s->payload_bytes = FRAME_BYTES;
    if (s->record_kind == RING_SECTION)
        s->payload_bytes = 23;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
    uint32_t random = seed;
    size_t steps = bytes ? (bytes - 1) / sizeof(struct step) : 0;
    size_t at = 1 + (steps ? next_random(&random) % steps : 0) * sizeof(struct step);
    struct step s;
    if (next_random(&random) % 2)
        return LLVMFuzzerMutate(data, bytes, most);
    if (bytes == 0) {
        data[0] = (uint8_t)next_random(&random);
        bytes = 1;
    }
    make_step(&s, &random);
    if (next_random(&random) % 2 && 1 + (steps + 1) * sizeof(s) <= most && steps < STEPS_MAX) {
        at = 1 + steps * sizeof(s); /* one more, at the end */
        bytes = at + sizeof(s);
    }
    if (at + sizeof(s) > bytes)
        return LLVMFuzzerMutate(data, bytes, most);
    memcpy(data + at, &s, sizeof(s));
    return bytes;
}
