/* Inside store/: what the two kinds of store share. */
#ifndef MANIMD_STORE_KIND_H
#define MANIMD_STORE_KIND_H

#include <stdbool.h>
#include <stdint.h>

struct config;
struct err;

/* How far it is, when to stop, what it took. One a stage. */
struct store_watch {
    int signal_fd;       /* readable once SIGTERM came; -1: never */
    int report_fd;       /* progress lines; -1: none */
    int64_t deadline_ms; /* clock_now_ms() time */
    int64_t timeout_ms;  /* the whole of it, for sentences and smaller limits */
    int64_t done_bytes;  /* of the files before this one */
    int64_t total_bytes;
    int64_t said_ms; /* when progress was last reported */
    int64_t requests, retries;
};

bool store_stopped(const struct store_watch *w);
/* `bytes` of the current file are on their way. */
void store_progress(struct store_watch *w, int64_t bytes);
/* Waits; earlier when it is to stop. */
void store_sleep(const struct store_watch *w, int64_t ms);

struct store_file {
    int fd;
    int64_t bytes;
    const char *name;
    const char *key; /* PREFIX/ID/NONCE/NAME */
    const char *sha256;
    const char *job_id;
};

struct store_put {
    char *url;     /* a path, or NULL: made when a result is read; the caller frees */
    bool verified; /* read back: there, with our size and SHA-256 */
};

struct store_kind {
    const char *name;
    /* `w` must outlive it. */
    int (*open)(const struct config *c, struct store_watch *w, void **ret, struct err *e);
    int (*put)(void *store, const struct store_file *f, struct store_put *ret, struct err *e);
    int (*remove)(void *store, const char *key, struct err *e);
    void *(*close)(void *store); /* NULL is fine */
};
extern const struct store_kind store_kind_s3, store_kind_dir;

#endif
