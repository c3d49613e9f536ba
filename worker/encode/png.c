/* frame.png: the last frame of the video, or the still of a scene that played
 * nothing; losslessly, exactly the scene's pixel values. RGB when every pixel
 * is opaque, else RGBA (straight, as Manim means it). */
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>

#include "../base/err.h"
#include "../base/own.h"
#include "fault.h"
#include "output.h"
#include "settings.h"
#include "spool.h"

#define PART "frame.png.part"

static bool is_opaque(const uint8_t *rgba, size_t pixels)
{
    uint8_t all = 0xff;
    for (size_t i = 0; i < pixels; i++)
        all &= rgba[i * 4 + 3];
    return all == 0xff;
}

static int fill_frame(const struct output *o, const uint8_t *rgba, AVFrame *frame, struct err *e)
{
    size_t width = (size_t)o->settings->width, height = (size_t)o->settings->height;
    bool opaque = is_opaque(rgba, width * height);
    frame->format = opaque ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_RGBA;
    frame->width = (int)width;
    frame->height = (int)height;
    int rc = av_frame_get_buffer(frame, 0);
    if (rc < 0)
        return fault_av(e, rc, "png");
    size_t step = opaque ? 3 : 4;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *from = rgba + y * width * 4;
        uint8_t *to = frame->data[0] + y * (size_t)frame->linesize[0];
        for (size_t x = 0; x < width; x++)
            memcpy(to + x * step, from + x * 4, step);
    }
    return 0;
}

static int encode(AVCodecContext *c, const AVFrame *frame, AVPacket *ret, struct err *e)
{
    c->width = frame->width;
    c->height = frame->height;
    c->pix_fmt = frame->format;
    c->time_base = (AVRational){1, 1};
    c->thread_count = 1;
    int rc = av_opt_set(c->priv_data, "pred", "mixed", 0);
    if (rc >= 0)
        rc = avcodec_open2(c, c->codec, NULL);
    if (rc >= 0)
        rc = avcodec_send_frame(c, frame);
    if (rc >= 0)
        rc = avcodec_send_frame(c, NULL);
    if (rc >= 0)
        rc = avcodec_receive_packet(c, ret);
    return rc < 0 ? fault_av(e, rc, "encode a png") : 0;
}

static int write_file(struct output *o, const AVPacket *packet, struct err *e)
{
    int rc = budget_take(o->budget, packet->size, e);
    if (rc)
        return rc;
    FILE *f = fopen(PART, "we");
    if (!f)
        return fault_errno(e, "create", PART);
    size_t wrote = fwrite(packet->data, 1, (size_t)packet->size, f);
    int why = errno;
    if (fclose(f))
        return fault_errno(e, "write", PART);
    errno = why;
    if (wrote != (size_t)packet->size)
        return fault_errno(e, "write", PART);
    o->frames = 1;
    return output_publish(o, e);
}

static int png_finish(struct output *o, const struct ending *ending, struct err *e)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("png");
    if (!ending->rgba)
        return err_set(e, OUTCOME_output_missing, FAULT_JOB,
                       "the scene has neither a frame nor a last picture for a png");
    if (!codec)
        return err_set(e, -ENOENT, FAULT_HOST, "png: this libavcodec is without it");
    AVCodecContext *c = avcodec_alloc_context3(codec);
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    if (!c || !frame || !packet)
        abort();
    int rc = fill_frame(o, ending->rgba, frame, e);
    if (!rc)
        rc = encode(c, frame, packet, e);
    if (!rc)
        rc = write_file(o, packet, e);
    av_packet_free(&packet);
    av_frame_free(&frame);
    avcodec_free_context(&c);
    return rc;
}

const struct output_ops png_output = {
    .name = "frame.png",
    .kind = OUTPUT_PNG,
    .encoder = "png",
    .finish = png_finish,
};
