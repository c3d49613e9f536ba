/* See sound.h. swresample makes planar floats at a rate that AAC has, and keeps
 * what does not fill a packet of 1024 samples yet. */
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libswresample/swresample.h>

#include "../base/err.h"
#include "../base/own.h"
#include "fault.h"
#include "sound.h"
#include "spool.h"

#define RATE_MIN 8000
#define RATE_MAX 192000
#define CHANNELS_MAX 2
#define BITS_PER_CHANNEL 96000 /* 192 kbit/s stereo: above stock's 128 */
#define SLICE_SAMPLES 8192     /* bounds what swresample has to keep */

/* ISO/IEC 14496-3, table 1.18, without 7350. */
static const int aac_rates[] = {96000, 88200, 64000, 48000, 44100, 32000,
                                24000, 22050, 16000, 12000, 11025, 8000};

struct sound {
    AVCodecContext *codec;
    SwrContext *swr;
    AVFrame *frame;
    AVPacket *packet;
    struct spool *spool;
    uint32_t sample_rate, channels; /* of what comes in */
    int filled;                     /* samples in `frame` */
    int64_t next_pts;
};

int pcm_check(const struct pcm *pcm, struct err *e)
{
    if (pcm->channels < 1 || pcm->channels > CHANNELS_MAX)
        return fault_invalid(e, "sound with %u channels: 1 or 2 are possible", pcm->channels);
    if (pcm->sample_rate < RATE_MIN || pcm->sample_rate > RATE_MAX)
        return fault_invalid(e, "sound at %u Hz: %d to %d are possible", pcm->sample_rate, RATE_MIN,
                             RATE_MAX);
    if (pcm->bytes % (pcm->channels * sizeof(int16_t)))
        return fault_invalid(e, "sound that ends within a sample");
    return 0;
}

/* The same rate when AAC has it, else the next one up that it has, else 96 kHz. */
static int aac_rate(uint32_t rate)
{
    int best = aac_rates[0];
    for (size_t i = 0; i < sizeof(aac_rates) / sizeof(*aac_rates); i++) {
        if (aac_rates[i] >= (int)rate)
            best = aac_rates[i];
    }
    return best;
}

static int open_codec(struct sound *s, struct err *e)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("aac");
    if (!codec)
        return err_set(e, -ENOENT, FAULT_HOST, "aac: this libavcodec is without it");
    s->codec = avcodec_alloc_context3(codec);
    if (!s->codec)
        abort();
    s->codec->sample_fmt = AV_SAMPLE_FMT_FLTP;
    s->codec->sample_rate = aac_rate(s->sample_rate);
    s->codec->bit_rate = BITS_PER_CHANNEL * (int64_t)s->channels;
    s->codec->time_base = (AVRational){1, s->codec->sample_rate};
    s->codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_channel_layout_default(&s->codec->ch_layout, (int)s->channels);
    int rc = avcodec_open2(s->codec, codec, NULL);
    return rc < 0 ? fault_av(e, rc, "open aac") : 0;
}

static int open_swr(struct sound *s, struct err *e)
{
    AVChannelLayout *layout = &s->codec->ch_layout;
    int rc = swr_alloc_set_opts2(&s->swr, layout, AV_SAMPLE_FMT_FLTP, s->codec->sample_rate, layout,
                                 AV_SAMPLE_FMT_S16, (int)s->sample_rate, 0, NULL);
    if (rc >= 0)
        rc = swr_init(s->swr);
    return rc < 0 ? fault_av(e, rc, "open swresample") : 0;
}

static int send(struct sound *s, AVFrame *frame, struct err *e)
{
    int rc = avcodec_send_frame(s->codec, frame);
    while (rc >= 0) {
        rc = avcodec_receive_packet(s->codec, s->packet);
        if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF)
            return 0;
        if (rc < 0)
            break;
        rc = spool_write(s->spool, s->packet, e);
        av_packet_unref(s->packet);
        if (rc)
            return rc;
    }
    return fault_av(e, rc, "encode sound");
}

