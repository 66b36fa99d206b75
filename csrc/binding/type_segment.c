/* type_segment.c: SegmentBase, the base class of atomicx.shared.Segment: it maps a segment, and lists what is
 * in it. Only that class calls its private methods.
 *
 * It is written in C because another thread may fork while a thread looks up or makes a name. So threads must
 * not share a dict here, or anything else with a lock.
 */
#include "segment.h"

#include <stddef.h>
#include <string.h>

#include "cell.h"
#include "docstrings.h"
#include "segment_file.h"
#include "segment_request.h"

static Segment *segment_of(PyObject *self)
{
    return (Segment *)self;
}

static PyObject *segment_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *self = type->tp_alloc(type, 0); /* zeroed: not open */
    if (self != NULL) {
        segment_of(self)->claim = &segment_of(self)->own_claim;
        ax_word_store(&segment_of(self)->own_epoch, SEGMENT_NOBODY);
        ax_enable_deferred_refcount(self);
    }
    return self;
}

static int segment_traverse(PyObject *self, visitproc visit, void *arg)
{
    int status = segment_chunks_visit(segment_of(self), visit, arg);
    return status != 0 ? status : cell_traverse(self, visit, arg);
}

static int segment_clear(PyObject *self)
{
    segment_chunks_empty(segment_of(self));
    return 0;
}

static void segment_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    segment_chunks_free(segment_of(self));
    segment_memory_unmap(&segment_of(self)->view);
    Py_XDECREF(segment_of(self)->path);
    cell_end_dealloc(self);
}

/* Making and opening */

static bool platform_check(void)
{
    const uint16_t one = 1;
    if (!AX_HAS_SEGMENTS) {
        PyErr_SetString(PyExc_RuntimeError, "a segment needs POSIX and 64-bit atomic operations");
    } else if (*(const unsigned char *)&one != 1) {
        PyErr_SetString(PyExc_RuntimeError, "a segment needs a little-endian machine");
    } else {
        return true;
    }
    return false;
}

/* False with ValueError if an id of this size cannot be one. */
static bool id_is_sound(Py_ssize_t bytes)
{
    if (bytes == (Py_ssize_t)sizeof(((ax_segment *)NULL)->id)) {
        return true;
    }
    PyErr_SetString(PyExc_ValueError, "id must be 16 bytes long");
    return false;
}

/* Plans a segment with this id, the contents of a bytes object; false with ValueError. */
static bool plan(ax_segment *view, PyObject *capacity, PyObject *processes, const char *id,
                 Py_ssize_t id_bytes)
{
    int64_t series, stripes;
    if (!as_int64(capacity, &series) || !as_int64(processes, &stripes)) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return false;
        }
        PyErr_Clear();
        series = stripes = -1;
    }
    if (!id_is_sound(id_bytes)) {
        return false;
    }
    if (series < 1 || stripes < 1 || !ax_segment_plan(view, (uint64_t)series, (uint64_t)stripes)) {
        PyErr_Format(PyExc_ValueError,
                     "capacity must be from 1 to %llu, and processes from 1 to %d, got %R and %R",
                     (unsigned long long)AX_SEGMENT_MOST_CAPACITY, AX_SEGMENT_MOST_PROCESSES, capacity,
                     processes);
        return false;
    }
    memcpy(view->id, id, sizeof view->id);
    return true;
}

static PyObject *segment_make_file(PyObject *Py_UNUSED(type), PyObject *args)
{
    PyObject *path, *capacity, *processes, *target = NULL, *aside = NULL, *done = NULL;
    const char *id;
    Py_ssize_t id_bytes;
    ax_segment view = {0};
    unsigned mode;
    int replace;
    if (!platform_check() ||
        !PyArg_ParseTuple(args, "UOOy#IpO&O&:_make_file", &path, &capacity, &processes, &id, &id_bytes, &mode,
                          &replace, PyUnicode_FSConverter, &target, PyUnicode_FSConverter, &aside)) {
        Py_XDECREF(target);
        return NULL;
    }
    if (plan(&view, capacity, processes, id, id_bytes) &&
        segment_file_create(&view, path, PyBytes_AS_STRING(target), PyBytes_AS_STRING(aside), mode,
                            replace != 0)) {
        done = Py_NewRef(Py_None);
    }
    Py_DECREF(target);
    Py_DECREF(aside);
    return done;
}

/* True for exactly one caller, which opens the segment or gives up. */
static bool open_begin(Segment *segment)
{
    uint64_t state = SEGMENT_NEW;
    if (!platform_check()) {
        return false;
    }
    if (!ax_word_compare_exchange(&segment->state, &state, SEGMENT_OPENING)) {
        PyErr_SetString(PyExc_ValueError, "the segment is already open");
        return false;
    }
    return true;
}

