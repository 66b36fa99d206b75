/* types.h: the types, each made by its own file, and what they need from the module. */
#ifndef AX_TYPES_H
#define AX_TYPES_H

#include "ax_py.h"

#include "ax_hash.h"

extern PyType_Spec int_spec;                   /* type_int.c */
extern PyType_Spec float_spec;                 /* type_float.c */
extern PyType_Spec bool_spec;                  /* type_bool.c */
extern PyType_Spec ref_spec;                   /* type_ref.c */
extern PyType_Spec counter_spec;               /* type_counter.c */
extern PyType_Spec histogram_spec;             /* type_histogram.c */
extern PyType_Spec exponential_histogram_spec; /* type_exponential_histogram.c */
extern PyType_Spec family_spec;                /* type_family.c */
extern PyType_Spec shared_int_spec;            /* type_shared_int.c */
extern PyType_Spec shared_float_spec;          /* type_shared_float.c */
extern PyType_Spec shared_counter_spec;        /* type_shared_counter.c */
extern PyType_Spec shared_gauge_spec;          /* type_shared_gauge.c */
extern PyType_Spec shared_histogram_spec;      /* type_shared_histogram.c */
extern PyType_Spec shared_family_spec;         /* type_shared_family.c */
extern PyType_Spec shared_part_spec;           /* type_shared_part.c */
extern PyType_Spec segment_spec;               /* type_segment.c */
extern PyType_Spec untracked_guard_spec;       /* type_guard.c */
extern PyType_Spec guard_spec;                 /* type_guard.c */
extern PyType_Spec admission_spec;             /* type_admission.c */
extern PyType_Spec timer_spec;                 /* type_timer.c */

/* The operations that a Family forwards to its children, and their names. */
typedef enum {
    CHILD_INC,
    CHILD_DEC,
    CHILD_ADD,
    CHILD_STORE,
    CHILD_OBSERVE,
    CHILD_OPERATIONS, /* how many */
} ChildOperation;

/* One per module object, hence one per interpreter. Immutable after the module is executed, until it is
 * freed. */
typedef struct {
    PyTypeObject *guard;           /* of cells that the collector tracks */
    PyTypeObject *untracked_guard; /* of other cells: the same, but not tracked, so cheaper to make */
    PyTypeObject *admission;
    PyTypeObject *timer;
    PyTypeObject *snapshot;                 /* HistogramSnapshot, a named tuple */
    PyTypeObject *exponential_snapshot;     /* ExponentialHistogramSnapshot */
    PyTypeObject *integer;                  /* AtomicInt */
    PyTypeObject *counter;                  /* Counter */
    PyTypeObject *floating;                 /* AtomicFloat */
    PyTypeObject *histogram;                /* Histogram */
    PyTypeObject *exponential_histogram;    /* ExponentialHistogram */
    PyObject *operations[CHILD_OPERATIONS]; /* their names, as interned str */
    ax_hash_key hash_key;                   /* of label values: from the interpreter's own secret */
    PyTypeObject *segment;                  /* Segment's base, and the types that it makes */
    PyTypeObject *shared_int, *shared_float, *shared_counter, *shared_gauge, *shared_histogram,
        *shared_family;
    PyObject *c_api; /* the capsule of the C API: it holds no object, so traversal does not visit it */
} ModuleState;

/* The state of the module that made type or one of its base types; NULL with TypeError. */
ModuleState *module_state_of_derived(PyTypeObject *type);

/* The same, but without a search if type is the module's own type with this tp_dealloc. Types that derive
 * from it have another tp_dealloc, or are found by the search. */
AX_INLINE ModuleState *module_state(PyTypeObject *type, destructor dealloc)
{
    return type->tp_dealloc == dealloc ? PyType_GetModuleState(type) : module_state_of_derived(type);
}

/* Prepares the core's process-wide state before anything else is made; false with MemoryError. */
bool core_start(void);

/* Adds delta to a cell; false with an exception, and nothing changed. */
typedef bool (*guard_count)(PyObject *cell, int64_t delta);

/* Adds one to a cell unless that would pass limit, and sets *admitted; false with an exception, and nothing
 * changed. */
typedef bool (*guard_try)(PyObject *cell, int64_t limit, bool *admitted);

/* A new guard for a cell of this process, whose word lives as long as the cell; or for a shared cell, which
 * count changes. The latter does nothing in a process that did not enter it. NULL with an exception set. */
PyObject *guard_new(ModuleState *state, PyObject *cell, ax_word *word);
PyObject *guard_new_shared(ModuleState *state, PyObject *cell, guard_count count);

/* Converts the items of a tuple, which may run any code; false with an exception set. */
bool as_histogram_bounds(PyObject *items, double *bounds);

/* The guard that admit(limit) of a cell returns: like guard_new, but entered by try_count. */
PyObject *admission_new(ModuleState *state, PyObject *cell, guard_try try_count, guard_count count,
                        int64_t limit, bool shared);

/* Observes how many seconds a block took; false with an exception. */
typedef bool (*timer_record)(PyObject *histogram, double seconds);

/* A new timer for a histogram, which record changes; NULL with an exception set. `shared`: other processes
 * use the histogram too, so the timer does nothing in a process that did not enter it. */
PyObject *timer_new(ModuleState *state, PyObject *histogram, timer_record record, bool shared);

/* A HistogramSnapshot of counts (a tuple of int), sum (a float) and bounds (a tuple of float); NULL with
 * MemoryError. */
PyObject *snapshot_new(ModuleState *state, PyObject *counts, PyObject *sum, PyObject *bounds);

/* The repr of an object that belongs to a cell: `<Guard of cell>`, with an optional tail after the cell.
 * Guards against recursion. */
PyObject *repr_of(PyObject *self, const char *type, PyObject *cell, const char *tail);

/* Observes value in a Histogram. False, and nothing changed, if value is NaN or the histogram has no bounds
 * yet. Sets no exception and runs no Python code. */
bool histogram_try_record(PyObject *histogram, double value);

/* The same for an ExponentialHistogram: false if it has no bucket for value. */
bool exponential_try_record(PyObject *histogram, double value);

/* Calls a guard or a timer, which decorates the function in args: returns what the function `how` of
 * atomicx._decorator makes from `with` and that function. Decorating is rare and its result is a Python
 * function, so it is written in Python, for both backends. */
PyObject *decorate(const char *how, PyObject *with, PyObject *args, PyObject *kwargs);

#endif
