"""An argument whose own code uses the cell: it is converted, or called, after an operation has begun.

`cell.fetch_add(x)` calls `x.__index__()`, and that may change the cell. A cell that has read its value before
loses the change. The argument has another thread change the cell. If a lock keeps that thread out, the
argument changes the cell itself, which a lock that one thread may take twice does not prevent. Where it has
to wait, nothing is lost, and there is nothing to see.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..schedules.locks import WouldWait, impatient_threads
from ..spec.model import Arguments, Invocation, Operation
from .access import UNREADABLE, Access, has_raised, told, written
from .encounters import changes, compares_values, concurrent

# A thread that is kept out for this long waits for a lock that is not one of Python's.
KEPT_OUT_SECONDS = 0.2
# How many are kept for each operation, of those that are drawn.
CHOSEN = 2
# A function is called again, and the cell changed again, twice as many times.
TIMES = 3
DRAWN = 200
# Operations that may come in between; the first one that the cells have is used.
CHANGING = ("store", "add", "inc", "fetch_add", "add_fetch", "observe", "exchange")

# The result, the results of the others, and what the cell holds in the end.
_Outcome = tuple[Any, tuple[Any, ...], Any]


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
    """The same for integers, for which `__float__` must not be used."""

    __float__ = None  # type: ignore[assignment]


class Meddling:
    """An operation whose argument makes others change the cell, one of them each time it is used."""

    def __init__(
        self, access: Access, state: Any, step: Invocation, place: int, others: tuple[Invocation, ...]
    ) -> None:
        """`place` is the position of the argument that uses the cell."""
        self._access, self._place = access, place
        self._step, self._others = step, others
        self.state = state
        self.reentered = False
        """Whether a lock kept the other thread out, and let the same thread in again."""
        self.refused = False
        """Whether the argument was refused for its type."""
        does = ", then ".join(written(*other) for other in others)
        self.call = f"{written(*step)}, whose argument calls {does}"

    def run(self) -> tuple[str, str] | None:
        """Return what was expected and what came, if they differ.

        None also if the others could not be done: where a lock keeps them out, nothing is lost.
        """
        row, arguments = self._step
        cell = self._access.make(self.state)
        begun: list[Invocation] = []
        done: list[Any] = []

        def meddle() -> None:
            if len(begun) < len(self._others) and len(begun) == len(done):
                begun.append(self._others[len(begun)])
                self._let_another(cell, begun[-1], done)

        result = self._access.outcome(row, cell, self._given(arguments, meddle))
        if not begun or len(done) < len(begun):
            return None
        found = (result, tuple(done), self._access.state(cell))
        expected = self._expected(len(begun))
        if any(self._agrees(outcome, found) for outcome in expected):
            return None
        self.refused = has_raised(result) and result[1] == "TypeError"
        return ", or ".join(dict.fromkeys(map(_told, expected))), _told(found)

    def _let_another(self, cell: Any, other: Invocation, done: list[Any]) -> None:
        def body() -> None:
            impatient_threads.add(threading.get_ident())
            try:
                done.append(self._access.outcome(other[0], cell, other[1]))
            except WouldWait:
                return
            finally:
                impatient_threads.discard(threading.get_ident())

        before = len(done)
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        thread.join(KEPT_OUT_SECONDS)
        if len(done) == before and not thread.is_alive() and not self._step[0].calls_arguments:
            self.reentered = True
            body()

    def _given(self, arguments: Arguments, meddle: Callable[[], None]) -> Arguments:
        given: list[Any] = list(arguments)
        kind = (self._step[0].parameters or ())[self._place].kind
        if kind.called:
            given[self._place] = _calling(given[self._place], meddle)
        else:
            meddler = MeddlingInt if kind.name == "int64" else Meddler
            given[self._place] = meddler(given[self._place], meddle)
        return tuple(given)

    def _expected(self, count: int) -> list[_Outcome]:
        """Return the outcomes if it comes before all the others, between two of them, and after them all."""
        return [self._in_order(count, place) for place in range(count + 1)]

    def _in_order(self, count: int, place: int) -> _Outcome:
        state, results, result = self.state, [], None
        for number in range(count + 1):
            if number == place:
                state, result = self._step[0].apply(state, self._step[1])
            if number < count:
                row, arguments = self._others[number]
                state, other = row.apply(state, arguments)
                results.append(other)
        return result, tuple(results), state

    def _agrees(self, expected: _Outcome, found: _Outcome) -> bool:
        agrees = self._access.model.agrees
        return (
            agrees(self._step[0], expected[0], found[0])
            and all(map(agrees, (row for row, _ in self._others), expected[1], found[1]))
            and (found[2] is UNREADABLE or self._access.model.same(expected[2], found[2]))
        )

    @property
    def is_clear(self) -> bool:
        """Whether every possible outcome is known exactly, and is not an error."""
        return not any(
            _is_nan(value) or has_raised(value)
            for result, results, state in self._expected(len(self._others))
            for value in (result, *results, state)
        )

    @property
    def would_show(self) -> bool:
        """Whether it shows if the first of the others is lost."""
        state, result = self._step[0].apply(self.state, self._step[1])
        _, results, _ = self._in_order(1, 1)
        lost = result, results, state
        return state is not self.state and not any(self._agrees(each, lost) for each in self._expected(1))


def _told(outcome: _Outcome) -> str:
    result, results, state = outcome
    return f"{told(result, state)}; the other calls: {', '.join(map(told, results))}"


def _calling(function: Callable[[Any], Any], meddle: Callable[[], None]) -> Callable[[Any], Any]:
    def called(value: Any) -> Any:
        meddle()
        return function(value)

    return called


def meddlings(access: Access, row: Operation) -> Iterator[Meddling]:
    """Yield a few for the operation, in which a lost change would show."""
    rows = {each.name: each for each in concurrent(access)}
    changing = next((rows[name] for name in CHANGING if name in rows), None)
    places = [
        place
        for place, parameter in enumerate(row.parameters or ())
        if parameter.kind.runs_code or parameter.kind.called
    ]
    if not places or changing is None or row.name not in rows or not changes(access.model, row):
        return
    dice = random.Random(f"{row.name} meddling")
    found = 0
    for _ in range(DRAWN):
        state = dice.choice(access.model.edge_states)
        arguments = dice.choice([each for each in row.arguments if each] or [()])
        if compares_values(row) and dice.random() < 0.5:
            arguments = (state, *arguments[1:])
        # A function is called again whenever the value has changed; an argument is converted once.
        two = dice.sample(changing.arguments, min(2, len(changing.arguments)))
        others = tuple((changing, each) for each in (two * TIMES if row.calls_arguments else two[:1]))
        drawn = [
            Meddling(access, state, (row, arguments), place, others)
            for place in places
            if place < len(arguments)
        ]
        if drawn and drawn[0].is_clear and drawn[0].would_show:
            yield from drawn
            found += 1
            if found == CHOSEN:
                return


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
