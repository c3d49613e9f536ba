/* The guard by tables, then the guard in http.c: against servers on loopback,
 * which it refuses, and allows by name of the range. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/guard.h"
#include "base/http.h"

/* ---- addresses ---- */

static const struct {
    const char *address, *what; /* NULL: allowed */
} addresses[] = {
    {"0.0.0.0", "unspecified"},
    {"0.255.255.255", "unspecified"},
    {"1.1.1.1", NULL},
    {"9.255.255.255", NULL},
    {"10.0.0.0", "private"},
    {"10.255.255.255", "private"},
    {"11.0.0.0", NULL},
    {"100.63.255.255", NULL},
    {"100.64.0.0", "carrier"},
    {"100.100.100.200", "carrier"},
    {"100.127.255.255", "carrier"},
    {"100.128.0.0", NULL},
    {"126.255.255.255", NULL},
    {"127.0.0.1", "loopback"},
    {"127.255.255.254", "loopback"},
    {"128.0.0.0", NULL},
    {"168.63.129.16", "cloud"},
    {"168.63.129.17", NULL},
    {"169.253.255.255", NULL},
    {"169.254.0.1", "link-local"},
    {"169.254.169.254", "metadata"},
    {"169.254.170.2", "link-local"},
    {"169.255.0.0", NULL},
    {"172.15.255.255", NULL},
    {"172.16.0.0", "private"},
    {"172.31.255.255", "private"},
    {"172.32.0.0", NULL},
    {"192.0.0.192", "reserved"},
    {"192.0.1.0", NULL},
    {"192.0.2.1", "documentation"},
    {"192.88.99.1", "6to4"},
    {"192.167.255.255", NULL},
    {"192.168.0.0", "private"},
    {"192.168.255.255", "private"},
    {"192.169.0.0", NULL},
    {"198.17.255.255", NULL},
    {"198.18.0.0", "benchmarks"},
    {"198.19.255.255", "benchmarks"},
    {"198.20.0.0", NULL},
    {"198.51.100.7", "documentation"},
    {"203.0.113.7", "documentation"},
    {"223.255.255.255", NULL},
    {"224.0.0.1", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.1", "reserved"},
    {"255.255.255.254", "reserved"},
    {"255.255.255.255", "broadcast"},
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"::7f00:1", "disguise"},
    {"::ffff:127.0.0.1", "loopback"},
    {"::ffff:169.254.169.254", "metadata"},
    {"::ffff:10.1.2.3", "private"},
    {"::ffff:1.1.1.1", NULL},
    {"64:ff9b::7f00:1", "loopback"},
    {"64:ff9b::a9fe:a9fe", "metadata"},
    {"64:ff9b::101:101", NULL},
    {"64:ff9b:1::101:101", "translator"},
    {"100::1", "discard"},
    {"1fff::1", "reserved"},
    {"2001::1", "reserved"},
    {"2001:0:7f00:1::", "reserved"},
    {"2001:1ff:ffff::", "reserved"},
    {"2001:200::1", NULL},
    {"2001:4860:4860::8888", NULL},
    {"2001:db8::1", "documentation"},
    {"2002:7f00:1::", "6to4"},
    {"2002:101:101::", "6to4"},
    {"2606:4700:4700::1111", NULL},
    {"3fff:fff::1", "documentation"},
    {"4000::1", "reserved"},
    {"5f00::1", "reserved"},
    {"fc00::1", "private"},
    {"fd00:ec2::254", "private"},
    {"fe80::1", "link-local"},
    {"febf::1", "link-local"},
    {"fec0::1", "private"},
    {"ff02::1", "multicast"},
};

static void make_address(const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (void *)ret;
    struct sockaddr_in6 *v6 = (void *)ret;
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        v4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        v6->sin6_family = AF_INET6;
    else
        fail_msg("%s is no address", text);
}

static const char *check(const struct guard *g, const char *text)
{
    struct sockaddr_storage a;
    make_address(text, &a);
    return guard_check_address(g, (const struct sockaddr *)&a);
}

