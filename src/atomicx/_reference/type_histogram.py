"""Histogram. Here counts and sum are the value of one cell, a HistogramSnapshot that never changes."""

# A cell holds any value here; the types that users see are in _core.pyi.
# mypy: no-warn-return-any
# The functions here belong to the histogram.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
import operator
from bisect import bisect_left

from .._snapshot import HistogramSnapshot
from .chain import Cell
from .loops import apply, as_it_is, exchange_if_same, exchange_value, load_value
from .type_float import as_float
from .type_timer import Timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import SupportsFloat, SupportsIndex

    _Real = SupportsFloat | SupportsIndex
    _Observation = tuple[int, float]


def as_bounds(bounds: Iterable[_Real]) -> tuple[float, ...]:
    items = tuple(bounds)
    if not items:
        raise ValueError("a Histogram needs at least one bound")
    numbers = tuple(as_float(item) for item in items)
    increasing = all(map(operator.lt, numbers, numbers[1:]))
    if not (increasing and all(math.isfinite(number) for number in numbers)):
        raise ValueError("the bounds of a Histogram must be finite and strictly increasing")
    return numbers


def observed(state: HistogramSnapshot, observation: _Observation) -> HistogramSnapshot:
    bucket, value = observation
    counts = state.counts
    counted = (*counts[:bucket], counts[bucket] + 1, *counts[bucket + 1 :])
    return HistogramSnapshot(counted, state.sum + value, state.bounds)


def nothing(bounds: tuple[float, ...]) -> HistogramSnapshot:
    return HistogramSnapshot((0,) * (len(bounds) + 1), 0.0, bounds)


def record(histogram: Histogram, value: float) -> None:
    """Observe value, which is not NaN."""
    apply(histogram, observed, (bisect_left(bounds_of(histogram), value), value), as_it_is)


def bounds_of(histogram: Histogram) -> tuple[float, ...]:
    try:
        return histogram._Histogram__bounds
    except AttributeError:
        raise RuntimeError("Histogram.__init__() was not called") from None


class Histogram(Cell):
    """A histogram made for many threads: counts observations by bucket, and adds up their values.

    bounds holds at least one real number; all are finite and strictly increasing, else ValueError. Bucket i
    counts bounds[i-1] < value <= bounds[i]; one more bucket counts the values above the last bound. The
    bounds are given once: calling __init__ again raises RuntimeError, and so does every operation if a
    subclass has not called it.

    Without the GIL the C module spreads the cells over stripes, so that observing threads do not slow each
    other down. The counts are whole: each observation adds 1 to one bucket, once, and the total of the counts
    is the number of observations. A snapshot that overlaps observations has, for each bucket, a count between
    those at its start and at its end; one that overlaps nothing is exact. The sum may lag behind the counts
    by the observations under way, because two words cannot be changed as one. (In the twin it does not.)

    No operation waits for another thread, so all may be used in signal handlers, __del__, callbacks of the
    garbage collector or of weak references, and after a fork. (The pure-Python twin is lock-free with the
    GIL. Without the GIL it relies on a dict's own mutex: exact, but neither lock-free nor safe in a child
    that was forked while other threads used it.) A bucket can count 2**63 observations, more than can be
    made.
    """

    __slots__ = ("_Histogram__bounds",)
    __module__ = "atomicx"
    _Cell__zero = None
    _Histogram__bounds: tuple[float, ...]  # immutable once there

    def __init__(self, bounds: Iterable[_Real]) -> None:
        numbers = as_bounds(bounds)
        if not exchange_if_same(self, None, nothing(numbers), operator.is_)[0]:
            raise RuntimeError("Histogram.__init__() was already called")
        self._Histogram__bounds = numbers

    @property
    def bounds(self) -> tuple[float, ...]:
        """The bounds of the buckets, as a tuple of floats."""
        return bounds_of(self)

    def observe(self, value: _Real, /) -> None:
        """Count value in its bucket, and add it to the sum. Returns None.

        Raises TypeError if value is not a real number, ValueError if it is NaN, which is not counted.
        Lock-free.
        """
        number = as_float(value)
        bounds_of(self)
        if number != number:
            raise ValueError("a Histogram has no bucket for NaN")
        record(self, number)

    def time(self, /) -> Timer:
        """Return a timer: a context manager and decorator that observes how long its block took, in seconds.

        It also observes when the block raises, and uses the clock of time.perf_counter(). It decorates
        functions, coroutine functions, which it times until they end, and generator functions and async
        generator functions, which it times from the first step until they finish, are closed or are
        collected. One timer can be entered many times, even while it is entered, and by many threads and
        tasks at once. Wait-free.
        """
        bounds_of(self)
        return Timer(self, record)

    def snapshot(self, /) -> HistogramSnapshot:
        """Return what was observed and not drained, as a HistogramSnapshot: a named tuple (counts, sum).

        The counts are whole; the sum may lag behind them by the observations under way. Lock-free.
        """
        bounds_of(self)
        return load_value(self)

    def drain(self, /) -> HistogramSnapshot:
        """Take the observations out, and start again from zero. Returns them as a named tuple (counts, sum).

        Each observation is counted in exactly one drain, and its value is in the sum of exactly one: that of
        the same drain or of a later one. Do not drain a histogram that is exported. Lock-free.
        """
        return exchange_value(self, nothing(bounds_of(self)))

    def __repr__(self, /) -> str:
        bounds, held = bounds_of(self), load_value(self)
        return f"{type(self).__name__}({bounds!r}, count={held.count}, sum={held.sum!r})"
