/* How far it is, for whoever looks: one line that is redrawn on a terminal, a
 * plain line every few seconds elsewhere, a JSON object a line with --json. */
#ifndef MANIMD_PROGRESS_H
#define MANIMD_PROGRESS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

enum progress_form { PROGRESS_TERMINAL, PROGRESS_PLAIN, PROGRESS_JSON };

struct progress {
    enum progress_form form;
    int64_t shown_ms; /* clock_now_ms() of the last plain line; 0: none yet */
    char said[64];    /* the last thing said without numbers */
    bool drawn;       /* there is a line to be wiped */
};

/* JSON goes to stdout, all else to stderr. */
void progress_init(struct progress *p, bool json);
/* `state` is what it does ("queued", "rendering"); `at` is progress_json()'s
 * object or NULL. */
void progress_show(struct progress *p, const char *state, const cJSON *at);
/* Before anything else is printed, and at the end. */
void progress_wipe(struct progress *p);

#endif
