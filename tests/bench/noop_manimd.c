/* manimd whose stages are done at once: the production worker (every object of
 * it), linked so that three of its calls come here instead (ld --wrap). Nothing
 * in the product had to learn of this one, and no option can bring it into
 * production. The queue's benchmark runs it beside other queues' no-op handlers:
 *
 *   spawn_stage  starts no process: the stage has exited with 0
 *   loop_child   tells the slot so in the loop's next pass, as a pidfd would
 *   box_empty    there was no box to empty
 *
 * What is left is what the queue and the supervisor cost: inbox, admit, claim,
 * slots, the attempt's directory with its job.json, two stages' events, result,
 * finish.
 *
 * Where NOOP_STARTS names a file, each render stage adds a line to it: the job's
 * "# pushed NANOSECONDS" and now, both of CLOCK_MONOTONIC. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/own.h"
#include "sandbox/box.h"
#include "supervise/spawn.h"

#define NO_PID 0x7ffffff0 /* above every pid_max: signals to it find nobody */
#define ENDS_MAX (2 * SUPERVISOR_SLOTS_MAX)

int __real_loop_child(struct loop *loop, struct child *c, pid_t pid, void (*on_exit)(void *, int),
                      void *arg);
int __wrap_loop_child(struct loop *loop, struct child *c, pid_t pid, void (*on_exit)(void *, int),
                      void *arg);
int __wrap_spawn_stage(const struct spawn_spec *spec, pid_t *ret_pid, int *ret_report_fd,
                       struct err *e);
int __wrap_box_empty(uid_t uid, pid_t reaper_pid, int64_t within_ms, struct err *e);

static struct child *ends[ENDS_MAX];
static int ends_count;
static struct watch bell = WATCH_INIT;

/* ---- a stage that has ended as soon as it began ---- */

static int64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void note_start(const char *dir, int64_t now_ns)
{
    static int fd = -1;
    const char *path = getenv("NOOP_STARTS");
    if (!path)
        return;
    if (fd < 0)
        fd = open(path, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
    own_fd int dir_fd = file_open_dir(AT_FDCWD, dir, NULL);
    own_buf struct buf job = BUF_INIT(CEILING_RESULT_BYTES);
    if (dir_fd < 0 || file_read(dir_fd, "job.json", &job, NULL))
        return;
    const char *at = strstr(buf_str(&job), "# pushed ");
    if (at)
        dprintf(fd, "%lld %lld\n", strtoll(at + strlen("# pushed "), NULL, 10), (long long)now_ns);
}

int __wrap_spawn_stage(const struct spawn_spec *spec, pid_t *ret_pid, int *ret_report_fd,
                       struct err *e)
{
    if (spec->stage == STAGE_RENDER)
        note_start(spec->dir, monotonic_ns());
    static int silent = -1; /* a stage's report that never says a word */
    if (silent < 0)
        silent = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *ret_report_fd = fcntl(silent, F_DUPFD_CLOEXEC, 0);
    if (*ret_report_fd < 0)
        return err_errno(e, -errno, FAULT_HOST, "report of stage %s", stage_name(spec->stage));
    *ret_pid = NO_PID;
    return 0;
}

static void on_bell(void *arg, uint32_t events)
{
    struct child *batch[ENDS_MAX];
    int count = ends_count;
    uint64_t rung;
    (void)arg;
    (void)events;
    (void)!read(bell.fd, &rung, sizeof rung);
    memcpy(batch, ends, sizeof batch);
    ends_count = 0;
    for (int i = 0; i < count; i++)
        if (batch[i]->pid) {
            batch[i]->pid = 0;
            batch[i]->on_exit(batch[i]->arg, 0);
        }
}

static int ring(struct loop *loop)
{
    uint64_t one = 1;
    if (bell.fd < 0) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        int rc = fd < 0 ? -errno : loop_watch(loop, &bell, fd, EPOLLIN, on_bell, NULL);
        if (rc)
            return rc;
    }
    return write(bell.fd, &one, sizeof one) == sizeof one ? 0 : -errno;
}

int __wrap_loop_child(struct loop *loop, struct child *c, pid_t pid, void (*on_exit)(void *, int),
                      void *arg)
{
    if (pid != NO_PID)
        return __real_loop_child(loop, c, pid, on_exit, arg);
    *c = (struct child){
        .pid = pid, .watch = WATCH_INIT, .on_exit = on_exit, .arg = arg, .loop = loop};
    ends[ends_count++] = c; /* a slot has one stage at a time */
    return ends_count == 1 ? ring(loop) : 0;
}

int __wrap_box_empty(uid_t uid, pid_t reaper_pid, int64_t within_ms, struct err *e)
{
    (void)uid;
    (void)reaper_pid;
    (void)within_ms;
    (void)e;
    return 0;
}
