/* c_api.h: what the module needs for the C API: see src/atomicx/include/atomicx.h. */
#ifndef AX_C_API_H
#define AX_C_API_H

#include "ax_py.h"

#include "types.h"

/* Adds the capsule with the table to the module and its state, after the types. False with an exception set;
 * then c_api_free releases what is there. */
bool c_api_init(PyObject *module, ModuleState *state);

/* Removes the name from a capsule that outlives its module, so that it is no longer accepted. */
void c_api_free(ModuleState *state);

#endif
