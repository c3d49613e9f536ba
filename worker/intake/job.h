/* From JSON to a checked struct job: every bound of the contract (DESIGN §3).
 * Unknown fields are refused by name, with the nearest known name; fields that
 * belong to a later version with "not supported yet"; every sentence names the
 * field, its bound and what was found.
 *
 * A job's text is read twice: from the queue by job_parse(), under the
 * operator's maxima; and by a stage from DIR/job.json by job_load(), where the
 * limits have been settled (that file is job->json: the producer's fields in
 * order of name, the id, and "limits", which no producer may send). */
#ifndef MANIMD_JOB_H
#define MANIMD_JOB_H

#include <stddef.h>

#include "../base/config.h"
#include "../manimd.h"

struct err;

/* `config` gives the operator's defaults and maxima. `bytes` is checked before
 * anything is read. A job without an id gets `new_id` (NULL: a new UUID).
 * 0, or -EINVAL with the sentence (fault JOB); *ret is then {0}, but for its id
 * when the text held a good one (so that a refusal can be told to its owner). */
int job_parse(const char *json, size_t bytes, const struct config *config, const char *new_id,
              struct job *ret, struct err *e);
/* Reads job->json again. Limits are those it names, whatever the maxima here;
 * those it does not name are `config`'s defaults. */
int job_load(const char *json, size_t bytes, const struct config *config, struct job *ret,
             struct err *e);
/* The webhook that a refused text names, if it is good: its owner is told there
 * too. NULL, or the caller's to free. */
char *job_webhook_of(const char *json, size_t bytes, const struct config *config);
void job_free(struct job *job); /* takes {0} and half-built jobs */
bool job_valid_id(const char *id);
/* A new UUID as text; `ret` holds JOB_ID_MAX + 1. */
void job_new_id(char *ret);
/* SHA-1 in hex of what the producer asked for, whatever the order and spacing
 * of its text: two pushes of one id with the same digest are one job. */
void job_digest(const struct job *job, char ret_hex[41]);

#endif
