"""ExponentialHistogram. Its value is one tuple, (counts by position, sum), that never changes.

A position is the number of a bucket on one side of zero, from 1 up: positive for positive values, negative
for negative ones. Position 0 counts what is taken for zero.
"""

# A cell holds any value here; the types that users see are in _core.pyi.
# mypy: no-warn-return-any
# The functions here belong to the histogram.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
import operator

from .._boundaries import SCALE_MAX, SCALE_MIN, bucket_of
from .._exponential import ExponentialHistogramSnapshot
from .chain import Cell, current, swap
from .loops import apply, as_it_is, exchange_if_same, load_value
from .type_float import as_float
from .type_timer import Timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import SupportsFloat, SupportsIndex

    _Real = SupportsFloat | SupportsIndex
    _State = tuple[dict[int, int], float]
    _Observation = tuple[int, float]

BUCKETS_MAX = 20_000
NOTHING: _State = ({}, 0.0)


class Layout:
    """The buckets of a histogram. It does not change."""

    __slots__ = ("first", "largest", "last", "scale", "signed", "smallest")

    def __init__(self, scale: SupportsIndex, smallest: _Real, largest: _Real, signed: object) -> None:
        self.signed = bool(signed)
        self.scale = operator.index(scale)
        self.smallest = as_float(smallest) + 0.0  # no -0.0
        self.largest = as_float(largest)
        if not SCALE_MIN <= self.scale <= SCALE_MAX:
            raise ValueError(f"scale must be from {SCALE_MIN} to {SCALE_MAX}, not {self.scale}")
        if not 0.0 <= self.smallest < math.inf:
            raise ValueError(f"smallest must be finite and at least 0, not {self.smallest!r}")
        if not self.smallest < self.largest < math.inf:
            raise ValueError(f"largest must be finite and greater than smallest, not {self.largest!r}")
        self.first = bucket_of(self.scale, math.nextafter(self.smallest, math.inf))
        self.last = bucket_of(self.scale, self.largest)
        count = (self.last - self.first + 1) * (2 if self.signed else 1)
        if count > BUCKETS_MAX:
            raise ValueError(f"an ExponentialHistogram has at most {BUCKETS_MAX} buckets, not {count}")

    def position(self, value: float) -> int:
        """Return where value is counted. Raises ValueError if it is counted nowhere."""
        if not math.isfinite(value):
            raise ValueError(f"an ExponentialHistogram has no bucket for {value!r}")
        size = abs(value)
        if size <= self.smallest:
            return 0
        if value < 0.0 and not self.signed:
            raise ValueError(f"an ExponentialHistogram that is not signed has no bucket for {value!r}")
        position = bucket_of(self.scale, min(size, self.largest)) - self.first + 1
        return position if value > 0.0 else -position

    def snapshot(self, state: _State) -> ExponentialHistogramSnapshot:
        counts, total = state
        positive = self.side(counts, sorted(position for position in counts if position > 0))
        negative = self.side(counts, sorted((position for position in counts if position < 0), reverse=True))
        zeros = counts.get(0, 0)
        return ExponentialHistogramSnapshot(self.scale, total, zeros, self.smallest, positive, negative)

    def side(self, counts: dict[int, int], used: list[int]) -> tuple[int, tuple[int, ...]]:
        """Return the offset and the counts between the first and the last of the positions used."""
        if not used:
            return 0, ()
        nearest, farthest = used[0], used[-1]
        step = 1 if nearest > 0 else -1
        inside = range(nearest, farthest + step, step)
        return self.first + abs(nearest) - 1, tuple(counts.get(position, 0) for position in inside)


def observed(state: _State, observation: _Observation) -> _State:
    counts, total = state
    position, value = observation
    return {**counts, position: counts.get(position, 0) + 1}, total + value


def layout_of(histogram: ExponentialHistogram) -> Layout:
    try:
        return histogram._ExponentialHistogram__layout
    except AttributeError:
        raise RuntimeError("ExponentialHistogram.__init__() was not called") from None


def record(histogram: ExponentialHistogram, value: float) -> None:
    """Observe value. Raises ValueError if there is no bucket for it."""
    apply(histogram, observed, (layout_of(histogram).position(value), value), as_it_is)


