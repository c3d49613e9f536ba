/* `manimd watch ID`: follows a job to its end. */
#include "client.h"

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
    return client_end(&c, client_follow(&c, words[0], json, NULL));
}
