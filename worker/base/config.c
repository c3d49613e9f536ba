/* Where the values of options come from, and who is given them.
 *
 * A value goes through option_set() whatever its source; an empty one means the
 * default. The order of the sources is the order of calls in config_load():
 * each overrides those before it. */
#include "config.h"

#include "buf.h"
#include "err.h"
#include "file.h"
#include "limits.h"
#include "option.h"
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEFAULT_FILE "/etc/manimd/manimd.conf"
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define WHERE_CHARS_MAX 300

/* A secret from a file: all of it but the newline at its end. */
static int set_from_file(struct config *c, const struct option *o, const char *path,
                         const char *where, struct err *e)
{
    own_buf struct buf content = BUF_INIT(CEILING_CONFIG_BYTES);
    int rc = file_read(AT_FDCWD, path, &content, e);
    if (rc < 0)
        return err_wrap(e, rc, "option \"%s\" (%s)", o->name, where);
    if (content.bytes != strlen(buf_str(&content)))
        return err_set(e, -EINVAL, FAULT_HOST, "option \"%s\" (%s): \"%s\" holds a NUL byte",
                       o->name, where, path);
    own_free char *text = own_strdup(buf_str(&content));
    text[strcspn(text, "\r\n")] = '\0';
    rc = option_set(c, o, text, where, e);
    explicit_bzero(text, strlen(text));
    return rc;
}

/* Positive when there is no such option. */
static int set_by_name(struct config *c, const char *name, const char *text, const char *where,
                       struct err *e)
{
    const struct option *o = option_find(name);
    if (o)
        return option_set(c, o, text, where, e);
    o = option_find_secret_of_file(name);
    return o ? set_from_file(c, o, text, where, e) : 1;
}

static char *trim(char *s)
{
    s += strspn(s, " \t\r");
    size_t length = strlen(s);
    while (length && strchr(" \t\r", s[length - 1]))
        s[--length] = '\0';
    return s;
}

/* A value in double quotes may begin and end with spaces. */
static char *unquote(char *value)
{
    size_t length = strlen(value);
    if (length < 2 || value[0] != '"' || value[length - 1] != '"')
        return value;
    value[length - 1] = '\0';
    return value + 1;
}

static int load_line(struct config *c, char *line, const char *where, struct err *e)
{
    char *name = trim(line);
    if (*name == '\0' || *name == '#')
        return 0;
    char *value = strchr(name, '=');
    if (!value)
        return err_set(e, -EINVAL, FAULT_HOST, "%s: \"name = value\" is expected", where);
    *value++ = '\0';
    name = trim(name);
    int rc = set_by_name(c, name, unquote(trim(value)), where, e);
    if (rc > 0)
        return err_set(e, -EINVAL, FAULT_HOST, "%s: there is no option \"%.64s\"", where, name);
    return rc;
}

static int load_file(struct config *c, const char *path, struct err *e)
{
    own_buf struct buf content = BUF_INIT(CEILING_CONFIG_BYTES);
    int rc = file_read(AT_FDCWD, path, &content, e);
    if (rc < 0)
        return err_wrap(e, rc, "configuration");
    if (content.bytes != strlen(buf_str(&content)))
        return err_set(e, -EINVAL, FAULT_HOST, "configuration \"%s\" holds a NUL byte", path);
    char *rest = content.data, *line;
    for (int number = 1; rc == 0 && (line = strsep(&rest, "\n")); number++) {
        char where[WHERE_CHARS_MAX];
        snprintf(where, sizeof(where), "\"%.200s\" line %d", path, number);
        rc = load_line(c, line, where, e);
    }
    return rc;
}

/* What the environment says under our name, else under the first alias that
 * is set; "" counts as not set, as deployment tools write it so. */
static const char *environment_value(const struct option *o, char ret_name[OPTION_NAME_CHARS_MAX])
{
    const char *aliases = o->aliases, *value;
    option_environment_name(o, "", ret_name);
    do
        value = getenv(ret_name);
    while (!(value && *value) && option_next_alias(&aliases, ret_name));
    return value && *value ? value : NULL;
}

