/* How far a running attempt is, as the queue and the world are told:
 *
 *   {"stage": "render", "percent", "frames", "fps", "eta_s", "play"}
 *   {"stage": "store", "percent", "stored_bytes", "total_bytes"}
 *
 * Numbers only: a stage's line is made of what a scene said. */
#ifndef MANIMD_PROGRESS_JSON_H
#define MANIMD_PROGRESS_JSON_H

#include "../supervise/supervisor.h"

/* NULL when the line says nothing that we know; the caller frees. */
char *progress_json(enum stage stage, const char *line);

#endif