static PyObject *open_end(Segment *segment, bool mapped)
{
    if (!mapped || !process_start() || !segment_chunks_new(segment)) {
        segment_chunks_free(segment);
        segment->chunks = NULL;
        segment->seen = NULL;
        segment_memory_unmap(&segment->view);
        ax_word_store(&segment->state, SEGMENT_NEW);
        return NULL;
    }
    ax_word_store(&segment->state, SEGMENT_OPEN);
    Py_RETURN_NONE;
}

static PyObject *segment_open_file(PyObject *self, PyObject *args)
{
    Segment *segment = segment_of(self);
    PyObject *path, *owner, *target = NULL;
    Py_ssize_t id_bytes;
    int readonly;
    segment_file_options options = {0};
    if (!PyArg_ParseTuple(args, "UO&pOz#:_open_file", &path, PyUnicode_FSConverter, &target, &readonly,
                          &owner, &options.id, &id_bytes)) {
        return NULL;
    }
    options.readonly = readonly != 0;
    options.has_owner = owner != Py_None;
    if ((options.id != NULL && !id_is_sound(id_bytes)) ||
        (options.has_owner && !as_int64(owner, &options.owner)) || !open_begin(segment)) {
        Py_DECREF(target);
        return NULL;
    }
    bool mapped =
        segment_file_open(path, PyBytes_AS_STRING(target), &options, &segment->view, &segment->claim);
    Py_DECREF(target);
    if (mapped) {
        Py_XSETREF(segment->path, Py_NewRef(path));
        segment->readonly = options.readonly;
    }
    return open_end(segment, mapped);
}

static PyObject *segment_map_memory(PyObject *self, PyObject *args)
{
    Segment *segment = segment_of(self);
    PyObject *capacity, *processes;
    const char *id;
    Py_ssize_t id_bytes;
    ax_segment view = {0};
    if (!PyArg_ParseTuple(args, "OOy#:_map_memory", &capacity, &processes, &id, &id_bytes) ||
        !platform_check() || !plan(&view, capacity, processes, id, id_bytes) || !open_begin(segment)) {
        return NULL;
    }
    segment->view = view;
    return open_end(segment, segment_memory_map(&segment->view));
}

static PyObject *segment_close(PyObject *self, PyObject *Py_UNUSED(unused))
{
    uint64_t state = SEGMENT_OPEN;
    if (ax_word_compare_exchange(&segment_of(self)->state, &state, SEGMENT_CLOSED)) {
        ax_word_store(&segment_of(self)->own_epoch, SEGMENT_NOBODY);
        segment_chunks_empty(segment_of(self));
    }
    Py_RETURN_NONE;
}

/* The memory, for SharedInt and SharedFloat. */
static int segment_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    Segment *segment = segment_of(self);
    if (!segment_is_open(segment)) {
        PyErr_Clear();
        PyErr_SetString(PyExc_BufferError, "the segment is closed");
        buffer->obj = NULL;
        return -1;
    }
    return PyBuffer_FillInfo(buffer, self, segment->view.memory, (Py_ssize_t)segment->view.size,
                             segment->readonly, flags);
}

/* Names */

static PyObject *segment_int(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return segment_request(segment_of(self), AX_KIND_INT, "int", args, kwargs);
}

static PyObject *segment_float(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return segment_request(segment_of(self), AX_KIND_FLOAT, "float", args, kwargs);
}

static PyObject *segment_counter(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return segment_request(segment_of(self), AX_KIND_COUNTER, "counter", args, kwargs);
}

static PyObject *segment_gauge(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return segment_request(segment_of(self), AX_KIND_GAUGE, "gauge", args, kwargs);
}

static PyObject *segment_histogram(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return segment_request(segment_of(self), AX_KIND_HISTOGRAM, "histogram", args, kwargs);
}

/* Appends (name, object); false with an exception. */
static bool append_item(Segment *segment, PyObject *list, const ax_entry *entry)
{
    char copy[AX_NAME_BYTES];
    PyObject *name = NULL, *object = NULL, *item = NULL;
    if (entry->key_bytes >= 1 && entry->key_bytes <= sizeof copy) {
        memcpy(copy, ax_entry_key(&segment->view, entry), entry->key_bytes);
        name = PyUnicode_DecodeUTF8(copy, entry->key_bytes, NULL);
    }
    if (name == NULL && (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))) {
        PyErr_Clear();
        (void)segment_status_error(segment, AX_SEGMENT_DAMAGED, NULL);
    }
    object = name == NULL ? NULL : segment_object(segment, entry, entry);
    item = object == NULL ? NULL : PyTuple_Pack(2, name, object);
    bool appended = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    Py_XDECREF(object);
    Py_XDECREF(name);
    return appended;
}

static PyObject *segment_items(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Segment *segment = segment_of(self);
    ax_entry entry;
    if (!segment_is_open(segment)) {
        return NULL;
    }
    PyObject *list = PyList_New(0), *items = NULL;
    ax_segment_status status = ax_segment_root(&segment->view, &entry);
    bool going = list != NULL;
    while (going && status == AX_SEGMENT_FOUND) {
        status = ax_segment_next(&segment->view, &entry, &entry);
        going = status != AX_SEGMENT_FOUND || entry.parent != 0 || entry.kind >= AX_KIND_TOTAL ||
                append_item(segment, list, &entry);
    }
    if (going && status == AX_SEGMENT_DAMAGED) {
        (void)segment_status_error(segment, status, NULL);
    } else if (going) {
        items = PyObject_GetIter(list);
    }
    Py_XDECREF(list);
    return items;
}

