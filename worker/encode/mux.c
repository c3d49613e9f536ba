/* See mux.h. Each track hands out its next packet; the earliest is written.
 * Players read a file from its front: sound must lie beside its pictures. */
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>

#include "../base/err.h"
#include "../base/own.h"
#include "captions.h"
#include "fault.h"
#include "marks.h"
#include "mux.h"
#include "settings.h"
#include "sound.h"
#include "spool.h"
#include "video.h"

#define TRACKS_MAX 3

struct track {
    AVStream *stream;
    AVRational time_base; /* of the packets that come in */
    AVPacket *packet;     /* the next one, in the stream's time base */
    bool at_end;
    struct spool *spool;       /* or */
    struct captions *captions; /* … these */
};

struct mux {
    AVFormatContext *format;
    struct track tracks[TRACKS_MAX];
    int count;
};

static int track_next(struct track *t, struct err *e)
{
    int more = 0;
    av_packet_unref(t->packet);
    int rc = t->captions ? captions_next(t->captions, t->packet, &more, e)
                         : spool_read(t->spool, t->packet, &more, e);
    if (rc)
        return rc;
    t->at_end = !more;
    t->packet->stream_index = t->stream->index;
    if (more)
        av_packet_rescale_ts(t->packet, t->time_base, t->stream->time_base);
    return 0;
}

static struct track *add_track(struct mux *m, AVRational time_base)
{
    struct track *t = &m->tracks[m->count++];
    t->stream = avformat_new_stream(m->format, NULL);
    t->packet = av_packet_alloc();
    if (!t->stream || !t->packet)
        abort();
    t->time_base = t->stream->time_base = time_base;
    return t;
}

static int add_video(struct mux *m, const struct mux_input *in, struct err *e)
{
    const struct settings *s = in->settings;
    struct track *t = add_track(m, (AVRational){s->fps_den, s->fps_num});
    t->spool = in->video_spool;
    t->stream->avg_frame_rate = (AVRational){s->fps_num, s->fps_den};
    t->stream->sample_aspect_ratio = (AVRational){1, 1};
    return video_describe(in->video, t->stream->codecpar, e);
}

static int add_sound(struct mux *m, const struct mux_input *in, struct err *e)
{
    if (!in->sound)
        return 0;
    struct track *t = add_track(m, (AVRational){1, sound_rate(in->sound)});
    t->spool = in->sound_spool;
    return sound_describe(in->sound, t->stream->codecpar, e);
}

static int add_captions(struct mux *m, const struct mux_input *in, struct captions *c,
                        struct err *e)
{
    if (!in->marks->subtitle_count)
        return 0;
    struct track *t = add_track(m, (AVRational){1, 1000000});
    t->captions = c;
    captions_init(c, in->marks);
    return captions_describe(t->stream->codecpar, e);
}

static AVChapter *chapter(const struct mux_input *in, int i)
{
    const struct marks *marks = in->marks;
    bool last = i + 1 == marks->section_count;
    AVChapter *c = av_mallocz(sizeof(*c));
    if (!c)
        abort();
    c->id = i;
    c->time_base = (AVRational){in->settings->fps_den, in->settings->fps_num};
    c->start = marks->sections[i].first_frame;
    c->end = last ? in->frames : marks->sections[i + 1].first_frame;
    /* Out of memory leaves a chapter without its name: not worth a job. */
    (void)av_dict_set(&c->metadata, "title", marks->sections[i].name, 0);
    return c;
}

/* A single section is the whole video: no chapters then. */
static void add_chapters(struct mux *m, const struct mux_input *in)
{
    int count = in->marks->section_count;
    if (count < 2)
        return;
    m->format->chapters = av_calloc((size_t)count, sizeof(*m->format->chapters));
    if (!m->format->chapters)
        abort();
    for (int i = 0; i < count; i++)
        m->format->chapters[i] = chapter(in, i);
    m->format->nb_chapters = (unsigned)count;
}

static int write_header(struct mux *m, const struct mux_input *in, struct err *e)
{
    int rc = avio_open(&m->format->pb, m->format->url, AVIO_FLAG_WRITE);
    if (rc < 0)
        return fault_av(e, rc, "create the mp4");
    if (in->settings->title[0])
        (void)av_dict_set(&m->format->metadata, "title", in->settings->title, 0);
    AVDictionary *options = NULL;
    rc = av_dict_set(&options, "movflags", "+faststart", 0);
    if (rc >= 0)
        rc = avformat_write_header(m->format, &options);
    av_dict_free(&options);
    return rc < 0 ? fault_av(e, rc, "write the mp4's header") : 0;
}

static struct track *earliest(struct mux *m)
{
    struct track *best = NULL;
    for (int i = 0; i < m->count; i++) {
        struct track *t = &m->tracks[i];
        if (!t->at_end && (!best || av_compare_ts(t->packet->dts, t->stream->time_base,
                                                  best->packet->dts, best->stream->time_base) < 0))
            best = t;
    }
    return best;
}

static int write_packets(struct mux *m, struct err *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < m->count; i++)
        rc = track_next(&m->tracks[i], e);
    struct track *t;
    while (!rc && (t = earliest(m))) {
        rc = av_write_frame(m->format, t->packet);
        rc = rc < 0 ? fault_av(e, rc, "write the mp4") : track_next(t, e);
    }
    return rc;
}

/* The trailer moves the index to the front by reading the file again; an error
 * in between stays in pb->error and is asked for at the close. */
static int write_trailer(struct mux *m, struct err *e)
{
    int rc = av_write_trailer(m->format);
    if (rc >= 0)
        rc = m->format->pb->error;
    int closed = avio_closep(&m->format->pb);
    if (rc >= 0)
        rc = closed;
    return rc < 0 ? fault_av(e, rc, "finish the mp4") : 0;
}

static int add_tracks(struct mux *m, const struct mux_input *in, struct captions *c, struct err *e)
{
    int rc = add_video(m, in, e);
    if (!rc)
        rc = add_sound(m, in, e);
    if (!rc)
        rc = add_captions(m, in, c, e);
    if (!rc)
        add_chapters(m, in);
    return rc;
}

static void mux_done(struct mux *m)
{
    for (int i = 0; i < m->count; i++)
        av_packet_free(&m->tracks[i].packet);
    if (m->format && m->format->pb)
        (void)avio_closep(&m->format->pb); /* the job has failed already */
    avformat_free_context(m->format);
}

int mux_mp4(const struct mux_input *in, const char *path, struct err *e)
{
    struct mux m = {0};
    struct captions captions;
    int rc = avformat_alloc_output_context2(&m.format, NULL, "mp4", path);
    if (rc < 0)
        return fault_av(e, rc, "mp4");
    rc = add_tracks(&m, in, &captions, e);
    if (!rc)
        rc = write_header(&m, in, e);
    if (!rc)
        rc = write_packets(&m, e);
    if (!rc)
        rc = write_trailer(&m, e);
    mux_done(&m);
    return rc;
}
