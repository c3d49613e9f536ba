/* Against a server of a few lines on loopback: one connection, one canned
 * answer. What a whole S3 server does is tested by tests/stage/. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/own.h"

struct server {
    pid_t pid;
    char url[64];
};

/* Answers one connection, once its request's head (and `body_bytes`) came. */
static void serve(int listener, const char *answer, size_t body_bytes)
{
    int fd = accept(listener, NULL, NULL);
    own_buf struct buf in = BUF_INIT(1 << 20);
    const char *end = NULL;
    while (!end || in.bytes < (size_t)(end + 4 - in.data) + body_bytes) {
        char *room = buf_room(&in, 4096);
        ssize_t n = read(fd, room, 4096);
        if (n <= 0)
            break;
        buf_wrote(&in, (size_t)n);
        end = strstr(buf_str(&in), "\r\n\r\n");
    }
    if (answer)
        (void)!write(fd, answer, strlen(answer));
    else
        pause();
    close(fd);
}

static void start(struct server *s, const char *answer, size_t body_bytes)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    (void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d/p?secret=1", ntohs(at.sin_port));
    s->pid = fork();
    if (s->pid == 0) {
        serve(listener, answer, body_bytes);
        _exit(0);
    }
    close(listener);
}

static void stop(struct server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
}

struct got {
    int rc;
    long status;
    bool cut;
    struct err err;
    char body[64];
    char type[64];
};

static struct got ask(const struct http_request *request)
{
    struct got got = {0};
    own_buf struct buf body = BUF_INIT(16), headers = BUF_INIT(4096);
    struct http_answer answer = {.body = &body, .headers = &headers};
    struct http *h = http_new();
    got.rc = http_do(h, request, &answer, &got.err);
    got.status = answer.status;
    got.cut = answer.cut;
    (void)snprintf(got.body, sizeof(got.body), "%s", buf_str(&body));
    (void)http_header(&headers, "content-type", got.type, sizeof(got.type));
    http_free(h);
    return got;
}

static void test_get(void **state)
{
    (void)state;
    struct server s;
    start(&s, "HTTP/1.1 404 No\r\nContent-Type:  a/b \r\nContent-Length: 4\r\n\r\nbody", 0);
    struct got got = ask(&(struct http_request){.method = "GET", .url = s.url, .body_fd = -1});
    stop(&s);
    assert_int_equal(got.rc, 0);
    assert_int_equal(got.status, 404);
    assert_string_equal(got.body, "body");
    assert_string_equal(got.type, "a/b");
    assert_false(got.cut);
}

static void test_long_answers_are_cut(void **state)
{
    (void)state;
    struct server s;
    start(&s,
          "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n0123456789abcdefghijklmnopqrstuvwxyz0123",
          0);
    struct got got = ask(&(struct http_request){.method = "GET", .url = s.url, .body_fd = -1});
    stop(&s);
    assert_int_equal(got.rc, 0);
    assert_int_equal(got.status, 200);
    assert_string_equal(got.body, "0123456789abcdef");
    assert_true(got.cut);
}

static void test_a_body_from_a_file(void **state)
{
    (void)state;
    struct server s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 3);
    own_fd int fd = memfd_create("body", MFD_CLOEXEC);
    assert_int_equal(write(fd, "abcdef", 6), 6);
    struct http_request r = {
        .method = "PUT", .url = s.url, .body_fd = fd, .body_offset = 2, .body_bytes = 3};
    assert_int_equal(ask(&r).rc, 0);
    stop(&s);
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 10);
    r.url = s.url;
    r.body_bytes = 10; /* the file is shorter than was said */
    struct got got = ask(&r);
    stop(&s);
    assert_int_equal(got.rc, -EIO);
    assert_int_equal(got.err.fault, FAULT_HOST);
}

static void test_redirects_are_not_followed(void **state)
{
    (void)state;
    struct server s;
    start(&s, "HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
          0);
    struct got got = ask(&(struct http_request){.method = "GET", .url = s.url, .body_fd = -1});
    stop(&s);
    assert_int_equal(got.rc, 0);
    assert_int_equal(got.status, 302);
}

