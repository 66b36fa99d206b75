"""An argument whose own code uses the cell: what is converted, or called, while an operation has begun.

`cell.fetch_add(x)` calls `x.__index__()`, and that may change the cell. A cell that has read its value before
loses the change. The argument has another thread change the cell. If a lock keeps that thread out, then it
changes the cell itself, which a lock that one thread may take twice does not keep it from. Where it has to
wait, nothing is lost, and nothing is to be seen.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..schedules.locks import WouldWait, impatient_threads
from ..spec.model import Arguments, Operation
from .access import Access, has_raised, written
from .encounters import changes, compares_values, concurrent
from .promises import Outcome, Overlap

# A thread that is kept out for so long waits for a lock that is not one of Python's.
KEPT_OUT_SECONDS = 0.2
# So many for each operation, of those that are drawn.
CHOSEN = 2
DRAWN = 200
# Operations that may come in between, the first of which is taken that the cells have.
CHANGING = ("store", "add", "inc", "fetch_add", "add_fetch", "observe", "exchange")


class Meddler:
    """A number that does something, once, before it is converted."""

    def __init__(self, value: Any, meddle: Callable[[], None]) -> None:
        self._value = value
        self._meddle = meddle

    def __index__(self) -> Any:
        self._meddle()
        return self._value

    def __float__(self) -> Any:
        self._meddle()
        return float(self._value)

    def __repr__(self) -> str:
        return f"Meddler({self._value!r})"


class MeddlingInt(Meddler):
    """The same for integers, which have no business with `__float__`."""

    __float__ = None  # type: ignore[assignment]


class Meddling:
    """The operation with an argument that has another operation done meanwhile."""

    def __init__(self, access: Access, overlap: Overlap, place: int) -> None:
        self._access = access
        self._place = place
        self.overlap = overlap
        self.reentered = False
        """Whether a lock kept the other thread out, and let the same thread in again."""
        self.other = written(overlap.second, overlap.second_arguments)

    def run(self) -> Outcome | None:
        """What both came to, and what the cell holds in the end; None if the other one could not be done."""
        overlap, access = self.overlap, self._access
        cell = access.make(overlap.state)
        done: list[Any] = []
        began = False

        def other() -> None:
            impatient_threads.add(threading.get_ident())
            try:
                done.append(access.outcome(overlap.second, cell, overlap.second_arguments))
            except WouldWait:
                return
            finally:
                impatient_threads.discard(threading.get_ident())

        thread = threading.Thread(target=other, daemon=True)

        def meddle() -> None:
            nonlocal began
            if began:
                return
            began = True
            thread.start()
            thread.join(KEPT_OUT_SECONDS)
            if not done and not thread.is_alive() and not overlap.first.calls_arguments:
                self.reentered = True
                other()

        result = access.outcome(overlap.first, cell, self._arguments(meddle))
        if not done or thread.is_alive():
            return None
        return result, done[0], access.state(cell)

    def _arguments(self, meddle: Callable[[], None]) -> Arguments:
        given: list[Any] = list(self.overlap.first_arguments)
        kind = (self.overlap.first.parameters or ())[self._place].kind
        if kind.called:
            given[self._place] = _calling(given[self._place], meddle)
        else:
            meddler = MeddlingInt if kind.name == "int64" else Meddler
            given[self._place] = meddler(given[self._place], meddle)
        return tuple(given)


def _calling(function: Callable[[Any], Any], meddle: Callable[[], None]) -> Callable[[Any], Any]:
    def called(value: Any) -> Any:
        meddle()
        return function(value)

    return called


def meddlings(access: Access, row: Operation) -> Iterator[Meddling]:
    """A few of the operation, in which a lost change would show."""
    may = any(parameter.kind.runs_code or parameter.kind.called for parameter in row.parameters or ())
    rows = {each.name: each for each in concurrent(access)}
    changing = next((rows[name] for name in CHANGING if name in rows), None)
    if not may or changing is None or row.name not in rows or not changes(access.model, row):
        return
    dice = random.Random(f"{row.name} meddling")
    found = 0
    for _ in range(DRAWN):
        state = dice.choice(access.model.edge_states)
        arguments = dice.choice([each for each in row.arguments if each] or [()])
        if compares_values(row) and dice.random() < 0.5:
            arguments = (state, *arguments[1:])
        other = dice.choice(changing.arguments)
        overlap = Overlap(access.model, state, row, arguments, changing, other)
        outcomes = (*overlap.in_order, *overlap.lost)
        unclear = any(_is_nan(value) or has_raised(value) for outcome in outcomes for value in outcome)
        if arguments and not unclear and not all(map(overlap.explained, overlap.lost)):
            for place, parameter in enumerate((row.parameters or ())[: len(arguments)]):
                if parameter.kind.runs_code or parameter.kind.called:
                    yield Meddling(access, overlap, place)
            found += 1
            if found == CHOSEN:
                return


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