static void test_addresses(void **state)
{
    (void)state;
    struct guard g;
    assert_int_equal(guard_init(&g, NULL, false, NULL), 0);
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        const char *what = check(&g, addresses[i].address);
        const char *wanted = addresses[i].what;
        if ((what == NULL) != (wanted == NULL) || (what && !strstr(what, wanted)))
            fail_msg("%s: %s, not %s", addresses[i].address, what ? what : "allowed",
                     wanted ? wanted : "allowed");
    }
    const struct sockaddr unix_socket = {.sa_family = AF_UNIX};
    assert_non_null(guard_check_address(&g, &unix_socket));
}

static void test_exceptions(void **state)
{
    (void)state;
    struct guard g;
    assert_int_equal(
        guard_init(&g, "10.1.0.0/16, fd12::/16 127.0.0.1,192.168.8.128/25", false, NULL), 0);
    assert_int_equal(g.allowed, 4);
    static const char *const allowed[] = {"10.1.0.1", "10.1.255.255",  "::ffff:10.1.2.3",
                                          "fd12::1",  "127.0.0.1",     "64:ff9b::7f00:1",
                                          "1.1.1.1",  "192.168.8.255", "192.168.8.128"};
    static const char *const still[] = {"10.0.255.255", "10.2.0.0", "127.0.0.2",
                                        "fd13::1",      "::1",      "192.168.8.127"};
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (check(&g, allowed[i]))
            fail_msg("%s is refused", allowed[i]);
    for (size_t i = 0; i < sizeof(still) / sizeof(still[0]); i++)
        if (!check(&g, still[i]))
            fail_msg("%s is allowed", still[i]);
    assert_int_equal(guard_init(&g, "::/0 0.0.0.0/0", false, NULL), 0);
    assert_null(check(&g, "169.254.169.254"));
    assert_null(check(&g, "::1"));
}

static void test_wrong_exceptions(void **state)
{
    (void)state;
    static const char *const wrong[] = {"10.0.0",      "10.0.0.0/33",  "10.0.0.0/", "10.0.0.0/x",
                                        "10.0.0.0/-1", "localhost",    "::1/129",   "/8",
                                        "0x7f000001",  "10.0.0.0/8/8", "fe80::1%lo"};
    struct guard g;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct err e = ERR_INIT;
        if (guard_init(&g, wrong[i], false, &e) != -EINVAL)
            fail_msg("\"%s\" is taken", wrong[i]);
        assert_contains(e.text, wrong[i]);
        assert_contains(e.text, "guard_allow");
    }
}

/* ---- URLs ---- */

static const struct {
    const char *url, *why; /* NULL: allowed */
} urls[] = {
    {"https://example.com", NULL},
    {"HTTPS://EXAMPLE.COM/", NULL},
    {"https://example.com.", NULL},
    {"https://a-b.c_d.example:8443/p/a?q=1#f", NULL},
    {"https://xn--bcher-kva.example/", NULL},
    {"https://1.1.1.1/", NULL},
    {"https://[2606:4700::1111]:443/", NULL},
    {"https://example.com?to=http://127.0.0.1", NULL},
    {"https://example.com/@x", NULL},
    {"https://0xcafe.example/", NULL},
    {"http://example.com/", "https://"},
    {"ftp://example.com/", "https://"},
    {"file:///etc/passwd", "https://"},
    {"gopher://example.com/", "https://"},
    {"//example.com/", "https://"},
    {"example.com", "https://"},
    {"https:/example.com", "https://"},
    {"https:example.com", "https://"},
    {" https://example.com", "blank"},
    {"", "https://"},
    {"https://", "no host"},
    {"https:///path", "no host"},
    {"https://?x", "no host"},
    {"https://:443/", "no host"},
    {"https://user@example.com/", "user"},
    {"https://user:pass@example.com/", "user"},
    {"https://example.com@127.0.0.1/", "user"},
    {"https://@example.com/", "user"},
    {"https://example.com\\@127.0.0.1/", "backslash"},
    {"https://exa mple.com/", "blank"},
    {"https://example.com/a b", "blank"},
    {"https://example.com/\n", "blank"},
    {"https://b\xc3\xbc"
     "cher.example/",
     "ASCII"},
    {"https://%31%32%37.0.0.1/", "characters"},
    {"https://example..com/", "empty label"},
    {"https://.example.com/", "empty label"},
    {"https://./", "empty label"},
    {"https://2130706433/", "odd notation"},
    {"https://017700000001/", "odd notation"},
    {"https://0x7f000001/", "odd notation"},
    {"https://0x7f.0.0.1/", "odd notation"},
    {"https://127.1/", "odd notation"},
    {"https://0177.0.0.1/", "odd notation"},
    {"https://127.0.0.01/", "odd notation"},
    {"https://127.0.0.1./", "odd notation"},
    {"https://127.0.0.0x1/", "odd notation"},
    {"https://1.2.3.4.5/", "odd notation"},
    {"https://256.0.0.1/", "odd notation"},
    {"https://0/", "odd notation"},
    {"https://0x/", "odd notation"},
    {"https://foo.09/", "odd notation"},
    {"https://[fe80::1%25eth0]/", "IPv6"},
    {"https://[fe80::1%eth0]/", "IPv6"},
    {"https://[::1/", "IPv6"},
    {"https://[]/", "IPv6"},
    {"https://[127.0.0.1]/", "IPv6"},
    {"https://[::1]x/", "behind"},
    {"https://[v1.fe]/", "IPv6"},
    {"https://example.com:/", "port"},
    {"https://example.com:0/", "port"},
    {"https://example.com:65536/", "port"},
    {"https://example.com:80a/", "port"},
    {"https://example.com:443:1/", "port"},
    {"https://example.com:-1/", "port"},
    {"https://example.com:99999999999999999999/", "port"},
};

