"""ExponentialHistogramSnapshot, which both backends return.

It is imported with the package, so it does without the future annotations, which would be one more file to
find.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn, SupportsFloat, SupportsIndex

SCALE_MIN = -10

_total = sum  # parameters hide its name
_set = object.__setattr__  # that of a _Record refuses


class _Record:
    """An object whose attributes are set once, when it is made."""

    __slots__ = ()
    __match_args__: "tuple[str, ...]" = ()

    def __setattr__(self, name: str, value: object) -> "NoReturn":
        raise AttributeError(f"cannot set {name!r}: a {type(self).__name__} does not change")

    def __delattr__(self, name: str) -> "NoReturn":
        raise AttributeError(f"cannot delete {name!r}: a {type(self).__name__} does not change")

    def _values(self) -> "tuple[Any, ...]":
        return tuple(getattr(self, name) for name in type(self).__match_args__)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        pairs = zip(type(self).__match_args__, self._values(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"

    def __reduce__(self) -> "tuple[Any, ...]":
        return type(self), self._values()


class ExponentialBuckets(_Record):
    """The buckets in use of an ExponentialHistogramSnapshot, on one side of zero.

    counts[k] is the number of observations in bucket offset + k. Neither the first nor the last count is
    zero. Where nothing was counted, offset is 0 and counts is empty.
    """

    __slots__ = ("counts", "offset")
    __module__ = "atomicx"
    __match_args__ = ("offset", "counts")
    offset: int
    counts: "tuple[int, ...]"

    def __init__(self, offset: int = 0, counts: "tuple[int, ...]" = ()) -> None:
        counts = tuple(counts)
        first, end = 0, len(counts)
        while first < end and not counts[first]:
            first += 1
        while end > first and not counts[end - 1]:
            end -= 1
        _set(self, "offset", offset + first if end > first else 0)
        _set(self, "counts", counts[first:end])


# Most snapshots have an empty side, which costs them nothing: all share this one, since it does not change.
_EMPTY = ExponentialBuckets()


def in_use(buckets: ExponentialBuckets) -> "Iterator[tuple[int, int]]":
    """Yield the index and the count of each bucket, from the first to the last."""
    return enumerate(buckets.counts, buckets.offset)


def _added(*sides: ExponentialBuckets, shift: int = 0) -> ExponentialBuckets:
    """Return the buckets of all sides together, each index shifted down."""
    sides = tuple(side for side in sides if side.counts)
    if not sides:
        return ExponentialBuckets()
    first = min(side.offset >> shift for side in sides)
    last = max((side.offset + len(side.counts) - 1) >> shift for side in sides)
    counts = [0] * (last - first + 1)
    for side in sides:
        for index, count in in_use(side):
            counts[(index >> shift) - first] += count
    return ExponentialBuckets(first, tuple(counts))


def _side(given: "ExponentialBuckets | tuple[int, tuple[int, ...]]") -> ExponentialBuckets:
    if isinstance(given, ExponentialBuckets):
        return given
    return ExponentialBuckets(*given) if any(given) else _EMPTY


class ExponentialHistogramSnapshot(_Record):
    """What an ExponentialHistogram has counted, in OpenTelemetry's terms. It does not change.

    Let base be 2**(2**-scale). positive.counts[k] is the number of observations with
    base**i < value <= base**(i+1), for i = positive.offset + k, and negative.counts[k] the same for -value.
    zero_count is the number of observations in [-zero_threshold, zero_threshold], count that of all, and sum
    the sum of the values, in the order in which they happened to be added. positive and negative are
    trimmed: neither end is zero.

    Two snapshots are equal if all of these are. They can be pickled and copied.
    """

    __slots__ = ("count", "negative", "positive", "scale", "sum", "zero_count", "zero_threshold")
    __module__ = "atomicx"
    __match_args__ = ("scale", "sum", "zero_count", "zero_threshold", "positive", "negative")
    scale: int
    sum: float
    zero_count: int
    zero_threshold: float
    positive: ExponentialBuckets
    negative: ExponentialBuckets
    count: int

    def __init__(
        self,
        scale: int,
        sum: float,
        zero_count: int,
        zero_threshold: float,
        positive: "ExponentialBuckets | tuple[int, tuple[int, ...]]",
        negative: "ExponentialBuckets | tuple[int, tuple[int, ...]]",
    ) -> None:
        above, below = _side(positive), _side(negative)
        _set(self, "scale", scale)
        _set(self, "sum", sum)
        _set(self, "zero_count", zero_count)
        _set(self, "zero_threshold", zero_threshold)
        _set(self, "positive", above)
        _set(self, "negative", below)
        _set(self, "count", zero_count + _total(above.counts) + _total(below.counts))

    def quantile(self, q: "SupportsFloat | SupportsIndex", /) -> float:
        """Return the value below which the share q of the observations lies, within a known relative error.

        It takes the observation whose number, in increasing order, is q * count rounded up (the first if q
        is 0), and returns the geometric middle of its bucket, base**(i + 0.5). That differs from every value
        of the bucket by at most sqrt(base) - 1 of the value: 2.2 % at scale 4, and half as much with each
        step up. It is 0.0 for an observation that counted as zero. The error may be larger for values outside
        [smallest, largest] of the histogram, and for subnormal ones, which have few digits. It is NaN if
        nothing was observed.

        Raises TypeError if q is not a real number, ValueError if it is not in [0, 1].
        """
        from math import fsum

        share = fsum((q,))  # converts as float() does, but rejects a str
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"q must be in [0, 1], not {share!r}")
        rank, below, found = share * self.count, 0, float("nan")
        for sign, index, count in self._in_order():
            if not count:
                continue
            below += count
            found = sign * _middle(self.scale, index) if sign else 0.0
            if below >= rank:
                break
        return found

    def _in_order(self) -> "Iterator[tuple[float, int, int]]":
        """Yield (sign, index, count) of all buckets, from the lowest value to the highest."""
        last = self.negative.offset + len(self.negative.counts) - 1
        for k, count in enumerate(reversed(self.negative.counts)):
            yield -1.0, last - k, count
        yield 0.0, 0, self.zero_count
        for index, count in in_use(self.positive):
            yield 1.0, index, count

    def downscale(self, to_scale: "SupportsIndex") -> "ExponentialHistogramSnapshot":
        """Return the snapshot that a histogram with the smaller scale to_scale would have given.

        Each step down merges two neighbouring buckets, exactly: bucket i goes into bucket i // 2. Raises
        TypeError if to_scale is not an integer, ValueError if it is not from -10 to scale.
        """
        from operator import index

        scale = index(to_scale)
        if not SCALE_MIN <= scale <= self.scale:
            raise ValueError(f"to_scale must be from {SCALE_MIN} to {self.scale}, not {scale}")
        shift = self.scale - scale
        return ExponentialHistogramSnapshot(
            scale,
            self.sum,
            self.zero_count,
            self.zero_threshold,
            _added(self.positive, shift=shift),
            _added(self.negative, shift=shift),
        )

    def merge(self, other: "ExponentialHistogramSnapshot") -> "ExponentialHistogramSnapshot":
        """Return the snapshot of the observations of both, at the smaller of the two scales.

        Raises TypeError if other is not an ExponentialHistogramSnapshot, and ValueError if the two have
        different zero thresholds, since nothing tells which values between them counted as zero.
        """
        if not isinstance(other, ExponentialHistogramSnapshot):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"expected an ExponentialHistogramSnapshot, got {type(other).__name__!r}")
        if self.zero_threshold != other.zero_threshold:
            raise ValueError(
                "cannot merge snapshots with different zero thresholds:"
                f" {self.zero_threshold!r} and {other.zero_threshold!r}"
            )
        scale = min(self.scale, other.scale)
        one, two = self.downscale(scale), other.downscale(scale)
        return ExponentialHistogramSnapshot(
            scale,
            one.sum + two.sum,
            one.zero_count + two.zero_count,
            one.zero_threshold,
            _added(one.positive, two.positive),
            _added(one.negative, two.negative),
        )


def _middle(scale: int, index: int) -> float:
    """Return the geometric middle of a bucket, or the double next to it that is finite and not zero."""
    logarithm = (index + 0.5) * 2.0**-scale
    return 2.0 ** max(logarithm, -1074.0) if logarithm < 1024 else 1.7976931348623157e308
