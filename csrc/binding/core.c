/* core.c: the core's own sources, compiled as the rest of the module sees them: with AX_SERIALIZED as ax_py.h
 * has it. One build flag less to get wrong; and where the GIL is, no part of the module asks for atomics that
 * the processor may not have. */
#include "types.h"

#include "ax_buckets.c"
#include "ax_counter.c"
#include "ax_entries.c"
#include "ax_section.c"
#include "ax_stripe.c"
#include "ax_table.c"
#include "ax_tree.c"

bool core_start(void)
{
#if AX_SECTIONS_OVERLAP
    static ax_word
        started; /* atomic: 1 once the system knows what to call. Two at once make it call that twice */
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
