/* Cells that are broken on purpose, for builds without the GIL. Every bug here was seen in the field, and its
   window is as narrow as it was there: a test that passes on atomicx's cells must catch these. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct {
    PyObject_HEAD
    char padding[64];
    _Atomic(int64_t) value;
} Int;

static _Atomic(int64_t) *value_of(PyObject *self)
{
    return &((Int *)self)->value;
}

static int int_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    long long value = 0;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "|L", &value))
        return -1;
    atomic_store(value_of(self), value);
    return 0;
}

static PyObject *int_load(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLongLong(atomic_load(value_of(self)));
}

static void int_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* SplitInt: a read-modify-write that is an atomic load and then an atomic store. */

static PyObject *split_inc(PyObject *self, PyObject *unused)
{
    (void)unused;
    atomic_store(value_of(self), atomic_load(value_of(self)) + 1);
    Py_RETURN_NONE;
}

static PyObject *split_dec(PyObject *self, PyObject *unused)
{
    (void)unused;
    atomic_store(value_of(self), atomic_load(value_of(self)) - 1);
    Py_RETURN_NONE;
}

static PyObject *split_fetch_add(PyObject *self, PyObject *operand)
{
    long long delta = PyLong_AsLongLong(operand);
    if (delta == -1 && PyErr_Occurred())
        return NULL;
    int64_t before = atomic_load(value_of(self));
    atomic_store(value_of(self), before + delta);
    return PyLong_FromLongLong(before);
}

static PyObject *split_exchange(PyObject *self, PyObject *desired)
{
    long long value = PyLong_AsLongLong(desired);
    if (value == -1 && PyErr_Occurred())
        return NULL;
    int64_t before = atomic_load(value_of(self));
    atomic_store(value_of(self), value);
    return PyLong_FromLongLong(before);
}

static PyObject *split_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)count;
    long long expected = PyLong_AsLongLong(args[0]);
    long long desired = PyLong_AsLongLong(args[1]);
    if (PyErr_Occurred())
        return NULL;
    if (atomic_load(value_of(self)) != expected)
        Py_RETURN_FALSE;
    atomic_store(value_of(self), desired);
    Py_RETURN_TRUE;
}

