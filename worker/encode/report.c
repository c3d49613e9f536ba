/* See report.h. */
#include <errno.h>
#include <poll.h>

#include "../base/buf.h"
#include "../base/clock.h"
#include "../base/err.h"
#include "../base/file.h"
#include "../base/json.h"
#include "../base/limits.h"
#include "../base/own.h"
#include "fault.h"
#include "report.h"
#include "session.h"
#include "settings.h"

#define PROGRESS_EVERY_MS 100

static int send_line(struct report *r, const cJSON *j)
{
    own_free char *text = json_print(j);
    own_buf struct buf line = BUF_INIT(CEILING_RESULT_BYTES);
    int rc = buf_printf(&line, "%s\n", text);
    return rc ? rc : file_write_all(r->fd, line.data, line.bytes);
}

static double seconds(const struct session *s, int64_t frames)
{
    return (double)frames * s->settings->fps_den / s->settings->fps_num;
}

int report_progress(struct report *r, const struct session *s)
{
    int64_t now = clock_now_ms();
    if (now < r->next_ms)
        return 0;
    r->next_ms = now + PROGRESS_EVERY_MS;
    struct pollfd out = {.fd = r->fd, .events = POLLOUT};
    if (poll(&out, 1, 0) < 1)
        return 0;
    if (out.revents & (POLLERR | POLLHUP))
        return -EPIPE;
    own_json cJSON *j = cJSON_CreateObject();
    json_add_int(j, "frames", s->frames);
    json_add_int(j, "distinct", s->distinct);
    cJSON_AddNumberToObject(j, "seconds", seconds(s, s->frames));
    return send_line(r, j);
}

static void add_output(cJSON *list, const struct session *s, const struct output *o)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "kind", output_kind_name(o->ops->kind));
    cJSON_AddStringToObject(j, "name", o->ops->name);
    json_add_int(j, "width", s->settings->width);
    json_add_int(j, "height", s->settings->height);
    if (o->ops->is_video) {
        cJSON_AddNumberToObject(j, "fps", (double)s->settings->fps_num / s->settings->fps_den);
        cJSON_AddNumberToObject(j, "duration_s", seconds(s, o->frames));
    }
    json_add_int(j, "frames", o->frames);
    cJSON_AddItemToArray(list, j);
}

/* The encoder of the first output, which a result names. */
static const char *encoder_used(const struct session *s)
{
    for (int i = 0; i < s->output_count; i++) {
        if (s->outputs[i].made && s->outputs[i].ops->encoder)
            return s->outputs[i].ops->encoder;
    }
    return "";
}

int report_done(struct report *r, const struct session *s, int64_t encode_ms)
{
    own_json cJSON *j = cJSON_CreateObject();
    cJSON_AddBoolToObject(j, "done", true);
    json_add_int(j, "frames", s->frames);
    json_add_int(j, "distinct", s->distinct);
    cJSON *list = cJSON_AddArrayToObject(j, "outputs");
    for (int i = 0; i < s->output_count; i++) {
        if (s->outputs[i].made && !s->outputs[i].ops->is_log)
            add_output(list, s, &s->outputs[i]);
    }
    cJSON_AddStringToObject(j, "encoder_used", encoder_used(s));
    json_add_int(j, "encode_ms", encode_ms);
    json_add_int(j, "subtitles", s->marks.subtitle_count);
    json_add_int(j, "sections", s->marks.section_count);
    cJSON *sandbox = cJSON_AddObjectToObject(j, "sandbox");
    cJSON_AddStringToObject(sandbox, "level", box_level_name(s->settings->level));
    return send_line(r, j);
}

int report_error(struct report *r, int rc, const struct err *e)
{
    own_json cJSON *j = cJSON_CreateObject();
    cJSON *error = cJSON_AddObjectToObject(j, "error");
    cJSON_AddStringToObject(error, "outcome", outcome_name(fault_outcome(rc)));
    cJSON_AddStringToObject(error, "message", e->text);
    return send_line(r, j);
}
