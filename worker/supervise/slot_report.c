#include "slot_report.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../base/err.h"
#include "../base/limits.h"
#include "slot.h"

#define READ_BYTES 4096
/* At most this much at a time, so that a stage which floods us cannot keep the
 * loop from its other work. */
#define READ_ROUNDS 32

void slot_report_init(struct slot *slot)
{
    slot->line = (struct buf)BUF_INIT(CEILING_REPORT_LINE_BYTES);
}

static void hand_on(struct slot *slot, const char *line)
{
    const struct supervisor_spec *spec = &slot->owner->spec;
    if (!slot->line_too_long && *line && spec->on_progress && slot->stop == STOP_NONE &&
        slot->state != SLOT_EMPTYING)
        spec->on_progress(spec->arg, slot->user, slot->stage, line);
    slot->line_too_long = false;
    buf_clear(&slot->line);
}

static void take(struct slot *slot, const char *data, size_t bytes)
{
    while (bytes) {
        const char *newline = memchr(data, '\n', bytes);
        size_t part = newline ? (size_t)(newline - data) : bytes;
        if (part && buf_add(&slot->line, data, part))
            slot->line_too_long = true;
        if (!newline)
            return;
        hand_on(slot, buf_str(&slot->line));
        data += part + 1;
        bytes -= part + 1;
    }
}

void slot_read_report(struct slot *slot)
{
    char data[READ_BYTES];
    for (int round = 0; round < READ_ROUNDS && slot->report.fd >= 0; round++) {
        ssize_t got = read(slot->report.fd, data, sizeof data);
        if (got > 0) {
            take(slot, data, (size_t)got);
            continue;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            slot_close_report(slot);
        return;
    }
}

static void on_ready(void *arg, uint32_t events)
{
    (void)events;
    slot_read_report(arg);
}

int slot_open_report(struct slot *slot, int fd, struct err *e)
{
    int rc = loop_watch(slot->owner->spec.loop, &slot->report, fd, EPOLLIN, on_ready, slot);
    if (rc) {
        close(fd);
        return err_errno(e, rc, FAULT_HOST, "watch the report of stage %s",
                         stage_name(slot->stage));
    }
    return 0;
}

void slot_close_report(struct slot *slot)
{
    int fd = slot->report.fd;
    if (fd >= 0) {
        loop_unwatch(slot->owner->spec.loop, &slot->report);
        slot->report.fd = -1;
        close(fd);
    }
    slot->line_too_long = false;
    buf_done(&slot->line);
    slot_report_init(slot);
}
