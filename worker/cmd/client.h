/* What the producer's and operator's commands share: a connection, an id that
 * is one, errors with the right exit. */
#ifndef MANIMD_CLIENT_H
#define MANIMD_CLIENT_H

#include <stdbool.h>

#include "../base/config.h"
#include "../base/err.h"
#include "../intake/producer.h"
#include "cmd.h"

struct client {
    struct config config;
    struct loop *loop;
    struct producer *producer;
    struct err err;
};

/* cmd_begin(), then, with `id` not NULL, a check of what it then points to,
 * then the connection. `false`: leave with *ret_exit. */
bool client_begin(struct client *c, const struct args *args, int argc, char **argv,
                  const char *const *id, int *ret_exit);
int client_connect(struct client *c);
/* Says the error, if there is one; frees; returns `exit`. */
int client_end(struct client *c, int exit);
/* The exit for a producer call's code. */
int client_exit(int rc);

/* Shared by `submit --wait` and `watch`: follows to the end, prints; returns
 * the exit. `file` names the script in errors, or NULL. */
int client_follow(struct client *c, const char *id, bool json, const char *file);

#endif
