/* family_operations.c: the operations that a Family forwards to its children.
 *
 * inc, dec, add, store and observe find the child and change it in one section. They take no reference to the
 * child, because threads that count under the same labels would all write its reference count. This holds for
 * children of exactly our C types, whose operations run no Python code, and for amounts whose conversion runs
 * none. For any other child or amount, or to raise an exception, they take a reference to the child, and call
 * its method. */
#include "word_cell.h"

#include "family.h"

#include <stdlib.h>

#include "ax_float.h"
#include "ax_int.h"
#include "counter_cell.h"
#include "docstrings.h"

/* The argument of an operation, and its value if that can be determined without running Python code. */
typedef struct {
    PyObject *given; /* borrowed; NULL: the operation takes no argument */
    bool is_integer, is_real;
    int64_t integer;
    double real;
} Amount;

typedef enum {
    CHILD_ABSENT,   /* there is no child yet */
    CHILD_CHANGED,  /* done */
    CHILD_OVERFLOW, /* refused, and nothing changed */
    CHILD_TO_CALL,  /* its method has to be called: there is a new reference to it */
} ChildOutcome;

AX_INLINE Amount amount_from(PyObject *given)
{
    Amount amount = {.given = given};
    if (given == NULL) {
        return amount;
    }
    if (PyFloat_Check(given)) {
        amount.is_real = true;
        amount.real = PyFloat_AS_DOUBLE(given);
    } else if (ax_long_read(given, &amount.integer)) {
        amount.is_integer = amount.is_real = true;
        amount.real = (double)amount.integer;
    } else if (PyLong_Check(given)) {
        int overflow;
        amount.integer = PyLong_AsLongLongAndOverflow(given, &overflow); /* raises nothing for an int */
        amount.is_integer = amount.is_real = overflow == 0;
        amount.real = (double)amount.integer;
    }
    return amount;
}

AX_INLINE ChildOutcome integer_apply(PyObject *child, ax_int_step step, int64_t operand)
{
    int64_t previous, result;
    return ax_int_apply(word_of(child), step, operand, &previous, &result) ? CHILD_CHANGED : CHILD_OVERFLOW;
}

AX_INLINE ChildOutcome counter_change(PyObject *child, uint64_t count)
{
    return counter_apply(counter_of(child), count) == AX_OVERFLOW ? CHILD_OVERFLOW : CHILD_CHANGED;
}

AX_INLINE ChildOutcome integer_change(PyObject *child, ChildOperation operation, const Amount *amount)
{
    switch (operation) {
    case CHILD_INC:
        return integer_apply(child, ax_int_step_add, 1);
    case CHILD_DEC:
        return integer_apply(child, ax_int_step_sub, 1);
    case CHILD_ADD:
        return amount->is_integer ? integer_apply(child, ax_int_step_add, amount->integer) : CHILD_TO_CALL;
    case CHILD_STORE:
        if (!amount->is_integer) {
            return CHILD_TO_CALL;
        }
        ax_int_store(word_of(child), amount->integer);
        return CHILD_CHANGED;
    default:
        return CHILD_TO_CALL;
    }
}

AX_INLINE ChildOutcome float_change(PyObject *child, ChildOperation operation, const Amount *amount)
{
    double previous, result;
    if (!amount->is_real || (operation != CHILD_ADD && operation != CHILD_STORE)) {
        return CHILD_TO_CALL;
    }
    if (operation == CHILD_ADD) {
        ax_float_apply(word_of(child), ax_float_step_add, amount->real, &previous, &result);
    } else {
        ax_float_store(word_of(child), amount->real);
    }
    return CHILD_CHANGED;
}

/* Changes a child, in a section; CHILD_TO_CALL, and nothing changed, if that needs a call. Linearization
 * point: that of the child's own operation. Lock-free, like that operation. Runs no Python code. */
AX_INLINE ChildOutcome child_change(const ModuleState *state, PyObject *child, ChildOperation operation,
                                    const Amount *amount)
{
    PyTypeObject *type = Py_TYPE(child);
    if (type == state->counter) {
        if (operation == CHILD_INC) {
            return counter_change(child, 1);
        }
        if (operation == CHILD_ADD && amount->is_integer && amount->integer >= 0) {
            return counter_change(child, (uint64_t)amount->integer);
        }
    } else if (type == state->integer) {
        return integer_change(child, operation, amount);
    } else if (type == state->floating) {
        return float_change(child, operation, amount);
    } else if (type == state->histogram && operation == CHILD_OBSERVE && amount->is_real &&
               histogram_try_record(child, amount->real)) {
        return CHILD_CHANGED;
    } else if (type == state->exponential_histogram && operation == CHILD_OBSERVE && amount->is_real &&
               exponential_try_record(child, amount->real)) {
        return CHILD_CHANGED;
    }
    return CHILD_TO_CALL;
}

/* Finds the child in which the labels count, and changes it. */
AX_INLINE ChildOutcome find_and_change(Family *family, const FamilyDefinition *definition,
                                       const LabelQuery *query, ChildOperation operation,
                                       const Amount *amount, PyObject **child)
{
    ChildOutcome outcome = CHILD_ABSENT;
    ax_section section = ax_section_enter(section_thread());
    const ax_table_entry *entry = family_find(family, &section, definition, query);
    if (entry != NULL) {
        outcome = child_change(family->state, entry->value, operation, amount);
        if (outcome == CHILD_TO_CALL) {
            *child = Py_NewRef((PyObject *)entry->value);
        }
    }
    ax_section_leave(section);
    family_collect(family);
    return outcome;
}

