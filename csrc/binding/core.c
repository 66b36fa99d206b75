/* core.c: the core's own sources, compiled as the rest of the module sees them, with AX_SERIALIZED as ax_py.h
 * defines it. That saves a build flag that could be wrong; and with the GIL, no part of the module needs
 * atomics that the processor may not have. */
#include "types.h"

#include "ax_buckets.c"
#include "ax_counter.c"
#include "ax_entries.c"
#include "ax_exponential.c"
#include "ax_section.c"
#include "ax_stripe.c"
#include "ax_table.c"
#include "ax_tree.c"

bool core_start(void)
{
#if AX_SECTIONS_OVERLAP
    static ax_word started; /* atomic: 1 once the fork handler is registered. Two interpreters at once may
                               register it twice, which does no harm */
    if (ax_word_load(&started) == 0) {
        ax_sections_start(ax_cpu_count());
        if (!ax_call_in_forked_children(ax_sections_forget)) {
            PyErr_NoMemory();
            return false;
        }
        ax_word_store(&started, 1);
    }
#endif
    return true;
}
