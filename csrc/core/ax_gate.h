/* ax_gate.h: lets operations use something until it is closed, and says who gives it back then.
 *
 * How to use. Zeroed memory is a gate that nobody has claimed. Who claims it may open it, once. From then on
 * an operation enters, uses the thing, and leaves. Who closes the gate waits as long as it likes for those
 * inside, or not at all, and then settles: the thing is the closer's to give back if nobody is inside, and
 * else the last one's who leaves.
 *
 * How. One word: three flags, and the number of those inside.
 *
 * Right. A closed gate lets nobody in and is never opened again, so its count only falls. The word becomes
 * "settled, nobody inside" exactly once: by the settling, if nobody is inside, or else by the leave that
 * takes the count to nought. Every change is one compare-and-swap, whose caller knows what it replaced: so
 * exactly one caller is told to give back, and nobody is inside then, or ever after.
 *
 * Cost. To enter and to leave is a load and a compare-and-swap each.
 *
 * Weak spot. Who never leaves is counted for ever. A forked process counts those that were inside when it was
 * made, in threads that it does not have: see ax_gate_abandon.
 *
 * Every function is lock-free, waits for nobody and runs no Python code. Linearization points: the
 * compare-and-swap that succeeds; where an enter or a close is refused, the read that found the gate shut.
 */
#ifndef AX_GATE_H
#define AX_GATE_H

#include "ax_atomic.h"

#define AX_GATE_CLAIMED (UINT64_C(1) << 63) /* from the claim on */
#define AX_GATE_OPEN (UINT64_C(1) << 62)
#define AX_GATE_SETTLED (UINT64_C(1) << 61) /* the closer does not wait any more */
#define AX_GATE_FLAGS (AX_GATE_CLAIMED | AX_GATE_OPEN | AX_GATE_SETTLED)
/* The other bits: how many are inside. */

/* True for one caller, who may open the gate.
 *   ensures returned == (found == 0) && left == (returned ? AX_GATE_CLAIMED : found) */
AX_INLINE bool ax_gate_claim(ax_word *gate)
{
    uint64_t unclaimed = 0;
    return ax_word_compare_exchange(gate, &unclaimed, AX_GATE_CLAIMED);
}

/* For the caller that claimed it and does not open it: the gate is as new.
 *   ensures left == 0 */
AX_INLINE void ax_gate_disclaim(ax_word *gate)
{
    ax_word_store(gate, 0);
}

/* For the caller that claimed it. Every operation that enters sees what was written before.
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

/* Lets nobody in from here on. True for one caller, who has to settle.
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

/* For the caller that closed it. True if the caller has to give back; else the last one inside has.
 *   ensures left == (found | AX_GATE_SETTLED) && returned == ((found & ~AX_GATE_FLAGS) == 0) */
AX_INLINE bool ax_gate_settle(ax_word *gate)
{
    return (ax_word_fetch_or(gate, AX_GATE_SETTLED) & ~AX_GATE_FLAGS) == 0;
}

/* For who has the gate to itself at its end, so that who is counted inside is so by mistake. True if the
 * caller has to give back: somebody opened it, and nobody else was told to.
 *   ensures left == (AX_GATE_CLAIMED | AX_GATE_SETTLED) && returned == (found != 0 && found != left) */
AX_INLINE bool ax_gate_abandon(ax_word *gate)
{
    uint64_t settled = AX_GATE_CLAIMED | AX_GATE_SETTLED;
    uint64_t found = ax_word_exchange(gate, settled);
    return found != 0 && found != settled;
}

#endif
