/* See seal.h. */
#include <errno.h>
#include <fcntl.h>

#include "../base/err.h"
#include "../base/own.h"
#include "../sandbox/cgroup.h"
#include "fault.h"
#include "seal.h"
#include "settings.h"
#include "spec.h"

static int plan(struct box_plan *p, const struct settings *s, int dir_fd, struct err *e)
{
    int rc = box_plan_init(p, BOX_ENCODER, s->level, e);
    if (rc)
        return rc;
    p->uid = s->uid;
    p->gid = s->gid;
    p->limits = s->limits;
    p->namespaces = s->namespaces;
    p->dir_fd = dir_fd;
    p->parent_death = true;
    p->parent_pid = getppid();
    for (int fd = ENCODE_FD_MEMORY; fd <= ENCODE_FD_REPORT; fd++)
        box_plan_keep(p, fd);
    return box_plan_allow_fd(p, dir_fd, BOX_READ | BOX_WRITE);
}

/* The keeper made it; what it must hold is known here (settings.c). */
static int limit_cgroup(struct box_plan *p, const struct settings *s, struct err *e)
{
    if (!s->cgroup || !*s->cgroup)
        return 0;
    p->cgroup_fd = open(s->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->cgroup_fd < 0)
        return fault_errno(e, "open the cgroup", s->cgroup);
    int64_t extra_bytes = cgroup_file_bytes(p->dir_fd, &s->limits);
    int rc = cgroup_box_limit(p->cgroup_fd, &s->limits, extra_bytes);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "limit the cgroup \"%s\"", s->cgroup) : 0;
}

int encode_seal(const struct settings *s, struct err *e)
{
    struct box_plan p;
    own_fd int dir_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return fault_errno(e, "open", ".");
    int rc = plan(&p, s, dir_fd, e);
    if (!rc)
        rc = limit_cgroup(&p, s, e);
    if (!rc)
        rc = box_seal(&p, e);
    box_plan_done(&p); /* closes what the seal has closed already: harmless */
    steal_fd(&dir_fd); /* and this one too */
    return rc ? err_wrap(e, OUTCOME_sandbox_setup, "encoder") : 0;
}
