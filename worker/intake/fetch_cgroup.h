/* The fetcher's cgroup, where the host gives us one: memory.max, pids.max, and one
 * write that ends it (sandbox/cgroup.h). Its own, since no scene runs beside it. */
#ifndef MANIMD_FETCH_CGROUP_H
#define MANIMD_FETCH_CGROUP_H

#include "../sandbox/cgroup.h"

struct fetch_plan;

struct fetch_cgroup {
    struct cgroup_home home; /* ours, when none was handed to us */
    struct cgroup_box job, leaf;
};
#define FETCH_CGROUP_INIT                                                         \
    {                                                                             \
        .home = CGROUP_HOME_INIT, .job = CGROUP_BOX_INIT, .leaf = CGROUP_BOX_INIT \
    }

/* 0, or a negative errno; then fetch_cgroup_done() removes what there is. */
int fetch_cgroup_make(struct fetch_cgroup *c, const struct fetch_plan *plan, struct err *e);
/* Who ended the fetcher, when it was the kernel for want of memory; else NULL. */
const char *fetch_cgroup_reason(const struct fetch_cgroup *c);
/* Ends what is in it and removes it; safe on one that was never made. */
void fetch_cgroup_done(struct fetch_cgroup *c);

#endif