static bool at_once(void *arg, int64_t sent_bytes)
{
    (void)arg, (void)sent_bytes;
    return true;
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        int64_t total_ms, stall_ms;
        bool (*should_stop)(void *, int64_t);
        int rc;
    } cases[] = {{300, 0, NULL, -ETIMEDOUT},
                 {-1, 0, NULL, -ETIMEDOUT},
                 {0, 300, NULL, -ETIMEDOUT},
                 {0, 0, at_once, -ECANCELED}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server s;
        start(&s, NULL, 0);
        int64_t began_ms = clock_now_ms();
        struct got got = ask(&(struct http_request){.method = "GET",
                                                    .url = s.url,
                                                    .body_fd = -1,
                                                    .total_ms = cases[i].total_ms,
                                                    .stall_ms = cases[i].stall_ms,
                                                    .should_stop = cases[i].should_stop});
        stop(&s);
        assert_int_equal(got.rc, cases[i].rc);
        assert_in_range(clock_now_ms() - began_ms, 0, 2000);
        assert_null(strstr(got.err.text, "secret"));
    }
}

static void test_what_goes_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int rc;
        const char *words;
    } cases[] = {
        {"http://127.0.0.1:1/?secret=1", -ECONNREFUSED,
         "\"http://127.0.0.1:1\": Connection refused"},
        {"http://h.invalid/secret", -EHOSTUNREACH,
         "\"http://h.invalid\": its name does not resolve"},
        {"file:///etc/secret", -EINVAL, "must begin with http:// or https://"},
        {"http://user:secret@127.0.0.1:1/", -EINVAL, "(a URL with a user in it)"},
        {"", -EINVAL, "must begin with"},
        {"http://", -EINVAL, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct got got =
            ask(&(struct http_request){.method = "GET", .url = cases[i].url, .body_fd = -1});
        assert_int_equal(got.rc, cases[i].rc);
        assert_non_null(strstr(got.err.text, cases[i].words));
        assert_null(strstr(got.err.text, "secret"));
    }
}

static void test_several_at_once(void **state)
{
    (void)state;
    struct server servers[3];
    struct http_call calls[3];
    struct buf bodies[3];
    for (size_t i = 0; i < 3; i++) {
        start(&servers[i], i == 1 ? "nonsense" : "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
              0);
        bodies[i] = (struct buf)BUF_INIT(16);
        calls[i] =
            (struct http_call){.request = {.method = "GET", .url = servers[i].url, .body_fd = -1},
                               .answer = {.body = &bodies[i]}};
    }
    struct http *h = http_new();
    http_do_all(h, calls, 3);
    http_free(h);
    for (size_t i = 0; i < 3; i++) {
        stop(&servers[i]);
        assert_int_equal(calls[i].rc, i == 1 ? -EPROTO : 0);
        assert_string_equal(buf_str(&bodies[i]), i == 1 ? "" : "x");
        buf_done(&bodies[i]);
    }
}

static void test_header_lines(void **state)
{
    (void)state;
    own_buf struct buf lines = BUF_INIT(200);
    char value[8];
    assert_int_equal(
        buf_add_str(&lines, "HTTP/1.1 200 OK\r\nAb: 1\r\nABC:\r\nab:2\t\r\nLong: 12345678\r\n"), 0);
    assert_true(http_header(&lines, "ab", value, sizeof(value)));
    assert_string_equal(value, "2");
    assert_true(http_header(&lines, "abc", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_false(http_header(&lines, "long", value, sizeof(value)));
    assert_false(http_header(&lines, "a", value, sizeof(value)));
    assert_int_equal(http_parse_date("Fri, 27 Nov 2026 02:41:33 GMT"), 1795747293);
    assert_int_equal(http_parse_date("soon"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_long_answers_are_cut),
        cmocka_unit_test(test_a_body_from_a_file),
        cmocka_unit_test(test_redirects_are_not_followed),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_what_goes_wrong_is_named),
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_header_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
