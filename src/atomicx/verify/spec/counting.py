"""The meaning of every operation of Counter and Histogram."""

from __future__ import annotations

import math
import operator
from bisect import bisect_left
from collections.abc import Iterable
from functools import reduce
from typing import Any

from .kinds import INT64, INT64_MAX, OBSERVATION, bits, computed, exact, same_double
from .model import ITSELF, Model, Parameter, Promise, same_value
from .rows import NO_ARGUMENTS, raise_inside, row, shown, text_rows

# Counter: it only counts up, except that drain() takes the counts out. This is what it does while nothing
# overlaps; `check_counter` says what a load may return that overlaps additions.


def _not_negative(count: int) -> int:
    if count < 0:
        raise ValueError("a Counter only counts up")
    return count


_COUNT = [Parameter("n", INT64)]
_COUNTS = ((1,), (2,), (5,), (-1,))

COUNTER = Model(
    "Counter",
    0,
    (
        row("__init__", [Parameter("value", INT64, 0)], lambda state, value: (_not_negative(value), None)),
        row("inc", [], lambda state: (exact(state + 1), None), NO_ARGUMENTS),
        row("add", _COUNT, lambda state, n: (exact(state + _not_negative(n)), None), _COUNTS),
        row("load", [], lambda state: (state, state), NO_ARGUMENTS),
        row("drain", [], lambda state: (0, state), NO_ARGUMENTS),
        row(
            "__iadd__",
            _COUNT,
            lambda state, n: (exact(state + _not_negative(n)), ITSELF),
            _COUNTS,
            operator.iadd,
        ),
        row("__int__", [], lambda state: (state, state), NO_ARGUMENTS, int),
        row("__bool__", [], lambda state: (state, state != 0), NO_ARGUMENTS, bool),
        *text_rows(),
        shown("Counter"),
    ),
    edge_states=(0, 1, 7, INT64_MAX - 1, INT64_MAX),
    promise=Promise.BETWEEN,
    # It has no store, but it can be initialised again.
    fill=lambda counter, value: counter.__init__(value),
)


# Histogram. The state is (counts, sum).


def _same_snapshot(one: Any, other: Any) -> bool:
    """Snapshots are tuples, named ones if they come from a Histogram; sums agree by bits."""
    if all(
        isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], tuple) for each in (one, other)
    ):
        return one[0] == other[0] and same_double(one[1], other[1])
    return same_value(one, other)


def _time_another(histogram: Any) -> int:
    """Time two blocks on another histogram, one of which raises. Only their number is known."""
    other = type(histogram)(histogram.bounds)
    raise_inside(other.time())
    with other.time():
        pass
    return int(sum(other.snapshot()[0]))


def _refill(histogram: Any, values: Iterable[float]) -> None:
    histogram.drain()
    for value in values:
        histogram.observe(value)


def histogram(bounds: tuple[float, ...]) -> Model:
    """Return the model of a Histogram with these bounds."""
    nothing: tuple[tuple[int, ...], float] = ((0,) * (len(bounds) + 1), 0.0)

    def observe(state: Any, value: float) -> tuple[Any, None]:
        counts, total = list(state[0]), state[1]
        counts[bisect_left(bounds, value)] += 1
        return (tuple(counts), computed(total + value)), None

    def reached(values: Iterable[float]) -> Any:
        state: Any = nothing
        for value in values:
            state, _ = observe(state, value)
        return state

    def represented(state: Any) -> str:
        return f"Histogram({bounds!r}, count={sum(state[0])}, sum={state[1]!r})"

    # One value for each bucket: its bound, and for the last bucket a value above the last bound.
    typical = (*bounds, max(bounds[-1] + 1.0, math.nextafter(bounds[-1], math.inf)))
    ways: tuple[tuple[float, ...], ...] = (
        *((), typical, (*typical[:1] * 3, *typical[-1:] * 2)),
        *((-0.0,), (math.inf,), (-math.inf,), (math.inf, -math.inf), (1.7976931348623157e308,) * 2),
    )
    states = [(reached(way), way) for way in ways]

    def fill(cell: Any, state: Any) -> None:
        for edge, way in states:
            if _same_snapshot(edge, state):
                return _refill(cell, way)
        values = [value for value, count in zip(typical, state[0], strict=True) for _ in range(count)]
        if not same_double(reduce(operator.add, values, 0.0), state[1]):
            raise ValueError(f"cannot bring a Histogram into the state {state!r}")
        return _refill(cell, values)

    return Model(
        "Histogram",
        nothing,
        (
            row("observe", [Parameter("value", OBSERVATION)], observe, [(value,) for value in typical]),
            row("snapshot", [], lambda state: (state, state), NO_ARGUMENTS),
            row("drain", [], lambda state: (nothing, state), NO_ARGUMENTS),
            row("time", [], lambda state: (state, 2), written=_time_another, atomic=False),
            row("bounds", [], lambda state: (state, bounds), NO_ARGUMENTS, operator.attrgetter("bounds")),
            # It reads the counts and then the sum: an observation may be in one and not in the other.
            row(
                "__repr__",
                [],
                lambda state: (state, represented(state)),
                NO_ARGUMENTS,
                repr,
                same=same_value,
                atomic=False,
            ),
        ),
        _same_snapshot,
        lambda state: (state[0], bits(state[1])),
        edge_states=tuple(state for state, _ in states),
        promise=Promise.BETWEEN,
        new=lambda module: module.Histogram(bounds),
        fill=fill,
        read=lambda histogram: histogram.snapshot(),
    )


HISTOGRAM = histogram((1.0,))
