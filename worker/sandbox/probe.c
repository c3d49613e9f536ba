/* Doctor: what this machine can really do, found by doing it.
 *
 * Each layer is put on in a child of its own, which then performs what the
 * layer is to stop. Nothing is inferred from versions or configuration: outer
 * profiles, old engines and odd kernels differ in ways that only show when one
 * tries (sandbox.md §2). */
#include "box.h"

#include "../base/clock.h"
#include "../base/err.h"
#include "../base/own.h"
#include "cgroup.h"
#include "layers.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROBE_MS 5000
#define LANDLOCK_OF_STRONG 3 /* truncation is a right of its own from there on */

__attribute__((format(printf, 3, 4))) static void report(struct box_layer_report *r,
                                                         enum box_layer_state state,
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    r->state = state;
    vsnprintf(r->reason, sizeof r->reason, format, args);
    va_end(args);
}

/* The sentence and the errno by name. */
static void report_failure(struct box_layer_report *r, int rc, const struct err *e)
{
    report(r, LAYER_UNAVAILABLE, "%s: %.120s", strerrorname_np(-rc), e->text);
}

static void probe_uid(struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    struct box_uids uids = box_uids_for_slot(0, 0);
    if (uids.scene == 0) {
        report(r, LAYER_UNAVAILABLE, "EPERM: not root, so every box has the worker's own uid");
        return;
    }
    struct box_plan p = {.level = BOX_STANDARD, .uid = uids.scene};
    int rc = layer_uid(&p, &e);
    if (rc < 0)
        report_failure(r, rc, &e);
    else if (kill(getppid(), 0) == 0)
        report(r, LAYER_DEGRADED, "could still signal the worker");
    else
        report(r, LAYER_ACTIVE, "%s", "");
}

static void probe_capabilities(struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    int rc = layer_capabilities(&(struct box_plan){0}, &e);
    if (rc < 0)
        report_failure(r, rc, &e);
    else if (setgid(getgid() + 1) == 0)
        report(r, LAYER_DEGRADED, "could still change its group");
    else
        report(r, LAYER_ACTIVE, "%s", "");
}

static void probe_no_new_privs(struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    int rc = layer_no_new_privs(&(struct box_plan){0}, &e);
    if (rc < 0)
        report_failure(r, rc, &e);
    else if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        report(r, LAYER_DEGRADED, "set, but not in force");
    else
        report(r, LAYER_ACTIVE, "%s", "");
}

/* A uid in the plan, so that the ABI is judged by the level and not here. */
static void probe_landlock(struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    struct box_plan p = {.level = BOX_STANDARD, .uid = 1, .dir_fd = -1};
    int rc = layer_no_new_privs(&p, &e);
    if (rc == 0)
        rc = layer_landlock(&p, &e);
    if (rc < 0) {
        report_failure(r, rc, &e);
        return;
    }
    int abi = landlock_abi();
    own_fd int opened = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened >= 0)
        report(r, LAYER_DEGRADED, "ABI %d, but a denied directory could be opened", abi);
    else if (abi >= 6 && kill(getppid(), 0) == 0)
        report(r, LAYER_DEGRADED, "ABI %d, but signals leave the box", abi);
    else if (abi < 6)
        report(r, LAYER_ACTIVE, "ABI %d: signals are kept inside by the uid only", abi);
    else
        report(r, LAYER_ACTIVE, "ABI %d, errata 0x%x", abi, landlock_errata());
}

static bool foreign_call_kills(void)
{
#if defined(__x86_64__)
    pid_t pid = fork();
    if (pid == 0) {
        long number = 20; /* getpid in the 32-bit table */
        __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
        _exit(0);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
#else
    return true; /* no second table of calls */
#endif
}

static void probe_seccomp(struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    struct box_plan p = {.level = BOX_STANDARD, .profile = BOX_SCENE, .dir_fd = -1};
    p.filter = box_filter_for(p.profile, p.level);
    int rc = layer_no_new_privs(&p, &e);
    if (rc == 0)
        rc = layer_seccomp(&p, &e);
    if (rc < 0)
        report_failure(r, rc, &e);
    else if (socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 || errno != EAFNOSUPPORT)
        report(r, LAYER_DEGRADED, "a socket could be made");
    else if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 || errno != EPERM)
        report(r, LAYER_DEGRADED, "ptrace was not refused");
    else if (!foreign_call_kills())
        report(r, LAYER_DEGRADED, "a system call of another architecture went through");
    else
        report(r, LAYER_ACTIVE, "%s", "");
}

