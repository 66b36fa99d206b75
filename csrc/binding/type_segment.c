/* type_segment.c: SegmentBase, the base class of atomicx.shared.Segment: it maps a segment, and finds cells
 * by name. Only that class calls its private methods.
 *
 * It is written in C because another thread may fork while a thread looks up or makes a name. So threads must
 * not share a dict here, or anything else with a lock.
 */
#include "segment.h"

#include <stddef.h>
#include <string.h>

#include "cell.h"
#include "docstrings.h"
#include "label_key.h"
#include "segment_file.h"

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

/* What a call asks for, with the memory that it points to. */
typedef struct {
    ax_wanted wanted;
    PyObject *name;         /* borrowed */
    PyObject *encoded_name; /* owned, like the following */
    unsigned char *labels;
    double *bounds;
    uint32_t name_label_bytes; /* the size of the names in labels, without the overflow child's text */
} Request;

static void request_free(Request *request)
{
    Py_XDECREF(request->encoded_name);
    PyMem_Free(request->labels);
    PyMem_Free(request->bounds);
}

static bool request_name(Request *request, PyObject *name)
{
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "a name must be a str, not '%.200s'", Py_TYPE(name)->tp_name);
        return false;
    }
    request->name = name;
    request->encoded_name = PyUnicode_AsUTF8String(name);
    if (request->encoded_name == NULL) {
        return false;
    }
    const char *bytes = PyBytes_AS_STRING(request->encoded_name);
    Py_ssize_t size = PyBytes_GET_SIZE(request->encoded_name);
    if (size < 1 || size > AX_NAME_BYTES || memchr(bytes, 0, (size_t)size) != NULL) {
        PyErr_Format(PyExc_ValueError, "a name must be 1 to %d bytes of UTF-8 without NUL, got %R",
                     AX_NAME_BYTES, name);
        return false;
    }
    request->wanted.key = (const unsigned char *)bytes;
    request->wanted.key_bytes = (uint32_t)size;
    return true;
}

/* Reads the label names, which must be distinct, and the overflow child's text. */
static bool request_labels(Request *request, PyObject *const *names, Py_ssize_t count, PyObject *overflow)
{
    LabelKey key = {.used = 0};
    if (count == 0) {
        return true;
    }
    if (overflow != Py_None && !PyUnicode_Check(overflow)) {
        PyErr_Format(PyExc_TypeError, "overflow must be a str or None, not '%.200s'",
                     Py_TYPE(overflow)->tp_name);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!PyUnicode_Check(names[i])) {
            PyErr_Format(PyExc_TypeError, "a label name must be a str, not '%.200s'",
                         Py_TYPE(names[i])->tp_name);
            return false;
        }
        for (Py_ssize_t j = 0; j < i; j++) {
            if (PyUnicode_Compare(names[i], names[j]) == 0) {
                PyErr_Format(PyExc_ValueError, "label names must be distinct, got %R twice", names[i]);
                return false;
            }
        }
        if (!label_key_put_value(&key, names[i])) {
            return false;
        }
    }
    request->name_label_bytes = key.used;
    if (overflow != Py_None && !label_key_put_value(&key, overflow)) {
        return false;
    }
    if (key.too_long || count > 64) {
        PyErr_Format(PyExc_ValueError, "expected at most 64 label names, in at most %d bytes of UTF-8",
                     AX_KEY_BYTES);
        return false;
    }
    request->labels = PyMem_Malloc(key.used);
    if (request->labels == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memcpy(request->labels, key.bytes, key.used);
    request->wanted.labels = request->labels;
    request->wanted.label_bytes = key.used;
    request->wanted.label_count = (uint16_t)count;
    request->wanted.mode = overflow == Py_None ? 0 : AX_MODE_OVERFLOW;
    return true;
}

static bool request_bounds(Request *request, PyObject *bounds)
{
    PyObject *items = PySequence_Tuple(bounds);
    Py_ssize_t count = items == NULL ? -1 : PyTuple_GET_SIZE(items);
    if (count == 0 || count > (1 << 20)) {
        PyErr_SetString(PyExc_ValueError, "a histogram must have from 1 to 2**20 bounds");
    } else if (count > 0 && (request->bounds = PyMem_New(double, (size_t)count)) == NULL) {
        PyErr_NoMemory();
    } else if (count > 0 && as_histogram_bounds(items, request->bounds)) {
        request->wanted.bounds = request->bounds;
        request->wanted.bound_count = (uint32_t)count;
    }
    Py_XDECREF(items);
    return request->wanted.bound_count != 0;
}

