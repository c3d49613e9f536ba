/* What the box costs, measured from C, a line of JSON for each turn:
 *
 *   box-bench cold TURNS UID          request → exec of a boxed `true`
 *   box-bench layers TURNS UID        each layer of the seal by itself, in order
 *   box-bench empty TURNS UID COUNT   box_empty() on a fork bomb of COUNT
 *
 * UID 0 is level basic. Driven by box.py, which sums them up. */
#include "sandbox/layers.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1LL << 20)
#define BOMB_SPARE 8 /* the kernel's limit lies above what is counted */
#define EMPTY_MS 20000
#define PATIENCE_MS 20000
#define SEAL_FAILED 125

struct bench {
    int turns;
    uid_t uid;
    int count;
    int dir_fd;
};

_Noreturn static void give_up(const char *what, const struct err *e)
{
    fprintf(stderr, "box-bench: %s: %s\n", what, e && e->text[0] ? e->text : strerror(errno));
    exit(1);
}

/* Level basic is a user's: root is not held to a number of processes, and may go in
 * front of others when it empties a box. */
static void become_user(const struct bench *b)
{
    uid_t user = (uid_t)(1U << 30) + (uid_t)getpid();
    if (b->uid || geteuid() != 0)
        return;
    if (setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0)
        give_up("become a user", NULL);
}

static void make_plan(const struct bench *b, struct box_plan *p)
{
    struct err e = ERR_INIT;
    enum box_level level = b->uid ? BOX_STANDARD : BOX_BASIC;
    if (box_plan_init(p, BOX_SCENE, level, &e) < 0)
        give_up("plan", &e);
    p->uid = b->uid;
    p->dir_fd = b->dir_fd;
    p->parent_death = true;
    p->limits = (struct limits){
        .memory_bytes = 2048 * MIB,
        .disk_bytes = 1024 * MIB,
        .processes = b->count,
        .cpu_ms = 3600000,
    };
}

static void await_child(pid_t pid, int wanted)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (status != wanted)
        give_up("a child did not end as it should", NULL);
}

/* The end of a pipe that closes by itself when the program is there. */
static void cold_turn(const struct bench *b)
{
    struct err e = ERR_INIT;
    int ends[2];
    int64_t began = clock_now_us();
    struct box_plan p;
    make_plan(b, &p);
    int64_t planned = clock_now_us();
    if (pipe2(ends, O_CLOEXEC) < 0)
        give_up("pipe", NULL);
    box_plan_keep(&p, ends[1]);
    pid_t pid = fork();
    if (pid == 0) {
        if (box_seal(&p, &e) < 0)
            _exit(SEAL_FAILED);
        execl("/bin/true", "true", (char *)NULL);
        _exit(SEAL_FAILED);
    }
    box_plan_done(&p);
    close(ends[1]);
    char byte;
    if (pid < 0 || read(ends[0], &byte, 1) != 0)
        give_up("fork", NULL);
    int64_t ran = clock_now_us();
    close(ends[0]);
    await_child(pid, 0);
    printf("{\"plan_us\":%lld,\"exec_us\":%lld,\"total_us\":%lld}\n", (long long)(planned - began),
           (long long)(ran - planned), (long long)(ran - began));
}

/* As in sandbox/seal.c: the layers that have a function of their own. */
static const struct {
    const char *name;
    int (*apply)(const struct box_plan *p, struct err *e);
} layers[] = {
    {"descriptors", layer_descriptors},
    {"rlimits", layer_rlimits},
    {"uid", layer_uid},
    {"capabilities", layer_capabilities},
    {"no_new_privs", layer_no_new_privs},
    {"landlock", layer_landlock},
    {"descriptors_rest", layer_descriptors_rest},
    {"seccomp", layer_seccomp},
};
enum { LAYERS = sizeof layers / sizeof layers[0] };

static void layers_turn(const struct bench *b)
{
    struct box_plan p;
    struct err e = ERR_INIT;
    int64_t *took = mmap(NULL, LAYERS * sizeof took[0], PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (took == MAP_FAILED)
        give_up("mmap", NULL);
    make_plan(b, &p);
    pid_t pid = fork();
    for (int i = 0; pid == 0 && i < LAYERS; i++) {
        int64_t began = clock_now_us();
        if (layers[i].apply(&p, &e) < 0)
            _exit(SEAL_FAILED);
        took[i] = clock_now_us() - began;
    }
    if (pid == 0)
        _exit(0);
    await_child(pid, 0);
    box_plan_done(&p);
    for (int i = 0; i < LAYERS; i++)
        printf("%s\"%s\":%lld", i ? "," : "{", layers[i].name, (long long)took[i]);
    printf("}\n");
    munmap(took, LAYERS * sizeof took[0]);
}

/* Each of them forks for as long as it can, and tries again at every refusal. */
_Noreturn static void explode(void)
{
    for (;;) {
        if (fork() < 0)
            usleep(1000);
    }
}

/* The box's processes are our children's children: ours, once their parents die. */
static void reap_all(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

static void empty_turn(const struct bench *b)
{
    struct box_plan p;
    struct err e = ERR_INIT;
    make_plan(b, &p);
    p.limits.processes = b->count + BOMB_SPARE;
    pid_t reaper = fork();
    if (reaper < 0)
        give_up("fork", NULL);
    if (reaper == 0) { /* as the warden: adopts, and reaps until nobody is left */
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        pid_t pid = fork();
        if (pid == 0 && box_seal(&p, &e) == 0)
            explode();
        if (pid <= 0)
            _exit(SEAL_FAILED);
        reap_all();
        _exit(0);
    }
    box_plan_done(&p);
    int64_t began = clock_now_us();
    while (box_count(b->uid, reaper) < b->count) {
        if (clock_now_us() - began > PATIENCE_MS * 1000LL)
            give_up("the bomb stayed small", NULL);
        usleep(5000);
    }
    began = clock_now_us();
    int rc = box_empty(b->uid, reaper, EMPTY_MS, &e);
    int64_t empty = clock_now_us();
    if (rc < 0)
        give_up("empty", &e);
    await_child(reaper, 0);
    printf("{\"empty_us\":%lld,\"reaped_us\":%lld}\n", (long long)(empty - began),
           (long long)(clock_now_us() - began));
}

typedef void turn_fn(const struct bench *b);

static turn_fn *mode_of(const char *name)
{
    static const struct {
        const char *name;
        turn_fn *turn;
    } modes[] = {{"cold", cold_turn}, {"layers", layers_turn}, {"empty", empty_turn}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(name, modes[i].name) == 0)
            return modes[i].turn;
    return NULL;
}

static void take_directory(struct bench *b, char *dir)
{
    if (!mkdtemp(dir) || (b->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        give_up("make a directory", NULL);
    if (fchmod(b->dir_fd, 0755) < 0 || (b->uid && fchown(b->dir_fd, b->uid, b->uid) < 0))
        give_up("give the directory away", NULL);
}

int main(int argc, char **argv)
{
    turn_fn *turn = argc > 2 ? mode_of(argv[1]) : NULL;
    if (!turn)
        return 2;
    struct bench b = {.turns = (int)strtol(argv[2], NULL, 10),
                      .uid = argc > 3 ? (uid_t)strtoul(argv[3], NULL, 10) : 0,
                      .count = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 64};
    if (turn == empty_turn)
        become_user(&b);
    char dir[] = "/tmp/manimd-box-bench-XXXXXX";
    take_directory(&b, dir);
    for (int i = 0; i < b.turns; i++) {
        turn(&b);
        (void)fflush(stdout);
    }
    rmdir(dir);
    return 0;
}
