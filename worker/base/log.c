/* The log: one record, one write(2), so that lines of several processes on
 * one stderr never mix. The level, the format and the context are the only
 * mutable globals of the tree.
 *
 * Field names: Elastic Common Schema 8 (@timestamp, log.level, message). */
#include "log.h"

#include "buf.h"
#include "clock.h"
#include "file.h"
#include "json.h"
#include "own.h"

#include <stdarg.h>
#include <string.h>

#define RECORD_BYTES_MAX (16 * 1024)
#define MESSAGE_BYTES_MAX 2048

static const struct {
    const char *name, *colour;
} levels[] = {
    [LOG_ERROR] = {"error", "\033[31m"},
    [LOG_WARN] = {"warn", "\033[33m"},
    [LOG_INFO] = {"info", ""},
    [LOG_DEBUG] = {"debug", "\033[2m"},
};

static struct {
    enum log_level level;
    enum log_format format;
    char job_id[128], stage[32];
} settings = {.level = LOG_INFO};

void log_setup(enum log_level level, enum log_format format)
{
    settings.level = level;
    settings.format = format;
}

void log_set_context(const char *job_id, const char *stage)
{
    snprintf(settings.job_id, sizeof(settings.job_id), "%s", job_id ? job_id : "");
    snprintf(settings.stage, sizeof(settings.stage), "%s", stage ? stage : "");
}

bool log_level_from_name(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(levels[i].name, name) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void add_field(struct buf *line, const char *name, const char *value)
{
    if (!*value)
        return;
    (void)buf_printf(line, ",\"%s\":", name);
    (void)json_quote(line, value, strlen(value));
}

static void add_json(struct buf *line, enum log_level level, const char *job_id, const char *text)
{
    char now[25];
    clock_format_iso(clock_unix_ms(), now);
    (void)buf_printf(line, "{\"@timestamp\":\"%s\",\"log.level\":\"%s\"", now, levels[level].name);
    add_field(line, "message", text);
    add_field(line, "job.id", job_id);
    add_field(line, "stage", settings.stage);
    (void)buf_printf(line, ",\"process.pid\":%d}\n", (int)getpid());
}

/* Descriptor 2 does not change into another while we run. */
static bool on_terminal(void)
{
    static int is_tty = -1;
    if (is_tty < 0)
        is_tty = isatty(STDERR_FILENO) == 1;
    return is_tty;
}

/* For people: without quotes and escapes, but no control character of ASCII
 * or ISO 6429 (U+0080 to U+009F) reaches the terminal. */
static void add_clean(struct buf *line, const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
        bool latin_control = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0;
        bool control = *s < 0x20 || *s == 0x7f || latin_control;
        (void)buf_add(line, control ? "?" : (const char *)s, 1);
        s += latin_control;
    }
}

static void add_text(struct buf *line, enum log_level level, const char *job_id, const char *text)
{
    bool tty = on_terminal();
    char now[25];
    clock_format_iso(clock_unix_ms(), now);
    if (tty)
        (void)buf_printf(line, "%.8s %s", now + 11, levels[level].colour);
    (void)buf_printf(line, "%s: ", levels[level].name);
    if (*job_id) {
        (void)buf_add_str(line, "job ");
        add_clean(line, job_id);
        (void)buf_add_str(line, ": ");
    }
    if (*settings.stage)
        (void)buf_printf(line, "%s: ", settings.stage);
    add_clean(line, text);
    (void)buf_add_str(line, tty ? "\033[0m\n" : "\n");
}

static bool wants_text(void)
{
    if (settings.format == LOG_FORMAT_AUTO)
        return on_terminal();
    return settings.format == LOG_FORMAT_TEXT;
}

static void write_record(enum log_level level, const char *job_id, const char *text)
{
    own_buf struct buf line = BUF_INIT(RECORD_BYTES_MAX);
    (wants_text() ? add_text : add_json)(&line, level, job_id, text);
    (void)file_write_all(STDERR_FILENO, line.data, line.bytes); /* no one is left to tell */
}

void log_at(enum log_level level, const char *format, ...)
{
    if (level > settings.level)
        return;
    char text[MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_record(level, settings.job_id, text);
}

void log_job(enum log_level level, const char *job_id, const char *format, ...)
{
    if (level > settings.level)
        return;
    char text[MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_record(level, job_id ? job_id : "", text);
}
