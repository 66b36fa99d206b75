/* module.c: atomicx._core. Only assembles the types. */
#include "segment_process.h"

#include "c_api.h"
#include "docstrings.h"
#include "forks.h"
#include "types.h"

/* The public types, in the order of the documentation. */
static PyType_Spec *const public_types[] = {
    &int_spec,
    &float_spec,
    &bool_spec,
    &ref_spec,
    &counter_spec,
    &histogram_spec,
    &exponential_histogram_spec,
    &family_spec,
};

static ModuleState *state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static PyObject *module_enable_deferred_refcount(PyObject *Py_UNUSED(module), PyObject *object)
{
    ax_enable_deferred_refcount(object);
    return Py_NewRef(object);
}

static PyMethodDef module_methods[] = {
    {"enable_deferred_refcount", module_enable_deferred_refcount, METH_O, DOC_enable_deferred_refcount},
    {NULL, NULL, 0, NULL},
};

/* Adds a type to the module and returns a reference to it; NULL with an exception set. */
static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

/* Sets the public function's __module__ to atomicx, as the types' specs do for the types. */
static int publish_function(PyObject *module, const char *name)
{
    PyObject *function = PyObject_GetAttrString(module, name);
    PyObject *home = PyUnicode_FromString("atomicx");
    int status = -1;
    if (function != NULL && home != NULL) {
        status = PyObject_SetAttrString(function, "__module__", home);
    }
    Py_XDECREF(home);
    Py_XDECREF(function);
    return status;
}

/* A new reference to an attribute of one of our modules; NULL with an exception set. */
static PyObject *import_from(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return found;
}

/* Makes a key that differs between processes, and is as hard to guess, as str's own hash. */
static bool hash_key_init(ax_hash_key *key)
{
    uint64_t *parts[] = {&key->first, &key->second};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(parts); i++) {
        PyObject *text = PyUnicode_FromFormat("atomicx.Family %zu", i);
        Py_hash_t hash = text == NULL ? -1 : PyObject_Hash(text);
        Py_XDECREF(text);
        if (hash == -1) {
            return false;
        }
        *parts[i] = (uint64_t)hash * UINT64_C(0x9E3779B97F4A7C15) | 1; /* 64 bits even if a hash has 32 */
    }
    return true;
}

/* Sets what families need; false with an exception set. */
static bool families_init(PyObject *module, ModuleState *state)
{
    static const char *const names[] = {"inc", "dec", "add", "store", "observe"};
    _Static_assert(Py_ARRAY_LENGTH(names) == CHILD_OPERATIONS, "one name for each operation");
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names); i++) {
        state->operations[i] = PyUnicode_InternFromString(names[i]);
        if (state->operations[i] == NULL) {
            return false;
        }
    }
    state->floating = (PyTypeObject *)PyObject_GetAttrString(module, "AtomicFloat");
    state->histogram =
        state->floating == NULL ? NULL : (PyTypeObject *)PyObject_GetAttrString(module, "Histogram");
    state->exponential_histogram =
        state->histogram == NULL ? NULL
                                 : (PyTypeObject *)PyObject_GetAttrString(module, "ExponentialHistogram");
    return state->exponential_histogram != NULL && hash_key_init(&state->hash_key);
}

/* Sets the types that segments make, and the type that makes them. */
static bool segments_init(PyObject *module, ModuleState *state)
{
    const struct {
        PyType_Spec *spec;
        PyTypeObject **type;
    } types[] = {
        {&segment_spec, &state->segment},
        {&shared_int_spec, &state->shared_int},
        {&shared_float_spec, &state->shared_float},
        {&shared_counter_spec, &state->shared_counter},
        {&shared_gauge_spec, &state->shared_gauge},
        {&shared_histogram_spec, &state->shared_histogram},
        {&shared_family_spec, &state->shared_family},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(types); i++) {
        *types[i].type = add_type(module, types[i].spec);
        if (*types[i].type == NULL) {
            return false;
        }
    }
    PyTypeObject *part = add_type(module, &shared_part_spec);
    Py_XDECREF(part);
    return part != NULL && process_start();
}

/* A new reference to the class of a snapshot; NULL with an exception set. */
static PyTypeObject *import_class(const char *module_name, const char *name, PyTypeObject *base)
{
    PyObject *found = import_from(module_name, name);
    if (found != NULL && !(PyType_Check(found) && PyType_IsSubtype((PyTypeObject *)found, base))) {
        PyErr_Format(PyExc_TypeError, "expected a subclass of %s, got %R for %s", base->tp_name, found, name);
        Py_CLEAR(found);
    }
    return (PyTypeObject *)found;
}

