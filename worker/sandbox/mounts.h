/* A root file system of the box's own: what its plan names and nothing else.
 * Private to the room.
 *
 *   /              a tmpfs of a few pages, read-only once it is built
 *   plan's paths   where they are outside, read-only, no set-uid, no devices
 *                  (but those beneath /dev); with what is mounted beneath them
 *   dir_fd         where it is outside, to be written to, nothing to be run
 *   /dev           null, random, urandom as the plan says; fd, stdin, …
 *   /proc          of the PID namespace; other uids' processes are hidden, and
 *                  what is no process is left out unless the plan names some.
 *                  An encoder has none (but with a GPU): it needs
 *                  nothing there
 *   /tmp /dev/shm  there, empty, read-only: memory that no process maps would
 *                  be seen by no watch, and TMPDIR is the box's own directory
 *
 * Nothing of the old root remains: it is detached, so that not even root could
 * walk back into it. */
#ifndef MANIMD_BOX_MOUNTS_H
#define MANIMD_BOX_MOUNTS_H

struct box_plan;
struct err;

/* Enters a mount namespace of our own. Afterwards we are in "/" of the new root,
 * and p->dir_fd is the same directory, opened in it. */
int mounts_make(const struct box_plan *p, struct err *e);

#endif
