/* segment.c: see segment.h. What a segment provides for its cells. */
#include "segment.h"

#include <stddef.h>
#include <string.h>

#include "cell.h"
#include "shared_cell.h"
#include "shared_family.h"

enum { CHUNK = 1024, PASSES_FOR_ALIVE_NS = 10000000 };

bool segment_closed_error(void)
{
    PyErr_SetString(PyExc_ValueError, "the segment is closed");
    return false;
}

bool segment_readonly_error(void)
{
    PyErr_SetString(PyExc_ValueError, "the segment was opened read-only");
    return false;
}

const char *segment_kind_name(uint16_t kind)
{
    static const char *const names[] = {
        [AX_KIND_ROOT] = "root",       [AX_KIND_INT] = "int",     [AX_KIND_FLOAT] = "float",
        [AX_KIND_COUNTER] = "counter", [AX_KIND_GAUGE] = "gauge", [AX_KIND_HISTOGRAM] = "histogram",
        [AX_KIND_TOTAL] = "total",     [AX_KIND_PART] = "part",
    };
    return kind < Py_ARRAY_LENGTH(names) && names[kind] != NULL ? names[kind] : "cell of an unknown kind";
}

bool segment_owner_is_alive(void *object, uint64_t stripe, uint64_t owner)
{
    Segment *segment = object;
    uint64_t claim = ax_word_load(segment->claim);
    if (claim == (process_epoch() << 16 | stripe)) {
        return true; /* its own */
    }
    ax_process process = ax_segment_owner_process(&segment->view, stripe, owner);
    process_state look = process_look(&process);
    if (look != PROCESS_UNSURE) {
        return look == PROCESS_ALIVE;
    }
    ax_word *seen = &segment->seen[2 * stripe];
    int64_t now = ax_clock_ns();
    if (ax_word_load(&seen[0]) == owner && now < (int64_t)ax_word_load(&seen[1])) {
        return true;
    }
    if (!process_is_alive(&process)) {
        return false;
    }
    ax_word_store(&seen[0], 0);
    ax_word_store(&seen[1], (uint64_t)(now + PASSES_FOR_ALIVE_NS));
    ax_word_store(&seen[0], owner);
    return true;
}

/* For claiming, every owner is checked again; no earlier result is trusted. */
static bool owner_is_alive_now(void *object, uint64_t stripe, uint64_t owner)
{
    ax_process process = ax_segment_owner_process(&((Segment *)object)->view, stripe, owner);
    return process_is_alive(&process);
}

/* The stripe of this process in the file; 0 if it gets none. */
static uint64_t claim(Segment *segment, uint64_t epoch)
{
    ax_process self = process_self();
    uint64_t found = ax_word_load(segment->claim);
    while (found >> 16 != epoch) {
        uint64_t stripe = ax_segment_claim(&segment->view, &self, owner_is_alive_now, segment);
        if (ax_word_compare_exchange(segment->claim, &found, epoch << 16 | stripe)) {
            return stripe;
        }
        /* Another thread was faster, perhaps with another mapping of the same file. */
        if (stripe != 0) {
            ax_segment_disclaim(&segment->view, stripe, &self);
        }
    }
    return found & 0xffff;
}

ax_word *segment_claim_stripe(Segment *segment)
{
    if (!segment_is_open(segment) || (segment->readonly && !segment_readonly_error())) {
        return NULL;
    }
    uint64_t epoch = process_epoch();
    ax_word *own = ax_segment_stripe_word(&segment->view, claim(segment, epoch), 0);
    segment_parts_begin(segment, own);
    (void)ax_pointer_exchange(&segment->own, own);
    ax_word_store(&segment->own_epoch, epoch);
    if (ax_word_load(&segment->state) != SEGMENT_OPEN) {
        ax_word_store(&segment->own_epoch, SEGMENT_NOBODY); /* the segment was closed meanwhile */
    }
    return own;
}

ax_word *segment_spare(Segment *segment)
{
    uint64_t epoch = process_epoch();
    if (ax_word_load(&segment->spare_of) != epoch) {
        ax_word_store(&segment->spare, 0);
        ax_word_store(&segment->spare_of, epoch);
    }
    return &segment->spare;
}

