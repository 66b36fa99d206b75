/* float_operations.h: the methods of AtomicFloat and SharedFloat, compiled once for each.
 *
 * The includer provides the word through cell_enter and cell_leave: see int_operations.h.
 */
#ifndef AX_FLOAT_OPERATIONS_H
#define AX_FLOAT_OPERATIONS_H

#include "cell.h"

#include "ax_float.h"
#include "docstrings.h"

/* The core's operations on a cell. False with ValueError if it has no word. */

AX_INLINE bool float_read(PyObject *self, double *value)
{
    ax_word *word;
    if (!cell_enter_to_read(self, &word)) {
        return false;
    }
    *value = ax_float_load(word);
    cell_leave(self);
    return true;
}

AX_INLINE bool float_write(PyObject *self, double value)
{
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return false;
    }
    ax_float_store(word, value);
    cell_leave(self);
    return true;
}

AX_INLINE bool float_replace(PyObject *self, double value, double *previous)
{
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return false;
    }
    *previous = ax_float_exchange(word, value);
    cell_leave(self);
    return true;
}

/* Sets *expected to the witness. */
AX_INLINE bool float_swap(PyObject *self, double *expected, double desired, bool *swapped)
{
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return false;
    }
    *swapped = ax_float_compare_exchange(word, expected, desired);
    cell_leave(self);
    return true;
}

AX_INLINE bool float_apply(PyObject *self, ax_float_step step, double operand, double *previous,
                           double *result)
{
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return false;
    }
    ax_float_apply(word, step, operand, previous, result);
    cell_leave(self);
    return true;
}

static PyObject *float_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    double value;
    return float_read(self, &value) ? PyFloat_FromDouble(value) : NULL;
}

