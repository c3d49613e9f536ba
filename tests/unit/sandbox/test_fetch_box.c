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
TRY(look_at_root, access("/root", F_OK))
TRY(look_at_proc, access("/proc/self", F_OK))

static int number_itself(void)
{
    return getpid() != 1 || getppid() != 0;
}

static const struct row {
    const char *name;
    int (*attempt)(void);
    int met[2]; /* any of them */
    int alone;  /* in namespaces; 0: as above */
} rows[] = {
    {"connect", connect_out, {0}, 0},
    {"resolve a name", resolve, {0}, 0},
    {"start a thread", start_thread, {0}, 0},
    {"make a pair", make_pair, {0}, 0},
    {"read /etc/hosts", read_hosts, {0}, 0},
    {"write here", write_here, {0}, 0},
    {"listen", listen_in, {EPERM}, 0},
    {"bind", bind_in, {EPERM}, 0},
    {"call a daemon", call_daemon, {EAFNOSUPPORT}, 0},
    {"ask for routes", ask_routes, {EAFNOSUPPORT}, 0},
    {"sniff", sniff, {EAFNOSUPPORT}, 0},
    {"fork", start_process, {EPERM}, 0},
    {"exec", run_program, {EPERM}, 0},
    {"read /etc/passwd", read_passwd, {EACCES}, ENOENT},
    {"read /etc/shadow", read_shadow, {EACCES}, ENOENT},
    {"read its environment", read_own_environment, {EACCES}, ENOENT},
    {"list private keys", list_private_keys, {EACCES, ENOENT}, ENOENT},
    {"write there", write_there, {EACCES}, EROFS},
    {"make a link", make_link, {EPERM}, 0},
    {"look at /root", look_at_root, {0}, ENOENT},
    {"look at /proc", look_at_proc, {0}, ENOENT},
};

static int run_row(void *arg)
{
    const struct row *row = arg;
    return row->attempt();
}

static void check(const struct row *row)
{
    const int alone[2] = {row->alone, 0};
    const int *met = box.namespaces && row->alone ? alone : row->met;
    int status = boxed_run(&box, BOX_FETCH, run_row, (void *)row);
    int got = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (got != met[0] && (got == 0 || got != met[1]))
        fail_msg("%s: met %d (status %x), not %d", row->name, got, status, met[0]);
}

static void test_what_it_can_and_cannot(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check(&rows[i]);
}

/* Its own children are born where they always were, also once it has ended. */
static void test_it_is_alone_and_its_stage_is_not(void **state)
{
    (void)state;
    static const struct row itself = {"number itself", number_itself, {0}, 0};
    if (!box.uid)
        return; /* without root a PID namespace would come with a user's */
    check(&itself);
    pid_t child = fork();
    if (child == 0)
        _exit(getppid() == 0); /* its parent would be out of sight */
    assert_true(child > 0);
    assert_int_equal(boxed_wait(child), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_it_can_and_cannot)};
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(test_what_it_can_and_cannot),
        cmocka_unit_test(test_it_is_alone_and_its_stage_is_not),
    };
    int failed = cmocka_run_group_tests(tests, setup, NULL);
    if (!boxed_has_namespaces())
        return failed;
    box.namespaces = true;
    return failed + cmocka_run_group_tests_name("in namespaces", alone, NULL, NULL);
}
