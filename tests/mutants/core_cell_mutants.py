"""Bugs of the core's ints, floats, references and counters, claimed by the explorer."""

from mutants.mutant import explored

INT = "csrc/core/ax_int.h"
FLOAT = "csrc/core/ax_float.h"
REF = "csrc/core/ax_ref.h"
COUNTER = "csrc/core/ax_counter.h"
STAGES = "csrc/core/ax_counter.c"
STRIPES = "csrc/core/ax_stripe.c"


INTEGERS = [
    explored(
        "int: a split add",
        INT,
        "    } while (*result != *previous && !ax_int_compare_exchange(cell, previous, *result) && "
        "AX_TRY_AGAIN(cell));\n",
        "    } while (false);\n    ax_int_store(cell, *result);\n",
    ),
    explored(
        "int: adds first and checks for the overflow afterwards",
        INT,
        """        if (!step(*previous, operand, result)) {
            return AX_REFUSED;
        }
""",
        """        if (!step(*previous, operand, result)) {
            if (ax_int_compare_exchange(cell, previous, *result)) {
                ax_int_store(cell, *previous);
            }
            return AX_REFUSED;
        }
""",
    ),
    explored(
        "int: the overflow of a sum is not noticed",
        INT,
        "    return (((uint64_t)value ^ sum) & ((uint64_t)operand ^ sum)) >> 63 == 0;",
        "    return true;",
    ),
    explored(
        "int: the overflow of a difference is checked like that of a sum",
        INT,
        "    return (((uint64_t)value ^ (uint64_t)operand) & ((uint64_t)value ^ difference)) >> 63 == 0;",
        "    return (((uint64_t)value ^ difference) & ((uint64_t)operand ^ difference)) >> 63 == 0;",
    ),
    explored(
        "int: a retry keeps the result of the first attempt",
        INT,
        """    *previous = ax_int_load(cell);
    do {
        if (!step(*previous, operand, result)) {
            return AX_REFUSED;
        }
""",
        """    *previous = ax_int_load(cell);
    if (!step(*previous, operand, result)) {
        return AX_REFUSED;
    }
    do {
""",
    ),
    explored(
        "int: a retry keeps the answer of the first attempt",
        INT,
        """    do {
        if (!step(*previous, operand, result)) {
            return AX_REFUSED;
        }
        if (!prepare(answer, *previous, *result)) {
            return AX_UNPREPARED;
        }
""",
        """    bool prepared = false;
    do {
        if (!step(*previous, operand, result)) {
            return AX_REFUSED;
        }
        if (!prepared && !prepare(answer, *previous, *result)) {
            return AX_UNPREPARED;
        }
        prepared = true;
""",
    ),
    explored(
        "int: a wrong witness: the desired value",
        INT,
        "    *expected = (int64_t)found;\n",
        "    *expected = swapped ? desired : (int64_t)found;\n",
    ),
    explored(
        "int: a swap that always reports success",
        INT,
        "    *expected = (int64_t)found;\n    return swapped;",
        "    *expected = (int64_t)found;\n    return swapped || found != 0;",
    ),
    explored(
        "int: try_add's limit is off by one",
        INT,
        "sum > limit)",
        "sum >= limit)",
    ),
    explored(
        "int: try_add takes a sum outside int64",
        INT,
        "        if (!ax_int_step_add(value, delta, &sum) || (",
        "        if ((ax_int_step_add(value, delta, &sum), false) || (",
    ),
    explored(
        "int: a split try_add",
        INT,
        "    } while (!ax_int_compare_exchange(cell, &value, sum) && AX_TRY_AGAIN(cell));",
        "    } while (false);\n    ax_int_store(cell, sum);",
    ),
    explored(
        "int: advance does not advance on a tie",
        INT,
        "    *result = candidate > value ? candidate : value + 1;",
        "    *result = candidate >= value ? candidate : value + 1;",
    ),
    explored(
        "int: advance wraps at the end",
        INT,
        "    if (value == INT64_MAX) {\n        return false;\n    }\n",
        "    value = value == INT64_MAX ? INT64_MIN : value;\n",
    ),
    explored(
        "int: fetch_inc_mod wraps around one too late",
        INT,
        "index == modulus - 1 ? 0 : index + 1",
        "index == modulus ? 0 : index + 1",
    ),
    explored(
        "int: fetch_inc_mod keeps a negative index",
        INT,
        "    return value >= 0 && value < modulus ? value : 0;",
        "    return value < modulus ? value : 0;",
    ),
    explored(
        "int: fetch_max takes the smaller one",
        INT,
        "    *result = value > operand ? value : operand;",
        "    *result = value < operand ? value : operand;",
    ),
]

