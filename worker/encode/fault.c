/* See fault.h. */
#include <errno.h>
#include <libavutil/error.h>
#include <stdarg.h>

#include "../base/err.h"
#include "fault.h"

static int over_size(struct err *e, const char *what)
{
    return err_set(e, OUTCOME_disk_limit, FAULT_JOB,
                   "%s: the outputs are larger than the job may make them", what);
}

int fault_av(struct err *e, int averror, const char *what)
{
    char why[AV_ERROR_MAX_STRING_SIZE] = "";
    if (averror == AVERROR(EFBIG))
        return over_size(e, what);
    (void)av_strerror(averror, why, sizeof(why)); /* says something always */
    return err_set(e, averror < 0 ? averror : -EIO, FAULT_HOST, "%s: %s", what, why);
}

int fault_errno(struct err *e, const char *what, const char *subject)
{
    int rc = errno ? -errno : -EIO;
    if (rc == -EFBIG)
        return over_size(e, what);
    return err_errno(e, rc, FAULT_HOST, "%s \"%s\"", what, subject);
}

int fault_invalid(struct err *e, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut off is fine */
    va_end(args);
    return err_set(e, OUTCOME_output_invalid, FAULT_JOB, "%s", text);
}

enum outcome fault_outcome(int rc)
{
    return rc < 0 || rc >= OUTCOME_COUNT ? OUTCOME_host_error : (enum outcome)rc;
}

int fault_exit(int rc)
{
    enum outcome o = fault_outcome(rc);
    if (o == OUTCOME_completed)
        return STAGE_DONE;
    return outcome_is_host_fault(o) ? STAGE_HOST_FAULT : STAGE_JOB_FAULT;
}
