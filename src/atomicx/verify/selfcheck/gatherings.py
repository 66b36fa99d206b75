"""Three threads that meet on one cell, for what two of them cannot show.

A drain that two others disturb, a value that one thread takes away and another brings back, an operation that
fails while two others are inside the cell: the explorer goes through their schedules, and cells in C are
sampled. Any order of the three that explains all results will do. The counts of a Counter or a Histogram only
have to add up: the drained counts plus what is left must equal what was there plus what was added.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, permutations
from typing import Any

from ..spec.model import Arguments, Invocation, Model, Operation, Promise
from .access import UNREADABLE, Access, has_raised, shown, told, written
from .encounters import COUNTED, Call, changes, compares_values, concurrent, is_finite, partners
from .inputs import edge_arguments
from .promises import ADDITIONS, BETWEEN, adds_up
from .used import used_cell

# Up to this many are drawn until one is telling; and this many arguments of an operation are tried.
DRAWN = 30
TRIED = 60


@dataclass(frozen=True)
class Gathering:
    """Three calls on one cell, which holds `state` before."""

    model: Model
    state: Any
    steps: tuple[Invocation, ...]
    crowd: bool = False
    """Whether it matters most that all three are in the middle of their operations."""
    used: bool = False
    """Whether the cell was used before."""

    def __str__(self) -> str:
        calls = " || ".join(written(row, arguments) for row, arguments in self.steps)
        again = ", not for the first time" if self.used else ""
        return f"{calls} on a cell that holds {shown(self.state)}{again}"

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations."""
        return tuple(row.name for row, _ in self.steps)

    @property
    def reads(self) -> bool:
        """Whether the first call only reads, while two others change the cell."""
        return not changes(self.model, self.steps[0][0])

    def setup(self, access: Access) -> Any:
        """Return a cell to meet on."""
        return used_cell(access, self.state, self.steps) if self.used else access.make(self.state)

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
        """Whether a call that returns the right result but does nothing would show. Reads do nothing."""
        lost: list[tuple[tuple[Any, ...], Any]] = []
        for left_out, (row, _) in enumerate(self.steps):
            if not changes(self.model, row):
                continue
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
    """Return the operation's gatherings: drains and additions, or a value that goes away and comes back.

    A load, which stands for all operations that only read, meets two exchanges.
    """
    model = access.model
    if row not in concurrent(access):
        return []
    dice = random.Random(f"{seed} {row.name} gathering")
    if not changes(model, row):
        return _reading(access, row, dice) if row.name == "load" else []
    if model.promise is Promise.BETWEEN:
        return _draining(access, row, dice)
    if model.promise is Promise.LINEARIZABLE:
        return list(_coming_back(access, row, dice))
    return []


def crowds(access: Access, row: Operation, seed: int) -> list[Gathering]:
    """Return the operation three times, twice with another, and once with two others, where these show most.

    Only operations that change something: a read disturbs no other.
    """
    model = access.model
    if row not in concurrent(access) or not changes(model, row):
        return []
    alone, others = (row,), [each for each in partners(access, row) if changes(model, each)]
    if model.promise is Promise.CHILDREN:
        if row.name not in COUNTED:
            return []
        others = [each for each in others if each.name in COUNTED]
    elif model.promise is Promise.BETWEEN:
        if row.name not in ADDITIONS:
            return []
        others = [each for each in others if each.name in ADDITIONS]
    dice = random.Random(f"{seed} {row.name} crowd")
    found = []
    for times in (3, 2, 1):
        for _ in range(DRAWN):
            rows = (*(alone * times), *(dice.choice(others) for _ in range(3 - times)))
            each = _drawn_once(access, rows, dice)
            if each.may_be_judged and each.would_show:
                found.append(replace(each, crowd=True, used=dice.random() < 0.5))
                break
    return found


def threes(access: Access, seed: int) -> list[Gathering]:
    """Return all gatherings of all operations, in random order."""
    found = [
        each
        for row in access.operations
        for each in (*crowds(access, row, seed), *gatherings(access, row, seed))
    ]
    random.Random(f"{seed} threes").shuffle(found)
    return found


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
    first: Gathering | None = None
    for _ in range(DRAWN):
        each = _drawn_once(access, rows, dice)
        if each.may_be_judged:
            if each.would_show:
                return each
            first = first or each
    return first


def _drawn_once(access: Access, rows: tuple[Operation, ...], dice: random.Random) -> Gathering:
    state = dice.choice(access.model.edge_states)
    return Gathering(access.model, state, tuple((row, dice.choice(row.arguments)) for row in rows))


def _reading(access: Access, row: Operation, dice: random.Random) -> list[Gathering]:
    """Return a read and two exchanges, of values that have little in common."""
    exchanges = [each for each in concurrent(access) if each.name == "exchange"]
    for exchange in exchanges:
        values = list(islice(edge_arguments(exchange, access.model.initial), TRIED))
        first: Gathering | None = None
        for _ in range(DRAWN):
            state = dice.choice(access.model.edge_states)
            steps = (row, ()), *((exchange, dice.choice(values)) for _ in range(2))
            each = Gathering(access.model, state, steps)
            if each.may_be_judged and each.would_show:
                first = first or each
                if _have_other_halves((state, *(arguments[0] for _, arguments in steps[1:]))):
                    return [each]
        return [] if first is None else [first]
    return []


def _have_other_halves(values: Sequence[Any]) -> bool:
    """Whether a mixture of the halves of two of these numbers is none of them."""
    if not all(isinstance(value, int) and -(2**63) <= value < 2**63 for value in values):
        return False
    halves = [((value >> 32) & 0xFFFFFFFF, value & 0xFFFFFFFF) for value in values]
    return all(len(set(half)) == len(values) for half in zip(*halves, strict=True))


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