/* Sets the classes of snapshots, which are written in Python; false with an exception set. */
static bool snapshots_init(ModuleState *state)
{
    state->snapshot = import_class("atomicx._snapshot", "HistogramSnapshot", &PyTuple_Type);
    state->exponential_snapshot =
        state->snapshot == NULL
            ? NULL
            : import_class("atomicx._exponential", "ExponentialHistogramSnapshot", &PyBaseObject_Type);
    return state->exponential_snapshot != NULL;
}

/* Fills in the state; false with an exception set, and then module_free releases what was filled in. */
static bool state_init(PyObject *module, ModuleState *state)
{
    state->guard = add_type(module, &guard_spec);
    /* Not added to the module, whose Guard is the other type. */
    state->untracked_guard =
        state->guard == NULL ? NULL
                             : (PyTypeObject *)PyType_FromModuleAndSpec(module, &untracked_guard_spec, NULL);
    state->admission = state->untracked_guard == NULL ? NULL : add_type(module, &admission_spec);
    state->timer = state->admission == NULL ? NULL : add_type(module, &timer_spec);
    return state->timer != NULL && snapshots_init(state);
}

static int module_exec(PyObject *module)
{
    if (!core_start()) {
        return -1;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(public_types); i++) {
        PyTypeObject *type = add_type(module, public_types[i]);
        if (type == NULL) {
            return -1;
        }
        Py_DECREF(type);
    }
    ModuleState *state = state_of(module);
    if (!forks_watch() || !state_init(module, state) || !c_api_init(module, state) ||
        !families_init(module, state) || !segments_init(module, state) ||
        publish_function(module, "enable_deferred_refcount") < 0) {
        return -1;
    }
    if (PyModule_AddStringConstant(module, "build", AX_BUILD) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "compiler", AX_COMPILER);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    ModuleState *state = state_of(module);
    Py_VISIT(state->guard);
    Py_VISIT(state->untracked_guard);
    Py_VISIT(state->admission);
    Py_VISIT(state->timer);
    Py_VISIT(state->segment);
    Py_VISIT(state->shared_int);
    Py_VISIT(state->shared_float);
    Py_VISIT(state->shared_counter);
    Py_VISIT(state->shared_gauge);
    Py_VISIT(state->shared_histogram);
    Py_VISIT(state->shared_family);
    Py_VISIT(state->snapshot);
    Py_VISIT(state->exponential_snapshot);
    Py_VISIT(state->integer);
    Py_VISIT(state->counter);
    Py_VISIT(state->floating);
    Py_VISIT(state->histogram);
    Py_VISIT(state->exponential_histogram);
    return 0;
}

/* There is no m_clear: the state exists as long as the module, so a finalizer that runs while the collector
 * clears finds all of it. Every cycle through the state leads through a type, and the collector clears the
 * type's reference to the module. */
static void module_free(void *module)
{
    ModuleState *state = state_of(module);
    Py_CLEAR(state->guard);
    Py_CLEAR(state->untracked_guard);
    Py_CLEAR(state->admission);
    Py_CLEAR(state->timer);
    Py_CLEAR(state->segment);
    Py_CLEAR(state->shared_int);
    Py_CLEAR(state->shared_float);
    Py_CLEAR(state->shared_counter);
    Py_CLEAR(state->shared_gauge);
    Py_CLEAR(state->shared_histogram);
    Py_CLEAR(state->shared_family);
    Py_CLEAR(state->snapshot);
    Py_CLEAR(state->exponential_snapshot);
    Py_CLEAR(state->integer);
    Py_CLEAR(state->counter);
    Py_CLEAR(state->floating);
    Py_CLEAR(state->histogram);
    Py_CLEAR(state->exponential_histogram);
    for (size_t i = 0; i < CHILD_OPERATIONS; i++) {
        Py_CLEAR(state->operations[i]);
    }
    c_api_free(state);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    AX_SLOT_MULTIPLE_INTERPRETERS
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "atomicx._core",
    .m_doc = "The C module of atomicx. Import atomicx instead.",
    .m_size = sizeof(ModuleState),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_free = module_free,
};

ModuleState *module_state_of_derived(PyTypeObject *type)
{
    PyObject *module = ax_module_of(type, &module_definition);
    return module == NULL ? NULL : state_of(module);
}

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_definition);
}
