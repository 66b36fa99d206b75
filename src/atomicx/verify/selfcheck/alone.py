"""Each operation alone, compared with its row of the specification: results, errors, and what it leaves.

First in every edge state with the edge values of its arguments. Then many times in a row, for faults that
only come with time. Then all operations mixed at random. The first difference of each operation is kept.
"""

from __future__ import annotations

import math
import random
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..spec.kinds import INT64_MAX, INT64_MIN
from ..spec.model import ITSELF, Arguments, Operation, raises
from .access import OVERFLOW, UNREADABLE, Access, has_raised, shown, told, written
from .encounters import compares_values
from .hands import GONE, Hands
from .inputs import (
    Fresh,
    Gives,
    Interruption,
    edge_arguments,
    interrupt,
    named_arguments,
    random_arguments,
    similar_labels,
)
from .meddling import meddlings

REPEATS = 600
# Calls on one cell, for a cell that might count its calls.
LASTING = 1500
MIXED = 4000
# A sequence starts over after this many operations: an edge, once reached, is not always left again.
SEQUENCE = 250
# The number of states, and of arguments, that are tried in threads of their own.
ELSEWHERE = 2
# This many threads use one cell in turns, each this many times: cells may have room for 8 or 16 threads.
CROWD = 20
TURNS = 12
# How often a cell is replaced by a new one in an edge state.
RENEWED = 1 / 200

Watch = Callable[[str], None]
"""Told what is about to be done, so that this is known if the cell ends the process or never returns."""


@dataclass(frozen=True)
class Difference:
    """A cell did something different from the specification."""

    operation: str
    call: str
    state: str
    expected: str
    found: str
    calls_before: int = 0

    def __str__(self) -> str:
        after = f", after {self.calls_before} other calls" if self.calls_before else ""
        where = f"{self.call} on a cell that holds {self.state}{after}"
        return f"{where}: {self.found}; expected: {self.expected}"


