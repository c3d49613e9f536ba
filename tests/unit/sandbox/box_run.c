/* box-run: seals itself and executes a command, to see from a shell what a box
 * is like.
 *
 *   box-run [-l LEVEL] [-p scene|encoder|fetch|scene-gpu|encoder-gpu]
 *           [-u UID] [-d DIR] [-r PATH]…
 *           [-m MEMORY_MB] [-n PROCESSES] [-D DISK_MB] [-c CPU_S] [-N] -- COMMAND…
 *   box-run -u UID -k       kills whatever still runs under UID
 *
 * DIR is where it works and may write (created and handed over by the caller);
 * PATHs are readable and executable. -N: in namespaces of its own. Exit 125: the
 * seal failed. */
#include "sandbox/box.h"

#include "base/err.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int fail(const char *what, const struct err *e)
{
    fprintf(stderr, "box-run: %s: %s\n", what, e->text[0] ? e->text : strerror(errno));
    return 125;
}

struct arguments {
    enum box_level level;
    enum box_profile profile;
    uid_t uid;
    const char *dir;
    const char *paths[16];
    int path_count;
    struct limits limits;
    bool empty, namespaces;
};

/* Options that are a number of something in a plan's limits. */
static int parse_limit(int option, long long number, struct limits *l)
{
    const struct {
        int option;
        int64_t *limit;
        int64_t unit;
    } rows[] = {
        {'m', &l->memory_bytes, 1 << 20},
        {'D', &l->disk_bytes, 1 << 20},
        {'c', &l->cpu_ms, 1000},
        {'n', &l->processes, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].option == option) {
            *rows[i].limit = number * rows[i].unit;
            return 0;
        }
    return -EINVAL;
}

static enum box_profile parse_profile(const char *name)
{
    static const char *const names[] = {[BOX_SCENE] = "scene",
                                        [BOX_ENCODER] = "encoder",
                                        [BOX_FETCH] = "fetch",
                                        [BOX_SCENE_GPU] = "scene-gpu",
                                        [BOX_ENCODER_GPU] = "encoder-gpu"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return (enum box_profile)i;
    return BOX_SCENE;
}

static int parse_one(int option, struct arguments *a)
{
    long long number = optarg ? strtoll(optarg, NULL, 10) : 0;
    if (option == 'l' && box_level_from_name(optarg) >= 0)
        a->level = (enum box_level)box_level_from_name(optarg);
    else if (option == 'p')
        a->profile = parse_profile(optarg);
    else if (option == 'u')
        a->uid = (uid_t)number;
    else if (option == 'd')
        a->dir = optarg;
    else if (option == 'r' && a->path_count < 16)
        a->paths[a->path_count++] = optarg;
    else if (option == 'k')
        a->empty = true;
    else if (option == 'N')
        a->namespaces = true;
    else
        return parse_limit(option, number, &a->limits);
    return 0;
}

static int parse(int argc, char **argv, struct arguments *a)
{
    for (int option; (option = getopt(argc, argv, "+l:p:u:d:r:m:n:D:c:kN")) != -1;) {
        int rc = parse_one(option, a);
        if (rc < 0)
            return rc;
    }
    return optind < argc || a->empty ? 0 : -EINVAL;
}

/* Waits for the command as the warden does, and ends as it did. */
static int wait_as_warden(pid_t pid, pid_t reaper_pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    kill(reaper_pid, SIGKILL);
    (void)waitpid(reaper_pid, NULL, 0);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}

static int run(const struct box_plan *plan, char *const argv[])
{
    struct err e = ERR_INIT;
    if (box_seal(plan, &e) < 0)
        return fail("seal", &e);
    execvpe(argv[0], argv, environ);
    fprintf(stderr, "box-run: run \"%s\": %s\n", argv[0], strerror(errno));
    return 126;
}

static int run_in_namespaces(const struct box_plan *plan, char *const argv[])
{
    struct err e = ERR_INIT;
    pid_t reaper_pid;
    if (box_pids_begin(&reaper_pid, &e) < 0)
        return fail("namespaces", &e);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run(plan, argv));
    return pid < 0 ? fail("fork", &e) : wait_as_warden(pid, reaper_pid);
}

int main(int argc, char **argv)
{
    struct arguments a = {.level = BOX_STANDARD, .dir = ".", .limits.processes = 64};
    if (parse(argc, argv, &a) < 0) {
        fprintf(stderr, "usage: box-run [-l LEVEL] [-p PROFILE] [-u UID] [-d DIR] [-r PATH]… "
                        "[-m MB] [-n PROCESSES] [-D MB] [-c S] [-N] -- COMMAND…\n");
        return 2;
    }
    struct err e = ERR_INIT;
    if (a.empty)
        return box_empty(a.uid, 0, 3000, &e) < 0 ? fail("empty", &e) : 0;
    struct box_plan plan;
    if (box_plan_init(&plan, a.profile, a.level, &e) < 0)
        return fail("plan", &e);
    for (int i = 0; i < a.path_count; i++) {
        if (box_plan_allow(&plan, a.paths[i], BOX_READ | BOX_EXEC, &e) != 0)
            return fail(a.paths[i], &e);
    }
    plan.dir_fd = open(a.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (plan.dir_fd < 0)
        return fail(a.dir, &e);
    plan.uid = a.uid;
    plan.limits = a.limits;
    plan.namespaces = a.namespaces;
    bool forks = a.profile == BOX_SCENE || a.profile == BOX_SCENE_GPU;
    return a.namespaces && forks ? run_in_namespaces(&plan, argv + optind)
                                 : run(&plan, argv + optind);
}
