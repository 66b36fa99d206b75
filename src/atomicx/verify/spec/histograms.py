"""The meaning of every operation of Histogram and ExponentialHistogram.

The state of both is (counts, sum), with a count for every bucket, including those that are not in use.
"""

from __future__ import annotations

import math
import operator
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any

from .kinds import FINITE, OBSERVATION, bits, computed, same_double
from .model import ArgumentKind, Model, Parameter, Promise, same_value
from .rows import NO_ARGUMENTS, raise_inside, row

GREATEST = 1.7976931348623157e308
# A timer may read any clock, and that may differ from ours by this much.
CLOCKS_DIFFER_SECONDS = 50e-6
# A coarse clock steps by up to 16 ms, but seldom in the middle of a short block, so one time that is too long
# proves nothing. A timer in milliseconds is wrong every time, so this many wrong times, and no right one, do.
TIMES = 20


def _same_snapshot(one: Any, other: Any) -> bool:
    """Snapshots are tuples, named ones if they come from a Histogram; sums agree by bits."""
    if all(
        isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], tuple) for each in (one, other)
    ):
        return one[0] == other[0] and same_double(one[1], other[1])
    return same_value(one, other)


def _refill(histogram: Any, values: Iterable[float]) -> None:
    histogram.drain()
    for value in values:
        histogram.observe(value)