FLOATS = [
    explored(
        "float: a split add",
        FLOAT,
        "    } while (desired != found && !ax_word_compare_exchange(cell, &found, desired) && "
        "AX_TRY_AGAIN(cell));",
        "    } while (false);\n    ax_word_store(cell, desired);",
    ),
    explored(
        "float: a swap compares values, not bits",
        FLOAT,
        "    uint64_t found = ax_float_bits(*expected);\n",
        "    uint64_t found = ax_word_load(cell);\n"
        "    found = ax_float_from_bits(found) == *expected ? found : ax_float_bits(*expected);\n",
    ),
    explored(
        "float: a failed swap returns what was expected as its witness",
        FLOAT,
        "    *expected = ax_float_from_bits(found);\n",
        "",
    ),
    explored(
        "float: maximum prefers NaN",
        FLOAT,
        "operand > value || (ax_float_is_nan(value) && !ax_float_is_nan(operand))",
        "operand > value || ax_float_is_nan(operand)",
    ),
    explored(
        "float: minimum replaces a tie",
        FLOAT,
        "    return operand < value ||",
        "    return operand <= value ||",
    ),
    explored(
        "float: an exchange that is a load and a store",
        FLOAT,
        "    return ax_float_from_bits(ax_word_exchange(cell, ax_float_bits(value)));",
        "    double previous = ax_float_load(cell);\n    ax_float_store(cell, value);\n    return previous;",
    ),
]

REFERENCES = [
    explored(
        "ref: no second look at the slot",
        REF,
        "        if (ax_pointer_load(slot) == found) {",
        "        if (true) {",
    ),
    explored(
        "ref: the second look comes before the reference",
        REF,
        """        if (!ax_object_try_acquire(found)) {
            continue; /* it was released, so the slot has changed */
        }
        if (ax_pointer_load(slot) == found) {
            return found;
        }
        ax_object_release(found);
""",
        """        if (ax_pointer_load(slot) == found && ax_object_try_acquire(found)) {
            return found;
        }
""",
    ),
    explored(
        "ref: a failed second look drops no reference: a leak",
        REF,
        "        }\n        ax_object_release(found);\n    }\n}\n\n/* Steals desired",
        "        }\n    }\n}\n\n/* Steals desired",
    ),
    explored(
        "ref: a failed second look drops its reference twice",
        REF,
        "        }\n        ax_object_release(found);\n    }\n}\n\n/* Steals desired",
        "        }\n        ax_object_release(found);\n        ax_object_release(found);\n"
        "    }\n}\n\n/* Steals desired",
    ),
    explored(
        "ref: an exchange does not mark its object",
        REF,
        "    ax_object_share(desired);\n    return ax_pointer_exchange(slot, desired);",
        "    return ax_pointer_exchange(slot, desired);",
    ),
    explored(
        "ref: a swap does not mark its object",
        REF,
        "    void *found = expected;\n    ax_object_share(desired);\n",
        "    void *found = expected;\n",
    ),
    explored(
        "ref: an object is marked after it was published",
        REF,
        "    ax_object_share(desired);\n    return ax_pointer_exchange(slot, desired);",
        "    ax_object *previous = ax_pointer_exchange(slot, desired);\n"
        "    ax_object_share(desired);\n    return previous;",
    ),
    explored(
        "ref: a split exchange",
        REF,
        "    return ax_pointer_exchange(slot, desired);",
        "    void *previous = ax_pointer_load(slot);\n"
        "    (void)ax_pointer_exchange(slot, desired);\n    return previous;",
    ),
    explored(
        "ref: a swap keeps trying with what it found, whatever was expected",
        REF,
        "    return ax_pointer_compare_exchange(slot, &found, desired);",
        "    while (!ax_pointer_compare_exchange(slot, &found, desired)) {\n    }\n    return true;",
    ),
    explored(
        "ref: the witness of a failed swap is the expected object",
        REF,
        "        if (found != expected) {\n            return found;\n        }\n"
        "        ax_object_release(found); /* expected came back in between: try again */",
        "        return found;",
    ),
    explored(
        "ref: an expected object that came back is leaked",
        REF,
        "        ax_object_release(found); /* expected came back in between: try again */\n",
        "",
    ),
]

