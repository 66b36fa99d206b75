/* type_int.c: AtomicInt. */
#include "cell.h"

#include "ax_int.h"
#include "docstrings.h"
#include "types.h"

static PyObject *int_from(int64_t value)
{
    return PyLong_FromLongLong(value);
}

static int int_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *argument;
    int64_t value = 0;
    int given = cell_init_argument("AtomicInt", args, kwargs, &argument);
    if (given < 0 || (given && !as_int64(argument, &value))) {
        return -1;
    }
    ax_int_store(word_of(self), value);
    return 0;
}

static PyObject *int_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return int_from(ax_int_load(word_of(self)));
}

static PyObject *int_store(PyObject *self, PyObject *argument)
{
    int64_t value;
    if (!as_int64(argument, &value)) {
        return NULL;
    }
    ax_int_store(word_of(self), value);
    Py_RETURN_NONE;
}

/* True with *expected and *desired set, for the two methods that follow. */
static bool int_expected_desired(const char *method, PyObject *const *args, Py_ssize_t nargs,
                                 int64_t *expected, int64_t *desired)
{
    return check_arity(method, nargs, 2, 2) && as_int64(args[0], expected) && as_int64(args[1], desired);
}

static PyObject *int_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    int64_t expected, desired;
    if (!int_expected_desired("compare_and_set", args, nargs, &expected, &desired)) {
        return NULL;
    }
    return bool_object(ax_int_compare_exchange(word_of(self), &expected, desired));
}

static PyObject *int_compare_exchange(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    int64_t witness, desired;
    if (!int_expected_desired("compare_exchange", args, nargs, &witness, &desired)) {
        return NULL;
    }
    PyObject *answer = int_from(witness); /* the witness if it swaps */
    if (answer != NULL && !ax_int_compare_exchange(word_of(self), &witness, desired)) {
        Py_DECREF(answer);
        answer = int_from(witness);
    }
    return answer;
}

/* The operations that apply a step. Each is one call of ax_int_apply or ax_int_apply_prepared, specialised by
 * inlining; they differ in the step, in where the operand comes from, and in what they return. */

AX_INLINE PyObject *int_apply_none(PyObject *self, ax_int_step step, int64_t operand)
{
    int64_t previous, result;
    if (!ax_int_apply(word_of(self), step, operand, &previous, &result)) {
        return result_overflow();
    }
    Py_RETURN_NONE;
}

AX_INLINE PyObject *int_apply_in_place(PyObject *self, ax_int_step step, PyObject *argument)
{
    int64_t operand, previous, result;
    /* A TypeError, never NotImplemented: the right operand's own addition would rebind the name. */
    if (!as_int64(argument, &operand)) {
        return NULL;
    }
    if (!ax_int_apply(word_of(self), step, operand, &previous, &result)) {
        return result_overflow();
    }
    return Py_NewRef(self);
}

