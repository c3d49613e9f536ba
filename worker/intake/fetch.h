/* The fetch stage: gets what a job names by URL, as opaque bytes, before any of
 * it is looked at.
 *
 *   DIR/job.json      read by the caller (cmd/stage.c) and given as struct job
 *   DIR/fetched/      "source", and "0", "1", … in the order of `assets`; once
 *                     checked they are the service's, mode 0644: whoever finds
 *                     one there of another owner must not take it
 *   DIR/ca.pem        a copy of the operator's CA certificates for the fetcher
 *   DIR/fetch.json    the result, written last, by rename: {"outcome", "error":
 *                     {code,message}|null, "files": [{name, bytes, sha256}],
 *                     "requests", "timings_ms": {"fetch"}, "sandbox": {level,
 *                     layers, "namespaces": those of the fetcher, by blanks}}
 *
 * Two processes. The stage itself (the service's uid) speaks to nobody. The
 * fetcher, a fork of it, seals itself into a box (BOX_FETCH: a uid of its own,
 * no key, one directory to write in, all namespaces that this machine gives but
 * the network's, and a cgroup where there is one) and speaks to the world; when it is
 * gone and its box empty, the stage measures and hashes what it left.
 *
 * Whose fault: a URL that is refused, answers with a no (404, 403, a redirect)
 * or with too much, that is not the file the job describes (sha256), or whose
 * certificate does not hold, is the job's: source_rejected, since no retry
 * cures it. What time may cure (no connection, no address, 5xx, 429, time run
 * out) is tried again here, with jitter, fetch_tries times within
 * fetch_timeout_s; after that, and where our own settings are at fault, it is
 * fetch_failed. No sentence holds anything of an answer but its status, nor
 * more of a URL than its scheme, host and port. */
#ifndef MANIMD_FETCH_H
#define MANIMD_FETCH_H

#include <stdint.h>
#include <sys/types.h>

#include "../manimd.h"

struct err;
struct guard;

struct fetch_spec {
    const struct guard *guard;
    const char *ca_file, *s3_ca_file; /* NULL: the system's */
    int64_t timeout_ms;               /* of the whole */
    int tries;                        /* at each URL */
    int64_t assets_bytes;             /* all together */
    uid_t uid;                        /* of the fetcher; 0: none of its own */
    int sandbox_minimum;              /* enum box_level */
    /* What this machine offers, as box_describe() wrote it; NULL: probe. */
    const char *sandbox;
    const char *cgroup; /* the worker's place for cgroups (cgroup_begin()); NULL: none */
    /* URLs of our own making (presigned), which no guard looks at: for the
     * source, and for each asset. NULL: as the job has it. */
    const char *signed_source;
    const char *const *signed_assets; /* job->asset_count of them, or NULL */
};

/* Returns the stage's exit status; the result is in DIR/fetch.json. SIGTERM to
 * this process cancels. */
int fetch_stage(const struct job *job, const char *dir, const struct fetch_spec *spec,
                struct err *e);

#endif
