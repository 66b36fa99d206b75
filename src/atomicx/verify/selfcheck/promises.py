"""The possible outcomes of two operations that overlap, according to what their type promises.

- Most types: the outcomes of one after the other, in either order.
- Counter and Histogram: the same for additions. A read that overlaps a change returns something between what
  was there before and what is there after. Overlapping drains, together with what they leave, add up to the
  whole.
- Family: the same for single children. items() gives all that was there during the whole call, and nothing
  that was not there at any moment of it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..spec.model import Arguments, Model, Operation, Promise
from .access import UNREADABLE, has_raised, shown, told, written

Outcome = tuple[Any, Any, Any]
"""What the two returned, and what the cell holds in the end."""

ADDITIONS = ("inc", "add", "observe", "__iadd__")
"""Operations that count something in."""
FIRST, SECOND, EITHER, BETWEEN = "first || second", "second || first", "in either order", "in between"


@dataclass(frozen=True)
class Overlap:
    """Two calls on one cell, which holds `state` before."""

    model: Model
    state: Any
    first: Operation
    first_arguments: Arguments
    second: Operation
    second_arguments: Arguments

    def __str__(self) -> str:
        calls = written(self.first, self.first_arguments), written(self.second, self.second_arguments)
        return f"{' || '.join(calls)} on a cell that holds {shown(self.state)}"

    @cached_property
    def _steps(self) -> tuple[tuple[Any, Any], ...]:
        """State and result: of either first, of the second after the first, and the other way round."""
        first, second = self.first.apply, self.second.apply
        one = first(self.state, self.first_arguments)
        other = second(self.state, self.second_arguments)
        return one, other, second(one[0], self.second_arguments), first(other[0], self.first_arguments)

    @cached_property
    def in_order(self) -> tuple[Outcome, Outcome]:
        """The outcome of the first call and then the second, and of the other order."""
        (_, first), (_, second), (end, then_second), (other_end, then_first) = self._steps
        return (first, then_second, end), (then_first, second, other_end)

    @property
    def lost(self) -> tuple[Outcome, ...]:
        """The outcomes if neither sees what the other writes, and either write is the last."""
        (one, first), (other, second), _, _ = self._steps
        # A call that changes nothing writes nothing.
        return tuple((first, second, end) for end in (one, other) if end is not self.state)

    @property
    def late(self) -> tuple[Outcome, Outcome]:
        """The outcomes if one takes its result from the state that the other leaves behind."""
        _, _, (end, then_second), (other_end, then_first) = self._steps
        return (then_first, then_second, end), (then_first, then_second, other_end)

    def explained(self, outcome: Outcome) -> str | None:
        """Return what explains the outcome, or None if nothing that the type promises does."""
        in_order = tuple(self.matches(expected, outcome) for expected in self.in_order)
        if all(in_order):
            return EITHER
        if any(in_order):
            return FIRST if in_order[0] else SECOND
        if self.model.promise is Promise.BETWEEN and self._is_between(outcome):
            return BETWEEN
        if self.model.promise is Promise.CHILDREN and self._is_partial(outcome):
            return BETWEEN
        return None

    def told(self, outcome: Outcome) -> str:
        """Return an outcome as text, to show together with those that were expected."""
        first, second, end = outcome
        names = written(self.first, self.first_arguments), written(self.second, self.second_arguments)
        left = "" if end is UNREADABLE else f", and the cell holds {shown(end)}"
        return f"{names[0]} {told(first)}, {names[1]} {told(second)}{left}"

    def expected(self) -> list[str]:
        """Return the outcomes of the two orders."""
        return list(dict.fromkeys(map(self.told, self.in_order)))

    def matches(self, expected: Outcome, found: Outcome) -> bool:
        agrees, rows = self.model.agrees, (self.first, self.second)
        return all(
            agrees(row, one, other) for row, one, other in zip(rows, expected[:2], found[:2], strict=True)
        ) and (found[2] is UNREADABLE or self.model.same(expected[2], found[2]))

    # Counter and Histogram

    def _is_between(self, outcome: Outcome) -> bool:
        first, second, end = outcome
        for row, result, other, other_arguments, other_result in (
            (self.first, first, self.second, self.second_arguments, second),
            (self.second, second, self.first, self.first_arguments, first),
        ):
            new_state, alone = other.apply(self.state, other_arguments)
            as_alone = self.model.agrees(other, alone, other_result)
            if _is_read(row) and not _is_read(other) and as_alone:
                left = end is UNREADABLE or self.model.same(new_state, end)
                if left and _within(result, self.state, new_state):
                    return True
            if row.name == "drain" and not _is_read(other) and end is not UNREADABLE:
                parts = (result, other_result, end) if other.name == "drain" else (result, end)
                whole = self.state if other.name == "drain" else new_state
                if (other.name == "drain" or (as_alone and not has_raised(alone))) and adds_up(whole, parts):
                    return True
                # There may have been room for the addition only because something was taken out already.
                if other.name in ("inc", "add", "__iadd__") and not has_raised(other_result):
                    added = operator.index(other_arguments[0]) if other_arguments else 1
                    if adds_up(self.state + added, (result, end)):
                        return True
        return False

    # Family

    def _is_partial(self, outcome: Outcome) -> bool:
        first, second, end = outcome
        for row, result, other, other_arguments, other_result in (
            (self.first, first, self.second, self.second_arguments, second),
            (self.second, second, self.first, self.first_arguments, first),
        ):
            new_state, alone = other.apply(self.state, other_arguments)
            if not self.model.agrees(other, alone, other_result):
                continue
            if not (end is UNREADABLE or self.model.same(new_state, end)):
                continue
            if row.name == "items" and _some_of(result, self.state, new_state):
                return True
            if row.name == "__len__" and type(result) is int:
                low, high = sorted((len(self.state), len(new_state)))
                if low <= result <= high:
                    return True
        return False


def _is_read(row: Operation) -> bool:
    return row.name not in ("drain", *ADDITIONS)


def _vector(value: Any) -> tuple[float, ...] | None:
    """Return a count, or a snapshot's counts and sum, as numbers to compare one by one."""
    if type(value) is int:
        return (value,)
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], tuple):
        return (*value[0], value[1])
    return None


