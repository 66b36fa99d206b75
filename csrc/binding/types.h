/* types.h: the types, each made by a file of its own, and what they ask of the module. */
#ifndef AX_TYPES_H
#define AX_TYPES_H

#include "ax_py.h"

#include "ax_hash.h"

extern PyType_Spec int_spec;          /* type_int.c */
extern PyType_Spec float_spec;        /* type_float.c */
extern PyType_Spec bool_spec;         /* type_bool.c */
extern PyType_Spec ref_spec;          /* type_ref.c */
extern PyType_Spec counter_spec;      /* type_counter.c */
extern PyType_Spec histogram_spec;    /* type_histogram.c */
extern PyType_Spec family_spec;       /* type_family.c */
extern PyType_Spec shared_int_spec;   /* type_shared_int.c */
extern PyType_Spec shared_float_spec; /* type_shared_float.c */
extern PyType_Spec guard_spec;        /* type_guard.c */
extern PyType_Spec timer_spec;        /* type_timer.c */

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
    PyTypeObject *guard;
    PyTypeObject *timer;
    PyTypeObject *snapshot;                 /* HistogramSnapshot, a named tuple */
    PyObject *entries;                      /* a context variable: the entries of timers that are shared */
    PyTypeObject *integer;                  /* AtomicInt */
    PyTypeObject *counter;                  /* Counter */
    PyTypeObject *floating;                 /* AtomicFloat */
    PyTypeObject *histogram;                /* Histogram */
    PyObject *operations[CHILD_OPERATIONS]; /* the names, interned str */
    ax_hash_key hash_key;                   /* of label values: from the interpreter's own secret */
    PyObject *c_api; /* the capsule of the C API: holds no object, so the collector does not ask for it */
} ModuleState;

/* The state of the module that made type, or a type that it derives from; NULL with TypeError. */
ModuleState *module_state(PyTypeObject *type);

/* Prepares the core's state of the process, before anything is made; false with MemoryError. */
bool core_start(void);

/* Adds delta to a cell; false with an exception, and nothing changed. */
typedef bool (*guard_count)(PyObject *cell, int64_t delta);

/* A new guard of a cell that count counts in; NULL with an exception set. */
PyObject *guard_new(ModuleState *state, PyObject *cell, guard_count count);

/* A new timer of a Histogram; NULL with an exception set. */
PyObject *timer_new(ModuleState *state, PyObject *histogram);

/* Observes value, no NaN, in a Histogram that has its bounds. */
void histogram_record(PyObject *histogram, double value);

/* Observes value in a Histogram; false, and nothing changed, if value is NaN, or if it has no bounds yet.
 * Sets no exception, runs no Python code. */
bool histogram_try_record(PyObject *histogram, double value);

/* The call of a guard or a timer, which decorates the function in args: what the function `how` of
 * atomicx._decorator makes of with and it. Decorating is rare and its result is a Python function, so it is
 * written in Python, for both backends. */
PyObject *decorate(const char *how, PyObject *with, PyObject *args, PyObject *kwargs);

#endif
