/* SPEC.json: see spec.h for the fields. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>

#include "../base/buf.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "settings.h"

#define THREADS_MAX 12
#define SIDE_MAX 8192 /* keeps width*height*4 far inside an int */

/* What the encoder needs beside the job's own limits. */
#define ENCODER_FILES 64
#define ENCODER_PROCESSES 64 /* threads count as such */
#define ENCODER_LOG_BYTES (1024 * 1024)
#define ENCODER_MEMORY_BYTES (512LL << 20) /* and per frame that x264 holds … */
#define X264_FRAMES 34                     /* lookahead, references, B-frames, and */
#define X264_FRAMES_PER_THREAD 2
#define ENCODER_WALL_MS (3600LL * 1000)

static int cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set))
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : count;
}

static int read_outputs(struct settings *s, const cJSON *j, struct err *e)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(j, "outputs"))
    {
        int kind = cJSON_IsString(item) ? output_kind_from_name(item->valuestring) : -1;
        if (kind < 0)
            return err_set(e, -EINVAL, FAULT_HOST, "spec: no such output kind");
        s->outputs |= OUTPUT_BIT(kind);
    }
    if (!s->outputs)
        return err_set(e, -EINVAL, FAULT_HOST, "spec: no outputs");
    return 0;
}

/* A whole number within bounds; `otherwise` when the key is absent. */
static int64_t number(const cJSON *j, const char *key, int64_t otherwise, int64_t low)
{
    double n = json_num(j, key, (double)otherwise);
    if (!(n >= (double)low))
        return low;
    return n > 9e15 ? 9000000000000000 : (int64_t)n;
}

/* The job's limit is for its scene; x264 holds half as much again as the RGBA of
 * a frame for each that it looks at (3840×2160: 1.2 GiB with 2 threads, 1.9 GiB
 * with 12). */
static int64_t memory_needed(const struct settings *s)
{
    int64_t frame_bytes = (int64_t)settings_frame_bytes(s);
    int64_t frames = X264_FRAMES + X264_FRAMES_PER_THREAD * s->threads;
    return ENCODER_MEMORY_BYTES + frame_bytes * 8 / 5 * frames;
}

static void read_limits(struct settings *s, const cJSON *j)
{
    const cJSON *l = cJSON_GetObjectItemCaseSensitive(j, "limits");
    struct limits *to = &s->limits;
    to->output_bytes = number(l, "output_bytes", 2LL << 30, 1);
    to->frames = number(l, "frames", 1 << 20, 1);
    to->wall_ms = number(l, "wall_ms", ENCODER_WALL_MS, 1);
    to->memory_bytes = number(l, "memory_bytes", 1, 1);
    if (to->memory_bytes < memory_needed(s))
        to->memory_bytes = memory_needed(s);
    to->cpu_ms = to->wall_ms * s->threads;
    /* Packets wait in a spool while the file is written from it. */
    to->disk_bytes = to->output_bytes * 2 + (64 << 20);
    to->files = ENCODER_FILES;
    to->processes = ENCODER_PROCESSES;
    to->log_bytes = ENCODER_LOG_BYTES;
}

static int read_box(struct settings *s, const cJSON *j, struct err *e)
{
    const char *level = json_str(j, "level");
    int found = box_level_from_name(level);
    if (found < 0)
        return err_set(e, -EINVAL, FAULT_HOST, "spec: \"%s\" is no sandbox level", level);
    s->level = (enum box_level)found;
    s->namespaces = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(j, "namespaces"));
    s->cgroup = own_strdup(json_str(j, "cgroup"));
    s->uid = (uid_t)number(j, "uid", 0, 0);
    s->gid = (gid_t)number(j, "gid", 0, 0);
    return 0;
}

static int read_picture(struct settings *s, const cJSON *j, struct err *e)
{
    s->width = (int)number(j, "width", 0, 0);
    s->height = (int)number(j, "height", 0, 0);
    s->fps_num = (int)number(j, "fps_num", 0, 0);
    s->fps_den = (int)number(j, "fps_den", 1, 0);
    if (s->width < 1 || s->height < 1 || s->width > SIDE_MAX || s->height > SIDE_MAX)
        return err_set(e, -EINVAL, FAULT_HOST, "spec: a picture of %d×%d", s->width, s->height);
    if (s->fps_num < 1 || s->fps_den < 1 || s->fps_num > 1000000 || s->fps_den > 1000000)
        return err_set(e, -EINVAL, FAULT_HOST, "spec: %d/%d frames a second", s->fps_num,
                       s->fps_den);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(j, "transparent")))
        return err_set(e, -EINVAL, FAULT_HOST, "spec: transparent is not supported yet");
    return 0;
}

int settings_read(struct settings *s, const char *path, struct err *e)
{
    own_buf struct buf text = BUF_INIT(CEILING_CONFIG_BYTES);
    int rc = file_read(AT_FDCWD, path, &text, e);
    own_json cJSON *j = NULL;
    if (!rc)
        rc = json_parse(buf_str(&text), text.bytes, FAULT_HOST, &j, e);
    if (rc)
        return err_wrap(e, rc, "spec \"%s\"", path);
    *s = (struct settings){.title = own_strdup(json_str(j, "title"))};
    s->frame_log = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(j, "frame_log"));
    s->threads = (int)number(j, "threads", 0, 0);
    if (s->threads < 1 || s->threads > THREADS_MAX)
        s->threads = cores();
    rc = read_picture(s, j, e);
    if (!rc)
        read_limits(s, j);
    if (!rc)
        rc = read_outputs(s, j, e);
    if (!rc)
        rc = read_box(s, j, e);
    return rc;
}

void settings_done(struct settings *s)
{
    free(s->title);
    free(s->cgroup);
    s->title = s->cgroup = NULL;
}

size_t settings_frame_bytes(const struct settings *s)
{
    return (size_t)s->width * (size_t)s->height * 4;
}
