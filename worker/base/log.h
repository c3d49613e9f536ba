/* The worker's own log, on stderr: text for people on a terminal, JSON lines
 * otherwise or when log_format says so. One record, field names of ECS
 * (@timestamp, log.level, message) plus job.id, attempt, stage, worker.
 * Only cmd/, supervise/ and the stages' mains log; base/ never does.
 * Values are cleaned of control characters. Secrets are never passed here. */
#ifndef MANIMD_LOG_H
#define MANIMD_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

void log_setup(enum log_level level, enum log_format format);
/* Fields that every later record of this process carries; NULL clears. */
void log_set_context(const char *job_id, const char *stage);
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As log_at() about one job, for a process that handles many. */
void log_job(enum log_level level, const char *job_id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool log_level_from_name(const char *name, enum log_level *ret);

#endif
