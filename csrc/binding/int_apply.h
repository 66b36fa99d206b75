/* int_apply.h: what the methods of AtomicInt and SharedInt are made of: they read, write and swap the word of
 * a cell, or apply a step to it, and make the answer.
 *
 * Only int_operations.h includes it, and says there what has to be defined before.
 */
#ifndef AX_INT_APPLY_H
#define AX_INT_APPLY_H

#include "cell.h"

#include "ax_int.h"

static PyObject *int_from(int64_t value)
{
    return PyLong_FromLongLong(value);
}

/* The core's operations on a cell. False with ValueError if it has no word. */

AX_INLINE bool int_read(PyObject *self, int64_t *value)
{
    ax_word *word;
    if (!cell_enter_to_read(self, &word)) {
        return false;
    }
    *value = ax_int_load(word);
    cell_leave(self);
    return true;
}

AX_INLINE bool int_write(PyObject *self, int64_t value)
{
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return false;
    }
    ax_int_store(word, value);
    cell_leave(self);
    return true;
}

/* Sets *expected to the witness. */
AX_INLINE bool int_swap(PyObject *self, int64_t *expected, int64_t desired, bool *swapped)
{
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return false;
    }
    *swapped = ax_int_compare_exchange(word, expected, desired);
    cell_leave(self);
    return true;
}

/* Also false, with OverflowError, if the step refuses. */
AX_INLINE bool int_apply(PyObject *self, ax_int_step step, int64_t operand)
{
    int64_t previous, result;
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return false;
    }
    bool applied = ax_int_apply(word, step, operand, &previous, &result);
    cell_leave(self);
    if (!applied) {
        (void)result_overflow();
    }
    return applied;
}

/* Also false, with MemoryError, if the answer cannot be prepared. If the step refuses, sets *refused and
 * returns true. */
AX_INLINE bool int_apply_with(PyObject *self, ax_int_step step, int64_t operand, ax_int_prepare prepare,
                              void *answer, bool *refused)
{
    int64_t previous, result;
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return false;
    }
    ax_application application =
        ax_int_apply_prepared(word, step, operand, &previous, &result, prepare, answer);
    cell_leave(self);
    *refused = application == AX_REFUSED;
    return application != AX_UNPREPARED;
}

/* The operations that apply a step. Each is one call of int_apply or int_apply_with, specialised by inlining.
 * They differ in the step, in where the operand comes from, and in what they return. */

/* Does a whole operation whose first attempt was overtaken. Out of line and tail-called, so that the first
 * attempt needs no frame. */
AX_NOINLINE static PyObject *int_apply_none_overtaken(PyObject *self, ax_int_step step, int64_t operand)
{
    cell_contended(self);
    if (!int_apply(self, step, operand)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

AX_INLINE PyObject *int_apply_none(PyObject *self, ax_int_step step, int64_t operand)
{
    if (AX_NOTICES_SHARING && !CELL_IS_SHARED) {
        ax_application application = ax_int_try_apply(CELL_OWN_WORD(self), step, operand);
        if (application == AX_OVERTAKEN) {
            return int_apply_none_overtaken(self, step, operand);
        }
        if (application == AX_REFUSED) {
            return result_overflow();
        }
        Py_RETURN_NONE;
    }
    if (!int_apply(self, step, operand)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

AX_INLINE PyObject *int_apply_in_place(PyObject *self, ax_int_step step, PyObject *argument)
{
    int64_t operand;
    /* A TypeError, never NotImplemented: the right operand's own addition would rebind the name. */
    if (!as_int64(argument, &operand) || !int_apply(self, step, operand)) {
        return NULL;
    }
    return Py_NewRef(self);
}

/* Applies the step and returns the answer. A missing operand (NULL) stands for 1. */
AX_INLINE PyObject *int_apply_prepared(PyObject *self, ax_int_step step, PyObject *argument,
                                       ax_int_prepare prepare)
{
    int64_t operand = 1;
    bool refused;
    if (argument != NULL && !as_int64(argument, &operand)) {
        return NULL;
    }
    PyObject *answer = NULL;
    if (int_apply_with(self, step, operand, prepare, &answer, &refused) && refused) {
        Py_XDECREF(answer); /* from an earlier attempt */
        return result_overflow();
    }
    return answer; /* NULL: an exception is set */
}

AX_INLINE bool int_prepare_previous(void *answer, int64_t previous, int64_t result)
{
    (void)result;
    return prepare_int(answer, previous);
}

AX_INLINE bool int_prepare_result(void *answer, int64_t previous, int64_t result)
{
    (void)previous;
    return prepare_int(answer, result);
}

AX_INLINE PyObject *int_apply_previous(PyObject *self, ax_int_step step, PyObject *argument)
{
    return int_apply_prepared(self, step, argument, int_prepare_previous);
}

AX_INLINE PyObject *int_apply_result(PyObject *self, ax_int_step step, PyObject *argument)
{
    return int_apply_prepared(self, step, argument, int_prepare_result);
}

#endif
