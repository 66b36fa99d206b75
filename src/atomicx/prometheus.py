"""Cells as Prometheus metrics, by the real prometheus_client; it comes with the extra `prometheus`.

    metrics = Collector()
    requests = metrics.counter("http_requests", "Requests served.", Family(Counter, "method", "status"))
    in_flight = metrics.gauge("http_in_flight", "Requests being served.", AtomicInt())
    latency = metrics.histogram("http_latency", "Time to serve.", Histogram([0.01, 0.1, 1]), unit="seconds")

Each method returns the cell that it was given: count with that, at full speed. A scrape reads it, and never
drains it.

An application that counts with prometheus_client itself calls install() before it makes its metrics: they
keep their interface, and their values become atomic.
"""

# What prometheus_client leaves without types is not for us to say.
# pyright: standard

from __future__ import annotations

import re
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from . import AtomicRef
from ._exported import (
    Counted,
    Gauged,
    Labels,
    Named,
    NamedCells,
    Observed,
    cells_of,
    check_counted,
    check_description,
    check_gauge,
    check_named,
    check_observed,
    kind_of,
    label_names_of,
    reading_of,
)

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.samples import Sample
    from prometheus_client.utils import floatToGoString

    from ._prometheus_values import AtomicMultiProcessValue, AtomicValue, install
