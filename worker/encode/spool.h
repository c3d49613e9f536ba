/* Packets that wait for the end of the job in a file of the encoder's own:
 * whether there is sound is known only then, and sound must lie beside its
 * pictures in the mp4. Written once from front to back, then read the same way.
 *
 * Life: spool_open(), spool_write()…, spool_rewind(), spool_read()…,
 * spool_done() (which also removes the file). */
#ifndef MANIMD_ENCODE_SPOOL_H
#define MANIMD_ENCODE_SPOOL_H

#include <stdint.h>
#include <stdio.h>

struct AVPacket;
struct err;

/* What all outputs of a job may still write. */
struct budget {
    int64_t left_bytes;
};

struct spool {
    FILE *file;       /* NULL while not open */
    const char *name; /* in the working directory; static */
    struct budget *budget;
    int64_t packets;
};

int spool_open(struct spool *s, const char *name, struct budget *budget, struct err *e);
/* Takes the packet's bytes, leaves the packet. */
int spool_write(struct spool *s, const struct AVPacket *packet, struct err *e);
int spool_rewind(struct spool *s, struct err *e);
/* Sets *ret_more to 0 at the end, else fills `ret` (unreferenced before). */
int spool_read(struct spool *s, struct AVPacket *ret, int *ret_more, struct err *e);
void spool_done(struct spool *s);
/* Takes `bytes` off the budget; OUTCOME_disk_limit when there are not as many. */
int budget_take(struct budget *b, int64_t bytes, struct err *e);

#endif
