/* The nouns that every room shares: what a job is, how an attempt can end.
 *
 * Nothing here does anything but name things. Rooms never include each
 * other's headers (scripts/check-layers); they meet in these structs. */
#ifndef MANIMD_H
#define MANIMD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MANIMD_VERSION "0.1.0"
#define MANIM_VERSION "0.22.0" /* the one Manim CE that we support exactly */

/* Exit status of a stage: a program on an attempt's directory. */
enum stage_exit {
    STAGE_DONE = 0,
    STAGE_JOB_FAULT = 1, /* never retried */
    STAGE_USAGE = 2,
    STAGE_HOST_FAULT = 3, /* retried */
};

enum job_state {
    STATE_QUEUED,
    STATE_DELAYED,
    STATE_ACTIVE,
    STATE_RETRYING,
    STATE_COMPLETED,
    STATE_FAILED,
    STATE_CANCELLED,
    STATE_DEAD,
};

enum outcome {
#define OUTCOME(name, state, fault, help) OUTCOME_##name,
#include "outcome.def"
#undef OUTCOME
    OUTCOME_COUNT
};

#define JOB_ID_MAX 64
#define JOB_NONCE_CHARS 32 /* 128 bits in hex: names one attempt */
#define JOB_JSON_MAX_BYTES (256 * 1024)
#define JOB_CODE_MAX_BYTES (1024 * 1024)

/* What a job may ask us to make; a job holds a set of them as bits. */
enum output_kind {
    OUTPUT_MP4,
    OUTPUT_WEBM,
    OUTPUT_MOV,
    OUTPUT_GIF,
    OUTPUT_PNG,
    OUTPUT_POSTER,
    OUTPUT_SPRITE,
    OUTPUT_HLS,
    OUTPUT_COUNT
};
#define OUTPUT_BIT(kind) (1u << (kind))

/* What an attempt may use. Every field is set (the operator's default where
 * the job is silent) and within the operator's maximum. */
struct limits {
    int64_t wall_ms;
    int64_t cpu_ms; /* of the whole process tree */
    int64_t memory_bytes;
    int64_t disk_bytes;
    int64_t files;
    int64_t processes;
    int64_t log_bytes;
    int64_t output_bytes; /* all outputs together */
    int64_t frames;
    int64_t tex_ms; /* one run of TeX; 0: no limit of its own */
};

/* The picture asked for, after the quality and its overrides. */
struct picture {
    int width, height;
    int fps_num, fps_den; /* 60/1; also n*1000/1001 */
    bool transparent;
    char background[32]; /* a colour that Manim knows; "" = Manim's default */
    bool opengl;         /* renderer: false = cairo */
};

/* A file that the scene finds beneath its directory. */
struct asset {
    char *path; /* relative, checked */
    char *url;
    char sha256[65]; /* lower-case hex, or "" */
};

/* A job, parsed and checked. Owned by whoever called job_parse(); every
 * string is heap memory of the job's own, freed by job_free(). */
struct job {
    char id[JOB_ID_MAX + 1];
    char *code;   /* NULL when source is set */
    char *source; /* NULL when code is set */
    char *scene;  /* NULL: the only scene in the file */
    struct asset *assets;
    int asset_count;
    struct picture picture;
    uint64_t seed;
    unsigned outputs; /* set of OUTPUT_BIT */
    struct limits limits;
    int priority;        /* 0 first … 9 last */
    int64_t run_at_ms;   /* Unix time; 0: now */
    int64_t expires_ms;  /* Unix time; 0: never */
    int64_t deadline_ms; /* Unix time; 0: never */
    char *owner;         /* "" when absent */
    char *metadata;      /* JSON text echoed in the result, or NULL */
    char *webhook;       /* NULL when absent */
    bool notify;         /* push the result on wait:<id> */
    bool sections;
    char *json; /* the whole job as JSON with its id: what job.json holds */
};

/* A webhook that is due: lent by the outbox (intake/), delivered by the courier
 * (events/). Texts belong to who lends it. */
struct hook {
    char id[JOB_ID_MAX + 1];
    char message[64]; /* its own id: the same at every try */
    const char *url;
    const char *state;  /* the one that the job has reached */
    const char *result; /* JSON text */
    int64_t finished_unix_ms;
    int tries; /* this one included */
};

enum hook_end {
    HOOK_DELIVERED,
    HOOK_RETRYING,
    HOOK_GIVEN_UP,
    HOOK_DEFERRED, /* not tried: its receiver is to be spared for a while */
};

/* How a try ended. */
struct hook_verdict {
    enum hook_end end;
    long status;      /* HTTP; 0: there was no answer */
    int64_t delay_ms; /* before the next try */
    char why[300];    /* "" when delivered; never the receiver's own words */
};

const char *outcome_name(enum outcome o);
const char *outcome_help(enum outcome o);
enum job_state outcome_state(enum outcome o);
bool outcome_is_host_fault(enum outcome o);
/* -1 when `name` is no outcome. */
int outcome_from_name(const char *name);
const char *job_state_name(enum job_state s);
/* -1 when `name` is no state. */
int job_state_from_name(const char *name);
const char *output_kind_name(enum output_kind k);
/* -1 when `name` is no kind of output. */
int output_kind_from_name(const char *name);

#endif
