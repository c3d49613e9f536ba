/* What stands between a job's s3: URLs and the fetch stage: here, where the keys
 * are, each is made into a presigned GET that is good for this attempt only. So
 * the stage needs no key, and Redis never holds such a URL. */
#ifndef MANIMD_FETCH_URLS_H
#define MANIMD_FETCH_URLS_H

#include "../manimd.h"

struct config;
struct err;

/* JSON for DIR/urls.json, {"source": URL|null, "assets": [URL|null, …]}; NULL
 * when the job names no s3: URL. -EINVAL: the keys for them are not set. */
int fetch_urls_make(const struct job *job, const struct config *c, char **ret, struct err *e);
/* A list of prefixes without keys, or a wrong one, stops the start. */
int fetch_urls_check(const struct config *c, struct err *e);

#endif
