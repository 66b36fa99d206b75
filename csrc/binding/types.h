/* types.h: the types, each made by a file of its own, and what they ask of the module. */
#ifndef AX_TYPES_H
#define AX_TYPES_H

#include "ax_py.h"

#include "ax_hash.h"

extern PyType_Spec int_spec;              /* type_int.c */
extern PyType_Spec float_spec;            /* type_float.c */
extern PyType_Spec bool_spec;             /* type_bool.c */
extern PyType_Spec ref_spec;              /* type_ref.c */
extern PyType_Spec counter_spec;          /* type_counter.c */
extern PyType_Spec histogram_spec;        /* type_histogram.c */
extern PyType_Spec family_spec;           /* type_family.c */
extern PyType_Spec shared_int_spec;       /* type_shared_int.c */
extern PyType_Spec shared_float_spec;     /* type_shared_float.c */
extern PyType_Spec shared_counter_spec;   /* type_shared_counter.c */
extern PyType_Spec shared_gauge_spec;     /* type_shared_gauge.c */
extern PyType_Spec shared_histogram_spec; /* type_shared_histogram.c */
extern PyType_Spec shared_family_spec;    /* type_shared_family.c */
extern PyType_Spec segment_spec;          /* type_segment.c */
extern PyType_Spec untracked_guard_spec;  /* type_guard.c */
extern PyType_Spec guard_spec;            /* type_guard.c */
extern PyType_Spec admission_spec;        /* type_admission.c */
extern PyType_Spec timer_spec;            /* type_timer.c */

/* The operations that a Family hands on to its children, and their names. */
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
    PyTypeObject *guard;           /* of cells that the collector knows */
    PyTypeObject *untracked_guard; /* of the others: the same without it, which takes less to make */
    PyTypeObject *admission;
    PyTypeObject *timer;
    PyTypeObject *snapshot;                 /* HistogramSnapshot, a named tuple */
    PyTypeObject *integer;                  /* AtomicInt */
    PyTypeObject *counter;                  /* Counter */
    PyTypeObject *floating;                 /* AtomicFloat */
    PyTypeObject *histogram;                /* Histogram */
    PyObject *operations[CHILD_OPERATIONS]; /* the names, interned str */
    ax_hash_key hash_key;                   /* of label values: from the interpreter's own secret */
    PyTypeObject *segment;                  /* the types that segments make, and what makes them */
    PyTypeObject *shared_int, *shared_float, *shared_counter, *shared_gauge, *shared_histogram,
        *shared_family;
    PyObject *c_api; /* the capsule of the C API: holds no object, so the collector does not ask for it */
} ModuleState;

/* The state of the module that made type, or a type that it derives from; NULL with TypeError. */
ModuleState *module_state_of_derived(PyTypeObject *type);

/* The same, without a search if type is the module's own type whose tp_dealloc this is: types that derive
 * from it have another one, or find theirs by the search. */
AX_INLINE ModuleState *module_state(PyTypeObject *type, destructor dealloc)
{
    return type->tp_dealloc == dealloc ? PyType_GetModuleState(type) : module_state_of_derived(type);
}

/* Prepares the core's state of the process, before anything is made; false with MemoryError. */
bool core_start(void);

/* Adds delta to a cell; false with an exception, and nothing changed. */
typedef bool (*guard_count)(PyObject *cell, int64_t delta);

/* Adds one to a cell unless that would pass limit, and says whether it did; false with an exception, and
 * nothing changed. */
typedef bool (*guard_try)(PyObject *cell, int64_t limit, bool *admitted);

/* A new guard of a cell of this process, whose word lives as long as the cell; or of a shared one, in which
 * count counts: that does nothing in a process that did not enter it. NULL with an exception set. */
PyObject *guard_new(ModuleState *state, PyObject *cell, ax_word *word);
PyObject *guard_new_shared(ModuleState *state, PyObject *cell, guard_count count);

/* Converts the items of a tuple, which may run any code; false with an exception set. */
bool as_histogram_bounds(PyObject *items, double *bounds);

/* The guard that admit(limit) of a cell returns. The same, and try_count admits. */
PyObject *admission_new(ModuleState *state, PyObject *cell, guard_try try_count, guard_count count,
                        int64_t limit, bool shared);

/* Observes the seconds that a block took; false with an exception. */
typedef bool (*timer_record)(PyObject *histogram, double seconds);

/* A new timer of a histogram in which record observes; NULL with an exception set. `shared`: the histogram is
 * other processes' too, so the timer does nothing in a process that did not enter it. */
PyObject *timer_new(ModuleState *state, PyObject *histogram, timer_record record, bool shared);

/* A HistogramSnapshot of counts (a tuple of int), sum (a float) and bounds (a tuple of float); NULL with
 * MemoryError. */
PyObject *snapshot_new(ModuleState *state, PyObject *counts, PyObject *sum, PyObject *bounds);

/* `<Guard of cell>`, or with a tail after the cell: the repr of what has to do with a cell. Guards against
 * recursion. */
PyObject *repr_of(PyObject *self, const char *type, PyObject *cell, const char *tail);

/* Observes value in a Histogram; false, and nothing changed, if value is NaN, or if it has no bounds yet.
 * Sets no exception, runs no Python code. */
bool histogram_try_record(PyObject *histogram, double value);

/* The call of a guard or a timer, which decorates the function in args: what the function `how` of
 * atomicx._decorator makes of with and it. Decorating is rare and its result is a Python function, so it is
 * written in Python, for both backends. */
PyObject *decorate(const char *how, PyObject *with, PyObject *args, PyObject *kwargs);

#endif
