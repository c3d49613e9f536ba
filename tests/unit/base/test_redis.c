/* The connection: URLs, the scanner, a real server over unix, TCP and TLS,
 * passwords, deadlines, what is too large, coming back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../redis_fixture.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/redis.h"
#include "base/redis_scan.h"
#include "base/redis_url.h"

/* ---- URLs ---- */

static void url_good(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *path, *user, *password;
        int port, db;
        bool tls;
    } cases[] = {
        {"redis://h", "h", NULL, NULL, NULL, 6379, 0, false},
        {"redis://h:1/2", "h", NULL, NULL, NULL, 1, 2, false},
        {"redis://h/", "h", NULL, NULL, NULL, 6379, 0, false},
        {"redis://h?db=3", "h", NULL, NULL, NULL, 6379, 3, false},
        {"rediss://u:p@h:6380", "h", NULL, "u", "p", 6380, 0, true},
        {"redis://:p@h", "h", NULL, NULL, "p", 6379, 0, false},
        {"redis://u:a%40b%3ac%25@h", "h", NULL, "u", "a@b:c%", 6379, 0, false},
        {"redis://u:p@q@h", "h", NULL, "u", "p@q", 6379, 0, false},
        {"redis://[::1]:7/0", "::1", NULL, NULL, NULL, 7, 0, false},
        {"redis://[fe80::1]", "fe80::1", NULL, NULL, NULL, 6379, 0, false},
        {"unix:///run/r.sock", NULL, "/run/r.sock", NULL, NULL, 0, 0, false},
        {"unix:///run/r%20s?db=4", NULL, "/run/r s", NULL, NULL, 0, 4, false},
        {"unix://u:p@/r", NULL, "/r", "u", "p", 0, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct redis_url u;
        struct err e = ERR_INIT;
        int rc = redis_url_parse(cases[i].url, &u, &e);
        if (rc)
            fail_msg("%s: %s", cases[i].url, e.text);
#define SAME(a, b) assert_string_equal((a) ? (a) : "-", (b) ? (b) : "-")
        SAME(u.host, cases[i].host);
        SAME(u.path, cases[i].path);
        SAME(u.user, cases[i].user);
        SAME(u.password, cases[i].password);
        assert_int_equal(u.port, cases[i].port);
        assert_int_equal(u.db, cases[i].db);
        assert_int_equal(u.tls, cases[i].tls);
        if (u.password)
            assert_null(strstr(u.shown, u.password) && strlen(u.password) > 1 ? u.shown : NULL);
        redis_url_done(&u);
    }
}

static void url_bad(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "h",
        "http://h",
        "redis:/h",
        "redis://",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:x",
        "redis://h:",
        "redis://h/x",
        "redis://h/1/2",
        "redis://h?x=1",
        "redis://h?db=",
        "redis://h?db=99999999",
        "redis://[::1",
        "redis://u:%zz@h",
        "redis://u:%4@h",
        "redis://u:%00@h",
        "unix://r.sock",
        "unix://",
        "redis+sentinel://h",
        "sentinel://h",
        "rediss+cluster://h",
        "redis://%@h",
        "redis://:%4",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct redis_url u;
        struct err e = ERR_INIT;
        if (redis_url_parse(cases[i], &u, &e) == 0)
            fail_msg("%s was taken", cases[i]);
        assert_true(e.text[0]);
    }
    struct redis_url u;
    struct err e = ERR_INIT;
    assert_int_not_equal(redis_url_parse("redis://u:sesame@h:x", &u, &e), 0);
    assert_null(strstr(e.text, "sesame"));
}

/* ---- the scanner ---- */

/* Every way to cut the bytes in two gives the same verdict. */
static enum redis_scan_verdict scan_all(const char *data, size_t n, int64_t max)
{
    enum redis_scan_verdict first = SCAN_FINE;
    for (size_t cut = 0; cut <= n; cut++) {
        struct redis_scan s = {.max_bytes = max};
        redis_scan_reset(&s);
        enum redis_scan_verdict v = redis_scan(&s, data, cut);
        if (v == SCAN_FINE)
            v = redis_scan(&s, data + cut, n - cut);
        if (cut == 0)
            first = v;
        assert_int_equal(v, first);
    }
    return first;
}

