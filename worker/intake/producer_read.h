/* Inside intake/: what producer.c and producer_read.c share. */
#ifndef MANIMD_PRODUCER_READ_H
#define MANIMD_PRODUCER_READ_H

#include "producer.h"
#include "script.h"

struct redis;
struct redisReply;

struct producer {
    struct loop *loop;
    struct redis *redis;
    struct keys keys;
    struct scripts scripts;
    struct script_line line;
};

/* One command of C strings; the reply is the caller's. */
int producer_ask(struct producer *p, int argc, const char *const *argv, struct redisReply **ret,
                 struct err *e);

#endif
