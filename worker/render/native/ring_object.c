/* Ring: the scene's end of the ring as a Python object.
 *
 * A frame is held back until a different one comes: equal neighbours become
 * one record with a larger repeat, so that nobody converts, hashes or encodes
 * them twice. (Stock does it for frozen waits only; the sequence of pictures
 * is the same.) The array is kept, not copied: Manim hands its ownership over
 * with write_frame(). */
#include "native.h"

#include <errno.h>

#include "../../base/err.h"
#include "../../base/ring.h"

struct ring_object {
    PyObject_HEAD struct ring_writer *writer;
    Py_buffer held; /* the frame not yet written; held.obj NULL: none */
    uint64_t held_repeat;
    unsigned long long frames; /* shown, repeats included */
    unsigned long long distinct;
};

static int raise_errno(int rc, const char *what)
{
    if (rc == -EMSGSIZE)
        PyErr_Format(PyExc_ValueError, "%s: larger than the ring", what);
    else
        PyErr_Format(PyExc_OSError, "%s: %s", what, strerror(-rc));
    return -1;
}

static int put(struct ring_object *self, const struct ring_record *r, const void *payload)
{
    int rc;
    Py_BEGIN_ALLOW_THREADS rc = ring_write(self->writer, r, payload);
    Py_END_ALLOW_THREADS return rc < 0 ? raise_errno(rc, "ring") : 0;
}

/* A picture's buffer: 8 bits, height x width x 4, C order. */
static int picture_buffer(PyObject *array, Py_buffer *ret)
{
    if (PyObject_GetBuffer(array, ret, PyBUF_C_CONTIGUOUS) < 0)
        return -1;
    if (ret->ndim == 3 && ret->itemsize == 1 && ret->shape[2] == 4 && ret->len > 0 &&
        ret->shape[0] <= UINT16_MAX && ret->shape[1] <= UINT16_MAX)
        return 0;
    PyBuffer_Release(ret);
    PyErr_SetString(PyExc_ValueError, "a frame must be uint8 of shape (height, width, 4)");
    return -1;
}

static int put_picture(struct ring_object *self, uint32_t kind, const Py_buffer *b, uint32_t repeat)
{
    struct ring_record r = {
        .kind = kind,
        .repeat = repeat,
        .payload_bytes = (uint64_t)b->len,
        .height = (uint32_t)b->shape[0],
        .width = (uint32_t)b->shape[1],
    };
    return put(self, &r, b->buf);
}

static int flush_held(struct ring_object *self)
{
    if (!self->held.obj)
        return 0;
    int rc = put_picture(self, RING_FRAME, &self->held, (uint32_t)self->held_repeat);
    PyBuffer_Release(&self->held);
    self->distinct++;
    return rc;
}

static int same_as_held(const struct ring_object *self, const Py_buffer *b)
{
    const Py_buffer *h = &self->held;
    if (!h->obj || h->len != b->len || h->shape[0] != b->shape[0])
        return 0;
    int same;
    Py_BEGIN_ALLOW_THREADS same = memcmp(h->buf, b->buf, (size_t)b->len) == 0;
    Py_END_ALLOW_THREADS return same;
}

static PyObject *ring_frame(struct ring_object *self, PyObject *args)
{
    PyObject *array;
    long long repeat;
    if (!PyArg_ParseTuple(args, "OL:frame", &array, &repeat))
        return NULL;
    if (repeat < 1)
        Py_RETURN_NONE;
    Py_buffer b;
    if (picture_buffer(array, &b) < 0)
        return NULL;
    if (repeat > INT32_MAX)
        repeat = INT32_MAX;
    self->frames += (unsigned long long)repeat;
    if (same_as_held(self, &b) && self->held_repeat + (uint64_t)repeat <= INT32_MAX) {
        self->held_repeat += (uint64_t)repeat;
        PyBuffer_Release(&b);
        Py_RETURN_NONE;
    }
    int rc = flush_held(self);
    if (rc < 0) {
        PyBuffer_Release(&b);
        return NULL;
    }
    self->held = b;
    self->held_repeat = (uint64_t)repeat;
    Py_RETURN_NONE;
}

