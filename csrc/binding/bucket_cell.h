/* bucket_cell.h: what Histogram and ExponentialHistogram share. */
#ifndef AX_BUCKET_CELL_H
#define AX_BUCKET_CELL_H

#include "cell.h"

#include "ax_buckets.h"
#include "types.h"

/* Counts an observation in its bucket, and then adds its value to the sum. Runs no Python code. */
AX_INLINE void buckets_observe(ax_buckets *buckets, size_t bucket, double value)
{
    ax_observation left = ax_buckets_try_observe(buckets, bucket, value);
    if (left != AX_OBSERVED) {
        ax_buckets_observe_striped(buckets, bucket, value, left, thread_number(), &stripe_system);
    }
}

/* For methods that get the class that defines them, so that they find the module's state in a subclass too.
 * Returns the state if there are no arguments; NULL with an exception set. */
static inline ModuleState *state_for(const char *method, PyTypeObject *definer, Py_ssize_t nargs,
                                     PyObject *kwnames)
{
    if (!check_arity(method, nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames)), 0, 0)) {
        return NULL;
    }
    return PyType_GetModuleState(definer);
}

#define BUCKETS_METHOD METH_METHOD | METH_FASTCALL | METH_KEYWORDS

#endif
