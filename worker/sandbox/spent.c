#include "spent.h"

#include "../base/own.h"

#include <stdlib.h>

static int by_pid(const void *a, const void *b)
{
    const struct spent_process *one = a, *other = b;
    return (one->pid > other->pid) - (one->pid < other->pid);
}

static struct spent_process *list(const struct sweep *sweep)
{
    struct spent_process *all = own_calloc((size_t)sweep->count + 1, sizeof *all);
    for (int i = 0; i < sweep->count; i++) {
        const struct sweep_process *p = &sweep->all[i];
        all[i] = (struct spent_process){p->pid, p->started, p->own_ticks};
    }
    qsort(all, (size_t)sweep->count, sizeof *all, by_pid);
    return all;
}

/* Both lists are in the order of their pids. */
static int64_t ticks_of_the_gone(const struct spent *before, const struct spent_process *now,
                                 int count)
{
    int64_t ticks = 0;
    int at = 0;
    for (int i = 0; i < before->count; i++) {
        const struct spent_process *p = &before->seen[i];
        while (at < count && now[at].pid < p->pid)
            at++;
        bool lives = at < count && now[at].pid == p->pid && now[at].started == p->started;
        ticks += lives ? 0 : p->ticks;
    }
    return ticks;
}

int64_t spent_look(struct spent *s, const struct sweep *sweep)
{
    struct spent_process *now = list(sweep);
    s->gone_ticks += ticks_of_the_gone(s, now, sweep->count);
    free(s->seen);
    s->seen = now;
    s->count = sweep->count;
    int64_t ticks = s->gone_ticks;
    for (int i = 0; i < s->count; i++)
        ticks += now[i].ticks;
    return ticks;
}

void spent_done(struct spent *s)
{
    free(s->seen);
    *s = (struct spent){0};
}
