#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/file.h"
#include "../base/own.h"

#define SCENE_FDS 6 /* as harness/job.py counts them */
#define START_MAX_BYTES (64 * 1024)
#define ZYGOTE_READY_MS 60000 /* a cold disk reads 300 MB of modules slowly */
#define ENCODER_FDS 4         /* encode/spec.h: 3 … 6 */
#define EXEC_FAILED_STATUS 126

/* A directory that one uid of the sandbox owns and nobody else enters. */
static int make_owned_dir(struct keeper *k, const char *name, uid_t uid, int *ret_fd, struct err *e)
{
    int fd = file_make_dir(k->dir_fd, name, 0700, e);
    if (fd < 0)
        return fd;
    if (uid && fchown(fd, uid, uid) < 0) {
        int rc = -errno;
        close(fd);
        return err_errno(e, rc, FAULT_HOST, "give \"%s\" to uid %u", name, uid);
    }
    *ret_fd = fd;
    return 0;
}

static int write_source(struct keeper *k, struct err *e)
{
    const char *code = k->job->code ? k->job->code : "";
    own_fd int fd = openat(k->scene_dir_fd, "scene.py",
                           O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 || fchmod(fd, 0644) < 0)
        return err_errno(e, -errno, FAULT_HOST, "create \"scene/scene.py\"");
    int rc = file_write_all(fd, code, strlen(code));
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "write \"scene/scene.py\"") : 0;
}

/* The worker has probed once for all of its jobs; by hand, nobody has. */
static int learn_level(struct keeper *k, struct err *e)
{
    if (!k->spec->sandbox) {
        k->level = box_probe(k->layers);
        return 0;
    }
    int rc = box_read_description(k->spec->sandbox, &k->level, k->layers);
    return rc < 0 ? err_set(e, rc, FAULT_HOST, "the sandbox's description cannot be read") : 0;
}

/* The option names the least; what is used is the best that there is. */
static int choose_level(struct keeper *k, struct err *e)
{
    int rc = learn_level(k, e);
    if (rc < 0 || (int)k->level >= k->spec->sandbox_minimum)
        return rc;
    verdict_say(&k->verdict, OUTCOME_sandbox_setup,
                "this machine reaches the sandbox level \"%s\" only, and \"%s\" is asked for",
                box_level_name(k->level), box_level_name((enum box_level)k->spec->sandbox_minimum));
    return err_set(e, -EPERM, FAULT_HOST, "the sandbox level is too low");
}

static bool has_namespaces(const struct keeper *k)
{
    return k->level > BOX_NONE && k->layers[LAYER_NAMESPACES].state == LAYER_ACTIVE;
}

int keeper_prepare(struct keeper *k, struct err *e)
{
    k->dir_fd = file_open_dir(AT_FDCWD, k->dir, e);
    if (k->dir_fd < 0)
        return k->dir_fd;
    /* The sandbox's uids must be able to pass through, to their own only. */
    if (fchmod(k->dir_fd, 0711) < 0)
        return err_errno(e, -errno, FAULT_HOST, "chmod \"%s\"", k->dir);
    int rc = make_owned_dir(k, "scene", k->spec->scene_uid, &k->scene_dir_fd, e);
    if (rc == 0)
        rc = make_owned_dir(k, "out", k->spec->encoder_uid, &k->out_dir_fd, e);
    if (rc == 0)
        rc = k->job->source ? keeper_place_source(k, e) : write_source(k, e);
    if (rc == 0)
        rc = keeper_place_assets(k, e);
    if (rc == 0)
        rc = keeper_place_script(k, e);
    if (rc == 0)
        rc = scene_log_open(&k->log, k->dir_fd, e);
    if (rc == 0)
        rc = choose_level(k, e);
    if (rc < 0)
        return rc;
    size_t frame_bytes = (size_t)k->job->picture.width * (size_t)k->job->picture.height * 4;
    return ring_create(frame_bytes, &k->ring, e);
}

/* Its word or its end, or a signal to us. */
static int await_zygote(struct keeper *k, struct err *e)
{
    struct pollfd fds[] = {
        {.fd = k->cold.control_fd, .events = POLLIN},
        {.fd = k->signal_fd, .events = POLLIN},
    };
    while (!fds[0].revents) {
        int n = poll(fds, 2, ZYGOTE_READY_MS);
        if (n == 0)
            return err_set(e, -ETIMEDOUT, FAULT_HOST,
                           "the interpreter took more than %d s to start", ZYGOTE_READY_MS / 1000);
        keeper_hear_signal(k);
        if (k->verdict.set)
            return err_set(e, -ECANCELED, FAULT_NONE, "cancelled");
    }
    return zygote_read(&k->cold, e);
}