except ImportError as _error:
    raise ImportError(
        f"atomicx.prometheus needs prometheus_client, the extra `prometheus`: {_error}", name=_error.name
    ) from _error

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["AtomicMultiProcessValue", "AtomicValue", "Collector", "install"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
# What the exposition formats add to a name, or keep for themselves.
_RESERVED_SUFFIXES = ("_total", "_created", "_bucket", "_count", "_sum", "_info")

# By how much a child that was made anew is later, if the clock does not tell.
_LATER_SECONDS = 0.001


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a metric: {_NAME.pattern}")


def _full_name(name: str, unit: str) -> str:
    """With the unit at the end; ValueError if that is a name of the format's own."""
    if not isinstance(unit, str):
        raise TypeError(f"{name!r}: a unit is a str, not {type(unit).__name__!r}")
    if unit and not _NAME.fullmatch(unit):
        raise ValueError(f"{name!r}: {unit!r} is no unit")
    full = name if not unit or name.endswith(f"_{unit}") else f"{name}_{unit}"
    for suffix in _RESERVED_SUFFIXES:
        if full.endswith(suffix):
            raise ValueError(f"{full!r} ends in {suffix}, which the format itself adds to names")
    return full


def _check_labels(name: str, label_names: Labels, reserved: tuple[str, ...]) -> None:
    for label in label_names:
        if not _LABEL_NAME.fullmatch(label) or label in reserved:
            raise ValueError(f"{name!r}, a metric with the label {label!r}, which is no name of a label here")


class _State(NamedTuple):
    """What the last scrape saw. Never changes: what the next one sees is another."""

    looked: float
    # Each child, and when it began to count.
    known: dict[Labels, tuple[object, float]]


class _Created:
    """When each child began to count: the last time it was looked for and was not there."""

    def __init__(self) -> None:
        self._state = AtomicRef(_State(time.time(), {}))

    def look(self, children: Callable[[], Iterable[tuple[Labels, Any]]]) -> list[tuple[Labels, Any, float]]:
        """Each child with its time. One that was removed and made anew is another, and later than the first.
        Scrapes that overlap get the same times. None goes back, even if the clock does. Lock-free."""
        found: list[tuple[Labels, Any, float]] = []

        def see(before: _State) -> _State:
            found.clear()
            known: dict[Labels, tuple[object, float]] = {}
            # In here: a scrape that has to do it again must not come with older children.
            for labels, child in children():
                same, created = before.known.get(labels, (None, None))
                if same is not child or created is None:
                    created = (
                        before.looked if created is None else max(before.looked, created + _LATER_SECONDS)
                    )
                known[labels] = child, created
                found.append((labels, child, created))
            return _State(max(before.looked, now), known)

        now = time.time()
        self._state.update(see)
        return found


class _Exported(ABC):
    """One metric: a collector of prometheus_client's, whose registry asks for its name and its samples."""

    reserved_labels: tuple[str, ...] = ()

    def __init__(
        self, name: str, documentation: str, source: Any, unit: str = "", *, with_created: bool = True
    ) -> None:
        self.name = name
        self.source = source
        self.label_names: Labels = label_names_of(source)
        _check_labels(name, self.label_names, self.reserved_labels)
        self._arguments = name, documentation
        self._unit = unit
        self._created = _Created() if with_created else None
        self._warned = False

    @abstractmethod
    def _family(self) -> Metric:
        """The metric without samples."""

    @abstractmethod
    def _add(self, metric: Any, labels: Labels, cell: Any, created: float | None) -> None:
        """Add the samples of a cell."""

    def describe(self) -> Iterable[Metric]:
        """The metric without samples: its name is what the registry asks for."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """The metric with the samples of now. What cannot be read is left out, so that it costs no other
        metric the scrape."""
        metric: Any = self._family()
        try:
            for labels, cell, created in self._children():
                self._add_or_leave_out(metric, labels, cell, created)
        except Exception as error:
            self._leave_out((), error)
        return [metric]

    def _add_or_leave_out(self, metric: Any, labels: Labels, cell: Any, created: float | None) -> None:
        try:
            if len(labels) != len(self.label_names):
                raise ValueError(f"expected values of {self.label_names}")
            "".join(labels).encode()
            self._add(metric, labels, cell, created)
        except Exception as error:
            self._leave_out(labels, error)

    def _children(self) -> Iterable[tuple[Labels, Any, float | None]]:
        if self._created is not None:
            return self._created.look(lambda: cells_of(self.source))
        return [(labels, cell, None) for labels, cell in cells_of(self.source)]

    def _leave_out(self, labels: Labels, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            which = f"{self.name!r}" + (f" {labels}" if labels else "")
            reason = f"{type(error).__name__}: {error}"
            warnings.warn(f"{which} is left out of a scrape: {reason}", RuntimeWarning, stacklevel=3)


class _Counter(_Exported):
    def _family(self) -> Metric:
        return CounterMetricFamily(*self._arguments, labels=self.label_names, unit=self._unit)

    def _add(self, metric: Any, labels: Labels, cell: Any, created: float | None) -> None:
        total = float(cell.load())
        if not total >= 0:
            raise ValueError(f"expected a total of at least 0, got {total}")
        metric.add_metric(labels, total, created=created)


class _Gauge(_Exported):
    def _family(self) -> Metric:
        return GaugeMetricFamily(*self._arguments, labels=self.label_names, unit=self._unit)

    def _add(self, metric: Any, labels: Labels, cell: Any, created: float | None) -> None:
        metric.add_metric(labels, float(reading_of(cell)))


class _Histogram(_Exported):
    reserved_labels = ("le",)

    def _family(self) -> Metric:
        return HistogramMetricFamily(*self._arguments, labels=self.label_names, unit=self._unit)

    def _add(self, metric: Any, labels: Labels, cell: Any, created: float | None) -> None:
        snapshot = cell.snapshot()
        bounds = [*map(floatToGoString, cell.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(snapshot.counts), strict=True))
        # With a bound below zero the format wants no sum, and no count; nor does it take a sum below zero.
        has_sum = cell.bounds[0] >= 0 and snapshot.sum >= 0
        metric.add_metric(labels, buckets, snapshot.sum if has_sum else None)
        if cell.bounds[0] >= 0 and created is not None:
            text = dict(zip(self.label_names, labels, strict=True))
            metric.samples.append(Sample(f"{metric.name}_created", text, created))


_KINDS: dict[str, type[_Exported]] = {"counter": _Counter, "gauge": _Gauge, "histogram": _Histogram}


class _Segment:
    """Named cells: a metric for each name that can be one.

    What another process enters later must not cost the other metrics their scrape. So each new name is
    registered when a scrape first sees it: the registry says whether it is free, and knows it from then on.
    """

    def __init__(self, source: Named, documentation: str, registry: CollectorRegistry) -> None:
        self.source = source
        self._documentation = documentation
        self._registry = registry
        self._own = CollectorRegistry()  # tells which names are taken by other names in here
        self._entries: dict[str, _Exported] = {}
        self._warned: set[str] = set()
        self._closed = False
        # First, so that a scrape comes here before it comes to the metrics.
        registry.register(cast("Any", self))
        try:
            for name, cell in source.items():
                self._enter(name, cell)
        except BaseException:
            self.unregister()
            raise

    def describe(self) -> Iterable[Metric]:
        """Nothing: the metrics are registered one by one."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The metrics that were not there before. The others are up to date from here on."""
        new: list[_Exported] = []
        found: set[str] = set()
        try:
            for name, cell in self.source.items():
                found.add(name)
                entry = self._entries.get(name)
                if entry is None:
                    try:
                        new += self._enter(name, cell)
                    except ValueError as error:
                        self._leave_out(str(error))
                elif entry.source is not cell:
                    entry.source = cell  # as some mapping may have it; a segment's cells stay
        except Exception as error:
            self._leave_out(f"{type(self.source).__name__!r}, {type(error).__name__}: {error}")
        else:
            for name, entry in list(self._entries.items()):
                if name not in found:
                    self._remove(name, entry)
        return [metric for entry in new for metric in entry.collect()]

    def all(self) -> list[_Exported]:
        """The metrics that are registered."""
        return list(self._entries.values())

    def unregister(self) -> None:
        """Take everything out of the registry."""
        self._closed = True
        for name, entry in list(self._entries.items()):
            self._remove(name, entry)
        _unregister(self._registry, self)

    def _enter(self, name: str, cell: Any) -> list[_Exported]:
        """Register what is there under a new name, and return it. ValueError if that cannot be."""
        try:
            kind = kind_of(name, cell)
            metric = name.removesuffix("_total") if kind == "counter" else name
            if not _NAME.fullmatch(metric):
                raise ValueError(f"{name!r}, no name of a metric")
            entry = _KINDS[kind](metric, self._documentation, cell, with_created=False)
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(str(error) if repr(name) in str(error) else f"{name!r}, {error}") from None
        if self._entries.setdefault(name, entry) is not entry:
            return []  # an overlapping scrape was first
        taken = f"{name!r}, a second metric of one name"
        try:
            self._own.register(cast("Any", entry))
        except ValueError:
            self._remove(name, entry)  # the next scrape asks again
            self._leave_out(taken)
            return []
        try:
            self._registry.register(cast("Any", entry))
        except ValueError:
            self._remove(name, entry)
            raise ValueError(taken) from None
        if self._closed:
            self._remove(name, entry)
        return [entry]

    def _remove(self, name: str, entry: _Exported) -> None:
        self._entries.pop(name, None)
        _unregister(self._own, entry)
        _unregister(self._registry, entry)

    def _leave_out(self, reason: str) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            warnings.warn(f"{reason}, is left out", RuntimeWarning, stacklevel=3)


def _unregister(registry: CollectorRegistry, collector: Any) -> None:
    with suppress(KeyError):  # somebody else did
        registry.unregister(collector)


class Collector:
    """Makes metrics of cells, and registers each with registry: with prometheus_client's own, if none is
    given.

    With registry=None they are registered nowhere; the collector itself can be registered then, once they are
    all there.

    name and unit are as in prometheus_client: the unit becomes the end of the name, a counter's gets _total.
    The names of metrics and labels are letters, digits and underscores (colons too, in a metric's), else
    ValueError; so is a name that is registered already, or one that the format makes itself. What is not a
    cell, or cannot be read, is a TypeError that names the metric; so is a documentation that is not a str.

    A scrape leaves out what cannot be read at that moment, or what the format does not allow, with one
    RuntimeWarning per metric.
    """

    def __init__(self, registry: CollectorRegistry | None = REGISTRY) -> None:
        # One of its own, if there is none, tells which names are taken.
        self._registry = CollectorRegistry() if registry is None else registry
        self._exported: list[_Exported | _Segment] = []

    def counter(self, name: str, documentation: str, cell: Counted, /, *, unit: str = "") -> Counted:
        """Export a cell that only counts up, or a Family of such. Returns it.

        Any cell with load() will do: Counter, AtomicInt, AtomicFloat and the shared ones. It must not be
        drained. The format's _created is the time of registration or, of a family's child, of the last scrape
        before it was there. name may be given with or without _total.
        """
        _check_name(name)
        check_counted(name, cell)
        self._export(_Counter, name.removesuffix("_total"), documentation, cell, unit)
        return cell

    def gauge(self, name: str, documentation: str, cell: Gauged, /, *, unit: str = "") -> Gauged:
        """Export a cell that goes up and down, a function that returns a number, or a Family. Returns it.

        The function is called by each scrape, without arguments.
        """
        _check_name(name)
        check_gauge(name, cell)
        self._export(_Gauge, name, documentation, cell, unit)
        return cell

    def histogram(self, name: str, documentation: str, cell: Observed, /, *, unit: str = "") -> Observed:
        """Export a Histogram, or a Family of such. Returns it. It must not be drained.

        No label may be called le. Buckets are cumulative in the format, so they are added up here.
        """
        _check_name(name)
        check_observed(name, cell)
        self._export(_Histogram, name, documentation, cell, unit)
        return cell

    def segment(self, source: NamedCells, documentation: str = "") -> NamedCells:
        """Export all cells that source.items() yields with their names, as an atomicx.shared.Segment. Returns
        it.

        Counters, gauges and histograms are exported as such, with their labels; an int or float is a counter
        if its name ends in _total, and else a gauge. What is there now must have the names of metrics, else
        ValueError. What is entered later is registered by the first scrape that sees it; without such a name,
        or with one that is taken, it is left out, with a warning.
        """
        check_named(source)
        check_description(type(source).__name__, "documentation", documentation)
        self._exported.append(_Segment(source, documentation, self._registry))
        return source

    def unregister(self, cell: object) -> None:
        """Export a cell, family or segment no more, under whatever names. KeyError if it is not exported."""
        mine = [exported for exported in self._exported if exported.source is cell]
        if not mine:
            raise KeyError(f"this collector does not export {cell!r}")
        for exported in mine:
            self._take_out(exported)

    def close(self) -> None:
        """Export nothing any more. The names are free, also for another collector."""
        for exported in list(self._exported):
            self._take_out(exported)

    def _export(self, kind: type[_Exported], name: str, documentation: str, cell: Any, unit: str) -> None:
        check_description(name, "documentation", documentation)
        full_name = _full_name(name, unit)
        _check_name(name)  # a counter's, without _total
        exported = kind(full_name, documentation, cell, unit)
        self._registry.register(cast("Any", exported))
        self._exported.append(exported)

    def _take_out(self, exported: _Exported | _Segment) -> None:
        self._exported.remove(exported)
        if isinstance(exported, _Segment):
            exported.unregister()
        else:
            _unregister(self._registry, exported)

    def _metrics(self) -> list[_Exported]:
        exported = list(self._exported)
        return [
            metric for each in exported for metric in (each.all() if isinstance(each, _Segment) else [each])
        ]

    def describe(self) -> Iterable[Metric]:
        """All metrics without samples."""
        return [family for metric in self._metrics() for family in metric.describe()]

    def collect(self) -> Iterable[Metric]:
        """All metrics, with the samples of now."""
        for exported in list(self._exported):
            if isinstance(exported, _Segment):
                exported.collect()  # looks for new names; what it finds is registered now
        return [family for metric in self._metrics() for family in metric.collect()]