class ExponentialHistogram(Cell):
    """A histogram without bounds to choose: buckets that grow by a constant factor, and one for zero.

    Bucket i counts base**i < value <= base**(i+1) for base = 2**(2**-scale), exactly, for every double:
    OpenTelemetry's mapping. scale is from -10 to 20, else ValueError, and never changes. A quantile of a
    snapshot is within sqrt(base) - 1 of the exact one: 2.2 % at scale 4, and half as much with each step up.

    Values in [-smallest, smallest] count as zero. Those above largest count in the outermost bucket. Values
    below -smallest are a ValueError unless signed is true; then they have buckets of their own, by -value.
    smallest is finite and at least 0, largest is finite and greater than smallest, and there are at most
    20,000 buckets, else ValueError. All this is given once: calling __init__ again raises RuntimeError, and
    so does every operation if a subclass has not called it.

    All its memory is allocated when it is made, except that the C module without the GIL spreads the cells
    over stripes, so that observing threads do not slow each other down; a thread for which there is no memory
    shares another's. The counts are whole: each observation adds 1 to one bucket, once, and the total of the
    counts is the number of observations. A snapshot that overlaps observations has, for each bucket, a count
    between those at its start and at its end; one that overlaps nothing is exact. The sum may lag behind the
    counts by the observations under way, because two words cannot be changed as one. (In the twin it does
    not.)

    No operation waits for another thread, so all may be used in signal handlers, __del__, callbacks of the
    garbage collector or of weak references, and after a fork. (The pure-Python twin is lock-free with the
    GIL. Without the GIL it relies on a dict's own mutex: exact, but neither lock-free nor safe in a child
    that was forked while other threads used it.) A bucket can count 2**63 observations, more than can be
    made.
    """

    __slots__ = ("_ExponentialHistogram__layout",)
    __module__ = "atomicx"
    _Cell__zero = None
    _ExponentialHistogram__layout: Layout  # immutable once there

    def __init__(
        self,
        scale: SupportsIndex = 4,
        *,
        smallest: _Real = 1e-6,
        largest: _Real = 1e6,
        signed: bool = False,
    ) -> None:
        layout = Layout(scale, smallest, largest, signed)
        if not exchange_if_same(self, None, NOTHING, operator.is_)[0]:
            raise RuntimeError("ExponentialHistogram.__init__() was already called")
        self._ExponentialHistogram__layout = layout

    @property
    def scale(self) -> int:
        """The scale, which gives the growth from bucket to bucket: 2**(2**-scale)."""
        return layout_of(self).scale

    @property
    def smallest(self) -> float:
        """Values from -smallest to smallest count as zero."""
        return layout_of(self).smallest

    @property
    def largest(self) -> float:
        """Values above largest, or below -largest, count in the outermost bucket."""
        return layout_of(self).largest

    @property
    def signed(self) -> bool:
        """Whether negative values have buckets."""
        return layout_of(self).signed

    def observe(self, value: _Real, /) -> None:
        """Count value in its bucket, and add it to the sum. Returns None.

        Raises TypeError if value is not a real number, ValueError if it is NaN or infinite, or if it is below
        -smallest and the histogram is not signed. Then nothing is counted. Lock-free.
        """
        record(self, as_float(value))

    def time(self, /) -> Timer:
        """Return a timer: a context manager and decorator that observes how long its block took, in seconds.

        It also observes when the block raises, and uses the clock of time.perf_counter(). It decorates
        functions, coroutine functions, which it times until they end, and generator functions and async
        generator functions, which it times from the first step until they finish, are closed or are
        collected. One timer can be entered many times, even while it is entered, and by many threads and
        tasks at once. Wait-free.
        """
        layout_of(self)
        return Timer(self, record)

    def snapshot(self, /) -> ExponentialHistogramSnapshot:
        """Return what was observed and not drained, as an ExponentialHistogramSnapshot.

        The counts are whole; the sum may lag behind them by the observations under way. Lock-free.
        """
        return layout_of(self).snapshot(load_value(self))

    def drain(self, /) -> ExponentialHistogramSnapshot:
        """Take the observations out, and start again from zero. Returns an ExponentialHistogramSnapshot.

        Each observation is counted in exactly one drain, and its value is in the sum of exactly one: that of
        the same drain or of a later one. Do not drain a histogram that is exported. Lock-free.
        """
        layout = layout_of(self)
        while True:
            version, held = current(self)
            snapshot = layout.snapshot(held)  # first: if this fails, nothing was taken out
            if swap(self, version, NOTHING):
                return snapshot

    def __repr__(self, /) -> str:
        layout, (counts, total) = layout_of(self), load_value(self)
        count = sum(counts.values())
        return (
            f"{type(self).__name__}(scale={layout.scale}, smallest={layout.smallest!r},"
            f" largest={layout.largest!r}, signed={layout.signed}, count={count}, sum={total!r})"
        )
