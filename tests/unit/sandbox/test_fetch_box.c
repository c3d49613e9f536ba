/* The box of whoever fetches: it calls by IP and resolves names, is called by
 * nobody, runs nothing, and reads no more than that takes. */
#include "boxed.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

static struct boxed box;
static int listener, port;

static int setup(void **state)
{
    (void)state;
    boxed_init(&box);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, bytes), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &bytes), 0);
    port = ntohs(at.sin_port);
    return 0;
}

static int connect_out(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : MET(connect(fd, (struct sockaddr *)&at, sizeof at));
}

static int listen_in(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return MET(listen(fd, 1));
}

static int bind_in(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return MET(bind(fd, (struct sockaddr *)&at, sizeof at));
}

static int resolve(void)
{
    struct addrinfo *found = NULL;
    int rc = getaddrinfo("localhost", "443", NULL, &found);
    if (found)
        freeaddrinfo(found);
    return rc;
}

static void *idle(void *arg)
{
    return arg;
}

static int start_thread(void)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, idle, NULL);
    return rc ? rc : pthread_join(thread, NULL);
}

static int run_program(void)
{
    char *argv[] = {(char *)"true", NULL};
    return MET(execv("/bin/true", argv));
}

static int make_pair(void)
{
    int ends[2];
    return MET(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
}

#define TRY(name, ...)           \
    static int name(void)        \
    {                            \
        return MET(__VA_ARGS__); \
    }
TRY(call_daemon, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
TRY(ask_routes, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0))
TRY(sniff, socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0))
TRY(start_process, fork())
TRY(read_passwd, open("/etc/passwd", O_RDONLY | O_CLOEXEC))
TRY(read_shadow, open("/etc/shadow", O_RDONLY | O_CLOEXEC))
TRY(read_own_environment, open("/proc/self/environ", O_RDONLY | O_CLOEXEC))
TRY(list_private_keys, open("/etc/ssl/private", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
TRY(read_hosts, open("/etc/hosts", O_RDONLY | O_CLOEXEC))
TRY(write_here, open("got", O_WRONLY | O_CREAT | O_CLOEXEC, 0600))
TRY(write_there, open("/tmp/manimd-fetched", O_WRONLY | O_CREAT | O_CLOEXEC, 0600))
TRY(make_link, symlink("/etc/passwd", "link"))

static const struct row {
    const char *name;
    int (*attempt)(void);
    int met[3]; /* any of them */
} rows[] = {
    {"connect", connect_out, {0}},
    {"resolve a name", resolve, {0}},
    {"start a thread", start_thread, {0}},
    {"make a pair", make_pair, {0}},
    {"read /etc/hosts", read_hosts, {0}},
    {"write here", write_here, {0}},
    {"listen", listen_in, {EPERM}},
    {"bind", bind_in, {EPERM}},
    {"call a daemon", call_daemon, {EAFNOSUPPORT}},
    {"ask for routes", ask_routes, {EAFNOSUPPORT}},
    {"sniff", sniff, {EAFNOSUPPORT}},
    {"fork", start_process, {EPERM}},
    {"exec", run_program, {EPERM}},
    {"read /etc/passwd", read_passwd, {EACCES}},
    {"read /etc/shadow", read_shadow, {EACCES}},
    {"read its environment", read_own_environment, {EACCES}},
    {"list private keys", list_private_keys, {EACCES, ENOENT}},
    {"write there", write_there, {EACCES}},
    {"make a link", make_link, {EPERM}},
};

static int run_row(void *arg)
{
    const struct row *row = arg;
    return row->attempt();
}

static void test_what_it_can_and_cannot(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int status = boxed_run(&box, BOX_FETCH, run_row, (void *)&rows[i]);
        int met = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (met != rows[i].met[0] && (met == 0 || (met != rows[i].met[1] && met != rows[i].met[2])))
            fail_msg("%s: met %d (status %x), not %d", rows[i].name, met, status, rows[i].met[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_it_can_and_cannot)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
