/* segment_request.c: reads the arguments of Segment.counter() and its like. */
#include "segment_request.h"

#include <string.h>

#include "label_key.h"

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

static PyObject *get_or_make(Segment *segment, ax_kind kind, PyObject *const *label_names, Py_ssize_t count,
                             PyObject *name, PyObject *bounds, PyObject *overflow)
{
    Request request = {.wanted = {.kind = (uint16_t)kind}};
    PyObject *object = NULL;
    if (segment_is_open(segment) && request_name(&request, name) &&
        request_labels(&request, label_names, count, overflow) &&
        (bounds == NULL || request_bounds(&request, bounds))) {
        bool has_run = count == 0 || overflow != Py_None;
        request.wanted.words = !has_run ? 0 : bounds == NULL ? 1 : request.wanted.bound_count + 2;
        object = request_object(segment, &request);
    }
    request_free(&request);
    return object;
}

/* The keyword argument of this name, borrowed; NULL if there is none. Raises nothing, runs no Python code. */
static PyObject *keyword(PyObject *kwargs, const char *name)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (kwargs != NULL && PyDict_Next(kwargs, &at, &key, &value)) {
        if (PyUnicode_Check(key) && PyUnicode_CompareWithASCIIString(key, name) == 0) {
            return value;
        }
    }
    return NULL;
}

PyObject *segment_request(Segment *segment, ax_kind kind, const char *method, PyObject *args,
                          PyObject *kwargs)
{
    Py_ssize_t given = PyTuple_GET_SIZE(args), used = 0, keywords = 0;
    const char *const names[] = {"name", "bounds", "overflow"};
    PyObject *values[] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++) {
        bool positional = i == 0 || (i == 1 && kind == AX_KIND_HISTOGRAM);
        PyObject *value = keyword(kwargs, names[i]);
        if (value != NULL && (i != 1 || positional)) {
            if (positional && used < given) {
                PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", method, names[i]);
                return NULL;
            }
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
    PyObject *object = get_or_make(segment, kind, ((PyTupleObject *)args)->ob_item + used, given - used,
                                   values[0], values[1], overflow);
    Py_DECREF(overflow);
    return object;
}