def _within(value: Any, one: Any, other: Any) -> bool:
    found, low, high = _vector(value), _vector(one), _vector(other)
    if found is None or low is None or high is None:
        return False
    return all(_is_in_between(each, a, b) for each, a, b in zip(found, low, high, strict=True))


def _is_in_between(number: float, one: float, other: float) -> bool:
    """Return whether it is between them. A NaN sum is between nothing, but may be from before or after."""
    return (
        number in (one, other)
        or (math.isnan(number) and (math.isnan(one) or math.isnan(other)))
        or min(one, other) <= number <= max(one, other)
    )


def adds_up(whole: Any, parts: tuple[Any, ...]) -> bool:
    """Return whether these counts, or snapshots, are the whole taken apart."""
    total = _vector(whole)
    vectors = [vector for part in parts if (vector := _vector(part)) is not None]
    if total is None or len(vectors) < len(parts):
        return False
    # Counts are never negative; the last number of a snapshot is its sum, which may be.
    if any(number < 0 for vector in vectors for number in vector[:-1] or vector):
        return False
    return all(
        sum(each) == all_ or (math.isnan(sum(each)) and math.isnan(all_))
        for *each, all_ in zip(*vectors, total, strict=True)
    )


def _some_of(items: Any, before: Any, after: Any) -> bool:
    """Return whether items() may have given this while a family went from one state to the other."""
    if not isinstance(items, tuple) or len({key for key, _ in items}) != len(items):
        return False
    given: Mapping[Any, Any] = dict(items)
    was, is_now = dict(before), dict(after)
    always = was.keys() & is_now.keys()
    return always <= given.keys() and all(
        value in [state[key] for state in (was, is_now) if key in state] for key, value in given.items()
    )
