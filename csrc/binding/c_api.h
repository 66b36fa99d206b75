/* c_api.h: what the module does for the C API: see src/atomicx/include/atomicx.h. */
#ifndef AX_C_API_H
#define AX_C_API_H

#include "ax_py.h"

#include "types.h"

/* Adds the capsule with the table to a module that has its types, and to its state. False with an exception
 * set: then c_api_free releases what is there. */
bool c_api_init(PyObject *module, ModuleState *state);

/* Leaves a capsule that outlives its module without the name under which it is looked for. */
void c_api_free(ModuleState *state);

#endif
