/* See redis_tls.h. */
#include "redis_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "err.h"
#include "own.h"
#include "sigpipe.h"

struct redis_tls {
    SSL_CTX *context;
    SSL *ssl; /* NULL between connections */
    bool wants_write;
};

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_get_error());
    return text ? text : "unknown reason";
}

int redis_tls_new(const char *ca_file, struct redis_tls **ret, struct err *e)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return err_set(e, -EIO, FAULT_HOST, "tls: %s", reason());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    int good = ca_file ? SSL_CTX_load_verify_locations(context, ca_file, NULL)
                       : SSL_CTX_set_default_verify_paths(context);
    if (good != 1) {
        SSL_CTX_free(context);
        return err_set(e, -EINVAL, FAULT_HOST, "ca file \"%s\": %s", ca_file ? ca_file : "",
                       reason());
    }
    *ret = own_calloc(1, sizeof(**ret));
    (*ret)->context = context;
    return 0;
}

void *redis_tls_free(struct redis_tls *t)
{
    if (!t)
        return NULL;
    redis_tls_stop(t);
    SSL_CTX_free(t->context);
    free(t);
    return NULL;
}

/* An address in the URL is checked against the certificate's addresses, a name
 * against its names; SNI is for names only (RFC 6066 §3). */
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int redis_tls_start(struct redis_tls *t, int fd, const char *host, struct err *e)
{
    redis_tls_stop(t);
    ERR_clear_error();
    t->ssl = SSL_new(t->context);
    if (!t->ssl || !expect_host(t->ssl, host) || SSL_set_fd(t->ssl, fd) != 1)
        return err_set(e, -EIO, FAULT_HOST, "tls: %s", reason());
    SSL_set_connect_state(t->ssl);
    return 0;
}

/* What a call that gave `n` ≤ 0 means. */
static int verdict(struct redis_tls *t, int n)
{
    int code = SSL_get_error(t->ssl, n);
    t->wants_write = code == SSL_ERROR_WANT_WRITE;
    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    if (code == SSL_ERROR_ZERO_RETURN)
        return 0;
    return code == SSL_ERROR_SYSCALL && errno ? -errno : -EPROTO;
}

/* Around each call, which may write, be it called a read. */
static sigset_t begin(void)
{
    sigset_t before;
    ERR_clear_error();
    sigpipe_hold(&before);
    errno = 0;
    return before;
}

static int end(int n, const sigset_t *before)
{
    int failed = errno;
    sigpipe_release(before);
    errno = failed;
    return n;
}

int redis_tls_handshake(struct redis_tls *t, struct err *e)
{
    sigset_t before = begin();
    int n = end(SSL_do_handshake(t->ssl), &before);
    if (n == 1) {
        t->wants_write = false;
        return 0;
    }
    int rc = verdict(t, n);
    if (rc == -EAGAIN)
        return rc;
    long verify = SSL_get_verify_result(t->ssl);
    if (verify != X509_V_OK)
        return err_set(e, -EACCES, FAULT_PEER, "tls: its certificate is refused: %s",
                       X509_verify_cert_error_string(verify));
    return err_set(e, rc ? rc : -EPROTO, FAULT_PEER, "tls: handshake: %s",
                   rc == -EPROTO ? reason()
                   : rc          ? strerror(-rc)
                                 : "closed by the peer");
}

static int bounded(size_t bytes)
{
    return bytes > INT_MAX ? INT_MAX : (int)bytes;
}

ssize_t redis_tls_read(struct redis_tls *t, void *data, size_t bytes)
{
    sigset_t before = begin();
    int n = end(SSL_read(t->ssl, data, bounded(bytes)), &before);
    if (n > 0) {
        t->wants_write = false;
        return n;
    }
    return verdict(t, n);
}

ssize_t redis_tls_write(struct redis_tls *t, const void *data, size_t bytes)
{
    sigset_t before = begin();
    int n = end(SSL_write(t->ssl, data, bounded(bytes)), &before);
    if (n > 0) {
        t->wants_write = false;
        return n;
    }
    int rc = verdict(t, n);
    return rc ? rc : -EPIPE;
}

bool redis_tls_wants_write(const struct redis_tls *t)
{
    return t->wants_write;
}

void redis_tls_stop(struct redis_tls *t)
{
    /* No SSL_shutdown: the socket goes right after, and it might block. */
    SSL_free(t->ssl);
    t->ssl = NULL;
    t->wants_write = false;
}