COUNTERS = [
    explored(
        "counter: an addition in the first cell ignores the seal",
        COUNTER,
        "    if (found & AX_SEAL) {\n        return AX_CONTENDED;\n    }\n",
        "",
    ),
    explored(
        "counter: a refusal does not check the cell again",
        COUNTER,
        "        return ax_word_load(&counter->first) == found ? AX_OVERFLOW : AX_CONTENDED;",
        "        return AX_OVERFLOW;",
    ),
    explored(
        "counter: the last count of the range is refused",
        COUNTER,
        "    if (count > AX_COUNT_MASK - total) {",
        "    if (count >= AX_COUNT_MASK - total) {",
    ),
    explored(
        "counter: an addition in the first cell does not check for room",
        COUNTER,
        "    if (count > AX_COUNT_MASK - total) {",
        "    if (false && total) {",
    ),
    explored(
        "counter: room in the first cell is computed without the base",
        COUNTER,
        "    uint64_t total = (found - ax_word_load(&counter->base)) & AX_COUNT_MASK;",
        "    uint64_t total = found;",
    ),
    explored(
        "counter: a split add in the first cell",
        COUNTER,
        "    return ax_word_compare_exchange(&counter->first, &found, desired) ? AX_ADDED : AX_CONTENDED;",
        "    ax_word_store(&counter->first, desired);\n    return AX_ADDED;",
    ),
    explored(
        "counter: the first cell is sealed without room to stripe",
        STAGES,
        "        if (total > AX_STRIPING_LIMIT) {\n            return;\n        }\n",
        "        (void)total;\n",
    ),
    explored(
        "counter: the first cell is sealed without stripes",
        STAGES,
        "    if (ax_stripes_ensure(&counter->stripes, 1, system) == NULL) {\n        return;\n    }\n"
        "    uint64_t found",
        "    (void)ax_stripes_ensure(&counter->stripes, 1, system);\n    uint64_t found",
    ),
    explored(
        "counter: the seal overwrites what was counted meanwhile",
        STAGES,
        "        if (ax_word_compare_exchange(&counter->first, &found, found | AX_SEAL)) {\n"
        "            return;\n        }\n",
        "        ax_word_store(&counter->first, found | AX_SEAL);\n        return;\n",
    ),
    explored(
        "counter: the loser of the race for the stripes publishes too",
        STRIPES,
        "    if (!ax_pointer_compare_exchange(slot, &found, stripes)) {",
        "    found = ax_pointer_exchange(slot, stripes);\n    if (false) {",
    ),
    explored(
        "counter: the loser of the race for the stripes leaks its own",
        STRIPES,
        "        system->release(stripes->block);\n        return found;",
        "        return found;",
    ),
    explored(
        "counter: an addition to a stripe ignores the seal",
        COUNTER,
        "        if (count > AX_STRIPE_LIMIT || found > AX_STRIPE_LIMIT - count) {",
        "        if (count > AX_STRIPE_LIMIT || (found & AX_COUNT_MASK) > AX_STRIPE_LIMIT - count) {",
    ),
    explored(
        "counter: a stripe takes any count",
        COUNTER,
        "        if (count > AX_STRIPE_LIMIT || found > AX_STRIPE_LIMIT - count) {",
        "        if (found & AX_SEAL) {",
    ),
    explored(
        "counter: a split add to a stripe",
        COUNTER,
        "    } while (!ax_word_compare_exchange(cell, &found, found + count));",
        "    } while (false);\n    ax_word_store(cell, found + count);",
    ),
    explored(
        "counter: the stripes are left, but not sealed",
        STAGES,
        "count_of(ax_word_fetch_or(ax_stripe_at(stripes, i), AX_SEAL))",
        "count_of(ax_word_load(ax_stripe_at(stripes, i)))",
    ),
    explored(
        "counter: the last cell forgets the first one",
        STAGES,
        "    uint64_t sum = count_of(ax_word_load(&counter->first));\n    for (size_t",
        "    uint64_t sum = 0;\n    for (size_t",
    ),
    explored(
        "counter: a refusal in the last stage does not check the cell again",
        STAGES,
        "            if (ax_word_load(&counter->last) == found) {\n",
        "            if (true) {\n",
    ),
    explored(
        "counter: a stripe is lost from the sum",
        STAGES,
        "        for (size_t i = 0; i < stripes->count; i++) {\n"
        "            sum += count_of(ax_word_load(ax_stripe_at(stripes, i)));",
        "        for (size_t i = 1; i < stripes->count; i++) {\n"
        "            sum += count_of(ax_word_load(ax_stripe_at(stripes, i)));",
    ),
    explored(
        "counter: a load reads the base once",
        STAGES,
        "        if (base_after == base) {",
        "        if (base_after >= base) {",
    ),
    explored(
        "counter: a load subtracts a base that it read after the cells",
        STAGES,
        "        base = base_after;\n",
        "        return (int64_t)((sum - base_after) & AX_COUNT_MASK);\n",
    ),
    explored(
        "counter: a drain that is not a swap",
        STAGES,
        "        if (ax_word_compare_exchange(&counter->base, &base, sum)) {\n"
        "            return true;\n        }\n",
        "        ax_word_store(&counter->base, sum);\n        return true;\n",
    ),
    explored(
        "counter: a drain retries with a stale sum",
        STAGES,
        "    for (;;) {\n        uint64_t sum = cells_sum(counter);\n        if (!prepare",
        "    uint64_t sum = cells_sum(counter);\n    for (;;) {\n        if (!prepare",
    ),
    explored(
        "counter: a drain retries with a stale answer",
        STAGES,
        "    for (;;) {\n        uint64_t sum = cells_sum(counter);\n        if (!prepare",
        "    for (uint64_t attempts = 0;; attempts++) {\n"
        "        uint64_t sum = cells_sum(counter);\n        if (attempts == 0 && !prepare",
    ),
    explored(
        "counter: a drain goes on without an answer",
        STAGES,
        "& AX_COUNT_MASK))) {\n            return false;\n        }\n",
        "& AX_COUNT_MASK))) {\n        }\n",
    ),
]

MUTANTS = INTEGERS + FLOATS + REFERENCES + COUNTERS
