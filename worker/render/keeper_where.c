/* Where a scene was when its time was up: a line of its file, for the message.
 *
 * It cannot say so itself, since it does not know that its time is up; so it is
 * asked, by a signal that the warden passes on (of its CPU time the kernel tells
 * it), and Python's faulthandler writes the stack among the scene's lines, as
 *     Stack (most recent call first):
 *       File "PATH", line N in NAME
 * and more such. The first of the scene's own file is what is told. Whoever
 * does not answer at once (stopped, another program in its place, a handler of
 * its own) is ended without; what a scene says here names a place in its own
 * file, and nothing else follows from it. */
#include "keeper.h"

#include <poll.h>
#include <sys/socket.h>

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/own.h"

#define WITHIN_MS 100
#define BEGINNING "Stack ("
#define FRAME "  File \""
#define MODULE "<module>"

static bool skip(const char **at, const char *text)
{
    size_t bytes = strlen(text);
    if (strncmp(*at, text, bytes) != 0)
        return false;
    *at += bytes;
    return true;
}

void keeper_hear_where(struct keeper *k, const char *line)
{
    own_free char *path =
        k->script_path ? own_strdup(k->script_path) : own_printf("%s/scene.py", k->scene_dir);
    struct where found = {.line = 0};
    if (skip(&line, BEGINNING))
        k->where = found;
    if (k->where.line || !skip(&line, FRAME) || !skip(&line, path))
        return;
    if (sscanf(line, "\", line %9d in %63s", &found.line, found.name) != 2 || found.line < 1)
        return;
    found.name[text_clean(found.name, strlen(found.name))] = 0;
    k->where = found;
}

static void ask(struct keeper *k)
{
    int64_t until_ms = clock_now_ms() + WITHIN_MS;
    k->where = (struct where){.line = 0};
    if (send(k->job_fd, "w", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
        return;
    while (!k->where.line && k->words_fd >= 0) {
        int64_t left_ms = until_ms - clock_now_ms();
        struct pollfd words = {.fd = k->words_fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&words, 1, (int)left_ms) <= 0)
            return;
        keeper_hear_scene(k);
    }
}

void keeper_tell_where(struct keeper *k)
{
    if (!k->scene_exited && k->job_fd >= 0)
        ask(k);
    if (!k->where.line || !k->verdict.error)
        return;
    bool in = strcmp(k->where.name, MODULE) != 0;
    own_free char *text =
        own_printf("%s; it was at line %d%s%s", json_str(k->verdict.error, "message"),
                   k->where.line, in ? ", in " : "", in ? k->where.name : "");
    cJSON_ReplaceItemInObjectCaseSensitive(k->verdict.error, "message", cJSON_CreateString(text));
    json_add_int(k->verdict.error, "line", k->where.line);
}
