/* A short-lived child that becomes a box's uid, to do what only that uid may:
 * kill all of it, read how much memory it shares. Private to the room.
 *
 * A hostile process of the same uid can kill or stop the helper; so whoever
 * asks has a deadline and takes silence for an answer. */
#ifndef MANIMD_BOX_HELPER_H
#define MANIMD_BOX_HELPER_H

#include <stdint.h>
#include <sys/types.h>

/* Forks, becomes `uid` (0: stays), calls `work`, and returns what it answered
 * in `ret_answer`. 0, a negative errno of the helper's making (-EPERM: it could
 * not become uid), -EPIPE when something killed it, or -ETIMEDOUT when it was
 * silent for `within_ms`. */
int helper_ask(uid_t uid, int64_t (*work)(const void *arg), const void *arg, int within_ms,
               int64_t *ret_answer);

/* The same for an answer of several numbers, which `work` fills. */
#define HELPER_ANSWERS 4
int helper_ask_all(uid_t uid, void (*work)(const void *arg, int64_t ret[HELPER_ANSWERS]),
                   const void *arg, int within_ms, int64_t ret_answers[HELPER_ANSWERS]);

#endif
