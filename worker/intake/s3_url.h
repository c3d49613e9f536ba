/* s3://BUCKET/KEY in jobs, and the prefixes beneath which an operator allows
 * them (option fetch_s3_prefixes).
 *
 * The key is taken as it stands (no percent-encoding is undone). Parts that are
 * empty, "." or ".." are refused although S3 would take them: a proxy between
 * us and the bucket may resolve them, and lead out of the prefix. */
#ifndef MANIMD_S3_URL_H
#define MANIMD_S3_URL_H

#include <stdbool.h>

struct err;

bool s3_url_is(const char *url);
/* 0, or -EPERM with a sentence to stand behind a field's name. */
int s3_url_check(const char *url, struct err *e);
/* Of one that is good: its bucket (the caller frees) and its key (within `url`). */
char *s3_url_bucket(const char *url);
const char *s3_url_key(const char *url);
/* Whether one of `prefixes` (by comma or blank; NULL: none) covers it: it is
 * the prefix, or goes on after a "/" there. */
bool s3_url_covered(const char *prefixes, const char *url);
/* A list that an operator wrote. */
int s3_prefixes_check(const char *prefixes, struct err *e);

#endif
