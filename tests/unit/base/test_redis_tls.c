/* A TLS line that breaks while it is written to ends nobody, whatever the process has
 * made of SIGPIPE: here it would end us. The rest of TLS: test_redis.c. */
#include "../unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/redis_tls.h"
#include "base/sigpipe.h"

static bool waits(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGPIPE);
}

static bool blocked(void)
{
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, SIGPIPE);
}

static void nobody_reads(void **state)
{
    struct redis_tls *tls;
    struct err e = ERR_INIT;
    int pair[2];
    (void)state;
    assert_int_equal(redis_tls_new(NULL, &tls, &e), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(pair[1]);
    assert_int_equal(redis_tls_start(tls, pair[0], "localhost", &e), 0);
    assert_int_equal(redis_tls_handshake(tls, &e), -EPIPE); /* its hello */
    assert_non_null(strstr(e.text, "tls: handshake: "));
    assert_false(blocked());
    assert_false(waits());
    redis_tls_free(tls);
    close(pair[0]);
}

/* One that somebody else keeps waiting is not ours to forget. */
static void another_waits(void **state)
{
    sigset_t before, within;
    (void)state;
    sigpipe_hold(&before);
    raise(SIGPIPE);
    sigpipe_hold(&within);
    sigpipe_release(&within);
    assert_true(waits());
    assert_true(blocked());
    sigpipe_release(&before);
    assert_false(waits());
    assert_false(blocked());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_reads),
        cmocka_unit_test(another_waits),
    };
    signal(SIGPIPE, SIG_DFL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
