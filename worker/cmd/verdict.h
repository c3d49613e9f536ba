/* A result, told to a person: the outputs, or the error as a compiler tells it
 * (FILE:LINE:COLUMN: error: MESSAGE, then the lines). */
#ifndef MANIMD_VERDICT_H
#define MANIMD_VERDICT_H

#include <cjson/cJSON.h>

struct config;

/* Outputs to stdout, errors to stderr. `file` names the script (NULL: the
 * job's id does). */
void verdict_print(const cJSON *result, const char *file);
/* EXIT_DONE, EXIT_JOB or EXIT_HOST, by the state. */
int verdict_exit(const cJSON *result);
/* Puts presigned URLs into the outputs, as far as this machine has the keys. */
void verdict_presign(cJSON *result, const struct config *config);

#endif
