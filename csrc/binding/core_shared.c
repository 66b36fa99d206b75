/* core_shared.c: the core's sources that work on memory shared with other processes, compiled with atomics
 * that hold between processes. See core.c. */
#define AX_SHARED_MEMORY
#include "ax_py.h"

#include "ax_segment.c"
#include "ax_segment_entry.c"
#include "ax_segment_stripe.c"
