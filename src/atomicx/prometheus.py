"""Exports cells as Prometheus metrics with prometheus_client, which the extra `prometheus` installs.

    metrics = Collector()
    requests = metrics.counter("http_requests", "Requests served.", Family(Counter, "method", "status"))
    in_flight = metrics.gauge("http_in_flight", "Requests being served.", AtomicInt())
    latency = metrics.histogram("http_latency", "Time to serve.", Histogram([0.01, 0.1, 1]), unit="seconds")

Each method returns the cell that it was given: count with that, at full speed. A scrape reads the cell, and
never drains it.

An application that counts with prometheus_client itself calls install() before it makes its metrics. They
keep their interface, and their values become atomic. With install(segment=segment) all processes of a server
count in one Segment, and a SegmentCollector exports it.
"""

# prometheus_client is only partly typed.
# pyright: standard

from __future__ import annotations

import math
import re
import time
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
from ._prometheus_buckets import classic_buckets, native_histogram

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.samples import Sample
    from prometheus_client.utils import floatToGoString

    from ._prometheus_install import install
    from ._prometheus_segment import AtomicSegmentValue, SegmentCollector
    from ._prometheus_values import AtomicMultiProcessValue, AtomicValue
except ImportError as _error:
    raise ImportError(
        f"atomicx.prometheus needs prometheus_client, the extra `prometheus`: {_error}", name=_error.name
    ) from _error

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = [
    "AtomicMultiProcessValue",
    "AtomicSegmentValue",
    "AtomicValue",
    "Collector",
    "SegmentCollector",
    "install",
]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
# Suffixes that the exposition formats add to names, or reserve.
_RESERVED_SUFFIXES = ("_total", "_created", "_bucket", "_count", "_sum", "_info")

# How much later a child that was made anew is dated, if the clock shows no difference.
_LATER_SECONDS = 0.001


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RefusedMetric(f"invalid metric name: {name!r}, expected {_NAME.pattern}")


def _full_name(name: str, unit: str) -> str:
    """Return name with the unit at the end. Raises RefusedMetric if the format reserves that name."""
    if not isinstance(unit, str):
        raise TypeError(f"{name!r}: unit must be a str, not {type(unit).__name__!r}")
    if unit and not _NAME.fullmatch(unit):
        raise RefusedMetric(f"{name!r}: invalid unit: {unit!r}")
    full = name if not unit or name.endswith(f"_{unit}") else f"{name}_{unit}"
    for suffix in _RESERVED_SUFFIXES:
        if full.endswith(suffix):
            raise RefusedMetric(
                f"invalid metric name: {full!r} ends in {suffix!r}, which the format itself adds"
            )
    return full


def _check_labels(name: str, label_names: Labels, reserved: tuple[str, ...]) -> None:
    for label in label_names:
        if not _LABEL_NAME.fullmatch(label) or label in reserved:
            raise RefusedMetric(f"{name!r}: invalid label name: {label!r}")


class _State(NamedTuple):
    """What the last scrape saw. Never changes: the next scrape makes a new one."""

    looked: float
    # Each child, and when it started counting.
    known: dict[Labels, tuple[object, float]]


