/* What a fetcher may use, for its own box and for its cgroup. */
#include "fetcher.h"

#define MEMORY_BYTES (512LL << 20) /* libcurl with 8 connections needs 20 MB */
#define THREADS 32                 /* one for each name that is being resolved */

static int64_t largest(const struct fetch_plan *plan)
{
    int64_t most = 0;
    for (int i = 0; i < plan->count; i++)
        most = plan->items[i].most_bytes > most ? plan->items[i].most_bytes : most;
    return most;
}

struct limits fetcher_limits(const struct fetch_plan *plan)
{
    return (struct limits){.cpu_ms = plan->spec->timeout_ms + 1000,
                           .memory_bytes = MEMORY_BYTES,
                           .disk_bytes = largest(plan),
                           .processes = THREADS};
}