static void test_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct err e = ERR_INIT;
        int rc = guard_check_url(urls[i].url, false, &e);
        if (rc != (urls[i].why ? -EPERM : 0))
            fail_msg("%s: %d, %s", urls[i].url, rc, e.text);
        if (urls[i].why)
            assert_contains(e.text, urls[i].why);
    }
    assert_int_equal(guard_check_url("http://example.com/", true, NULL), 0);
    assert_int_equal(guard_check_url("ftp://example.com/", true, NULL), -EPERM);
    char longest[GUARD_URL_MAX_BYTES + 2] = "https://example.com/";
    memset(longest + 20, 'a', sizeof(longest) - 21);
    assert_int_equal(guard_check_url(longest, true, NULL), -EPERM);
    longest[GUARD_URL_MAX_BYTES] = 0;
    assert_int_equal(guard_check_url(longest, true, NULL), 0);
}

/* ---- in http.c ---- */

static int listen_on(const char *address, int port, int *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof(at);
    inet_pton(AF_INET, address, &at.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

/* Answers the first request of every connection; the parent kills it. `keep`:
 * leaves the connections open. */
static pid_t serve(int listener, const char *answer, bool keep)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        char in[4096];
        int fd = accept(listener, NULL, NULL);
        (void)!read(fd, in, sizeof(in));
        (void)!write(fd, answer, strlen(answer));
        if (!keep)
            close(fd);
    }
}

static bool was_connected_to(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static int ask(const struct guard *g, const char *url, long *ret_status, struct err *e)
{
    struct http *h = http_new();
    struct http_answer answer = {0};
    const struct http_request request = {
        .method = "GET", .url = url, .body_fd = -1, .guard = g, .total_ms = 10000};
    int rc = http_do(h, &request, &answer, e);
    *ret_status = answer.status;
    http_free(h);
    return rc;
}

/* Names of /etc/hosts and every way to write loopback: no connection is made. */
static void test_loopback_is_not_reached(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "127.0.0.1", "localhost",          "localhost.", "LOCALHOST", "[::1]",
        "127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0",    "[::]",      "[::ffff:7f00:1]"};
    int port;
    int listener = listen_on("127.0.0.1", 0, &port);
    struct guard g;
    assert_int_equal(guard_init(&g, "", true, NULL), 0);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char url[128];
        long status;
        struct err e = ERR_INIT;
        snprintf(url, sizeof(url), "http://%s:%d/secret", hosts[i], port);
        int rc = ask(&g, url, &status, &e);
        if (rc != -EPERM && rc != -EHOSTUNREACH) /* "localhost." resolves not everywhere */
            fail_msg("%s: %d, %s", url, rc, e.text);
        if (rc == -EPERM)
            assert_contains(e.text, "refused: its address is not public");
        assert_null(strstr(e.text, "secret"));
        assert_false(was_connected_to(listener));
    }
    close(listener);
}

