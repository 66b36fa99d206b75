"""Reads the contracts of the C core, in the comments before its functions. See csrc/core/ax_assert.h."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "csrc" / "core"

# Functions without a contract, in files where others have one, each with the reason. A file without any
# contract is ignored, except for its steps: run.py names such files.
FUNCTIONS_WITHOUT = {
    "ax_cache_line_start": "turns an address into a number and back, which the checker's memory model lacks",
    "ax_stripe_at": "an address in a block: the proofs of ax_stripe_of and of the counter use it",
    "stripes_block_size": "memory: AddressSanitizer sees a block that is too small",
    "stripes_new": "memory; used by the proofs of ax_counter_add_striped",
    "ax_stripes_ensure": "publication: the explorer's; used by the proofs of ax_counter_add_striped",
    "ax_stripes_bytes": "memory",
    "ax_stripes_free": "memory",
    "ax_counter_free": "memory",
    "ax_counter_add_striped": "steps that have contracts, in an order that is for the explorer",
    "ax_counter_add_by_stage": "the same",
    "ax_buckets_try_observe": "two steps that have contracts, one after the other: for the explorer",
    "ax_exponential_find": "steps that have contracts; tests/core/bounds.c compares it with the definition",
    "ax_buckets_mark": "a mark that has a contract, set once: for the explorer",
    "ax_buckets_marks": "a load: for the explorer",
    "ax_buckets_is_marked": "a mark that has a contract, looked for",
}

FUNCTION = re.compile(
    r"(?P<comment>/\*(?:[^*]|\*(?!/))*\*/\n)?"
    r"^(?P<returns>(?:AX_INLINE |AX_NOINLINE |static )*(?:const )?\w+ (?:\*)?)(?P<name>\w+)\("
    r"(?P<parameters>[^;{}()]*)\)(?P<end>;|\n\{(?P<body>.*?)\n\}\n)",
    re.MULTILINE | re.DOTALL,
)
CLAUSE = re.compile(r"^(requires|given|ensures) (.*)$")
ASSERTED = re.compile(r"AX_ASSERT\((.*?)\);", re.DOTALL)


class BadContract(Exception):
    """A function of the core lacks a contract, or has one that is not consistent; the text names it."""


@dataclass(frozen=True)
class CParameter:
    type: str  # as declared, "ax_word *"
    name: str


@dataclass(frozen=True)
class Contract:
    file: str
    function: str
    returns: str
    parameters: tuple[CParameter, ...]
    requires: tuple[str, ...]
    given: tuple[str, ...]
    ensures: tuple[str, ...]


def clauses(comment: str) -> dict[str, tuple[str, ...]]:
    """Return the clauses in a comment; each goes on to the next clause, or to the comment's end."""
    found: dict[str, list[str]] = {"requires": [], "given": [], "ensures": []}
    current: list[str] | None = None
    for line in comment.removesuffix("\n").removesuffix("*/").removeprefix("/*").splitlines():
        text = line.strip().removeprefix("*").strip()
        clause = CLAUSE.match(text) if re.match(r" \*   \w|   \w", line) else None
        if clause:
            current = found[clause[1]]
            current.append(clause[2])
        elif current is not None and text:
            current[-1] += f" {text}"
    return {kind: tuple(texts) for kind, texts in found.items()}


def parameter(text: str) -> CParameter:
    found = re.fullmatch(r"(.*?)(\w+)", " ".join(text.split()))
    if found is None:
        raise BadContract(f"cannot read the parameter {text!r}")
    return CParameter(found[1].strip(), found[2])


def normal(expression: str) -> str:
    return " ".join(expression.split())


def contracts_in(path: Path) -> Iterator[Contract]:
    """Return the contracts of a file. Raises BadContract for a function that should have one."""
    functions = list(FUNCTION.finditer(path.read_text()))
    takes_part = any(clauses(found["comment"] or "")["ensures"] for found in functions)
    for found in functions:
        name = found["name"]
        stated = clauses(found["comment"] or "")
        if found["end"] == ";":  # its definition has the contract
            if any(stated.values()):
                raise BadContract(f"{path.name}: the contract of {name} belongs to its definition")
            continue
        if not stated["ensures"]:
            if name not in FUNCTIONS_WITHOUT and (takes_part or "_step_" in name):
                raise BadContract(f"{path.name}: {name} has no contract, and no reason in FUNCTIONS_WITHOUT")
            continue
        if name in FUNCTIONS_WITHOUT:
            raise BadContract(f"{path.name}: {name} has a contract, and a reason for having none")
        asserted = {normal(condition) for condition in ASSERTED.findall(found["body"])}
        for condition in stated["requires"]:
            if normal(condition) not in asserted:
                raise BadContract(f"{path.name}: {name} requires what it does not assert: {condition}")
        declared = normal(found["parameters"])
        yield Contract(
            path.name,
            name,
            found["returns"].replace("AX_INLINE ", "").replace("static ", "").strip(),
            () if declared == "void" else tuple(map(parameter, declared.split(","))),
            **stated,
        )


def contracts(core: Path = CORE) -> list[Contract]:
    """Return all contracts of the core, by file and place. Raises BadContract."""
    found = [contract for path in sorted(core.glob("*.[ch]")) for contract in contracts_in(path)]
    names = [contract.function for contract in found]
    if len(set(names)) != len(names):
        raise BadContract("two functions with a contract have the same name")
    return found


def files_without(core: Path = CORE) -> list[str]:
    """Return the files of the core in which no function has a contract."""
    with_contracts = {contract.file for contract in contracts(core)}
    return sorted({path.name for path in core.glob("*.[ch]")} - with_contracts)
