/* Every ceiling of a growing buffer, in one place. */
#ifndef MANIMD_LIMITS_H
#define MANIMD_LIMITS_H

#define CEILING_JOB_JSON_BYTES (512 * 1024)         /* a job with its id and escapes */
#define CEILING_RESULT_BYTES (256 * 1024)           /* a stage's result, the result */
#define CEILING_CONFIG_BYTES (256 * 1024)           /* manimd.conf, a secret's file */
#define CEILING_REDIS_OUT_BYTES (16 * 1024 * 1024)  /* commands not yet sent */
#define CEILING_SCRIPT_BYTES (32 * 1024 * 1024)     /* a script and what it is told */
#define CEILING_REPORT_LINE_BYTES (64 * 1024)       /* a line from a scene or stage */
#define CEILING_HTTP_ANSWER_BYTES (256 * 1024)      /* S3's and webhooks' words */
#define CEILING_WEBHOOK_BYTES (1024 * 1024)         /* a webhook's body, with what is signed */
#define CEILING_S3_REQUEST_BYTES (64 * 1024)        /* a path, a query, headers to be signed */
#define CEILING_S3_COMPLETE_BYTES (2 * 1024 * 1024) /* the list of 9000 parts */
#define CEILING_FETCH_URLS_BYTES (4 * 1024 * 1024)  /* presigned URLs of an attempt */
#define CEILING_LOG_TAIL_BYTES (16 * 1024)          /* what a result shows of a log */

#endif
