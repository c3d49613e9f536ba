/* The sentence of a failure. Too long a sentence is cut, never refused: the
 * first words say what failed. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int rc, enum fault fault, const char *format, ...)
{
    if (!e)
        return rc;
    e->fault = fault;
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    return rc;
}

int err_errno(struct err *e, int rc, enum fault fault, const char *format, ...)
{
    if (!e)
        return rc;
    e->fault = fault;
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    size_t used = strlen(e->text);
    snprintf(e->text + used, sizeof(e->text) - used, ": %s", strerror(-rc));
    return rc;
}

int err_wrap(struct err *e, int rc, const char *format, ...)
{
    if (!e)
        return rc;
    char inner[sizeof(e->text)];
    memcpy(inner, e->text, sizeof(inner));
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    size_t used = strlen(e->text);
    snprintf(e->text + used, sizeof(e->text) - used, ": %s", inner);
    return rc;
}

const char *fault_name(enum fault fault)
{
    static const char *const names[] = {
        [FAULT_NONE] = "none",
        [FAULT_JOB] = "job",
        [FAULT_HOST] = "host",
        [FAULT_PEER] = "peer",
    };
    return names[fault];
}