PyObject *segment_name(Segment *segment)
{
    return segment->path == NULL ? PyUnicode_FromString("an anonymous segment")
                                 : PyObject_Repr(segment->path);
}

PyObject *segment_status_error(Segment *segment, ax_segment_status status, PyObject *name)
{
    PyObject *where = segment_name(segment);
    if (where == NULL) {
        return NULL;
    }
    switch (status) {
    case AX_SEGMENT_MISSING:
        PyErr_SetObject(PyExc_KeyError, name);
        break;
    case AX_SEGMENT_FULL:
        PyErr_Format(PyExc_ValueError, "the segment is full: %U has room for %llu series, cannot add %R",
                     where, (unsigned long long)segment->view.capacity, name);
        break;
    default:
        PyErr_Format(PyExc_ValueError, "%U is damaged", where);
        break;
    }
    Py_DECREF(where);
    return NULL;
}

bool segment_warn(Segment *segment, const ax_entry *made)
{
    uint64_t used = (uint64_t)made->low_used + made->high_used - 1, capacity = segment->view.capacity;
    bool full = used >= capacity - capacity / 10 ||
                ax_segment_heap_used(&segment->view) >= segment->view.heap_bytes / 10 * 9;
    uint64_t unwarned = 0;
    if (!full || !ax_word_compare_exchange(&segment->warned, &unwarned, 1)) {
        return true;
    }
    PyObject *where = segment_name(segment);
    int status = -1;
    if (where != NULL) {
        status = PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "%U is nearly full: %llu of %llu series", where,
                                  (unsigned long long)used, (unsigned long long)capacity);
        Py_DECREF(where);
    }
    return status == 0;
}

PyObject *segment_kept(ax_pointer *slot)
{
    for (;;) {
        PyObject *found = ax_pointer_load(slot);
        if (found == NULL) {
            return NULL;
        }
        if (!ax_object_try_acquire(found)) {
            continue; /* it was released, so the slot has changed */
        }
        if (ax_pointer_load(slot) == found) {
            return found;
        }
        ax_object_release(found);
    }
}

PyObject *segment_keep(ax_pointer *slot, PyObject *made)
{
    for (;;) {
        void *none = NULL;
        ax_object_share(made);
        Py_INCREF(made);
        if (ax_pointer_compare_exchange(slot, &none, made)) {
            return made;
        }
        Py_DECREF(made);
        PyObject *found = segment_kept(slot);
        if (found != NULL) {
            Py_DECREF(made);
            return found;
        }
    }
}

