/* See captions.h. */
#include <errno.h>
#include <libavcodec/avcodec.h>

#include "../base/err.h"
#include "captions.h"
#include "fault.h"
#include "marks.h"

#define TEXT_MAX 65535 /* its length has 16 bits */

/* TS 26.245 §5.16, behind the fields that every sample entry has. */
static const uint8_t tx3g[] = {
    0,    0,    0,    0,                                          /* display flags */
    1,    0xff,                                                   /* centred, at the bottom */
    0,    0,    0,    0,                                          /* background: transparent */
    0,    0,    0,    0,    0,   0,   0,   0,                     /* text box: the player's */
    0,    0,    0,    0,    0,   1,   0,   18,                    /* whole text, font 1, 18 px */
    0xff, 0xff, 0xff, 0xff,                                       /* white */
    0,    0,    0,    23,   'f', 't', 'a', 'b', 0,   1,   0,   1, /* font table, one: */
    10,   'S',  'a',  'n',  's', '-', 'S', 'e', 'r', 'i', 'f',    /* its name */
};

void captions_init(struct captions *c, const struct marks *marks)
{
    *c = (struct captions){.marks = marks};
}

int captions_describe(AVCodecParameters *ret, struct err *e)
{
    ret->codec_type = AVMEDIA_TYPE_SUBTITLE;
    ret->codec_id = AV_CODEC_ID_MOV_TEXT;
    ret->extradata = av_mallocz(sizeof(tx3g) + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!ret->extradata)
        return fault_av(e, AVERROR(ENOMEM), "subtitles");
    memcpy(ret->extradata, tx3g, sizeof(tx3g));
    ret->extradata_size = sizeof(tx3g);
    return 0;
}

static int make_packet(AVPacket *ret, const char *text, size_t bytes, struct err *e)
{
    int rc = av_new_packet(ret, (int)bytes + 2);
    if (rc < 0)
        return fault_av(e, rc, "subtitles");
    ret->data[0] = (uint8_t)(bytes >> 8);
    ret->data[1] = (uint8_t)bytes;
    memcpy(ret->data + 2, text, bytes);
    ret->flags |= AV_PKT_FLAG_KEY;
    return 0;
}

int captions_next(struct captions *c, AVPacket *ret, int *ret_more, struct err *e)
{
    *ret_more = 0;
    const struct subtitle *s = NULL;
    for (; c->next < c->marks->subtitle_count; c->next++) {
        s = &c->marks->subtitles[c->next];
        if (s->end_us > s->start_us)
            break;
    }
    if (c->next >= c->marks->subtitle_count)
        return 0;
    bool gap = s->start_us > c->at_us;
    int64_t end = gap ? s->start_us : s->end_us;
    int rc = make_packet(ret, s->text, gap ? 0 : strnlen(s->text, TEXT_MAX), e);
    if (rc)
        return rc;
    ret->pts = ret->dts = c->at_us;
    ret->duration = end - c->at_us;
    c->at_us = end;
    c->next += !gap;
    *ret_more = 1;
    return 0;
}
