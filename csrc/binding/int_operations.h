/* int_operations.h: the methods of AtomicInt and SharedInt, compiled once for each.
 *
 * The includer provides the word through three functions, which it defines or includes before this header:
 *
 *   bool cell_enter(PyObject *self, ax_word **word)   true: *word may be used until cell_leave. False, with a
 *                                                     ValueError: the cell has no word (any longer).
 *   void cell_leave(PyObject *self)                   may run Python code: nothing is held, nothing is raised
 *   void cell_contended(PyObject *self)               another thread came in between; update() calls it
 *                                                     before it tries again
 *
 * It also defines CELL_DEALLOC, the type's tp_dealloc; CELL_IS_SHARED, whether other processes use the word
 * too; and CELL_OWN_WORD(self), the word if it belongs to this process alone and lives as long as the cell,
 * otherwise NULL.
 *
 * An operation that changes nothing enters with cell_enter_to_read(self, &word), which is otherwise the same.
 *
 * Operands are converted before a cell is entered, and nothing runs Python code between enter and leave. An
 * operation that returns an int allocates it there, which runs no Python code.
 */
#ifndef AX_INT_OPERATIONS_H
#define AX_INT_OPERATIONS_H

#include "cell.h"
#include "int_apply.h"

#include "ax_int.h"
#include "docstrings.h"
#include "types.h"

static PyObject *int_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    int64_t value;
    return int_read(self, &value) ? int_from(value) : NULL;
}

static PyObject *int_store(PyObject *self, PyObject *argument)
{
    int64_t value;
    if (!as_int64(argument, &value) || !int_write(self, value)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Reads two operands, without a call if they are small ints, as most are. */
AX_INLINE bool int_read_pair(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *first,
                             int64_t *second)
{
    return is_pair(nargs, kwnames) && ax_long_read(args[0], first) && ax_long_read(args[1], second);
}

AX_INLINE PyObject *int_swap_answer(PyObject *self, int64_t expected, int64_t desired)
{
    bool swapped;
    return int_swap(self, &expected, desired, &swapped) ? bool_object(swapped) : NULL;
}

static PyObject *int_compare_and_set_pair(PyObject *self, PyObject *const *pair)
{
    int64_t expected, desired;
    return as_int64(pair[0], &expected) && as_int64(pair[1], &desired)
               ? int_swap_answer(self, expected, desired)
               : NULL;
}

static const pair_method int_compare_and_set_method = {int_compare_and_set_pair, "compare_and_set",
                                                       "expected", "desired"};

static PyObject *int_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames)
{
    int64_t expected, desired;
    return int_read_pair(args, nargs, kwnames, &expected, &desired)
               ? int_swap_answer(self, expected, desired)
               : call_with_pair(&int_compare_and_set_method, self, args, nargs, kwnames);
}

/* If the witness is not the expected value, returns it as a new int: nothing changes after that, so it may be
 * made now. NULL with MemoryError. Otherwise returns a new reference to expected, an int. */
AX_INLINE PyObject *int_exchange_answer(PyObject *self, PyObject *expected, int64_t witness, int64_t desired)
{
    bool swapped;
    if (!int_swap(self, &witness, desired, &swapped)) {
        return NULL;
    }
    return swapped ? Py_NewRef(expected) : int_from(witness);
}

static PyObject *int_compare_exchange_pair(PyObject *self, PyObject *const *pair)
{
    int64_t witness, desired;
    if (!as_int64(pair[0], &witness) || !as_int64(pair[1], &desired)) {
        return NULL;
    }
    PyObject *expected = int_from(witness); /* the argument may be a subclass of int, or not an int at all */
    PyObject *answer = expected == NULL ? NULL : int_exchange_answer(self, expected, witness, desired);
    Py_XDECREF(expected);
    return answer;
}

static const pair_method int_compare_exchange_method = {int_compare_exchange_pair, "compare_exchange",
                                                        "expected", "desired"};

static PyObject *int_compare_exchange(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                      PyObject *kwnames)
{
    int64_t witness, desired;
    return int_read_pair(args, nargs, kwnames, &witness, &desired)
               ? int_exchange_answer(self, args[0], witness, desired)
               : call_with_pair(&int_compare_exchange_method, self, args, nargs, kwnames);
}

static PyObject *int_exchange(PyObject *self, PyObject *argument)
{
    return int_apply_previous(self, ax_int_step_replace, argument);
}

static PyObject *int_inc(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return int_apply_none(self, ax_int_step_add, 1);
}

static PyObject *int_dec(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return int_apply_none(self, ax_int_step_sub, 1);
}

static PyObject *int_add(PyObject *self, PyObject *argument)
{
    int64_t delta;
    return as_int64(argument, &delta) ? int_apply_none(self, ax_int_step_add, delta) : NULL;
}

static PyObject *int_fetch_add(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!check_arity("fetch_add", nargs, 0, 1)) {
        return NULL;
    }
    return int_apply_previous(self, ax_int_step_add, nargs ? args[0] : NULL);
}