static void scanner(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        enum redis_scan_verdict verdict;
    } cases[] = {
        {"+OK\r\n:1\r\n-ERR x\r\n", SCAN_FINE},
        {"$3\r\nabc\r\n$-1\r\n", SCAN_FINE},
        {"$10\r\n0123456789\r\n$10\r\n0123456789\r\n", SCAN_FINE},
        {"*2\r\n$1\r\na\r\n*1\r\n:1\r\n$0\r\n\r\n", SCAN_FINE},
        {"*-1\r\n*0\r\n", SCAN_FINE},
        {"$11\r\n", SCAN_TOO_LARGE},
        {"$536870912\r\n", SCAN_TOO_LARGE},
        {"*2\r\n$6\r\nabcdef\r\n$6\r\n", SCAN_TOO_LARGE},
        {"*9999999\r\n", SCAN_TOO_LARGE},
        {"$x\r\n", SCAN_BROKEN},
        {"$-2\r\n", SCAN_BROKEN},
        {"HTTP/1.1 200\r\n", SCAN_BROKEN},
        {"$0000000000000000000000000000000000000000000000000000000000000000536870912\r\n",
         SCAN_BROKEN}, /* another number when it is cut */
        {"\r\n", SCAN_BROKEN},
        /* hiredis waits for both: what comes behind would be held without bound. */
        {"+OK\n$536870912\r\n", SCAN_BROKEN},
        {"$3\nabc\r\n", SCAN_BROKEN},
        {"+O\rK\r\n", SCAN_BROKEN},
        {"+OK\r\r\n", SCAN_BROKEN},
        {"*2\r\n+12345\r\n+12345\r\n", SCAN_FINE},
        {"*2\r\n+12345\r\n+123456\r\n", SCAN_BROKEN}, /* words count too */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(scan_all(cases[i].data, strlen(cases[i].data), 10), cases[i].verdict);
}

/* ---- a real server ---- */

struct seen {
    int ups, downs, replies, nones;
    int64_t oversize;
    char why[600], text[64];
};

static void on_state(void *arg, bool up, const char *why)
{
    struct seen *s = arg;
    *(up ? &s->ups : &s->downs) += 1;
    if (!up)
        snprintf(s->why, sizeof(s->why), "%s", why);
}

static void on_oversize(void *arg, int64_t bytes)
{
    ((struct seen *)arg)->oversize = bytes;
}

static void on_reply(void *arg, const struct redisReply *r)
{
    struct seen *s = arg;
    s->replies++;
    s->nones += r == NULL;
    if (r && r->str)
        snprintf(s->text, sizeof(s->text), "%s", r->str);
}

static void until(struct loop *loop, const int *what, int least)
{
    int64_t end_ms = clock_now_ms() + 20000;
    while (*what < least && clock_now_ms() < end_ms)
        loop_step(loop, 100);
    assert_true(*what >= least);
}

static struct redis *open_redis(struct loop *loop, struct redis_spec spec, struct seen *s)
{
    struct redis *r = NULL;
    struct err e = ERR_INIT;
    spec.on_state = on_state;
    spec.on_oversize = on_oversize;
    spec.arg = s;
    if (redis_new(loop, &spec, &r, &e) < 0)
        fail_msg("%s", e.text);
    return r;
}

static void expect_pong(struct loop *loop, struct redis *r)
{
    redisReply *reply = NULL;
    struct err e = ERR_INIT;
    if (redis_call(r, loop, &(struct redis_request){1, (const char *[]){"PING"}, NULL, 5000},
                   &reply, &e))
        fail_msg("%s", e.text);
    assert_string_equal(reply->str, "PONG");
    freeReplyObject(reply);
}

static void unix_and_tcp(void **state)
{
    struct redis_fixture f;
    char url[64], list[32];
    (void)state;
    redis_fixture_start(&f, NULL);
    struct loop *loop = loop_new();
    const char *const hosts[] = {"127.0.0.1", "localhost"};
    struct seen s = {0};
    struct redis *r =
        open_redis(loop, (struct redis_spec){.url = f.url, .client_name = "manimd:a b"}, &s);
    expect_pong(loop, r);
    redisReply *reply = redis_fixture_do(&f, "CLIENT LIST");
    assert_non_null(strstr(reply->str, "name=manimd:a-b"));
    freeReplyObject(reply);
    redis_free(r);
    for (int i = 0; i < 2; i++) {
        snprintf(url, sizeof(url), "redis://%s:%d/3", hosts[i], f.port);
        r = open_redis(loop, (struct redis_spec){.url = url}, &s);
        expect_pong(loop, r);
        snprintf(list, sizeof(list), "l%d", i);
        redis_command(r, &(struct redis_request){3, (const char *[]){"LPUSH", list, "x"}, NULL, 0},
                      on_reply, &s);
        until(loop, &s.replies, i + 1);
        redis_free(r);
    }
    freeReplyObject(redis_fixture_do(&f, "SELECT 3"));
    reply = redis_fixture_do(&f, "DBSIZE");
    assert_int_equal(reply->integer, 2);
    freeReplyObject(reply);
    loop_free(loop);
    redis_fixture_stop(&f);
}

