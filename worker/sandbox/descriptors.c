/* Layer: descriptors. What the box has open is what the plan names.
 *
 * An open directory would be a way past every path rule that is about names
 * (runc's CVE-2024-21626 was one), so none survives, not even a kept one. */
#include "layers.h"

#include "../base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FDS_MAX (BOX_KEEP_FDS_MAX + BOX_PATHS_MAX + 1)

static int compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int close_from_to(unsigned first, unsigned last)
{
    if (first > last)
        return 0;
    return syscall(SYS_close_range, first, last, 0) < 0 ? -errno : 0;
}

/* Closes everything above 2 but `fds`, which it sorts. */
static int close_all_but(int *fds, int count)
{
    qsort(fds, (size_t)count, sizeof fds[0], compare_fds);
    unsigned next = 3;
    for (int i = 0; i < count; i++) {
        if ((unsigned)fds[i] < next)
            continue;
        int rc = close_from_to(next, (unsigned)fds[i] - 1);
        if (rc < 0)
            return rc;
        next = (unsigned)fds[i] + 1;
    }
    return close_from_to(next, ~0u);
}

static int refuse_directory(int fd, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return fd <= 2 ? 0 : err_errno(e, -errno, FAULT_HOST, "keep descriptor %d", fd);
    if (S_ISDIR(st.st_mode))
        return err_set(e, -EISDIR, FAULT_HOST, "keep descriptor %d: it is a directory", fd);
    return 0;
}

int layer_descriptors(const struct box_plan *p, struct err *e)
{
    int rc = 0;
    for (int fd = 0; fd <= 2 && rc == 0; fd++)
        rc = refuse_directory(fd, e);
    for (int i = 0; i < p->kept && rc == 0; i++)
        rc = refuse_directory(p->keep_fds[i], e);
    if (rc < 0)
        return rc;

    int fds[FDS_MAX], count = 0;
    for (int i = 0; i < p->kept; i++)
        fds[count++] = p->keep_fds[i];
    for (int i = 0; i < p->paths; i++)
        fds[count++] = p->path_fds[i];
    if (p->dir_fd >= 0)
        fds[count++] = p->dir_fd;
    rc = close_all_but(fds, count);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "close descriptors") : 0;
}

int layer_descriptors_rest(const struct box_plan *p, struct err *e)
{
    int fds[FDS_MAX];
    for (int i = 0; i < p->kept; i++)
        fds[i] = p->keep_fds[i];
    int rc = close_all_but(fds, p->kept);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "close descriptors") : 0;
}
