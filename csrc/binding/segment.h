/* segment.h: a mapped segment, and what its cells have in common. It must be included first, because it
 * requests atomics that hold between processes.
 *
 * Life. Every cell holds a reference to its segment, and the segment holds references to the cells that it
 * returned, so that the cell of a name is always the same object. The collector sees these references. The
 * memory is released with the segment. So close() has nothing to wait for: it marks the segment closed and
 * releases its cells, and an operation in progress ends in memory that still exists. No descriptor is kept
 * open.
 */
#ifndef AX_SEGMENT_OBJECT_H
#define AX_SEGMENT_OBJECT_H

#define AX_SHARED_MEMORY
#include "ax_py.h"

#include "ax_segment.h"
#include "segment_process.h"
#include "types.h"

enum { SEGMENT_NEW, SEGMENT_OPENING, SEGMENT_OPEN, SEGMENT_CLOSED };

typedef struct {
    PyObject_HEAD
    ax_segment view;    /* immutable once the segment is open */
    ax_word state;      /* atomic: SEGMENT_... */
    bool readonly;      /* immutable, like all fields up to path */
    ax_word *claim;     /* atomic: epoch << 16 | stripe of this process, for all mappings of the file */
    ax_pointer *chunks; /* of objects, indexed by the number of the entry */
    size_t chunk_count;
    ax_word *seen;     /* atomic, two per stripe: an owner, and until when it counts as alive without /proc */
    PyObject *path;    /* a str; NULL if it is anonymous */
    ax_word own_epoch; /* atomic: the epoch in which `own` is the stripe of this process; NOBODY if the
                          process may not count */
    ax_pointer own;    /* atomic */
    ax_word own_claim; /* atomic: the claim of an anonymous segment */
    ax_word spare;     /* atomic: see segment_spare */
    ax_word spare_of;  /* atomic: the epoch of the process that `spare` belongs to */
    ax_word warned;    /* atomic: whether the warning that it is nearly full was given */
    ax_word warned_of_parts; /* atomic: whether the warning that there is no stripe for parts was given */
    ax_word warned_of_close; /* atomic: whether the warning that parts count in a closed segment was given */
    ax_pointer parts;        /* atomic: a bit per word of a stripe, set if this mapping made a SharedPart with
                                this first word; NULL: it made none */
    PyObject *weakrefs;      /* owned by the interpreter */
} Segment;

/* A cell of a segment: SharedCounter, SharedGauge, SharedHistogram, and the head of a SharedFamily. All
 * fields are immutable after creation. */
typedef struct {
    PyObject_HEAD
    Segment *segment;   /* owned */
    ax_entry entry;     /* a checked copy, made with the cell */
    double *bounds;     /* for a histogram; owned */
    PyObject *weakrefs; /* owned by the interpreter */
} SegmentCell;

AX_INLINE SegmentCell *segment_cell(PyObject *self)
{
    return (SegmentCell *)self;
}

/* Sets ValueError, because the segment is closed or was opened read-only; returns false. */
bool segment_closed_error(void);
bool segment_readonly_error(void);

AX_INLINE bool segment_is_open(Segment *segment)
{
    return ax_word_load(&segment->state) == SEGMENT_OPEN || segment_closed_error();
}

/* Not an epoch. */
#define SEGMENT_NOBODY UINT64_MAX

/* Claims a stripe for this process and returns it, or stripe 0 if there is none; NULL with ValueError if the
 * segment is closed or read-only. */
ax_word *segment_claim_stripe(Segment *segment);

/* The same, but claims only when a process counts for the first time. Lock-free; runs no Python code. */
AX_INLINE ax_word *segment_stripe(Segment *segment)
{
    if (ax_word_load(&segment->own_epoch) == ax_word_load(process_epoch_word)) {
        return ax_pointer_load(&segment->own);
    }
    return segment_claim_stripe(segment);
}

/* What ax_segment_make calls spare. A forked child has a copy of it, but the memory that it names is the
 * parent's, so in a new epoch it begins with 0. Wait-free. */
ax_word *segment_spare(Segment *segment);

/* ax_segment_is_alive for a Segment. */
bool segment_owner_is_alive(void *segment, uint64_t stripe, uint64_t owner);

/* The name of a segment in messages: a new reference, or NULL. */
PyObject *segment_name(Segment *segment);

/* Sets the exception for a status other than FOUND and MADE; returns NULL. */
PyObject *segment_status_error(Segment *segment, ax_segment_status status, PyObject *name);

/* Warns once that the segment is nearly full; false with an exception if a filter turned the warning into
 * one. */
bool segment_warn(Segment *segment, const ax_entry *made);

