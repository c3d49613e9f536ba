/* See video.h. */
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>

#include "../base/err.h"
#include "../base/own.h"
#include "convert.h"
#include "fault.h"
#include "settings.h"
#include "spool.h"
#include "video.h"

#define KEYFRAME_EVERY_S 4 /* a player seeks by keyframes; stock's lie at 250 frames */

struct video {
    AVCodecContext *codec;
    AVFrame *frame;
    AVPacket *packet;
    struct spool *spool;
    int64_t next_pts;
};

/* Stock's own preset and rate: with one encoder a job instead of one a play, and
 * half of its lookahead, tests/bench/encode_quality.md finds nothing worse than
 * stock's that could be seen. What cheaper presets lack is weightp 2 with a second
 * reference (letters that fade) and subme 7 (surfaces). */
static const struct {
    const char *name, *value;
} x264_options[] = {
    {"preset", "medium"},
    {"crf", "23"},
    {"rc-lookahead", "20"}, /* of 40: as good, and holds 20 frames less */
};

static void set_colours(AVCodecContext *c)
{
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->colorspace = AVCOL_SPC_BT709;
    c->color_primaries = AVCOL_PRI_BT709;
    c->color_trc = AVCOL_TRC_BT709;
    c->color_range = AVCOL_RANGE_MPEG;
    c->chroma_sample_location = AVCHROMA_LOC_CENTER;
}

static AVCodecContext *codec_context(const AVCodec *codec, const struct settings *s)
{
    AVCodecContext *c = avcodec_alloc_context3(codec);
    if (!c)
        abort();
    c->width = s->width;
    c->height = s->height;
    c->time_base = (AVRational){s->fps_den, s->fps_num};
    c->framerate = (AVRational){s->fps_num, s->fps_den};
    c->sample_aspect_ratio = (AVRational){1, 1};
    c->gop_size = KEYFRAME_EVERY_S * s->fps_num / s->fps_den;
    c->thread_count = s->threads;
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    set_colours(c);
    return c;
}

static int open_codec(struct video *v, const struct settings *s, struct err *e)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    if (!codec)
        return err_set(e, -ENOENT, FAULT_HOST, "libx264: this libavcodec is without it");
    v->codec = codec_context(codec, s);
    for (size_t i = 0; i < sizeof(x264_options) / sizeof(*x264_options); i++) {
        int rc = av_opt_set(v->codec->priv_data, x264_options[i].name, x264_options[i].value, 0);
        if (rc < 0)
            return fault_av(e, rc, x264_options[i].name);
    }
    int rc = avcodec_open2(v->codec, codec, NULL);
    return rc < 0 ? fault_av(e, rc, "open libx264") : 0;
}

int video_new(const struct settings *s, struct spool *spool, struct video **ret, struct err *e)
{
    struct video *v = own_calloc(1, sizeof(*v));
    v->spool = spool;
    v->frame = av_frame_alloc();
    v->packet = av_packet_alloc();
    if (!v->frame || !v->packet)
        abort();
    int rc = open_codec(v, s, e);
    if (rc) {
        video_free(v);
        return rc;
    }
    *ret = v;
    return 0;
}

static int drain(struct video *v, struct err *e)
{
    for (;;) {
        int rc = avcodec_receive_packet(v->codec, v->packet);
        if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF)
            return 0;
        if (rc < 0)
            return fault_av(e, rc, "encode");
        v->packet->duration = 1;
        rc = spool_write(v->spool, v->packet, e);
        av_packet_unref(v->packet);
        if (rc)
            return rc;
    }
}

/* A buffer that nobody reads any more; x264 copies, so it is mostly the same. */
static int fresh_frame(struct video *v, struct err *e)
{
    if (v->frame->buf[0] && av_frame_is_writable(v->frame))
        return 0;
    av_frame_unref(v->frame);
    v->frame->format = v->codec->pix_fmt;
    v->frame->width = v->codec->width;
    v->frame->height = v->codec->height;
    v->frame->colorspace = v->codec->colorspace;
    v->frame->color_primaries = v->codec->color_primaries;
    v->frame->color_trc = v->codec->color_trc;
    v->frame->color_range = v->codec->color_range;
    v->frame->chroma_location = v->codec->chroma_sample_location;
    int rc = av_frame_get_buffer(v->frame, 0);
    return rc < 0 ? fault_av(e, rc, "frame") : 0;
}

static void convert(struct video *v, const uint8_t *rgba)
{
    const AVFrame *f = v->frame;
    const struct yuv to = {
        .plane = {f->data[0], f->data[1], f->data[2]},
        .stride = {f->linesize[0], f->linesize[1], f->linesize[2]},
    };
    convert_picture(rgba, f->width, f->height, &to);
}

int video_frame(struct video *v, const uint8_t *rgba, uint32_t repeat, struct err *e)
{
    int rc = rgba ? fresh_frame(v, e) : 0;
    if (!rc && rgba)
        convert(v, rgba);
    for (uint32_t i = 0; !rc && i < repeat; i++) {
        v->frame->pts = v->next_pts++;
        rc = avcodec_send_frame(v->codec, v->frame);
        rc = rc < 0 ? fault_av(e, rc, "encode") : drain(v, e);
    }
    return rc;
}

int video_flush(struct video *v, struct err *e)
{
    int rc = avcodec_send_frame(v->codec, NULL);
    return rc < 0 ? fault_av(e, rc, "encode the last frames") : drain(v, e);
}

int video_describe(const struct video *v, AVCodecParameters *ret, struct err *e)
{
    int rc = avcodec_parameters_from_context(ret, v->codec);
    return rc < 0 ? fault_av(e, rc, "video parameters") : 0;
}

void *video_free(struct video *v)
{
    if (!v)
        return NULL;
    avcodec_free_context(&v->codec);
    av_frame_free(&v->frame);
    av_packet_free(&v->packet);
    free(v);
    return NULL;
}
