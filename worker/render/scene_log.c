#include "scene_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../base/err.h"
#include "../base/file.h"
#include "../base/own.h"
#include "lines.h"

int scene_log_open(struct scene_log *log, int dir_fd, struct err *e)
{
    log->fd = openat(dir_fd, "log", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (log->fd < 0)
        return err_errno(e, -errno, FAULT_HOST, "create \"log\"");
    log->tail = own_calloc(1, SCENE_LOG_TAIL_BYTES);
    return 0;
}

static void tail_add(struct scene_log *log, const char *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        size_t at = (size_t)((log->bytes + (int64_t)done) % SCENE_LOG_TAIL_BYTES);
        size_t n = bytes - done;
        if (n > SCENE_LOG_TAIL_BYTES - at)
            n = SCENE_LOG_TAIL_BYTES - at;
        memcpy(log->tail + at, data + done, n);
        done += n;
    }
}

int scene_log_read(struct scene_log *log, int pipe_fd)
{
    char data[64 * 1024];
    ssize_t n = read(pipe_fd, data, sizeof data);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (n == 0)
        return -EPIPE;
    int rc = 0;
    if (log->bytes < SCENE_LOG_HEAD_BYTES) {
        int64_t room = SCENE_LOG_HEAD_BYTES - log->bytes;
        rc = file_write_all(log->fd, data, (size_t)(n < room ? n : room));
    }
    tail_add(log, data, (size_t)n);
    log->bytes += n;
    return rc < 0 ? rc : 1;
}

/* The last `bytes` of the tail, in order; the caller frees. */
static char *tail_copy(const struct scene_log *log, size_t bytes)
{
    char *out = own_calloc(1, bytes + 1);
    for (size_t i = 0; i < bytes; i++) {
        int64_t at = log->bytes - (int64_t)bytes + (int64_t)i;
        out[i] = log->tail[at % SCENE_LOG_TAIL_BYTES];
    }
    return out;
}

int scene_log_finish(struct scene_log *log, struct err *e)
{
    int64_t rest = log->bytes - SCENE_LOG_HEAD_BYTES;
    if (rest <= 0)
        return 0;
    own_free char *note = NULL;
    if (rest > SCENE_LOG_TAIL_BYTES) {
        note = own_printf("\n[%lld bytes left out]\n", (long long)(rest - SCENE_LOG_TAIL_BYTES));
        rest = SCENE_LOG_TAIL_BYTES;
    }
    own_free char *tail = tail_copy(log, (size_t)rest);
    int rc = note ? file_write_all(log->fd, note, strlen(note)) : 0;
    if (rc == 0)
        rc = file_write_all(log->fd, tail, (size_t)rest);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "write \"log\"") : 0;
}

char *scene_log_last(const struct scene_log *log, size_t max)
{
    size_t bytes = max < SCENE_LOG_TAIL_BYTES ? max : SCENE_LOG_TAIL_BYTES;
    if (log->bytes < (int64_t)bytes)
        bytes = (size_t)log->bytes;
    char *text = tail_copy(log, bytes);
    /* A cut may have gone through a character. */
    size_t cut = 0;
    while (log->bytes > (int64_t)bytes && cut < bytes && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut++;
    memmove(text, text + cut, bytes - cut);
    text[text_clean(text, bytes - cut)] = 0;
    return text;
}

void scene_log_done(struct scene_log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
    free(steal_ptr(&log->tail));
}
