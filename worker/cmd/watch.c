/* `manimd watch ID`: follows a job to its end. */
#include "client.h"

#include <stdio.h>

#include "../base/json.h"
#include "../base/own.h"

/* An id that the queue does not know is waited for, but not in silence: it may
 * be mistyped. While the inbox holds something it may be in there. */
static void say_if_unknown(struct client *c, const char *id, bool json)
{
    own_json cJSON *status = NULL;
    own_json cJSON *counts = NULL;
    if (producer_status(c->producer, id, &status, NULL) != PRODUCER_E_UNKNOWN)
        return;
    if (json) {
        puts("{\"state\":\"unknown\"}");
        fflush(stdout);
        return;
    }
    bool inbox =
        producer_counts(c->producer, &counts, NULL) == 0 && json_num(counts, "inbox", 0) > 0;
    fprintf(stderr, "waiting for %s to be %s\n", id, inbox ? "admitted" : "pushed");
}

int cmd_watch(int argc, char **argv)
{
    bool json = false;
    const char *words[1] = {0};
    const struct arg table[] = {{"json", 0, ARG_FLAG, &json, NULL, "one object a line", 0, 0}, {0}};
    const struct args args = {
        .usage = "watch ID [--json]",
        .about = "Shows how far a job is, then its result; exits with 0 when it completed, 1 when\n"
                 "it failed or was cancelled, 3 when it is dead. URLs are presigned when this\n"
                 "machine has the keys.",
        .table = table,
        .words = words,
        .words_least = 1,
        .words_most = 1,
    };
    struct client c;
    int exit;
    if (!client_begin(&c, &args, argc, argv, &words[0], &exit))
        return exit;
    say_if_unknown(&c, words[0], json);
    return client_end(&c, client_follow(&c, words[0], json, NULL));
}
