/* Files, beneath directory descriptors. Every descriptor is CLOEXEC at birth.
 *
 * What a stranger's process may have touched is opened with file_open_beneath()
 * only: no symbolic links, no leaving the directory, regular, one link, size
 * capped (sandbox.md §7). Trees are removed without following anything. */
#ifndef MANIMD_FILE_H
#define MANIMD_FILE_H

#include <stdint.h>
#include <sys/types.h>

struct buf;
struct err;

/* Reads a whole file of at most `buf->ceiling` bytes. */
int file_read(int dir_fd, const char *path, struct buf *ret, struct err *e);
int file_read_fd(int fd, struct buf *ret, struct err *e);
/* Writes a temporary neighbour, fsyncs it, renames it over `path`. */
int file_write_atomic(int dir_fd, const char *path, const void *data, size_t bytes, mode_t mode,
                      struct err *e);
/* Creates `path`, which must not be there, without an fsync: in a directory that
 * nobody knows yet and that is worthless when the machine stops. (An fsync waits
 * for a disk that others write to as well, tens of milliseconds: a loop must not.) */
int file_write_new(int dir_fd, const char *path, const void *data, size_t bytes, mode_t mode,
                   struct err *e);
int file_write_all(int fd, const void *data, size_t bytes);
/* Opens for reading what another uid wrote: openat2 with RESOLVE_BENEATH |
 * NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV and O_NONBLOCK|O_NOFOLLOW, then checks:
 * a regular file of `owner` with one link and at most `max_bytes`.
 * Returns the descriptor or a negative errno. */
int file_open_beneath(int dir_fd, const char *path, uid_t owner, int64_t max_bytes, struct err *e);
/* mkdir -p of one level: -EEXIST is fine when it is a directory; a new one has
 * exactly `mode`. Returns an O_DIRECTORY descriptor or a negative errno. Both
 * of these follow a link in last place only when `dir_fd` is AT_FDCWD: then
 * the path is the operator's, who may link as he likes. */
int file_make_dir(int dir_fd, const char *path, mode_t mode, struct err *e);
int file_open_dir(int dir_fd, const char *path, struct err *e);
/* Deletes `path` and all beneath it: iterative, by unlinkat from directory
 * descriptors, following nothing, whatever modes the tree has. */
int file_remove_tree(int dir_fd, const char *path, struct err *e);
/* Bytes (blocks) and inodes in use beneath a directory, following nothing. A
 * file with two names counts twice. With more than `enough` inodes (0: no such
 * bound) the walk ends early: whoever adds files as fast as we count them is
 * not to keep us for ever. -ESTALE: it was moved about while we looked; -EXDEV:
 * something is mounted in it. */
int file_tree_usage(int dir_fd, const char *path, int64_t enough, int64_t *ret_bytes,
                    int64_t *ret_inodes);
/* SHA-256 of all that `fd` holds, from offset 0, as 64 hex digits + NUL. */
int file_sha256(int fd, char ret_hex[65], int64_t *ret_bytes, struct err *e);
int fd_set_cloexec(int fd, int on);
int fd_set_nonblock(int fd, int on);

#endif