/* Calls the child's method, and releases the child. */
AX_NOINLINE static PyObject *child_call(const ModuleState *state, PyObject *child, ChildOperation operation,
                                        PyObject *given)
{
    PyObject *args[] = {child, given};
    PyObject *returned =
        PyObject_VectorcallMethod(state->operations[operation], args, given == NULL ? 1 : 2, NULL);
    Py_DECREF(child);
    if (returned == NULL) {
        return NULL;
    }
    Py_DECREF(returned);
    Py_RETURN_NONE;
}

/* Returns None, or NULL with an exception set. */
AX_INLINE PyObject *settle(Family *family, ChildOutcome outcome, PyObject *child, ChildOperation operation,
                           PyObject *given)
{
    if (outcome == CHILD_CHANGED) {
        Py_RETURN_NONE;
    }
    return outcome == CHILD_OVERFLOW ? result_overflow() : child_call(family->state, child, operation, given);
}

/* For labels that labels_view does not accept, or that have no child yet. */
AX_NOINLINE static PyObject *operate_by_request(PyObject *self, ChildOperation operation, PyObject *given,
                                                PyObject *const *values, Py_ssize_t count)
{
    Family *family = family_of(self);
    PyObject *child = NULL;
    LabelRequest request;
    if (!labels_ask(self, values, count, &request)) {
        return NULL;
    }
    Amount amount = amount_from(given);
    ChildOutcome outcome =
        find_and_change(family, request.definition, &request.query, operation, &amount, &child);
    if (outcome == CHILD_ABSENT) {
        outcome = CHILD_TO_CALL;
        child = family_make(self, &request);
    }
    labels_done(&request);
    return outcome == CHILD_TO_CALL && child == NULL ? NULL
                                                     : settle(family, outcome, child, operation, given);
}

AX_INLINE PyObject *operate(PyObject *self, ChildOperation operation, PyObject *given,
                            PyObject *const *values, Py_ssize_t count)
{
    Family *family = family_of(self);
    const FamilyDefinition *definition = definition_of(family);
    LabelBuffer buffer;
    LabelQuery query;
    if (definition != NULL && count == definition->labels &&
        labels_view(&family->state->hash_key, values, count, &buffer, &query)) {
        PyObject *child = NULL;
        Amount amount = amount_from(given);
        ChildOutcome outcome = find_and_change(family, definition, &query, operation, &amount, &child);
        if (outcome != CHILD_ABSENT) {
            return settle(family, outcome, child, operation, given);
        }
    }
    return operate_by_request(self, operation, given, values, count);
}

/* The same for operations whose first argument is the amount. */
AX_INLINE PyObject *operate_with(PyObject *self, ChildOperation operation, const char *method,
                                 PyObject *const *args, Py_ssize_t nargs)
{
    if (!check_arity(method, nargs, 1, PY_SSIZE_T_MAX)) {
        return NULL;
    }
    return operate(self, operation, args[0], args + 1, nargs - 1);
}

PyObject *family_inc(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return operate(self, CHILD_INC, NULL, args, nargs);
}

PyObject *family_dec(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return operate(self, CHILD_DEC, NULL, args, nargs);
}

PyObject *family_add(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return operate_with(self, CHILD_ADD, "add", args, nargs);
}

PyObject *family_store(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return operate_with(self, CHILD_STORE, "store", args, nargs);
}

PyObject *family_observe(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return operate_with(self, CHILD_OBSERVE, "observe", args, nargs);
}

/* Returns what the child's method of this name, which takes no arguments, returns. */
static PyObject *ask_child(PyObject *self, PyObject *const *values, Py_ssize_t count, const char *method)
{
    PyObject *child = family_child(self, values, count);
    PyObject *answer = child == NULL ? NULL : PyObject_CallMethod(child, method, NULL);
    Py_XDECREF(child);
    return answer;
}

PyObject *family_track(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return ask_child(self, args, nargs, "track");
}

PyObject *family_time(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return ask_child(self, args, nargs, "time");
}

/* The index of the label with this name, a str; -1 if there is none. */
static Py_ssize_t label_named(const FamilyDefinition *definition, PyObject *name)
{
    for (Py_ssize_t i = 0; i < definition->labels; i++) {
        PyObject *known = PyTuple_GET_ITEM(definition->names, i);
        if (known == name || PyUnicode_Compare(known, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Puts the values of the keywords into label order; false with TypeError. */
static bool values_by_name(const FamilyDefinition *definition, PyObject *const *given, PyObject *kwnames,
                           PyObject **values)
{
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        Py_ssize_t label = label_named(definition, name);
        if (label < 0) {
            PyErr_Format(PyExc_TypeError, "labels() got an unexpected label name %R", name);
            return false;
        }
        values[label] = given[i];
    }
    for (Py_ssize_t i = 0; i < definition->labels; i++) {
        if (values[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "labels() missing the value of label %R",
                         PyTuple_GET_ITEM(definition->names, i));
            return false;
        }
    }
    return true;
}

PyObject *family_labels(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const FamilyDefinition *definition = family_definition(self);
    if (definition == NULL) {
        return NULL;
    }
    if (nargs != 0) {
        PyErr_Format(PyExc_TypeError, "labels() takes keyword arguments only (%zd positional given)", nargs);
        return NULL;
    }
    PyObject **values = PyMem_Calloc((size_t)definition->labels, sizeof(PyObject *)); /* borrowed */
    if (values == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *child = NULL;
    if (values_by_name(definition, args, kwnames, values)) {
        child = family_child(self, values, definition->labels);
    }
    PyMem_Free(values);
    return child;
}