static int start_cold(struct keeper *k, struct err *e)
{
    int rc = zygote_start(&k->cold, k->spec, e);
    if (rc == 0)
        rc = await_zygote(k, e);
    return rc < 0 ? rc : zygote_lend(&k->cold, &k->job_fd, e);
}

static cJSON *limits_json(const struct limits *l)
{
    cJSON *j = cJSON_CreateObject();
    json_add_int(j, "wall_ms", l->wall_ms);
    json_add_int(j, "cpu_ms", l->cpu_ms);
    json_add_int(j, "memory_bytes", l->memory_bytes);
    json_add_int(j, "disk_bytes", l->disk_bytes);
    json_add_int(j, "files", l->files);
    json_add_int(j, "processes", l->processes);
    json_add_int(j, "log_bytes", l->log_bytes);
    json_add_int(j, "output_bytes", l->output_bytes);
    json_add_int(j, "frames", l->frames);
    json_add_int(j, "tex_ms", l->tex_ms);
    return j;
}

static cJSON *picture_json(const struct picture *p)
{
    cJSON *j = cJSON_CreateObject();
    json_add_int(j, "width", p->width);
    json_add_int(j, "height", p->height);
    json_add_int(j, "fps_num", p->fps_num);
    json_add_int(j, "fps_den", p->fps_den);
    cJSON_AddBoolToObject(j, "transparent", p->transparent);
    cJSON_AddStringToObject(j, "background", p->background);
    return j;
}

static cJSON *outputs_json(unsigned outputs)
{
    cJSON *list = cJSON_CreateArray();
    for (int kind = 0; kind < OUTPUT_COUNT; kind++)
        if (outputs & OUTPUT_BIT(kind))
            cJSON_AddItemToArray(list,
                                 cJSON_CreateString(output_kind_name((enum output_kind)kind)));
    return list;
}

static void add_text(cJSON *j, const char *key, const char *text)
{
    if (text)
        cJSON_AddStringToObject(j, key, text);
    else
        cJSON_AddNullToObject(j, key);
}

/* What harness/zygote.py and job.py read. */
static char *start_message(const struct keeper *k)
{
    own_json cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "dir", k->scene_dir);
    json_add_int(j, "level", k->level);
    json_add_int(j, "namespaces", has_namespaces(k));
    json_add_int(j, "gpu", k->spec->gpu);
    cJSON_AddStringToObject(j, "cgroup", k->cgroup.path);
    json_add_int(j, "uid", k->spec->scene_uid);
    json_add_int(j, "gid", k->spec->scene_uid);
    cJSON_AddItemToObject(j, "limits", limits_json(&k->job->limits));
    cJSON_AddItemToObject(j, "picture", picture_json(&k->job->picture));
    cJSON_AddItemToObject(j, "outputs", outputs_json(k->job->outputs));
    json_add_int(j, "seed", (int64_t)k->job->seed);
    cJSON_AddBoolToObject(j, "sections", k->job->sections);
    add_text(j, "scene", k->job->scene);
    add_text(j, "script_dir", k->script_dir);
    add_text(j, "script_path", k->script_path);
    return json_print(j);
}

static int send_start(struct keeper *k, const int fds[SCENE_FDS], struct err *e)
{
    own_free char *text = start_message(k);
    if (strlen(text) >= START_MAX_BYTES)
        return err_set(e, -EMSGSIZE, FAULT_JOB, "the start message is too large");
    struct iovec iov = {.iov_base = text, .iov_len = strlen(text)};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * SCENE_FDS)];
    } control = {.space = {0}};
    struct msghdr m = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = sizeof control.space,
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * SCENE_FDS);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * SCENE_FDS);
    if (sendmsg(k->job_fd, &m, MSG_NOSIGNAL) < 0)
        return err_errno(e, -errno, FAULT_HOST, "start the scene: the zygote does not listen");
    return 0;
}

/* A pipe whose reading end is ours and does not block. */
static int make_pipe(int *ret_read, int *ret_write, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(e, -errno, FAULT_HOST, "make a pipe");
    *ret_read = ends[0];
    *ret_write = ends[1];
    int rc = fd_set_nonblock(ends[0], 1);
    return rc < 0 ? err_errno(e, rc, FAULT_HOST, "make a pipe non-blocking") : 0;
}

