/* Libraries that write to a line by write(2), as OpenSSL does: where nobody reads any
 * more they shall hear EPIPE, and nobody be killed by SIGPIPE, whatever the process
 * has made of that signal. (What we write by ourselves goes by MSG_NOSIGNAL.) */
#ifndef MANIMD_SIGPIPE_H
#define MANIMD_SIGPIPE_H

#include <signal.h>

/* From here on a SIGPIPE waits. */
void sigpipe_hold(sigset_t *ret_before);
/* Forgets one that came meanwhile, unless it waited before us too, and puts back the
 * mask `before`. For one thread, as every process here is where this is used. */
void sigpipe_release(const sigset_t *before);

#endif
