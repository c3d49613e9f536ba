/* RGBA to limited-range BT.709 yuv420p. Alpha is left out, as stock does. */
#ifndef MANIMD_ENCODE_CONVERT_H
#define MANIMD_ENCODE_CONVERT_H

#include <stdint.h>

struct AVFrame;
struct convert;
struct err;

int convert_new(int width, int height, struct convert **ret, struct err *e);
/* `rgba`: height rows of width×4 bytes, no padding. `to` has its buffers. */
int convert_picture(struct convert *c, const uint8_t *rgba, struct AVFrame *to, struct err *e);
void *convert_free(struct convert *c);

#endif
