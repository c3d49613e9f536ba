/* See seal.h. */
#include <errno.h>
#include <fcntl.h>

#include "../base/err.h"
#include "../base/own.h"
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

int encode_seal(const struct settings *s, struct err *e)
{
    struct box_plan p;
    own_fd int dir_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return fault_errno(e, "open", ".");
    int rc = plan(&p, s, dir_fd, e);
    if (!rc)
        rc = box_seal(&p, e);
    box_plan_done(&p); /* closes what the seal has closed already: harmless */
    steal_fd(&dir_fd); /* and this one too */
    return rc ? err_wrap(e, OUTCOME_sandbox_setup, "encoder") : 0;
}
