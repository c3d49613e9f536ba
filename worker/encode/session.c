/* See session.h. Headers come checked for sense (base/ring.h); here they are
 * checked against what the job asked for. Anything else is the scene's fault. */
#include <errno.h>
#include <inttypes.h>

#include "../base/err.h"
#include "../base/own.h"
#include "../base/ring.h"
#include "fault.h"
#include "session.h"
#include "settings.h"
#include "sound.h"

#define SOUND_RECORD_MAX (4 * 1024 * 1024)
#define TEXT_RECORD_MAX (64 * 1024)
#define PART_FRAMES 128 /* of a long repeat: a fraction of a second's work */

int session_open(struct session *s, const struct settings *settings, struct ring_reader *ring,
                 struct err *e)
{
    *s = (struct session){.settings = settings, .ring = ring};
    s->budget.left_bytes = settings->limits.output_bytes;
    int rc = output_list(settings, &s->budget, s->outputs, &s->output_count, e);
    for (int i = 0; !rc && i < s->output_count; i++) {
        if (s->outputs[i].ops->open)
            rc = s->outputs[i].ops->open(&s->outputs[i], e);
    }
    s->picture = own_calloc(1, settings_frame_bytes(settings));
    return rc;
}

/* Copies a payload that is no picture into the scratch buffer, with a NUL
 * behind it. */
static int read_scratch(struct session *s, const struct ring_record *r, size_t max, struct err *e)
{
    if (r->payload_bytes > max)
        return fault_invalid(e, "a record of %" PRIu64 " bytes where %zu are possible",
                             r->payload_bytes, max);
    if (s->scratch_bytes < r->payload_bytes + 1) {
        s->scratch_bytes = r->payload_bytes + 1;
        s->scratch = own_realloc(s->scratch, s->scratch_bytes);
    }
    ring_payload(s->ring, s->scratch);
    s->scratch[r->payload_bytes] = '\0';
    return 0;
}

static int check_picture(const struct session *s, const struct ring_record *r, struct err *e)
{
    const struct settings *w = s->settings;
    if (r->width != (uint32_t)w->width || r->height != (uint32_t)w->height)
        return fault_invalid(e, "a frame of %" PRIu32 "×%" PRIu32 " in a video of %d×%d", r->width,
                             r->height, w->width, w->height);
    if (r->payload_bytes != settings_frame_bytes(w))
        return fault_invalid(e, "a frame of %" PRIu64 " bytes instead of %zu", r->payload_bytes,
                             settings_frame_bytes(w));
    return 0;
}

/* The next part of the picture that is being shown. */
static int show(struct session *s, struct err *e)
{
    struct shot *shot = &s->shot;
    int rc = 0;
    shot->repeat = s->shot_left < PART_FRAMES ? s->shot_left : PART_FRAMES;
    for (int i = 0; !rc && i < s->output_count; i++) {
        struct output *o = &s->outputs[i];
        if (o->ops->frame)
            rc = o->ops->frame(o, shot, e);
    }
    shot->is_new = false;
    s->shot_left -= shot->repeat;
    s->frames += shot->repeat;
    return rc;
}

static int on_frame(struct session *s, const struct ring_record *r, struct err *e)
{
    int rc = check_picture(s, r, e);
    if (rc)
        return rc;
    if (r->repeat < 1 || r->repeat > s->settings->limits.frames - s->frames)
        return fault_invalid(e,
                             "the video has more than %" PRId64
                             " frames, the most that the worker's max_frames allows",
                             s->settings->limits.frames);
    ring_payload(s->ring, s->picture);
    s->has_picture = true;
    s->shot = (struct shot){
        .rgba = s->picture,
        .index = s->frames,
        .record_repeat = r->repeat,
        .is_new = true,
    };
    s->shot_left = r->repeat;
    s->distinct++;
    return show(s, e);
}

