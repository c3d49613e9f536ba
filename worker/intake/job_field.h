/* Inside intake/: how one field of a job is read. job.c walks the table,
 * job_field.c has the parsers, job_url.c those of source and assets, job_colour.c
 * the colours. */
#ifndef MANIMD_JOB_FIELD_H
#define MANIMD_JOB_FIELD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/config.h"
#include "../manimd.h"

struct err;

struct parse {
    const struct config *config;
    struct job *job;
    bool trusted; /* our own job.json: no maxima, "limits" is read */
    struct err *e;
};

struct field {
    const char *name;
    /* NULL: the contract has it, this version does not. */
    int (*parse)(struct parse *p, const struct field *f, const cJSON *value);
    int64_t low, high;  /* of a number; bytes of a string */
    size_t into;        /* offset in struct job */
    size_t usual, most; /* offsets in struct config: default and maximum */
    int64_t unit;       /* one of the field in units of struct job */
};

/* In the order in which they are read: quality before what overrides it. */
extern const struct field job_fields[];
extern const size_t job_fields_count;

/* Limits that the job leaves to the operator. */
void job_default_limits(const struct config *config, struct limits *ret);
bool job_colour_known(const char *name);
/* For parsers elsewhere. */
int job_want_string(struct parse *p, const struct field *f, const cJSON *v, const char **ret);
int job_refuse_type(struct parse *p, const struct field *f, const cJSON *v, const char *wanted);
/* job_url.c */
int job_parse_source(struct parse *p, const struct field *f, const cJSON *v);
int job_parse_assets(struct parse *p, const struct field *f, const cJSON *v);
/* Text that may be shown in a sentence: at most 48 characters, nothing that a
 * terminal would obey. `ret` holds 64 bytes. */
const char *job_shown(const char *text, char ret[64]);

#endif
