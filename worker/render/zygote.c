/* The supervisor's side of the warm interpreter; the keeper uses it too, for
 * one job, when it is lent none (a cold start is the same code path).
 *
 * The zygote is exec'd, so that nothing of our memory is in it, with an
 * environment built here from nothing: no secret can be inherited. It speaks
 * on one SOCK_SEQPACKET socket: one JSON object when ready; then each byte
 * that we send carries one job socket (harness/zygote.py). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../base/err.h"
#include "../base/file.h"
#include "../base/json.h"
#include "../base/own.h"
#include "render.h"

#define CONTROL_FD 3
#define EXEC_FAILED_STATUS 126

static const char *const environment[] = {
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "LANG=C.UTF-8",
    /* Part of exactness (manim.md §3): the order of sets, and the sums that
     * several BLAS threads make, are seen in the picture. */
    "PYTHONHASHSEED=0",
    "OPENBLAS_NUM_THREADS=1",
    "OMP_NUM_THREADS=1",
    "MKL_NUM_THREADS=1",
    /* Set per job; until then nothing may be found or written there. */
    "HOME=/nonexistent",
    "TMPDIR=/nonexistent",
    NULL,
};

/* An interpreter without AddressSanitizer cannot load an extension with it: a
 * sanitized build in build/asan uses the one of build. */
#if defined(__SANITIZE_ADDRESS__)
#define NATIVE_BESIDE_US "%.*s/../harness/_manimd.so"
#else
#define NATIVE_BESIDE_US "%.*s/harness/_manimd.so"
#endif

/* The extension: as the spec says, else beside the harness, else where the
 * build put it, beside this executable. The caller frees. */
static char *find_native(const struct render_spec *spec)
{
    if (spec->native)
        return own_strdup(spec->native);
    char *path = own_printf("%s/_manimd.so", spec->harness);
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    char *slash = strrchr(self, '/');
    return own_printf(NATIVE_BESIDE_US, slash ? (int)(slash - self) : 0, self);
}

static void __attribute__((noreturn)) become_zygote(int control_fd, char *const *argv)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(2, 1) < 0)
        _exit(EXEC_FAILED_STATUS);
    if (control_fd == CONTROL_FD ? fd_set_cloexec(control_fd, 0) < 0
                                 : dup2(control_fd, CONTROL_FD) < 0)
        _exit(EXEC_FAILED_STATUS);
    close_range(CONTROL_FD + 1, ~0u, 0);
    setsid(); /* a Ctrl-C on the terminal is not for it */
    execve(argv[0], argv, (char *const *)environment);
    _exit(EXEC_FAILED_STATUS);
}

int zygote_start(struct zygote *z, const struct render_spec *spec, struct err *e)
{
    own_free char *native = find_native(spec);
    own_free char *program = own_printf("%s/zygote.py", spec->harness);
    if (access(native, R_OK) < 0)
        return err_errno(e, -errno, FAULT_HOST, "read the extension \"%s\"", native);
    if (access(program, R_OK) < 0)
        return err_errno(e, -errno, FAULT_HOST, "read the harness \"%s\"", program);
    /* -I would ignore PYTHONHASHSEED; the environment is ours anyway. */
    char *spare = spec->spare ? "spare" : NULL,
         *namespaces = spec->namespaces ? "namespaces" : NULL;
    char *argv[] = {(char *)spec->python, "-P", "-s", "-B", program, "3", native, spare,
                    namespaces,           NULL};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(e, -errno, FAULT_HOST, "make the zygote's socket");
    pid_t pid = fork();
    if (pid == 0)
        become_zygote(pair[1], argv);
    int rc = -errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return err_errno(e, rc, FAULT_HOST, "fork the zygote");
    }
    *z = (struct zygote){.pid = pid, .control_fd = pair[0]};
    return 0;
}

int zygote_read(struct zygote *z, struct err *e)
{
    char text[sizeof z->about];
    ssize_t n = recv(z->control_fd, text, sizeof text - 1, 0);
    if (n < 0)
        return err_errno(e, -errno, FAULT_HOST, "hear from the zygote");
    if (n == 0)
        return err_set(e, -EPIPE, FAULT_HOST,
                       "the zygote ended before it was ready; what it said is on stderr");
    own_json cJSON *word = NULL;
    text[n] = 0;
    int rc = json_parse(text, (size_t)n, FAULT_HOST, &word, e);
    if (rc < 0)
        return err_wrap(e, rc, "the zygote's word");
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(word, "ready")))
        return err_set(e, -EPROTO, FAULT_HOST, "the zygote is not ready: %s", text);
    memcpy(z->about, text, (size_t)n + 1);
    z->ready = true;
    return 0;
}

static int send_fd(int socket_fd, int fd)
{
    char byte = 'j';
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
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
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(socket_fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int zygote_lend(struct zygote *z, int *ret_job_fd, struct err *e)
{
    int pair[2];
    if (!z->ready)
        return err_set(e, -EAGAIN, FAULT_HOST, "the zygote is not ready yet");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(e, -errno, FAULT_HOST, "make a job socket");
    int rc = send_fd(z->control_fd, pair[1]);
    close(pair[1]);
    if (rc < 0) {
        close(pair[0]);
        return err_errno(e, rc, FAULT_HOST, "hand the zygote a job socket");
    }
    z->lent++;
    *ret_job_fd = pair[0];
    return 0;
}

void zygote_stop(struct zygote *z)
{
    if (z->control_fd >= 0)
        close(z->control_fd);
    z->control_fd = -1;
    z->ready = false;
}
