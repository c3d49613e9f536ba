/* _manimd: what the harness cannot do in Python, or must not.
 *
 *   Ring    the scene's end of the ring: frames go from NumPy's memory into
 *           shared memory in one copy, without the interpreter's lock
 *   seal    every layer of the box in one call that never returns half-done
 *   guard   the warden's wait: no Python runs in it
 *
 * The warden and the scene process report to the keeper over the job socket
 * (SOCK_SEQPACKET), one JSON object a message:
 *   {"warden":PID,"about":{…}} {"init":PID} {"scene":PID}   as the keeper sees them
 *   {"setup_failed":TEXT}
 *   {"sealed":PID,"at_ms":BOOTTIME,"us":[BEGAN,PLANNED,SEALED]}   PID as the
 *                                  scene sees itself
 *   {"tripwires":"active" or why not}   with their listener (sandbox/box.h)
 *   {"reaped_cpu_ms":N}            used by what was reaped so far
 *   {"exit":STATUS,"cpu_ms":N,"maxrss_kb":N}   the scene process has ended
 *   {"empty":true,"cpu_ms":N,"maxrss_kb":N}    and so has all that it started
 * The keeper's only word after the start is a byte, which asks where the scene is
 * (keeper_where.c).
 */
#ifndef MANIMD_NATIVE_H
#define MANIMD_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Sends one message; what the keeper no longer reads is dropped. */
void native_say(int job_fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says {"setup_failed"} and ends this process. */
struct err;
void native_fail(int job_fd, const struct err *e) __attribute__((noreturn));

extern PyTypeObject ring_type;
PyObject *native_seal(PyObject *self, PyObject *args);
PyObject *native_guard(PyObject *self, PyObject *args);
PyObject *native_begin_pids(PyObject *self, PyObject *args);
PyObject *native_become_warden(PyObject *self, PyObject *args);

#endif
