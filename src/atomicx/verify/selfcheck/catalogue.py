"""The built-in catalogue: the rows that `python -m atomicx verify` runs.

A row is a program, the cells it is about, and a control: cells with the very fault that the row looks for.
Both are run in the same conditions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import atomicx

from ... import AtomicBool, AtomicFloat, AtomicInt, AtomicRef, Counter
from ..litmus import Actor, Litmus
from ..sampling.crew import Crew, gil_enabled
from ..sampling.programs import Maker, Program
from ..spec.cells import (
    ATOMIC_BOOL,
    ATOMIC_FLOAT,
    ATOMIC_INT,
    ATOMIC_REF,
    COUNTER,
    EXPONENTIAL,
    FAMILY,
    HISTOGRAM,
)
from ..spec.histograms import histogram
from ..spec.model import Model
from . import controls, hardware
from .access import Access


@dataclass(frozen=True)
class CellKind:
    """A type of cell: the prefix of its rows' names, how to make one, and what it does when used alone."""

    name: str
    make: Callable[[Any], Any]
    model: Model

    @property
    def split(self) -> type[Any]:
        return _SPLITS[self.model.name]

    @cached_property
    def access(self) -> Access:
        """How atomicx's own cells are used."""
        return Access(self.model, self.make, self.model.read)


INT = CellKind("int", AtomicInt, ATOMIC_INT)
FLOAT = CellKind("float", AtomicFloat, ATOMIC_FLOAT)
BOOL = CellKind("bool", AtomicBool, ATOMIC_BOOL)
REF = CellKind("ref", AtomicRef, ATOMIC_REF)
COUNT = CellKind("counter", Counter, COUNTER)
CHILDREN = CellKind("family", lambda state: FAMILY.make(atomicx, state), FAMILY)
BUCKETS = CellKind("histogram", lambda state: HISTOGRAM.make(atomicx, state), HISTOGRAM)
# The rows that are written by hand have one bound; more bounds can be wrong in more ways.
_MORE_BOUNDS = histogram((-1.0, 0.25, 0.5, 2.0, 5.0))
MORE_BUCKETS = CellKind("histogram", lambda state: _MORE_BOUNDS.make(atomicx, state), _MORE_BOUNDS)
# Searches differ with the number of bounds: a few are scanned, many are bisected.
_MANY_BOUNDS = histogram(tuple(number / 8 for number in range(-50, 50)))
WIDE_BUCKETS = CellKind("wide-histogram", lambda state: _MANY_BOUNDS.make(atomicx, state), _MANY_BOUNDS)
GROWING_BUCKETS = CellKind("exponential", lambda state: EXPONENTIAL.make(atomicx, state), EXPONENTIAL)
_SPLITS = {
    kind.model.name: controls.split(kind.model)
    for kind in (INT, FLOAT, BOOL, REF, COUNT, BUCKETS, GROWING_BUCKETS)
}
_SPLITS.update({"SharedInt": _SPLITS["AtomicInt"], "SharedFloat": _SPLITS["AtomicFloat"]})


@dataclass(frozen=True)
class Control:
    """The fault of the control's cells, in a few words, and how they are made.

    `litmus` overrides the program where different cells are not enough.
    """

    fault: str
    maker: Maker | None = None
    litmus: Callable[[], Litmus] | None = None


@dataclass(frozen=True)
class Row:
    """One claim: the cells of `kind` run `program` as if one thread ran it, and the control does not."""

    name: str
    kind: CellKind
    program: Program
    control: Control
    # Why nothing can be observed here, or None.
    hidden: Callable[[], str | None] = lambda: None
    # Its share of the time that is left when all rows are settled.
    weight: int = 1
    # At least this many samples of a subject are taken, however busy the machine is.
    least: int = 0
    # What runs the actors, if they are not threads.
    crew_of: Callable[[tuple[Actor, ...], float], Crew] | None = None

    @property
    def control_name(self) -> str:
        """Each row has its own control."""
        return self.name

    @property
    def needs(self) -> frozenset[str]:
        """The operations that a cell must have to run this row."""
        return self.program.needs

    def subject_test(self, access: Access) -> Litmus:
        """Return the test of these cells."""
        names = {ours: theirs for ours, theirs in access.names.items() if ours != theirs}
        program = self.program.renamed(names) if names else self.program
        return program.litmus(self.name, lambda: access.make, self._outcomes())

    def control_test(self, access: Access) -> Litmus:
        """Return the same test of the broken cells."""
        name = f"{self.name}, control"
        if self.control.litmus is not None:
            return self.control.litmus()
        maker = self.control.maker or (lambda: self.kind.split)
        return self.program.litmus(name, maker, self._outcomes())

    def _outcomes(self) -> dict[tuple[Any, ...], Any]:
        return self.program.outcomes(self.kind.split)


