/* The ring: records from one producer process to one consumer process that
 * does not trust it, through a sealed memfd.
 *
 *   keeper                ring_create(): memfd (sealed against resizing) and
 *                         two eventfds, handed to both sides
 *   scene process         ring_attach_writer(): ring_write()… ring_write(END)
 *   keeper                ring_close(): the writer is dead, no more will come
 *   encoder               ring_attach_reader(): ring_next() copies the header
 *                         out once and checks it, ring_payload() reads the
 *                         payload exactly once into private memory
 *
 * Layout: one page of header (magic, data size, head at 64, tail at 128, closed
 * at 192), then data_bytes of records. head and tail are byte counts that never wrap (u64);
 * a record starts at count % data_bytes, is 64-byte aligned, and never crosses
 * the end (a PAD record fills the rest). The reader keeps its own tail and
 * never reads one back; it takes nothing in the shared pages on trust: a head
 * that goes backwards or beyond tail + data_bytes, a record larger than what
 * is there, an unknown kind, a picture whose size is not 4 * width * height is
 * -EPROTO, the scene's fault. */
#ifndef MANIMD_RING_H
#define MANIMD_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum ring_kind {
    RING_PAD,      /* fills up to the end of the data */
    RING_FRAME,    /* RGBA, 8 bits, rows top to bottom, no padding */
    RING_STILL,    /* one RGBA picture that is no frame of the video: the last
                      state of a scene, for `png` when nothing was played */
    RING_AUDIO,    /* interleaved s16le PCM */
    RING_SUBTITLE, /* UTF-8 text */
    RING_SECTION,  /* UTF-8 JSON {"name","type"}: begins with the next frame */
    RING_END,      /* nothing follows; without it the scene did not end well */
    RING_KIND_COUNT
};

/* 64 bytes in front of each payload, little-endian as the machine is. */
struct ring_record {
    uint32_t kind;
    uint32_t repeat;        /* FRAME: shown this many times, ≥ 1 */
    uint64_t payload_bytes; /* what follows, before padding to 64 */
    uint32_t width, height; /* FRAME, STILL */
    uint32_t sample_rate;   /* AUDIO */
    uint32_t channels;      /* AUDIO */
    int64_t start_us;       /* SUBTITLE */
    int64_t duration_us;    /* SUBTITLE */
    uint64_t reserved[2];
};
_Static_assert(sizeof(struct ring_record) == 64, "records are 64-byte aligned");

struct ring_fds {
    int memory;     /* memfd: SEAL_SHRINK | SEAL_GROW | SEAL_SEAL */
    int data_ready; /* eventfd: the writer signals, the reader polls */
    int space_free; /* eventfd: the reader signals, the writer polls */
};

struct ring_writer;
struct ring_reader;

/* `frame_bytes`: the largest payload; room is made for four of it, within
 * 8 MiB … 256 MiB. */
int ring_create(size_t frame_bytes, struct ring_fds *ret, struct err *e);
/* Once nothing lives that could write: the reader need not wait for an END that
 * was never written. A writer may say so itself, and only ends its own video. */
int ring_close(const struct ring_fds *fds, struct err *e);

struct ring_writer *ring_attach_writer(const struct ring_fds *fds, struct err *e);
/* Blocks while the ring is full. -EMSGSIZE when it can never fit. */
int ring_write(struct ring_writer *w, const struct ring_record *r, const void *payload);
void *ring_writer_free(struct ring_writer *w);

struct ring_reader *ring_attach_reader(const struct ring_fds *fds, struct err *e);
/* 1: `ret` holds the next record's header; 0: nothing there now (poll
 * data_ready); negative: -EPROTO. */
int ring_next(struct ring_reader *r, struct ring_record *ret, struct err *e);
/* Copies the payload of the record that ring_next() gave and frees its space.
 * `dst` NULL skips it. Called exactly once per record. */
void ring_payload(struct ring_reader *r, void *dst);
/* Asked before a ring_next() that gives 0: then there will be nothing more. */
bool ring_is_closed(const struct ring_reader *r);
void *ring_reader_free(struct ring_reader *r);

#endif
