/* A command's own arguments: one table parses them and prints `--help`. The
 * options of option.def have been taken out of argv before. */
#ifndef MANIMD_ARGS_H
#define MANIMD_ARGS_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum arg_type { ARG_FLAG, ARG_TEXT, ARG_NUMBER, ARG_DECIMAL };

struct arg {
    const char *name; /* without the dashes; NULL ends the table */
    char letter;      /* 0: none */
    enum arg_type type;
    void *into;        /* bool *, const char **, int64_t *, double * */
    const char *value; /* in the help: FILE, N … */
    const char *help;
    int64_t low, high; /* of a number */
};

struct args {
    const char *usage; /* "render FILE [SCENE] [options]" */
    const char *about; /* one or more lines */
    const struct arg *table;
    const char **words; /* the arguments that are no options; NULL = absent */
    int words_least, words_most;
};

/* Texts point into argv. */
int args_parse(const struct args *args, int argc, char **argv, struct err *e);
void args_print(const struct args *args);

#endif
