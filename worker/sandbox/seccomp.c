/* Layer: seccomp. Which system calls a box may make at all.
 *
 * An allow-list: what is named here as allowed is, what is named as refused
 * gets the errno beside it, everything else (also what no kernel has yet)
 * ENOSYS, so that libraries take their older way. A foreign architecture or
 * x32 kills. Calls were found by tracing renders (sandbox.md §6).
 *
 * The programs are compiled when this one is (compile.h): to seal is one system
 * call, and no box waits for libseccomp. */
#include "layers.h"

#include "../base/err.h"
#include "filter.h"

#include "box_filters.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct sock_filter) == sizeof(uint64_t), "a plan names instructions");

struct box_filter box_filter_for(enum box_profile profile, enum box_level level)
{
    return level < BOX_BASIC ? (struct box_filter){0} : box_filters[profile][level == BOX_BASIC];
}

/* The tripwires become what this box does about them. */
static void settle_tripwires(const struct box_filter *f, bool listened, struct sock_filter *ret)
{
    memcpy(ret, f->program, f->length * sizeof ret[0]);
    for (unsigned i = 0; i < f->length; i++) {
        struct sock_filter *at = &ret[i];
        bool trips = at->code == (BPF_RET | BPF_K) &&
                     (at->k & SECCOMP_RET_ACTION_FULL) == FILTER_TRIPS_ACTION;
        if (trips)
            at->k =
                listened ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ERRNO | (at->k & SECCOMP_RET_DATA);
    }
}

/* The listener, or a negative errno. */
static int enter(const struct box_filter *f, bool listened)
{
    struct sock_filter settled[BOX_FILTER_MAX];
    const struct sock_fprog program = {.len = (unsigned short)f->length, .filter = settled};
    settle_tripwires(f, listened, settled);
    long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                      listened ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0, &program);
    return rc < 0 ? -errno : (int)rc;
}

int layer_seccomp(const struct box_plan *p, struct err *e)
{
    if (p->filter.length == 0)
        return err_set(e, -EINVAL, FAULT_HOST, "seal: the plan has no seccomp filter");
    if (p->tripwires) {
        /* A kernel before 5.0 has no listeners, and a container's own may be the
         * one that there can be: that is no reason to refuse a job. */
        int listener = enter(&p->filter, true);
        if (listener >= 0)
            return tripwires_send(listener, 0, e);
        int rc = tripwires_send(-1, listener, e);
        if (rc < 0)
            return rc;
    }
    int rc = enter(&p->filter, false);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "enter seccomp") : 0;
}
