/* type_exponential_histogram.c: ExponentialHistogram. */
#include "bucket_cell.h"

#include <math.h>
#include <stddef.h>

#include "ax_exponential.h"
#include "docstrings.h"

#define INFINITY_BITS UINT64_C(0x7FF0000000000000)

typedef struct {
    PyObject_HEAD
    ax_pointer exponential; /* atomic: NULL until __init__ has run, then an ax_exponential for good */
    PyObject *weakrefs;     /* owned by the interpreter */
} ExponentialCell;

static inline ax_exponential *exponential_or_null(PyObject *self)
{
    return ax_pointer_load(&((ExponentialCell *)self)->exponential);
}

/* NULL with RuntimeError if a subclass has not called __init__. */
static inline ax_exponential *exponential_of(PyObject *self)
{
    ax_exponential *exponential = exponential_or_null(self);
    if (exponential == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "ExponentialHistogram.__init__() was not called");
    }
    return exponential;
}

static PyObject *exponential_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *self = type->tp_alloc(type, 0); /* zeroed: no buckets */
    if (self != NULL) {
        ax_enable_deferred_refcount(self); /* a histogram is meant to be shared */
    }
    return self;
}

/* Sets a ValueError; format has one %R, for the value. */
static void refuse(const char *format, double value)
{
    PyObject *number = PyFloat_FromDouble(value);
    if (number != NULL) {
        PyErr_Format(PyExc_ValueError, format, number);
        Py_DECREF(number);
    }
}

/* Reads an int in the range of scales; false with an exception set. */
static bool as_scale(PyObject *number, int *scale)
{
    int overflow;
    long value = PyLong_AsLongAndOverflow(number, &overflow); /* raises nothing for an int */
    if (overflow != 0 || value < AX_LEAST_SCALE || value > AX_MOST_SCALE) {
        PyErr_Format(PyExc_ValueError, "scale must be from %d to %d, not %R", AX_LEAST_SCALE, AX_MOST_SCALE,
                     number);
        return false;
    }
    *scale = (int)value;
    return true;
}

/* The histogram with these arguments; NULL with an exception set. */
static ax_exponential *exponential_from(PyObject *number, double smallest, double largest, bool is_signed)
{
    int scale;
    if (!as_scale(number, &scale)) {
        return NULL;
    }
    if (!isfinite(smallest) || smallest < 0) {
        refuse("smallest must be finite and at least 0, not %R", smallest);
        return NULL;
    }
    if (!isfinite(largest) || largest <= smallest) {
        refuse("largest must be finite and greater than smallest, not %R", largest);
        return NULL;
    }
    uint64_t first = ax_float_bits(smallest), last = ax_float_bits(largest);
    uint64_t count = ax_exponential_count(scale, first, last) * (is_signed ? 2 : 1);
    if (count > AX_EXPONENTIAL_MOST) {
        PyErr_Format(PyExc_ValueError, "an ExponentialHistogram has at most %d buckets, not %llu",
                     AX_EXPONENTIAL_MOST, (unsigned long long)count);
        return NULL;
    }
    ax_exponential *exponential = ax_exponential_new(scale, first, last, is_signed, &stripe_system);
    if (exponential == NULL) {
        PyErr_NoMemory();
    }
    return exponential;
}

/* The same from objects; scale may be NULL for the default. */
static ax_exponential *exponential_from_objects(PyObject *scale, PyObject *smallest, PyObject *largest,
                                                bool is_signed)
{
    double least = 1e-6, most = 1e6;
    PyObject *number = scale == NULL ? PyLong_FromLong(4) : PyNumber_Index(scale);
    ax_exponential *exponential = NULL;
    if (number != NULL && (smallest == NULL || as_double(smallest, &least)) &&
        (largest == NULL || as_double(largest, &most))) {
        exponential = exponential_from(number, least + 0.0, most, is_signed); /* + 0.0: there is no -0.0 */
    }
    Py_XDECREF(number);
    return exponential;
}

static int exponential_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    char *keywords[] = {"scale", "smallest", "largest", "signed", NULL};
    PyObject *scale = NULL, *smallest = NULL, *largest = NULL;
    int is_signed = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOp:ExponentialHistogram", keywords, &scale, &smallest,
                                     &largest, &is_signed)) {
        return -1;
    }
    ax_exponential *exponential = exponential_from_objects(scale, smallest, largest, is_signed != 0);
    if (exponential == NULL) {
        return -1;
    }
    void *found = NULL;
    if (!ax_pointer_compare_exchange(&((ExponentialCell *)self)->exponential, &found, exponential)) {
        ax_exponential_free(exponential, &stripe_system);
        PyErr_SetString(PyExc_RuntimeError, "ExponentialHistogram.__init__() was already called");
        return -1;
    }
    return 0;
}