static PyObject *ring_flush(struct ring_object *self, PyObject *unused)
{
    (void)unused;
    if (flush_held(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_still(struct ring_object *self, PyObject *array)
{
    Py_buffer b;
    if (flush_held(self) < 0 || picture_buffer(array, &b) < 0)
        return NULL;
    int rc = put_picture(self, RING_STILL, &b, 1);
    PyBuffer_Release(&b);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_audio(struct ring_object *self, PyObject *args)
{
    Py_buffer pcm;
    unsigned rate, channels;
    if (!PyArg_ParseTuple(args, "y*II:audio", &pcm, &rate, &channels))
        return NULL;
    struct ring_record r = {
        .kind = RING_AUDIO,
        .payload_bytes = (uint64_t)pcm.len,
        .sample_rate = rate,
        .channels = channels,
    };
    int rc = flush_held(self) < 0 ? -1 : put(self, &r, pcm.buf);
    PyBuffer_Release(&pcm);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_subtitle(struct ring_object *self, PyObject *args)
{
    const char *text;
    Py_ssize_t bytes;
    long long start_us, duration_us;
    if (!PyArg_ParseTuple(args, "s#LL:subtitle", &text, &bytes, &start_us, &duration_us))
        return NULL;
    struct ring_record r = {
        .kind = RING_SUBTITLE,
        .payload_bytes = (uint64_t)bytes,
        .start_us = start_us,
        .duration_us = duration_us,
    };
    if (flush_held(self) < 0 || put(self, &r, text) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_section(struct ring_object *self, PyObject *args)
{
    const char *json;
    Py_ssize_t bytes;
    if (!PyArg_ParseTuple(args, "s#:section", &json, &bytes))
        return NULL;
    struct ring_record r = {.kind = RING_SECTION, .payload_bytes = (uint64_t)bytes};
    if (flush_held(self) < 0 || put(self, &r, json) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *ring_end(struct ring_object *self, PyObject *unused)
{
    (void)unused;
    struct ring_record r = {.kind = RING_END};
    if (flush_held(self) < 0 || put(self, &r, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int ring_object_init(struct ring_object *self, PyObject *args, PyObject *kwargs)
{
    (void)kwargs;
    struct ring_fds fds;
    struct err e = ERR_INIT;
    if (!PyArg_ParseTuple(args, "iii:Ring", &fds.memory, &fds.data_ready, &fds.space_free))
        return -1;
    if (self->writer) {
        PyErr_SetString(PyExc_RuntimeError, "a ring is attached once");
        return -1;
    }
    self->writer = ring_attach_writer(&fds, &e);
    if (self->writer)
        return 0;
    PyErr_SetString(PyExc_OSError, e.text);
    return -1;
}

static void ring_dealloc(struct ring_object *self)
{
    if (self->held.obj)
        PyBuffer_Release(&self->held);
    ring_writer_free(self->writer);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *ring_get_frames(struct ring_object *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->frames);
}

static PyObject *ring_get_distinct(struct ring_object *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->distinct + (self->held.obj ? 1 : 0));
}

#define METHOD(name, flags, help)                                    \
    {                                                                \
#name, (PyCFunction)(void (*)(void))ring_##name, flags, help \
    }
static PyMethodDef ring_methods[] = {
    METHOD(frame, METH_VARARGS, "frame(array, repeat): show a picture `repeat` times."),
    METHOD(flush, METH_NOARGS, "flush(): write the frame that is held back."),
    METHOD(still, METH_O, "still(array): a picture that is no frame of the video."),
    METHOD(audio, METH_VARARGS, "audio(pcm, rate, channels): interleaved s16le."),
    METHOD(subtitle, METH_VARARGS, "subtitle(text, start_us, duration_us)"),
    METHOD(section, METH_VARARGS, "section(json): begins with the next frame."),
    METHOD(end, METH_NOARGS, "end(): nothing follows."),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef ring_getset[] = {
    {"frames", (getter)ring_get_frames, NULL, "frames shown so far, repeats included", NULL},
    {"distinct", (getter)ring_get_distinct, NULL, "records they make", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject ring_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_manimd.Ring",
    .tp_basicsize = sizeof(struct ring_object),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Ring(memory_fd, data_ready_fd, space_free_fd)",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)ring_object_init,
    .tp_dealloc = (destructor)ring_dealloc,
    .tp_methods = ring_methods,
    .tp_getset = ring_getset,
};