static void test_exception_is_reached(void **state)
{
    (void)state;
    int port;
    int listener = listen_on("127.0.0.1", 0, &port);
    pid_t pid = serve(listener, "HTTP/1.1 204 No Content\r\n\r\n", false);
    struct guard g;
    long status;
    char url[128];
    struct err e = ERR_INIT;
    assert_int_equal(guard_init(&g, "127.0.0.0/8", true, NULL), 0);
    snprintf(url, sizeof(url), "http://localhost:%d/", port);
    assert_int_equal(ask(&g, url, &status, &e), 0);
    assert_int_equal(status, 204);
    g.allow_http = false;
    assert_int_equal(ask(&g, url, &status, &e), -EPERM);
    assert_contains(e.text, "must begin with https://");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(listener);
}

/* A redirect is an answer like any other; where it points to hears nothing. */
static void test_redirect_is_not_followed(void **state)
{
    (void)state;
    int port, inner_port;
    int listener = listen_on("127.0.0.1", 0, &port), inner = listen_on("127.0.0.2", 0, &inner_port);
    char answer[200], url[128];
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:%d/\r\nContent-Length: 0\r\n\r\n",
             inner_port);
    pid_t pid = serve(listener, answer, false);
    struct guard g;
    long status;
    struct err e = ERR_INIT;
    assert_int_equal(guard_init(&g, "127.0.0.0/8", true, NULL), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    assert_int_equal(ask(&g, url, &status, &e), 0);
    assert_int_equal(status, 302);
    assert_false(was_connected_to(inner));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(listener);
    close(inner);
}

/* A connection that an unguarded request left open must not carry a guarded
 * one: nobody looked at its address. */
static void test_kept_connection_is_not_used(void **state)
{
    (void)state;
    int port;
    int listener = listen_on("127.0.0.1", 0, &port);
    pid_t pid = serve(listener, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true);
    struct guard g;
    char url[128];
    struct http *h = http_new();
    struct http_answer answer = {0};
    struct http_request request = {.method = "GET", .url = url, .body_fd = -1, .total_ms = 10000};
    assert_int_equal(guard_init(&g, "", true, NULL), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    assert_int_equal(http_do(h, &request, &answer, NULL), 0);
    request.guard = &g;
    assert_int_equal(http_do(h, &request, &answer, NULL), -EPERM);
    http_free(h);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(listener);
}

/* As many as fit, driven step by step; one more is told to wait. */
static void test_begin_and_turn(void **state)
{
    (void)state;
    int port;
    int listener = listen_on("127.0.0.1", 0, &port);
    pid_t pid = serve(listener, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
    char url[128];
    struct http *h = http_new();
    struct http_call calls[HTTP_PARALLEL_MAX + 1] = {0};
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    for (int i = 0; i < HTTP_PARALLEL_MAX + 1; i++) {
        calls[i].request =
            (struct http_request){.method = "GET", .url = url, .body_fd = -1, .total_ms = 10000};
        assert_int_equal(http_begin(h, &calls[i]), i < HTTP_PARALLEL_MAX ? 0 : -EBUSY);
    }
    assert_int_equal(calls[0].rc, HTTP_RUNNING);
    while (http_turn(h, 50))
        continue;
    for (int i = 0; i < HTTP_PARALLEL_MAX; i++) {
        assert_int_equal(calls[i].rc, 0);
        assert_int_equal(calls[i].answer.status, 200);
    }
    assert_int_equal(http_begin(h, &calls[HTTP_PARALLEL_MAX]), 0);
    http_free(h);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_wrong_exceptions),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_loopback_is_not_reached),
        cmocka_unit_test(test_exception_is_reached),
        cmocka_unit_test(test_redirect_is_not_followed),
        cmocka_unit_test(test_kept_connection_is_not_used),
        cmocka_unit_test(test_begin_and_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
