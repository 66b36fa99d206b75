"""Writes the C program that proves one contract: any arguments, one call, and what must hold afterwards."""

from proofs.contracts import BadContract, Contract, CParameter

NUMBERS = {
    "int64_t": "nondet_int64_t()",
    "uint64_t": "nondet_uint64_t()",
    "size_t": "nondet_size_t()",
    "unsigned": "nondet_unsigned()",
    "int": "SCALE",
    "double": "any_double()",
}
# How often others may change the word during one call. A retry starts from the value that it found, as the
# first attempt did, so more changes lead to no new state.
OTHERS = 1
# The bounds of one octave, of several octaves, and several bounds in an octave.
SCALES = (-10, -1, 0, 1, 2)
MADE = {
    "ax_int_step": "any_int_step",
    "ax_float_step": "any_float_step",
    "ax_int_prepare": "prepare_anything",
    "ax_counter_prepare": "prepare_count",
    "ax_counter *": "any_counter()",
    "const ax_counter *": "any_counter()",
    "const ax_buckets *": "any_buckets()",
    "const ax_exponential *": "any_exponential()",
    "const ax_stripes *": "any_stripes()",
    "const ax_stripe_system *": "&any_system",
    "void *": "NULL",
}


class Harness:
    """The parts of the program that the parameters require. Raises BadContract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.globals: list[str] = []
        self.setup: list[str] = []
        for item in contract.parameters:
            self.add(item)

    def add(self, item: CParameter) -> None:
        kind, name = item.type, item.name
        pointed = kind.removesuffix("*").removeprefix("const ").strip()
        if kind in NUMBERS:
            self.globals.append(f"static {kind} {name};")
            self.setup.append(f"{name} = {NUMBERS[kind]};")
        elif pointed in NUMBERS:
            self.globals.append(f"static {pointed} {name}_memory, old_{name}, *{name} = &{name}_memory;")
            self.setup.append(f"old_{name} = {name}_memory = {NUMBERS[pointed]};")
        elif pointed == "ax_word":
            self.globals.append(f"static ax_word {name}_memory, *{name} = &{name}_memory;")
            self.setup.append(f"{name}_memory.bits = nondet_uint64_t();")
            self.setup.append(f"contended = {name};")
            self.setup.append(f"others = {OTHERS};")
        elif kind in MADE:
            self.globals.append(f"static {kind} {name};")
            self.setup.append(f"{name} = {MADE[kind]};")
        else:
            raise BadContract(f"{self.contract.function}: nothing makes an argument of type {kind!r}")

    def text(self) -> str:
        contract = self.contract
        names = [item.name for item in contract.parameters]
        lines = [f"#define PROOF_OF_{contract.file.replace('.', '_')}", '#include "prelude.h"', *self.globals]
        if contract.returns != "void":
            lines.append(f"static {contract.returns} returned;")
        if "counter" in names:
            lines += ["static uint64_t old_total;", "static uint64_t old_stripe;"]
        holds = " && ".join(f"({clause})" for clause in contract.given) or "true"
        lines += ["static bool given(void) {", f"    return {holds};", "}", "int main(void) {"]
        lines += [f"    {line}" for line in self.setup]
        if "counter" in names and "thread" in names:
            lines.append("    thread = THREAD;")
        lines += [f"    __ESBMC_assume({clause});" for clause in (*contract.requires, "given()")]
        if "counter" in names:
            lines += ["    old_counter = *counter;", "    old_total = total(counter);"]
            lines += [f"    old_words[{i}] = stripe_words[{i}];" for i in range(2)]
        if "counter" in names and "thread" in names:
            lines.append("    old_stripe = stripe_words[THREAD].bits;")
        call = f"{contract.function}({', '.join(names)});"
        lines.append(f"    {call}" if contract.returns == "void" else f"    returned = {call}")
        for place, clause in enumerate(contract.ensures, 1):
            lines.append(f'    __ESBMC_assert({clause}, "ensures {place}");')
        lines += ['    __ESBMC_assert(!proof_is_vacuous, "vacuous");', "    return 0;", "}"]
        return "\n".join(["static _Bool proof_is_vacuous = VACUOUS;", *lines, ""])


def variants(contract: Contract) -> list[dict[str, int]]:
    """Return the values that are fixed in each run, so that the solver need not guess an address or a shift:
    how many stripes a counter has, the thread's number, from which ax_stripe_of chooses a stripe, and the
    scale of an exponential histogram."""
    kinds = {item.type for item in contract.parameters}
    if "const ax_exponential *" in kinds or any(item.name == "scale" for item in contract.parameters):
        return [{"SCALE": scale} for scale in SCALES]
    if "ax_counter *" not in kinds:
        return [{}]
    if any(item.name == "thread" for item in contract.parameters):
        return [{"STRIPES": 1, "THREAD": 0}]
    striped = any("sealed(counter->first)" in clause for clause in contract.given)
    return [{"STRIPES": stripes} for stripes in range(1 if striped else 0, 3)]
