/* One option, as config.c handles it: a row of option.def, and how its value
 * is checked and kept in a struct config. Only config.c includes this. */
#ifndef MANIMD_OPTION_H
#define MANIMD_OPTION_H

#include "config.h"

#include <stddef.h>

struct err;

struct option {
    const char *name;
    enum option_type type;
    const char *text; /* default of a STRING, SECRET, CHOICE; NULL: unset */
    int64_t number;   /* default of an INT, BOOL */
    int64_t low, high;
    int who;
    const char *aliases, *help;
    size_t offset;
};

#define OPTION_NAME_CHARS_MAX 64

extern const struct option option_table[];
extern const size_t option_count;
#define FOR_EACH_OPTION(o) \
    for (const struct option *o = option_table; o < option_table + option_count; o++)

/* NULL when there is none. */
const struct option *option_find(const char *name);
/* The secret whose `name`_file this is, or NULL. */
const struct option *option_find_secret_of_file(const char *name);
bool option_holds_text(const struct option *o);
/* Where `c` keeps it: a char **, int64_t * or bool *. */
void *option_field(const struct config *c, const struct option *o);
void option_put_default(struct config *c, const struct option *o);
/* Checks and keeps `text`; "" is the default. `where` is for the sentence. */
int option_set(struct config *c, const struct option *o, const char *text, const char *where,
               struct err *e);
/* The value as text, NULL when it is the default. The caller frees. */
char *option_changed_value(const struct config *c, const struct option *o);
/* MANIMD_REDIS_URL, with `suffix` behind it. */
void option_environment_name(const struct option *o, const char *suffix,
                             char ret[OPTION_NAME_CHARS_MAX]);
/* Copies the next name of a list with commas; false at its end. */
bool option_next_alias(const char **aliases, char ret[OPTION_NAME_CHARS_MAX]);

#endif
