/* Subtitles as packets of 3GPP timed text (mov_text), made here: libav's
 * encoder for it wants ASS markup, in which a stranger's text would be code.
 * Format: 3GPP TS 26.245 §5.16 (sample entry tx3g) and §5.17 (samples). */
#ifndef MANIMD_ENCODE_CAPTIONS_H
#define MANIMD_ENCODE_CAPTIONS_H

#include <stdint.h>

struct AVCodecParameters;
struct AVPacket;
struct err;
struct marks;

struct captions {
    const struct marks *marks;
    int next;      /* subtitle */
    int64_t at_us; /* where the last packet ended */
};

void captions_init(struct captions *c, const struct marks *marks);
int captions_describe(struct AVCodecParameters *ret, struct err *e);
/* Packets in microseconds; a gap between subtitles is an empty packet. */
int captions_next(struct captions *c, struct AVPacket *ret, int *ret_more, struct err *e);

#endif
