"""Faults planted in a copy of the core, at least one for each contract: its proof has to fail."""

import re
from dataclasses import dataclass

from mutants.mutant import StaleMutant

INT, FLOAT, COUNTER, STAGES = "ax_int.h", "ax_float.h", "ax_counter.h", "ax_counter.c"
STRIPE, STRIPES, BUCKETS, GATE = "ax_stripe.h", "ax_stripe.c", "ax_buckets.h", "ax_gate.h"
EXPONENTIAL = "ax_exponential.h"


@dataclass(frozen=True)
class Fault:
    """A text that occurs once in the function of a contract, and its replacement."""

    function: str
    file: str
    old: str
    new: str

    def planted(self, text: str) -> str:
        """Return the file's text with the fault. Raises StaleMutant unless the text occurs exactly once."""
        definition = re.compile(
            rf"^\w[^\n]*\b{self.function}\([^;{{}}]*\)\n\{{\n.*?^\}}", re.MULTILINE | re.DOTALL
        )
        found = definition.search(text)
        count = found[0].count(self.old) if found else 0
        if found is None or count != 1:
            raise StaleMutant(f"{self.function} has this {count} times, and not once: {self.old}")
        return text[: found.start()] + found[0].replace(self.old, self.new) + text[found.end() :]


FAULTS = [
    Fault("ax_int_step_add", INT, ">> 63", ">> 62"),
    Fault("ax_int_step_add", INT, "& ((uint64_t)operand ^ sum)", "& ((uint64_t)operand ^ (uint64_t)value)"),
    Fault("ax_int_step_sub", INT, "^ (uint64_t)operand) &", "^ difference) &"),
    Fault("ax_int_step_replace", INT, "*result = operand", "*result = value"),
    Fault("ax_int_step_and", INT, "value & operand", "value && operand"),
    Fault("ax_int_step_or", INT, "value | operand", "value + operand"),
    Fault("ax_int_step_xor", INT, "value ^ operand", "value & ~operand"),
    Fault("ax_int_step_max", INT, "value > operand", "(int32_t)value > (int32_t)operand"),
    Fault("ax_int_step_min", INT, "value < operand", "(uint64_t)value < (uint64_t)operand"),
    Fault("ax_int_step_advance", INT, "value == INT64_MAX", "value == INT64_MIN"),
    Fault("ax_int_step_advance", INT, "candidate > value", "candidate >= value"),
    Fault("ax_int_index", INT, "value < modulus", "value <= modulus"),
    Fault("ax_int_step_inc_mod", INT, "index == modulus - 1", "index == modulus"),
    Fault("ax_int_load", INT, "ax_word_load(cell)", "(int32_t)ax_word_load(cell)"),
    Fault("ax_int_store", INT, "(uint64_t)value", "(uint32_t)value"),
    Fault("ax_int_compare_exchange", INT, "*expected = (int64_t)found", "*expected = desired"),
    Fault("ax_int_apply_prepared", INT, "        if (!prepare(", "        if (*result < 0 && !prepare("),
    Fault("ax_int_apply_prepared", INT, "!ax_int_compare_exchange(", "ax_int_compare_exchange("),
    Fault("ax_int_try_apply", INT, "result == value ||", "result >= value ||"),
    Fault("ax_int_no_answer", INT, "return true", "return result != 0"),
    Fault("ax_int_apply", INT, "== AX_APPLIED", "!= AX_UNPREPARED"),
    Fault("ax_int_try_add", INT, "sum > limit", "sum >= limit"),
    Fault("ax_int_try_add", INT, "delta < 0 ?", "delta <= 0 ?"),
    Fault("ax_float_bits", FLOAT, "&bits, &value, sizeof bits", "&bits, &value, sizeof bits / 2"),
    Fault("ax_float_from_bits", FLOAT, "return value", "return value == value ? value : 0.0 / 0.0"),
    Fault("ax_float_step_add", FLOAT, "value + operand", "(float)value + operand"),
    Fault("ax_float_step_sub", FLOAT, "value - operand", "operand - value"),
    Fault("ax_float_is_nan", FLOAT, "value != value", "value - value != 0"),
    Fault("ax_float_step_max", FLOAT, "operand > value", "operand >= value"),
    Fault("ax_float_step_min", FLOAT, "ax_float_is_nan(value) && ", ""),
    Fault("ax_float_load", FLOAT, "ax_word_load(cell)", "ax_word_load(cell) + 1"),
    Fault("ax_float_store", FLOAT, "ax_float_bits(value)", "(uint64_t)value"),
    Fault("ax_float_exchange", FLOAT, "ax_float_bits(value)", "ax_float_bits(-value)"),
    Fault("ax_float_compare_exchange", FLOAT, "ax_float_bits(*expected)", "ax_float_bits(*expected + 0.0)"),
    Fault("ax_float_apply", FLOAT, "desired != found", "*result != *previous"),
    Fault("ax_buckets_find", BUCKETS, "(bounds[start] < value)", "(bounds[start] <= value)"),
    Fault("ax_buckets_find", BUCKETS, "length > 1", "length > 2"),
    Fault("ax_buckets_mark_of", BUCKETS, "return UINT64_C(1)", "return UINT32_C(1)"),
    Fault("ax_exponential_key", EXPONENTIAL, "magnitude + 52 *", "magnitude + 51 *"),
    Fault("ax_exponential_key", EXPONENTIAL, "step > 0", "step > 1"),
    Fault("ax_exponential_rank", EXPONENTIAL, "[rank] < within", "[rank] <= within"),
    Fault("ax_exponential_rank", EXPONENTIAL, "[rank] < within", "[rank] < distance"),
    Fault("ax_exponential_rank", EXPONENTIAL, "return rank + ", "return "),
    Fault("ax_buckets_try_count", BUCKETS, "found + 1", "found + 2"),
    Fault(
        "ax_buckets_try_sum", BUCKETS, "return ax_word_compare_exchange(", "return !ax_word_compare_exchange("
    ),
    Fault("ax_counter_init", COUNTER, "counter->last, 0", "counter->last, 1"),
    Fault("ax_counter_try_add", COUNTER, "AX_COUNT_MASK - total", "AX_COUNT_MASK + 1 - total"),
    Fault("ax_counter_try_add", COUNTER, "found & AX_SEAL", "found == AX_SEAL"),
    Fault("ax_counter_add_to_stripe", COUNTER, "found > AX_STRIPE_LIMIT - count", "found > AX_STRIPE_LIMIT"),
    Fault("count_of", STAGES, "AX_COUNT_MASK", "INT32_MAX"),
    Fault("stripes_seal", STAGES, "i < stripes->count", "i + 1 < stripes->count"),
    Fault("last_add", STAGES, "AX_COUNT_MASK - total", "AX_COUNT_MASK - found"),
    Fault("last_add", STAGES, "(others + found -", "(found -"),
    Fault("first_seal", STAGES, "AX_STRIPING_LIMIT", "AX_COUNT_MASK"),
    Fault("cells_sum", STAGES, "    sum += ax_word_load(&counter->last);\n", ""),
    Fault("ax_counter_load", STAGES, "(sum - base) & AX_COUNT_MASK", "sum - base"),
    Fault("ax_counter_drain", STAGES, "base, sum)", "base, sum - base)"),
    Fault("ax_cache_lines", STRIPE, "+ AX_CACHE_LINE - 1", "+ AX_CACHE_LINE"),
    Fault("ax_stripe_of", STRIPE, "thread & (stripes->count - 1)", "thread & stripes->count"),
    Fault("stripe_count", STRIPES, "count * 2 <= wanted", "count <= wanted"),
    Fault("ax_gate_claim", GATE, "&unclaimed, AX_GATE_CLAIMED", "&unclaimed, AX_GATE_OPEN"),
    Fault("ax_gate_disclaim", GATE, "gate, 0", "gate, AX_GATE_CLAIMED"),
    Fault("ax_gate_open", GATE, "AX_GATE_CLAIMED | AX_GATE_OPEN", "AX_GATE_OPEN"),
    Fault("ax_gate_is_open", GATE, "AX_GATE_OPEN", "AX_GATE_CLAIMED"),
    Fault("ax_gate_enter", GATE, "(found & AX_GATE_OPEN) == 0", "(found & AX_GATE_CLAIMED) == 0"),
    Fault("ax_gate_leave", GATE, "return found - 1 ==", "return found =="),
    Fault("ax_gate_close", GATE, "found & ~AX_GATE_OPEN", "found & ~AX_GATE_FLAGS"),
    Fault("ax_gate_is_empty", GATE, "~AX_GATE_FLAGS", "~AX_GATE_OPEN"),
    Fault("ax_gate_settle", GATE, "AX_GATE_SETTLED", "AX_GATE_CLAIMED"),
    Fault("ax_gate_abandon", GATE, "found != 0 && ", ""),
]
