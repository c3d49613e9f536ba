/* See vet.h. Redis 6.2 is the least: BLMOVE, COPY, and scripts whose effects are
 * replicated. Whatever answers like one (Valkey, KeyDB, Upstash) is one. */
#include "vet.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

#define LEAST_MAJOR 6
#define LEAST_MINOR 2

/* A line of INFO, without its end; "" when there is none. */
static void info_line(const redisReply *info, const char *name, char ret[128])
{
    char start[32];
    snprintf(start, sizeof(start), "\n%s:", name);
    const char *at = strstr(info->str, start);
    ret[0] = 0;
    if (!at)
        return;
    at += strlen(start);
    snprintf(ret, 128, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static enum vet_verdict judge_info(const redisReply *info, char why[VET_WHY_CHARS])
{
    char version[128], mode[128], role[128], host[128], port[128];
    info_line(info, "redis_version", version);
    info_line(info, "redis_mode", mode);
    if (!mode[0])
        info_line(info, "server_mode", mode); /* as Valkey calls it */
    info_line(info, "role", role);
    int major = 0, minor = 0;
    if (sscanf(version, "%d.%d", &major, &minor) == 2 &&
        (major < LEAST_MAJOR || (major == LEAST_MAJOR && minor < LEAST_MINOR))) {
        snprintf(why, VET_WHY_CHARS,
                 "redis is version %.32s, which lacks commands that the queue is made of: use 6.2 "
                 "or newer, or Valkey",
                 version);
        return VET_BAD;
    }
    if (strcmp(mode, "sentinel") == 0) {
        snprintf(why, VET_WHY_CHARS,
                 "redis: this is a sentinel, which is not supported yet: name the primary that it "
                 "watches in redis_url");
        return VET_BAD;
    }
    if (strcmp(mode, "cluster") == 0) {
        snprintf(why, VET_WHY_CHARS,
                 "redis runs as a cluster, which is not supported yet: use one that stands alone "
                 "(cluster-enabled no)");
        return VET_BAD;
    }
    if (strcmp(role, "slave") == 0) {
        info_line(info, "master_host", host);
        info_line(info, "master_port", port);
        snprintf(why, VET_WHY_CHARS,
                 "redis is a replica of %.80s:%.8s and takes no writes: name the primary in "
                 "redis_url",
                 host, port);
        return VET_REPLICA;
    }
    return version[0] ? VET_GOOD : VET_UNSURE;
}

/* Nothing that Redis evicts comes back: a queue must not live in a cache. */
static enum vet_verdict judge_policy(const redisReply *reply, char why[VET_WHY_CHARS])
{
    const struct reply r = reply_read(reply, false);
    const char *policy = reply_text(&r, 1);
    if (!policy[0]) {
        snprintf(why, VET_WHY_CHARS, "CONFIG is blocked");
        return VET_UNSURE;
    }
    if (strcmp(policy, "noeviction") == 0)
        return VET_GOOD;
    snprintf(why, VET_WHY_CHARS,
             "redis evicts jobs when its memory is full (maxmemory-policy is \"%.32s\"): run "
             "`redis-cli CONFIG SET maxmemory-policy noeviction`, and set it in redis.conf",
             policy);
    return VET_BAD;
}

static enum vet_verdict judge_written(const redisReply *reply, char why[VET_WHY_CHARS])
{
    (void)reply;
    (void)why;
    return VET_GOOD;
}

static enum vet_verdict judge_proto(const redisReply *reply, char why[VET_WHY_CHARS])
{
    if (reply->type == REDIS_REPLY_NIL) /* no worker was here yet */
        return VET_GOOD;
    if (reply->str && strcmp(reply->str, QUEUE_PROTO) == 0)
        return VET_GOOD;
    snprintf(why, VET_WHY_CHARS,
             "the queue's keys are of protocol \"%.16s\" and this manimd speaks " QUEUE_PROTO
             ": run the version that its other workers run, or name another queue",
             reply->str ? reply->str : "");
    return VET_BAD;
}

/* What is written comes before what is read. */
const struct vet_question vet_questions[] = {
    {"version and role could not be checked, it must be a primary of 6.2 or newer",
     1,
     {"INFO"},
     false,
     judge_info},
    {"maxmemory-policy could not be checked, it must be noeviction",
     3,
     {"CONFIG", "GET", "maxmemory-policy"},
     false,
     judge_policy},
    {"the protocol could not be written to meta",
     4,
     {"HSETNX", NULL, "proto", QUEUE_PROTO},
     true,
     judge_written},
    {"the protocol could not be read from meta", 3, {"HGET", NULL, "proto"}, false, judge_proto},
};
const int vet_questions_count = sizeof(vet_questions) / sizeof(vet_questions[0]);

void vet_request(const struct vet_question *v, const struct keys *k, char *meta,
                 const char *ret_argv[VET_ARGS])
{
    snprintf(meta, KEY_MAX, "%.180smeta", k->prefix);
    for (int i = 0; i < v->argc; i++)
        ret_argv[i] = v->argv[i] ? v->argv[i] : meta;
}

enum vet_verdict vet_judge(const struct vet_question *v, const redisReply *reply,
                           char why[VET_WHY_CHARS])
{
    why[0] = 0;
    if (reply->type == REDIS_REPLY_ERROR) {
        snprintf(why, VET_WHY_CHARS, "%.200s", reply->str);
        return VET_UNSURE;
    }
    if (v->judge == judge_info && !reply->str)
        return VET_UNSURE;
    return v->judge(reply, why);
}
