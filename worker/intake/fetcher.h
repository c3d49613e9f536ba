/* Inside the fetch stage: what is to be got, and the words between the stage
 * and the fetcher.
 *
 *   fetch.c        the stage: starts the fetcher, waits, checks what it left
 *   fetch_cgroup.c the fetcher's cgroup, where there is one
 *   fetcher.c      the fetcher: seals itself, gets, says how it went
 *   fetch_judge.c  what an answer means */
#ifndef MANIMD_FETCHER_H
#define MANIMD_FETCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/err.h"
#include "../sandbox/box.h"
#include "fetch.h"

#define FETCH_SOURCE_NAME "source"

struct fetch_item {
    char what[80]; /* for sentences: `source`, `asset "cat.png"` */
    char name[16]; /* beneath DIR/fetched */
    const char *url;
    bool ours; /* a URL of our own making */
    bool source;
    const char *sha256; /* "" when the job names none */
    int64_t most_bytes;
};

struct fetch_plan {
    const struct fetch_spec *spec;
    struct fetch_item *items;
    int count;
    int64_t deadline_ms; /* clock_now_ms() */
    int dir_fd;          /* DIR/fetched */
    bool has_ca_file, has_s3_ca_file;
    enum box_level level; /* of the fetcher's box */
    bool namespaces;
    int cgroup_fd; /* a leaf for it; 0: none */
};

/* Copies of the operator's files, beside DIR/fetched: readable for a uid that
 * may not walk to the originals. */
#define FETCH_CA_FILE "ca.pem"
#define FETCH_S3_CA_FILE "s3_ca.pem"

/* The fetcher's one line, JSON: {"outcome": "completed"|"source_rejected"|
 * "fetch_failed"|"sandbox_setup", "message", "requests"}. */
#define FETCH_WORDS_MAX_BYTES (16 * 1024)

/* ---- fetch_limits.c ---- */
struct limits fetcher_limits(const struct fetch_plan *plan);

/* In a fork of the stage; `words_fd` takes the line. Does not return. */
_Noreturn void fetcher_run(const struct fetch_plan *plan, int words_fd);

/* ---- fetch_judge.c ---- */

enum fetch_verdict {
    FETCH_GOT,
    FETCH_AGAIN,    /* time may cure it */
    FETCH_REJECTED, /* the job's fault */
    FETCH_FAILED,   /* ours */
};

struct fetch_answer {
    int rc; /* http_do()'s, and its sentence */
    const struct err *why;
    long status;
    bool too_large;
    bool encoded;        /* it came compressed although nobody asked */
    bool ours;           /* the URL was of our own making */
    const char *s3_code; /* of an answer to one of ours: its <Code>, or "" */
    int64_t most_bytes;  /* for the sentence of too_large */
};

/* `ret` gets the sentence, without the item's name; not for FETCH_GOT. */
enum fetch_verdict fetch_judge(const struct fetch_answer *a, struct err *ret);

#endif