class _Created:
    """When each child started counting: the last time that a scrape looked for it and found none."""

    def __init__(self) -> None:
        self._state = AtomicRef(_State(time.time(), {}))

    def look(self, children: Callable[[], Iterable[tuple[Labels, Any]]]) -> list[tuple[Labels, Any, float]]:
        """Return each child with its time. A child that was removed and made anew is a new one, with a later
        time. Overlapping scrapes get the same times. No time goes back, even if the clock does. Lock-free."""
        found: list[tuple[Labels, Any, float]] = []

        def see(before: _State) -> _State:
            found.clear()
            known: dict[Labels, tuple[object, float]] = {}
            # Read inside the loop: a scrape that has to repeat it must not use older children.
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
    """One metric: a collector for prometheus_client, whose registry asks for its name and its samples."""

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
        """Return the metric without samples."""

    @abstractmethod
    def _add(self, metric: Any, labels: Labels, cell: Any, created: float | None) -> None:
        """Add the samples of a cell."""

    def describe(self) -> Iterable[Metric]:
        """Return the metric without samples: the registry asks for its name."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """Return the metric with its current samples. A sample that cannot be read is left out, so that it
        does not make the scrape of other metrics fail."""
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
                raise ValueError(f"expected values of the labels {self.label_names}")
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
            warn_while_serving(f"{which}: {reason} (left out of the scrape)", stacklevel=3)


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
    native = False

    def _family(self) -> Metric:
        return HistogramMetricFamily(*self._arguments, labels=self.label_names, unit=self._unit)

    def _add(self, metric: Any, labels: Labels, cell: Any, created: float | None) -> None:
        snapshot = cell.snapshot()
        if is_exponential(cell):
            cumulative = classic_buckets(cell, snapshot)
        else:
            cumulative = list(zip((*cell.bounds, math.inf), accumulate(snapshot.counts), strict=True))
        # With a bound below zero the format forbids sum and count. It also rejects a sum below zero.
        is_positive = cumulative[0][0] >= 0
        bounds, counts = zip(*cumulative, strict=True)
        buckets = list(zip(map(floatToGoString, bounds), counts, strict=True))
        metric.add_metric(labels, buckets, snapshot.sum if is_positive and snapshot.sum >= 0 else None)
        text = dict(zip(self.label_names, labels, strict=True))
        if self.native and is_exponential(cell) and (whole := native_histogram(snapshot)) is not None:
            metric.samples.append(Sample(metric.name, text, snapshot.count, native_histogram=whole))
        if is_positive and created is not None:
            metric.samples.append(Sample(f"{metric.name}_created", text, created))


_KINDS: dict[str, type[_Exported]] = {"counter": _Counter, "gauge": _Gauge, "histogram": _Histogram}


class _Segment:
    """Named cells: one metric for each name that is a valid metric name.

    A name that another process adds later must not make the scrape of other metrics fail. So each new name is
    registered when a scrape first sees it: the registry says whether it is free, and knows it from then on.
    """

    def __init__(self, source: Named, documentation: str, registry: CollectorRegistry, native: bool) -> None:
        self.source = source
        self._native = native
        self._documentation = documentation
        self._registry = registry
        self._own = CollectorRegistry()  # tells which names the other cells in this source take
        self._entries: dict[str, _Exported] = {}
        self._warned: set[str] = set()
        self._closed = False
        # Registered first, so that a scrape comes here before it comes to the metrics.
        registry.register(cast("Any", self))
        try:
            for name, cell in source.items():
                self._enter(name, cell)
        except BaseException:
            self.unregister()
            raise

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the metrics are registered one by one."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Register new metrics, remove old ones. Returns the new ones, which this scrape would miss."""
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
                    entry.source = cell  # a mapping may replace a cell; a segment's cells stay
        except Exception as error:
            self._leave_out(f"{type(self.source).__name__!r}: {type(error).__name__}: {error}")
        else:
            for name, entry in list(self._entries.items()):
                if name not in found:
                    self._remove(name, entry)
        return [metric for entry in new for metric in entry.collect()]

    def all(self) -> list[_Exported]:
        """Return the registered metrics."""
        return list(self._entries.values())

    def unregister(self) -> None:
        """Remove everything from the registry."""
        self._closed = True
        for name, entry in list(self._entries.items()):
            self._remove(name, entry)
        _unregister(self._registry, self)

    def _enter(self, name: str, cell: Any) -> list[_Exported]:
        """Register the cell under a new name. Returns its metric. Raises ValueError if that is impossible."""
        try:
            kind = kind_of(name, cell)
            metric = name.removesuffix("_total") if kind == "counter" else name
            if not _NAME.fullmatch(metric):
                raise RefusedMetric(f"{name!r}: invalid metric name")
            entry = _KINDS[kind](metric, self._documentation, cell, with_created=False)
            if isinstance(entry, _Histogram):
                entry.native = self._native
        except (TypeError, ValueError, AttributeError) as error:
            raise RefusedMetric(str(error) if repr(name) in str(error) else f"{name!r}: {error}") from None
        if self._entries.setdefault(name, entry) is not entry:
            return []  # an overlapping scrape was first
        taken = f"{name!r}: another metric has this name"
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
            raise RefusedMetric(taken) from None
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
            warn_while_serving(f"{reason} (left out)", stacklevel=3)


def _unregister(registry: CollectorRegistry, collector: Any) -> None:
    with suppress(KeyError):  # something else did
        registry.unregister(collector)


