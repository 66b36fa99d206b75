"""The cases of atomicx itself: every operation of every type, in a table. A new type adds a few rows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from mmap import mmap
from typing import Any

import atomicx

from ..verify.spec.cells import CELLS
from .harness import Case

SUBJECT = "atomicx"

# The least possible cost of a case: an empty method, called in the same way, with the same kind of result.
CALL, CALL_ONE, CALL_TWO = "nothing()", "one(1)", "many(0, 1)"
INT, INT_MANY, FLOAT = "fresh int()", "fresh int(1)", "fresh float()"
NO_CALL = ""  # not a method call, so there is none to compare with
WITH, WITH_NEW = "with an empty guard", "with a new empty guard"

LARGE = 1 << 40

# Each costs the same as another one. Left out to keep the tables readable.
NOT_MEASURED = frozenset(
    {
        *("AtomicFloat.fetch_sub", "AtomicFloat.sub_fetch", "AtomicFloat.fetch_min"),
        *("AtomicFloat.compare_exchange", "AtomicFloat.update", "AtomicFloat.fetch_update"),
        *("AtomicInt.fetch_update", "AtomicBool.compare_exchange", "Counter.drain"),
        *("AtomicRef.compare_exchange", "AtomicRef.update", "AtomicRef.fetch_update"),
    }
)


def _cell(
    operations: str, label: str, make: Callable[[], Any], *statements: str, floor: str, note: str = ""
) -> Case:
    return Case(
        SUBJECT,
        tuple(operations.split()),
        label,
        statements,
        lambda: {"cell": make()},
        floor=floor,
        note=note,
    )


def _int() -> list[Case]:
    new = atomicx.AtomicInt

    def large() -> atomicx.AtomicInt:
        return new(LARGE)

    def case(operation: str, call: str, floor: str, make: Callable[[], Any] = new) -> Case:
        return _cell(f"int.{operation}", f"AtomicInt.{call}", make, f"cell.{call}", floor=floor)

    return [
        case("inc", "inc()", CALL),
        case("dec", "dec()", CALL),
        case("add", "add(1)", CALL_ONE),
        case("load", "load()", CALL),
        _cell("int.load_large", "AtomicInt.load() of a large value", large, "cell.load()", floor=INT),
        case("store", "store(1)", CALL_ONE),
        case("exchange", "exchange(1)", CALL_ONE),
        case("fetch_add", "fetch_add()", INT, large),
        case("fetch_add_one", "fetch_add(1)", INT_MANY, large),
        case("fetch_sub", "fetch_sub(1)", INT_MANY, large),
        case("add_fetch", "add_fetch()", INT, large),
        case("add_fetch_one", "add_fetch(1)", INT_MANY, large),
        case("sub_fetch", "sub_fetch(1)", INT_MANY, large),
        case("fetch_and", "fetch_and(7)", CALL_ONE),
        case("fetch_or", "fetch_or(7)", CALL_ONE),
        case("fetch_xor", "fetch_xor(7)", CALL_ONE),
        case("fetch_max", "fetch_max(7)", CALL_ONE),
        case("fetch_min", "fetch_min(7)", CALL_ONE),
        # One swap there and one back, so that each of them succeeds.
        _cell(
            "int.compare_and_set",
            "AtomicInt.compare_and_set(a, b)",
            new,
            "cell.compare_and_set(0, 1)",
            "cell.compare_and_set(1, 0)",
            floor=CALL_TWO,
        ),
        _cell(
            "int.compare_exchange",
            "AtomicInt.compare_exchange(a, b)",
            new,
            "cell.compare_exchange(0, 1)",
            "cell.compare_exchange(1, 0)",
            floor=CALL_TWO,
        ),
        _cell(
            "int.try_add",
            "AtomicInt.try_add(1, limit)",
            new,
            "cell.try_add(1, 9)",
            "cell.try_add(-1, 0)",
            floor=CALL_TWO,
        ),
        case("fetch_inc_mod", "fetch_inc_mod(8)", CALL_ONE),
        case("advance", "advance(1)", INT, large),
        Case(
            SUBJECT,
            ("int.update",),
            "AtomicInt.update(function)",
            ("cell.update(function)",),
            lambda: {"cell": new(), "function": operator.neg},
            floor=CALL_ONE,
        ),
        _cell("int.iadd", "AtomicInt += 1", new, "cell += 1", floor=NO_CALL),
        _cell("int.int", "int(AtomicInt)", new, "int(cell)", floor=NO_CALL),
        _cell("inflight", "with AtomicInt.track()", new, "with cell.track(): pass", floor=WITH_NEW),
        _cell("admit", "with AtomicInt.admit(9)", new, "with cell.admit(9): pass", floor=WITH_NEW),
        Case(
            SUBJECT,
            ("guard.with",),
            "with a guard of AtomicInt.track()",
            ("with guard: pass",),
            lambda: {"guard": new().track()},
            floor=WITH,
        ),
    ]


def _float() -> list[Case]:
    new = atomicx.AtomicFloat

    def case(operation: str, call: str, floor: str) -> Case:
        return _cell(f"float.{operation}", f"AtomicFloat.{call}", new, f"cell.{call}", floor=floor)

    return [
        case("add", "add(1.0)", CALL_ONE),
        case("load", "load()", FLOAT),
        case("store", "store(1.0)", CALL_ONE),
        case("exchange", "exchange(1.0)", FLOAT),
        case("fetch_add", "fetch_add(1.0)", FLOAT),
        case("add_fetch", "add_fetch(1.0)", FLOAT),
        case("fetch_max", "fetch_max(1.0)", FLOAT),
        _cell(
            "float.compare_and_set",
            "AtomicFloat.compare_and_set(a, b)",
            new,
            "cell.compare_and_set(0.0, 1.0)",
            "cell.compare_and_set(1.0, 0.0)",
            floor=CALL_TWO,
        ),
    ]


def _bool() -> list[Case]:
    new = atomicx.AtomicBool

    def case(operation: str, call: str, floor: str) -> Case:
        return _cell(f"bool.{operation}", f"AtomicBool.{call}", new, f"cell.{call}", floor=floor)

    return [
        case("test_and_set", "test_and_set()", CALL),
        case("clear", "clear()", CALL),
        case("load", "load()", CALL),
        case("store", "store(True)", CALL_ONE),
        case("exchange", "exchange(True)", CALL_ONE),
        _cell(
            "bool.compare_and_set",
            "AtomicBool.compare_and_set(a, b)",
            new,
            "cell.compare_and_set(False, True)",
            "cell.compare_and_set(True, False)",
            floor=CALL_TWO,
        ),
    ]


def _ref() -> list[Case]:
    def make() -> dict[str, Any]:
        first, second = object(), object()
        return {"cell": atomicx.AtomicRef(first), "first": first, "second": second}

    def case(operation: str, label: str, *statements: str, floor: str) -> Case:
        return Case(SUBJECT, (f"ref.{operation}",), f"AtomicRef.{label}", statements, make, floor=floor)

    return [
        case("load", "load()", "cell.load()", floor=CALL),
        case("store", "store(object)", "cell.store(first)", "cell.store(second)", floor=CALL_ONE),
        case("exchange", "exchange(object)", "cell.exchange(first)", floor=CALL_ONE),
        case(
            "compare_and_set",
            "compare_and_set(a, b)",
            "cell.compare_and_set(first, second)",
            "cell.compare_and_set(second, first)",
            floor=CALL_TWO,
        ),
    ]


def _counter() -> list[Case]:
    new = atomicx.Counter

    def case(operations: str, call: str, floor: str) -> Case:
        return _cell(operations, f"Counter.{call}", new, f"cell.{call}", floor=floor)

    return [
        case("counter.inc int.inc", "inc()", CALL),
        case("int.add", "add(1)", CALL_ONE),
        case("counter.load", "load()", CALL),
        _cell("counter.drain", "Counter.inc() and drain()", new, "cell.inc(); cell.drain()", floor=CALL),
    ]


# As many bounds as exporters have by default.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def run_time(text: str) -> str:
    """Return the same text as a new str object, like a label that comes from a request."""
    return "".join([text[:1], text[1:]])


def labelled() -> dict[str, Any]:
    """Return a family with a child, and its label values, which are made at run time."""
    family = atomicx.Family(atomicx.Counter, "method", "status")
    family.inc("GET", "200")
    return {"cell": family, "method": run_time("GET"), "status": run_time("200")}


def _family_case(operation: str, label: str, statement: str) -> Case:
    return Case(SUBJECT, (f"family.{operation}",), label, (statement,), labelled, floor=CALL)


def _metrics() -> list[Case]:
    def histogram() -> atomicx.Histogram:
        return atomicx.Histogram(BOUNDS)

    def exponential() -> atomicx.ExponentialHistogram:
        return atomicx.ExponentialHistogram()

    def family() -> Any:
        return atomicx.Family(atomicx.Counter, "method", "status")

    return [
        _cell("histogram.observe", "Histogram.observe(x)", histogram, "cell.observe(0.3)", floor=CALL_ONE),
        _cell("histogram.snapshot", "Histogram.snapshot()", histogram, "cell.snapshot()", floor=CALL),
        _cell("histogram.time", "with Histogram.time()", histogram, "with cell.time(): pass", floor=WITH_NEW),
        _cell(
            "exponential.observe",
            "ExponentialHistogram.observe(x)",
            exponential,
            "cell.observe(0.3)",
            floor=CALL_ONE,
        ),
        _cell(
            "exponential.snapshot",
            "ExponentialHistogram.snapshot()",
            exponential,
            "cell.snapshot()",
            floor=CALL,
        ),
        # The recommended spelling first: alternatives are compared with the first case that does their job.
        _family_case("inc", "Family.inc(a, b)", "cell.inc(method, status)"),
        _cell("family.inc", "Family[a, b].inc()", family, "cell['GET', 200].inc()", floor=CALL),
        _family_case("inc_int", "Family.inc(a, 200)", "cell.inc(method, 200)"),
        _family_case("add", "Family.add(1, a, b)", "cell.add(1, method, status)"),
        _family_case("iadd", "Family[a, b] += 1", "cell[method, status] += 1"),
    ]


def _shared() -> list[Case]:
    if atomicx.backend != "c":
        return []  # the twin has no shared cells

    def new() -> atomicx.SharedInt:
        return atomicx.SharedInt(mmap(-1, 64))

    def new_float() -> atomicx.SharedFloat:
        return atomicx.SharedFloat(mmap(-1, 64))

    return [
        _cell("shared.inc", "SharedInt.inc()", new, "cell.inc()", floor=CALL),
        _cell("shared.load", "SharedInt.load()", new, "cell.load()", floor=CALL),
        _cell("shared.add", "SharedInt.add(1)", new, "cell.add(1)", floor=CALL_ONE),
        _cell("shared_float.add", "SharedFloat.add(1.0)", new_float, "cell.add(1.0)", floor=CALL_ONE),
    ]


def of_the_table(known: list[Case]) -> Iterator[Case]:
    """Yield a case for each operation without one: the first example of its row in the specification."""
    labels = " ".join(case.label for case in known)
    for model in CELLS:
        for row in model.operations:
            name = f"{model.name}.{row.name}"
            plain = row.is_public and row.name.isidentifier() and row.atomic and not row.calls_arguments
            if plain and name not in NOT_MEASURED and f"{name}(" not in labels:
                given = ", ".join(map(repr, row.arguments[0]))
                floor = (CALL, CALL_ONE, CALL_TWO)[len(row.arguments[0])]
                job = f"{model.name.removeprefix('Atomic').lower()}.{row.name}"
                make = getattr(atomicx, model.name)
                yield _cell(job, f"{name}({given})", make, f"cell.{row.name}({given})", floor=floor)


def own_cases() -> list[Case]:
    """Return every operation of every type, with one thread and local variables."""
    cases = [*_int(), *_float(), *_bool(), *_ref(), *_counter(), *_metrics(), *_shared()]
    return [*cases, *of_the_table(cases)]


def own(label: str) -> Case:
    """Return the case with this label."""
    return next(case for case in own_cases() if case.label == label)
