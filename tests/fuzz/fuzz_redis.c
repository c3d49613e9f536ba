/* What a hostile or broken Redis sends, as bytes: redis.c, its scanner and
 * hiredis, over a link that is ours. A reply is never larger than allowed,
 * every command is answered once, and the scanner, which looks first, never
 * thinks that a reply has ended where hiredis waits for more: what it lets
 * through unseen would be held in memory without bound.
 *
 * Input: flags, size of the pieces in which it arrives, RESP. */
#include <errno.h>
#include <hiredis/hiredis.h>

#include "../../worker/base/clock.h"
#include "../../worker/base/err.h"
#include "../../worker/base/loop.h"
#include "../../worker/base/redis.h"
#include "../../worker/base/redis_link.h"
#include "../../worker/base/redis_scan.h"
#include "fuzz.h"

#define MAX_REPLY_BYTES 1000
#define COMMANDS_MAX 200
#define RETRY_MS 60000 /* beyond every pause before a new connection */

enum { FLAG_PASSWORD = 1, FLAG_DB = 2, FLAG_NAME = 4, FLAG_RECONNECT = 8 };

int64_t __wrap_clock_now_ms(void);
void *__wrap_redisReaderCreate(void);
void *__real_redisReaderCreate(void);

/* One input's world. */
static struct {
    int64_t now_ms;
    struct redis *redis;
    const redisReader *reader; /* hiredis's newest */
    struct redis_scan scan;    /* a second one, beside redis.c's own */
    bool scan_works;           /* nothing was found by it yet */
    int asked, answered;
    bool reconnects;
} world;

int64_t __wrap_clock_now_ms(void)
{
    return world.now_ms;
}

void *__wrap_redisReaderCreate(void)
{
    world.reader = __real_redisReaderCreate();
    return (void *)(uintptr_t)world.reader;
}

/* ---- the link: ours instead of redis_link.c ---- */

struct link {
    struct link_events events;
    bool wanted, open;
};
static struct link *the_link;

int link_new(struct loop *loop, const struct redis_url *url, const char *ca_file,
             const struct link_events *events, struct link **ret, struct err *e)
{
    (void)loop;
    (void)url;
    (void)ca_file;
    (void)e;
    *ret = the_link = own_calloc(1, sizeof(*the_link));
    the_link->events = *events;
    return 0;
}

void *link_free(struct link *l)
{
    free(l);
    the_link = NULL;
    return NULL;
}

void link_open(struct link *l)
{
    l->wanted = true;
    l->open = false;
}

void link_close(struct link *l)
{
    l->wanted = l->open = false;
}

void link_linger(struct link *l, int ms)
{
    (void)l;
    (void)ms;
}

size_t link_room(const struct link *l)
{
    return l->open ? 1 << 20 : 0;
}

void link_write(struct link *l, const char *data, size_t bytes)
{
    must(l->open && bytes && data[0] == '*');
}

/* ---- commands ---- */

static size_t weigh(const redisReply *r)
{
    size_t bytes = 0;
    if (r->str) {
        must(r->str[r->len] == '\0');
        bytes = r->len;
    }
    for (size_t i = 0; i < r->elements; i++)
        bytes += weigh(r->element[i]);
    return bytes;
}

static void ask(void);

static void on_reply(void *arg, const struct redisReply *reply)
{
    int *count = arg;
    world.answered++;
    must(++*count == 1);
    free(count);
    if (!reply)
        return;
    must(weigh(reply) <= MAX_REPLY_BYTES);
    if (world.reconnects && world.answered % 7 == 0)
        redis_reconnect(world.redis, "a whim");
    ask();
}

static void ask(void)
{
    static const char *const argv[] = {"GET", "a"};
    if (world.asked >= COMMANDS_MAX)
        return;
    world.asked++;
    redis_command(world.redis, &(struct redis_request){.argc = 2, .argv = argv}, on_reply,
                  own_calloc(1, sizeof(int)));
}

/* ---- the other side ---- */

static void connect_link(struct loop *loop)
{
    if (!the_link->wanted) {
        world.now_ms += RETRY_MS;
        loop_step(loop, 0);
    }
    if (!the_link->wanted)
        return;
    the_link->open = true;
    world.scan_works = true;
    redis_scan_reset(&world.scan);
    the_link->events.on_open(the_link->events.arg);
}

static void send_piece(const char *data, size_t bytes)
{
    if (world.scan_works)
        world.scan_works = redis_scan(&world.scan, data, bytes) == SCAN_FINE;
    const redisReader *before = world.reader;
    the_link->events.on_data(the_link->events.arg, data, bytes);
    if (!world.scan_works)
        must(!the_link->open);
    bool at_rest = !world.scan.in_line && world.scan.pending == 0 && world.scan.skip == 0;
    if (the_link->open && before == world.reader && at_rest)
        must(world.reader->pos == world.reader->len);
}

static void send_all(struct loop *loop, struct feed *f)
{
    size_t piece = feed_byte(f) + 1u;
    while (f->left) {
        if (!the_link->open)
            connect_link(loop);
        if (!the_link->open)
            return;
        size_t bytes = f->left < piece ? f->left : piece;
        send_piece((const char *)f->at, bytes);
        f->at += bytes;
        f->left -= bytes;
        world.now_ms++;
        loop_step(loop, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct feed f = {data, bytes};
    unsigned flags = feed_byte(&f);
    memset(&world, 0, sizeof(world));
    world.now_ms = 1000000;
    world.scan.max_bytes = MAX_REPLY_BYTES;
    world.reconnects = flags & FLAG_RECONNECT;
    struct loop *loop = loop_new();
    const struct redis_spec spec = {
        .url = flags & FLAG_DB ? "redis://h/3" : "redis://h",
        .password = flags & FLAG_PASSWORD ? "p" : NULL,
        .client_name = flags & FLAG_NAME ? "a name" : NULL,
        .max_reply_bytes = MAX_REPLY_BYTES,
    };
    must(redis_new(loop, &spec, &world.redis, NULL) == 0);
    loop_step(loop, 0);
    for (int i = 0; i < 4; i++)
        ask();
    send_all(loop, &f);
    if (the_link->open)
        the_link->events.on_closed(the_link->events.arg, "closed by the server", 0);
    world.asked = COMMANDS_MAX + world.asked; /* no new ones */
    redis_free(world.redis);
    must(world.asked - COMMANDS_MAX == world.answered);
    loop_free(loop);
    return 0;
}