/* Only of use while nothing was played. */
static int on_still(struct session *s, const struct ring_record *r, struct err *e)
{
    int rc = check_picture(s, r, e);
    if (rc)
        return rc;
    ring_payload(s->ring, s->frames ? NULL : s->picture);
    s->has_picture = true;
    return 0;
}

static int on_audio(struct session *s, const struct ring_record *r, struct err *e)
{
    int rc = read_scratch(s, r, SOUND_RECORD_MAX, e);
    const struct pcm pcm = {s->scratch, r->payload_bytes, r->sample_rate, r->channels};
    if (!rc)
        rc = pcm_check(&pcm, e);
    for (int i = 0; !rc && i < s->output_count; i++) {
        if (s->outputs[i].ops->sound)
            rc = s->outputs[i].ops->sound(&s->outputs[i], &pcm, e);
    }
    return rc;
}

static int on_subtitle(struct session *s, const struct ring_record *r, struct err *e)
{
    int rc = read_scratch(s, r, TEXT_RECORD_MAX, e);
    if (rc)
        return rc;
    struct subtitle subtitle = {.start_us = r->start_us, .text = (char *)s->scratch};
    if (__builtin_add_overflow(r->start_us, r->duration_us, &subtitle.end_us))
        return fault_invalid(e, "a subtitle that is shown at no possible time");
    return marks_add_subtitle(&s->marks, &subtitle, r->payload_bytes, e);
}

static int on_section(struct session *s, const struct ring_record *r, struct err *e)
{
    int rc = read_scratch(s, r, TEXT_RECORD_MAX, e);
    if (rc)
        return rc;
    return marks_add_section(&s->marks, (const char *)s->scratch, r->payload_bytes, s->frames, e);
}

static int on_end(struct session *s, const struct ring_record *r, struct err *e)
{
    (void)r;
    (void)e;
    ring_payload(s->ring, NULL);
    return 0;
}

static int (*const handlers[RING_KIND_COUNT])(struct session *, const struct ring_record *,
                                              struct err *) = {
    [RING_FRAME] = on_frame,       [RING_STILL] = on_still,     [RING_AUDIO] = on_audio,
    [RING_SUBTITLE] = on_subtitle, [RING_SECTION] = on_section, [RING_END] = on_end,
};

int session_read(struct session *s, enum read_state *ret, struct err *e)
{
    struct ring_record r;
    struct err local = ERR_INIT;
    e = e ? e : &local;
    if (s->shot_left) {
        *ret = READ_ONE;
        return show(s, e);
    }
    bool closed = ring_is_closed(s->ring);
    int rc = ring_next(s->ring, &r, e);
    if (rc < 0)
        return e->fault == FAULT_JOB ? OUTCOME_output_invalid : rc;
    if (rc == 0) {
        *ret = READ_NOTHING;
        return closed ? fault_invalid(e, "the scene's process has ended, but its video has no end")
                      : 0;
    }
    if (r.kind >= RING_KIND_COUNT || !handlers[r.kind])
        return fault_invalid(e, "a record of the unknown kind %" PRIu32, r.kind);
    *ret = r.kind == RING_END ? READ_END : READ_ONE;
    return handlers[r.kind](s, &r, e);
}

int session_finish(struct session *s, struct err *e)
{
    marks_sort(&s->marks, s->frames);
    const struct ending ending = {
        .marks = &s->marks,
        .frames = s->frames,
        .rgba = s->has_picture ? s->picture : NULL,
    };
    int rc = 0;
    for (int i = 0; !rc && i < s->output_count; i++)
        rc = s->outputs[i].ops->finish(&s->outputs[i], &ending, e);
    return rc;
}

void session_close(struct session *s)
{
    for (int i = 0; i < s->output_count; i++) {
        if (s->outputs[i].ops->close)
            s->outputs[i].ops->close(&s->outputs[i]);
    }
    marks_done(&s->marks);
    free(s->picture);
    free(s->scratch);
    *s = (struct session){0};
}
