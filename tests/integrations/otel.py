"""Shared by the tests of atomicx.opentelemetry: the real SDK, and what its readers collect."""

from typing import Any

from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import (
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View

from atomicx.opentelemetry import Collector, fold_histograms

CUMULATIVE, DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
OBSERVABLE = (ObservableCounter, ObservableUpDownCounter, ObservableGauge)
DELTAS = dict.fromkeys((*OBSERVABLE, Histogram), DELTA)
Points = dict[tuple[str, frozenset[tuple[str, Any]]], Any]


class Sdk:
    """A provider with a reader for each temporality."""

    def __init__(self, *views: View) -> None:
        self.cumulative = InMemoryMetricReader()
        self.delta = InMemoryMetricReader(preferred_temporality=DELTAS)
        self.provider = MeterProvider([self.cumulative, self.delta], views=views, shutdown_on_exit=False)
        self.meter = self.provider.get_meter("tests")
        self.metrics = Collector(self.meter)


def metrics_in(data: Any) -> list[Any]:
    if data is None:  # nothing was observed
        return []
    return [
        metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]


def points_in(metrics: list[Any]) -> Points:
    return {
        (metric.name, frozenset(point.attributes.items())): (
            (point.bucket_counts, point.sum) if hasattr(point, "bucket_counts") else point.value
        )
        for metric in metrics
        for point in metric.data.data_points
    }


def collected(reader: Any) -> Points:
    return points_in(metrics_in(reader.get_metrics_data()))


def folded(reader: Any) -> list[Any]:
    return metrics_in(fold_histograms(reader.get_metrics_data()))


def point(name: str, **attributes: Any) -> tuple[str, frozenset[tuple[str, Any]]]:
    return name, frozenset(attributes.items())


def described(metrics: list[Any]) -> dict[str, tuple[str, str, str]]:
    return {metric.name: (type(metric.data).__name__, metric.description, metric.unit) for metric in metrics}


KINDS = ["counter", "up_down_counter", "gauge", "histogram"]


def cell_of(backend: Any, kind: str) -> Any:
    return backend.Histogram([1.0]) if kind == "histogram" else backend.AtomicInt()


def nothing_is_exported(sdk: Sdk) -> bool:
    return collected(sdk.cumulative) == {}


class Meter:
    """Keeps the callbacks, so that a test can call them at will."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Any] = {}

    def create_observable_counter(self, name: str, callbacks: Any, unit: str, description: str) -> None:
        (self.callbacks[name],) = callbacks

    def observe(self, name: str) -> dict[frozenset[tuple[str, Any]], Any]:
        observed: list[Observation] = list(self.callbacks[name](None))
        return {frozenset((one.attributes or {}).items()): one.value for one in observed}
