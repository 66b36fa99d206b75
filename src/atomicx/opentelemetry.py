"""Exports cells as OpenTelemetry metrics with its public API, which the extra `opentelemetry` installs.

    metrics = Collector()
    requests = metrics.counter("http.requests", "Requests served.", Family(Counter, "method", "status"))
    in_flight = metrics.up_down_counter("http.in_flight", "Requests being served.", AtomicInt())
    latency = metrics.histogram("http.latency", "Time to serve.", Histogram([0.01, 0.1, 1]), unit="s")

Each method returns the cell that it was given: count with that, at full speed. A collection reads the cell,
and never drains it: the SDK computes deltas from the totals where a reader asks for deltas.

The API has no instrument that reports counts by bucket. So a histogram is exported as counters, as in
Prometheus, and an exporter with HistogramFolding turns them back into one histogram.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from weakref import WeakKeyDictionary

from . import AtomicBool, AtomicRef, __version__
from ._exported import (
    Counted,
    Gauged,
    Labels,
    NamedCells,
    Observed,
    RefusedMetric,
    cells_of,
    check_counted,
    check_description,
    check_gauge,
    check_named,
    check_observed,
    is_exponential,
    kind_of,
    label_names_of,
    reading_of,
    warn_while_serving,
)
from ._opentelemetry_folding import (
    BOUND,
    BUCKET,
    COUNT,
    EXPONENTIAL_BUCKET,
    SUM,
    HistogramFolding,
    exponential_parts,
    fold_histograms,
)

try:
    from opentelemetry.metrics import Observation, get_meter
except ImportError as _error:
    raise ImportError(
        f"atomicx.opentelemetry needs opentelemetry-api, the extra `opentelemetry`: {_error}",
        name=_error.name,
    ) from _error

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter

__all__ = ["Collector", "HistogramFolding", "fold_histograms"]

_NAME = re.compile(r"[a-zA-Z][-_./a-zA-Z0-9]{0,254}")
_UNIT = re.compile(r"[ -~]{0,63}")

# What a cell holds: a number, or the counts of a histogram and the sum. Those of an exponential histogram
# have names, since buckets come into use later; the name of the sum is SUM.
_Values = tuple[float, ...] | dict[str, float]
_Attributes = dict[str, str]
_Look = list[tuple[_Attributes, Any, _Values]]
# The last child for these labels, and what earlier children had counted, if there were any.
_Seen = dict[Labels, tuple[Any, _Values | None]]


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RefusedMetric(f"invalid instrument name: {name!r}, expected {_NAME.pattern}")


def _number(value: Any) -> float:
    """Return a number that the exporters can encode: a 64-bit int, or a float."""
    return int(value) if isinstance(value, int) and -(2**63) <= value < 2**63 else float(value)


def _added(base: _Values | None, values: _Values) -> _Values:
    if base is None:
        return values
    if isinstance(base, tuple) and isinstance(values, tuple):
        return tuple(a + b for a, b in zip(base, values, strict=True))
    before, now = dict(cast("Any", base)), dict(cast("Any", values))
    return {name: before.get(name, 0) + now.get(name, 0) for name in {**before, **now}}


class _Source:
    """A cell or a Family, with the attributes that the API needs."""

    def __init__(self, name: str, source: Any, read: Callable[[Any], _Values]) -> None:
        self._name = name
        self._warned = AtomicBool()
        self._source = source
        self._read = read
        self._names = label_names_of(source)
        nothing: _Seen = {}  # never changes: the next collection makes another dict
        self._seen = AtomicRef(nothing)

    def values(self) -> _Look:
        """Return what the cells hold now. A child that cannot be read does not affect the others."""
        if not self._names:
            return [({}, self._source, self._read(self._source))]  # the SDK logs what it raises
        found = [
            (labels, cell, self._read_or_leave_out(labels, cell)) for labels, cell in cells_of(self._source)
        ]
        return [
            (self._attributes(labels), cell, values) for labels, cell, values in found if values is not None
        ]

    def _read_or_leave_out(self, labels: Labels, cell: Any) -> _Values | None:
        try:
            return tuple(map(_number, self._read(cell)))
        except Exception as error:
            if not self._warned.exchange(True):
                reason = f"{type(error).__name__}: {error}"
                warn_while_serving(
                    f"{self._name!r} {labels}: {reason} (left out of the collection)", stacklevel=2
                )
            return None

    def totals(self) -> _Look:
        """Return what has been counted. It never goes back: where a child was removed and made anew, its
        predecessor's total is added, since to the SDK the same attributes are the same series. Lock-free."""
        cells: dict[Labels, Any] = {}

        def see(before: _Seen) -> _Seen:
            nonlocal cells
            # Read inside the loop: a call that has to repeat it must not use older cells.
            cells = dict(cells_of(self._source))
            seen = dict(before)
            for labels, cell in cells.items():
                last, base = seen.get(labels, (cell, None))
                seen[labels] = cell, base if last is cell else _added(base, self._read(last))
            return seen

        seen = self._seen.update(see)
        return [
            (self._attributes(labels), cell, _added(seen[labels][1], self._read(cell)))
            for labels, cell in cells.items()
        ]

    def _attributes(self, labels: Labels) -> _Attributes:
        return dict(zip(self._names, labels, strict=True))


