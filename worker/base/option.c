/* The table of options, compiled: values into struct config and out of it. */
#include "option.h"

#include "buf.h"
#include "err.h"
#include "json.h"
#include "limits.h"
#include "own.h"

#include <errno.h>
#include <string.h>

const struct option option_table[] = {
#define DEFAULT_STRING(value) .text = (value)
#define DEFAULT_SECRET(value) .text = (value)
#define DEFAULT_CHOICE(value) .text = (value)
#define DEFAULT_INT(value) .number = (value)
#define DEFAULT_BOOL(value) .number = (value)
#define OPTION(kind, id, value, least, most, whose, others, words) \
    {.name = #id,                                                  \
     .type = OPTION_##kind,                                        \
     DEFAULT_##kind(value),                                        \
     .low = (least),                                               \
     .high = (most),                                               \
     .who = (whose),                                               \
     .aliases = (others),                                          \
     .help = (words),                                              \
     .offset = offsetof(struct config, id)},
#include "../option.def"
#undef OPTION
};
const size_t option_count = sizeof(option_table) / sizeof(option_table[0]);

static const char *const type_names[] = {
    [OPTION_STRING] = "string", [OPTION_SECRET] = "secret", [OPTION_INT] = "int",
    [OPTION_BOOL] = "bool",     [OPTION_CHOICE] = "choice",
};

void *option_field(const struct config *c, const struct option *o)
{
    return (char *)c + o->offset;
}

bool option_holds_text(const struct option *o)
{
    return o->type == OPTION_STRING || o->type == OPTION_SECRET || o->type == OPTION_CHOICE;
}

static void put_text(struct config *c, const struct option *o, const char *text)
{
    char **value = option_field(c, o);
    free(*value);
    *value = text ? own_strdup(text) : NULL;
}

void option_put_default(struct config *c, const struct option *o)
{
    if (option_holds_text(o))
        put_text(c, o, o->text);
    else if (o->type == OPTION_BOOL)
        *(bool *)option_field(c, o) = o->number != 0;
    else
        *(int64_t *)option_field(c, o) = o->number;
}

static int refuse(const struct option *o, const char *text, const char *where, const char *allowed,
                  struct err *e)
{
    return err_set(e, -EINVAL, FAULT_HOST, "option \"%s\" is \"%.100s\" (%s), it must be %s",
                   o->name, text, where, allowed);
}

static int set_int(struct config *c, const struct option *o, const char *text, const char *where,
                   struct err *e)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool whole = *end == '\0' && errno == 0 && strchr("-0123456789", text[0]);
    if (!whole || value < o->low || value > o->high) {
        own_free char *allowed =
            own_printf("a whole number from %lld to %lld", (long long)o->low, (long long)o->high);
        return refuse(o, text, where, allowed, e);
    }
    *(int64_t *)option_field(c, o) = value;
    return 0;
}

static int set_bool(struct config *c, const struct option *o, const char *text, const char *where,
                    struct err *e)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], text) == 0) {
            *(bool *)option_field(c, o) = i % 2;
            return 0;
        }
    }
    return refuse(o, text, where, "true or false", e);
}

static size_t choices_length(const struct option *o)
{
    return strcspn(o->help, ":");
}

static int set_choice(struct config *c, const struct option *o, const char *text, const char *where,
                      struct err *e)
{
    size_t length = strlen(text);
    const char *choice = o->help, *end = o->help + choices_length(o);
    while (choice < end) {
        size_t here = strcspn(choice, "|:");
        if (here == length && memcmp(choice, text, length) == 0) {
            put_text(c, o, text);
            return 0;
        }
        choice += here + 1;
    }
    own_free char *allowed = own_printf("one of %.*s", (int)choices_length(o), o->help);
    return refuse(o, text, where, allowed, e);
}

static int set_text(struct config *c, const struct option *o, const char *text, const char *where,
                    struct err *e)
{
    (void)where;
    (void)e;
    put_text(c, o, text);
    return 0;
}

int option_set(struct config *c, const struct option *o, const char *text, const char *where,
               struct err *e)
{
    static int (*const setters[])(struct config *, const struct option *, const char *,
                                  const char *, struct err *) = {
        [OPTION_STRING] = set_text, [OPTION_SECRET] = set_text,   [OPTION_INT] = set_int,
        [OPTION_BOOL] = set_bool,   [OPTION_CHOICE] = set_choice,
    };
    if (*text)
        return setters[o->type](c, o, text, where, e);
    option_put_default(c, o);
    return 0;
}

