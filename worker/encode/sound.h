/* AAC from the scene's PCM, as it arrives: only packets are ever spooled. */
#ifndef MANIMD_ENCODE_SOUND_H
#define MANIMD_ENCODE_SOUND_H

#include <stddef.h>
#include <stdint.h>

struct AVCodecParameters;
struct err;
struct sound;
struct spool;

/* PCM as an AUDIO record brings it: interleaved s16le. */
struct pcm {
    const uint8_t *data; /* private memory */
    size_t bytes;
    uint32_t sample_rate, channels;
};

/* 0, or OUTCOME_output_invalid with what is wrong about it. */
int pcm_check(const struct pcm *pcm, struct err *e);

int sound_new(const struct pcm *first, struct spool *spool, struct sound **ret, struct err *e);
/* OUTCOME_output_invalid when rate or channels are no longer the first's. */
int sound_add(struct sound *s, const struct pcm *pcm, struct err *e);
int sound_flush(struct sound *s, struct err *e);
int sound_describe(const struct sound *s, struct AVCodecParameters *ret, struct err *e);
/* The rate of the encoded sound: packets are in a time base of 1/rate. */
int sound_rate(const struct sound *s);
void *sound_free(struct sound *s);

#endif