static PyObject *int_fetch_sub(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!check_arity("fetch_sub", nargs, 0, 1)) {
        return NULL;
    }
    return int_apply_previous(self, ax_int_step_sub, nargs ? args[0] : NULL);
}

static PyObject *int_fetch_and(PyObject *self, PyObject *argument)
{
    return int_apply_previous(self, ax_int_step_and, argument);
}

static PyObject *int_fetch_or(PyObject *self, PyObject *argument)
{
    return int_apply_previous(self, ax_int_step_or, argument);
}

static PyObject *int_fetch_xor(PyObject *self, PyObject *argument)
{
    return int_apply_previous(self, ax_int_step_xor, argument);
}

static PyObject *int_fetch_max(PyObject *self, PyObject *argument)
{
    return int_apply_previous(self, ax_int_step_max, argument);
}

static PyObject *int_fetch_min(PyObject *self, PyObject *argument)
{
    return int_apply_previous(self, ax_int_step_min, argument);
}

static PyObject *int_add_fetch(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!check_arity("add_fetch", nargs, 0, 1)) {
        return NULL;
    }
    return int_apply_result(self, ax_int_step_add, nargs ? args[0] : NULL);
}

static PyObject *int_sub_fetch(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!check_arity("sub_fetch", nargs, 0, 1)) {
        return NULL;
    }
    return int_apply_result(self, ax_int_step_sub, nargs ? args[0] : NULL);
}

static PyObject *int_advance(PyObject *self, PyObject *argument)
{
    return int_apply_result(self, ax_int_step_advance, argument);
}

AX_INLINE PyObject *int_try_add_answer(PyObject *self, int64_t delta, int64_t limit)
{
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return NULL;
    }
    bool added = ax_int_try_add(word, delta, limit);
    cell_leave(self);
    return bool_object(added);
}

static PyObject *int_try_add_pair(PyObject *self, PyObject *const *pair)
{
    int64_t delta, limit;
    return as_int64(pair[0], &delta) && as_int64(pair[1], &limit) ? int_try_add_answer(self, delta, limit)
                                                                  : NULL;
}

static const pair_method int_try_add_method = {int_try_add_pair, "try_add", "delta", "limit"};

static PyObject *int_try_add(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    int64_t delta, limit;
    return int_read_pair(args, nargs, kwnames, &delta, &limit)
               ? int_try_add_answer(self, delta, limit)
               : call_with_pair(&int_try_add_method, self, args, nargs, kwnames);
}

typedef struct {
    PyObject *index; /* owned */
    int64_t modulus;
} IndexAnswer;

AX_INLINE bool int_prepare_index(void *answer, int64_t previous, int64_t Py_UNUSED(result))
{
    IndexAnswer *wanted = answer;
    return prepare_int(&wanted->index, ax_int_index(previous, wanted->modulus));
}