static void probe_rlimits(struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    struct box_plan p = {.level = BOX_STANDARD, .uid = 1, .dir_fd = -1};
    int rc = layer_rlimits(&p, &e);
    if (rc < 0) {
        report_failure(r, rc, &e);
        return;
    }
    int duplicate = fcntl(0, F_DUPFD_CLOEXEC, 1000);
    char adjusted[16] = "";
    own_fd int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, adjusted, sizeof adjusted - 1) : -1;
    if (duplicate >= 0)
        report(r, LAYER_DEGRADED, "a descriptor past the limit could be made");
    else if (got < 4 || memcmp(adjusted, "1000", 4) != 0)
        report(r, LAYER_DEGRADED, "the out-of-memory killer does not prefer jobs");
    else
        report(r, LAYER_ACTIVE, "%s", "");
}

static void probe_descriptors(struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    struct box_plan p = {.dir_fd = -1};
    int leaked = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int rc = layer_descriptors(&p, &e);
    if (rc < 0)
        report_failure(r, rc, &e);
    else if (fcntl(leaked, F_GETFD) >= 0)
        report(r, LAYER_DEGRADED, "a descriptor could be leaked");
    else
        report(r, LAYER_ACTIVE, "%s", "");
}

/* To nobody: nothing is sent, only a way is looked for. */
static bool network_is_reachable(void)
{
    own_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
}

static void look_out_of_namespaces(struct box_layer_report *r, pid_t outsider)
{
    struct err e = ERR_INIT;
    struct box_plan p = {
        .level = BOX_STANDARD, .profile = BOX_SCENE, .dir_fd = -1, .namespaces = true};
    int rc = layer_namespaces(&p, &e);
    if (rc < 0)
        report_failure(r, rc, &e);
    else if (getpid() != 2 || kill(outsider, 0) == 0)
        report(r, LAYER_DEGRADED, "processes outside could be seen");
    else if (access("/etc", F_OK) == 0 || mkdir("/probe", 0700) == 0)
        report(r, LAYER_DEGRADED, "the host's files could be seen, or the root written to");
    else if (network_is_reachable())
        report(r, LAYER_DEGRADED, "a network interface is up");
    else
        report(r, LAYER_ACTIVE, "%s", geteuid() == 0 ? "" : "in a user namespace");
}

static void probe_namespaces(struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    pid_t outsider = getppid(), reaper = 0;
    int rc = box_pids_begin(&reaper, &e);
    pid_t pid = rc == 0 ? fork() : -1;
    if (pid == 0) {
        look_out_of_namespaces(r, outsider);
        _exit(0);
    }
    if (pid < 0)
        report_failure(r, rc < 0 ? rc : -errno, &e);
    else
        (void)waitpid(pid, NULL, 0);
}

/* ---- cgroup ---- */

#define PROBE_MEMORY_BYTES (32LL << 20)
#define PROBE_PROCESSES 2
#define PROBE_FORKS 16
/* Of one core: 5 ms in each 100, so that twice as long meets the bound once. */
#define PROBE_CPU_PERCENT 5
#define PROBE_CPU_MS 100

/* Twice of what it may have: it must not live to say so. */
static int eat_memory(void)
{
    size_t bytes = 2 * PROBE_MEMORY_BYTES;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        memset(p, 1, bytes);
    return 1;
}

static int fork_many(void)
{
    for (int i = 0; i < PROBE_FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                pause();
        if (pid < 0)
            return errno == EAGAIN ? 0 : 1;
    }
    return 2;
}

static int work_hard(void)
{
    int64_t until_ms = clock_now_ms() + PROBE_CPU_MS;
    while (clock_now_ms() < until_ms)
        ;
    return 0;
}