const struct option *option_find(const char *name)
{
    FOR_EACH_OPTION(o)
    if (strcmp(o->name, name) == 0)
        return o;
    return NULL;
}

const struct option *option_find_secret_of_file(const char *name)
{
    const char *suffix = "_file";
    size_t length = strlen(name);
    if (length <= strlen(suffix) || strcmp(name + length - strlen(suffix), suffix) != 0)
        return NULL;
    own_free char *secret = own_strndup(name, length - strlen(suffix));
    const struct option *o = option_find(secret);
    return o && o->type == OPTION_SECRET ? o : NULL;
}

void option_environment_name(const struct option *o, const char *suffix,
                             char ret[OPTION_NAME_CHARS_MAX])
{
    int length = snprintf(ret, OPTION_NAME_CHARS_MAX, "MANIMD_%s%s", o->name, suffix);
    for (int i = 0; i < length; i++)
        if (ret[i] >= 'a' && ret[i] <= 'z')
            ret[i] = (char)(ret[i] - 'a' + 'A');
}

bool option_next_alias(const char **aliases, char ret[OPTION_NAME_CHARS_MAX])
{
    size_t length = strcspn(*aliases, ",");
    if (length == 0 || length >= OPTION_NAME_CHARS_MAX)
        return false;
    memcpy(ret, *aliases, length);
    ret[length] = '\0';
    *aliases += length + ((*aliases)[length] == ',');
    return true;
}

char *option_changed_value(const struct config *c, const struct option *o)
{
    if (o->type == OPTION_INT) {
        int64_t value = *(int64_t *)option_field(c, o);
        return value == o->number ? NULL : own_printf("%lld", (long long)value);
    }
    if (o->type == OPTION_BOOL) {
        bool value = *(bool *)option_field(c, o);
        return value == (o->number != 0) ? NULL : own_strdup(value ? "true" : "false");
    }
    const char *value = *(char **)option_field(c, o);
    if (!value || (o->text && strcmp(o->text, value) == 0))
        return NULL;
    return own_strdup(value);
}

static void print_json_text(struct buf *b, const char *name, const char *text)
{
    (void)buf_printf(b, ",\"%s\":", name);
    if (text)
        (void)json_quote(b, text, strlen(text));
    else
        (void)buf_add_str(b, "null");
}

static void print_json_row(struct buf *b, const struct option *o)
{
    (void)buf_printf(b, "{\"name\":\"%s\",\"type\":\"%s\"", o->name, type_names[o->type]);
    if (option_holds_text(o))
        print_json_text(b, "default", o->text);
    else if (o->type == OPTION_BOOL)
        (void)buf_printf(b, ",\"default\":%s", o->number ? "true" : "false");
    else
        (void)buf_printf(b, ",\"default\":%lld,\"low\":%lld,\"high\":%lld", (long long)o->number,
                         (long long)o->low, (long long)o->high);
    print_json_text(b, "aliases", o->aliases);
    print_json_text(b, "help", o->help);
    (void)buf_add_str(b, "}");
}

static void print_text_row(struct buf *b, const struct option *o)
{
    (void)buf_printf(b, "%-22s ", o->name);
    if (option_holds_text(o))
        (void)buf_printf(b, "%s", o->text && *o->text ? o->text : "unset");
    else if (o->type == OPTION_BOOL)
        (void)buf_printf(b, "%s", o->number ? "true" : "false");
    else
        (void)buf_printf(b, "%lld, from %lld to %lld", (long long)o->number, (long long)o->low,
                         (long long)o->high);
    (void)buf_printf(b, "\n    %s\n", o->help);
}

void config_print_table(FILE *out, bool json)
{
    own_buf struct buf b = BUF_INIT(CEILING_CONFIG_BYTES); /* the table is ours: it fits */
    FOR_EACH_OPTION(o)
    {
        if (json)
            (void)buf_add_str(&b, o == option_table ? "[\n" : ",\n");
        (json ? print_json_row : print_text_row)(&b, o);
    }
    if (json)
        (void)buf_add_str(&b, "\n]\n");
    fputs(buf_str(&b), out);
}
