/* Levels and layers by name, and what is said of them in results. */
#include "box.h"

#include "../base/buf.h"
#include "../base/err.h"
#include "../base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const layer_names[LAYER_COUNT] = {
    [LAYER_UID] = "uid",
    [LAYER_CAPABILITIES] = "capabilities",
    [LAYER_NO_NEW_PRIVS] = "no_new_privs",
    [LAYER_LANDLOCK] = "landlock",
    [LAYER_SECCOMP] = "seccomp",
    [LAYER_RLIMITS] = "rlimits",
    [LAYER_DESCRIPTORS] = "descriptors",
    [LAYER_NAMESPACES] = "namespaces",
    [LAYER_CGROUP] = "cgroup",
    [LAYER_CPU] = "cpu",
};

static const char *const missing[LAYER_COUNT] = {
    [LAYER_UID] = "scenes run as the worker's own user: what keeps them from its files and "
                  "processes is Landlock and seccomp alone",
    [LAYER_CAPABILITIES] = "scenes keep the worker's privileges",
    [LAYER_NO_NEW_PRIVS] = "set-uid programs give a scene their owner's rights",
    [LAYER_LANDLOCK] = "files that every user may read or write are open to scenes, and what /proc "
                       "shows of other processes",
    [LAYER_SECCOMP] = "scenes can open sockets, so they reach the network, and use every kernel "
                      "interface",
    [LAYER_RLIMITS] = "one process of a scene can take memory, files and disk until the watchdog "
                      "looks next",
    [LAYER_DESCRIPTORS] = "what the worker has open could be inherited by a scene",
    [LAYER_NAMESPACES] = "scenes can learn which paths, processes and network devices exist here "
                         "(not what is in them), and only seccomp keeps them off the network",
    [LAYER_CGROUP] = "memory is bounded by looking every 50 ms: a scene can pass its limit between "
                     "two looks, by 100 to 250 MB on two cores",
    [LAYER_CPU] = "a job can use every core that the others leave it, whatever cpu_percent says",
};

static const char *const level_names[] = {
    [BOX_NONE] = "none",
    [BOX_BASIC] = "basic",
    [BOX_STANDARD] = "standard",
    [BOX_STRONG] = "strong",
};

static const char *const state_names[] = {
    [LAYER_ACTIVE] = "active",
    [LAYER_DEGRADED] = "degraded",
    [LAYER_UNAVAILABLE] = "unavailable",
};

const char *box_layer_name(enum box_layer layer)
{
    return layer_names[layer];
}

const char *box_layer_missing(enum box_layer layer)
{
    return missing[layer];
}

const char *box_level_name(enum box_level level)
{
    return level_names[level];
}

int box_level_from_name(const char *name)
{
    for (int i = 0; i <= BOX_STRONG; i++) {
        if (strcmp(level_names[i], name) == 0)
            return i;
    }
    return -1;
}

/* A reason is given where there is one: {"state":…,"reason":…}; else the state. */
static int describe_layer(const struct box_layer_report *layer, struct buf *ret)
{
    const char *state = state_names[layer->state];
    if (!layer->reason[0])
        return buf_printf(ret, "\"%s\"", state);
    int rc = buf_printf(ret, "{\"state\":\"%s\",\"reason\":", state);
    json_quote(ret, layer->reason, strlen(layer->reason));
    return rc < 0 ? rc : buf_add_str(ret, "}");
}

int box_describe(enum box_level level, const struct box_layer_report layers[LAYER_COUNT],
                 struct buf *ret)
{
    int rc = buf_printf(ret, "{\"level\":\"%s\",\"layers\":{", level_names[level]);
    for (int i = 0; i < LAYER_COUNT && rc == 0; i++) {
        rc = buf_printf(ret, "%s\"%s\":", i ? "," : "", layer_names[i]);
        if (rc == 0)
            rc = describe_layer(&layers[i], ret);
    }
    return rc == 0 ? buf_add_str(ret, "}}") : rc;
}

static int state_from_name(const char *name)
{
    for (int i = 0; i <= LAYER_UNAVAILABLE; i++) {
        if (strcmp(state_names[i], name) == 0)
            return i;
    }
    return -1;
}

static int read_layer(const cJSON *j, struct box_layer_report *ret)
{
    const char *name = cJSON_IsString(j) ? j->valuestring : json_str(j, "state");
    int state = state_from_name(name);
    if (state < 0)
        return -EINVAL;
    *ret = (struct box_layer_report){.state = (enum box_layer_state)state};
    snprintf(ret->reason, sizeof ret->reason, "%s", json_str(j, "reason"));
    return 0;
}

int box_read_description(const char *text, enum box_level *ret_level,
                         struct box_layer_report ret_layers[LAYER_COUNT])
{
    own_json cJSON *j = NULL;
    struct box_layer_report layers[LAYER_COUNT];
    if (json_parse(text, strlen(text), FAULT_HOST, &j, NULL) < 0)
        return -EINVAL;
    int level = box_level_from_name(json_str(j, "level"));
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(j, "layers");
    int rc = level < 0 ? -EINVAL : 0;
    for (int i = 0; i < LAYER_COUNT && rc == 0; i++)
        rc = read_layer(cJSON_GetObjectItemCaseSensitive(all, layer_names[i]), &layers[i]);
    if (rc < 0)
        return rc;
    *ret_level = (enum box_level)level;
    memcpy(ret_layers, layers, sizeof layers);
    return 0;
}
