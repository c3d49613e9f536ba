/* scene.mp4: H.264, AAC when the scene has sound, subtitles and chapters when
 * it has those. Packets wait in spools until the end of the scene, when it is
 * known what there is; see mux.h. */
#include <errno.h>

#include "../base/err.h"
#include "../base/own.h"
#include "fault.h"
#include "mux.h"
#include "output.h"
#include "settings.h"
#include "sound.h"
#include "spool.h"
#include "video.h"

struct mp4 {
    struct spool video_spool, sound_spool;
    struct video *video; /* NULL before the first frame */
    struct sound *sound; /* NULL before the first sound */
};

static int mp4_open(struct output *o, struct err *e)
{
    const struct settings *s = o->settings;
    if (s->width % 2 || s->height % 2)
        return err_set(e, OUTCOME_output_invalid, FAULT_JOB,
                       "an mp4 needs an even width and height, not %d×%d", s->width, s->height);
    o->state = own_calloc(1, sizeof(struct mp4));
    return 0;
}

static int mp4_frame(struct output *o, const struct shot *shot, struct err *e)
{
    struct mp4 *m = o->state;
    int rc = 0;
    if (!m->video) {
        rc = spool_open(&m->video_spool, ".video.spool", o->budget, e);
        if (!rc)
            rc = video_new(o->settings, &m->video_spool, &m->video, e);
    }
    if (!rc)
        rc = video_frame(m->video, shot->is_new ? shot->rgba : NULL, shot->repeat, e);
    o->frames += shot->repeat;
    return rc;
}

static int mp4_sound(struct output *o, const struct pcm *pcm, struct err *e)
{
    struct mp4 *m = o->state;
    int rc = 0;
    if (!m->sound) {
        rc = spool_open(&m->sound_spool, ".sound.spool", o->budget, e);
        if (!rc)
            rc = sound_new(pcm, &m->sound_spool, &m->sound, e);
    }
    return rc ? rc : sound_add(m->sound, pcm, e);
}

static int flush(struct mp4 *m, struct err *e)
{
    int rc = video_flush(m->video, e);
    if (!rc)
        rc = spool_rewind(&m->video_spool, e);
    if (!rc && m->sound)
        rc = sound_flush(m->sound, e);
    if (!rc && m->sound)
        rc = spool_rewind(&m->sound_spool, e);
    return rc;
}

static int mp4_finish(struct output *o, const struct ending *ending, struct err *e)
{
    struct mp4 *m = o->state;
    if (!m->video)
        return err_set(e, OUTCOME_output_missing, FAULT_JOB,
                       "the scene plays nothing: a video needs at least one animation or wait");
    int rc = flush(m, e);
    if (rc)
        return rc;
    const struct mux_input input = {
        .settings = o->settings,
        .video = m->video,
        .video_spool = &m->video_spool,
        .sound = m->sound,
        .sound_spool = &m->sound_spool,
        .marks = ending->marks,
        .frames = ending->frames,
    };
    rc = mux_mp4(&input, "scene.mp4.part", e);
    return rc ? rc : output_publish(o, e);
}

static void mp4_close(struct output *o)
{
    struct mp4 *m = o->state;
    if (!m)
        return;
    video_free(m->video);
    sound_free(m->sound);
    spool_done(&m->video_spool);
    spool_done(&m->sound_spool);
    free(m);
    o->state = NULL;
}

const struct output_ops mp4_output = {
    .name = "scene.mp4",
    .kind = OUTPUT_MP4,
    .is_video = true,
    .encoder = "libx264",
    .open = mp4_open,
    .frame = mp4_frame,
    .sound = mp4_sound,
    .finish = mp4_finish,
    .close = mp4_close,
};
