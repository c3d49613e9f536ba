#include "private_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/own.h"

#define PREFIX "manimd-work-"
/* One that is younger may be between being made and being locked. */
#define STALE_S 60

static bool is_stale(int fd)
{
    struct stat st;
    return !fstat(fd, &st) && st.st_uid == geteuid() &&
           st.st_mtime + STALE_S < clock_unix_ms() / 1000 && !flock(fd, LOCK_EX | LOCK_NB);
}

static void sweep(const char *tmp)
{
    DIR *dir = opendir(tmp);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)))
            continue;
        own_fd int fd =
            openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && is_stale(fd))
            (void)file_remove_tree(dirfd(dir), entry->d_name, NULL); /* the next one tries again */
    }
    closedir(dir);
}

int private_dir_make(struct private_dir *ret, struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    if (!tmp || !*tmp)
        tmp = "/tmp";
    sweep(tmp);
    own_free char *path = own_printf("%s/" PREFIX "XXXXXX", tmp);
    if (!mkdtemp(path))
        return err_errno(e, -errno, FAULT_HOST, "make a work directory beneath \"%s\"", tmp);
    *ret = (struct private_dir){.path = steal_ptr(&path)};
    ret->lock = open(ret->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->lock < 0 || flock(ret->lock, LOCK_EX | LOCK_NB) || fchmod(ret->lock, 0711)) {
        int rc = err_errno(e, -errno, FAULT_HOST, "lock \"%s\"", ret->path);
        private_dir_done(ret);
        return rc;
    }
    return 0;
}

void private_dir_done(struct private_dir *d)
{
    if (d->path)
        (void)rmdir(d->path);
    if (d->lock >= 0)
        close(d->lock);
    free(d->path);
    *d = (struct private_dir)PRIVATE_DIR_INIT;
}