/* Applies the step to an operand that may be missing (NULL), which stands for 1, and returns the answer. */
AX_INLINE PyObject *int_apply_prepared(PyObject *self, ax_int_step step, PyObject *argument,
                                       ax_int_prepare prepare)
{
    int64_t operand = 1, previous, result;
    if (argument != NULL && !as_int64(argument, &operand)) {
        return NULL;
    }
    PyObject *answer = NULL;
    ax_application application =
        ax_int_apply_prepared(word_of(self), step, operand, &previous, &result, prepare, &answer);
    if (application == AX_REFUSED) {
        Py_XDECREF(answer); /* of an earlier attempt */
        return result_overflow();
    }
    return answer; /* AX_UNPREPARED: NULL */
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

static PyObject *int_try_add(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    int64_t delta, limit;
    if (!check_arity("try_add", nargs, 2, 2) || !as_int64(args[0], &delta) || !as_int64(args[1], &limit)) {
        return NULL;
    }
    return bool_object(ax_int_try_add(word_of(self), delta, limit));
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
    int64_t previous, result;
    if (!as_int64(argument, &answer.modulus)) {
        return NULL;
    }
    if (answer.modulus < 1) {
        PyErr_SetString(PyExc_ValueError, "modulus must be at least 1");
        return NULL;
    }
    (void)ax_int_apply_prepared(word_of(self), ax_int_step_inc_mod, answer.modulus, &previous, &result,
                                int_prepare_index, &answer);
    return answer.index; /* AX_UNPREPARED: NULL */
}

/* function(value) as a new int, and in *desired; NULL with what it raised, or if it returned no int64. */
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

/* Replaces the value by function(value), until no other change came in between. Holds nothing while the
 * function runs. True with references to the value replaced and to the new one; false with an exception,
 * and nothing changed. */
static bool int_update_with(PyObject *self, PyObject *function, PyObject **previous, PyObject **result)
{
    int64_t expected = ax_int_load(word_of(self)), desired;
    for (;;) {
        *previous = int_from(expected);
        *result = *previous == NULL ? NULL : int_call(function, *previous, &desired);
        if (*result == NULL) {
            Py_XDECREF(*previous);
            return false;
        }
        if (ax_int_compare_exchange(word_of(self), &expected, desired)) {
            return true;
        }
        Py_DECREF(*previous);
        Py_DECREF(*result);
        if (!before_retry()) {
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

static PyObject *int_track(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ModuleState *state = module_state(Py_TYPE(self));
    return state == NULL ? NULL : guard_new(state, self);
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
    return int_from(ax_int_load(word_of(self)));
}

static int int_bool(PyObject *self)
{
    return ax_int_load(word_of(self)) != 0;
}

static PyObject *int_repr(PyObject *self)
{
    return cell_repr(self, int_int(self));
}

static PyMethodDef int_methods[] = {
    {"load", int_load, METH_NOARGS, DOC_AtomicInt_load},
    {"store", int_store, METH_O, DOC_AtomicInt_store},
    {"exchange", int_exchange, METH_O, DOC_AtomicInt_exchange},
    {"compare_and_set", AX_METHOD(int_compare_and_set), METH_FASTCALL, DOC_AtomicInt_compare_and_set},
    {"compare_exchange", AX_METHOD(int_compare_exchange), METH_FASTCALL,
     DOC_AtomicInt_compare_exchange},
    {"inc", int_inc, METH_NOARGS, DOC_AtomicInt_inc},
    {"dec", int_dec, METH_NOARGS, DOC_AtomicInt_dec},
    {"add", int_add, METH_O, DOC_AtomicInt_add},
    {"fetch_add", AX_METHOD(int_fetch_add), METH_FASTCALL, DOC_AtomicInt_fetch_add},
    {"fetch_sub", AX_METHOD(int_fetch_sub), METH_FASTCALL, DOC_AtomicInt_fetch_sub},
    {"fetch_and", int_fetch_and, METH_O, DOC_AtomicInt_fetch_and},
    {"fetch_or", int_fetch_or, METH_O, DOC_AtomicInt_fetch_or},
    {"fetch_xor", int_fetch_xor, METH_O, DOC_AtomicInt_fetch_xor},
    {"fetch_max", int_fetch_max, METH_O, DOC_AtomicInt_fetch_max},
    {"fetch_min", int_fetch_min, METH_O, DOC_AtomicInt_fetch_min},
    {"add_fetch", AX_METHOD(int_add_fetch), METH_FASTCALL, DOC_AtomicInt_add_fetch},
    {"sub_fetch", AX_METHOD(int_sub_fetch), METH_FASTCALL, DOC_AtomicInt_sub_fetch},
    {"try_add", AX_METHOD(int_try_add), METH_FASTCALL, DOC_AtomicInt_try_add},
    {"fetch_inc_mod", int_fetch_inc_mod, METH_O, DOC_AtomicInt_fetch_inc_mod},
    {"advance", int_advance, METH_O, DOC_AtomicInt_advance},
    {"update", int_update, METH_O, DOC_AtomicInt_update},
    {"fetch_update", int_fetch_update, METH_O, DOC_AtomicInt_fetch_update},
    {"track", int_track, METH_NOARGS, DOC_AtomicInt_track},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_AtomicInt___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot int_slots[] = {
    {Py_tp_doc, (void *)DOC_AtomicInt},
    {Py_tp_new, PyType_GenericNew}, /* zero; ignores the arguments, which int_init checks */
    {Py_tp_init, int_init},
    {Py_tp_dealloc, cell_dealloc},
    {Py_tp_traverse, cell_traverse},
    {Py_tp_repr, int_repr},
    {Py_tp_methods, int_methods},
    {Py_tp_members, word_cell_members},
    {Py_nb_int, int_int},
    {Py_nb_bool, int_bool},
    {Py_nb_inplace_add, int_iadd},
    {Py_nb_inplace_subtract, int_isub},
    {Py_nb_inplace_and, int_iand},
    {Py_nb_inplace_or, int_ior},
    {Py_nb_inplace_xor, int_ixor},
    {0, NULL},
};

PyType_Spec int_spec = {
    .name = "atomicx.AtomicInt",
    .basicsize = sizeof(WordCell),
    .flags = AX_TPFLAGS_CELL,
    .slots = int_slots,
};
