/* An extension that keeps the table of atomicx in a static, as is allowed if it refuses every interpreter but
 * the main one, and that needs only the table's first members. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "atomicx.h"

static const AtomicX_API *atomicx;

static PyObject *new_int(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return atomicx->int_new(atomicx, 3);
}

static PyMethodDef methods[] = {
    {"new_int", new_int, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "c_api_static",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_c_api_static(void)
{
    atomicx = AtomicX_Import();
    PyObject *module = atomicx == NULL ? NULL : PyModule_Create(&definition);
#ifdef Py_GIL_DISABLED
    if (module != NULL) {
        PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
    }
#endif
    return module;
}
