/* `manimd retry ID`: a dead or failed job goes back into the queue. */
#include <stdio.h>

#include "client.h"

int cmd_retry(int argc, char **argv)
{
    bool json = false;
    const char *words[1] = {0};
    const struct arg table[] = {{"json", 0, ARG_FLAG, &json, NULL, "for machines", 0, 0}, {0}};
    const struct args args = {
        .usage = "retry ID [--json]",
        .about = "Queues a dead or failed job again, with its attempts counted anew.",
        .table = table,
        .words = words,
        .words_least = 1,
        .words_most = 1,
    };
    struct client c;
    int exit;
    if (!client_begin(&c, &args, argc, argv, &words[0], &exit))
        return exit;
    int rc = producer_requeue(c.producer, words[0], &c.err);
    if (rc)
        return client_end(&c, client_exit(rc));
    if (json)
        printf("{\"id\":\"%s\",\"state\":\"queued\"}\n", words[0]);
    else
        printf("%s: queued\n", words[0]);
    return client_end(&c, EXIT_DONE);
}