def _reading(cell: Any) -> _Values:
    return (reading_of(cell),)


def _counts_and_sum(cell: Any) -> _Values:
    snapshot = cell.snapshot()
    if is_exponential(cell):
        return {**exponential_parts(snapshot), SUM: snapshot.sum}
    return (*snapshot.counts, snapshot.sum)


def _count_of(values: _Values) -> float:
    if isinstance(values, dict):
        return sum(count for name, count in values.items() if name != SUM)
    return sum(values[:-1])


def _may_sum(cell: Any) -> bool:
    """Return whether the sum of what it observes only goes up."""
    return not cell.signed if is_exponential(cell) else cell.bounds[0] >= 0


def _buckets_of(cell: Any, values: _Values) -> Iterator[tuple[str, str, float]]:
    """Yield name and value of the attribute of each bucket, and what its counter has counted."""
    if isinstance(values, dict):
        yield from ((EXPONENTIAL_BUCKET, name, count) for name, count in values.items() if name != SUM)
    else:
        bounds = [*map(repr, cell.bounds), "+Inf"]
        for bound, count in zip(bounds, accumulate(values[:-1]), strict=True):
            yield BOUND, bound, count


class _Histogram:
    """The observations of a histogram's counters. In one collection all come from one snapshot, so that they
    agree: the first counter that asks takes it, and a counter that asks again takes a new one."""

    def __init__(self, name: str, source: Any) -> None:
        self._source = _Source(name, source, _counts_and_sum)
        self._look: _Look = []
        self._had_by: set[str] = {BUCKET, COUNT, SUM}

    def _latest(self, part: str) -> _Look:
        if part in self._had_by:
            self._look = self._source.totals()
            self._had_by = set()
        self._had_by.add(part)
        return self._look

    def buckets(self) -> list[Observation]:
        return [
            Observation(_number(count), {**attributes, name: bucket})
            for attributes, cell, values in self._latest(BUCKET)
            for name, bucket, count in _buckets_of(cell, values)
        ]

    def counts(self) -> list[Observation]:
        looks = self._latest(COUNT)
        return [Observation(_number(_count_of(values)), attributes) for attributes, _, values in looks]

    def sums(self) -> list[Observation]:
        looks = self._latest(SUM)
        # With negative values the sum may go down. A counter cannot, and the data model forbids it.
        return [
            Observation(values[SUM] if isinstance(values, dict) else values[-1], attributes)
            for attributes, cell, values in looks
            if _may_sum(cell)
        ]


class _Instrument(NamedTuple):
    kind: str
    name: str
    unit: str
    observe: Callable[[], Iterable[Observation]]


def _counter(name: str, unit: str, cell: object) -> _Instrument:
    check_counted(name, cell)
    return _instrument("counter", name, unit, _Source(name, cell, _reading).totals)


def _histogram_parts(name: str, unit: str, cell: object) -> list[_Instrument]:
    check_observed(name, cell)
    for reserved in (BOUND, EXPONENTIAL_BUCKET):
        if reserved in label_names_of(cell):
            raise RefusedMetric(f"{name!r}: invalid label name: {reserved!r}")
    parts = _Histogram(name, cell)
    return [
        _Instrument("counter", name + BUCKET, "{observation}", parts.buckets),
        _Instrument("counter", name + COUNT, "{observation}", parts.counts),
        _Instrument("counter", name + SUM, unit, parts.sums),
    ]


