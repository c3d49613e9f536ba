#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/json.h"
#include "../base/own.h"

#define PLAIN_EVERY_MS 3000
#define WIDTH_USUAL 80
#define WIDTH_LEAST 40
#define BAR_MOST 30
#define NUMBERS_WIDTH 54 /* all but the bar */

void progress_init(struct progress *p, bool json)
{
    *p = (struct progress){.form = json ? PROGRESS_JSON : PROGRESS_PLAIN};
    const char *term = getenv("TERM");
    if (!json && isatty(2) && !(term && !strcmp(term, "dumb")))
        p->form = PROGRESS_TERMINAL;
}

static int width(void)
{
    struct winsize size;
    if (!ioctl(2, TIOCGWINSZ, &size) && size.ws_col >= WIDTH_LEAST)
        return size.ws_col;
    const char *columns = getenv("COLUMNS");
    long number = columns ? strtol(columns, NULL, 10) : 0;
    return number >= WIDTH_LEAST && number <= 1000 ? (int)number : WIDTH_USUAL;
}

static void format_left(double eta_s, char ret[16])
{
    if (!(eta_s >= 0 && eta_s < 360000)) {
        snprintf(ret, 16, "-:--");
        return;
    }
    int seconds = (int)(eta_s + 0.5);
    if (seconds >= 3600)
        snprintf(ret, 16, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        snprintf(ret, 16, "%d:%02d", seconds / 60, seconds % 60);
}

static void format_numbers(const char *state, const cJSON *at, char *ret, size_t bytes)
{
    char left[16];
    format_left(json_num(at, "eta_s", -1), left);
    double percent = json_num(at, "percent", 0);
    percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
    if (cJSON_HasObjectItem(at, "total_bytes"))
        snprintf(ret, bytes, "%3.0f%%  storing %.1f of %.1f MB", percent,
                 json_num(at, "stored_bytes", 0) / 1e6, json_num(at, "total_bytes", 0) / 1e6);
    else
        snprintf(ret, bytes, "%3.0f%%  %s  %.0f frames  %.1f fps  %s left", percent, state,
                 json_num(at, "frames", 0), json_num(at, "fps", 0), left);
}

static void draw(struct progress *p, const char *state, const cJSON *at)
{
    char numbers[128];
    if (!at) {
        fprintf(stderr, "\r\033[K%.60s", state);
    } else {
        format_numbers(state, at, numbers, sizeof numbers);
        int room = width() - 1, bar = room - NUMBERS_WIDTH - 3;
        bar = bar > BAR_MOST ? BAR_MOST : bar;
        int full = (int)(json_num(at, "percent", 0) / 100 * bar);
        fprintf(stderr, "\r\033[K");
        if (bar >= 8) {
            fputc('[', stderr);
            for (int i = 0; i < bar; i++)
                fputc(i < full ? '#' : '.', stderr);
            fputs("] ", stderr);
            room -= bar + 3;
        }
        fprintf(stderr, "%.*s", room, numbers);
    }
    fflush(stderr);
    p->drawn = true;
}

static void print_plain(struct progress *p, const char *state, const cJSON *at)
{
    int64_t now_ms = clock_now_ms();
    bool news = strcmp(p->said, state) != 0;
    if (!news && (!at || now_ms - p->shown_ms < PLAIN_EVERY_MS))
        return;
    char numbers[128];
    if (at) {
        format_numbers(state, at, numbers, sizeof numbers);
        fprintf(stderr, "%s\n", numbers);
    } else {
        fprintf(stderr, "%s\n", state);
    }
    snprintf(p->said, sizeof p->said, "%.60s", state);
    p->shown_ms = now_ms;
}

static void print_json(const char *state, const cJSON *at)
{
    own_json cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "state", state);
    if (at)
        cJSON_AddItemToObject(line, "progress", cJSON_Duplicate(at, true));
    own_free char *text = json_print(line);
    printf("%s\n", text);
    fflush(stdout);
}

void progress_show(struct progress *p, const char *state, const cJSON *at)
{
    switch (p->form) {
    case PROGRESS_TERMINAL:
        draw(p, state, at);
        break;
    case PROGRESS_PLAIN:
        print_plain(p, state, at);
        break;
    case PROGRESS_JSON:
        print_json(state, at);
        break;
    }
}

void progress_wipe(struct progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r\033[K");
    fflush(stderr);
    p->drawn = false;
}
