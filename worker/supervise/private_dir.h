/* A work directory of the worker's own beneath TMPDIR, for a worker that was told
 * none. Its worker holds a lock (flock) on it for as long as it lives; those
 * whose worker was killed, with what strangers' scenes left in them, are removed
 * by the next one that starts. */
#ifndef MANIMD_PRIVATE_DIR_H
#define MANIMD_PRIVATE_DIR_H

struct err;

struct private_dir {
    char *path; /* NULL: none */
    int lock;
};
#define PRIVATE_DIR_INIT \
    {                    \
        .lock = -1       \
    }

/* Mode 0711: the boxes' uids may pass, not list. */
int private_dir_make(struct private_dir *ret, struct err *e);
/* Only when it is empty; what is left in it is somebody's evidence. */
void private_dir_done(struct private_dir *d);

#endif