/* The objects of entries, each made on first use. */
bool segment_chunks_new(Segment *segment);
int segment_chunks_visit(Segment *segment, visitproc visit, void *arg);
void segment_chunks_empty(Segment *segment);
void segment_chunks_free(Segment *segment);

/* The object of an entry: a new reference, or NULL with an exception. bounds_of is the entry that has a
 * histogram's bounds: the entry itself, or its family's. */
PyObject *segment_object(Segment *segment, const ax_entry *entry, const ax_entry *bounds_of);

/* Stores a new object (stolen) in a slot, unless another thread was first. Returns a new reference to what is
 * there now. */
PyObject *segment_keep(ax_pointer *slot, PyObject *made);

/* A new cell of an entry's kind, over its run. For a family's entry it is the overflow child. */
PyObject *segment_cell_new(Segment *segment, const ax_entry *entry, const ax_entry *bounds_of);
bool segment_cell_init(SegmentCell *cell, Segment *segment, const ax_entry *entry, const ax_entry *bounds_of);

/* Begins the parts of this process, which has just got its stripe. Wait-free. */
void segment_parts_begin(Segment *segment, ax_word *stripe); /* type_shared_part.c */

/* The method _parts of a segment. */
PyObject *segment_parts(PyObject *self, PyObject *unused);

PyObject *shared_family_new(Segment *segment, const ax_entry *entry); /* type_shared_family.c */

/* Only a segment makes these cells. */
#define SEGMENT_CELL_FLAGS (AX_TPFLAGS_CELL | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION)

/* A new reference to what a slot holds; NULL without an exception if it is empty. */
PyObject *segment_kept(ax_pointer *slot);

/* The name of a kind in messages. */
const char *segment_kind_name(uint16_t kind);

/* The bounds of a histogram, or of a family of them, as a tuple. */
PyObject *segment_bounds_tuple(const SegmentCell *cell);

/* Slots of all segment cells. */
int segment_cell_traverse(PyObject *self, visitproc visit, void *arg);
void segment_cell_dealloc(PyObject *self);
extern PyMemberDef segment_cell_members[];

/* A new int for a sum; NULL with MemoryError. */
PyObject *segment_sum_object(ax_sum sum);

/* The operations on a run, for cells and families. False with ValueError (closed, read-only, or a store
 * without a stripe) or OverflowError. Linearization point: the compare-and-swap of the word. Lock-free, once
 * this process has its stripe. They run no Python code. */

AX_INLINE bool segment_add(Segment *segment, uint32_t word, int64_t delta)
{
    int64_t previous, result;
    ax_word *stripe = segment_stripe(segment);
    if (stripe == NULL) {
        return false;
    }
    if (!ax_int_apply(stripe + word, ax_int_step_add, delta, &previous, &result)) {
        PyErr_SetString(PyExc_OverflowError, "result does not fit in a signed 64-bit integer");
        return false;
    }
    return true;
}

AX_INLINE bool segment_store(Segment *segment, uint32_t word, int64_t value)
{
    ax_word *stripe = segment_stripe(segment), *nobodys = ax_segment_stripe_word(&segment->view, 0, 0);
    if (stripe == NULL || stripe == nobodys) {
        if (stripe == nobodys) {
            PyErr_SetString(PyExc_ValueError,
                            "store() needs a stripe of its own in the segment, and all of them belong "
                            "to living processes");
        }
        return false;
    }
    ax_int_store(stripe + word, value);
    return true;
}

/* The bucket of a value that is not a NaN: the first one whose bound is not less. */
AX_INLINE uint32_t segment_bucket(const double *bounds, uint32_t count, double value)
{
    uint32_t start = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        start += bounds[start + half - 1] < value ? half : 0;
        count -= half;
    }
    return start + (bounds[start] < value);
}

/* Counts first and then adds the value: see ax_buckets.h. The sum is the first word of the run. */
AX_INLINE bool segment_observe(Segment *segment, uint32_t word, const double *bounds, uint32_t count,
                               double value)
{
    int64_t previous, result;
    double sum_before, sum_after;
    ax_word *stripe = segment_stripe(segment);
    if (stripe == NULL) {
        return false;
    }
    ax_word *own = stripe + word;
    (void)ax_int_apply(own + 1 + segment_bucket(bounds, count, value), ax_int_step_add, 1, &previous,
                       &result);
    ax_float_apply(own, ax_float_step_add, value, &sum_before, &sum_after);
    return true;
}

/* Converts the argument of observe(); false with an exception. */
bool segment_as_observation(PyObject *object, double *value);

/* Converts the amount that a counter adds; false with an exception. */
bool segment_as_count(PyObject *object, int64_t *count);

#endif
