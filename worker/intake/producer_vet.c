/* The worker's questions to Redis (vet.h), for `manimd doctor`: only those that
 * write nothing. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "../base/err.h"
#include "../base/loop.h"
#include "../base/redis.h"
#include "producer_read.h"
#include "vet.h"

struct vetting {
    const struct vet_question *question;
    enum vet_verdict verdict;
    char why[VET_WHY_CHARS];
    bool answered;
};

static void on_answer(void *arg, const redisReply *raw)
{
    struct vetting *v = arg;
    v->answered = true;
    if (raw)
        v->verdict = vet_judge(v->question, raw, v->why);
    else
        snprintf(v->why, sizeof(v->why), "redis: no answer in time");
}

static void ask(struct producer *p, struct vetting *v)
{
    char meta[KEY_MAX];
    const char *argv[VET_ARGS];
    vet_request(v->question, &p->keys, meta, argv);
    redis_command(p->redis, &(struct redis_request){.argc = v->question->argc, .argv = argv},
                  on_answer, v);
    while (!v->answered)
        loop_step(p->loop, -1);
}

int producer_vet(struct producer *p, char ret_unsure[PRODUCER_UNSURE_CHARS], struct err *e)
{
    ret_unsure[0] = 0;
    for (int i = 0; i < vet_questions_count; i++) {
        struct vetting v = {.question = &vet_questions[i], .verdict = VET_UNSURE};
        if (v.question->writes)
            continue;
        ask(p, &v);
        if (v.verdict == VET_BAD || v.verdict == VET_REPLICA)
            return err_set(e, -EINVAL, FAULT_HOST, "%s", v.why);
        size_t used = strlen(ret_unsure);
        if (v.verdict == VET_UNSURE)
            snprintf(ret_unsure + used, PRODUCER_UNSURE_CHARS - used, "%s%s: %s", used ? "; " : "",
                     v.question->name, v.why);
    }
    return 0;
}
