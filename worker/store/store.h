/* The store stage: moves an attempt's outputs to where they are kept, as opaque
 * bytes. Two kinds of store behind one struct of functions: S3 (own SigV4) and
 * a directory (atomic rename). Keys are PREFIX/ID/NONCE/NAME.
 *
 *   DIR/render.json  names the outputs (render/render.h), read here
 *   DIR/out/NAME     the files, opened with file_open_beneath()
 *   DIR/store.json   the result, written last, by rename: {"outcome",
 *                    "error": {code,message}|null, "outputs": [those of
 *                    render.json plus key, bytes, sha256, verified (read back
 *                    from the store; false: the key may put but not get), url
 *                    for the directory store (a path); [] unless completed],
 *                    "timings_ms": {"store"}, "requests", "retries"}
 *
 * Outcomes: completed, store_failed (the store or its settings), host_error
 * (what the render left), cancelled (SIGTERM; exit status 3).
 */
#ifndef MANIMD_STORE_H
#define MANIMD_STORE_H

#include <stdint.h>

#include "../base/config.h"
#include "../manimd.h"

struct err;

struct store_spec {
    const struct config *config;
    uid_t encoder_uid; /* whose files they are */
    const char *nonce;
    int report_fd; /* progress lines {"stored_bytes","total_bytes"}; -1: none */
};

/* Returns the stage's exit status; the result is in DIR/store.json. */
int store_stage(const struct job *job, const char *dir, const struct store_spec *spec,
                struct err *e);

/* A presigned GET for a stored key, made when a result is read; the caller
 * frees. NULL when the store is a directory or has no keys. */
char *store_presign(const struct config *config, const char *key, int64_t expires_s,
                    int64_t now_unix_s);

/* One small round trip: put, head, delete. For `manimd doctor`. */
int store_probe(const struct config *config, struct err *e);

#endif
