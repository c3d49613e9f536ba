#include "fetch_cgroup.h"

#include <stdio.h>
#include <unistd.h>

#include "../base/limits.h"
#include "fetcher.h"

/* By uid, so that the slot's next fetch finds what this one may leave. */
static void name_of(const struct fetch_plan *plan, char ret[32])
{
    uid_t uid = plan->spec->uid;
    snprintf(ret, 32, "%u", uid ? (unsigned)uid : (unsigned)getpid());
}

int fetch_cgroup_make(struct fetch_cgroup *c, const struct fetch_plan *plan, struct err *e)
{
    char name[32];
    const struct limits limits = fetcher_limits(plan);
    const struct limits files = {.disk_bytes = plan->spec->assets_bytes + JOB_CODE_MAX_BYTES};
    const char *home = plan->spec->cgroup;
    int rc = home ? 0 : cgroup_begin(&c->home, e);
    name_of(plan, name);
    if (rc == 0)
        rc = cgroup_job_make(home ? home : c->home.path, name, 0, &c->job, e);
    if (rc == 0)
        rc = cgroup_box_make(&c->job, "fetch", &limits, cgroup_file_bytes(plan->dir_fd, &files),
                             &c->leaf, e);
    return rc;
}

const char *fetch_cgroup_reason(const struct fetch_cgroup *c)
{
    struct cgroup_seen seen = {0};
    if (c->leaf.dir_fd >= 0)
        cgroup_look(c->leaf.dir_fd, &seen);
    if (seen.oom_kills == 0)
        return NULL;
    return seen.over_own_limit ? "it used more memory than it needs for any file"
                               : "the machine had no memory left: give the worker more memory, or "
                                 "fewer slots";
}

void fetch_cgroup_done(struct fetch_cgroup *c)
{
    (void)cgroup_box_done(&c->leaf); /* what stays, the slot's next fetch empties */
    (void)cgroup_box_done(&c->job);
    cgroup_end(&c->home);
}
