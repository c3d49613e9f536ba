/* Inside intake/: whether a Redis may hold jobs. A table of questions, asked by
 * a worker whenever its connection is new (it may lead to another server by
 * then) and by `manimd doctor`; each has a judge and a sentence with the mend. */
#ifndef MANIMD_VET_H
#define MANIMD_VET_H

#include <stdbool.h>

struct keys;
struct redisReply;

/* What the keys, scripts and states of this version are called: in the queue's
 * `meta`. A worker that speaks another leaves the queue alone. */
#define QUEUE_PROTO "1"

enum vet_verdict {
    VET_GOOD,
    VET_UNSURE,  /* it cannot be asked: said, and believed */
    VET_BAD,     /* never to be used as it is */
    VET_REPLICA, /* bad, but its name may soon mean the primary */
};

#define VET_WHY_CHARS 320
#define VET_ARGS 5

struct vet_question {
    const char *name; /* for the sentence of an unsure one */
    int argc;
    const char *argv[VET_ARGS]; /* NULL: the key `meta` */
    bool writes;                /* the doctor only looks */
    enum vet_verdict (*judge)(const struct redisReply *reply, char why[VET_WHY_CHARS]);
};

extern const struct vet_question vet_questions[];
extern const int vet_questions_count;

/* The question's arguments for this queue. `meta` has room for a key. */
void vet_request(const struct vet_question *v, const struct keys *k, char *meta,
                 const char *ret_argv[VET_ARGS]);
enum vet_verdict vet_judge(const struct vet_question *v, const struct redisReply *reply,
                           char why[VET_WHY_CHARS]);

#endif
