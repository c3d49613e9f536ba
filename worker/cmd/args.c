#include "args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/err.h"

#define HELP_COLUMN 24

static const struct arg *find_long(const struct args *args, const char *name, size_t bytes)
{
    for (const struct arg *a = args->table; a->name; a++)
        if (strlen(a->name) == bytes && !strncmp(a->name, name, bytes))
            return a;
    return NULL;
}

static const struct arg *find_letter(const struct args *args, char letter)
{
    for (const struct arg *a = args->table; a->name; a++)
        if (a->letter == letter)
            return a;
    return NULL;
}

static int set_number(const struct arg *a, const char *value, struct err *e)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno || end == value || *end || number < a->low || number > a->high)
        return err_set(e, -EINVAL, FAULT_HOST,
                       "option --%s: \"%.40s\" is no whole number from %lld to %lld", a->name,
                       value, (long long)a->low, (long long)a->high);
    *(int64_t *)a->into = number;
    return 0;
}

/* As JSON writes a number, so that what is said here can be pushed. */
static int set_decimal(const struct arg *a, const char *value, struct err *e)
{
    char *end;
    double number = strtod(value, &end);
    bool plain = end != value && !*end && !value[strspn(value, "0123456789.")];
    if (!plain || number < (double)a->low || number > (double)a->high)
        return err_set(e, -EINVAL, FAULT_HOST,
                       "option --%s: \"%.40s\" is no number from %lld to %lld", a->name, value,
                       (long long)a->low, (long long)a->high);
    *(double *)a->into = number;
    return 0;
}

/* `value` is what was glued to the option, or NULL. Returns how many further
 * arguments were used. */
static int set(const struct arg *a, const char *value, const char *next, struct err *e)
{
    if (a->type == ARG_FLAG) {
        if (value)
            return err_set(e, -EINVAL, FAULT_HOST, "option --%s takes no value", a->name);
        *(bool *)a->into = true;
        return 0;
    }
    int used = value ? 0 : 1;
    if (!value)
        value = next;
    if (!value)
        return err_set(e, -EINVAL, FAULT_HOST, "option --%s needs a value: --%s %s", a->name,
                       a->name, a->value);
    if (a->type == ARG_TEXT) {
        *(const char **)a->into = value;
        return used;
    }
    int rc = a->type == ARG_DECIMAL ? set_decimal(a, value, e) : set_number(a, value, e);
    return rc ? rc : used;
}

static int option(const struct args *args, const char *text, const char *next, struct err *e)
{
    const struct arg *a;
    const char *value = NULL;
    if (text[1] == '-') {
        const char *equals = strchr(text, '=');
        value = equals ? equals + 1 : NULL;
        a = find_long(args, text + 2, equals ? (size_t)(equals - text - 2) : strlen(text + 2));
    } else {
        a = find_letter(args, text[1]);
        value = text[2] ? text + 2 : NULL;
    }
    if (!a)
        return err_set(e, -EINVAL, FAULT_HOST, "option \"%.60s\" is unknown: see --help", text);
    return set(a, value, next, e);
}

int args_parse(const struct args *args, int argc, char **argv, struct err *e)
{
    int words = 0;
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        if (!only_words && !strcmp(argv[i], "--")) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            int used = option(args, argv[i], i + 1 < argc ? argv[i + 1] : NULL, e);
            if (used < 0)
                return used;
            i += used;
        } else if (words < args->words_most) {
            args->words[words++] = argv[i];
        } else {
            return err_set(e, -EINVAL, FAULT_HOST, "argument \"%.60s\" is one too many", argv[i]);
        }
    }
    if (words < args->words_least)
        return err_set(e, -EINVAL, FAULT_HOST, "an argument is missing: manimd %s", args->usage);
    return 0;
}

void args_print(const struct args *args)
{
    printf("manimd %s\n\n%s\n\n", args->usage, args->about);
    for (const struct arg *a = args->table; a->name; a++) {
        char letter[8] = "";
        if (a->letter)
            snprintf(letter, sizeof letter, "-%c, ", a->letter);
        int width =
            printf("  %s--%s%s%s", letter, a->name, a->value ? " " : "", a->value ? a->value : "");
        printf("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", a->help);
    }
    printf("  --config FILE         options from a file\n"
           "  --help                this text\n\n"
           "Also every option of `manimd options`, as --name VALUE, as MANIMD_NAME in the\n"
           "environment, or as `name = value` in manimd.conf.\n");
}
