/* `manimd retry ID`: a dead or failed job goes back into the queue; with
 * --webhook its webhook goes back into the outbox instead. */
#include <stdio.h>

#include "client.h"

int cmd_retry(int argc, char **argv)
{
    bool json = false, webhook = false;
    const char *words[1] = {0};
    const struct arg table[] = {
        {"webhook", 0, ARG_FLAG, &webhook, NULL, "only send its webhook again", 0, 0},
        {"json", 0, ARG_FLAG, &json, NULL, "for machines", 0, 0},
        {0}};
    const struct args args = {
        .usage = "retry ID [--webhook] [--json]",
        .about =
            "Queues a dead or failed job again, with its attempts counted anew. With --webhook:\n"
            "sends the webhook of a job that has ended again, with its tries counted anew.",
        .table = table,
        .words = words,
        .words_least = 1,
        .words_most = 1,
    };
    struct client c;
    int exit;
    if (!client_begin(&c, &args, argc, argv, &words[0], &exit))
        return exit;
    int rc = webhook ? producer_hook_again(c.producer, words[0], &c.err)
                     : producer_requeue(c.producer, words[0], &c.err);
    if (rc)
        return client_end(&c, client_exit(rc));
    if (json && webhook)
        printf("{\"id\":\"%s\",\"webhook\":\"waiting\"}\n", words[0]);
    else if (json)
        printf("{\"id\":\"%s\",\"state\":\"queued\"}\n", words[0]);
    else
        printf("%s: %s\n", words[0], webhook ? "its webhook is sent again" : "queued");
    return client_end(&c, EXIT_DONE);
}