def _gauge(name: str, unit: str, cell: object) -> _Instrument:
    check_gauge(name, cell)
    return _instrument("gauge", name, unit, _Source(name, cell, _reading).values)


def _instrument(kind: str, name: str, unit: str, look: Callable[[], _Look]) -> _Instrument:
    def observe() -> list[Observation]:
        return [Observation(_number(value), attributes) for attributes, _, (value,) in look()]

    return _Instrument(kind, name, unit, observe)


class _Callbacks(list[Any]):
    """The callbacks of an instrument to be made. Making it iterates over them. The SDK does not if it already
    has one of this name, kind, unit and description: it returns that one, and would never call these."""

    taken = False

    def __iter__(self) -> Iterator[Any]:
        self.taken = True
        return super().__iter__()


def _is_real(instrument: object) -> bool:
    """Return whether it is the SDK's: neither one that does nothing nor one that waits for a provider."""
    sdk: Any = sys.modules.get("opentelemetry.sdk.metrics")
    kinds = ("ObservableCounter", "ObservableUpDownCounter", "ObservableGauge")
    return sdk is not None and isinstance(instrument, tuple(getattr(sdk, kind) for kind in kinds))


class Collector:
    """Turns cells into observable instruments of meter, by default the global meter named `atomicx`, whose
    provider may be set later.

    name, description and unit are OpenTelemetry's. A name begins with a letter, continues with letters,
    digits and `_ . - /`, and has at most 255 characters; upper and lower case are the same. A unit has at
    most 63 ASCII characters. Anything else is a TypeError that names the instrument, and so is a name that
    this collector already has, or an instrument that the SDK already has. Where only a text is wrong, it is
    a ValueError too. A call that raises has exported nothing.

    A collection reads the cells. The labels of a Family become attributes, with str values. Counting goes on
    in the meantime, and waits for nothing.
    """

    def __init__(self, meter: Meter | None = None) -> None:
        self._meter: Any = get_meter("atomicx", __version__) if meter is None else meter
        self._sources: dict[str, object] = {}
        self._places: dict[str, _Place] = {}

    def counter(self, name: str, description: str, cell: Counted, /, *, unit: str = "") -> Counted:
        """Export a cell that only counts up, or a Family of such cells, as an observable counter. Returns it.

        Any cell with load() will do: Counter, AtomicInt, AtomicFloat and the shared ones; anything else is a
        TypeError. It must not be drained. A child that was removed is not reported; one made anew for the
        same labels continues from its total.
        """
        self._export(cell, description, _counter(name, unit, cell))
        return cell

    def up_down_counter(self, name: str, description: str, cell: Counted, /, *, unit: str = "") -> Counted:
        """Export a cell that goes up and down, or a Family, as an observable up-down counter. Returns it.

        It is for values that can be summed over processes and attributes, such as requests in flight. Raises
        TypeError if the cell has no load().
        """
        check_counted(name, cell)
        self._export(cell, description, _gauge(name, unit, cell)._replace(kind="up_down_counter"))
        return cell

    def gauge(self, name: str, description: str, cell: Gauged, /, *, unit: str = "") -> Gauged:
        """Export a cell, a function that returns a number, or a Family, as an observable gauge. Returns it.

        Raises TypeError if it is none of these.
        """
        self._export(cell, description, _gauge(name, unit, cell))
        return cell

    def histogram(self, name: str, description: str, cell: Observed, /, *, unit: str = "") -> Observed:
        """Export a Histogram, an ExponentialHistogram, or a Family of either. Returns it. Do not drain it.

        It is exported as three observable counters from one snapshot: name.bucket has, by the attribute `le`,
        the number of observations up to each bound; name.count has the number of all observations; name.sum
        has their sum, except where a bound is below zero. An exponential histogram's name.bucket has the
        number of observations in each bucket in use, by the attribute `exponential_bucket`, and it has no
        name.sum if it is signed. An exporter with HistogramFolding sends one histogram instead.

        Raises TypeError if it is none of these, or a label is named le or exponential_bucket.
        """
        _check_name(name)
        self._export(cell, description, *_histogram_parts(name, unit, cell), folded=name)
        return cell

    def segment(self, source: NamedCells, description: str = "") -> NamedCells:
        """Export all cells that source.items() yields with their names, such as a Segment's. Returns source.

        Counters, gauges and histograms are exported as such, with their labels; an int or float is a counter
        if its name ends in _total, and otherwise a gauge. An instrument cannot be made during a collection,
        so this exports the names that are there now: call it again for those that are added later.
        """
        check_named(source)
        instruments: list[_Instrument] = []
        for name, cell in source.items():
            _check_name(name)
            kind = kind_of(name, cell)
            if kind == "histogram":
                if self._sources.get(f"{name}{COUNT}".lower()) is not source:
                    instruments += _histogram_parts(name, "", cell)
            elif self._sources.get(name.lower()) is not source:
                instruments.append((_counter if kind == "counter" else _gauge)(name, "", cell))
        self._export(source, description, *instruments)
        return source

    def _export(
        self, source: object, description: str, *instruments: _Instrument, folded: str | None = None
    ) -> None:
        first = instruments[0].name if instruments else ""
        check_description(first, "description", description)
        if not all(label_names_of(source)):
            raise RefusedMetric(f"{first!r}: invalid label name: ''")
        new: dict[str, object] = {} if folded is None else {folded.lower(): source}
        for _, name, unit, _ in instruments:
            _check_name(name)
            if not isinstance(unit, str) or not _UNIT.fullmatch(unit):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise RefusedMetric(f"{name!r}: invalid unit: {unit!r}")
            if name.lower() in new:
                raise RefusedMetric(f"two cells would be exported as {name!r}")
            new[name.lower()] = source
        if taken := new.keys() & self._sources.keys():
            raise RefusedMetric(f"{min(taken)!r} is already exported")
        # An instrument cannot be removed; one with nothing to observe reports nothing.
        places = [self._place(instrument, description) for instrument in instruments]
        for place, instrument in zip(places, instruments, strict=True):
            place.store(instrument)
        self._sources.update(new)
        self._places.update(
            {each.name.lower(): place for place, each in zip(places, instruments, strict=True)}
        )

    def unregister(self, cell: object) -> None:
        """Stop exporting a cell, family or segment, under all its names. KeyError if it is not exported.

        An instrument cannot be removed, so it stays, and reports nothing. The name becomes free for this
        collector; another export with the same kind, unit and description reuses the instrument.
        """
        names = [name for name, source in self._sources.items() if source is cell]
        if not names:
            raise KeyError(f"this collector does not export {cell!r}")
        for name in names:
            self._take_out(name)

    def close(self) -> None:
        """Stop exporting. All names become free, including for another collector of the same meter."""
        for name in list(self._sources):
            self._take_out(name)

    def _take_out(self, name: str) -> None:
        del self._sources[name]
        if name in self._places:  # the name of a folded histogram has no place
            self._places.pop(name).store(None)

    def _place(self, instrument: _Instrument, description: str) -> _Place:
        """Return the place of an SDK instrument with nothing to observe: unregistered, or new."""
        made_before = _places_of(self._meter)
        key = instrument.name.lower(), instrument.kind, instrument.unit, description
        place = made_before.get(key)
        if place is not None and place.load() is None:
            return place
        place = _Place(None)
        self._make(instrument, description, place)
        made_before[key] = place
        return place

    def _make(self, instrument: _Instrument, description: str, place: _Place) -> None:
        def callback(options: CallbackOptions) -> Iterable[Observation]:
            observed = place.load()
            return () if observed is None else observed.observe()

        callbacks = _Callbacks([callback])
        make = getattr(self._meter, f"create_observable_{instrument.kind}")
        made = make(instrument.name, callbacks, instrument.unit, description)
        if _is_real(made) and not callbacks.taken:
            raise RefusedMetric(f"this meter already has an instrument {instrument.name!r}")


# What an existing instrument reports, if anything.
_Place = AtomicRef[_Instrument | None]
_Places = dict[tuple[str, str, str, str], _Place]
# By meter, since that keeps the instrument.
_made: WeakKeyDictionary[Any, _Places] = WeakKeyDictionary()


def _places_of(meter: Any) -> _Places:
    try:
        return _made.setdefault(meter, {})
    except TypeError:  # a foreign meter that has no hash, or cannot be referred to weakly
        return {}
