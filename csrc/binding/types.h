/* types.h: the types, each made by a file of its own, and what they ask of the module. */
#ifndef AX_TYPES_H
#define AX_TYPES_H

#include "ax_py.h"

extern PyType_Spec int_spec;     /* type_int.c */
extern PyType_Spec float_spec;   /* type_float.c */
extern PyType_Spec bool_spec;    /* type_bool.c */
extern PyType_Spec ref_spec;     /* type_ref.c */
extern PyType_Spec counter_spec; /* type_counter.c */
extern PyType_Spec guard_spec;   /* type_guard.c */

/* One a module object, so one an interpreter. Immutable after the module is executed. */
typedef struct {
    PyTypeObject *guard;
} ModuleState;

/* The state of the module that made type, or a type that it derives from; NULL with TypeError. */
ModuleState *module_state(PyTypeObject *type);

/* A new guard of an AtomicInt; NULL with an exception set. */
PyObject *guard_new(ModuleState *state, PyObject *cell);

#endif
