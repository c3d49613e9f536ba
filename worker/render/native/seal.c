/* The way into the box: from a trusted fork of the zygote to a process that
 * may run a stranger's code. Whatever fails here is told to the keeper as
 * {"setup_failed"} and ends the process: it must not go on half-sealed. */
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "../../base/clock.h"
#include "../../base/err.h"
#include "../../sandbox/box.h"

#define SEAL_FAILED_STATUS 125

void native_fail(int job_fd, const struct err *e)
{
    char text[sizeof e->text];
    size_t n = 0;
    for (const char *s = e->text; *s && n + 1 < sizeof text; s++)
        text[n++] = *s == '"' || *s == '\\' ? '\'' : (unsigned char)*s < ' ' ? ' ' : *s;
    text[n] = 0;
    native_say(job_fd, "{\"setup_failed\":\"%s\"}", text);
    _exit(SEAL_FAILED_STATUS);
}

static long long number(PyObject *plan, const char *key)
{
    PyObject *value = PyDict_GetItemString(plan, key);
    return value ? PyLong_AsLongLong(value) : 0;
}

static struct limits limits_from(PyObject *plan)
{
    return (struct limits){
        .wall_ms = number(plan, "wall_ms"),
        .cpu_ms = number(plan, "cpu_ms"),
        .memory_bytes = number(plan, "memory_bytes"),
        .disk_bytes = number(plan, "disk_bytes"),
        .files = number(plan, "files"),
        .processes = number(plan, "processes"),
        .log_bytes = number(plan, "log_bytes"),
        .output_bytes = number(plan, "output_bytes"),
        .frames = number(plan, "frames"),
    };
}

/* 0 = /dev/null, 1 and 2 = the log pipe. */
static int standard_descriptors(int log_fd, struct err *e)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0)
        return err_errno(e, -errno, FAULT_HOST, "set up standard descriptors");
    close(null_fd);
    return 0;
}

/* plan["readable"]: paths beneath which it may read and run programs. */
static int allow_readable(struct box_plan *p, PyObject *readable, struct err *e)
{
    Py_ssize_t count = readable ? PyList_Size(readable) : 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        const char *path = PyUnicode_AsUTF8(PyList_GetItem(readable, i));
        int rc = path ? box_plan_allow(p, path, BOX_READ | BOX_EXEC, e) : -EINVAL;
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void keep_descriptors(struct box_plan *p, PyObject *keep)
{
    Py_ssize_t count = keep ? PyList_Size(keep) : 0;
    for (Py_ssize_t i = 0; i < count; i++)
        box_plan_keep(p, (int)PyLong_AsLong(PyList_GetItem(keep, i)));
}

static enum box_profile profile_of(long long gpu)
{
    return gpu ? BOX_SCENE_GPU : BOX_SCENE;
}

/* plan["cgroup"]: its leaf, "" where there is none. */
static int open_cgroup(struct box_plan *p, PyObject *cgroup, struct err *e)
{
    const char *path = cgroup ? PyUnicode_AsUTF8(cgroup) : NULL;
    if (!path || !*path)
        return 0;
    p->cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return p->cgroup_fd < 0 ? err_errno(e, -errno, FAULT_HOST, "open the cgroup \"%s\"", path) : 0;
}

static int make_plan(struct box_plan *p, PyObject *plan, struct err *e)
{
    const char *dir = PyUnicode_AsUTF8(PyDict_GetItemString(plan, "dir"));
    int rc =
        box_plan_init(p, profile_of(number(plan, "gpu")), (enum box_level)number(plan, "level"), e);
    if (rc < 0)
        return rc;
    p->uid = (uid_t)number(plan, "uid");
    p->gid = (gid_t)number(plan, "gid");
    p->limits = limits_from(plan);
    p->namespaces = number(plan, "namespaces") != 0;
    p->parent_death = true;
    p->parent_pid = (pid_t)number(plan, "parent_pid");
    p->dir_fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (p->dir_fd < 0)
        return err_errno(e, -errno, FAULT_HOST, "open the scene's directory");
    rc = open_cgroup(p, PyDict_GetItemString(plan, "cgroup"), e);
    if (rc < 0)
        return rc;
    keep_descriptors(p, PyDict_GetItemString(plan, "keep"));
    return allow_readable(p, PyDict_GetItemString(plan, "readable"), e);
}

/* Where there is no room for a descriptor of such a number, the box does without
 * tripwires: its calls are refused all the same, and the keeper hears no word. */
static void listen_to_tripwires(struct box_plan *p, int job_fd)
{
    if (p->level < BOX_BASIC || dup3(job_fd, BOX_TRIPWIRE_FD, O_CLOEXEC) < 0)
        return;
    p->tripwires = true;
    box_plan_keep(p, BOX_TRIPWIRE_FD);
}

PyObject *native_seal(PyObject *self, PyObject *args)
{
    (void)self;
    int job_fd;
    PyObject *plan;
    if (!PyArg_ParseTuple(args, "iO!:seal", &job_fd, &PyDict_Type, &plan))
        return NULL;
    struct box_plan p;
    struct err e = ERR_INIT;
    int64_t began_us = clock_now_us();
    if (standard_descriptors((int)number(plan, "log_fd"), &e) < 0 || make_plan(&p, plan, &e) < 0)
        native_fail(job_fd, &e);
    box_plan_keep(&p, job_fd);
    listen_to_tripwires(&p, job_fd);
    int64_t planned_us = clock_now_us();
    /* The warden has blocked what it waits for. */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (box_seal(&p, &e) < 0)
        native_fail(job_fd, &e);
    int64_t sealed_us = clock_now_us();
    native_say(job_fd, "{\"sealed\":%d,\"at_ms\":%lld,\"us\":[%lld,%lld,%lld]}", (int)getpid(),
               (long long)(sealed_us / 1000), (long long)began_us, (long long)planned_us,
               (long long)sealed_us);
    close(job_fd);
    close(BOX_TRIPWIRE_FD); /* the seal has, if it was there */
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}
