/* ax_int.h: a signed 64-bit integer in a word.
 *
 * Purpose. Arithmetic that is exact or refused: a result outside int64 leaves the cell as it was, and no
 * thread ever sees a wrapped value, not even for a moment. That rules out "add, then check": every operation
 * that can overflow decides on the basis of the value that it replaces.
 *
 * How. An operation is a pure step from (value, operand) to a result; ax_int_apply makes any step atomic.
 * Adding an operation means adding a step.
 *
 * Cost. With AX_SERIALIZED: a load, the step and a store. Otherwise, when uncontended: one load and one
 * locked compare-and-swap, which costs the same as a locked add on x86-64.
 */
#ifndef AX_INT_H
#define AX_INT_H

#include <stddef.h>

#include "ax_atomic.h"

#if !defined(AX_CONTENDED)
#define AX_CONTENDED(word) ((void)0) /* see AX_TRY_AGAIN */
#endif

/* Computes *result from value and operand; false if the result is outside int64. */
typedef bool (*ax_int_step)(int64_t value, int64_t operand, int64_t *result);

/* The sum.
 *   ensures returned == fits((wide)value + operand)
 *   ensures !returned || *result == (wide)value + operand */
AX_INLINE bool ax_int_step_add(int64_t value, int64_t operand, int64_t *result)
{
    uint64_t sum = (uint64_t)value + (uint64_t)operand; /* unsigned: wrapping is defined */
    *result = (int64_t)sum;
    return (((uint64_t)value ^ sum) & ((uint64_t)operand ^ sum)) >> 63 == 0;
}

/* The difference.
 *   ensures returned == fits((wide)value - operand)
 *   ensures !returned || *result == (wide)value - operand */
AX_INLINE bool ax_int_step_sub(int64_t value, int64_t operand, int64_t *result)
{
    uint64_t difference = (uint64_t)value - (uint64_t)operand;
    *result = (int64_t)difference;
    return (((uint64_t)value ^ (uint64_t)operand) & ((uint64_t)value ^ difference)) >> 63 == 0;
}

/* The operand, whatever the value is: an exchange.
 *   ensures returned && *result == operand */
AX_INLINE bool ax_int_step_replace(int64_t value, int64_t operand, int64_t *result)
{
    (void)value;
    *result = operand;
    return true;
}

/* Bitwise, as for Python's int of any size.
 *   ensures returned && *result == (wide)value + operand - (wide)(value | operand) */
AX_INLINE bool ax_int_step_and(int64_t value, int64_t operand, int64_t *result)
{
    *result = value & operand;
    return true;
}

/*   ensures returned && *result == (wide)value + operand - (wide)(value & operand) */
AX_INLINE bool ax_int_step_or(int64_t value, int64_t operand, int64_t *result)
{
    *result = value | operand;
    return true;
}

/*   ensures returned && *result == (wide)(value | operand) - (wide)(value & operand) */
AX_INLINE bool ax_int_step_xor(int64_t value, int64_t operand, int64_t *result)
{
    *result = value ^ operand;
    return true;
}

/*   ensures returned && *result >= value && *result >= operand
 *   ensures *result == value || *result == operand */
AX_INLINE bool ax_int_step_max(int64_t value, int64_t operand, int64_t *result)
{
    *result = value > operand ? value : operand;
    return true;
}

/*   ensures returned && *result <= value && *result <= operand
 *   ensures *result == value || *result == operand */
AX_INLINE bool ax_int_step_min(int64_t value, int64_t operand, int64_t *result)
{
    *result = value < operand ? value : operand;
    return true;
}

/* max(candidate, value + 1); false if value + 1 is outside int64, whatever the candidate.
 *   ensures returned == fits((wide)value + 1)
 *   ensures !returned || (*result > value && *result >= candidate)
 *   ensures !returned || *result == candidate || *result == (wide)value + 1 */
AX_INLINE bool ax_int_step_advance(int64_t value, int64_t candidate, int64_t *result)
{
    if (value == INT64_MAX) {
        return false;
    }
    *result = candidate > value ? candidate : value + 1;
    return true;
}

/* The index that fetch_inc_mod returns for a value: the value itself, or 0 if it is outside [0, modulus).
 *   requires modulus > 0
 *   ensures returned == (0 <= value && value < modulus ? value : 0) */
AX_INLINE int64_t ax_int_index(int64_t value, int64_t modulus)
{
    AX_ASSERT(modulus > 0);
    return value >= 0 && value < modulus ? value : 0;
}

/* The index after this one.
 *   requires modulus > 0
 *   ensures returned && 0 <= *result && *result < modulus
 *   ensures *result == (0 <= value && value < modulus - 1 ? value + 1 : value != modulus - 1 && modulus > 1)
 */
AX_INLINE bool ax_int_step_inc_mod(int64_t value, int64_t modulus, int64_t *result)
{
    AX_ASSERT(modulus > 0);
    int64_t index = ax_int_index(value, modulus);
    *result = index == modulus - 1 ? 0 : index + 1;
    return true;
}

/*   ensures returned == (int64_t)found && left == found && changes == 0 */
AX_INLINE int64_t ax_int_load(const ax_word *cell)
{
    return (int64_t)ax_word_load(cell);
}

/*   ensures (int64_t)left == value && changes == 1 */
AX_INLINE void ax_int_store(ax_word *cell, int64_t value)
{
    ax_word_store(cell, (uint64_t)value);
}

