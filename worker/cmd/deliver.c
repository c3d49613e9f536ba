#include "deliver.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/buf.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/own.h"
#include "../manimd.h"

#define FRAME_LOG_MOST ((int64_t)1 << 30)
#define NAME_MOST 64

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return own_strdup(".");
    return slash == path ? own_strdup("/") : own_strndup(path, (size_t)(slash - path));
}

int deliver_check(const char *out, struct err *e)
{
    if (!out)
        return 0;
    own_free char *dir = directory_of(out);
    if (access(dir, W_OK | X_OK))
        return err_errno(e, -errno, FAULT_HOST, "write \"%s\"", out);
    struct stat st;
    if (!stat(out, &st) && S_ISDIR(st.st_mode))
        return err_errno(e, -EISDIR, FAULT_HOST, "write \"%s\"", out);
    return 0;
}

/* `class NAME(…Scene…):` at the start of a line; NULL when there are several
 * or none. Only a file name depends on it. */
static char *only_scene(const char *file)
{
    own_buf struct buf text = BUF_INIT(JOB_CODE_MAX_BYTES);
    if (file_read(AT_FDCWD, file, &text, NULL) < 0)
        return NULL;
    char *found = NULL;
    const char *line = buf_str(&text);
    for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, "class ", 6))
            continue;
        const char *name = line + 6;
        size_t bytes = 0;
        while (isalnum((unsigned char)name[bytes]) || name[bytes] == '_')
            bytes++;
        const char *scene = strstr(name + bytes, "Scene");
        if (!bytes || bytes > NAME_MOST || name[bytes] != '(' || !scene ||
            scene > name + strcspn(name, "\n"))
            continue;
        if (found) {
            free(found);
            return NULL;
        }
        found = own_strndup(name, bytes);
    }
    return found;
}

static char *stem(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    return own_strndup(base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

char *deliver_name(const char *out, const char *file, const char *scene, const char *name)
{
    if (out)
        return own_strdup(out);
    const char *dot = strrchr(name, '.');
    own_free char *base = scene ? own_strdup(scene) : only_scene(file);
    if (!base)
        base = stem(file);
    return own_printf("./%s%s", base, dot ? dot : "");
}

static int copy(int from_fd, int to_fd)
{
    for (;;) {
        ssize_t sent = sendfile(to_fd, from_fd, NULL, 1 << 24);
        if (sent == 0)
            return fsync(to_fd) ? -errno : 0;
        if (sent < 0 && errno != EINTR)
            return -errno;
    }
}

static int copy_to(int from_fd, const char *to, struct err *e)
{
    own_free char *part = own_printf("%s.part", to);
    own_fd int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(e, -errno, FAULT_HOST, "write \"%s\"", part);
    int rc = copy(from_fd, fd);
    if (!rc && rename(part, to))
        rc = -errno;
    if (!rc)
        return 0;
    (void)unlink(part); /* the first failure is told */
    return err_errno(e, rc, FAULT_HOST, "write \"%s\"", to);
}

int deliver_file(const char *from, const char *to, struct err *e)
{
    own_fd int fd = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, -errno, FAULT_HOST, "open \"%s\"", from);
    return copy_to(fd, to, e);
}

int deliver_frame_log(const char *dir, const char *to, struct err *e)
{
    own_free char *out = own_printf("%s/out", dir);
    struct stat st;
    own_fd int out_fd = open(out, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out_fd < 0 || fstat(out_fd, &st))
        return err_errno(e, -errno, FAULT_HOST, "open \"%s\"", out);
    own_fd int fd = file_open_beneath(out_fd, "frames.log", st.st_uid, FRAME_LOG_MOST, e);
    return fd < 0 ? fd : copy_to(fd, to, e);
}