/* An empty frame for one packet's worth of samples. */
static int fresh_frame(struct sound *s, struct err *e)
{
    av_frame_unref(s->frame);
    s->filled = 0;
    s->frame->format = s->codec->sample_fmt;
    s->frame->sample_rate = s->codec->sample_rate;
    s->frame->nb_samples = s->codec->frame_size;
    int rc = av_channel_layout_copy(&s->frame->ch_layout, &s->codec->ch_layout);
    if (rc >= 0)
        rc = av_frame_get_buffer(s->frame, 0);
    return rc < 0 ? fault_av(e, rc, "sound frame") : 0;
}

static int send_frame(struct sound *s, struct err *e)
{
    s->frame->nb_samples = s->filled;
    s->frame->pts = s->next_pts;
    s->next_pts += s->filled;
    int rc = send(s, s->frame, e);
    return rc ? rc : fresh_frame(s, e);
}

/* `samples` more of input, through swresample into frames of exactly the
 * encoder's size; it takes a shorter one for the last. `data` NULL: nothing
 * follows, so what its filter holds back comes out too. */
static int convert(struct sound *s, const uint8_t *data, int samples, struct err *e)
{
    int size = s->codec->frame_size;
    for (;;) {
        uint8_t *to[CHANNELS_MAX] = {NULL};
        for (uint32_t c = 0; c < s->channels; c++)
            to[c] = s->frame->extended_data[c] + (size_t)s->filled * sizeof(float);
        int room = size - s->filled;
        int got = swr_convert(s->swr, to, room, data ? &data : NULL, samples);
        if (got < 0)
            return fault_av(e, got, "convert sound");
        s->filled += got;
        samples = 0;
        if (got < room)
            return 0;
        int rc = send_frame(s, e);
        if (rc)
            return rc;
    }
}

int sound_new(const struct pcm *first, struct spool *spool, struct sound **ret, struct err *e)
{
    struct sound *s = own_calloc(1, sizeof(*s));
    s->spool = spool;
    s->sample_rate = first->sample_rate;
    s->channels = first->channels;
    s->frame = av_frame_alloc();
    s->packet = av_packet_alloc();
    if (!s->frame || !s->packet)
        abort();
    int rc = open_codec(s, e);
    if (!rc)
        rc = open_swr(s, e);
    if (!rc)
        rc = fresh_frame(s, e);
    if (rc) {
        sound_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

int sound_add(struct sound *s, const struct pcm *pcm, struct err *e)
{
    int rc = pcm_check(pcm, e);
    if (rc)
        return rc;
    if (pcm->sample_rate != s->sample_rate || pcm->channels != s->channels)
        return fault_invalid(e, "sound that changes from %u Hz × %u to %u Hz × %u", s->sample_rate,
                             s->channels, pcm->sample_rate, pcm->channels);
    size_t step = s->channels * sizeof(int16_t);
    size_t left = pcm->bytes / step;
    const uint8_t *at = pcm->data;
    while (!rc && left) {
        size_t n = left < SLICE_SAMPLES ? left : SLICE_SAMPLES;
        rc = convert(s, at, (int)n, e);
        at += n * step;
        left -= n;
    }
    return rc;
}

int sound_flush(struct sound *s, struct err *e)
{
    int rc = convert(s, NULL, 0, e);
    if (!rc && s->filled)
        rc = send_frame(s, e);
    return rc ? rc : send(s, NULL, e);
}

int sound_describe(const struct sound *s, AVCodecParameters *ret, struct err *e)
{
    int rc = avcodec_parameters_from_context(ret, s->codec);
    return rc < 0 ? fault_av(e, rc, "sound parameters") : 0;
}

int sound_rate(const struct sound *s)
{
    return s->codec->sample_rate;
}

void *sound_free(struct sound *s)
{
    if (!s)
        return NULL;
    avcodec_free_context(&s->codec);
    swr_free(&s->swr);
    av_frame_free(&s->frame);
    av_packet_free(&s->packet);
    free(s);
    return NULL;
}
