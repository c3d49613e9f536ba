/* What a scene prints: its first and last part in DIR/log, the middle of a
 * flood left out, nothing buffered without bound. */
#ifndef MANIMD_RENDER_SCENE_LOG_H
#define MANIMD_RENDER_SCENE_LOG_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define SCENE_LOG_HEAD_BYTES (256 * 1024)
#define SCENE_LOG_TAIL_BYTES (256 * 1024)

struct scene_log {
    int fd;        /* DIR/log */
    int64_t bytes; /* printed in all */
    char *tail;    /* a ring of the last SCENE_LOG_TAIL_BYTES */
};
#define SCENE_LOG_INIT \
    {                  \
        .fd = -1       \
    }

int scene_log_open(struct scene_log *log, int dir_fd, struct err *e);
/* Reads once from the non-blocking pipe. 1: there may be more; 0: nothing now;
 * -EPIPE: end of file; other negative errno: it or the file failed. */
int scene_log_read(struct scene_log *log, int pipe_fd);
/* Writes what the head did not take. */
int scene_log_finish(struct scene_log *log, struct err *e);
/* At most `max` of the last bytes, cleaned; the caller frees. */
char *scene_log_last(const struct scene_log *log, size_t max);
void scene_log_done(struct scene_log *log);

#endif
