/* forks.c: see forks.h. Interpreters that each have their own GIL may run this at once, hence the real
 * atomics. */
#define AX_SHARED_MEMORY
#include "ax_py.h"

#include "forks.h"

static ax_word watched; /* atomic: 1 once the handler is registered */
static ax_word forks;   /* atomic: a child writes it before any other code runs there */

static void forked(void)
{
    ax_word_store(&forks, ax_word_load(&forks) + 1);
}

bool forks_watch(void)
{
    uint64_t unwatched = 0;
    if (!ax_word_compare_exchange(&watched, &unwatched, 1)) {
        return true;
    }
    if (!ax_call_in_forked_children(forked)) {
        ax_word_store(&watched, 0);
        PyErr_NoMemory();
        return false;
    }
    return true;
}

uint64_t fork_number(void)
{
    return ax_word_load(&forks);
}