def _bucketed(
    name: str,
    kind: ArgumentKind,
    bucket_of: Callable[[float], int],
    typical: Sequence[float],
    ways: Sequence[Sequence[float]],
    attributes: dict[str, Any],
    *,
    new: Callable[[Any], Any],
    another: Callable[[Any], Any],
    represented: Callable[[Any], str],
    snapshot: Callable[[Any], Any] | None = None,
    drain: Callable[[Any], Any] | None = None,
) -> Model:
    """Return the model of a histogram: what it observes, its bucket, and one typical value for each bucket.

    `ways` lead to its edge states, `another` makes a histogram like the one given, and `snapshot` and `drain`
    are how the state is read, if the methods return something else.
    """
    nothing: tuple[tuple[int, ...], float] = ((0,) * len(typical), 0.0)

    def observe(state: Any, value: float) -> tuple[Any, None]:
        counts, total = list(state[0]), state[1]
        counts[bucket_of(value)] += 1
        return (tuple(counts), computed(total + value)), None

    def reached(values: Iterable[float]) -> Any:
        state: Any = nothing
        for value in values:
            state, _ = observe(state, value)
        return state

    def time_another(histogram: Any) -> Any:
        """Time two blocks on another histogram, one of which raises. Return their number.

        How long they take is not known, only that it is less than all of this. If the timer says each time
        that they took longer, return that as text.
        """
        blocks, total = 0, 0.0
        for _ in range(TIMES):
            other = another(histogram)
            begun = time.perf_counter()
            raise_inside(other.time())
            with other.time():
                pass
            most = time.perf_counter() - begun + CLOCKS_DIFFER_SECONDS
            counts, total = snapshot(other) if snapshot else other.snapshot()
            blocks = sum(counts)
            if blocks != 2 or 0.0 <= total <= most:
                return blocks
        return f"{blocks} blocks, {total:g} s long"

    states = [(reached(way), way) for way in ways]

    def fill(cell: Any, state: Any) -> None:
        for edge, way in states:
            if _same_snapshot(edge, state):
                return _refill(cell, way)
        values = [value for value, count in zip(typical, state[0], strict=True) for _ in range(count)]
        if not same_double(reduce(operator.add, values, 0.0), state[1]):
            raise ValueError(f"cannot bring a histogram into the state {state!r}")
        return _refill(cell, values)

    return Model(
        name,
        nothing,
        (
            row("observe", [Parameter("value", kind)], observe, [(value,) for value in typical]),
            row("snapshot", [], lambda state: (state, state), NO_ARGUMENTS, snapshot),
            row("drain", [], lambda state: (nothing, state), NO_ARGUMENTS, drain),
            row("time", [], lambda state: (state, 2), written=time_another, atomic=False),
            *(
                row(
                    attribute,
                    [],
                    lambda state, value=value: (state, value),
                    NO_ARGUMENTS,
                    operator.attrgetter(attribute),
                )
                for attribute, value in attributes.items()
            ),
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
        new=new,
        fill=fill,
        read=snapshot or (lambda histogram: histogram.snapshot()),
    )


def histogram(bounds: tuple[float, ...]) -> Model:
    """Return the model of a Histogram with these bounds."""
    # One value for each bucket: its bound, and for the last bucket a value above the last bound.
    typical = (*bounds, max(bounds[-1] + 1.0, math.nextafter(bounds[-1], math.inf)))
    return _bucketed(
        "Histogram",
        OBSERVATION,
        lambda value: bisect_left(bounds, value),
        typical,
        (
            *((), typical, (*typical[:1] * 3, *typical[-1:] * 2)),
            *((-0.0,), (math.inf,), (-math.inf,), (math.inf, -math.inf), (GREATEST,) * 2),
        ),
        {"bounds": bounds},
        new=lambda module: module.Histogram(bounds),
        another=lambda cell: type(cell)(cell.bounds),
        represented=lambda state: f"Histogram({bounds!r}, count={sum(state[0])}, sum={state[1]!r})",
    )


HISTOGRAM = histogram((1.0,))


# ExponentialHistogram. The counts are in the order of the values: negative ones, zero, positive ones.


def exponent_of(scale: int, value: float) -> int:
    """Return the i with base**i < value <= base**(i+1), for base = 2**(2**-scale), exactly.

    With value = numerator / 2**d, that is ceil(log2(value**(2**scale))) - 1, and an integer n > 0 has
    ceil(log2(n)) = (n - 1).bit_length(). For scales that are not too high: the power has 53 * 2**scale bits.
    """
    numerator, denominator = value.as_integer_ratio()
    d = denominator.bit_length() - 1
    if scale <= 0:
        return ((numerator - 1).bit_length() - d - 1) >> -scale
    steps = 1 << scale
    power: int = numerator**steps
    return (power - 1).bit_length() - d * steps - 1


def exponential(scale: int, smallest: float, largest: float, signed: bool, typical: Sequence[float]) -> Model:
    """Return the model of an ExponentialHistogram; typical has a value for each positive bucket, in order.

    The sums of these values should be exact, whatever the order: then no rounding hides a lost value.
    """
    shape: dict[str, Any] = {"smallest": smallest, "largest": largest, "signed": signed}
    first = exponent_of(scale, math.nextafter(smallest, math.inf))
    width = exponent_of(scale, largest) - first + 1
    zero = width if signed else 0

    def bucket_of(value: float) -> int:
        size = abs(value)
        if size <= smallest:
            return zero
        if value < 0.0 and not signed:
            raise ValueError("a histogram that is not signed has no bucket for a negative value")
        place = exponent_of(scale, min(size, largest)) - first + 1
        return zero + place if value > 0.0 else zero - place

    def taken_apart(snapshot: Any) -> Any:
        """Return a snapshot as (counts, sum); a cell made from this model gives it like that."""
        if isinstance(snapshot, tuple):
            return snapshot
        counts = [0] * (zero + 1 + width)
        counts[zero] = snapshot.zero_count
        for direction, side in ((1, snapshot.positive), (-1, snapshot.negative)):
            for index, count in enumerate(side.counts, side.offset):
                place = index - first + 1
                if not 1 <= place <= width or zero + direction * place < 0:
                    raise ValueError(f"a snapshot has bucket {index}, which the histogram lacks")
                counts[zero + direction * place] = count
        told = (snapshot.scale, snapshot.count, snapshot.zero_threshold)
        if told != (scale, sum(counts), smallest):
            raise ValueError(f"a snapshot has a wrong scale, count or zero threshold: {told}")
        return tuple(counts), snapshot.sum

    def represented(state: Any) -> str:
        told = {"scale": scale, **shape, "count": sum(state[0]), "sum": state[1]}
        return f"ExponentialHistogram({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    values = (*(-value for value in reversed(typical) if signed), 0.0, *typical)
    ways: list[tuple[float, ...]] = [(), values, (*values[:1] * 3, *values[-1:] * 2)]
    ways += [(-0.0,), (5e-324,), (largest, math.nextafter(largest, math.inf)), (GREATEST,) * 2]
    ways += [(-GREATEST,) * 3, (GREATEST, GREATEST, -GREATEST, -GREATEST, -GREATEST)] if signed else []
    return _bucketed(
        "ExponentialHistogram",
        FINITE,
        bucket_of,
        values,
        ways,
        {"scale": scale, **shape},
        new=lambda module: module.ExponentialHistogram(scale, **shape),
        another=lambda cell: type(cell)(cell.scale, **{name: getattr(cell, name) for name in shape}),
        represented=represented,
        snapshot=lambda cell: taken_apart(cell.snapshot()),
        drain=lambda cell: taken_apart(cell.drain()),
    )


# The boundaries are powers of the square root of 2: far enough from 1 for a logarithm to be rounded.
EXPONENTIAL = exponential(
    1, 0.25, 32.0, True, (0.3125, 0.5, 0.625, 1.0, 1.25, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0, 16.0, 20.0, 32.0)
)
