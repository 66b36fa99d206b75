"""Three threads that meet on one cell, for what two of them cannot show.

A drain that two others disturb, a value that one thread takes away and another brings back: the explorer goes
through their schedules. Any order of the three that explains all results will do. The counts of a Counter or
a Histogram only have to add up: the drained counts plus what is left must equal what was there plus what was
added.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, permutations
from typing import Any

from ..spec.model import Arguments, Invocation, Model, Operation, Promise
from .access import UNREADABLE, Access, has_raised, shown, told, written
from .encounters import Call, changes, compares_values, concurrent, is_finite
from .inputs import edge_arguments
from .promises import ADDITIONS, BETWEEN, adds_up

# Up to this many are drawn until one is telling; and this many arguments of an operation are tried.
DRAWN = 30
TRIED = 60


@dataclass(frozen=True)
class Gathering:
    """Three calls on one cell, which holds `state` before."""

    model: Model
    state: Any
    steps: tuple[Invocation, ...]

    def __str__(self) -> str:
        calls = " || ".join(written(row, arguments) for row, arguments in self.steps)
        return f"{calls} on a cell that holds {shown(self.state)}"

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations."""
        return tuple(row.name for row, _ in self.steps)

    def setup(self, access: Access) -> Any:
        """Return a cell to meet on."""
        return access.make(self.state)

    def calls(self, access: Access) -> tuple[Call, ...]:
        """Return what the threads do to it."""
        return tuple(_calling(access, row, arguments) for row, arguments in self.steps)

    def judged(self, access: Access, cell: Any, results: Sequence[Any]) -> tuple[str | None, str]:
        """Return what explains the results, or None; and then what came, and what was expected."""
        end = access.state(cell)
        explained = self.explained(results, end)
        if explained is not None:
            return explained, ""
        expected = dict.fromkeys(self._told(*outcome) for outcome in self._in_order.values())
        return None, f"{self._told(results, end)}; expected: {', or '.join(expected)}"

    def explained(self, results: Sequence[Any], end: Any) -> str | None:
        """Return what explains the results and what the cell holds in the end, or None."""
        for order, (expected, left) in self._in_order.items():
            if self._matches(expected, results) and (end is UNREADABLE or self.model.same(left, end)):
                return " and then ".join(str(number + 1) for number in order)
        return BETWEEN if self.model.promise is Promise.BETWEEN and self._adds_up(results, end) else None

    @cached_property
    def _in_order(self) -> dict[tuple[int, ...], tuple[tuple[Any, ...], Any]]:
        return {order: self.outcome_of(order) for order in permutations(range(len(self.steps)))}

    def outcome_of(self, order: tuple[int, ...]) -> tuple[tuple[Any, ...], Any]:
        """Return the results, and what is left, if the calls come in this order."""
        state, results = self.state, [None for _ in self.steps]
        for number in order:
            row, arguments = self.steps[number]
            state, results[number] = row.apply(state, arguments)
        return tuple(results), state

    @property
    def may_be_judged(self) -> bool:
        """False if some order has results that are not known exactly, or raises."""
        return not any(
            has_raised(value) or not is_finite(value)
            for results, end in self._in_order.values()
            for value in (*results, end)
        )

    @property
    def would_show(self) -> bool:
        """Whether it shows if a call returns the right result, but does nothing."""
        lost: list[tuple[tuple[Any, ...], Any]] = []
        for left_out in range(len(self.steps)):
            kept = tuple(number for number in range(len(self.steps)) if number != left_out)
            results, _ = self.outcome_of((left_out, *kept))
            others, end = self.outcome_of(kept)
            lost.append((tuple(results[n] if n == left_out else others[n] for n in range(len(results))), end))
        return not all(self.explained(*outcome) for outcome in lost)

    def _matches(self, expected: Sequence[Any], results: Sequence[Any]) -> bool:
        return all(
            self.model.agrees(row, one, other)
            for (row, _), one, other in zip(self.steps, expected, results, strict=True)
        )

    def _adds_up(self, results: Sequence[Any], end: Any) -> bool:
        """Return whether the drains took, and left, what was there and what was added."""
        whole, drained = self.state, []
        for (row, arguments), result in zip(self.steps, results, strict=True):
            if row.name == "drain":
                drained.append(result)
            else:
                whole, alone = row.apply(whole, arguments)
                if not self.model.agrees(row, alone, result):
                    return False
        return end is UNREADABLE or adds_up(whole, (*drained, end))

    def _told(self, results: Sequence[Any], end: Any) -> str:
        what = ", ".join(
            f"{written(row, arguments)} {told(result)}"
            for (row, arguments), result in zip(self.steps, results, strict=True)
        )
        return what if end is UNREADABLE else f"{what}, and the cell holds {shown(end)}"


def _calling(access: Access, row: Operation, arguments: Arguments) -> Call:
    return lambda cell: access.outcome(row, cell, arguments)


def gatherings(access: Access, row: Operation, seed: int) -> list[Gathering]:
    """Return those of the operation: drains and additions, or a value that goes away and comes back."""
    model = access.model
    if row not in concurrent(access) or not changes(model, row):
        return []
    dice = random.Random(f"{seed} {row.name} gathering")
    if model.promise is Promise.BETWEEN:
        return _draining(access, row, dice)
    if model.promise is Promise.LINEARIZABLE:
        return list(_coming_back(access, row, dice))
    return []


def _draining(access: Access, row: Operation, dice: random.Random) -> list[Gathering]:
    drains = [each for each in access.operations if each.name == "drain"]
    adding = [each for each in concurrent(access) if each.name in ADDITIONS]
    if not drains or row.name not in ("drain", *ADDITIONS):
        return []
    drain = drains[0]
    if row is drain:
        addition = dice.choice(adding)
        crowds = [(drain,) * 3, (drain, drain, addition), (drain, addition, addition)]
    else:
        crowds = [(row, drain, drain)]
    drawn = [_drawn(access, crowd, dice) for crowd in crowds]
    return [each for each in drawn if each is not None]


def _drawn(access: Access, rows: tuple[Operation, ...], dice: random.Random) -> Gathering | None:
    """Return a gathering of these calls, preferably one that would show that one of them does nothing."""
    model = access.model
    first: Gathering | None = None
    for _ in range(DRAWN):
        state = dice.choice(model.edge_states)
        steps = tuple((row, dice.choice(row.arguments)) for row in rows)
        each = Gathering(model, state, steps)
        if each.may_be_judged:
            if each.would_show:
                return each
            first = first or each
    return first


def _coming_back(access: Access, row: Operation, dice: random.Random) -> Iterator[Gathering]:
    """Yield the operation, while one thread takes the value away and another brings it back."""
    model = access.model
    compares = compares_values(row)
    exchanges = [each for each in concurrent(access) if each.name == "exchange"]
    # A store would not do: the value that it replaced would not be known.
    if not exchanges or not (compares or row.calls_arguments):
        return
    exchange = exchanges[0]
    values = list(islice(edge_arguments(exchange, model.initial), TRIED))
    for _ in range(DRAWN):
        state = dice.choice(model.edge_states)
        away = dice.choice(values)
        arguments = dice.choice(row.arguments)
        if compares:
            arguments = (state, *arguments[1:])
        each = Gathering(model, state, ((row, arguments), (exchange, away), (exchange, (state,))))
        changed = not model.same(row.apply(state, arguments)[0], state)
        if changed and each.may_be_judged and not model.same(exchange.apply(state, away)[0], state):
            yield each
            return
