/* See output.h. */
#include <errno.h>

#include "../base/err.h"
#include "fault.h"
#include "output.h"
#include "settings.h"

static const struct output_ops *const table[] = {&mp4_output, &png_output};

static const struct output_ops *row_of(enum output_kind kind)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (table[i]->kind == kind)
            return table[i];
    }
    return NULL;
}

int output_list(const struct settings *s, struct budget *budget, struct output ret[OUTPUTS_MAX],
                int *ret_count, struct err *e)
{
    int n = 0;
    for (int kind = 0; kind < OUTPUT_COUNT; kind++) {
        if (!(s->outputs & OUTPUT_BIT(kind)))
            continue;
        const struct output_ops *ops = row_of((enum output_kind)kind);
        if (!ops)
            return err_set(e, -EINVAL, FAULT_HOST, "output \"%s\" is not supported yet",
                           output_kind_name((enum output_kind)kind));
        ret[n++] = (struct output){.ops = ops, .settings = s, .budget = budget};
    }
    if (s->frame_log)
        ret[n++] = (struct output){.ops = &frame_log_output, .settings = s, .budget = budget};
    *ret_count = n;
    return 0;
}

int output_publish(struct output *o, struct err *e)
{
    char part[64];
    (void)snprintf(part, sizeof(part), "%s.part", o->ops->name); /* names are ours: short */
    if (rename(part, o->ops->name))
        return fault_errno(e, "rename", part);
    o->made = true;
    return 0;
}