static PyObject *int_fetch_inc_mod(PyObject *self, PyObject *argument)
{
    IndexAnswer answer = {.index = NULL};
    bool refused;
    if (!as_int64(argument, &answer.modulus)) {
        return NULL;
    }
    if (answer.modulus < 1) {
        PyErr_SetString(PyExc_ValueError, "modulus must be at least 1");
        return NULL;
    }
    (void)int_apply_with(self, ax_int_step_inc_mod, answer.modulus, int_prepare_index, &answer, &refused);
    return answer.index; /* NULL: an exception is set */
}

/* Calls function(value). Returns the result as a new int, and in *desired; NULL with what it raised, or with
 * an exception if it did not return an int64. */
static PyObject *int_call(PyObject *function, PyObject *value, int64_t *desired)
{
    PyObject *returned = PyObject_CallOneArg(function, value);
    if (returned == NULL) {
        return NULL;
    }
    bool converted = as_int64(returned, desired);
    Py_DECREF(returned);
    return converted ? int_from(*desired) : NULL;
}

/* Replaces the value by function(value), and retries until no other change came in between. Holds nothing
 * while the function runs. True with references to the replaced value and to the new one; false with an
 * exception, and nothing changed. */
static bool int_update_with(PyObject *self, PyObject *function, PyObject **previous, PyObject **result)
{
    int64_t expected, desired;
    if (!int_read(self, &expected)) {
        return false;
    }
    for (;;) {
        *previous = int_from(expected);
        *result = *previous == NULL ? NULL : int_call(function, *previous, &desired);
        if (*result == NULL) {
            Py_XDECREF(*previous);
            return false;
        }
        bool swapped = false;
        bool tried = int_swap(self, &expected, desired, &swapped);
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

static PyObject *int_update(PyObject *self, PyObject *function)
{
    PyObject *previous, *result;
    if (!int_update_with(self, function, &previous, &result)) {
        return NULL;
    }
    Py_DECREF(previous);
    return result;
}

static PyObject *int_fetch_update(PyObject *self, PyObject *function)
{
    PyObject *previous, *result;
    if (!int_update_with(self, function, &previous, &result)) {
        return NULL;
    }
    Py_DECREF(result);
    return previous;
}

/* What a guard calls to count. */
static bool int_count(PyObject *self, int64_t delta)
{
    return int_apply(self, ax_int_step_add, delta);
}

static PyObject *int_track(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ModuleState *state = module_state(Py_TYPE(self), CELL_DEALLOC);
    if (state == NULL) {
        return NULL;
    }
    return CELL_IS_SHARED ? guard_new_shared(state, self, int_count)
                          : guard_new(state, self, CELL_OWN_WORD(self));
}

/* What an admission calls to count. */
static bool int_try_count(PyObject *self, int64_t limit, bool *admitted)
{
    ax_word *word;
    if (!cell_enter(self, &word)) {
        return false;
    }
    *admitted = ax_int_try_add(word, 1, limit);
    cell_leave(self);
    return true;
}

static PyObject *int_admit(PyObject *self, PyObject *argument)
{
    int64_t limit;
    ModuleState *state = as_int64(argument, &limit) ? module_state(Py_TYPE(self), CELL_DEALLOC) : NULL;
    return state == NULL ? NULL : admission_new(state, self, int_try_count, int_count, limit, CELL_IS_SHARED);
}

static PyObject *int_iadd(PyObject *self, PyObject *argument)
{
    return int_apply_in_place(self, ax_int_step_add, argument);
}

static PyObject *int_isub(PyObject *self, PyObject *argument)
{
    return int_apply_in_place(self, ax_int_step_sub, argument);
}

static PyObject *int_iand(PyObject *self, PyObject *argument)
{
    return int_apply_in_place(self, ax_int_step_and, argument);
}

static PyObject *int_ior(PyObject *self, PyObject *argument)
{
    return int_apply_in_place(self, ax_int_step_or, argument);
}

static PyObject *int_ixor(PyObject *self, PyObject *argument)
{
    return int_apply_in_place(self, ax_int_step_xor, argument);
}

static PyObject *int_int(PyObject *self)
{
    return int_load(self, NULL);
}

static PyObject *int_str(PyObject *self)
{
    return cell_str(int_load(self, NULL));
}

static PyObject *int_format(PyObject *self, PyObject *spec)
{
    return cell_format(int_load(self, NULL), spec);
}

static int int_bool(PyObject *self)
{
    int64_t value;
    return int_read(self, &value) ? value != 0 : -1;
}

/* The rows of both types' tables, one per line; each type adds its own. */
/* clang-format off */

#define INT_METHODS \
    {"load", int_load, METH_NOARGS, DOC_AtomicInt_load}, \
    {"store", int_store, METH_O, DOC_AtomicInt_store}, \
    {"exchange", int_exchange, METH_O, DOC_AtomicInt_exchange}, \
    {"compare_and_set", AX_METHOD(int_compare_and_set), AX_PAIR, DOC_AtomicInt_compare_and_set}, \
    {"compare_exchange", AX_METHOD(int_compare_exchange), AX_PAIR, DOC_AtomicInt_compare_exchange}, \
    {"inc", int_inc, METH_NOARGS, DOC_AtomicInt_inc}, \
    {"dec", int_dec, METH_NOARGS, DOC_AtomicInt_dec}, \
    {"add", int_add, METH_O, DOC_AtomicInt_add}, \
    {"fetch_add", AX_METHOD(int_fetch_add), METH_FASTCALL, DOC_AtomicInt_fetch_add}, \
    {"fetch_sub", AX_METHOD(int_fetch_sub), METH_FASTCALL, DOC_AtomicInt_fetch_sub}, \
    {"fetch_and", int_fetch_and, METH_O, DOC_AtomicInt_fetch_and}, \
    {"fetch_or", int_fetch_or, METH_O, DOC_AtomicInt_fetch_or}, \
    {"fetch_xor", int_fetch_xor, METH_O, DOC_AtomicInt_fetch_xor}, \
    {"fetch_max", int_fetch_max, METH_O, DOC_AtomicInt_fetch_max}, \
    {"fetch_min", int_fetch_min, METH_O, DOC_AtomicInt_fetch_min}, \
    {"add_fetch", AX_METHOD(int_add_fetch), METH_FASTCALL, DOC_AtomicInt_add_fetch}, \
    {"sub_fetch", AX_METHOD(int_sub_fetch), METH_FASTCALL, DOC_AtomicInt_sub_fetch}, \
    {"try_add", AX_METHOD(int_try_add), AX_PAIR, DOC_AtomicInt_try_add}, \
    {"fetch_inc_mod", int_fetch_inc_mod, METH_O, DOC_AtomicInt_fetch_inc_mod}, \
    {"advance", int_advance, METH_O, DOC_AtomicInt_advance}, \
    {"update", int_update, METH_O, DOC_AtomicInt_update}, \
    {"fetch_update", int_fetch_update, METH_O, DOC_AtomicInt_fetch_update}, \
    {"track", int_track, METH_NOARGS, DOC_AtomicInt_track}, \
    {"admit", int_admit, METH_O, DOC_AtomicInt_admit}, \
    {"__format__", int_format, METH_O, DOC_CELL_FORMAT},

#define INT_SLOTS \
    {Py_nb_int, int_int}, \
    {Py_nb_bool, int_bool}, \
    {Py_tp_str, int_str}, \
    {Py_nb_inplace_add, int_iadd}, \
    {Py_nb_inplace_subtract, int_isub}, \
    {Py_nb_inplace_and, int_iand}, \
    {Py_nb_inplace_or, int_ior}, \
    {Py_nb_inplace_xor, int_ixor},

/* clang-format on */

#endif