/* By c-ares: this machine's own name is in /etc/hosts, a wrong one nowhere. */
static void names(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct seen s = {0};
    struct redis *r =
        open_redis(loop, (struct redis_spec){.url = "redis://no-such-host.invalid:1"}, &s);
    until(loop, &s.downs, 1);
    assert_non_null(strstr(s.why, "resolve"));
    redis_free(r);
    loop_free(loop);
}

static void passwords(void **state)
{
    struct redis_fixture f;
    char url[256];
    (void)state;
    redis_fixture_start(&f, (const char *[]){"--requirepass", "open sesame", NULL});
    struct loop *loop = loop_new();
    struct seen s = {0};
    freeReplyObject(redis_fixture_do(&f, "AUTH %s", "open sesame"));
    freeReplyObject(redis_fixture_do(&f, "ACL SETUSER ann on >p@w +@all ~* &*"));
    const char *const good[] = {":open%20sesame@", "ann:p%40w@", ""};
    for (int i = 0; i < 3; i++) {
        snprintf(url, sizeof(url), "unix://%s%s", good[i], f.socket);
        struct redis_spec spec = {.url = url, .password = i == 2 ? "open sesame" : NULL};
        struct redis *r = open_redis(loop, spec, &s);
        expect_pong(loop, r);
        redis_free(r);
    }
    const char *const bad[] = {":wrong-one@", "ann:wrong-one@", ""};
    const char *const says[] = {"WRONGPASS", "WRONGPASS", "NOAUTH"};
    for (int i = 0; i < 3; i++) {
        struct seen b = {0};
        snprintf(url, sizeof(url), "unix://%s%s", bad[i], f.socket);
        struct redis *r = open_redis(loop, (struct redis_spec){.url = url}, &b);
        until(loop, &b.downs, 1);
        assert_non_null(strstr(b.why, says[i]));
        assert_null(strstr(b.why, "wrong-one"));
        assert_true(redis_is_refused(r));
        redis_free(r);
    }
    loop_free(loop);
    redis_fixture_stop(&f);
}

/* A value of 512 MB is refused by its announcement; the line is new then. */
static void oversize(void **state)
{
    struct redis_fixture f;
    (void)state;
    redis_fixture_start(&f, NULL);
    struct loop *loop = loop_new();
    struct seen s = {0};
    struct redis *r = open_redis(loop, (struct redis_spec){.url = f.url}, &s);
    freeReplyObject(redis_fixture_do(&f, "SETRANGE big 536870911 x"));
    redis_command(r, &(struct redis_request){2, (const char *[]){"GET", "big"}, NULL, 0}, on_reply,
                  &s);
    until(loop, &s.replies, 1);
    assert_int_equal(s.nones, 1);
    assert_int_equal(s.oversize, 536870912);
    expect_pong(loop, r);
    freeReplyObject(redis_fixture_do(&f, "SETRANGE fits 1048575 x"));
    redis_command(r, &(struct redis_request){2, (const char *[]){"GET", "fits"}, NULL, 0}, on_reply,
                  &s);
    until(loop, &s.replies, 2);
    assert_int_equal(s.nones, 1);
    redis_free(r);
    loop_free(loop);
    redis_fixture_stop(&f);
}

/* What was sent when the server dies is answered with NULL; what is asked while
 * it is away waits, and is answered when it is back. */
static void reconnects(void **state)
{
    struct redis_fixture f;
    (void)state;
    redis_fixture_start(&f, NULL);
    struct loop *loop = loop_new();
    struct seen s = {0};
    struct redis *r = open_redis(loop, (struct redis_spec){.url = f.url}, &s);
    expect_pong(loop, r);
    redis_command(
        r, &(struct redis_request){3, (const char *[]){"BLPOP", "nothing", "0"}, NULL, 60000},
        on_reply, &s);
    while (true) { /* until the server has it */
        redisReply *reply = redis_fixture_do(&f, "INFO clients");
        bool blocked = strstr(reply->str, "blocked_clients:1") != NULL;
        freeReplyObject(reply);
        if (blocked)
            break;
        loop_step(loop, 10);
    }
    redis_fixture_kill(&f);
    until(loop, &s.downs, 1);
    until(loop, &s.replies, 1);
    assert_int_equal(s.nones, 1);
    redis_command(r, &(struct redis_request){1, (const char *[]){"PING"}, NULL, 15000}, on_reply,
                  &s);
    redis_fixture_again(&f);
    until(loop, &s.replies, 2);
    assert_string_equal(s.text, "PONG");
    assert_true(s.ups >= 2);
    redis_free(r);
    loop_free(loop);
    redis_fixture_stop(&f);
}

