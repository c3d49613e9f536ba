/* From JSON to a checked struct job: every bound of the contract (DESIGN §3).
 * Unknown fields are refused by name; fields that belong to a later version
 * with "not supported yet"; every sentence names the field and its bound. */
#ifndef MANIMD_JOB_H
#define MANIMD_JOB_H

#include <stddef.h>

#include "../manimd.h"
#include "../base/config.h"

struct err;

/* `config` gives the operator's defaults and maxima. `bytes` is checked before
 * anything is read. A job without an id gets `new_id` (NULL: a new UUID).
 * 0, or -EINVAL with the sentence (fault JOB). */
int job_parse(const char *json, size_t bytes, const struct config *config,
              const char *new_id, struct job *ret, struct err *e);
void job_free(struct job *job); /* takes {0} and half-built jobs */
bool job_valid_id(const char *id);

#endif
