/* type_float.c: AtomicFloat. */
#include "cell.h"

#include "ax_float.h"
#include "docstrings.h"
#include "types.h"

static int float_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *argument;
    double value = 0.0;
    int given = cell_init_argument("AtomicFloat", args, kwargs, &argument);
    if (given < 0 || (given && !as_double(argument, &value))) {
        return -1;
    }
    ax_float_store(word_of(self), value);
    return 0;
}

static PyObject *float_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return PyFloat_FromDouble(ax_float_load(word_of(self)));
}

static PyObject *float_store(PyObject *self, PyObject *argument)
{
    double value;
    if (!as_double(argument, &value)) {
        return NULL;
    }
    ax_float_store(word_of(self), value);
    Py_RETURN_NONE;
}

static PyObject *float_exchange(PyObject *self, PyObject *argument)
{
    double value;
    if (!as_double(argument, &value)) {
        return NULL;
    }
    PyObject *answer = prepare_float();
    return answer == NULL ? NULL : fill_float(answer, ax_float_exchange(word_of(self), value));
}

/* True with *expected and *desired set, for the two methods that follow. */
static bool float_expected_desired(const char *method, PyObject *const *args, Py_ssize_t nargs,
                                   double *expected, double *desired)
{
    return check_arity(method, nargs, 2, 2) && as_double(args[0], expected) && as_double(args[1], desired);
}

static PyObject *float_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    double expected, desired;
    if (!float_expected_desired("compare_and_set", args, nargs, &expected, &desired)) {
        return NULL;
    }
    return bool_object(ax_float_compare_exchange(word_of(self), &expected, desired));
}

static PyObject *float_compare_exchange(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    double witness, desired;
    if (!float_expected_desired("compare_exchange", args, nargs, &witness, &desired)) {
        return NULL;
    }
    PyObject *answer = prepare_float();
    if (answer == NULL) {
        return NULL;
    }
    (void)ax_float_compare_exchange(word_of(self), &witness, desired);
    return fill_float(answer, witness);
}

/* True with the step applied to the operand; false: the operand is no number. */
AX_INLINE bool float_apply(PyObject *self, ax_float_step step, PyObject *argument, double *previous,
                           double *result)
{
    double operand;
    if (!as_double(argument, &operand)) {
        return false;
    }
    ax_float_apply(word_of(self), step, operand, previous, result);
    return true;
}

/* Applies the step; true with a float to be filled with the answer, made before the step is applied. */
AX_INLINE bool float_apply_prepared(PyObject *self, ax_float_step step, PyObject *argument, double *previous,
                                    double *result, PyObject **answer)
{
    double operand;
    if (!as_double(argument, &operand)) {
        return false;
    }
    *answer = prepare_float();
    if (*answer == NULL) {
        return false;
    }
    ax_float_apply(word_of(self), step, operand, previous, result);
    return true;
}

AX_INLINE PyObject *float_apply_previous(PyObject *self, ax_float_step step, PyObject *argument)
{
    double previous, result;
    PyObject *answer;
    bool applied = float_apply_prepared(self, step, argument, &previous, &result, &answer);
    return applied ? fill_float(answer, previous) : NULL;
}

AX_INLINE PyObject *float_apply_result(PyObject *self, ax_float_step step, PyObject *argument)
{
    double previous, result;
    PyObject *answer;
    bool applied = float_apply_prepared(self, step, argument, &previous, &result, &answer);
    return applied ? fill_float(answer, result) : NULL;
}

/* A TypeError, never NotImplemented: the right operand's own addition would rebind the name. */
AX_INLINE PyObject *float_apply_in_place(PyObject *self, ax_float_step step, PyObject *argument)
{
    double previous, result;
    return float_apply(self, step, argument, &previous, &result) ? Py_NewRef(self) : NULL;
}

static PyObject *float_add(PyObject *self, PyObject *argument)
{
    double previous, result;
    if (!float_apply(self, ax_float_step_add, argument, &previous, &result)) {
        return NULL;
    }
    Py_RETURN_NONE;
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

/* function(value) as a new float, and in *desired; NULL with what it raised, or if it returned no number. */
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

/* Replaces the value by function(value), until no other change came in between. Holds nothing while the
 * function runs. True with references to the value replaced and to the new one; false with an exception,
 * and nothing changed. */
static bool float_update_with(PyObject *self, PyObject *function, PyObject **previous, PyObject **result)
{
    double expected = ax_float_load(word_of(self)), desired;
    for (;;) {
        *previous = PyFloat_FromDouble(expected);
        *result = *previous == NULL ? NULL : float_call(function, *previous, &desired);
        if (*result == NULL) {
            Py_XDECREF(*previous);
            return false;
        }
        if (ax_float_compare_exchange(word_of(self), &expected, desired)) {
            return true;
        }
        Py_DECREF(*previous);
        Py_DECREF(*result);
        if (!before_retry()) {
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

static int float_bool(PyObject *self)
{
    return ax_float_load(word_of(self)) != 0.0;
}

static PyObject *float_repr(PyObject *self)
{
    return cell_repr(self, float_float(self));
}

static PyMethodDef float_methods[] = {
    {"load", float_load, METH_NOARGS, DOC_AtomicFloat_load},
    {"store", float_store, METH_O, DOC_AtomicFloat_store},
    {"exchange", float_exchange, METH_O, DOC_AtomicFloat_exchange},
    {"compare_and_set", AX_METHOD(float_compare_and_set), METH_FASTCALL, DOC_AtomicFloat_compare_and_set},
    {"compare_exchange", AX_METHOD(float_compare_exchange), METH_FASTCALL, DOC_AtomicFloat_compare_exchange},
    {"add", float_add, METH_O, DOC_AtomicFloat_add},
    {"fetch_add", float_fetch_add, METH_O, DOC_AtomicFloat_fetch_add},
    {"fetch_sub", float_fetch_sub, METH_O, DOC_AtomicFloat_fetch_sub},
    {"add_fetch", float_add_fetch, METH_O, DOC_AtomicFloat_add_fetch},
    {"sub_fetch", float_sub_fetch, METH_O, DOC_AtomicFloat_sub_fetch},
    {"fetch_max", float_fetch_max, METH_O, DOC_AtomicFloat_fetch_max},
    {"fetch_min", float_fetch_min, METH_O, DOC_AtomicFloat_fetch_min},
    {"update", float_update, METH_O, DOC_AtomicFloat_update},
    {"fetch_update", float_fetch_update, METH_O, DOC_AtomicFloat_fetch_update},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_AtomicFloat___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot float_slots[] = {
    {Py_tp_doc, (void *)DOC_AtomicFloat},
    {Py_tp_new, PyType_GenericNew}, /* zero; ignores the arguments, which float_init checks */
    {Py_tp_init, float_init},
    {Py_tp_dealloc, cell_dealloc},
    {Py_tp_traverse, cell_traverse},
    {Py_tp_repr, float_repr},
    {Py_tp_methods, float_methods},
    {Py_tp_members, word_cell_members},
    {Py_nb_float, float_float},
    {Py_nb_bool, float_bool},
    {Py_nb_inplace_add, float_iadd},
    {Py_nb_inplace_subtract, float_isub},
    {0, NULL},
};

PyType_Spec float_spec = {
    .name = "atomicx.AtomicFloat",
    .basicsize = sizeof(WordCell),
    .flags = AX_TPFLAGS_CELL,
    .slots = float_slots,
};
