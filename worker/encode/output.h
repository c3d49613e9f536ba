/* An output: one kind of file that a job asked for. All of a job's outputs are
 * fed from one reading of the ring; each is a row of the table in output.c.
 *
 *   open     before the seal: create nothing yet, but find and allocate what
 *            opens files or would not be allowed later; may be NULL
 *   frame    each picture, in order, with how often it is shown; may be NULL
 *   sound    PCM, anywhere between the frames; may be NULL
 *   finish   after the last: the whole file, under its final name
 *   close    always, at the end, whatever happened before
 *
 * An output that cannot go on fails the job. A new kind (webm, gif, hls) is a
 * file beside mp4.c and a row. */
#ifndef MANIMD_ENCODE_OUTPUT_H
#define MANIMD_ENCODE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "../manimd.h"

struct budget;
struct err;
struct marks;
struct pcm;
struct settings;

/* Long repeats come in parts, so that progress can be told in between. */
struct shot {
    const uint8_t *rgba;    /* private memory, valid during the call */
    int64_t index;          /* of its first frame in the video */
    uint32_t repeat;        /* of this part */
    uint32_t record_repeat; /* of all its parts */
    bool is_new;            /* the first part: the picture is not the last call's */
};

/* What finish() may use and what it has to say. */
struct ending {
    const struct marks *marks;
    int64_t frames;      /* of the video */
    const uint8_t *rgba; /* the last frame, or the still of a scene that played
                            nothing; NULL when there is neither */
};

struct output_ops;

struct output {
    const struct output_ops *ops;
    const struct settings *settings;
    struct budget *budget;
    void *state; /* the kind's own */
    int64_t frames;
    bool made; /* the file is there */
};

struct output_ops {
    const char *name;      /* of the file */
    bool is_log;           /* not told as an output of the job */
    bool is_video;         /* has frames a second and a duration */
    enum output_kind kind; /* undefined for a log */
    const char *encoder;   /* what a result names; NULL for a log */
    int (*open)(struct output *o, struct err *e);
    int (*frame)(struct output *o, const struct shot *shot, struct err *e);
    int (*sound)(struct output *o, const struct pcm *pcm, struct err *e);
    int (*finish)(struct output *o, const struct ending *ending, struct err *e);
    void (*close)(struct output *o);
};

extern const struct output_ops mp4_output, png_output, frame_log_output;

#define OUTPUTS_MAX (OUTPUT_COUNT + 1)

/* The outputs of a job; 0, or -EINVAL for a kind that has no row yet. */
int output_list(const struct settings *s, struct budget *budget, struct output ret[OUTPUTS_MAX],
                int *ret_count, struct err *e);
/* Renames NAME.part to NAME. */
int output_publish(struct output *o, struct err *e);

#endif