def no_store_is_late() -> str | None:
    """Return why the effects of hardware cannot be observed from Python here, or None."""
    if gil_enabled():
        return "the GIL runs one thread at a time, and passing it on orders everything before it"
    if hasattr(sys, "gettotalrefcount"):
        return "a debug build keeps a total of all references, and changing it orders everything before it"
    return None


def _split(kind: CellKind, name: str, start: Any, *actors: str, finally_: str = "z = x.load()") -> Row:
    """Return a row whose control is the split cell: anything done between its read and its write is lost."""
    program = Program(f"x = {start}", actors, finally_)
    return Row(f"{kind.name}-{name}", kind, program, Control("split: a read, then a write"))


_EMPTY = "((0, 0), 0.0)"
_THREE = "((3, 0), 3.0)"
_WITNESS = "reads its witness again"

ROWS: tuple[Row, ...] = (
    _split(INT, "add", 0, "x.add(1)", "x.add(2)"),
    _split(INT, "inc-dec", 0, "x.inc()", "x.dec()"),
    _split(INT, "fetch-add", 0, "a = x.fetch_add(1)", "b = x.fetch_add(1)", "c = x.fetch_add(1)"),
    _split(INT, "add-fetch", 0, "a = x.add_fetch(3)", "b = x.sub_fetch(1)"),
    _split(INT, "fetch-sub", 0, "a = x.fetch_sub(1)", "b = x.fetch_sub(2)"),
    _split(INT, "in-place", 6, "x += 1", "x -= 4"),
    _split(INT, "bits", 1, "a = x.fetch_and(6)", "b = x.fetch_or(2)", "c = x.fetch_xor(4)"),
    _split(INT, "in-place-bits", 1, "x &= 6", "x |= 2", "x ^= 4"),
    _split(INT, "exchange", 0, "a = x.exchange(1)", "b = x.exchange(2)"),
    _split(INT, "compare-and-set", 0, "a = x.compare_and_set(0, 1)", "b = x.compare_and_set(0, 2)"),
    _split(INT, "witness", 0, "a = x.compare_exchange(0, 1)", "b = x.compare_exchange(0, 2)"),
    Row(
        "int-failure-witness",
        INT,
        Program("x = 5", ("a = x.compare_exchange(0, 1)", "b = x.exchange(0)"), "z = x.load()"),
        Control(_WITNESS, lambda: controls.WrongWitnessInt),
    ),
    _split(INT, "max", 0, "a = x.fetch_max(1)", "b = x.fetch_max(2)"),
    _split(INT, "min", 0, "a = x.fetch_min(-2)", "b = x.fetch_min(-1)"),
    _split(INT, "try-add", 0, "a = x.try_add(1, 1)", "b = x.try_add(1, 1)"),
    _split(INT, "ring", 2, "a = x.fetch_inc_mod(3)", "b = x.fetch_inc_mod(3)"),
    _split(INT, "advance", 0, "a = x.advance(7)", "b = x.advance(7)"),
    _split(INT, "update", 1, "a = x.update(twice)", "b = x.fetch_update(minus_one)"),
    Row(
        "int-overflow",
        INT,
        Program("x = MAX", ("a = attempt(x.add, 1)", "b = x.load()"), "z = x.load()"),
        Control("adds first, looks for overflow after", lambda: controls.LateCheckInt),
    ),
    _split(INT, "last-room", "MAX - 1", "a = attempt(x.add, 1)", "b = attempt(x.add, 1)"),
    Row(
        "int-reads",
        INT,
        Program("x = 0", ("x.inc()", "a = x.load(); b = x.load()")),
        Control("a reader goes from one copy to another", lambda: controls.ForgetfulCell),
    ),
    Row(
        "int-message-passing",
        INT,
        Program("x = 0; y = 0", ("x.store(1); y.store(1)", "a = y.load(); b = x.load()")),
        Control("the second store overtakes the first", controls.in_memory(controls.ReorderedCell)),
    ),
    Row(
        "int-store-buffering",
        INT,
        Program("x = 0; y = 0", ("x.store(1); a = y.load()", "y.store(1); b = x.load()")),
        Control("a store waits in its thread's buffer", controls.in_memory(controls.BufferedCell)),
    ),
    Row(
        "int-store-buffering-hardware",
        INT,
        hardware.STORE_BUFFERING,
        Control("plain memory: the processor's own store buffer", litmus=hardware.plain_store_buffering),
        hidden=no_store_is_late,
    ),
    Row(
        "int-independent-reads",
        INT,
        Program(
            "x = 0; y = 0",
            ("x.store(1)", "y.store(1)", "a = x.load(); b = y.load()", "c = y.load(); d = x.load()"),
        ),
        Control("a store reaches one reader first", controls.in_memory(controls.NearFirstCell)),
    ),
    _split(FLOAT, "add", 0.0, "x.add(0.5)", "x.add(2.0)"),
    _split(FLOAT, "fetch-add", 0.0, "a = x.fetch_add(1.5)", "b = x.fetch_sub(0.5)"),
    _split(FLOAT, "add-fetch", 0.0, "a = x.add_fetch(1.5)", "b = x.sub_fetch(0.5)"),
    _split(FLOAT, "in-place", 0.0, "x += 1.5", "x -= 0.5"),
    _split(FLOAT, "exchange", 0.0, "a = x.exchange(1.5)", "b = x.exchange(2.5)"),
    _split(
        FLOAT, "compare-and-set", 0.0, "a = x.compare_and_set(0.0, -0.0)", "b = x.compare_and_set(0.0, 1.0)"
    ),
    _split(FLOAT, "witness", 0.0, "a = x.compare_exchange(0.0, 1.5)", "b = x.compare_exchange(0.0, 2.5)"),
    _split(FLOAT, "max", 0.0, "a = x.fetch_max(1.5)", "b = x.fetch_max(2.5)"),
    _split(FLOAT, "min", 0.0, "a = x.fetch_min(-2.5)", "b = x.fetch_min(-1.5)"),
    _split(FLOAT, "update", 1.0, "a = x.update(twice)", "b = x.fetch_update(minus_one)"),
    _split(FLOAT, "store", 1.0, "a = x.fetch_add(1.0)", "x.store(4.0)"),
    _split(BOOL, "test-and-set", False, "a = x.test_and_set()", "b = x.test_and_set()", finally_=""),
    _split(
        BOOL,
        "clear",
        False,
        "a = x.test_and_set(); x.clear(); b = x.test_and_set()",
        "c = x.test_and_set()",
        finally_="",
    ),
    _split(
        BOOL,
        "witness",
        False,
        "a = x.compare_exchange(False, True)",
        "b = x.compare_exchange(False, True)",
        finally_="",
    ),
    Row(
        "bool-message-passing",
        BOOL,
        Program(
            "x = False; y = False",
            ("x.store(True); y.store(True)", "a = y.load(); b = x.load()"),
        ),
        Control("the second store overtakes the first", controls.in_memory(controls.ReorderedCell)),
    ),
    _split(BOOL, "exchange", False, "a = x.exchange(True)", "b = x.exchange(True)", finally_=""),
    _split(
        BOOL,
        "compare-and-set",
        False,
        "a = x.compare_and_set(False, True)",
        "b = x.compare_and_set(False, True)",
    ),
    _split(REF, "exchange", "A", "a = x.exchange(B)", "b = x.exchange(C)"),
    _split(REF, "compare-and-set", "A", "a = x.compare_and_set(A, B)", "b = x.compare_and_set(A, C)"),
    _split(REF, "witness", "A", "a = x.compare_exchange(A, B)", "b = x.compare_exchange(A, C)"),
    _split(REF, "update", "()", "a = x.update(append_one)", "b = x.fetch_update(append_two)"),
    Row(
        "ref-failure-witness",
        REF,
        Program("x = C", ("a = x.compare_exchange(A, B)", "b = x.exchange(A)"), "z = x.load()"),
        Control(_WITNESS, lambda: controls.WrongWitnessRef),
    ),
    Row(
        "ref-phantom",
        REF,
        Program("x = red(); y = blue()", ("a = colors(x.load)", "repaint(x.store, y.store)")),
        Control("no second look at the slot", controls.recycling),
        # In C its window is narrower than any other.
        weight=10,
        # It came in one of 4,000 to 15,000 samples of another library's cell.
        least=100_000,
    ),
    Row(
        "ref-drop",
        REF,
        Program(
            "x = Mortal()", ("a = life(x.load())", "x.exchange(None); x.store(Mortal()); x.exchange(None)")
        ),
        Control("a load counts no reference", lambda: controls.UncountedRef),
    ),
    _split(COUNT, "inc", 0, "x.inc()", "x.inc()"),
    _split(COUNT, "add", 0, "x.add(2)", "x += 3"),
    _split(COUNT, "drain", 3, "x.inc()", "a = x.drain()"),
    Row(
        "counter-between",
        COUNT,
        Program("x = 0", ("x.inc()", "a = x.load(); b = x.load()"), "z = x.load()"),
        Control("two words read one after the other", lambda: controls.TwoWordCounter),
    ),
    _split(BUCKETS, "observe", _EMPTY, "x.observe(1.0)", "x.observe(2.0)", finally_="z = x.snapshot()"),
    _split(
        BUCKETS,
        "drain",
        _THREE,
        "x.observe(1.0)",
        "a = x.drain()[0]",
        finally_="z = x.snapshot()[0]",
    ),
    _split(BUCKETS, "drains", _THREE, "a = x.drain()[0]", "b = x.drain()[0]", finally_=""),
    Row(
        "histogram-sum-lags",
        BUCKETS,
        Program(f"x = {_EMPTY}", ("x.observe(1.0)", "a = leads(x.snapshot())"), "z = x.snapshot()"),
        Control("adds the value first, and counts after", lambda: controls.LeadingHistogram),
    ),
)
