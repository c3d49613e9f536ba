/* See spool.h. The file: a struct head and the packet's bytes, over and over. */
#include <errno.h>
#include <libavcodec/avcodec.h>

#include "../base/err.h"
#include "../base/own.h"
#include "fault.h"
#include "spool.h"

struct head {
    int64_t pts, dts, duration;
    int32_t bytes, flags;
};

int spool_open(struct spool *s, const char *name, struct budget *budget, struct err *e)
{
    *s = (struct spool){.name = name, .budget = budget};
    s->file = fopen(name, "w+e");
    return s->file ? 0 : fault_errno(e, "create", name);
}

int budget_take(struct budget *b, int64_t bytes, struct err *e)
{
    if (bytes > b->left_bytes)
        return err_set(e, OUTCOME_disk_limit, FAULT_JOB,
                       "the outputs are larger than the job may make them");
    b->left_bytes -= bytes;
    return 0;
}

int spool_write(struct spool *s, const AVPacket *packet, struct err *e)
{
    struct head head = {packet->pts, packet->dts, packet->duration, packet->size, packet->flags};
    int rc = budget_take(s->budget, packet->size, e);
    if (rc)
        return rc;
    if (fwrite(&head, sizeof(head), 1, s->file) != 1 ||
        fwrite(packet->data, 1, (size_t)packet->size, s->file) != (size_t)packet->size)
        return fault_errno(e, "write", s->name);
    s->packets++;
    return 0;
}

int spool_rewind(struct spool *s, struct err *e)
{
    if (ferror(s->file)) /* stdio forgets what it could not write */
        return err_set(e, -EIO, FAULT_HOST, "write \"%s\": it failed before", s->name);
    if (fflush(s->file) || fseeko(s->file, 0, SEEK_SET))
        return fault_errno(e, "write", s->name);
    return 0;
}

int spool_read(struct spool *s, AVPacket *ret, int *ret_more, struct err *e)
{
    struct head head;
    if (fread(&head, sizeof(head), 1, s->file) != 1) {
        *ret_more = 0;
        return ferror(s->file) ? fault_errno(e, "read", s->name) : 0;
    }
    int rc = av_new_packet(ret, head.bytes);
    if (rc < 0)
        return fault_av(e, rc, "packet");
    ret->pts = head.pts;
    ret->dts = head.dts;
    ret->duration = head.duration;
    ret->flags = head.flags;
    if (fread(ret->data, 1, (size_t)head.bytes, s->file) != (size_t)head.bytes)
        return fault_errno(e, "read", s->name);
    *ret_more = 1;
    return 0;
}

void spool_done(struct spool *s)
{
    if (!s->file)
        return;
    (void)fclose(s->file); /* nobody reads it again */
    (void)unlink(s->name); /* the keeper clears the directory of a failed job */
    s->file = NULL;
}
