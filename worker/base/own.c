/* Memory or an abort: nobody above has to ask whether there was any. */
#include "own.h"

#include <stdarg.h>
#include <string.h>

static void *had(void *p)
{
    if (!p) {
        fputs("manimd: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *own_calloc(size_t count, size_t size)
{
    /* calloc(0) may give NULL, which is no failure: ask for a byte instead. */
    return had(calloc(count ? count : 1, size ? size : 1));
}

void *own_realloc(void *p, size_t size)
{
    return had(realloc(p, size ? size : 1));
}

char *own_strdup(const char *s)
{
    return had(strdup(s));
}

char *own_strndup(const char *s, size_t n)
{
    return had(strndup(s, n));
}

char *own_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int rc = vasprintf(&text, format, args);
    va_end(args);
    return had(rc < 0 ? NULL : text);
}
