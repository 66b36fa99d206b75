"""HistogramSnapshot, which both backends return.

It is imported with the package, so it does without the future annotations, which would be one more file to
find.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, SupportsFloat, SupportsIndex

    from typing_extensions import Self

# Prometheus treats counts as equal if they differ by no more than this share: sums of rates are not exact.
_SAME_COUNT = 1e-12


class HistogramSnapshot(tuple[tuple[int, ...], float]):
    """What a Histogram has counted: a named tuple (counts, sum).

    counts[i] is the number of observations with bounds[i-1] < value <= bounds[i]; there is one more entry,
    for those above the last bound. They are not cumulative. sum is the sum of the observed values, in the
    order in which they happened to be added.

    The attributes bounds and count, and quantile(q), are not fields: a snapshot unpacks into two items, and
    is equal to any tuple of the same counts and sum.
    """

    # Written out, since importing collections.namedtuple would take longer than importing all of atomicx.

    __module__ = "atomicx"
    __match_args__ = ("counts", "sum")
    _fields = ("counts", "sum")
    _field_defaults: "dict[str, Any]" = {}  # noqa: RUF012 - as every named tuple has it

    def __new__(cls, counts: tuple[int, ...], sum: float, bounds: "Iterable[float]" = ()) -> "Self":
        # In the __dict__, since a tuple has no room for slots.
        snapshot = super().__new__(cls, (counts, sum))
        snapshot.__dict__["bounds"] = tuple(bounds)
        return snapshot

    @classmethod
    def _make(cls, iterable: "Iterable[Any]") -> "Self":
        counts, total = iterable
        return cls(counts, total)

    def _asdict(self) -> "dict[str, Any]":
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, /, **fields: "Any") -> "Self":
        """Return a copy with these fields replaced, and the same bounds."""
        unknown = [name for name in fields if name not in self._fields]
        if unknown:
            raise TypeError(f"Got unexpected field names: {unknown!r}")
        return type(self)(**{**self._asdict(), **fields}, bounds=self.bounds)

    __replace__ = _replace

    def __repr__(self) -> str:
        return f"{type(self).__name__}(counts={self[0]!r}, sum={self[1]!r})"

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of observations in each bucket."""
        return self[0]

    @property
    def sum(self) -> float:
        """The sum of the values observed."""
        return self[1]

    def __getnewargs__(self) -> "tuple[Any, ...]":
        return (*self, self.bounds)

    @property
    def bounds(self) -> "tuple[float, ...]":
        """The bounds of the buckets, one fewer than counts; empty if the snapshot was made without them."""
        bounds: tuple[float, ...] = self.__dict__.get("bounds", ())
        return bounds

    # This hides the method of tuples, which counts how often a value occurs.
    @property
    def count(self) -> int:  # type: ignore[override]
        """The total number of observations."""
        return sum(self.counts)

    def quantile(self, q: "SupportsFloat | SupportsIndex", /) -> float:
        """Return the value below which the share q of the observations lies, as far as buckets can tell.

        It is the result of Prometheus' histogram_quantile(). Observations are assumed to be spread evenly
        within a bucket. The first bucket begins at 0 if its bound is positive; otherwise the result there is
        that bound. Above the last bound the result is the last bound. It is NaN if nothing was observed, or
        if the first bucket is empty and q is 0.

        Raises TypeError if q is not a real number, ValueError if it is not in [0, 1] or if the snapshot has
        no bounds.
        """
        from math import fsum

        share = fsum((q,))  # converts as float() does, but rejects a str
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"q must be in [0, 1], not {share!r}")
        bounds = self.bounds
        if len(bounds) != len(self.counts) - 1 or not bounds:
            raise ValueError("this snapshot has no bounds")
        cumulative = _cumulative(self.counts)
        if cumulative[-1] == 0:
            return float("nan")
        rank = share * cumulative[-1]
        bucket = next((i for i, count in enumerate(cumulative[:-1]) if count >= rank), len(bounds))
        if bucket == len(bounds):
            return bounds[-1]
        if bucket == 0 and bounds[0] <= 0:
            return bounds[0]
        start, before = (bounds[bucket - 1], cumulative[bucket - 1]) if bucket else (0.0, 0.0)
        inside = cumulative[bucket] - before
        if inside == 0:
            return float("nan")
        return start + (bounds[bucket] - start) * ((rank - before) / inside)


def _cumulative(counts: "Iterable[int]") -> "list[float]":
    """Return the cumulative counts as Prometheus computes them: floats, with tiny differences ignored."""
    total, known = 0, 0.0
    cumulative: list[float] = []
    for count in counts:
        total += count
        current = float(total)
        if not cumulative or (current != known and abs(current - known) / current > _SAME_COUNT):
            known = current
        cumulative.append(known)
    return cumulative
