/* manimd-encode: a program of its own, since libav's 178 libraries and every
 * bug of its codecs are not to be in a process that holds keys.
 *
 *   SPEC.json ──▶ settings ─┐
 *   ring ──▶ session ──▶ outputs: mp4 (video, sound, spools, mux), png, log
 *                           └──▶ report: progress, then done or error
 *
 * All that opens files comes before the seal; threads come after it. What is
 * sealed is this process: no exec, no socket, one directory to write in. */
#include <errno.h>
#include <libavutil/log.h>
#include <poll.h>
#include <signal.h>

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/own.h"
#include "../base/ring.h"
#include "fault.h"
#include "report.h"
#include "seal.h"
#include "session.h"
#include "settings.h"
#include "spec.h"

static void on_term(int signo)
{
    (void)signo;
    _exit(128 + SIGTERM);
}

/* SIGTERM has a handler, since the first process of a PID namespace is not
 * stopped by default actions. Writes beyond a limit answer EFBIG. */
static void set_signals(void)
{
    const struct sigaction term = {.sa_handler = on_term};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

/* Until something is in the ring; -EPIPE when the keeper is gone. */
static int wait_for_record(struct err *e)
{
    struct pollfd fds[] = {
        {.fd = ENCODE_FD_DATA_READY, .events = POLLIN},
        {.fd = ENCODE_FD_REPORT}, /* POLLERR and POLLHUP come unasked */
    };
    if (poll(fds, 2, -1) < 0 && errno != EINTR)
        return fault_errno(e, "wait for", "frames");
    if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
        return err_set(e, -EPIPE, FAULT_HOST, "the keeper is gone");
    return 0;
}

/* Reads to the end; counts the time in which there was nothing to do. */
static int run(struct session *s, struct report *report, int64_t *waited_ms, struct err *e)
{
    for (;;) {
        enum read_state state;
        int rc = session_read(s, &state, e);
        if (!rc && state == READ_END)
            return session_finish(s, e);
        int64_t since = clock_now_ms();
        if (!rc && state == READ_NOTHING)
            rc = wait_for_record(e);
        *waited_ms += clock_now_ms() - since;
        if (!rc)
            rc = report_progress(report, s);
        if (rc)
            return rc;
    }
}

static int encode(const struct settings *settings, struct report *report, struct err *e)
{
    const struct ring_fds fds = {ENCODE_FD_MEMORY, ENCODE_FD_DATA_READY, ENCODE_FD_SPACE_FREE};
    struct ring_reader *ring = ring_attach_reader(&fds, e);
    struct session session = {0};
    int64_t start = clock_now_ms(), waited_ms = 0;
    int rc = ring ? 0 : e->fault == FAULT_JOB ? OUTCOME_output_invalid : -EIO;
    if (!rc)
        rc = session_open(&session, settings, ring, e);
    if (!rc)
        rc = encode_seal(settings, e);
    if (!rc)
        rc = run(&session, report, &waited_ms, e);
    if (!rc)
        rc = report_done(report, &session, clock_now_ms() - start - waited_ms);
    session_close(&session);
    ring_reader_free(ring);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: manimd-encode SPEC.json (the render stage starts it)\n");
        return STAGE_USAGE;
    }
    set_signals();
    av_log_set_level(AV_LOG_ERROR);
    struct err e = ERR_INIT;
    struct report report = {.fd = ENCODE_FD_REPORT};
    own_settings struct settings settings = {0};
    int rc = settings_read(&settings, argv[1], &e);
    if (!rc)
        rc = encode(&settings, &report, &e);
    if (rc) {
        (void)report_error(&report, rc, &e); /* the exit status says it too */
        (void)fprintf(stderr, "manimd-encode: %s\n", e.text);
    }
    return fault_exit(rc);
}
