/* One sentence about what failed, whose fault it was, wrapped on the way up.
 *
 * Functions that can fail return 0 when good, a negative errno for what was
 * not expected (forwarded), and a positive, documented code for what the
 * caller is to handle. Their last parameter is a `struct err *`, which may be
 * NULL when the caller does not want the sentence.
 *
 * Messages: lower case, no full stop, what failed first, its subject in
 * quotes, then what to do: `open "/x/job.json": permission denied`.
 * Either log an error or return it, never both; base/ never logs. */
#ifndef MANIMD_ERR_H
#define MANIMD_ERR_H

enum fault {
    FAULT_NONE,
    FAULT_JOB,  /* the scene or the job document */
    FAULT_HOST, /* this machine or its configuration */
    FAULT_PEER, /* Redis, S3, a URL */
};

struct err {
    enum fault fault;
    char text[768];
};
#define ERR_INIT \
    {            \
        0        \
    }

/* Fills `e` and returns `rc`, so that a failure is one line:
 *     return err_set(e, -EINVAL, FAULT_JOB, "id \"%s\": …", id); */
int err_set(struct err *e, int rc, enum fault fault, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* As err_set(), with ": " and strerror(-rc) after it; rc is a negative errno. */
int err_errno(struct err *e, int rc, enum fault fault, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts words before what is there already; returns `rc`. */
int err_wrap(struct err *e, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *fault_name(enum fault fault);

#endif
