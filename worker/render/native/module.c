#include "native.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

void native_say(int job_fd, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0)
        return;
    size_t bytes = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    /* Not send(): in the box there is no such call. Python ignores SIGPIPE. */
    while (write(job_fd, text, bytes) < 0 && errno == EINTR)
        ;
}

static PyMethodDef methods[] = {
    {"seal", native_seal, METH_VARARGS,
     "seal(job_fd, plan): put this process into its box, or end it."},
    {"guard", native_guard, METH_VARARGS,
     "guard(job_fd, scene_pid, init_pid, uid): wait for the scene; never returns."},
    {"begin_pids", native_begin_pids, METH_VARARGS,
     "begin_pids(job_fd or -1): a PID namespace for the next fork; its pid 1."},
    {"become_warden", native_become_warden, METH_NOARGS,
     "become_warden(): adopt whatever the scene will leave behind."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_manimd",
    .m_doc = "The harness's C half: ring, seal, warden.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__manimd(void);
PyMODINIT_FUNC PyInit__manimd(void)
{
    if (PyType_Ready(&ring_type) < 0)
        return NULL;
    PyObject *m = PyModule_Create(&module);
    if (m && PyModule_AddObjectRef(m, "Ring", (PyObject *)&ring_type) < 0)
        Py_CLEAR(m);
    return m;
}
