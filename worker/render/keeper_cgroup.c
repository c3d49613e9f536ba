/* The job's cgroup, where the host gives us one: exact bounds, what was used
 * without having to look at the right moment, and who struck when the kernel did. */
#include "keeper.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES 32

static bool has_cgroup(const struct keeper *k)
{
    return k->level > BOX_NONE && k->layers[LAYER_CGROUP].state == LAYER_ACTIVE;
}

/* Not silently: the result says 0 then, and why of layer "cpu". */
int keeper_cpu_percent(const struct keeper *k)
{
    return has_cgroup(k) && k->layers[LAYER_CPU].state == LAYER_ACTIVE ? k->spec->cpu_percent : 0;
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

/* What the scene is charged with and is not its own memory: the ring, whose pages
 * it touches first, and its files where these are memory. */
static int count_extra(struct keeper *k, int64_t *ret, struct err *e)
{
    struct stat ring;
    if (fstat(k->ring.memory, &ring) < 0)
        return err_errno(e, -errno, FAULT_HOST, "look at the ring");
    k->ring_bytes = ring.st_size;
    *ret = k->ring_bytes + cgroup_file_bytes(k->scene_dir_fd, &k->job->limits);
    return 0;
}

static int make_all(struct keeper *k, const char *home, struct err *e)
{
    char name[NAME_BYTES];
    int64_t extra_bytes = 0;
    /* By uid, so that the slot's next keeper finds what this one may leave. */
    snprintf(name, sizeof name, "%u",
             k->spec->scene_uid ? (unsigned)k->spec->scene_uid : (unsigned)getpid());
    int rc = count_extra(k, &extra_bytes, e);
    if (rc == 0)
        rc = cgroup_job_make(home, name, keeper_cpu_percent(k), &k->job_cgroup, e);
    if (rc == 0)
        rc = cgroup_box_make(&k->job_cgroup, "scene", &k->job->limits, extra_bytes, &k->cgroup, e);
    if (rc == 0)
        rc = cgroup_box_make(&k->job_cgroup, "encoder", NULL, 0, &k->encoder_cgroup, e);
    return rc;
}

int keeper_make_cgroups(struct keeper *k, struct err *e)
{
    const char *home;
    if (!has_cgroup(k))
        return 0;
    int rc = find_home(k, &home, e);
    if (rc == 0)
        rc = make_all(k, home, e);
    if (rc < 0)
        verdict_say(&k->verdict, OUTCOME_sandbox_setup, "%s", e->text);
    return rc;
}

/* The kernel kills for want of memory in this cgroup, above it, or anywhere. Only
 * the first is the job's own limit. */
static void judge_kill(struct keeper *k, const struct cgroup_seen *seen, const char *over,
                       const char *within)
{
    if (seen->oom_kills == 0)
        return;
    if (seen->over_own_limit)
        verdict_say(&k->verdict, OUTCOME_memory_limit, "%s", over);
    else
        verdict_say(&k->verdict, OUTCOME_host_error,
                    "the machine had no memory left, and the kernel ended %s: give the worker more "
                    "memory, or fewer slots",
                    within);
}

void keeper_look_at_cgroup(struct keeper *k)
{
    struct cgroup_seen seen;
    if (k->cgroup.dir_fd < 0)
        return;
    cgroup_look(k->cgroup.dir_fd, &seen);
    judge_kill(k, &seen,
               "the scene's processes used more than memory_mb allows: the kernel ended them",
               "the scene, which was within memory_mb");
    if (seen.cpu_ms > k->cpu_ms)
        k->cpu_ms = seen.cpu_ms;
    if (seen.peak_bytes > k->ring_bytes)
        k->charged_bytes = seen.peak_bytes - k->ring_bytes;
}

void keeper_look_at_encoder_cgroup(struct keeper *k)
{
    struct cgroup_seen seen;
    if (k->encoder_cgroup.dir_fd < 0)
        return;
    cgroup_look(k->encoder_cgroup.dir_fd, &seen);
    judge_kill(
        k, &seen,
        "the encoder used more memory than a picture of this size needs: the kernel ended it",
        "the encoder, which was within its limit");
}

void keeper_end_cgroup(struct keeper *k)
{
    (void)cgroup_box_done(&k->cgroup); /* what stays, the slot's next keeper empties */
    (void)cgroup_box_done(&k->encoder_cgroup);
    (void)cgroup_box_done(&k->job_cgroup);
    cgroup_end(&k->cgroup_home);
}
