/* `manimd work`: takes jobs from Redis until it is told to stop, or until none
 * is left. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../base/config.h"
#include "../base/err.h"
#include "../base/log.h"
#include "../base/loop.h"
#include "cmd.h"
#include "work_config.h"
#include "worker.h"

struct work {
    struct worker *worker;
    struct work_config *settings;
    int asked;     /* times that it was told to stop */
    bool reloaded; /* while it started */
};

static void on_signal(void *arg, int signo)
{
    struct work *work = arg;
    if (signo == SIGHUP) { /* a terminal that goes does not take the jobs along */
        if (!work_config_reload(work->settings))
            return;
        if (work->worker)
            worker_reload(work->worker);
        else
            work->reloaded = true;
        return;
    }
    if (!work->worker) {
        work->asked++; /* while it starts: run() sees to it */
        return;
    }
    if (work->asked++ == 0) {
        log_at(LOG_INFO, "draining: running jobs may go on for %lld s; again to release them now",
               (long long)work->settings->config.drain_timeout_s);
        worker_drain(work->worker, work->settings->config.drain_timeout_s * 1000);
    } else {
        log_at(LOG_INFO, "stopping: giving running jobs back");
        worker_drain(work->worker, 0);
    }
}

static int watch_signals(struct loop *loop, struct work *work, struct err *e)
{
    sigset_t signals;
    signal(SIGPIPE, SIG_IGN); /* the courier's pipe, a TLS line: who writes is told by EPIPE */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    int rc = loop_signals(loop, &signals, on_signal, work);
    return rc ? err_errno(e, rc, FAULT_HOST, "watch for signals") : 0;
}

static int run(struct work_config *settings, bool until_empty, struct err *e)
{
    struct config *c = &settings->config;
    struct loop *loop = loop_new();
    struct work work = {.settings = settings};
    const struct worker_spec spec = {
        .config = c,
        .loop = loop,
        .slots = (int)c->slots,
        .zygote_jobs = (int)c->zygote_jobs,
        .until_empty = until_empty,
    };
    /* Before anything is made that would have to be put away. */
    int rc = watch_signals(loop, &work, e);
    int exit = rc ? EXIT_HOST : EXIT_USAGE;
    if (!rc)
        rc = worker_new(&spec, &work.worker, e);
    if (!rc) {
        if (work.reloaded) /* it has told its stages of what was before */
            worker_reload(work.worker);
        if (work.asked)
            worker_drain(work.worker, 0);
        rc = worker_run(work.worker);
        exit = rc ? EXIT_HOST : EXIT_DONE;
        if (rc && !e->text[0])
            err_set(e, rc, FAULT_HOST, "stopped without having given all jobs back");
        worker_free(work.worker);
    }
    loop_free(loop);
    return exit;
}

int cmd_work(int argc, char **argv)
{
    bool until_empty = false;
    const struct arg table[] = {
        {"until-empty", 0, ARG_FLAG, &until_empty, NULL, "stop when no job is left", 0, 0}, {0}};
    const struct args args = {
        .usage = "work [--until-empty] [options]",
        .about = "Takes jobs from Redis, renders each in the sandbox, stores its outputs in S3 or\n"
                 "in a directory. SIGTERM or Ctrl-C lets running jobs finish; a second one gives\n"
                 "them back at once. SIGHUP reads the configuration again.",
        .table = table,
    };
    struct work_config settings;
    int exit;
    if (!work_config_begin(&settings, &args, argc, argv, &exit))
        return exit;
    struct err e = ERR_INIT;
    if (work_config_check(&settings.config, &e))
        exit = EXIT_USAGE;
    else
        exit = run(&settings, until_empty, &e);
    if (e.text[0])
        exit = cmd_fail(exit == EXIT_DONE ? EXIT_HOST : exit, &e);
    work_config_done(&settings);
    return exit;
}
