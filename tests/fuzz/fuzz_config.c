/* Configuration: a file, an environment and a command line, in this order,
 * parted by bytes of 1; variables and arguments are lines. Whatever is taken is
 * within the table's bounds, and what is refused leaves all as it was. */
#include <fcntl.h>
#include <unistd.h>

#include "../../worker/base/err.h"
#include "fuzz.h"

#define PART 1
#define ARGS_MAX 16
#define FILE_NAME "manimd.conf"

extern char **environ;

static void write_file(struct feed *f)
{
    size_t bytes;
    own_free char *text = feed_text(f, PART, &bytes);
    own_fd int fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, text, bytes) == (ssize_t)bytes);
}

static void set_environment(struct feed *f)
{
    own_free char *text = feed_text(f, PART, NULL);
    char *rest = text, *line;
    (void)clearenv();
    while ((line = strsep(&rest, "\n"))) {
        char *value = strchr(line, '=');
        if (!value || value == line)
            continue;
        *value++ = '\0';
        (void)setenv(line, value, 1);
    }
    (void)setenv("MANIMD_CONFIG", FILE_NAME, 1);
}

static void check_option(const struct config *c, const struct option *o)
{
    if (o->type == OPTION_INT) {
        int64_t value = *(int64_t *)option_field(c, o);
        must(value == o->number || (value >= o->low && value <= o->high));
    }
    own_free char *text = option_changed_value(c, o);
    struct config other = {0};
    if (!text)
        return;
    /* What a stage is told in its environment is what we have. */
    must(option_set(&other, o, text, "here", NULL) == 0);
    own_free char *again = option_changed_value(&other, o);
    must(again && strcmp(again, text) == 0);
    config_done(&other);
}

static void check_loaded(struct config *c)
{
    struct config fresh = {0};
    own_free char *taken = NULL;
    own_free char *fixed = NULL;
    FOR_EACH_OPTION(o)
    check_option(c, o);
    config_env_free(config_env(c, FOR_RENDER));
    fuzz_default_config(&fresh);
    config_adopt(c, &fresh, &taken, &fixed);
    config_done(&fresh);
    config_done(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    struct config c = {0}, untouched = {0};
    struct err e = ERR_INIT;
    char *argv[ARGS_MAX + 1];
    int argc = 0;
    write_file(&f);
    set_environment(&f);
    own_free char *text = feed_text(&f, PART, NULL);
    char *rest = text, *line;
    while (argc < ARGS_MAX && (line = strsep(&rest, "\n")))
        if (*line)
            argv[argc++] = line;
    argv[argc] = NULL;
    if (config_load(&c, &argc, argv, &e) == 0) {
        must(argc >= 0 && argc <= ARGS_MAX && !argv[argc]);
        check_loaded(&c);
    } else {
        must(memcmp(&c, &untouched, sizeof(c)) == 0 && *e.text);
    }
    config_scrub_environment();
    for (char **entry = environ; entry && *entry; entry++)
        must(strncmp(*entry, "MANIMD_REDIS_PASSWORD=", 22) != 0);
    return 0;
}
