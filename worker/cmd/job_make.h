/* A job made from a file (or its URL) and a command line: what `submit` pushes
 * and `render` renders. */
#ifndef MANIMD_JOB_MAKE_H
#define MANIMD_JOB_MAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "../manimd.h"
#include "args.h"

struct config;
struct err;

struct job_args {
    const char *file, *scene, *quality, *format, *background, *metadata, *id, *webhook, *assets;
    int64_t width, height, seed, timeout_s, priority; /* -1: not said */
    double fps;                                       /* -1: not said */
    bool notify;
};
#define JOB_ARGS_INIT                                                                     \
    {                                                                                     \
        .width = -1, .height = -1, .fps = -1, .seed = -1, .timeout_s = -1, .priority = -1 \
    }

/* The rows of an args table for what both commands take; as an initialiser. */
#define JOB_ARGS_ROWS(a)                                                                           \
    {"quality", 'q', ARG_TEXT, &(a).quality, "1080p60", "480p15 … 2160p60, or l m h p k", 0, 0},   \
        {"format", 0, ARG_TEXT, &(a).format, "mp4", "mp4, png, or several by commas", 0, 0},       \
        {"width", 0,   ARG_NUMBER, &(a).width, "N", "pixels, even, instead of the quality's",      \
         16,      3840},                                                                           \
        {"height", 0,   ARG_NUMBER, &(a).height, "N", "pixels, even, instead of the quality's",    \
         16,       3840},                                                                          \
        {"fps", 0, ARG_DECIMAL, &(a).fps, "N", "frames per second, such as 24 or 23.976", 1, 120}, \
        {"seed", 0,         ARG_NUMBER, &(a).seed, "N", "of random numbers; 0 when not said",      \
         0,      UINT32_MAX},                                                                      \
        {"timeout", 0, ARG_NUMBER, &(a).timeout_s, "S", "seconds it may take", 1, 86400},          \
    {                                                                                              \
        "background", 0, ARG_TEXT, &(a).background, "COLOUR", "a colour that Manim knows", 0, 0    \
    }

/* Whether `file` is the URL of one, which the worker fetches. */
bool job_is_url(const char *file);

/* Reads the file, unless it is a URL. The caller frees *ret_json. The job is checked with the
 * limits of option.def's bounds, not an operator's. */
int job_make(const struct job_args *a, const struct config *config, char **ret_json, struct err *e);

#endif