class Alone:
    """The check of one type of cell, operation by operation.

    `found` holds the differences that convict a cell. `noted` holds those in conversions that different
    authors do differently, and in defaults that a cell does not have.
    """

    def __init__(
        self,
        access: Access,
        seed: int,
        watch: Watch | None = None,
        tell: Callable[[Difference], None] = lambda _: None,
    ) -> None:
        """`tell` is called with each difference that convicts, as soon as it is found."""
        self.access = access
        self.tell = tell
        self.seed = seed
        self.watch = watch
        self.calls: dict[str, int] = {row.name: 0 for row in access.operations}
        self.found: dict[str, Difference] = {}
        self.noted: dict[str, Difference] = {}

    def edges(self, row: Operation) -> None:
        """Try every edge state with every edge argument."""
        make, states = self.access.make, self.access.model.edge_states
        for state, arguments in similar_labels(row):
            self._step(row, make(state), state, arguments)
        for foreign in (False, True):
            for state in states:
                for arguments in edge_arguments(row, state, foreign):
                    self._step(row, make(state), state, arguments, foreign=foreign)
                    if row.name in self.found:
                        return
        for state in states:
            for arguments in named_arguments(row, state):
                for by_place in range(len(arguments)):
                    self._step(row, make(state), state, arguments, by_place=by_place)

    def elsewhere(self, row: Operation) -> None:
        """Try the operation in threads that have ended by the time its effect is checked."""
        for state in self.access.model.edge_states[:ELSEWHERE]:
            for arguments in row.arguments[:ELSEWHERE]:
                if row.name not in self.found:
                    self._step(row, self.access.make(state), state, arguments, elsewhere=GONE)

    def lasting(self, row: Operation) -> None:
        """Try whether the cell keeps an object alive that nothing else refers to."""
        kinds = [parameter.kind for parameter in row.parameters or ()]
        if not kinds or kinds[-1].name not in ("object", "function of an object") or row.name in self.found:
            return
        state = self.access.model.initial
        cell, kept = self.access.make(state), weakref.ref(fresh := Fresh())
        last: Any = Gives(fresh) if kinds[-1].called else fresh
        before = (state,) * (len(kinds) - 1)
        expected, _ = row.apply(state, (*before, last))
        if expected is not fresh or row.name == "__init__":
            return
        del expected
        call = written(row, (*before, last))
        self._watched(f"{call} on a cell that holds {shown(state)}")
        self.access.outcome(row, cell, (*before, last))
        del last, fresh
        left = self._left(cell)
        if left is UNREADABLE or (type(left) is Fresh and left is kept()):
            return
        self._convict(row, call, state, "leaves the object that it was given", f"leaves {shown(left)}")

    def interrupted(self, row: Operation) -> None:
        """Try a function that raises what is not an Exception, as Ctrl-C does."""
        if not row.calls_arguments or row.name in self.found:
            return
        for state in self.access.model.edge_states[:ELSEWHERE]:
            cell, call = self.access.make(state), written(row, (interrupt,))
            self._watched(f"{call} on a cell that holds {shown(state)}")
            self.calls[row.name] += 1
            try:
                result: Any = self.access.call(row, cell, (interrupt,))
            except (Exception, Interruption) as error:
                result = raises(error)
            left = self._left(cell)
            right = result == ("raises", "Interruption")
            if not right or not (left is UNREADABLE or self.access.model.same(state, left)):
                self._convict(row, call, state, told(("raises", "Interruption"), state), told(result, left))
                return

    def crowded(self) -> None:
        """Try all operations in random turns by many threads, none of which ends before the last turn."""
        rows = tuple(row for row in self.access.operations if row.name not in self.found)
        if rows:
            with Hands(CROWD) as hands:
                self._sequence(rows, CROWD * TURNS, f"{self.seed} crowded", renewed=0.0, hands=hands)
        rows = tuple(row for row in rows if row.name not in self.found)
        if rows:
            # Each of them may get the identifier of an earlier one, but on a busy machine not always does.
            self._sequence(rows, CROWD * TURNS, f"{self.seed} gone", renewed=0.0, hands=GONE)

    def _watched(self, text: str) -> None:
        if self.watch is not None:
            self.watch(text)

    def _convict(self, row: Operation, call: str, state: Any, expected: str, found: str) -> None:
        self.found[row.name] = Difference(row.name, call, shown(state), expected, found)
        self.tell(self.found[row.name])

    def meddled(self, row: Operation) -> None:
        """Try the operation with an argument that changes the cell while it is converted, or called."""
        for each in meddlings(self.access, row):
            if row.name in self.found:
                return
            if self.watch is not None:
                self.watch(f"{each.call}, on a cell that holds {shown(each.state)}")
            self.calls[row.name] += 1
            wrong = each.run()
            if wrong is None:
                continue
            # There are correct cells that compare, and then convert what they store, under such a lock.
            harmless = each.refused or (each.reentered and compares_values(row))
            kept = self.noted if harmless else self.found
            kept.setdefault(row.name, Difference(row.name, each.call, shown(each.state), *wrong))
            if kept is self.found:
                self.tell(kept[row.name])

    def repeats(self, row: Operation) -> None:
        """Try the operation many times in a row, on a few cells and on one, with random arguments."""
        if row.name not in self.found:
            self._sequence((row,), REPEATS, f"{self.seed} {row.name}")
        if row.name not in self.found:
            self._sequence((row,), LASTING, f"{self.seed} {row.name} lasting", renewed=0.0)

    def mixed(self) -> None:
        """Try all operations without a difference so far, in random turns."""
        for number in range(MIXED // SEQUENCE):
            rows = tuple(row for row in self.access.operations if row.name not in self.found)
            if rows:
                self._sequence(rows, SEQUENCE, f"{self.seed} mixed {number}")

    def _sequence(
        self,
        rows: tuple[Operation, ...],
        count: int,
        seed: str,
        renewed: float = RENEWED,
        hands: Hands | None = None,
    ) -> None:
        dice = random.Random(seed)
        states = self.access.model.edge_states
        state = dice.choice(states)
        cell = self.access.make(state)
        begun = 0
        for number in range(count):
            row = dice.choice(rows)
            arguments = random_arguments(row, state, dice)
            state = self._step(row, cell, state, arguments, before=number - begun, elsewhere=hands)
            if row.name in self.found:
                return
            if dice.random() < renewed:
                state = dice.choice(states)
                cell = self.access.make(state)
                begun = number + 1

    def _step(
        self,
        row: Operation,
        cell: Any,
        state: Any,
        arguments: Arguments,
        *,
        before: int = 0,
        foreign: bool = False,
        by_place: int | None = None,
        elsewhere: Hands | None = None,
    ) -> Any:
        """Do it, compare, and return the state that the cell has to have now.

        With `by_place`, all arguments after the first `by_place` are passed by name. With `elsewhere`, one of
        those threads does it.
        """
        access = self.access
        self.calls[row.name] += 1
        new_state, expected = row.apply(state, arguments)
        if (access.wraps and expected == OVERFLOW) or _is_open(row, state, arguments):
            return state
        call = written(row, arguments, by_place) + (elsewhere.note if elsewhere else "")
        if self.watch is not None:
            self.watch(f"{call} on a cell that holds {shown(state)}")
        result, error = _done(
            lambda: (
                access.call(row, cell, arguments)
                if by_place is None
                else access.call_by_name(row, cell, arguments, by_place)
            ),
            elsewhere,
        )
        if result is cell:
            result = ITSELF
        left = self._left(cell)
        if self._agrees(row, expected, result, error) and (
            left is UNREADABLE or access.model.same(new_state, left)
        ):
            # The specification does not know the bits of a NaN that was computed; from here on they are
            # known.
            return new_state if left is UNREADABLE else left
        lacks_default = len(arguments) < row.most and _says_missing(error)
        lacks_name = by_place is not None and isinstance(error, TypeError)
        unconverted = self._is_unconverted(row, state, arguments, result, left)
        kept = self.noted if foreign or lacks_default or lacks_name or unconverted else self.found
        if row.name not in kept:
            kept[row.name] = Difference(
                row.name,
                call,
                shown(state),
                told(expected, new_state),
                told(result, left),
                before,
            )
            if kept is self.found:
                self.tell(kept[row.name])
        return new_state

    def _is_unconverted(
        self, row: Operation, state: Any, arguments: Arguments, result: Any, left: Any
    ) -> bool:
        """Return whether the cell did the right thing with an argument that it should have refused.

        A caller with arguments of the right type sees no difference. That is not the same as an argument that
        is converted silently, 1.5 to 1, or a value that is too large for the cell.
        """
        model = self.access.model
        try:
            row.convert(arguments)
        except Exception:
            try:
                new_state, expected = row.step(state, *arguments)
            except Exception as error:
                new_state, expected = state, raises(error)
        else:
            if not (
                arguments and callable(arguments[-1]) and row.parameters and row.parameters[-1].kind.called
            ):
                return False
            try:
                new_state = arguments[-1](state)
            except Exception:
                return False
            expected = new_state if row.name == "update" else state
        if isinstance(new_state, int) and not INT64_MIN <= new_state <= INT64_MAX:
            return False
        if has_raised(result) or has_raised(expected):
            return bool(result == expected) and (left is UNREADABLE or model.same(new_state, left))
        return model.agrees(row, expected, result) and (left is UNREADABLE or model.same(new_state, left))

    def _left(self, cell: Any) -> Any:
        try:
            return self.access.state(cell)
        except Exception as error:
            return f"what cannot be read: {type(error).__name__}: {error}"

    def _agrees(self, row: Operation, expected: Any, result: Any, error: Exception | None) -> bool:
        if error is not None:
            # A subclass of the expected error is fine.
            return has_raised(expected) and expected[1] in [base.__name__ for base in type(error).__mro__]
        return not has_raised(expected) and self.access.model.agrees(row, expected, result)


def _is_open(row: Operation, state: Any, arguments: Arguments) -> bool:
    """Return whether nothing is promised: of two NaNs, it is open which is the larger."""
    if row.name not in ("fetch_max", "fetch_min"):
        return False
    return all(isinstance(each, float) and math.isnan(each) for each in (state, *arguments))


def _done(call: Callable[[], Any], elsewhere: Hands | None) -> tuple[Any, Exception | None]:
    """Return the result of the call, or what stands for the error that it raised; and that error."""
    done: list[tuple[Any, Exception | None]] = []

    def body() -> None:
        try:
            done.append((call(), None))
        except Exception as error:
            done.append((raises(error), error))

    (elsewhere.do if elsewhere is not None else _call)(body)
    return done[0]


def _call(body: Callable[[], None]) -> None:
    body()


def _says_missing(error: Exception | None) -> bool:
    """Return whether an argument was demanded for which the specification has a default."""
    return isinstance(error, TypeError) and any(
        word in str(error) for word in ("missing", "exactly", "at least")
    )