/* A server that stops answering is given up at the deadline, and not reused. */
static void deadline(void **state)
{
    struct redis_fixture f;
    (void)state;
    redis_fixture_start(&f, NULL);
    struct loop *loop = loop_new();
    struct seen s = {0};
    struct redis *r = open_redis(loop, (struct redis_spec){.url = f.url}, &s);
    expect_pong(loop, r);
    kill(f.pid, SIGSTOP);
    int64_t from_ms = clock_now_ms();
    redis_command(r, &(struct redis_request){1, (const char *[]){"PING"}, NULL, 300}, on_reply, &s);
    until(loop, &s.replies, 1);
    assert_int_equal(s.nones, 1);
    assert_in_range(clock_now_ms() - from_ms, 290, 2000);
    assert_false(redis_is_up(r));
    kill(f.pid, SIGCONT);
    until(loop, &s.ups, 2);
    expect_pong(loop, r);
    redis_free(r);
    loop_free(loop);
    redis_fixture_stop(&f);
}

struct suicide {
    struct redis *redis;
    int calls;
};

static void free_inside(void *arg, const struct redisReply *r)
{
    struct suicide *x = arg;
    (void)r;
    x->calls++;
    if (x->redis) {
        struct redis *redis = x->redis;
        x->redis = NULL;
        redis_free(redis);
    }
}

static void free_in_callback(void **state)
{
    struct redis_fixture f;
    (void)state;
    redis_fixture_start(&f, NULL);
    struct loop *loop = loop_new();
    struct seen s = {0};
    struct suicide x = {.redis = open_redis(loop, (struct redis_spec){.url = f.url}, &s)};
    struct redis *r = x.redis;
    for (int i = 0; i < 3; i++)
        redis_command(r, &(struct redis_request){1, (const char *[]){"PING"}, NULL, 0}, free_inside,
                      &x);
    until(loop, &x.calls, 3);
    loop_free(loop);
    redis_fixture_stop(&f);
}

static void echo_many(struct redis *r, int count, struct seen *s)
{
    char n[16];
    for (int i = 1; i <= count; i++) {
        snprintf(n, sizeof(n), "%d", i);
        redis_command(r, &(struct redis_request){2, (const char *[]){"ECHO", n}, NULL, 15000},
                      on_reply, s);
    }
}

/* More than the socket takes, before there is one; and when nobody reads, so that it is
 * full in mid-command. Once the server goes on, all of it
 * is answered in order; and once it dies, all of it is known to be lost. */
static void flood(void **state)
{
    struct redis_fixture f;
    (void)state;
    redis_fixture_start(&f, NULL);
    struct loop *loop = loop_new();
    struct seen s = {0};
    struct redis *r = open_redis(loop, (struct redis_spec){.url = f.url}, &s);
    echo_many(r, 20000, &s);
    until(loop, &s.replies, 20000);
    assert_string_equal(s.text, "20000");
    kill(f.pid, SIGSTOP);
    echo_many(r, 50000, &s);
    loop_step(loop, 50);
    kill(f.pid, SIGCONT);
    until(loop, &s.replies, 70000);
    assert_int_equal(s.nones, 0);
    assert_string_equal(s.text, "50000");
    kill(f.pid, SIGSTOP);
    echo_many(r, 50000, &s);
    redis_fixture_kill(&f); /* not heard of before the next are written */
    echo_many(r, 500, &s);
    until(loop, &s.nones, 50000);
    assert_false(redis_is_up(r));
    redis_fixture_again(&f);
    until(loop, &s.ups, 2);
    expect_pong(loop, r);
    redis_free(r);
    loop_free(loop);
    redis_fixture_stop(&f);
}

/* ---- TLS ---- */