static PyMethodDef split_methods[] = {
    {"load", int_load, METH_NOARGS, NULL},
    {"inc", split_inc, METH_NOARGS, NULL},
    {"dec", split_dec, METH_NOARGS, NULL},
    {"fetch_add", split_fetch_add, METH_O, NULL},
    {"exchange", split_exchange, METH_O, NULL},
    {"compare_and_set", (PyCFunction)(void (*)(void))split_compare_and_set, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot split_slots[] = {
    {Py_tp_init, int_init},
    {Py_tp_dealloc, int_dealloc},
    {Py_tp_methods, split_methods},
    {0, NULL},
};

static PyType_Spec split_spec = {
    .name = "broken.SplitInt",
    .basicsize = sizeof(Int),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = split_slots,
};

/* LateCheck: adds in one step, but checks for the overflow afterwards: others see the wrapped value. */

static PyObject *late_fetch_add(PyObject *self, PyObject *operand)
{
    long long delta = PyLong_AsLongLong(operand);
    if (delta == -1 && PyErr_Occurred())
        return NULL;
    int64_t before = atomic_fetch_add(value_of(self), delta);
    if (delta > 0 && before > INT64_MAX - delta) {
        atomic_fetch_sub(value_of(self), delta);
        PyErr_SetString(PyExc_OverflowError, "too late");
        return NULL;
    }
    return PyLong_FromLongLong(before);
}

static PyMethodDef late_methods[] = {
    {"load", int_load, METH_NOARGS, NULL},
    {"fetch_add", late_fetch_add, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot late_slots[] = {
    {Py_tp_init, int_init},
    {Py_tp_dealloc, int_dealloc},
    {Py_tp_methods, late_methods},
    {0, NULL},
};

static PyType_Spec late_spec = {
    .name = "broken.LateCheck",
    .basicsize = sizeof(Int),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = late_slots,
};

#ifdef Py_GIL_DISABLED

/* OneLookRef: takes a reference only if the count is not zero, but never looks at the slot again. By then the
   object may have been freed, and its memory may hold an object that was never stored here. */

typedef struct {
    PyObject_HEAD
    char padding[64];
    _Atomic(PyObject *) slot;
} OneLookRef;

static void let_others_try(PyObject *object)
{
#if PY_VERSION_HEX >= 0x030E0000
    PyUnstable_EnableTryIncRef(object);
#else
    if (object->ob_ref_local == UINT32_MAX)
        return;
    _Atomic(Py_ssize_t) *shared = (_Atomic(Py_ssize_t) *)&object->ob_ref_shared;
    Py_ssize_t seen = atomic_load(shared);
    while ((seen & _Py_REF_SHARED_FLAG_MASK) == 0 &&
           !atomic_compare_exchange_weak(shared, &seen, seen | _Py_REF_MAYBE_WEAKREF))
        ;
#endif
}

static int try_reference(PyObject *object)
{
#if PY_VERSION_HEX >= 0x030E0000
    return PyUnstable_TryIncRef(object);
#else
    uintptr_t owner = atomic_load((_Atomic(uintptr_t) *)&object->ob_tid);
    uint32_t local = atomic_load((_Atomic(uint32_t) *)&object->ob_ref_local);
    if (local == UINT32_MAX)
        return 1;
    if (owner == _Py_ThreadId()) {
        atomic_store((_Atomic(uint32_t) *)&object->ob_ref_local, local + 1);
        return 1;
    }
    _Atomic(Py_ssize_t) *shared = (_Atomic(Py_ssize_t) *)&object->ob_ref_shared;
    Py_ssize_t seen = atomic_load(shared);
    do {
        if (seen == 0 || seen == _Py_REF_MERGED)
            return 0;
    } while (!atomic_compare_exchange_weak(shared, &seen, seen + (1 << _Py_REF_SHARED_SHIFT)));
    return 1;
#endif
}

static int onelook_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *object;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "O", &object))
        return -1;
    let_others_try(object);
    Py_XDECREF(atomic_exchange(&((OneLookRef *)self)->slot, Py_NewRef(object)));
    return 0;
}

static PyObject *onelook_load(PyObject *self, PyObject *unused)
{
    (void)unused;
    for (;;) {
        PyObject *object = atomic_load(&((OneLookRef *)self)->slot);
        if (try_reference(object))
            return object;
    }
}

static PyObject *onelook_store(PyObject *self, PyObject *object)
{
    let_others_try(object);
    Py_DECREF(atomic_exchange(&((OneLookRef *)self)->slot, Py_NewRef(object)));
    Py_RETURN_NONE;
}

static void onelook_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(atomic_load(&((OneLookRef *)self)->slot));
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef onelook_methods[] = {
    {"load", onelook_load, METH_NOARGS, NULL},
    {"store", onelook_store, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot onelook_slots[] = {
    {Py_tp_init, onelook_init},
    {Py_tp_dealloc, onelook_dealloc},
    {Py_tp_methods, onelook_methods},
    {0, NULL},
};

static PyType_Spec onelook_spec = {
    .name = "broken.OneLookRef",
    .basicsize = sizeof(OneLookRef),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = onelook_slots,
};

#endif

static PyType_Spec *const specs[] = {
    &split_spec,
    &late_spec,
#ifdef Py_GIL_DISABLED
    &onelook_spec,
#endif
};

static int broken_exec(PyObject *module)
{
    for (size_t index = 0; index < sizeof(specs) / sizeof(specs[0]); index++) {
        PyObject *type = PyType_FromSpec(specs[index]);
        if (type == NULL)
            return -1;
        int failed = PyModule_AddType(module, (PyTypeObject *)type);
        Py_DECREF(type);
        if (failed < 0)
            return -1;
    }
    return 0;
}

static PyModuleDef_Slot broken_slots[] = {
    {Py_mod_exec, (void *)broken_exec},
#ifdef Py_MOD_GIL_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef broken_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "broken",
    .m_size = 0,
    .m_slots = broken_slots,
};

PyMODINIT_FUNC PyInit_broken(void)
{
    return PyModuleDef_Init(&broken_module);
}
