/* One job: records are read from the ring, checked against what was asked for,
 * and handed to every output.
 *
 *   1. session_open()    before the seal: allocates, finds encoders
 *   2. session_read()    a record, or a part of a long one, until READ_END
 *   3. session_finish()  every output writes its file
 *   4. session_close()   always
 *
 * A picture is copied out of the ring exactly once, into the session's one
 * private buffer; everything else reads that. */
#ifndef MANIMD_ENCODE_SESSION_H
#define MANIMD_ENCODE_SESSION_H

#include <stdint.h>

#include "marks.h"
#include "output.h"
#include "spool.h"

struct ring_reader;

enum read_state { READ_NOTHING, READ_ONE, READ_END };

struct session {
    const struct settings *settings;
    struct ring_reader *ring; /* lent */
    struct budget budget;
    struct output outputs[OUTPUTS_MAX];
    int output_count;
    struct marks marks;
    uint8_t *picture; /* width×height×4: the last frame or still */
    bool has_picture;
    uint8_t *scratch; /* payloads that are no pictures */
    size_t scratch_bytes;
    int64_t frames, distinct;
    struct shot shot;   /* being shown */
    uint32_t shot_left; /* of its repeats; 0: nothing is being shown */
};

int session_open(struct session *s, const struct settings *settings, struct ring_reader *ring,
                 struct err *e);
int session_read(struct session *s, enum read_state *ret, struct err *e);
int session_finish(struct session *s, struct err *e);
void session_close(struct session *s);

#endif
