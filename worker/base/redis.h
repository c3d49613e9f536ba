/* One connection to Redis, for an event loop: ours is the socket (TCP, TLS by
 * OpenSSL with hostname verification, unix), hiredis is the codec (queue.md §6).
 *
 * Life: redis_new(), redis_command()…, redis_free(). It connects by itself and
 * reconnects for ever (50 ms doubling to 5 s, full jitter), authenticates,
 * selects the database, names itself. A command that was sent when the line
 * broke is answered with NULL: the caller cannot know whether it ran, so only
 * scripts that may be repeated are sent (queue.md §1). Commands given while
 * down wait until it is up, or until their deadline.
 * After any timeout the connection is closed, never reused. */
#ifndef MANIMD_REDIS_H
#define MANIMD_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct err;
struct redisReply;
struct redis;

struct redis_spec {
    const char *url;  /* redis:// rediss:// unix://; user, password, db in it */
    const char *user; /* NULL, or overrides the URL's */
    const char *password;
    const char *ca_file;     /* rediss: NULL = the system's */
    const char *client_name; /* "manimd:<worker>" */
    /* Largest reply, 0 = 1 MiB. A larger one is cut off at its announcement: the
     * connection is dropped, its command answered with NULL, and on_oversize
     * (may be NULL) told beforehand what length was announced. */
    int64_t max_reply_bytes;
    void (*on_oversize)(void *arg, int64_t announced_bytes);
    /* May be NULL. Told when it comes up, and when it is down for a new reason. */
    void (*on_state)(void *arg, bool up, const char *why);
    void *arg;
};

/* `reply` is NULL when the line broke or the deadline passed; it belongs to
 * the connection and is gone after the call. */
typedef void redis_reply_fn(void *arg, const struct redisReply *reply);

/* Checks the URL (the sentence never shows a password) and starts connecting
 * at the loop's next step. */
int redis_new(struct loop *loop, const struct redis_spec *spec, struct redis **ret, struct err *e);
/* Outstanding commands are answered with NULL; those already sent have been read
 * by a server that is well (it is given 200 ms). May be called from a callback. */
void *redis_free(struct redis *r);
bool redis_is_up(const struct redis *r);
/* Why it is down, "" while nothing is known yet. */
const char *redis_why(const struct redis *r);
/* It answered, and will not have us: a wrong password or certificate, an ACL.
 * Nothing that waiting mends; the next try is made after 30 s. */
bool redis_is_refused(const struct redis *r);
/* Drops the connection and makes a new one. */
void redis_reconnect(struct redis *r, const char *why);

struct redis_request {
    int argc;
    const char *const *argv;
    const size_t *lengths; /* NULL: all arguments are C strings */
    int64_t deadline_ms;   /* from now; 0 = 10 s */
};

/* The request is copied. */
void redis_command(struct redis *r, const struct redis_request *request, redis_reply_fn *on_reply,
                   void *arg);
/* The same with a command that is RESP already, in parts that follow each other. */
struct redis_part {
    const char *data;
    size_t bytes;
};
void redis_command_parts(struct redis *r, const struct redis_part *parts, size_t count,
                         int64_t deadline_ms, redis_reply_fn *on_reply, void *arg);
/* As redis_command(), then runs the loop until the answer is there. For the
 * short-lived commands (submit, status …). `ret` is the caller's
 * (freeReplyObject); an error reply is returned as an error: -EBUSY when it will
 * pass by itself (LOADING, BUSY …), else -EIO. */
int redis_call(struct redis *r, struct loop *loop, const struct redis_request *request,
               struct redisReply **ret, struct err *e);

#endif
