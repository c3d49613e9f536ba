/* The subcommands: a file each, one table of them in commands.c. This is the
 * only room that knows all the others; it wires them together and talks to
 * people. Exit status: 0 done, 1 the job failed, 2 usage or configuration,
 * 3 the host failed. */
#ifndef MANIMD_CMD_H
#define MANIMD_CMD_H

#include <stdbool.h>

#include "args.h"

struct config;
struct err;

enum { EXIT_DONE = 0, EXIT_JOB = 1, EXIT_USAGE = 2, EXIT_HOST = 3 };

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the first argument */
    const char *summary;
    bool hidden;
};

extern const struct command commands[]; /* ends with a NULL name */
const struct command *command_find(const char *name);
void commands_print(void);
void version_print(void);

int cmd_render(int argc, char **argv);
int cmd_work(int argc, char **argv);
int cmd_submit(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_cancel(int argc, char **argv);
int cmd_retry(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_courier(int argc, char **argv);
int cmd_stage(int argc, char **argv);

/* What every command does first: --help, the options of option.def, its own
 * arguments, the log. `true`: go on. `false`: leave with *ret_exit; what there
 * was to say has been said. `c` is then as after config_done(). */
bool cmd_begin(struct config *c, const struct args *args, int argc, char **argv, int *ret_exit);
/* Logs as the configuration says; cmd_begin() has called it. */
void cmd_log(const struct config *c);
/* "manimd: SENTENCE" on stderr; returns `exit`. */
int cmd_fail(int exit, const struct err *e);

#endif