static void openssl(const char *const *argv)
{
    pid_t pid = fork();
    int status = -1;
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

/* A self-signed certificate for `name` that is its own authority. */
static void make_certificate(const char *name, const char *key, const char *cert)
{
    char san[64];
    snprintf(san, sizeof(san), "subjectAltName=%s", name);
    openssl((const char *[]){"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                             "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                             "-days", "2", "-subj", "/CN=test", "-addext", san, NULL});
}

/* Two authorities of localhost, and whether the server can use one. Distributions build their
 * servers with TLS, packagers of wheels do not: one that was named to us may be without. */
static bool prepare_tls(void)
{
    struct redis_fixture f;
    char tls_port[16];
    make_certificate("DNS:localhost", "key.pem", "cert.pem");
    make_certificate("DNS:localhost", "other-key.pem", "other-cert.pem");
    snprintf(tls_port, sizeof(tls_port), "%d", redis_fixture_port());
    if (strcmp(redis_fixture_server(), "redis-server") == 0)
        return true;
    bool started =
        redis_fixture_try(&f, (const char *[]){"--tls-port", tls_port, "--tls-cert-file",
                                               "../cert.pem", "--tls-key-file", "../key.pem",
                                               "--tls-ca-cert-file", "../cert.pem", NULL});
    redis_fixture_stop(&f);
    if (!started)
        print_message("not applicable: \"%s\" does not start with a tls-port\n",
                      redis_fixture_server());
    return started;
}

static void tls(void **state)
{
    struct redis_fixture f;
    char port[16], url[64];
    (void)state;
    if (!prepare_tls())
        return;
    char cwd[256], key[300], cert[300];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(key, sizeof(key), "%s/key.pem", cwd);
    snprintf(cert, sizeof(cert), "%s/cert.pem", cwd);
    int tls_port = redis_fixture_port();
    snprintf(port, sizeof(port), "%d", tls_port);
    redis_fixture_start(&f, (const char *[]){"--tls-port", port, "--tls-cert-file", cert,
                                             "--tls-key-file", key, "--tls-ca-cert-file", cert,
                                             "--tls-auth-clients", "no", NULL});
    struct loop *loop = loop_new();
    struct seen s = {0};
    snprintf(url, sizeof(url), "rediss://localhost:%d", tls_port);
    struct redis *r = open_redis(loop, (struct redis_spec){.url = url, .ca_file = "cert.pem"}, &s);
    expect_pong(loop, r);
    freeReplyObject(redis_fixture_do(&f, "SETRANGE fits 1000000 x"));
    redis_command(r, &(struct redis_request){2, (const char *[]){"GET", "fits"}, NULL, 0}, on_reply,
                  &s);
    until(loop, &s.replies, 1);
    assert_int_equal(s.nones, 0);
    redis_free(r);

    /* The name of the certificate is localhost: an address is another name. */
    const struct {
        const char *host, *ca;
    } refused[] = {{"127.0.0.1", "cert.pem"}, {"localhost", "other-cert.pem"}, {"localhost", NULL}};
    for (int i = 0; i < 3; i++) {
        struct seen b = {0};
        snprintf(url, sizeof(url), "rediss://%s:%d", refused[i].host, tls_port);
        r = open_redis(loop, (struct redis_spec){.url = url, .ca_file = refused[i].ca}, &b);
        until(loop, &b.downs, 1);
        assert_non_null(strstr(b.why, "certificate is refused"));
        assert_true(redis_is_refused(r));
        assert_int_equal(b.ups, 0);
        redis_free(r);
    }
    /* Plain speech to a TLS port, TLS to a plain port: an end, not a hang. */
    snprintf(url, sizeof(url), "redis://localhost:%d", tls_port);
    struct seen p = {0};
    r = open_redis(loop, (struct redis_spec){.url = url}, &p);
    until(loop, &p.downs, 1);
    redis_free(r);
    snprintf(url, sizeof(url), "rediss://localhost:%d", f.port);
    struct seen q = {0};
    r = open_redis(loop, (struct redis_spec){.url = url, .ca_file = "cert.pem"}, &q);
    until(loop, &q.downs, 1);
    redis_free(r);
    struct err e = ERR_INIT;
    assert_int_not_equal(
        redis_new(loop, &(struct redis_spec){.url = url, .ca_file = "none.pem"}, &r, &e), 0);
    assert_non_null(strstr(e.text, "none.pem"));
    loop_free(loop);
    redis_fixture_stop(&f);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_good), cmocka_unit_test(url_bad),
        cmocka_unit_test(scanner),  cmocka_unit_test(unix_and_tcp),
        cmocka_unit_test(names),    cmocka_unit_test(passwords),
        cmocka_unit_test(oversize), cmocka_unit_test(reconnects),
        cmocka_unit_test(deadline), cmocka_unit_test(free_in_callback),
        cmocka_unit_test(flood),    cmocka_unit_test(tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
