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
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ._exported import (
    Counted,
    Gauged,
    Labels,
    Named,
    NamedCells,
    Observed,
    cells_of,
    check_gauge,
    kind_of,
    label_names_of,
    reading_of,
)

try:
    from prometheus_client import REGISTRY
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
    from prometheus_client.registry import CollectorRegistry

__all__ = ["AtomicMultiProcessValue", "AtomicValue", "Collector", "install"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
# What the exposition formats add to a name, or keep for themselves.
_RESERVED_SUFFIXES = ("_total", "_created", "_bucket", "_count", "_sum", "_info")


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a metric: {_NAME.pattern}")


class _Created:
    """When each child began to count: not before the last time it was looked for and was not there."""

    def __init__(self) -> None:
        self._looked = time.time()
        self._known: dict[Labels, tuple[object, float]] = {}

    def look(self, children: Iterable[tuple[Labels, Any]]) -> Iterator[tuple[Labels, Any, float]]:
        """Each child with its time. One that was removed and made anew is another."""
        before, now = self._looked, time.time()
        known: dict[Labels, tuple[object, float]] = {}
        for labels, child in children:
            same, created = self._known.get(labels, (None, before))
            if same is not child:
                created = before
            known[labels] = child, created
            yield labels, child, created
        self._known, self._looked = known, now


class _Exported(ABC):
    """One metric: a collector of prometheus_client's, whose registry asks for its name and its samples."""

    def __init__(self, name: str, documentation: str, source: Any, unit: str) -> None:
        _check_name(name)
        suffix = next((suffix for suffix in _RESERVED_SUFFIXES if name.endswith(suffix)), None)
        if suffix is not None:
            raise ValueError(f"{name!r} ends in {suffix}, which the format itself adds to names")
        if unit and not _NAME.fullmatch(unit):
            raise ValueError(f"{unit!r} is no unit")
        self._arguments = name, documentation
        self._unit = unit
        self._source = source
        self._label_names: Labels = label_names_of(source)
        for label in self._label_names:
            if not _LABEL_NAME.fullmatch(label) or label in self._reserved_labels:
                raise ValueError(f"{label!r} is no name of a label here")
        self._created = _Created()

    _reserved_labels: tuple[str, ...] = ()

    @abstractmethod
    def _family(self) -> Metric:
        """The metric without samples."""

    @abstractmethod
    def _add(self, metric: Any, labels: Labels, cell: Any, created: float) -> None:
        """Add the samples of a cell."""

    def describe(self) -> Iterable[Metric]:
        """The metric without samples: its name is what the registry asks for."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """The metric with the samples of now."""
        metric = self._family()
        for labels, cell, created in self._created.look(cells_of(self._source)):
            self._add(metric, labels, cell, created)
        return [metric]


class _Counter(_Exported):
    def _family(self) -> Metric:
        return CounterMetricFamily(*self._arguments, labels=self._label_names, unit=self._unit)

    def _add(self, metric: Any, labels: Labels, cell: Any, created: float) -> None:
        metric.add_metric(labels, cell.load(), created=created)


class _Gauge(_Exported):
    def _family(self) -> Metric:
        return GaugeMetricFamily(*self._arguments, labels=self._label_names, unit=self._unit)

    def _add(self, metric: Any, labels: Labels, cell: Any, created: float) -> None:
        metric.add_metric(labels, float(reading_of(cell)))


def _add_buckets(metric: Any, labels: Labels, cell: Any) -> None:
    snapshot = cell.snapshot()
    bounds = [*map(floatToGoString, cell.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(snapshot.counts), strict=True))
    metric.add_metric(labels, buckets, snapshot.sum)


class _Histogram(_Exported):
    _reserved_labels = ("le",)

    def _family(self) -> Metric:
        return HistogramMetricFamily(*self._arguments, labels=self._label_names, unit=self._unit)

    def _add(self, metric: Any, labels: Labels, cell: Any, created: float) -> None:
        _add_buckets(metric, labels, cell)
        if cell.bounds[0] >= 0:  # with a bound below zero the format wants no sum, and no count
            text = dict(zip(self._label_names, labels, strict=True))
            metric.samples.append(Sample(f"{metric.name}_created", text, created))


class _Segment:
    """Named cells, exported by their kinds."""

    def __init__(self, source: Named, documentation: str) -> None:
        self._source = source
        self._documentation = documentation
        self._warned: set[str] = set()
        for name, cell in source.items():
            if reason := _not_exported(name, cell):
                raise ValueError(f"{name!r} is {reason}")

    def describe(self) -> Iterable[Metric]:
        """The metrics that are there now, without samples."""
        return [self._family(name, cell) for name, cell in self._named()]

    def collect(self) -> Iterable[Metric]:
        """The metrics that are there now."""
        metrics: list[Metric] = []
        for name, cell in self._named():
            metric = self._family(name, cell)
            for labels, child in cells_of(cell):
                if kind_of(name, cell) == "histogram":
                    _add_buckets(metric, labels, child)
                else:
                    metric.add_metric(labels, child.load())
            metrics.append(metric)
        return metrics

    def _family(self, name: str, cell: Any) -> Any:
        kinds: dict[str, Any] = {
            "counter": CounterMetricFamily,
            "gauge": GaugeMetricFamily,
            "histogram": HistogramMetricFamily,
        }
        return kinds[kind_of(name, cell)](name, self._documentation, labels=label_names_of(cell))

    def _named(self) -> Iterator[tuple[str, Any]]:
        # Another process may have entered anything: that must not cost the other metrics their scrape.
        exported: set[str] = set()
        for name, cell in self._source.items():
            reason = _not_exported(name, cell)
            metric = name.removesuffix("_total") if kind_of(name, cell) == "counter" else name
            if not reason and metric in exported:
                reason = "a second metric of one name"
            if not reason:
                exported.add(metric)
                yield name, cell
            elif name not in self._warned:
                self._warned.add(name)
                warnings.warn(f"{name!r}, {reason}, is left out", RuntimeWarning, stacklevel=2)


def _not_exported(name: str, cell: Any) -> str:
    """Why what has a name in a segment cannot be a metric, or nothing."""
    if not _NAME.fullmatch(name.removesuffix("_total") if kind_of(name, cell) == "counter" else name):
        return "no name of a metric"
    for label in label_names_of(cell):
        if not _LABEL_NAME.fullmatch(label) or (label == "le" and kind_of(name, cell) == "histogram"):
            return f"a metric with the label {label!r}, which is no name of a label here"
    return ""


class Collector:
    """Makes metrics of cells, and registers each with registry: with prometheus_client's own, if none is
    given.

    With registry=None they are registered nowhere; the collector itself can be registered then, once they are
    all there.

    name and unit are as in prometheus_client: the unit becomes the end of the name, a counter's gets _total.
    The names of metrics and labels are letters, digits and underscores (colons too, in a metric's), else
    ValueError; so is a name that is registered already.
    """

    def __init__(self, registry: CollectorRegistry | None = REGISTRY) -> None:
        self._registry = registry
        self._exported: list[_Exported | _Segment] = []

    def counter(self, name: str, documentation: str, cell: Counted, /, *, unit: str = "") -> Counted:
        """Export a cell that only counts up, or a Family of such. Returns it.

        Any cell with load() will do: Counter, AtomicInt, AtomicFloat and the shared ones. It must not be
        drained. The format's _created is the time of registration or, of a family's child, of the last scrape
        before it was there. name may be given with or without _total.
        """
        _check_name(name)
        self._export(_Counter(name.removesuffix("_total"), documentation, cell, unit))
        return cell

    def gauge(self, name: str, documentation: str, cell: Gauged, /, *, unit: str = "") -> Gauged:
        """Export a cell that goes up and down, a function that returns a number, or a Family. Returns it."""
        check_gauge(cell)
        self._export(_Gauge(name, documentation, cell, unit))
        return cell

    def histogram(self, name: str, documentation: str, cell: Observed, /, *, unit: str = "") -> Observed:
        """Export a Histogram, or a Family of such. Returns it. It must not be drained.

        No label may be called le. Buckets are cumulative in the format, so they are added up here.
        """
        self._export(_Histogram(name, documentation, cell, unit))
        return cell

    def segment(self, source: NamedCells, documentation: str = "") -> NamedCells:
        """Export all cells that source.items() yields with their names, as an atomicx.shared.Segment. Returns
        it.

        Counters, gauges and histograms are exported as such, with their labels; an int or float is a counter
        if its name ends in _total, and else a gauge. What is there now must have the names of metrics, else
        ValueError; what is entered later without one is left out, with a warning. The registry knows only the
        names that are there now.
        """
        exported = _Segment(source, documentation)
        self._export(exported)
        return source

    def _export(self, exported: _Exported | _Segment) -> None:
        if self._registry is not None:
            self._registry.register(exported)
        self._exported.append(exported)

    def describe(self) -> Iterable[Metric]:
        """All metrics without samples."""
        return [metric for exported in self._exported for metric in exported.describe()]

    def collect(self) -> Iterable[Metric]:
        """All metrics, with the samples of now."""
        return [metric for exported in self._exported for metric in exported.collect()]
