/* `manimd cancel ID`: stops a job, wherever it is. */
#include <stdio.h>

#include "client.h"

int cmd_cancel(int argc, char **argv)
{
    bool json = false;
    const char *words[1] = {0};
    const struct arg table[] = {{"json", 0, ARG_FLAG, &json, NULL, "for machines", 0, 0}, {0}};
    const struct args args = {
        .usage = "cancel ID [--json]",
        .about = "Stops a job: at once when it waits, within about a second when it runs. A job\n"
                 "that is not known yet is cancelled when it comes.",
        .table = table,
        .words = words,
        .words_least = 1,
        .words_most = 1,
    };
    struct client c;
    int exit;
    if (!client_begin(&c, &args, argc, argv, &words[0], &exit))
        return exit;
    enum job_state state = STATE_QUEUED;
    int rc = producer_cancel(c.producer, words[0], &state, &c.err);
    if (rc == PRODUCER_E_UNKNOWN)
        c.err.text[0] = 0; /* the wish is kept: that is no failure */
    if (rc && rc != PRODUCER_E_UNKNOWN)
        return client_end(&c, client_exit(rc));
    const char *said = rc ? "pending" : state == STATE_ACTIVE ? "stopping" : "cancelled";
    if (json)
        printf("{\"id\":\"%s\",\"cancel\":\"%s\"}\n", words[0], said);
    else
        printf("%s: %s\n", words[0],
               rc ? "not known yet: it will be cancelled when it comes" : said);
    return client_end(&c, EXIT_DONE);
}