/* The slot for an entry's object; NULL with an exception. */
static ax_pointer *object_slot(Segment *segment, const ax_entry *entry)
{
    size_t chunk = entry->number / CHUNK;
    if (chunk >= segment->chunk_count) {
        (void)segment_status_error(segment, AX_SEGMENT_DAMAGED, NULL);
        return NULL;
    }
    ax_pointer *slots = ax_pointer_load(&segment->chunks[chunk]);
    if (slots == NULL) {
        void *found = NULL;
        slots = PyMem_RawCalloc(CHUNK, sizeof *slots);
        if (slots == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        if (!ax_pointer_compare_exchange(&segment->chunks[chunk], &found, slots)) {
            PyMem_RawFree(slots);
            slots = found;
        }
    }
    return &slots[entry->number % CHUNK];
}

bool segment_chunks_new(Segment *segment)
{
    enum { LEAST_ENTRY = AX_ENTRY_HEADER_BYTES + AX_ENTRY_UNIT };
    size_t count = (size_t)(segment->view.heap_bytes / LEAST_ENTRY / CHUNK + 1);
    segment->chunks = PyMem_RawCalloc(count, sizeof *segment->chunks);
    segment->seen = PyMem_RawCalloc((size_t)segment->view.processes + 1, 2 * sizeof *segment->seen);
    if (segment->chunks == NULL || segment->seen == NULL) {
        PyErr_NoMemory();
        return false;
    }
    segment->chunk_count = count; /* not before: giving up frees what there is */
    return true;
}

int segment_chunks_visit(Segment *segment, visitproc visit, void *arg)
{
    for (size_t i = 0; i < segment->chunk_count; i++) {
        ax_pointer *slots = ax_pointer_load(&segment->chunks[i]);
        for (size_t j = 0; slots != NULL && j < CHUNK; j++) {
            PyObject *object = ax_pointer_load(&slots[j]);
            Py_VISIT(object);
        }
    }
    return 0;
}

void segment_chunks_empty(Segment *segment)
{
    for (size_t i = 0; i < segment->chunk_count; i++) {
        ax_pointer *slots = ax_pointer_load(&segment->chunks[i]);
        for (size_t j = 0; slots != NULL && j < CHUNK; j++) {
            Py_XDECREF((PyObject *)ax_pointer_exchange(&slots[j], NULL));
        }
    }
}

void segment_chunks_free(Segment *segment)
{
    segment_chunks_empty(segment);
    for (size_t i = 0; i < segment->chunk_count; i++) {
        PyMem_RawFree(ax_pointer_load(&segment->chunks[i]));
    }
    PyMem_RawFree(segment->chunks);
    PyMem_RawFree(segment->seen);
    PyMem_RawFree(ax_pointer_load(&segment->parts));
    segment->chunk_count = 0;
}

/* A SharedInt or SharedFloat over the word of an entry. */
static PyObject *word_cell_new(Segment *segment, const ax_entry *entry)
{
    ModuleState *state = module_state_of_derived(Py_TYPE(segment));
    if (state == NULL) {
        return NULL;
    }
    PyTypeObject *type = entry->kind == AX_KIND_INT ? state->shared_int : state->shared_float;
    PyObject *cell = PyObject_CallFunction((PyObject *)type, "OK", (PyObject *)segment,
                                           (unsigned long long)ax_entry_value(entry));
    if (cell == NULL && PyErr_ExceptionMatches(PyExc_BufferError) &&
        ax_word_load(&segment->state) != SEGMENT_OPEN) {
        PyErr_Clear();
        (void)segment_closed_error(); /* another thread closed it just now */
    }
    return cell;
}

static PyTypeObject *type_of(Segment *segment, const ax_entry *entry)
{
    ModuleState *state = module_state_of_derived(Py_TYPE(segment));
    if (state == NULL) {
        return NULL;
    }
    return entry->kind == AX_KIND_COUNTER ? state->shared_counter
           : entry->kind == AX_KIND_GAUGE ? state->shared_gauge
                                          : state->shared_histogram;
}

static bool bounds_copy(Segment *segment, const ax_entry *bounds_of, double **bounds)
{
    uint64_t offset = ax_entry_bounds(bounds_of);
    *bounds = PyMem_RawMalloc(bounds_of->bound_count * sizeof **bounds);
    if (*bounds == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (uint32_t i = 0; i < bounds_of->bound_count; i++) {
        (*bounds)[i] = ax_float_load(ax_segment_word(&segment->view, offset + 8 * (uint64_t)i));
    }
    return true;
}

bool segment_cell_init(SegmentCell *cell, Segment *segment, const ax_entry *entry, const ax_entry *bounds_of)
{
    cell->segment = (Segment *)Py_NewRef((PyObject *)segment);
    cell->entry = *entry;
    if (entry->kind != AX_KIND_HISTOGRAM) {
        return true;
    }
    cell->entry.bound_count = bounds_of->bound_count;
    return bounds_copy(segment, bounds_of, &cell->bounds);
}

PyObject *segment_cell_new(Segment *segment, const ax_entry *entry, const ax_entry *bounds_of)
{
    if (entry->kind == AX_KIND_INT || entry->kind == AX_KIND_FLOAT) {
        return word_cell_new(segment, entry);
    }
    PyTypeObject *type = type_of(segment, entry);
    PyObject *cell = type == NULL ? NULL : type->tp_alloc(type, 0);
    if (cell != NULL && !segment_cell_init(segment_cell(cell), segment, entry, bounds_of)) {
        Py_CLEAR(cell);
    }
    if (cell != NULL) {
        ax_enable_deferred_refcount(cell); /* a cell is meant to be shared */
    }
    return cell;
}

/* Whether the object stored under the number of an entry belongs to this entry: a hostile file can have two
 * entries with the same number. */
static bool object_is_of(PyObject *object, Segment *segment, const ax_entry *entry)
{
    ModuleState *state = module_state_of_derived(Py_TYPE(segment));
    if (state == NULL) {
        PyErr_Clear();
        return false;
    }
    if (Py_TYPE(object) == state->shared_int || Py_TYPE(object) == state->shared_float) {
        return ((SharedCell *)object)->word == ax_segment_word(&segment->view, ax_entry_value(entry)) &&
               (Py_TYPE(object) == state->shared_int) == (entry->kind == AX_KIND_INT);
    }
    return segment_cell(object)->entry.offset == entry->offset &&
           segment_cell(object)->entry.kind == entry->kind &&
           (Py_TYPE(object) == state->shared_family) == (entry->label_count != 0);
}

PyObject *segment_object(Segment *segment, const ax_entry *entry, const ax_entry *bounds_of)
{
    ax_pointer *slot = object_slot(segment, entry);
    if (slot == NULL) {
        return NULL;
    }
    PyObject *object = segment_kept(slot);
    if (object == NULL) {
        object = entry->label_count != 0 ? shared_family_new(segment, entry)
                                         : segment_cell_new(segment, entry, bounds_of);
        object = object == NULL ? NULL : segment_keep(slot, object);
    }
    if (object != NULL && !object_is_of(object, segment, entry)) {
        Py_DECREF(object);
        return segment_status_error(segment, AX_SEGMENT_DAMAGED, NULL);
    }
    return object;
}

bool segment_as_observation(PyObject *object, double *value)
{
    if (!as_double(object, value)) {
        return false;
    }
    if (ax_float_is_nan(*value)) {
        PyErr_SetString(PyExc_ValueError, "a histogram has no bucket for NaN");
        return false;
    }
    return true;
}

bool segment_as_count(PyObject *object, int64_t *count)
{
    if (!as_int64(object, count)) {
        return false;
    }
    if (*count < 0) {
        PyErr_Format(PyExc_ValueError, "a counter can only count up, not by %lld", (long long)*count);
        return false;
    }
    return true;
}

/* What the cell types share */

PyObject *segment_bounds_tuple(const SegmentCell *cell)
{
    PyObject *bounds = PyTuple_New((Py_ssize_t)cell->entry.bound_count);
    for (uint32_t i = 0; bounds != NULL && i < cell->entry.bound_count; i++) {
        PyObject *bound = PyFloat_FromDouble(cell->bounds[i]);
        if (bound == NULL) {
            Py_CLEAR(bounds);
        } else {
            PyTuple_SET_ITEM(bounds, (Py_ssize_t)i, bound);
        }
    }
    return bounds;
}

int segment_cell_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT((PyObject *)segment_cell(self)->segment);
    return cell_traverse(self, visit, arg);
}

/* There is no tp_clear: a cell never changes, so every cycle through it leads through its segment. */
void segment_cell_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    Py_XDECREF((PyObject *)segment_cell(self)->segment);
    PyMem_RawFree(segment_cell(self)->bounds);
    cell_end_dealloc(self);
}

PyMemberDef segment_cell_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(SegmentCell, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyObject *segment_sum_object(ax_sum sum)
{
    if (ax_sum_fits(sum)) {
        return PyLong_FromLongLong((long long)sum.low);
    }
    /* Outside int64: the sum of several processes' parts. */
    PyObject *high = PyLong_FromLongLong(sum.high), *low = PyLong_FromUnsignedLongLong(sum.low);
    PyObject *shift = PyLong_FromLong(64), *total = NULL;
    if (high != NULL && low != NULL && shift != NULL) {
        Py_SETREF(high, PyNumber_Lshift(high, shift));
        total = high == NULL ? NULL : PyNumber_Add(high, low);
    }
    Py_XDECREF(high);
    Py_XDECREF(low);
    Py_XDECREF(shift);
    return total;
}