/* Returns (series, capacity, heap bytes, heap bytes taken, stripes, stripes in use, stripes whose owner is
 * alive, additions to overflow children). */
static PyObject *segment_usage(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Segment *segment = segment_of(self);
    const ax_segment *view = &segment->view;
    ax_entry last;
    if (!segment_is_open(segment)) {
        return NULL;
    }
    if (ax_segment_last(view, &last) != AX_SEGMENT_FOUND) {
        return segment_status_error(segment, AX_SEGMENT_DAMAGED, NULL);
    }
    long long used = 0, alive = 0;
    for (uint64_t stripe = 1; stripe <= view->processes; stripe++) {
        uint64_t owner = ax_word_load(ax_segment_owner(view, stripe));
        used += owner != 0;
        alive += ax_owner_is_settled(owner) && segment_owner_is_alive(segment, stripe, owner);
    }
    PyObject *overflowed = segment_sum_object(ax_segment_sum(view, AX_OVERFLOW_WORD));
    return overflowed == NULL
               ? NULL
               : Py_BuildValue("(LLLLLLLN)", (long long)last.low_used + last.high_used - 1,
                               (long long)view->capacity, (long long)view->processes, used, alive,
                               (long long)ax_segment_heap_used(view), (long long)view->size, overflowed);
}

/* Attributes */

static PyObject *segment_path(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *path = segment_of(self)->path;
    return path == NULL ? PyUnicode_FromString("") : Py_NewRef(path);
}

static PyObject *segment_capacity(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(segment_of(self)->view.capacity);
}

static PyObject *segment_processes(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(segment_of(self)->view.processes);
}

static PyObject *segment_is_readonly(PyObject *self, void *Py_UNUSED(closure))
{
    return bool_object(segment_of(self)->readonly);
}

static PyObject *segment_id(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBytes_FromStringAndSize((const char *)segment_of(self)->view.id,
                                     sizeof segment_of(self)->view.id);
}

#define GET_OR_MAKE METH_VARARGS | METH_KEYWORDS

static PyMethodDef segment_methods[] = {
    {"int", AX_METHOD(segment_int), GET_OR_MAKE, DOC_SegmentBase_int},
    {"float", AX_METHOD(segment_float), GET_OR_MAKE, DOC_SegmentBase_float},
    {"counter", AX_METHOD(segment_counter), GET_OR_MAKE, DOC_SegmentBase_counter},
    {"gauge", AX_METHOD(segment_gauge), GET_OR_MAKE, DOC_SegmentBase_gauge},
    {"histogram", AX_METHOD(segment_histogram), GET_OR_MAKE, DOC_SegmentBase_histogram},
    {"items", segment_items, METH_NOARGS, DOC_SegmentBase_items},
    {"close", segment_close, METH_NOARGS, DOC_SegmentBase_close},
    {"_make_file", segment_make_file, METH_VARARGS | METH_CLASS, DOC_SegmentBase__make_file},
    {"_open_file", segment_open_file, METH_VARARGS, DOC_SegmentBase__open_file},
    {"_map_memory", segment_map_memory, METH_VARARGS, DOC_SegmentBase__map_memory},
    {"_usage", segment_usage, METH_NOARGS, DOC_SegmentBase__usage},
    {"_parts", segment_parts, METH_NOARGS, DOC_SegmentBase__parts},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef segment_getset[] = {
    {"path", segment_path, NULL, DOC_SegmentBase_path, NULL},
    {"capacity", segment_capacity, NULL, DOC_SegmentBase_capacity, NULL},
    {"processes", segment_processes, NULL, DOC_SegmentBase_processes, NULL},
    {"readonly", segment_is_readonly, NULL, DOC_SegmentBase_readonly, NULL},
    {"_id", segment_id, NULL, DOC_SegmentBase__id, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef segment_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(Segment, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot segment_slots[] = {
    {Py_tp_doc, (void *)DOC_SegmentBase},  {Py_tp_new, segment_new},
    {Py_tp_dealloc, segment_dealloc},      {Py_tp_traverse, segment_traverse},
    {Py_tp_clear, segment_clear},          {Py_tp_methods, segment_methods},
    {Py_tp_getset, segment_getset},        {Py_tp_members, segment_members},
    {Py_bf_getbuffer, segment_get_buffer}, {0, NULL},
};

PyType_Spec segment_spec = {
    .name = "atomicx._core.SegmentBase",
    .basicsize = sizeof(Segment),
    .flags = AX_TPFLAGS_CELL | Py_TPFLAGS_HAVE_GC,
    .slots = segment_slots,
};
