/* pid 1 of a box's PID namespace: it adopts and reaps; its end, by SIGTERM or
 * SIGKILL, is that of all that lives in the namespace. Private to the room. */
#ifndef MANIMD_BOX_REAPER_H
#define MANIMD_BOX_REAPER_H

#include <sys/types.h>

/* After unshare(CLONE_NEWPID). Its pid as we see it, or a negative errno; it is
 * our child, dies with us, and holds no descriptor. Once in a process. */
pid_t reaper_start(void);

#endif
