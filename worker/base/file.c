/* Files: reading with a ceiling, writing by rename, opening what a stranger
 * made. Trees are in tree.c. */
#include "file.h"

#include "buf.h"
#include "err.h"
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define READ_BYTES (64 * 1024)
#define OPEN_TRIES 8

int fd_set_cloexec(int fd, int on)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0)
        return -errno;
    flags = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
    return fcntl(fd, F_SETFD, flags) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd, int on)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

/* Bytes read, 0 at the end, negative errno. */
static ssize_t read_some(int fd, void *ret, size_t bytes)
{
    ssize_t n;
    do
        n = read(fd, ret, bytes);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Reads to the end; `name` is for the sentence. */
static int read_to_end(int fd, const char *name, struct buf *ret, struct err *e)
{
    for (;;) {
        size_t left = ret->ceiling - ret->bytes;
        size_t want = left < READ_BYTES ? left : READ_BYTES;
        char one_more;
        /* At the ceiling, one byte more tells an end from a file too large. */
        ssize_t n = read_some(fd, want ? buf_room(ret, want) : &one_more, want ? want : 1);
        if (n < 0)
            return err_errno(e, (int)n, FAULT_HOST, "read \"%s\"", name);
        if (n == 0)
            return 0;
        if (!want)
            return err_set(e, -EMSGSIZE, FAULT_HOST, "read \"%s\": larger than %zu bytes", name,
                           ret->ceiling);
        buf_wrote(ret, (size_t)n);
    }
}

int file_read_fd(int fd, struct buf *ret, struct err *e)
{
    char name[32];
    snprintf(name, sizeof(name), "descriptor %d", fd);
    return read_to_end(fd, name, ret, e);
}

int file_read(int dir_fd, const char *path, struct buf *ret, struct err *e)
{
    own_fd int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_errno(e, -errno, FAULT_HOST, "open \"%s\"", path);
    return read_to_end(fd, path, ret, e);
}

int file_write_all(int fd, const void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, (const char *)data + done, bytes - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) { /* the other end of stderr may be non-blocking */
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            (void)poll(&ready, 1, -1); /* an error shows at the next write */
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

#define CREATE_MODE 0600

struct whole {
    const void *data;
    size_t bytes;
    mode_t mode;
    bool durable;
};

/* Writes and closes; `fd` is gone whatever happens. */
static int fill_and_close(int fd, const struct whole *w)
{
    int rc = file_write_all(fd, w->data, w->bytes);
    if (rc == 0 && w->mode != CREATE_MODE && fchmod(fd, w->mode) < 0) /* not the umask's choice */
        rc = -errno;
    if (rc == 0 && w->durable && fsync(fd) < 0)
        rc = -errno;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

static int create(int dir_fd, const char *path, struct err *e)
{
    int fd =
        openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, CREATE_MODE);
    return fd < 0 ? err_errno(e, -errno, FAULT_HOST, "create \"%s\"", path) : fd;
}

int file_write_atomic(int dir_fd, const char *path, const void *data, size_t bytes, mode_t mode,
                      struct err *e)
{
    own_free char *temporary = own_printf("%s.%d.new", path, (int)getpid());
    /* A file that an earlier process of our number left behind is ours to drop. */
    (void)unlinkat(dir_fd, temporary, 0);
    int fd = create(dir_fd, temporary, e);
    if (fd < 0)
        return fd;
    int rc = fill_and_close(fd, &(struct whole){data, bytes, mode, true});
    if (rc == 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
        rc = -errno;
    if (rc < 0) {
        (void)unlinkat(dir_fd, temporary, 0); /* rc says what matters */
        return err_errno(e, rc, FAULT_HOST, "write \"%s\"", path);
    }
    return 0;
}

int file_write_new(int dir_fd, const char *path, const void *data, size_t bytes, mode_t mode,
                   struct err *e)
{
    int fd = create(dir_fd, path, e);
    if (fd < 0)
        return fd;
    int rc = fill_and_close(fd, &(struct whole){data, bytes, mode, false});
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "write \"%s\"", path) : 0;
}

/* EAGAIN: a rename raced with the look-up of a `..` (openat2(2)). */
static int open_beneath(int dir_fd, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    long fd = -1;
    for (int i = 0; i < OPEN_TRIES; i++) {
        fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    return fd < 0 ? -errno : (int)fd;
}

int file_open_beneath(int dir_fd, const char *path, uid_t owner, int64_t max_bytes, struct err *e)
{
    own_fd int fd = open_beneath(dir_fd, path);
    struct stat st;
    if (fd < 0)
        return err_errno(e, fd, FAULT_JOB, "open \"%s\"", path);
    if (fstat(fd, &st) < 0)
        return err_errno(e, -errno, FAULT_HOST, "stat \"%s\"", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, -EINVAL, FAULT_JOB, "open \"%s\": not a regular file", path);
    if (st.st_uid != owner)
        return err_set(e, -EPERM, FAULT_JOB, "open \"%s\": it belongs to uid %u, not to %u", path,
                       st.st_uid, owner);
    if (st.st_nlink != 1)
        return err_set(e, -EMLINK, FAULT_JOB, "open \"%s\": it has another name elsewhere", path);
    if (st.st_size > max_bytes)
        return err_set(e, -EFBIG, FAULT_JOB, "open \"%s\": %lld bytes, more than %lld", path,
                       (long long)st.st_size, (long long)max_bytes);
    return steal_fd(&fd);
}

int file_open_dir(int dir_fd, const char *path, struct err *e)
{
    int nofollow = dir_fd == AT_FDCWD ? 0 : O_NOFOLLOW;
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | nofollow);
    return fd < 0 ? err_errno(e, -errno, FAULT_HOST, "open directory \"%s\"", path) : fd;
}

int file_make_dir(int dir_fd, const char *path, mode_t mode, struct err *e)
{
    bool made = mkdirat(dir_fd, path, 0700) == 0;
    if (!made && errno != EEXIST)
        return err_errno(e, -errno, FAULT_HOST, "make directory \"%s\"", path);
    own_fd int fd = file_open_dir(dir_fd, path, e);
    if (fd < 0)
        return steal_fd(&fd); /* the errno */
    if (made && fchmod(fd, mode) < 0)
        return err_errno(e, -errno, FAULT_HOST, "set the mode of \"%s\"", path);
    return steal_fd(&fd);
}

static void own_digest_free(EVP_MD_CTX **digest)
{
    EVP_MD_CTX_free(*digest);
}

int file_sha256(int fd, char ret_hex[65], int64_t *ret_bytes, struct err *e)
{
    __attribute__((cleanup(own_digest_free))) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    if (!digest || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1)
        return err_set(e, -EIO, FAULT_HOST, "SHA-256 is not available");
    own_free unsigned char *chunk = own_calloc(1, READ_BYTES);
    int64_t total = 0;
    for (;;) {
        ssize_t n = pread(fd, chunk, READ_BYTES, total);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, -errno, FAULT_HOST, "read descriptor %d", fd);
        if (n == 0)
            break;
        total += n;
        if (EVP_DigestUpdate(digest, chunk, (size_t)n) != 1)
            return err_set(e, -EIO, FAULT_HOST, "SHA-256 failed");
    }
    unsigned char sum[32];
    if (EVP_DigestFinal_ex(digest, sum, NULL) != 1)
        return err_set(e, -EIO, FAULT_HOST, "SHA-256 failed");
    for (int i = 0; i < 32; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", sum[i]);
    if (ret_bytes)
        *ret_bytes = total;
    return 0;
}
