/* ax_float.h: a double in a word.
 *
 * Values are compared by their bits, not by ==. So a compare-and-swap loop over a NaN ends, and 0.0 is not
 * replaced where -0.0 was expected. Bits are exact, so a swap that succeeds replaced exactly the given value.
 * Otherwise this is like ax_int.h: pure steps, and one function that makes a step atomic.
 */
#ifndef AX_FLOAT_H
#define AX_FLOAT_H

#include <string.h>

#include "ax_atomic.h"

#if !defined(AX_CONTENDED)
#define AX_CONTENDED(word) ((void)0) /* see AX_TRY_AGAIN */
#endif

_Static_assert(sizeof(double) == sizeof(uint64_t), "a double must fill the word");

typedef double (*ax_float_step)(double value, double operand);

/* The bits of a double, and the double with these bits: each undoes the other, NaNs included.
 *   ensures float_of(returned) == value || (value != value && float_of(returned) != float_of(returned)) */
AX_INLINE uint64_t ax_float_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/*   ensures ax_float_bits(returned) == bits */
AX_INLINE double ax_float_from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/*   ensures same_float(returned, value + operand) */
AX_INLINE double ax_float_step_add(double value, double operand)
{
    return value + operand;
}

/*   ensures same_float(returned, value - operand) */
AX_INLINE double ax_float_step_sub(double value, double operand)
{
    return value - operand;
}

/*   ensures returned == ((float_bits_of(value) << 1) > UINT64_C(0x7FF0000000000000) << 1) */
AX_INLINE bool ax_float_is_nan(double value)
{
    return value != value;
}

/* The larger one; a number rather than a NaN; the value if they tie, so 0.0 and -0.0 stay.
 *   ensures same_bits(returned, value) || same_bits(returned, operand)
 *   ensures !(returned < value) && !(returned < operand)
 *   ensures (returned != returned) == (value != value && operand != operand)
 *   ensures value != operand || same_bits(returned, value) */
AX_INLINE double ax_float_step_max(double value, double operand)
{
    return operand > value || (ax_float_is_nan(value) && !ax_float_is_nan(operand)) ? operand : value;
}

/* The smaller one; otherwise like ax_float_step_max.
 *   ensures same_bits(returned, value) || same_bits(returned, operand)
 *   ensures !(returned > value) && !(returned > operand)
 *   ensures (returned != returned) == (value != value && operand != operand)
 *   ensures value != operand || same_bits(returned, value) */
AX_INLINE double ax_float_step_min(double value, double operand)
{
    return operand < value || (ax_float_is_nan(value) && !ax_float_is_nan(operand)) ? operand : value;
}

/*   ensures float_bits_of(returned) == found && left == found && changes == 0 */
AX_INLINE double ax_float_load(const ax_word *cell)
{
    return ax_float_from_bits(ax_word_load(cell));
}

/*   ensures left == float_bits_of(value) && changes == 1 */
AX_INLINE void ax_float_store(ax_word *cell, double value)
{
    ax_word_store(cell, ax_float_bits(value));
}

/*   ensures float_bits_of(returned) == found && left == float_bits_of(value) && changes == 1 */
AX_INLINE double ax_float_exchange(ax_word *cell, double value)
{
    return ax_float_from_bits(ax_word_exchange(cell, ax_float_bits(value)));
}

/* Swaps if the cell holds the bits of *expected. Either way, *expected becomes the value found (the witness).
 *   ensures returned == (found == float_bits_of(old_expected))
 *   ensures float_bits_of(*expected) == found
 *   ensures left == (returned ? float_bits_of(desired) : found) && changes == returned */
AX_INLINE bool ax_float_compare_exchange(ax_word *cell, double *expected, double desired)
{
    uint64_t found = ax_float_bits(*expected);
    bool swapped = ax_word_compare_exchange(cell, &found, ax_float_bits(desired));
    *expected = ax_float_from_bits(found);
    return swapped;
}

/* Replaces the value by step(value, operand).
 *
 * The loop holds bits, never a double, from the load to the swap: a double in a register might not keep the
 * bits of a signalling NaN. Linearization point: the compare-and-swap that succeeds, or, if the step changes
 * nothing, the read that found the value. Lock-free. Runs no Python code.
 *   ensures float_bits_of(*previous) == found
 *   ensures same_bits(asked_float.value, *previous) && same_bits(asked_float.operand, operand)
 *   ensures same_bits(asked_float.result, *result)
 *   ensures left == float_bits_of(*result) && changes == (left != found) */
AX_INLINE void ax_float_apply(ax_word *cell, ax_float_step step, double operand, double *previous,
                              double *result)
{
    uint64_t found = ax_word_load(cell), desired;
    do {
        *previous = ax_float_from_bits(found);
        *result = step(*previous, operand);
        desired = ax_float_bits(*result);
    } while (desired != found && !ax_word_compare_exchange(cell, &found, desired) && AX_TRY_AGAIN(cell));
}

#endif
