/* What an answer means: see fetch.h for whose fault is what. Pure. */
#include "fetcher.h"

#include <errno.h>
#include <string.h>

/* What http_do() may return; the first row that fits. */
static const struct failure {
    int rc;
    enum fault fault; /* FAULT_NONE: any */
    enum fetch_verdict verdict;
    const char *words; /* NULL: http's own */
} failures[] = {
    {-EPERM, FAULT_NONE, FETCH_REJECTED, NULL},
    {-EINVAL, FAULT_NONE, FETCH_REJECTED, NULL},
    /* A CA file that cannot be read is the operator's. */
    {-EKEYREJECTED, FAULT_HOST, FETCH_FAILED, NULL},
    {-EKEYREJECTED, FAULT_NONE, FETCH_REJECTED, NULL},
    {-EHOSTUNREACH, FAULT_NONE, FETCH_AGAIN, NULL},
    {-ECONNREFUSED, FAULT_NONE, FETCH_AGAIN, NULL},
    {-ECONNRESET, FAULT_NONE, FETCH_AGAIN, NULL},
    {-ETIMEDOUT, FAULT_NONE, FETCH_AGAIN, NULL},
    {-EPROTO, FAULT_NONE, FETCH_AGAIN, "its server speaks TLS or HTTP wrongly"},
};

/* libcurl's words for all else may quote what the server sent. */
static const struct failure other = {0, FAULT_NONE, FETCH_AGAIN,
                                     "its server's answer could not be read"};

static enum fetch_verdict judge_failure(const struct fetch_answer *a, struct err *ret)
{
    const struct failure *f = &other;
    for (size_t i = 0; i < sizeof failures / sizeof *failures && f == &other; i++) {
        bool fault = !failures[i].fault || failures[i].fault == a->why->fault;
        if (failures[i].rc == a->rc && fault)
            f = &failures[i];
    }
    if (f->words)
        err_set(ret, 0, FAULT_PEER, "%s", f->words);
    else
        err_set(ret, 0, FAULT_PEER, "%s", a->why->text);
    /* Where a URL of ours leads to, the operator has said. */
    return a->ours && f->verdict == FETCH_REJECTED ? FETCH_FAILED : f->verdict;
}

/* Statuses that time may cure. */
static bool is_passing(long status)
{
    return status == 408 || status == 425 || status == 429 || (status >= 500 && status <= 599);
}

static enum fetch_verdict judge_s3(const struct fetch_answer *a, struct err *ret)
{
    if (a->status == 404 || (a->status == 403 && strcmp(a->s3_code, "AccessDenied") == 0)) {
        err_set(ret, 0, FAULT_JOB, "is not there, or the worker's key may not read it (status %ld)",
                a->status);
        return FETCH_REJECTED;
    }
    err_set(ret, 0, FAULT_HOST,
            "S3 answered %ld: check the fetch_s3_… options, and this machine's clock", a->status);
    return FETCH_FAILED;
}

static enum fetch_verdict judge_status(const struct fetch_answer *a, struct err *ret)
{
    if (a->status >= 300 && a->status <= 399)
        err_set(ret, 0, FAULT_JOB,
                "its server answered %ld, a redirect, which is not followed: give the URL that it "
                "leads to",
                a->status);
    else
        err_set(ret, 0, FAULT_JOB, "its server answered %ld", a->status);
    return FETCH_REJECTED;
}

enum fetch_verdict fetch_judge(const struct fetch_answer *a, struct err *ret)
{
    if (a->rc != 0)
        return judge_failure(a, ret);
    if (is_passing(a->status)) {
        err_set(ret, 0, FAULT_PEER, "its server answered %ld", a->status);
        return FETCH_AGAIN;
    }
    if (a->status != 200)
        return a->ours ? judge_s3(a, ret) : judge_status(a, ret);
    if (a->too_large)
        err_set(ret, 0, FAULT_JOB, "has more than the %lld bytes that are allowed",
                (long long)a->most_bytes);
    else if (a->encoded)
        err_set(ret, 0, FAULT_JOB, "comes compressed (Content-Encoding), which nobody asked for");
    return a->too_large || a->encoded ? FETCH_REJECTED : FETCH_GOT;
}
