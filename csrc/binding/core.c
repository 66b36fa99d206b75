/* core.c: the core's own sources, compiled as the rest of the module sees them: with AX_SERIALIZED as ax_py.h
 * has it. One build flag less to get wrong; and where the GIL is, no part of the module asks for atomics that
 * the processor may not have. */
#include "ax_py.h"

#include "ax_buckets.c"
#include "ax_counter.c"
#include "ax_stripe.c"
