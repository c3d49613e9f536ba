/* A real redis-server of a test's own: in its own directory, on a unix socket
 * and a port that the kernel chose, gone when the test is (PDEATHSIG).
 * MANIMD_TEST_REDIS_SERVER names another executable than redis-server: see
 * scripts/run-servers.
 *
 *   struct redis_fixture f;
 *   redis_fixture_start(&f, (const char *[]){"--appendonly", "yes", NULL});
 *   … f.url, f.port, redis_fixture_do(&f, "LLEN %s", key) …
 *   redis_fixture_kill(&f); redis_fixture_again(&f);   kill -9 and back
 *   redis_fixture_stop(&f);
 */
#ifndef MANIMD_REDIS_FIXTURE_H
#define MANIMD_REDIS_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct redis_fixture {
    char dir[64];
    char socket[96]; /* path */
    char url[112];   /* of the unix socket */
    int port;        /* plain TCP, 127.0.0.1; 0 with own_port set */
    const char *extra[32];
    pid_t pid;
    redisContext *control;
};

/* A port that nobody has now. Redis cannot be given port 0, so another could
 * take it in between: then the server does not start, and we try again. */
static inline int redis_fixture_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        abort();
    close(fd);
    return ntohs(a.sin_port);
}

static inline const char *redis_fixture_server(void)
{
    const char *server = getenv("MANIMD_TEST_REDIS_SERVER");
    return server && *server ? server : "redis-server";
}

/* Whether the server's `--version` has these words: "v=6.", "Valkey". */
static inline bool redis_fixture_is(const char *words)
{
    char text[512];
    int ends[2];
    if (pipe(ends))
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        execlp(redis_fixture_server(), "redis-server", "--version", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    waitpid(pid, NULL, 0);
    text[n > 0 ? n : 0] = 0;
    return strstr(text, words) != NULL;
}

static inline void redis_fixture_exec(const struct redis_fixture *f)
{
    char port[16], log[96];
    const char *argv[48] = {redis_fixture_server()};
    int n = 1;
    snprintf(port, sizeof(port), "%d", f->port);
    snprintf(log, sizeof(log), "%s/log", f->dir);
    const char *const common[] = {"--port",       port,      "--bind",     "127.0.0.1",
                                  "--unixsocket", f->socket, "--dir",      f->dir,
                                  "--logfile",    log,       "--save",     "",
                                  "--daemonize",  "no",      "--loglevel", "notice"};
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
        argv[n++] = common[i];
    for (int i = 0; f->extra[i]; i++)
        argv[n++] = f->extra[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Until it answers, by its unix socket. */
static inline int redis_fixture_connect(struct redis_fixture *f)
{
    for (int tries = 0; tries < 500; tries++) {
        int status;
        if (waitpid(f->pid, &status, WNOHANG) == f->pid) {
            f->pid = 0;
            return -1;
        }
        f->control = redisConnectUnix(f->socket);
        if (f->control && !f->control->err) {
            redisReply *r = redisCommand(f->control, "PING");
            int up = r && (r->type == REDIS_REPLY_STATUS || strncmp(r->str, "NOAUTH", 6) == 0);
            if (r)
                freeReplyObject(r);
            if (up)
                return 0;
        }
        redisFree(f->control);
        f->control = NULL;
        poll(NULL, 0, 10); /* no event tells that a server listens */
    }
    return -1;
}

/* 0, or -1: see its log. */
static inline int redis_fixture_spawn(struct redis_fixture *f)
{
    unlink(f->socket);
    f->pid = fork();
    if (f->pid == 0)
        redis_fixture_exec(f);
    return redis_fixture_connect(f);
}

static inline void redis_fixture_again(struct redis_fixture *f)
{
    if (redis_fixture_spawn(f) < 0) {
        fprintf(stderr, "redis-server did not start: see %s/log\n", f->dir);
        abort();
    }
}

static inline void redis_fixture_prepare(struct redis_fixture *f, const char *const *extra)
{
    *f = (struct redis_fixture){.dir = "redis-XXXXXX"};
    char cwd[40];
    if (!getcwd(cwd, sizeof(cwd)))
        snprintf(cwd, sizeof(cwd), "/tmp");
    snprintf(f->dir, sizeof(f->dir), "%s/redis-XXXXXX", cwd);
    if (!mkdtemp(f->dir))
        abort();
    for (int i = 0; extra && extra[i] && i < 31; i++)
        f->extra[i] = extra[i];
    snprintf(f->socket, sizeof(f->socket), "%s/sock", f->dir);
    snprintf(f->url, sizeof(f->url), "unix://%s", f->socket);
    f->port = redis_fixture_port();
}

static inline void redis_fixture_start(struct redis_fixture *f, const char *const *extra)
{
    redis_fixture_prepare(f, extra);
    redis_fixture_again(f);
}

/* Whether it starts so; to be stopped in either case. */
static inline bool redis_fixture_try(struct redis_fixture *f, const char *const *extra)
{
    redis_fixture_prepare(f, extra);
    return redis_fixture_spawn(f) == 0;
}

static inline void redis_fixture_kill(struct redis_fixture *f)
{
    if (f->control)
        redisFree(f->control);
    f->control = NULL;
    if (f->pid > 0) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
    }
    f->pid = 0;
}

static inline void redis_fixture_stop(struct redis_fixture *f)
{
    redis_fixture_kill(f);
    char *const argv[] = {"rm", "-rf", f->dir, NULL};
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

/* One command; the reply is the caller's. Aborts when the line broke. */
static inline redisReply *redis_fixture_do(struct redis_fixture *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    redisReply *r = redisvCommand(f->control, format, ap);
    va_end(ap);
    if (!r) {
        fprintf(stderr, "redis: %s: %s\n", format, f->control->errstr);
        abort();
    }
    return r;
}

#endif
