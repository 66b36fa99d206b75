"""The rows that are made from the specification: two for each operation, and one for three threads.

`int/fetch_add/alone` compares the operation with its row in every edge state, `int/fetch_add/pairs` races it
against itself and against every other operation that changes something, and `int/three` races three
operations at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..litmus import Actor, Litmus
from ..sampling.crew import Crew
from ..spec.model import Operation
from .access import Access
from .alone import Alone
from .broken import Broken, control_of, split, wrong_in_one_state
from .catalogue import WIDE_BUCKETS, CellKind, Control
from .encounters import encounters, meets
from .gatherings import threes
from .pairs import pairs_litmus

WRONG = Control("wrong in one of its edge states")
IN_TWO_STEPS = Control("does it in two steps")


@dataclass(frozen=True)
class AloneRow:
    """One operation by one thread, compared with the specification."""

    kind: CellKind
    operation: Operation
    hidden: Callable[[], str | None] = lambda: None
    control: Control = WRONG

    @property
    def name(self) -> str:
        return f"{self.kind.name}/{self.operation.name}/alone"

    @property
    def program(self) -> str:
        return f"{self.operation.name} in every edge state, many times, and in turns with the others"

    @property
    def needs(self) -> frozenset[str]:
        """The operation that a cell must have to run this row."""
        return frozenset({self.operation.name})

    def control_is_caught(self, access: Access) -> bool:
        """Return whether the check convicts a cell that is wrong in this operation."""
        check = Alone(wrong_in_one_state(access, self.operation), 0)
        check.edges(self.operation)
        return bool(check.found)


@dataclass(frozen=True)
class PairsRow:
    """One operation against itself, and against every other that changes something."""

    kind: CellKind
    operation: Operation
    seed: int
    hidden: Callable[[], str | None] = lambda: None
    control: Control = IN_TWO_STEPS
    weight: int = 1
    crew_of: Callable[[tuple[Actor, ...], float], Crew] | None = field(default=None)

    @property
    def name(self) -> str:
        return f"{self.kind.name}/{self.operation.name}/pairs"

    @property
    def program(self) -> str:
        return f"{self.operation.name} || itself, || every other operation that changes something"

    @property
    def needs(self) -> frozenset[str]:
        """The operation that a cell must have to run this row."""
        return frozenset({self.operation.name})

    @property
    def control_name(self) -> str:
        """Rows of cells with the same specification share their control."""
        return f"{self.kind.name.removeprefix('shared-')}/{self.operation.name}/pairs"

    def subject_test(self, access: Access) -> Litmus:
        """Return the test of these cells."""
        return pairs_litmus(self.name, access, encounters(access, self.operation, self.seed))

    def control_test(self, access: Access) -> Litmus:
        """Return the test of broken cells that have the same operations."""
        _, cells, found = control_of(access, self.operation, self.seed)
        return pairs_litmus(f"{self.name}, control", cells, found)


@dataclass(frozen=True)
class ThreeRow:
    """Three operations at a time, of all those that a type has."""

    kind: CellKind
    seed: int
    hidden: Callable[[], str | None] = lambda: None
    control: Control = IN_TWO_STEPS
    weight: int = 1
    needs: frozenset[str] = frozenset()
    """None: operations that meet in threes have rows of their own."""
    crew_of: Callable[[tuple[Actor, ...], float], Crew] | None = field(default=None)

    @property
    def name(self) -> str:
        return f"{self.kind.name}/three"

    @property
    def program(self) -> str:
        return "three operations at once: one three times, two, or three different ones"

    @property
    def control_name(self) -> str:
        """Rows of cells with the same specification share their control."""
        return f"{self.kind.name.removeprefix('shared-')}/three"

    def subject_test(self, access: Access) -> Litmus:
        """Return the test of these cells."""
        return pairs_litmus(self.name, access, threes(access, self.seed))

    def control_test(self, access: Access) -> Litmus:
        """Return the test of cells whose operations are all split."""
        cells = Broken(access, split)
        return pairs_litmus(f"{self.name}, control", cells, threes(cells, self.seed))


def rows_of(kind: CellKind, access: Access, seed: int, hidden: Callable[[], str | None]) -> Iterable[Any]:
    """Yield both rows of each operation that the cells have."""
    for operation in access.operations:
        yield AloneRow(kind, operation, hidden)
    for operation in access.operations:
        if meets(access, operation):
            yield PairsRow(kind, operation, seed, hidden)
    if threes(access, seed):
        yield ThreeRow(kind, seed, hidden)


def wide_rows(access: Access) -> Iterable[AloneRow]:
    """Yield those of histograms with a hundred bounds, which matter only to the rows of one thread alone."""
    for operation in access.operations:
        if operation.name in ("observe", "snapshot", "drain", "bounds"):
            yield AloneRow(WIDE_BUCKETS, operation)
