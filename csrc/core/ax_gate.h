/* ax_gate.h: lets operations use a resource until it is closed, and tells which caller gives it back then.
 *
 * How to use. Zeroed memory is an unclaimed gate. The caller that claims it may open it, once. From then on
 * an operation enters, uses the resource, and leaves. The caller that closes the gate waits for those inside
 * as long as it likes, or not at all, and then settles: it gives the resource back if nobody is inside;
 * otherwise the last operation to leave does.
 *
 * How. One word: three flags, and the number of operations inside.
 *
 * Why it is right. A closed gate lets nobody in and is never opened again, so its count only falls. The word
 * becomes "settled, nobody inside" exactly once: by the settling, if nobody is inside, or else by the leave
 * that takes the count to zero. Every change is one compare-and-swap, whose caller knows what it replaced. So
 * exactly one caller is told to give back, and nobody is inside then, or ever after.
 *
 * Cost. Entering and leaving cost a load and a compare-and-swap each.
 *
 * Weak spot. An operation that never leaves stays counted. A forked process also counts operations that were
 * inside at the fork, in threads that it does not have: see ax_gate_abandon.
 *
 * Every function is lock-free, never waits and runs no Python code. Linearization points: the
 * compare-and-swap that succeeds; if an enter or a close is refused, the read that found the gate closed.
 */
#ifndef AX_GATE_H
#define AX_GATE_H

#include "ax_atomic.h"

#define AX_GATE_CLAIMED (UINT64_C(1) << 63) /* from the claim on */
#define AX_GATE_OPEN (UINT64_C(1) << 62)
#define AX_GATE_SETTLED (UINT64_C(1) << 61) /* the closer no longer waits */
#define AX_GATE_FLAGS (AX_GATE_CLAIMED | AX_GATE_OPEN | AX_GATE_SETTLED)
/* The other bits: the number of operations inside. */

/* True for exactly one caller, which may open the gate.
 *   ensures returned == (found == 0) && left == (returned ? AX_GATE_CLAIMED : found) */
AX_INLINE bool ax_gate_claim(ax_word *gate)
{
    uint64_t unclaimed = 0;
    return ax_word_compare_exchange(gate, &unclaimed, AX_GATE_CLAIMED);
}

/* For the caller that claimed it and does not open it: the gate is unclaimed again.
 *   ensures left == 0 */
AX_INLINE void ax_gate_disclaim(ax_word *gate)
{
    ax_word_store(gate, 0);
}

/* For the caller that claimed it. Every operation that enters sees what was written before this.
 *   ensures left == (AX_GATE_CLAIMED | AX_GATE_OPEN) */
AX_INLINE void ax_gate_open(ax_word *gate)
{
    ax_word_store(gate, AX_GATE_CLAIMED | AX_GATE_OPEN);
}

/*   ensures returned == ((found & AX_GATE_OPEN) != 0) && changes == 0 */
AX_INLINE bool ax_gate_is_open(const ax_word *gate)
{
    return (ax_word_load(gate) & AX_GATE_OPEN) != 0;
}

/* True if the gate is open: the caller is inside, and has to leave.
 *   given (gate->bits & ~AX_GATE_FLAGS) < AX_GATE_SETTLED - 1
 *   ensures returned == ((found & AX_GATE_OPEN) != 0) && changes == returned
 *   ensures (left & AX_GATE_FLAGS) == (found & AX_GATE_FLAGS) && left == found + returned */
AX_INLINE bool ax_gate_enter(ax_word *gate)
{
    uint64_t found = ax_word_load(gate);
    do {
        if ((found & AX_GATE_OPEN) == 0) {
            return false;
        }
    } while (!ax_word_compare_exchange(gate, &found, found + 1));
    return true;
}

/* For an operation that entered. True if the caller has to give back.
 *   given (gate->bits & ~AX_GATE_FLAGS) != 0
 *   ensures (left & AX_GATE_FLAGS) == (found & AX_GATE_FLAGS) && left == found - 1 && changes == 1
 *   ensures returned == (left == (AX_GATE_CLAIMED | AX_GATE_SETTLED)) */
AX_INLINE bool ax_gate_leave(ax_word *gate)
{
    uint64_t found = ax_word_load(gate);
    do {
        AX_ASSERT((found & ~AX_GATE_FLAGS) != 0);
    } while (!ax_word_compare_exchange(gate, &found, found - 1));
    return found - 1 == (AX_GATE_CLAIMED | AX_GATE_SETTLED);
}

/* Lets nobody in from here on. True for exactly one caller, which has to settle.
 *   ensures returned == ((found & AX_GATE_OPEN) != 0) && left == (found & ~AX_GATE_OPEN)
 *   ensures changes == returned */
AX_INLINE bool ax_gate_close(ax_word *gate)
{
    uint64_t found = ax_word_load(gate);
    do {
        if ((found & AX_GATE_OPEN) == 0) {
            return false;
        }
    } while (!ax_word_compare_exchange(gate, &found, found & ~AX_GATE_OPEN));
    return true;
}

/*   ensures returned == ((found & ~AX_GATE_FLAGS) == 0) && changes == 0 */
AX_INLINE bool ax_gate_is_empty(const ax_word *gate)
{
    return (ax_word_load(gate) & ~AX_GATE_FLAGS) == 0;
}

/* For the caller that closed it. True if the caller has to give back; otherwise the last operation inside
 * does.
 *   ensures left == (found | AX_GATE_SETTLED) && returned == ((found & ~AX_GATE_FLAGS) == 0) */
AX_INLINE bool ax_gate_settle(ax_word *gate)
{
    return (ax_word_fetch_or(gate, AX_GATE_SETTLED) & ~AX_GATE_FLAGS) == 0;
}

/* For a caller that has the gate to itself at its end, when anything still counted inside is a mistake. True
 * if the caller has to give back: the gate was opened, and no other caller was told to.
 *   ensures left == (AX_GATE_CLAIMED | AX_GATE_SETTLED) && returned == (found != 0 && found != left) */
AX_INLINE bool ax_gate_abandon(ax_word *gate)
{
    uint64_t settled = AX_GATE_CLAIMED | AX_GATE_SETTLED;
    uint64_t found = ax_word_exchange(gate, settled);
    return found != 0 && found != settled;
}

#endif
