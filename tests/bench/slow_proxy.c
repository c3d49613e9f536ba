/* A TCP proxy that keeps everything back for a while, each way: the benchmark's
 * network. Bytes stay in order and are not bunched; the time is kept by the
 * clock, so that a busy machine adds no more to it than its own lateness.
 *
 *   slow_proxy PORT MICROSECONDS     each way; prints the port that it listens on
 *
 * It ends with whoever started it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ENDS_MAX 256
#define CHUNK_BYTES 65536

struct chunk {
    struct chunk *next;
    int64_t due_us;
    size_t bytes, sent; /* bytes 0: the end of the stream */
    char data[];
};

/* What one socket says goes to `other`. */
struct end {
    int fd, other;
    struct chunk *head, **tail; /* to be written to fd */
};

static struct end ends[ENDS_MAX];
static int ends_count;
static int64_t delay_us;
static char data[CHUNK_BYTES];

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int local_socket(int port, int listening)
{
    int one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || (listening ? bind : connect)(fd, (struct sockaddr *)&a, sizeof a))
        die("socket");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (listening && listen(fd, 16))
        die("listen");
    return fd;
}

static void add_end(int fd, int other)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct end *e = &ends[ends_count++];
    *e = (struct end){.fd = fd, .other = other};
    e->tail = &e->head;
}

static void accept_one(int listener, int port)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0 || ends_count + 2 > ENDS_MAX)
        die("accept");
    int server = local_socket(port, 0);
    add_end(client, ends_count + 1);
    add_end(server, ends_count - 1);
}

/* Takes what a socket says, to be written to its other end later. */
static void take(struct end *from)
{
    struct end *to = &ends[from->other];
    ssize_t n = recv(from->fd, data, sizeof data, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    size_t bytes = n > 0 ? (size_t)n : 0;
    struct chunk *c = malloc(sizeof *c + bytes);
    if (!c)
        die("malloc");
    *c = (struct chunk){.due_us = now_us() + delay_us, .bytes = bytes};
    memcpy(c->data, data, bytes);
    *to->tail = c;
    to->tail = &c->next;
    if (!bytes) {
        (void)shutdown(from->fd, SHUT_RD);
        from->fd = -1 - from->fd; /* read no more; still written to */
    }
}

static int fd_of(const struct end *e)
{
    return e->fd >= 0 ? e->fd : -1 - e->fd;
}

static void give(struct end *to)
{
    int64_t now = now_us();
    for (struct chunk *c; (c = to->head) && c->due_us <= now;) {
        ssize_t n = c->bytes ? send(fd_of(to), c->data + c->sent, c->bytes - c->sent, MSG_NOSIGNAL)
                             : shutdown(fd_of(to), SHUT_WR);
        c->sent += n > 0 ? (size_t)n : 0;
        if (n >= 0 && c->sent < c->bytes)
            continue;
        to->head = c->next;
        if (!to->head)
            to->tail = &to->head;
        free(c);
    }
}

static int64_t next_due(void)
{
    int64_t first = INT64_MAX;
    for (int i = 0; i < ends_count; i++)
        if (ends[i].head && ends[i].head->due_us < first)
            first = ends[i].head->due_us;
    return first;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1);
    int port = (int)strtol(argv[1], NULL, 10), listener = local_socket(0, 1);
    struct sockaddr_in a;
    socklen_t size = sizeof a;
    delay_us = strtol(argv[2], NULL, 10);
    if (getsockname(listener, (struct sockaddr *)&a, &size))
        die("getsockname");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    for (;;) {
        struct pollfd p[ENDS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
        int count = ends_count;
        for (int i = 0; i < count; i++)
            p[i + 1] = (struct pollfd){.fd = ends[i].fd, .events = POLLIN};
        int64_t due = next_due(), left = due - now_us();
        left = left < 0 ? 0 : left;
        struct timespec t = {left / 1000000, left % 1000000 * 1000};
        if (ppoll(p, (nfds_t)count + 1, due == INT64_MAX ? NULL : &t, NULL) < 0 && errno != EINTR)
            die("poll");
        for (int i = 0; i < count; i++)
            if (p[i + 1].revents)
                take(&ends[i]);
        for (int i = 0; i < count; i++)
            give(&ends[i]);
        if (p[0].revents)
            accept_one(listener, port);
    }
}
