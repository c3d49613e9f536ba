/* H.264 from RGBA: one encoder a job, one conversion a distinct picture.
 *
 * Settings. Stock Manim writes libx264, CRF 23, preset medium, one encoder a
 * play, untagged and by swscale's default matrix (BT.601). Ours are an x264
 * setting with stock's quality or better at half its CPU, chosen by
 * tests/bench/encode_quality.py (encode_quality.md has the table).
 *
 * Colour. Always BT.709, limited range, and said so in the stream and the
 * file. Untagged video is guessed at: browsers take BT.709 at any size, others
 * BT.601 below 720 lines, and stock's untagged BT.601 is therefore shown with
 * wrong colours by most of them at 1080p. Tagged BT.709 is shown right by all.
 *
 * Repeats. A picture is converted once; the same reference-counted frame is
 * sent again with a new time stamp. */
#ifndef MANIMD_ENCODE_VIDEO_H
#define MANIMD_ENCODE_VIDEO_H

#include <stdint.h>

struct AVCodecParameters;
struct err;
struct settings;
struct spool;
struct video;

/* Opens the encoder (starts threads: after the seal). Packets go to `spool`,
 * in a time base of one frame. */
int video_new(const struct settings *s, struct spool *spool, struct video **ret, struct err *e);
/* Shows `rgba`, width×height×4 bytes of private memory, `repeat` times; NULL:
 * the picture of the last call again. */
int video_frame(struct video *v, const uint8_t *rgba, uint32_t repeat, struct err *e);
/* Everything still inside goes to the spool. */
int video_flush(struct video *v, struct err *e);
int video_describe(const struct video *v, struct AVCodecParameters *ret, struct err *e);
void *video_free(struct video *v);

#endif