int keeper_start_scene(struct keeper *k, struct err *e)
{
    own_fd int log = -1;
    own_fd int words = -1;
    int rc = make_pipe(&k->log_fd, &log, e);
    if (rc == 0)
        rc = make_pipe(&k->words_fd, &words, e);
    own_fd int source = openat(k->scene_dir_fd, "scene.py", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (rc == 0 && source < 0)
        rc = err_errno(e, -errno, FAULT_HOST, "open \"scene/scene.py\"");
    if (rc == 0 && k->spec->zygote_fd >= 0)
        k->job_fd = fcntl(k->spec->zygote_fd, F_DUPFD_CLOEXEC, 3);
    else if (rc == 0)
        rc = start_cold(k, e);
    if (rc < 0)
        return rc;
    rc = keeper_make_cgroups(k, e);
    if (rc < 0)
        return rc;
    const int fds[SCENE_FDS] = {
        log, words, k->ring.memory, k->ring.data_ready, k->ring.space_free, source,
    };
    rc = send_start(k, fds, e);
    struct stat ring = {0};
    (void)fstat(k->ring.memory, &ring); /* of ours: it cannot fail */
    k->watch = (struct box_watch){
        .uid = k->spec->scene_uid,
        .dir_fd = k->scene_dir_fd,
        .cgroup_fd = k->cgroup.dir_fd,
        .limits = k->job->limits,
        .shared_inode = ring.st_ino,
        .shared_bytes = ring.st_size,
    };
    return rc;
}

static int write_encoder_spec(struct keeper *k, struct err *e)
{
    own_json cJSON *j = picture_json(&k->picture);
    cJSON_DeleteItemFromObjectCaseSensitive(j, "background");
    cJSON_AddItemToObject(j, "outputs", outputs_json(k->job->outputs));
    cJSON_AddBoolToObject(j, "frame_log", k->spec->frame_log);
    json_add_int(j, "uid", k->spec->encoder_uid);
    json_add_int(j, "gid", k->spec->encoder_uid);
    cJSON_AddStringToObject(j, "level", box_level_name(k->level));
    cJSON_AddBoolToObject(j, "namespaces", has_namespaces(k));
    cJSON_AddStringToObject(j, "cgroup", k->encoder_cgroup.path);
    cJSON_AddItemToObject(j, "limits", limits_json(&k->job->limits));
    cJSON_AddStringToObject(j, "job_id", k->job->id);
    cJSON_AddStringToObject(j, "title", k->job->scene ? k->job->scene : "");
    own_free char *text = json_print(j);
    return file_write_atomic(k->dir_fd, "encode.json", text, strlen(text), 0600, e);
}

/* The encoder's descriptors are 3 … 6 whatever ours are. */
static int place_descriptors(const int fds[ENCODER_FDS])
{
    int high[ENCODER_FDS];
    for (int i = 0; i < ENCODER_FDS; i++) {
        high[i] = fcntl(fds[i], F_DUPFD, 16);
        if (high[i] < 0)
            return -errno;
    }
    for (int i = 0; i < ENCODER_FDS; i++)
        if (dup2(high[i], 3 + i) < 0)
            return -errno;
    return close_range(3 + ENCODER_FDS, ~0u, 0);
}

static void __attribute__((noreturn)) become_encoder(const struct keeper *k, int report_fd)
{
    const int fds[ENCODER_FDS] = {k->ring.memory, k->ring.data_ready, k->ring.space_free,
                                  report_fd};
    own_free char *spec = own_printf("%s/encode.json", k->dir);
    char *argv[] = {(char *)k->spec->encoder, spec, NULL};
    static const char *const environment[] = {
        "LANG=C.UTF-8",
        "PATH=/usr/bin:/bin",
#if defined(__SANITIZE_ADDRESS__)
        "ASAN_OPTIONS=detect_leaks=0", /* that needs ptrace, which the box refuses */
#endif
        NULL
    };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (fchdir(k->out_dir_fd) == 0 && place_descriptors(fds) == 0)
        execve(argv[0], argv, (char *const *)environment);
    _exit(EXEC_FAILED_STATUS);
}

int keeper_start_encoder(struct keeper *k, struct err *e)
{
    own_fd int report = -1;
    int rc = write_encoder_spec(k, e);
    if (rc == 0)
        rc = make_pipe(&k->encoder_fd, &report, e);
    if (rc < 0)
        return rc;
    pid_t pid = box_fork_alone(has_namespaces(k), e);
    if (pid == 0)
        become_encoder(k, report);
    if (pid < 0)
        return pid;
    k->encoder_pid = pid;
    k->encoder_started = true;
    return 0;
}