class Collector:
    """Turns cells into metrics, and registers each with registry, by default prometheus_client's own.

    With registry=None they are not registered anywhere; then the collector itself can be registered, once all
    of them are there.

    name and unit work as in prometheus_client: the unit is appended to the name, and a counter's name gets
    _total. The names of metrics and labels are letters, digits and underscores (and colons, for metrics),
    else TypeError. So are a name that is registered already or that the format itself generates, an object
    that is not a cell or cannot be read, and a documentation that is not a str. The error names the metric;
    where only a text is wrong, it is a ValueError too, as prometheus_client's is.

    A scrape leaves out whatever cannot be read at that moment, or the format does not allow, with one
    RuntimeWarning per metric.

    With native_histograms=True, an ExponentialHistogram whose scale is at least -4 is exported as a native
    histogram too. prometheus_client writes those in OpenMetrics 2.0 only; its text format then has one more
    sample, with the histogram's own name and the count. Raises ValueError if the installed release has no
    native histograms.
    """

    def __init__(
        self, registry: CollectorRegistry | None = REGISTRY, *, native_histograms: bool = False
    ) -> None:
        if native_histograms and "native_histogram" not in Sample._fields:
            raise ValueError("this release of prometheus_client has no native histograms")
        self._native = native_histograms
        # Without a registry, one of its own tells which names are taken.
        self._registry = CollectorRegistry() if registry is None else registry
        self._exported: list[_Exported | _Segment] = []

    def counter(self, name: str, documentation: str, cell: Counted, /, *, unit: str = "") -> Counted:
        """Export a cell that only counts up, or a Family of such cells. Returns it.

        Any cell with load() will do: Counter, AtomicInt, AtomicFloat and the shared ones. It must not be
        drained. The format's _created is the time of registration or, for a family's child, of the last
        scrape before it was there. name may be given with or without _total.
        """
        _check_name(name)
        check_counted(name, cell)
        self._export(_Counter, name.removesuffix("_total"), documentation, cell, unit)
        return cell

    def gauge(self, name: str, documentation: str, cell: Gauged, /, *, unit: str = "") -> Gauged:
        """Export a cell that goes up and down, a function that returns a number, or a Family. Returns it.

        Each scrape calls the function, without arguments.
        """
        _check_name(name)
        check_gauge(name, cell)
        self._export(_Gauge, name, documentation, cell, unit)
        return cell

    def histogram(self, name: str, documentation: str, cell: Observed, /, *, unit: str = "") -> Observed:
        """Export a Histogram, an ExponentialHistogram, or a Family of either. Returns it. Do not drain it.

        No label may be named le. Buckets are cumulative in the format, so they are added up here. Those of an
        ExponentialHistogram are merged until at most 100 bounds are left, which never change.
        """
        _check_name(name)
        check_observed(name, cell)
        self._export(_Histogram, name, documentation, cell, unit)
        return cell

    def segment(self, source: NamedCells, documentation: str = "") -> NamedCells:
        """Export all cells that source.items() yields with their names, such as a Segment's. Returns source.

        Counters, gauges and histograms are exported as such, with their labels; an int or float is a counter
        if its name ends in _total, and otherwise a gauge. The names that are there now must be valid metric
        names, else TypeError. A cell that is added later is registered by the first scrape that sees it; if
        its name is invalid or taken, it is left out, with a warning.
        """
        check_named(source)
        check_description(type(source).__name__, "documentation", documentation)
        self._exported.append(_Segment(source, documentation, self._registry, self._native))
        return source

    def unregister(self, cell: object) -> None:
        """Stop exporting a cell, family or segment, under all its names. KeyError if it is not exported."""
        mine = [exported for exported in self._exported if exported.source is cell]
        if not mine:
            raise KeyError(f"this collector does not export {cell!r}")
        for exported in mine:
            self._take_out(exported)

    def close(self) -> None:
        """Stop exporting. All names become free, including for another collector."""
        for exported in list(self._exported):
            self._take_out(exported)

    def _export(self, kind: type[_Exported], name: str, documentation: str, cell: Any, unit: str) -> None:
        check_description(name, "documentation", documentation)
        full_name = _full_name(name, unit)
        _check_name(name)  # for a counter, without _total
        exported = kind(full_name, documentation, cell, unit)
        if isinstance(exported, _Histogram):
            exported.native = self._native
        try:
            self._registry.register(cast("Any", exported))
        except ValueError as error:
            raise RefusedMetric(f"{full_name!r}: {error}") from None
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
        """Return all metrics without samples."""
        return [family for metric in self._metrics() for family in metric.describe()]

    def collect(self) -> Iterable[Metric]:
        """Return all metrics, with their current samples."""
        for exported in list(self._exported):
            if isinstance(exported, _Segment):
                exported.collect()  # looks for new names; what it finds is registered now
        return [family for metric in self._metrics() for family in metric.collect()]
