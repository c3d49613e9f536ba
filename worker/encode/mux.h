/* The mp4 file, written in one go at the end: video and sound out of their
 * spools, subtitles and chapters out of the marks, in the order of time, with
 * the index in front (faststart), so that it plays while it loads. */
#ifndef MANIMD_ENCODE_MUX_H
#define MANIMD_ENCODE_MUX_H

#include <stdint.h>

struct err;
struct marks;
struct settings;
struct sound;
struct spool;
struct video;

struct mux_input {
    const struct settings *settings;
    const struct video *video;
    struct spool *video_spool;
    const struct sound *sound; /* NULL: none */
    struct spool *sound_spool;
    const struct marks *marks;
    int64_t frames;
};

/* Writes `path`; 0 only when every byte of it was taken by the kernel. */
int mux_mp4(const struct mux_input *in, const char *path, struct err *e);

#endif
