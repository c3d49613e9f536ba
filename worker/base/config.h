/* Options, from one table (option.def): defaults, then manimd.conf, then the
 * environment, then the command line. A wrong value stops the start with one
 * sentence that names it.
 *
 * `redis_url` is MANIMD_REDIS_URL in the environment (or an alias of the
 * table), `redis_url = …` in the file, `--redis-url` on the command line. A
 * secret may also come from the file named by …_FILE or from
 * $CREDENTIALS_DIRECTORY/<name>. An empty value is the default.
 *
 * The file is that of `--config`, else of MANIMD_CONFIG, else
 * /etc/manimd/manimd.conf if there is one. Lines are `name = value`, `# …` or
 * empty; a value may stand in double quotes; an unknown name is an error. */
#ifndef MANIMD_CONFIG_H
#define MANIMD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct err;

enum option_type { OPTION_STRING, OPTION_SECRET, OPTION_INT, OPTION_BOOL, OPTION_CHOICE };

/* Who may see an option: a stage's environment is made of those it needs. */
enum option_for {
    FOR_WORKER = 1,
    FOR_RENDER = 2,
    FOR_STORE = 4,
    FOR_FETCH = 8,
    FOR_CLIENT = 16, /* submit, watch, cancel, status */
    FOR_COURIER = 32,
    LIVE = 64, /* no reader: it may change while a worker runs */
};

struct config {
#define OPTION_STRING_FIELD(name) char *name;
#define OPTION_SECRET_FIELD(name) char *name;
#define OPTION_CHOICE_FIELD(name) char *name;
#define OPTION_INT_FIELD(name) int64_t name;
#define OPTION_BOOL_FIELD(name) bool name;
#define OPTION(type, name, value, low, high, who, aliases, help) OPTION_##type##_FIELD(name)
#include "../option.def"
#undef OPTION
};

/* Removes the options it knows from argv (and `--config FILE`), leaves the
 * rest, and all from a "--" on, for the command to read. `argc`/`argv` exclude
 * the program's name. On failure `c` is as it was. */
int config_load(struct config *c, int *argc, char **argv, struct err *e);
void config_done(struct config *c);
/* Takes what is LIVE and differs from `fresh`, which gets the old values. Names
 * by commas of what was taken, and of what differs and needs a restart; the
 * caller frees both. */
void config_adopt(struct config *c, struct config *fresh, char **ret_taken, char **ret_fixed);
/* The environment for a stage: PATH, HOME-less, LANG=C.UTF-8, and the options
 * marked for it as MANIMD_…; NULL-terminated; config_env_free(). */
char **config_env(const struct config *c, enum option_for who);
void *config_env_free(char **env);
/* Wipes every option from this process's own environment, /proc/PID/environ
 * included: some are secrets, URLs may hold passwords. After config_load(). */
void config_scrub_environment(void);
/* One row per option: name, type, default, bounds, help (docs, doctor). */
void config_print_table(FILE *out, bool json);

#endif