/* What `act` came to in the leaf, as waitpid() says it. */
static int run_in_cgroup(const struct cgroup_box *b, int (*act)(void))
{
    struct box_plan p = {.cgroup_fd = b->dir_fd};
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(layer_cgroup(&p, NULL) < 0 ? 3 : act());
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void try_cgroup(struct box_layer_report *r, const struct cgroup_box *b)
{
    struct cgroup_seen seen;
    int forks = run_in_cgroup(b, fork_many);
    cgroup_box_kill(b);
    int memory = run_in_cgroup(b, eat_memory);
    cgroup_look(b->dir_fd, &seen);
    bool killed = WIFSIGNALED(memory) && WTERMSIG(memory) == SIGKILL && seen.oom_kills > 0;
    if (forks != 0)
        report(r, LAYER_DEGRADED, "more processes than pids.max could be started");
    else if (!killed)
        report(r, LAYER_DEGRADED, "more memory than memory.max could be had");
    else
        report(r, LAYER_ACTIVE, "memory and processes");
}

static void probe_memory_and_processes(const char *home, struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    struct cgroup_box job = CGROUP_BOX_INIT, leaf = CGROUP_BOX_INIT;
    const struct limits limits = {.memory_bytes = PROBE_MEMORY_BYTES, .processes = PROBE_PROCESSES};
    int rc = cgroup_job_make(home, "probe", 0, &job, &e);
    if (rc == 0)
        rc = cgroup_box_make(&job, "scene", &limits, 0, &leaf, &e);
    if (rc < 0)
        report_failure(r, rc, &e);
    else
        try_cgroup(r, &leaf);
    (void)cgroup_box_done(&leaf);
    (void)cgroup_box_done(&job); /* what stays is the home's to remove */
}

static void probe_cpu(const char *home, struct box_layer_report *r)
{
    struct err e = ERR_INIT;
    struct cgroup_seen seen;
    struct cgroup_box job = CGROUP_BOX_INIT, leaf = CGROUP_BOX_INIT;
    int rc = cgroup_job_make(home, "probe", PROBE_CPU_PERCENT, &job, &e);
    if (rc == 0)
        rc = cgroup_box_make(&job, "scene", NULL, 0, &leaf, &e);
    if (rc < 0) {
        report(r, LAYER_UNAVAILABLE, "%s: the controller cpu is not delegated to us (%.80s)",
               strerrorname_np(-rc), e.text);
    } else {
        (void)run_in_cgroup(&leaf, work_hard);
        cgroup_look(job.dir_fd, &seen);
        report(r, seen.throttled_ms > 0 ? LAYER_ACTIVE : LAYER_DEGRADED, "%s",
               seen.throttled_ms > 0 ? "" : "a job could use more of a core than cpu.max");
    }
    (void)cgroup_box_done(&leaf);
    (void)cgroup_box_done(&job); /* as above */
}

/* Not in a child: the place is our own cgroup only while nobody else is in it. */
static void probe_cgroups(struct box_layer_report *cgroup, struct box_layer_report *cpu)
{
    struct err e = ERR_INIT;
    struct cgroup_home home = CGROUP_HOME_INIT;
    int rc = cgroup_begin(&home, &e);
    if (rc < 0) {
        report_failure(cgroup, rc, &e);
        report_failure(cpu, rc, &e);
        return;
    }
    probe_memory_and_processes(home.path, cgroup);
    probe_cpu(home.path, cpu);
    cgroup_end(&home);
}

/* ---- all of them ---- */

static void (*const probes[LAYER_COUNT])(struct box_layer_report *) = {
    [LAYER_UID] = probe_uid,
    [LAYER_CAPABILITIES] = probe_capabilities,
    [LAYER_NO_NEW_PRIVS] = probe_no_new_privs,
    [LAYER_LANDLOCK] = probe_landlock,
    [LAYER_SECCOMP] = probe_seccomp,
    [LAYER_RLIMITS] = probe_rlimits,
    [LAYER_DESCRIPTORS] = probe_descriptors,
    [LAYER_NAMESPACES] = probe_namespaces,
    [LAYER_CGROUP] = NULL, /* probe_cgroups() */
    [LAYER_CPU] = NULL,    /* probe_cgroups() */
};

/* The child writes into pages that it shares with us: they need no descriptor,
 * which some layers close. */
static void try_layer(enum box_layer layer, struct box_layer_report *shared)
{
    report(shared, LAYER_UNAVAILABLE, "the probe did not end by itself");
    pid_t pid = fork();
    if (pid == 0) {
        probes[layer](shared);
        _exit(0);
    }
    if (pid < 0) {
        report(shared, LAYER_UNAVAILABLE, "%s: could not fork", strerrorname_np(errno));
        return;
    }
    own_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    if (fd < 0 || poll(&ended, 1, PROBE_MS) != 1)
        kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static bool active(const struct box_layer_report layers[LAYER_COUNT], enum box_layer layer)
{
    return layers[layer].state == LAYER_ACTIVE;
}

static enum box_level level_of(const struct box_layer_report layers[LAYER_COUNT])
{
    bool always = active(layers, LAYER_NO_NEW_PRIVS) && active(layers, LAYER_CAPABILITIES) &&
                  active(layers, LAYER_LANDLOCK) && active(layers, LAYER_SECCOMP) &&
                  layers[LAYER_RLIMITS].state != LAYER_UNAVAILABLE &&
                  active(layers, LAYER_DESCRIPTORS);
    bool apart = active(layers, LAYER_NAMESPACES) && active(layers, LAYER_CGROUP) &&
                 landlock_abi() >= LANDLOCK_OF_STRONG;
    if (always && active(layers, LAYER_UID))
        return apart ? BOX_STRONG : BOX_STANDARD;
    return always && landlock_abi() >= 6 ? BOX_BASIC : BOX_NONE;
}

enum box_level box_probe(struct box_layer_report ret_layers[LAYER_COUNT])
{
    struct box_layer_report *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < LAYER_COUNT; i++) {
        if (!probes[i])
            continue;
        if (shared == MAP_FAILED) {
            report(&ret_layers[i], LAYER_UNAVAILABLE, "ENOMEM: no memory to probe with");
            continue;
        }
        try_layer((enum box_layer)i, shared);
        ret_layers[i] = *shared;
    }
    probe_cgroups(&ret_layers[LAYER_CGROUP], &ret_layers[LAYER_CPU]);
    if (shared != MAP_FAILED)
        munmap(shared, sizeof *shared);
    return level_of(ret_layers);
}
