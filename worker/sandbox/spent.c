#include "spent.h"

#include "../base/own.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define DEVIATIONS 3
#define BELIEVED 0.5
/* A look that was late for long, or a machine that slept, is no time for samples. */
#define PASSED_MAX_MS 500

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
        all[i] = (struct spent_process){p->pid, p->started, p->own_ticks, p->running};
    }
    qsort(all, (size_t)sweep->count, sizeof *all, by_pid);
    return all;
}

/* Of its life that it was on a CPU, not waiting for one; 1 where nobody tells. One
 * that has not run yet still waits for its first. */
static double share_of_life(pid_t pid)
{
    char text[128];
    char *end;
    if (sweep_read(pid, "schedstat", text, sizeof text) <= 0)
        return 1;
    double ran = strtod(text, &end), waited = strtod(end, NULL);
    return ran > 0 ? ran / (ran + waited) : 0;
}

static const struct spent_process *find(const struct spent *s, int *at,
                                        const struct spent_process *p)
{
    while (*at < s->count && s->seen[*at].pid < p->pid)
        ++*at;
    const struct spent_process *found = *at < s->count ? &s->seen[*at] : NULL;
    return found && found->pid == p->pid && found->started == p->started ? found : NULL;
}

/* Those that run and were not there before; together no more than there are CPUs
 * for, the ghosts among them. What it returns is for the ghosts. */
static double take_samples(const struct spent *s, struct spent_process *now, int count, int ghosts,
                           double passed_ms)
{
    int at = 0, fresh = ghosts;
    for (int i = 0; i < count; i++) {
        bool sample = now[i].sample_ms > 0 && !find(s, &at, &now[i]);
        now[i].sample_ms = sample;
        fresh += sample;
    }
    double processors = (double)sysconf(_SC_NPROCESSORS_ONLN);
    double each_ms = fresh > processors ? passed_ms * processors / fresh : passed_ms;
    for (int i = 0; i < count; i++)
        if (now[i].sample_ms > 0)
            now[i].sample_ms = each_ms * share_of_life(now[i].pid);
    return each_ms;
}

static void add_sample(struct spent *s, double ms)
{
    s->sampled_ms += ms;
    s->squares_ms2 += ms * ms;
}

/* Both lists are in the order of their pids. */
static void add_the_gone(struct spent *s, const struct spent_process *now, int count)
{
    int at = 0;
    for (int i = 0; i < s->count; i++) {
        const struct spent_process *p = &s->seen[i];
        while (at < count && now[at].pid < p->pid)
            at++;
        if (at < count && now[at].pid == p->pid && now[at].started == p->started)
            continue;
        if (p->sample_ms > 0)
            add_sample(s, p->sample_ms);
        else
            s->gone_ticks += p->ticks;
    }
}

static double surely_ms(const struct spent *s)
{
    double ms = s->sampled_ms - DEVIATIONS * sqrt(s->squares_ms2);
    return ms > 0 ? ms * BELIEVED : 0;
}

int64_t spent_look(struct spent *s, const struct sweep *sweep, int64_t now_ms)
{
    int64_t passed = s->looked_ms && now_ms > s->looked_ms ? now_ms - s->looked_ms : 0;
    double passed_ms = (double)(passed < PASSED_MAX_MS ? passed : PASSED_MAX_MS);
    struct spent_process *now = list(sweep);
    double ghost_ms = take_samples(s, now, sweep->count, sweep->ghosts, passed_ms);
    add_the_gone(s, now, sweep->count);
    for (int i = 0; i < sweep->ghosts; i++)
        add_sample(s, ghost_ms);
    free(s->seen);
    s->seen = now;
    s->count = sweep->count;
    s->looked_ms = now_ms;
    int64_t ticks = s->gone_ticks;
    for (int i = 0; i < s->count; i++)
        ticks += now[i].ticks;
    return ticks * 1000 / sysconf(_SC_CLK_TCK) + (int64_t)surely_ms(s);
}

void spent_done(struct spent *s)
{
    free(s->seen);
    sweep_past_done(&s->past);
    *s = (struct spent){0};
}