/* Whether an existing entry is what was asked for; false with TypeError or ValueError. */
static bool request_is_met(Segment *segment, const Request *request, const ax_entry *entry)
{
    const ax_wanted *wanted = &request->wanted;
    if (entry->kind != wanted->kind) {
        PyErr_Format(PyExc_TypeError, "%R is of kind %s in this segment, not %s", request->name,
                     segment_kind_name(entry->kind), segment_kind_name(wanted->kind));
        return false;
    }
    if (entry->label_count != wanted->label_count || entry->label_bytes < request->name_label_bytes ||
        (wanted->label_count != 0 &&
         memcmp(ax_entry_labels(&segment->view, entry), wanted->labels, request->name_label_bytes) != 0)) {
        PyErr_Format(PyExc_TypeError, "%R has different label names in this segment", request->name);
        return false;
    }
    bool same = entry->bound_count == wanted->bound_count;
    for (uint32_t i = 0; same && i < wanted->bound_count; i++) {
        const ax_word *bound = ax_segment_word(&segment->view, ax_entry_bounds(entry) + 8 * (uint64_t)i);
        same = ax_word_load(bound) == ax_float_bits(wanted->bounds[i]);
    }
    if (!same) {
        PyErr_Format(PyExc_TypeError, "%R has different bounds in this segment", request->name);
    }
    return same;
}

static PyObject *request_object(Segment *segment, Request *request)
{
    ax_entry entry;
    const ax_wanted *wanted = &request->wanted;
    ax_segment_status status = segment->readonly
                                   ? ax_segment_find(&segment->view, wanted, &entry)
                                   : ax_segment_make(&segment->view, wanted, segment_spare(segment), &entry);
    if (status == AX_SEGMENT_MADE) {
        if (!segment_warn(segment, &entry)) {
            return NULL;
        }
    } else if (status != AX_SEGMENT_FOUND) {
        return segment_status_error(segment, status, request->name);
    } else if (!request_is_met(segment, request, &entry)) {
        return NULL;
    }
    return segment_object(segment, &entry, &entry);
}

static PyObject *get_or_make(PyObject *self, ax_kind kind, PyObject *const *args, Py_ssize_t count,
                             PyObject *name, PyObject *bounds, PyObject *overflow)
{
    Request request = {.wanted = {.kind = (uint16_t)kind}};
    PyObject *object = NULL;
    if (segment_is_open(segment_of(self)) && request_name(&request, name) &&
        request_labels(&request, args, count, overflow) &&
        (bounds == NULL || request_bounds(&request, bounds))) {
        bool has_run = count == 0 || overflow != Py_None;
        request.wanted.words = !has_run ? 0 : bounds == NULL ? 1 : request.wanted.bound_count + 2;
        object = request_object(segment_of(self), &request);
    }
    request_free(&request);
    return object;
}

/* Takes (name, *label_names, overflow="other"), or the same with bounds after the name. */
static PyObject *get_or_make_call(PyObject *self, ax_kind kind, const char *method, PyObject *args,
                                  PyObject *kwargs)
{
    Py_ssize_t given = PyTuple_GET_SIZE(args), used = 0, keywords = 0;
    const char *const names[] = {"name", "bounds", "overflow"};
    PyObject *values[] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++) {
        bool positional = i == 0 || (i == 1 && kind == AX_KIND_HISTOGRAM);
        PyObject *value = kwargs == NULL ? NULL : PyDict_GetItemString(kwargs, names[i]);
        if (value != NULL && (i != 1 || positional)) {
            values[i] = value;
            keywords++;
        } else if (positional && used < given) {
            values[i] = PyTuple_GET_ITEM(args, used++);
        }
        if (positional && values[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", method, names[i]);
            return NULL;
        }
    }
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != keywords) {
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument", method);
        return NULL;
    }
    PyObject *overflow = values[2] != NULL ? Py_NewRef(values[2]) : PyUnicode_FromString("other");
    if (overflow == NULL) {
        return NULL;
    }
    PyObject *object = get_or_make(self, kind, ((PyTupleObject *)args)->ob_item + used, given - used,
                                   values[0], values[1], overflow);
    Py_DECREF(overflow);
    return object;
}

static PyObject *segment_int(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return get_or_make_call(self, AX_KIND_INT, "int", args, kwargs);
}

static PyObject *segment_float(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return get_or_make_call(self, AX_KIND_FLOAT, "float", args, kwargs);
}

static PyObject *segment_counter(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return get_or_make_call(self, AX_KIND_COUNTER, "counter", args, kwargs);
}

static PyObject *segment_gauge(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return get_or_make_call(self, AX_KIND_GAUGE, "gauge", args, kwargs);
}

static PyObject *segment_histogram(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return get_or_make_call(self, AX_KIND_HISTOGRAM, "histogram", args, kwargs);
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