static PyObject *float_store(PyObject *self, PyObject *argument)
{
    double value;
    if (!as_double(argument, &value) || !float_write(self, value)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Returns prepared, filled in, if the operation was done; otherwise releases it, and an exception is set. */
AX_INLINE PyObject *float_answer(PyObject *prepared, bool done, double value)
{
    if (!done) {
        Py_DECREF(prepared);
        return NULL;
    }
    return fill_float(prepared, value);
}

static PyObject *float_exchange(PyObject *self, PyObject *argument)
{
    double value, previous = 0.0;
    if (!as_double(argument, &value)) {
        return NULL;
    }
    PyObject *answer = prepare_float();
    if (answer == NULL) {
        return NULL;
    }
    bool done = float_replace(self, value, &previous);
    return float_answer(answer, done, previous);
}

/* Reads two operands, without a call if they are floats, as most are. */
AX_INLINE bool float_read_pair(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, double *first,
                               double *second)
{
    if (!is_pair(nargs, kwnames) || !PyFloat_CheckExact(args[0]) || !PyFloat_CheckExact(args[1])) {
        return false;
    }
    *first = PyFloat_AS_DOUBLE(args[0]);
    *second = PyFloat_AS_DOUBLE(args[1]);
    return true;
}

AX_INLINE PyObject *float_swap_answer(PyObject *self, double expected, double desired)
{
    bool swapped;
    return float_swap(self, &expected, desired, &swapped) ? bool_object(swapped) : NULL;
}

static PyObject *float_compare_and_set_pair(PyObject *self, PyObject *const *pair)
{
    double expected, desired;
    return as_double(pair[0], &expected) && as_double(pair[1], &desired)
               ? float_swap_answer(self, expected, desired)
               : NULL;
}

static const pair_method float_compare_and_set_method = {float_compare_and_set_pair, "compare_and_set",
                                                         "expected", "desired"};

static PyObject *float_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *kwnames)
{
    double expected, desired;
    return float_read_pair(args, nargs, kwnames, &expected, &desired)
               ? float_swap_answer(self, expected, desired)
               : call_with_pair(&float_compare_and_set_method, self, args, nargs, kwnames);
}

AX_INLINE PyObject *float_exchange_answer(PyObject *self, double witness, double desired)
{
    bool swapped;
    PyObject *answer = prepare_float();
    if (answer == NULL) {
        return NULL;
    }
    bool done = float_swap(self, &witness, desired, &swapped);
    return float_answer(answer, done, witness);
}

static PyObject *float_compare_exchange_pair(PyObject *self, PyObject *const *pair)
{
    double witness, desired;
    return as_double(pair[0], &witness) && as_double(pair[1], &desired)
               ? float_exchange_answer(self, witness, desired)
               : NULL;
}

static const pair_method float_compare_exchange_method = {float_compare_exchange_pair, "compare_exchange",
                                                          "expected", "desired"};

static PyObject *float_compare_exchange(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                        PyObject *kwnames)
{
    double witness, desired;
    return float_read_pair(args, nargs, kwnames, &witness, &desired)
               ? float_exchange_answer(self, witness, desired)
               : call_with_pair(&float_compare_exchange_method, self, args, nargs, kwnames);
}

/* The operations that apply a step. They differ in the step and in what they return. */

AX_INLINE PyObject *float_apply_none(PyObject *self, ax_float_step step, PyObject *argument)
{
    double operand, previous, result;
    if (!as_double(argument, &operand) || !float_apply(self, step, operand, &previous, &result)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Raises TypeError and never returns NotImplemented: the right operand's own addition would rebind the
 * name. */
AX_INLINE PyObject *float_apply_in_place(PyObject *self, ax_float_step step, PyObject *argument)
{
    double operand, previous, result;
    if (!as_double(argument, &operand) || !float_apply(self, step, operand, &previous, &result)) {
        return NULL;
    }
    return Py_NewRef(self);
}

AX_INLINE PyObject *float_apply_previous(PyObject *self, ax_float_step step, PyObject *argument)
{
    double operand, previous = 0.0, result;
    PyObject *answer = as_double(argument, &operand) ? prepare_float() : NULL;
    if (answer == NULL) {
        return NULL;
    }
    bool done = float_apply(self, step, operand, &previous, &result);
    return float_answer(answer, done, previous);
}

AX_INLINE PyObject *float_apply_result(PyObject *self, ax_float_step step, PyObject *argument)
{
    double operand, previous, result = 0.0;
    PyObject *answer = as_double(argument, &operand) ? prepare_float() : NULL;
    if (answer == NULL) {
        return NULL;
    }
    bool done = float_apply(self, step, operand, &previous, &result);
    return float_answer(answer, done, result);
}

static PyObject *float_add(PyObject *self, PyObject *argument)
{
    return float_apply_none(self, ax_float_step_add, argument);
}

static PyObject *float_fetch_add(PyObject *self, PyObject *argument)
{
    return float_apply_previous(self, ax_float_step_add, argument);
}

static PyObject *float_fetch_sub(PyObject *self, PyObject *argument)
{
    return float_apply_previous(self, ax_float_step_sub, argument);
}

static PyObject *float_fetch_max(PyObject *self, PyObject *argument)
{
    return float_apply_previous(self, ax_float_step_max, argument);
}

static PyObject *float_fetch_min(PyObject *self, PyObject *argument)
{
    return float_apply_previous(self, ax_float_step_min, argument);
}

static PyObject *float_add_fetch(PyObject *self, PyObject *argument)
{
    return float_apply_result(self, ax_float_step_add, argument);
}

static PyObject *float_sub_fetch(PyObject *self, PyObject *argument)
{
    return float_apply_result(self, ax_float_step_sub, argument);
}

/* Calls function(value). Returns the result as a new float, and in *desired; NULL with what it raised, or
 * with an exception if it did not return a number. */
static PyObject *float_call(PyObject *function, PyObject *value, double *desired)
{
    PyObject *returned = PyObject_CallOneArg(function, value);
    if (returned == NULL) {
        return NULL;
    }
    bool converted = as_double(returned, desired);
    Py_DECREF(returned);
    return converted ? PyFloat_FromDouble(*desired) : NULL;
}

/* Replaces the value by function(value), and retries until no other change came in between. Holds nothing
 * while the function runs. True with references to the replaced value and to the new one; false with an
 * exception, and nothing changed. */
static bool float_update_with(PyObject *self, PyObject *function, PyObject **previous, PyObject **result)
{
    double expected, desired;
    if (!float_read(self, &expected)) {
        return false;
    }
    for (;;) {
        *previous = PyFloat_FromDouble(expected);
        *result = *previous == NULL ? NULL : float_call(function, *previous, &desired);
        if (*result == NULL) {
            Py_XDECREF(*previous);
            return false;
        }
        bool swapped = false;
        bool tried = float_swap(self, &expected, desired, &swapped);
        if (swapped) {
            return true;
        }
        Py_DECREF(*previous);
        Py_DECREF(*result);
        cell_contended(self);
        if (!tried || !before_retry()) {
            return false;
        }
    }
}

static PyObject *float_update(PyObject *self, PyObject *function)
{
    PyObject *previous, *result;
    if (!float_update_with(self, function, &previous, &result)) {
        return NULL;
    }
    Py_DECREF(previous);
    return result;
}

static PyObject *float_fetch_update(PyObject *self, PyObject *function)
{
    PyObject *previous, *result;
    if (!float_update_with(self, function, &previous, &result)) {
        return NULL;
    }
    Py_DECREF(result);
    return previous;
}

static PyObject *float_iadd(PyObject *self, PyObject *argument)
{
    return float_apply_in_place(self, ax_float_step_add, argument);
}

static PyObject *float_isub(PyObject *self, PyObject *argument)
{
    return float_apply_in_place(self, ax_float_step_sub, argument);
}

static PyObject *float_float(PyObject *self)
{
    return float_load(self, NULL);
}

static PyObject *float_str(PyObject *self)
{
    return cell_str(float_load(self, NULL));
}

static PyObject *float_format(PyObject *self, PyObject *spec)
{
    return cell_format(float_load(self, NULL), spec);
}

static int float_bool(PyObject *self)
{
    double value;
    return float_read(self, &value) ? value != 0.0 : -1;
}

/* The rows of both types' tables, one per line; each type adds its own. */
/* clang-format off */

#define FLOAT_METHODS \
    {"load", float_load, METH_NOARGS, DOC_AtomicFloat_load}, \
    {"store", float_store, METH_O, DOC_AtomicFloat_store}, \
    {"exchange", float_exchange, METH_O, DOC_AtomicFloat_exchange}, \
    {"compare_and_set", AX_METHOD(float_compare_and_set), AX_PAIR, DOC_AtomicFloat_compare_and_set}, \
    {"compare_exchange", AX_METHOD(float_compare_exchange), AX_PAIR, DOC_AtomicFloat_compare_exchange}, \
    {"add", float_add, METH_O, DOC_AtomicFloat_add}, \
    {"fetch_add", float_fetch_add, METH_O, DOC_AtomicFloat_fetch_add}, \
    {"fetch_sub", float_fetch_sub, METH_O, DOC_AtomicFloat_fetch_sub}, \
    {"add_fetch", float_add_fetch, METH_O, DOC_AtomicFloat_add_fetch}, \
    {"sub_fetch", float_sub_fetch, METH_O, DOC_AtomicFloat_sub_fetch}, \
    {"fetch_max", float_fetch_max, METH_O, DOC_AtomicFloat_fetch_max}, \
    {"fetch_min", float_fetch_min, METH_O, DOC_AtomicFloat_fetch_min}, \
    {"update", float_update, METH_O, DOC_AtomicFloat_update}, \
    {"fetch_update", float_fetch_update, METH_O, DOC_AtomicFloat_fetch_update}, \
    {"__format__", float_format, METH_O, DOC_CELL_FORMAT},

#define FLOAT_SLOTS \
    {Py_nb_float, float_float}, \
    {Py_nb_bool, float_bool}, \
    {Py_tp_str, float_str}, \
    {Py_nb_inplace_add, float_iadd}, \
    {Py_nb_inplace_subtract, float_isub},

/* clang-format on */

#endif
