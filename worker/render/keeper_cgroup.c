/* The scene's cgroup, where the host gives us one: exact bounds, and what was
 * used without having to look at the right moment. */
#include "keeper.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEAF_NAME_BYTES 32

static bool wanted(const struct keeper *k)
{
    return k->level > BOX_NONE && k->layers[LAYER_CGROUP].state == LAYER_ACTIVE;
}

/* The worker has a place for all of its slots; by hand we make one ourselves. */
static int find_home(struct keeper *k, const char **ret, struct err *e)
{
    *ret = k->spec->cgroup;
    if (*ret)
        return 0;
    int rc = cgroup_begin(&k->cgroup_home, e);
    *ret = k->cgroup_home.path;
    return rc;
}

int keeper_make_cgroup(struct keeper *k, struct err *e)
{
    char name[LEAF_NAME_BYTES];
    const char *home;
    struct stat ring;
    if (!wanted(k))
        return 0;
    /* By uid, so that the slot's next keeper finds what this one may leave. */
    snprintf(name, sizeof name, "box-%u",
             k->spec->scene_uid ? (unsigned)k->spec->scene_uid : (unsigned)getpid());
    int rc = find_home(k, &home, e);
    if (rc == 0 && fstat(k->ring.memory, &ring) < 0)
        rc = err_errno(e, -errno, FAULT_HOST, "look at the ring");
    if (rc == 0) {
        k->ring_bytes = ring.st_size;
        rc = cgroup_box_make(home, name, &k->job->limits, k->ring_bytes, &k->cgroup, e);
    }
    if (rc < 0)
        verdict_say(&k->verdict, OUTCOME_sandbox_setup, "%s", e->text);
    return rc;
}

/* The ring's pages are charged to whoever touches them first: the scene. */
void keeper_look_at_cgroup(struct keeper *k)
{
    struct cgroup_seen seen;
    if (k->cgroup.dir_fd < 0)
        return;
    cgroup_look(k->cgroup.dir_fd, &seen);
    if (seen.oom_kills > 0)
        verdict_say(&k->verdict, OUTCOME_memory_limit,
                    "the scene's processes used more than memory_mb allows: the kernel ended them");
    if (seen.cpu_ms > k->cpu_ms)
        k->cpu_ms = seen.cpu_ms;
    if (seen.peak_bytes > k->ring_bytes)
        k->charged_bytes = seen.peak_bytes - k->ring_bytes;
}

void keeper_end_cgroup(struct keeper *k)
{
    (void)cgroup_box_done(&k->cgroup); /* what stays, the slot's next keeper empties */
    cgroup_end(&k->cgroup_home);
}