/* Swaps if the cell holds *expected. Either way, *expected becomes the value found (the witness).
 *   ensures returned == ((int64_t)found == old_expected)
 *   ensures *expected == (int64_t)found
 *   ensures (int64_t)left == (returned ? desired : (int64_t)found) && changes == returned */
AX_INLINE bool ax_int_compare_exchange(ax_word *cell, int64_t *expected, int64_t desired)
{
    uint64_t found = (uint64_t)*expected;
    bool swapped = ax_word_compare_exchange(cell, &found, (uint64_t)desired);
    *expected = (int64_t)found;
    return swapped;
}

/* Builds the caller's answer from the previous value and the result. Returns false if there is no memory. It
 * is called before each attempt to swap, so a failure leaves the cell as it was. */
typedef bool (*ax_int_prepare)(void *answer, int64_t previous, int64_t result);

typedef enum { AX_APPLIED, AX_REFUSED, AX_UNPREPARED, AX_OVERTAKEN } ax_application;

/* Makes one attempt to replace the value by step(value, operand). AX_OVERTAKEN: another thread changed the
 * cell in between, and this call changed nothing. Linearization point: as below. Wait-free. Runs no Python
 * code.
 *   ensures (returned == AX_REFUSED) == !asked.accepted && returned != AX_UNPREPARED
 *   ensures returned == AX_OVERTAKEN || (asked.value == (int64_t)found && asked.operand == operand)
 *   ensures (int64_t)left == (returned == AX_APPLIED ? asked.result : (int64_t)found)
 *   ensures changes == (left != found) */
AX_INLINE ax_application ax_int_try_apply(ax_word *cell, ax_int_step step, int64_t operand)
{
    int64_t value = ax_int_load(cell), result;
    if (!step(value, operand, &result)) {
        return AX_REFUSED;
    }
    return result == value || ax_int_compare_exchange(cell, &value, result) ? AX_APPLIED : AX_OVERTAKEN;
}

/* Replaces the value by step(value, operand) if the step does not refuse and the answer can be prepared;
 * otherwise changes nothing. *previous is the value that was replaced or refused, *result the value that
 * replaced it.
 *
 * Linearization point: the compare-and-swap that succeeds; if the step refuses or changes nothing, the load
 * (or the failed compare-and-swap) that found the value. Lock-free: a compare-and-swap fails only because
 * another thread's succeeded. Runs no Python code, unless prepare does.
 *   ensures asked.value == (int64_t)found && asked.operand == operand && *previous == (int64_t)found
 *   ensures (returned == AX_REFUSED) == !asked.accepted
 *   ensures returned == AX_REFUSED || (prepared_for.previous == *previous && prepared_for.result == *result)
 *   ensures returned == AX_REFUSED || (returned == AX_APPLIED) == prepared_for.worked
 *   ensures returned == AX_REFUSED || *result == asked.result
 *   ensures (int64_t)left == (returned == AX_APPLIED ? *result : *previous)
 *   ensures changes == (left != found) */
AX_INLINE ax_application ax_int_apply_prepared(ax_word *cell, ax_int_step step, int64_t operand,
                                               int64_t *previous, int64_t *result, ax_int_prepare prepare,
                                               void *answer)
{
    *previous = ax_int_load(cell);
    do {
        if (!step(*previous, operand, result)) {
            return AX_REFUSED;
        }
        if (!prepare(answer, *previous, *result)) {
            return AX_UNPREPARED;
        }
    } while (*result != *previous && !ax_int_compare_exchange(cell, previous, *result) && AX_TRY_AGAIN(cell));
    return AX_APPLIED;
}

/*   ensures returned */
AX_INLINE bool ax_int_no_answer(void *answer, int64_t previous, int64_t result)
{
    (void)answer;
    (void)previous;
    (void)result;
    return true;
}

/* Like ax_int_apply_prepared, for an operation whose answer takes no memory. Returns false if the step
 * refused.
 *   ensures asked.value == (int64_t)found && asked.operand == operand && *previous == (int64_t)found
 *   ensures returned == asked.accepted && (!returned || *result == asked.result)
 *   ensures (int64_t)left == (returned ? *result : *previous) && changes == (left != found) */
AX_INLINE bool ax_int_apply(ax_word *cell, ax_int_step step, int64_t operand, int64_t *previous,
                            int64_t *result)
{
    return ax_int_apply_prepared(cell, step, operand, previous, result, ax_int_no_answer, NULL) == AX_APPLIED;
}

/* Adds delta if the sum does not pass limit: sum <= limit for delta >= 0, sum >= limit for delta < 0. A sum
 * outside int64 passes every limit. Returns true if it added. Linearization point and progress: as
 * ax_int_apply.
 *   ensures returned == (sum_fits(found, delta) && (delta < 0 ? sum_of(found, delta) >= limit
 *                                                            : sum_of(found, delta) <= limit))
 *   ensures left == (returned ? found + (uint64_t)delta : found) && changes == returned */
AX_INLINE bool ax_int_try_add(ax_word *cell, int64_t delta, int64_t limit)
{
    int64_t value = ax_int_load(cell), sum;
    do {
        if (!ax_int_step_add(value, delta, &sum) || (delta < 0 ? sum < limit : sum > limit)) {
            return false;
        }
    } while (!ax_int_compare_exchange(cell, &value, sum) && AX_TRY_AGAIN(cell));
    return true;
}

#endif
