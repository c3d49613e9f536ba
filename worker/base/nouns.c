/* The names of manimd.h's nouns, made from the tables. It lives down here so
 * that every room and both executables can say them. */
#include "../manimd.h"

#include <string.h>

static const struct {
    const char *name, *help;
    enum job_state state;
    bool host_fault;
} outcomes[] = {
#define FAULT_IS_HOST_NONE false
#define FAULT_IS_HOST_JOB false
#define FAULT_IS_HOST_HOST true
#define OUTCOME(name, state, fault, help) {#name, help, STATE_##state, FAULT_IS_HOST_##fault},
#include "../outcome.def"
#undef OUTCOME
};
_Static_assert(sizeof(outcomes) / sizeof(outcomes[0]) == OUTCOME_COUNT, "a row for each outcome");

static const char *const states[] = {
    [STATE_QUEUED] = "queued",       [STATE_DELAYED] = "delayed",     [STATE_ACTIVE] = "active",
    [STATE_RETRYING] = "retrying",   [STATE_COMPLETED] = "completed", [STATE_FAILED] = "failed",
    [STATE_CANCELLED] = "cancelled", [STATE_DEAD] = "dead",
};

static const char *const kinds[OUTPUT_COUNT] = {
    [OUTPUT_MP4] = "mp4", [OUTPUT_WEBM] = "webm",     [OUTPUT_MOV] = "mov",
    [OUTPUT_GIF] = "gif", [OUTPUT_PNG] = "png",       [OUTPUT_POSTER] = "poster",
    [OUTPUT_HLS] = "hls", [OUTPUT_SPRITE] = "sprite",
};

static int find(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *outcome_name(enum outcome o)
{
    return outcomes[o].name;
}

const char *outcome_help(enum outcome o)
{
    return outcomes[o].help;
}

enum job_state outcome_state(enum outcome o)
{
    return outcomes[o].state;
}

bool outcome_is_host_fault(enum outcome o)
{
    return outcomes[o].host_fault;
}

int outcome_from_name(const char *name)
{
    for (int i = 0; i < OUTCOME_COUNT; i++)
        if (strcmp(outcomes[i].name, name) == 0)
            return i;
    return -1;
}

const char *job_state_name(enum job_state s)
{
    return states[s];
}

int job_state_from_name(const char *name)
{
    return find(states, sizeof(states) / sizeof(states[0]), name);
}

const char *output_kind_name(enum output_kind k)
{
    return kinds[k];
}

int output_kind_from_name(const char *name)
{
    return find(kinds, OUTPUT_COUNT, name);
}