static int load_secret_files(struct config *c, const struct option *o, struct err *e)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    int rc = 0;
    if (credentials && *credentials) {
        own_free char *path = own_printf("%s/%s", credentials, o->name);
        if (access(path, F_OK) == 0)
            rc = set_from_file(c, o, path, "a systemd credential", e);
    }
    char name[OPTION_NAME_CHARS_MAX];
    option_environment_name(o, "_FILE", name);
    const char *path = getenv(name);
    if (rc == 0 && path && *path)
        rc = set_from_file(c, o, path, name, e);
    return rc;
}

static int load_environment(struct config *c, struct err *e)
{
    int rc = 0;
    FOR_EACH_OPTION(o)
    {
        char name[OPTION_NAME_CHARS_MAX], where[WHERE_CHARS_MAX];
        if (o->type == OPTION_SECRET)
            rc = load_secret_files(c, o, e);
        const char *value = environment_value(o, name);
        if (rc == 0 && value) {
            snprintf(where, sizeof(where), "%s in the environment", name);
            rc = option_set(c, o, value, where, e);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* `--redis-url` and `--redis-url=…` to redis_url; the value behind "=" or
 * NULL. False when `arg` is no long option. */
static bool split_argument(const char *arg, char ret_name[OPTION_NAME_CHARS_MAX],
                           const char **ret_value)
{
    if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0')
        return false;
    size_t length = strcspn(arg + 2, "=");
    if (length >= OPTION_NAME_CHARS_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        ret_name[i] = arg[2 + i] == '-' ? '_' : arg[2 + i];
    ret_name[length] = '\0';
    *ret_value = arg[2 + length] == '=' ? arg + 2 + length + 1 : NULL;
    return true;
}

/* --name and --no-name. Positive when `name` is no such thing. */
static int load_bool_argument(struct config *c, const char *name, struct err *e)
{
    bool no = strncmp(name, "no_", 3) == 0;
    const struct option *o = option_find(no ? name + 3 : name);
    if (!o || o->type != OPTION_BOOL)
        return 1;
    return option_set(c, o, no ? "false" : "true", "the command line", e);
}

/* The number of arguments taken from the front of `argv`, 0 when the first is
 * not ours. */
static int load_argument(struct config *c, int argc, char **argv, struct err *e)
{
    char name[OPTION_NAME_CHARS_MAX];
    const char *value;
    if (!split_argument(argv[0], name, &value))
        return 0;
    int rc = value ? 1 : load_bool_argument(c, name, e);
    if (rc <= 0)
        return rc < 0 ? rc : 1;
    bool ours =
        strcmp(name, "config") == 0 || option_find(name) || option_find_secret_of_file(name);
    if (!ours)
        return 0;
    if (!value && argc < 2)
        return err_set(e, -EINVAL, FAULT_HOST, "option \"%s\" needs a value", argv[0]);
    rc = set_by_name(c, name, value ? value : argv[1], "the command line", e);
    return rc < 0 ? rc : value ? 1 : 2; /* --config was read before */
}

/* Takes our options out of argv, up to a "--". */
static int load_arguments(struct config *c, int *argc, char **argv, struct err *e)
{
    int kept = 0, i = 0;
    while (i < *argc && strcmp(argv[i], "--") != 0) {
        int taken = load_argument(c, *argc - i, argv + i, e);
        if (taken < 0)
            return taken;
        if (taken == 0)
            argv[kept++] = argv[i++];
        i += taken;
    }
    while (i < *argc)
        argv[kept++] = argv[i++];
    *argc = kept;
    argv[kept] = NULL;
    return 0;
}

/* --config, else MANIMD_CONFIG, else the system's file if there is one. */
static const char *config_path(int argc, char **argv)
{
    const char *path = NULL;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            path = argv[i] + 9;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            path = argv[i + 1];
    }
    if (!path)
        path = getenv("MANIMD_CONFIG");
    if (!path && access(DEFAULT_FILE, F_OK) == 0)
        path = DEFAULT_FILE;
    return path && *path ? path : NULL;
}

int config_load(struct config *c, int *argc, char **argv, struct err *e)
{
    struct config fresh = {0};
    FOR_EACH_OPTION(o)
    option_put_default(&fresh, o);
    const char *path = config_path(*argc, argv);
    int rc = path ? load_file(&fresh, path, e) : 0;
    if (rc == 0)
        rc = load_environment(&fresh, e);
    if (rc == 0)
        rc = load_arguments(&fresh, argc, argv, e);
    if (rc < 0) {
        config_done(&fresh);
        return rc;
    }
    *c = fresh;
    return 0;
}

void config_done(struct config *c)
{
    FOR_EACH_OPTION(o)
    {
        if (!option_holds_text(o))
            continue;
        char **value = option_field(c, o);
        if (*value && o->type == OPTION_SECRET)
            explicit_bzero(*value, strlen(*value));
        free(*value);
        *value = NULL;
    }
}

static bool same_value(const struct config *a, const struct config *b, const struct option *o)
{
    own_free char *one = option_changed_value(a, o);
    own_free char *other = option_changed_value(b, o);
    bool same = one && other ? strcmp(one, other) == 0 : !one && !other;
    if (o->type == OPTION_SECRET && one)
        explicit_bzero(one, strlen(one));
    if (o->type == OPTION_SECRET && other)
        explicit_bzero(other, strlen(other));
    return same;
}

static void swap_value(struct config *a, struct config *b, const struct option *o)
{
    union {
        char *text;
        int64_t number;
        bool flag;
    } kept;
    size_t bytes = option_holds_text(o)     ? sizeof(kept.text)
                   : o->type == OPTION_BOOL ? sizeof(kept.flag)
                                            : sizeof(kept.number);
    memcpy(&kept, option_field(a, o), bytes);
    memcpy(option_field(a, o), option_field(b, o), bytes);
    memcpy(option_field(b, o), &kept, bytes);
}

void config_adopt(struct config *c, struct config *fresh, char **ret_taken, char **ret_fixed)
{
    own_buf struct buf taken = BUF_INIT(CEILING_CONFIG_BYTES); /* names of ours: they fit */
    own_buf struct buf fixed = BUF_INIT(CEILING_CONFIG_BYTES);
    FOR_EACH_OPTION(o)
    {
        if (same_value(c, fresh, o))
            continue;
        struct buf *names = o->who & LIVE ? &taken : &fixed;
        (void)buf_printf(names, "%s%s", names->bytes ? ", " : "", o->name);
        if (o->who & LIVE)
            swap_value(c, fresh, o);
    }
    *ret_taken = own_strdup(buf_str(&taken));
    *ret_fixed = own_strdup(buf_str(&fixed));
}

char **config_env(const struct config *c, enum option_for who)
{
    char **env = own_calloc(option_count + 5, sizeof(*env));
    size_t count = 0;
    const char *path = getenv("PATH"), *tmpdir = getenv("TMPDIR");
    env[count++] = own_printf("PATH=%s", path && *path ? path : DEFAULT_PATH);
    env[count++] = own_strdup("LANG=C.UTF-8");
    /* The file has had its say: a stage must not find in it again what the
     * command line has overridden. */
    env[count++] = own_strdup("MANIMD_CONFIG=");
    if (tmpdir && *tmpdir)
        env[count++] = own_printf("TMPDIR=%s", tmpdir);
    FOR_EACH_OPTION(o)
    {
        own_free char *value = o->who & (int)who ? option_changed_value(c, o) : NULL;
        char name[OPTION_NAME_CHARS_MAX];
        if (!value)
            continue;
        option_environment_name(o, "", name);
        env[count++] = own_printf("%s=%s", name, value);
    }
    return env;
}

void *config_env_free(char **env)
{
    for (char **entry = env; entry && *entry; entry++) {
        explicit_bzero(*entry, strlen(*entry)); /* secrets may be among them */
        free(*entry);
    }
    free(env);
    return NULL;
}

/* unsetenv() alone would leave the value to be read in /proc/PID/environ. */
static void scrub(const char *name)
{
    char *value = getenv(name);
    if (value)
        explicit_bzero(value, strlen(value));
    (void)unsetenv(name); /* fails for names with "=" only */
}

void config_scrub_environment(void)
{
    FOR_EACH_OPTION(o)
    {
        char name[OPTION_NAME_CHARS_MAX];
        const char *aliases = o->aliases;
        option_environment_name(o, "", name);
        do
            scrub(name);
        while (option_next_alias(&aliases, name));
    }
}