static void exponential_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    ax_exponential *exponential = exponential_or_null(self);
    if (exponential != NULL) {
        ax_exponential_free(exponential, &stripe_system);
    }
    cell_end_dealloc(self);
}

/* Observes value if it has a bucket; otherwise returns false and changes nothing. The bucket is marked, then
 * counted. Lock-free. Runs no Python code, and sets no exception. */
AX_INLINE bool try_observe(ax_exponential *exponential, double value)
{
    uint64_t bits = ax_float_bits(value), magnitude = bits & ~AX_SIGN;
    if (magnitude >= INFINITY_BITS ||
        ((bits & AX_SIGN) != 0 && !exponential->is_signed && magnitude > exponential->smallest)) {
        return false;
    }
    size_t bucket = ax_exponential_find(exponential, value);
    ax_buckets_mark(exponential->buckets, bucket);
    buckets_observe(exponential->buckets, bucket, value);
    return true;
}

/* Observes value; false with ValueError. */
AX_INLINE bool observe_or_refuse(ax_exponential *exponential, double value)
{
    if (try_observe(exponential, value)) {
        return true;
    }
    refuse(isfinite(value) ? "an ExponentialHistogram that is not signed has no bucket for %R"
                           : "an ExponentialHistogram has no bucket for %R",
           value);
    return false;
}

/* What a timer calls to observe: __init__ had run when the timer was made. */
static bool exponential_record(PyObject *self, double seconds)
{
    return observe_or_refuse(exponential_or_null(self), seconds);
}

bool exponential_try_record(PyObject *self, double value)
{
    ax_exponential *exponential = exponential_or_null(self);
    return exponential != NULL && try_observe(exponential, value);
}

static PyObject *exponential_observe(PyObject *self, PyObject *argument)
{
    double value;
    if (!as_double(argument, &value)) {
        return NULL;
    }
    ax_exponential *exponential = exponential_of(self);
    if (exponential == NULL || !observe_or_refuse(exponential, value)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *exponential_time(PyObject *self, PyTypeObject *definer, PyObject *const *Py_UNUSED(args),
                                  Py_ssize_t nargs, PyObject *kwnames)
{
    ModuleState *state = state_for("time", definer, nargs, kwnames);
    return state == NULL || exponential_of(self) == NULL ? NULL
                                                         : timer_new(state, self, exponential_record, false);
}

#define GROUPS 64 /* the most groups of buckets that share a mark */

/* What was read from a histogram: the sum, and the counts of the groups of buckets in `groups`. The other
 * counts are 0. So a reading takes as much time and memory as there are buckets in use. */
typedef struct {
    double sum;
    uint64_t groups;       /* a bit for each group that is read */
    unsigned shared;       /* log2 of the size of a group */
    size_t starts[GROUPS]; /* for each group that is read: where its counts begin */
    uint64_t *counts;      /* owned; zeros at first */
} Reading;

static inline bool is_read(const Reading *reading, size_t bucket)
{
    return (reading->groups >> (bucket >> reading->shared) & 1) != 0;
}

/* Where the count of a bucket is, which is_read. */
static inline uint64_t *count_at(const Reading *reading, size_t bucket)
{
    size_t group = bucket >> reading->shared, before = group << reading->shared;
    return &reading->counts[reading->starts[group] + (bucket - before)];
}

static inline uint64_t count_of(const Reading *reading, size_t bucket)
{
    return is_read(reading, bucket) ? *count_at(reading, bucket) : 0;
}

/* Makes room for the counts of these groups. False with MemoryError. */
static bool reading_init(Reading *reading, const ax_buckets *buckets, uint64_t groups)
{
    size_t room = 0;
    reading->groups = groups;
    reading->shared = buckets->shared;
    for (size_t group = 0; groups != 0; group++, groups >>= 1) {
        reading->starts[group] = room;
        room += (size_t)(groups & 1) << buckets->shared;
    }
    reading->counts = PyMem_Calloc(room, sizeof(uint64_t)); /* not NULL if it is 0 */
    if (reading->counts == NULL) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

/* Reads the sum, the marks, and then the counts of the buckets with a mark, in this order. False with
 * MemoryError. */
static bool reading_take(Reading *reading, ax_buckets *buckets)
{
    reading->sum = ax_buckets_sum(buckets);
    if (!reading_init(reading, buckets, ax_buckets_marks(buckets))) {
        return false;
    }
    size_t size = (size_t)1 << buckets->shared, start = 0;
    for (uint64_t groups = reading->groups; groups != 0; groups >>= 1, start += size) {
        size_t end = (groups & 1) == 0 ? start : start + size;
        for (size_t i = start; i < end && i < buckets->count; i++) {
            *count_at(reading, i) = ax_buckets_load(buckets, i);
        }
    }
    return true;
}

/* Trims a range of buckets at both ends: what remains begins and ends with a count, or is empty. */
static void trim(const Reading *reading, size_t *start, size_t *end)
{
    while (*end > *start && count_of(reading, *end - 1) == 0) {
        *end -= 1;
        if (!is_read(reading, *end)) { /* nor is the rest of its group */
            *end = *end >> reading->shared << reading->shared;
        }
    }
    while (*start < *end && count_of(reading, *start) == 0) {
        *start += 1;
        if (!is_read(reading, *start - 1)) {
            *start = (((*start - 1) >> reading->shared) + 1) << reading->shared;
        }
    }
}

/* The buckets of one sign that are in use, from a range of `length` buckets, as (offset, counts); (0, ()) if
 * there are none. index is that of the first bucket of the range. NULL with MemoryError. */
static PyObject *side_new(const Reading *reading, size_t first, size_t length, int64_t index)
{
    size_t start = first, end = first + length;
    trim(reading, &start, &end);
    if (start >= end) {
        return Py_BuildValue("(i())", 0);
    }
    PyObject *items = PyTuple_New((Py_ssize_t)(end - start));
    for (size_t i = start; items != NULL && i < end; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(count_of(reading, i));
        if (count == NULL) {
            Py_CLEAR(items);
        } else {
            PyTuple_SET_ITEM(items, (Py_ssize_t)(i - start), count);
        }
    }
    return items == NULL ? NULL : Py_BuildValue("(LN)", (long long)(index + (int64_t)(start - first)), items);
}

/* A snapshot of a reading. Calls a Python class, and so may raise anything: NULL with an exception set. */
static PyObject *exponential_snapshot_new(const ModuleState *state, const ax_exponential *exponential,
                                          const Reading *reading)
{
    size_t count = exponential->count;
    PyObject *snapshot = NULL;
    PyObject *positive = side_new(reading, 1, count, exponential->index);
    PyObject *negative = side_new(reading, 1 + count, exponential->is_signed ? count : 0, exponential->index);
    if (positive != NULL && negative != NULL) {
        snapshot =
            PyObject_CallFunction((PyObject *)state->exponential_snapshot, "idKdOO", exponential->scale,
                                  reading->sum, (unsigned long long)count_of(reading, 0),
                                  ax_float_from_bits(exponential->smallest), positive, negative);
    }
    Py_XDECREF(positive);
    Py_XDECREF(negative);
    return snapshot;
}

static PyObject *exponential_snapshot(PyObject *self, PyTypeObject *definer, PyObject *const *Py_UNUSED(args),
                                      Py_ssize_t nargs, PyObject *kwnames)
{
    ModuleState *state = state_for("snapshot", definer, nargs, kwnames);
    ax_exponential *exponential = state == NULL ? NULL : exponential_of(self);
    Reading reading;
    if (exponential == NULL || !reading_take(&reading, exponential->buckets)) {
        return NULL;
    }
    PyObject *snapshot = exponential_snapshot_new(state, exponential, &reading);
    PyMem_Free(reading.counts);
    return snapshot;
}

/* Keeps the count of a bucket, to answer with it; never fails. */
static bool keep_count(void *reading, size_t bucket, uint64_t count)
{
    *count_at(reading, bucket) = count;
    return true;
}

/* Drains, and makes the answer of what was taken. If that fails, everything is put back. `reading` has room
 * for all buckets, so its counts are in their order. */
static PyObject *drained(const ModuleState *state, ax_exponential *exponential, Reading *reading,
                         ax_bucket_reading *readings)
{
    ax_buckets *buckets = exponential->buckets;
    (void)ax_buckets_drain(buckets, readings, keep_count, reading, &reading->sum); /* cannot fail */
    PyObject *snapshot = exponential_snapshot_new(state, exponential, reading);
    if (snapshot == NULL) {
        ax_buckets_give_back(buckets, reading->counts, reading->sum);
    }
    return snapshot;
}

static PyObject *exponential_drain(PyObject *self, PyTypeObject *definer, PyObject *const *Py_UNUSED(args),
                                   Py_ssize_t nargs, PyObject *kwnames)
{
    ModuleState *state = state_for("drain", definer, nargs, kwnames);
    ax_exponential *exponential = state == NULL ? NULL : exponential_of(self);
    Reading reading;
    if (exponential == NULL || !reading_init(&reading, exponential->buckets, UINT64_MAX)) {
        return NULL;
    }
    ax_bucket_reading *readings = PyMem_New(ax_bucket_reading, exponential->buckets->count);
    PyObject *snapshot =
        readings == NULL ? PyErr_NoMemory() : drained(state, exponential, &reading, readings);
    PyMem_Free(readings);
    PyMem_Free(reading.counts);
    return snapshot;
}

static PyObject *exponential_scale(PyObject *self, void *Py_UNUSED(closure))
{
    const ax_exponential *exponential = exponential_of(self);
    return exponential == NULL ? NULL : PyLong_FromLong(exponential->scale);
}

static PyObject *exponential_smallest(PyObject *self, void *Py_UNUSED(closure))
{
    const ax_exponential *exponential = exponential_of(self);
    return exponential == NULL ? NULL : PyFloat_FromDouble(ax_float_from_bits(exponential->smallest));
}

static PyObject *exponential_largest(PyObject *self, void *Py_UNUSED(closure))
{
    const ax_exponential *exponential = exponential_of(self);
    return exponential == NULL ? NULL : PyFloat_FromDouble(ax_float_from_bits(exponential->largest));
}

static PyObject *exponential_signed(PyObject *self, void *Py_UNUSED(closure))
{
    const ax_exponential *exponential = exponential_of(self);
    return exponential == NULL ? NULL : bool_object(exponential->is_signed);
}

/* The total of the counts, read after *sum. */
static uint64_t total_of(ax_buckets *buckets, double *sum)
{
    uint64_t total = 0;
    *sum = ax_buckets_sum(buckets);
    for (size_t i = 0; i < buckets->count; i++) {
        total += ax_buckets_load(buckets, i);
    }
    return total;
}

static PyObject *exponential_repr(PyObject *self)
{
    ax_exponential *exponential = exponential_of(self);
    if (exponential == NULL) {
        return NULL;
    }
    double total_value;
    unsigned long long count = total_of(exponential->buckets, &total_value);
    PyObject *content = NULL;
    PyObject *sum = PyFloat_FromDouble(total_value);
    PyObject *smallest = exponential_smallest(self, NULL);
    PyObject *largest = exponential_largest(self, NULL);
    if (sum != NULL && smallest != NULL && largest != NULL) {
        content = PyUnicode_FromFormat("scale=%d, smallest=%R, largest=%R, signed=%s, count=%llu, sum=%R",
                                       exponential->scale, smallest, largest,
                                       exponential->is_signed ? "True" : "False", count, sum);
    }
    Py_XDECREF(sum);
    Py_XDECREF(smallest);
    Py_XDECREF(largest);
    return cell_repr(self, content);
}

static PyObject *exponential_sizeof(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const ax_exponential *exponential = exponential_or_null(self);
    return cell_sizeof(self, exponential == NULL ? 0 : ax_exponential_bytes(exponential));
}

static PyMethodDef exponential_methods[] = {
    {"observe", exponential_observe, METH_O, DOC_ExponentialHistogram_observe},
    {"time", AX_METHOD(exponential_time), BUCKETS_METHOD, DOC_ExponentialHistogram_time},
    {"snapshot", AX_METHOD(exponential_snapshot), BUCKETS_METHOD, DOC_ExponentialHistogram_snapshot},
    {"drain", AX_METHOD(exponential_drain), BUCKETS_METHOD, DOC_ExponentialHistogram_drain},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_ExponentialHistogram___reduce__},
    {"__sizeof__", exponential_sizeof, METH_NOARGS, DOC_CELL_SIZEOF},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef exponential_getset[] = {
    {"scale", exponential_scale, NULL, DOC_ExponentialHistogram_scale, NULL},
    {"smallest", exponential_smallest, NULL, DOC_ExponentialHistogram_smallest, NULL},
    {"largest", exponential_largest, NULL, DOC_ExponentialHistogram_largest, NULL},
    {"signed", exponential_signed, NULL, DOC_ExponentialHistogram_signed, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef exponential_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(ExponentialCell, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot exponential_slots[] = {
    {Py_tp_doc, (void *)DOC_ExponentialHistogram},
    {Py_tp_new, exponential_new}, /* no buckets yet; ignores the arguments, which exponential_init takes */
    {Py_tp_init, exponential_init},
    {Py_tp_dealloc, exponential_dealloc},
    {Py_tp_traverse, cell_traverse},
    {Py_tp_repr, exponential_repr},
    {Py_tp_methods, exponential_methods},
    {Py_tp_getset, exponential_getset},
    {Py_tp_members, exponential_members},
    {0, NULL},
};

PyType_Spec exponential_histogram_spec = {
    .name = "atomicx.ExponentialHistogram",
    .basicsize = sizeof(ExponentialCell),
    .flags = AX_TPFLAGS_CELL,
    .slots = exponential_slots,
};
