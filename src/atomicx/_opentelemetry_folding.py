"""Turns the counters that a histogram is exported as back into one histogram, in an exporter or a reader."""

from __future__ import annotations

import re
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, cast

from . import AtomicRef
from ._exponential import ExponentialBuckets
from ._exported import warn_while_serving

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric, MetricExportResult, MetricsData, NumberDataPoint

    from . import ExponentialHistogramSnapshot

# The counters that a histogram is exported as: the suffixes of their names, and the attributes of a bucket.
BUCKET, COUNT, SUM = ".bucket", ".count", ".sum"
BOUND = "le"
EXPONENTIAL_BUCKET = "exponential_bucket"
_EXPONENTIAL = re.compile(r"scale=(-?\d+) (?:zero|(positive|negative)=(-?\d+))")
# The reader of this package reads point.value, which an exponential histogram's point does not have.
_WITHOUT_EXPONENTIAL = "opentelemetry.exporter.prometheus"

# What the SDK puts on the point that it merges all further ones into, once an instrument has 2,000 of them.
_MERGED = "otel.metric.overflow"
_warned_of: AtomicRef[frozenset[str]] = AtomicRef(frozenset())

_Ladder = dict[object, "NumberDataPoint"]


def exponential_parts(snapshot: ExponentialHistogramSnapshot) -> dict[str, int]:
    """Return the count of each bucket in use, and of the zeros, by the attribute of its counter.

    The name of a bucket never changes its meaning, and its count never goes back, even if other buckets come
    into use later.
    """
    parts = {f"scale={snapshot.scale} zero": snapshot.zero_count}
    for side, buckets in (("positive", snapshot.positive), ("negative", snapshot.negative)):
        for index, count in enumerate(buckets.counts, buckets.offset):
            if count:
                parts[f"scale={snapshot.scale} {side}={index}"] = count
    return parts


class HistogramFolding:
    """Makes an exporter of the SDK, or a reader that is its own exporter, send histograms as histograms.
    Derive from this class first, then from the exporter or reader:

    class Exporter(HistogramFolding, OTLPMetricExporter):
        pass

    class Reader(HistogramFolding, PrometheusMetricReader):
        pass

    PrometheusMetricReader cannot translate exponential histograms, so for that they stay counters.

    Raises TypeError where it would have no effect: if the other class has neither export() nor
    _receive_metrics(), which every reader has, or if the other class comes first.
    """

    _folds_exponential: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if any(base.__module__ == _WITHOUT_EXPONENTIAL for base in cls.__mro__):
            cls._folds_exponential = False
        place = cls.__mro__.index(HistogramFolding)
        if _hands_on(cls.__mro__[place + 1 :]):
            return
        # A class derived from this one alone may be meant as a base of others.
        others = [base for base in cls.__mro__[1:-1] if HistogramFolding not in base.__mro__]
        if _hands_on(others):
            raise TypeError(
                f"{cls.__name__!r} must derive from HistogramFolding first, then from the exporter"
            )
        if others or _hands_on([cls]):
            raise TypeError(
                f"{cls.__name__!r} must also derive from an exporter or reader: "
                f"no other base has {' or '.join(f'{name}()' for name in _HANDING_ON)}"
            )

    def export(self, metrics_data: MetricsData, *args: Any, **options: Any) -> MetricExportResult:
        """Export fold_histograms(metrics_data)."""
        exporter: Any = super()
        folded = fold_histograms(metrics_data, exponential=self._folds_exponential)
        result: MetricExportResult = exporter.export(folded, *args, **options)
        return result

    def _receive_metrics(self, metrics_data: MetricsData, *args: Any, **options: Any) -> None:
        """Fold histograms where the SDK hands a reader what was collected."""
        reader: Any = super()
        folded = fold_histograms(metrics_data, exponential=self._folds_exponential)
        reader._receive_metrics(folded, *args, **options)


_HANDING_ON = ("export", "_receive_metrics")


def _hands_on(bases: Iterable[type]) -> bool:
    return any(name in vars(base) for base in bases for name in _HANDING_ON)


def fold_histograms(data: MetricsData, *, exponential: bool = True) -> MetricsData:
    """Return the data with one histogram for each three counters that Collector.histogram() made.

    With exponential=False the counters of exponential histograms stay as they are, for exporters that cannot
    handle those.

    The SDK has already applied its temporality to the counters, so the histogram has that of observable
    counters. Counters that do not fit together, as when a view has changed them, stay as they are. So do
    those with more buckets than the SDK's limit of attribute sets, with one RuntimeWarning for each name.
    """
    return replace(
        data,
        resource_metrics=[
            replace(
                resource,
                scope_metrics=[
                    replace(scope, metrics=_folded(scope.metrics, exponential))
                    for scope in resource.scope_metrics
                ],
            )
            for resource in data.resource_metrics
        ],
    )


def _folded(metrics: Sequence[Metric], exponential: bool) -> list[Metric]:
    often = Tally(metric.name for metric in metrics)
    by_name = {metric.name: metric for metric in metrics if often[metric.name] == 1}
    in_place: dict[str, Metric | None] = {}
    for name in by_name:
        base = name.removesuffix(BUCKET)
        if base not in often and (histogram := _histogram(by_name, base, exponential)) is not None:
            in_place |= {base + BUCKET: histogram, base + COUNT: None, base + SUM: None}
    found = (in_place.get(metric.name, metric) for metric in metrics)
    return [metric for metric in found if metric is not None]


def _histogram(by_name: dict[str, Metric], base: str, exponential: bool) -> Metric | None:
    """Return the histogram of the counters whose names begin with base; None if they do not form one, or if
    it would be an exponential one, and these are not wanted."""
    from opentelemetry.sdk.metrics.export import ExponentialHistogram, Histogram, Sum

    parts = [by_name[base + part] for part in (BUCKET, COUNT, SUM) if base + part in by_name]
    sums = [metric.data for metric in parts if isinstance(metric.data, Sum) and metric.data.is_monotonic]
    temporalities = {data.aggregation_temporality for data in sums}
    if base + COUNT not in by_name or len(sums) < len(parts) or len(temporalities) > 1:
        return None
    buckets = [point.attributes or {} for point in sums[0].data_points]
    if any(_MERGED in each for each in buckets):
        # Without a limit it would be folded, unless it is an exponential one that is not wanted.
        if exponential or not any(EXPONENTIAL_BUCKET in each for each in buckets):
            _warn_of_merging(base)
        return None
    rungs: dict[str, _Ladder] = {}
    for point in sums[0].data_points:
        attributes = dict(point.attributes or {})
        bound = attributes.pop(BOUND, None)
        if bound is None:
            bound = attributes.pop(EXPONENTIAL_BUCKET, None)
        rungs.setdefault(_key(attributes), {})[bound] = replace(point, attributes=attributes)
    counts, *rest = [{_key(point.attributes): point.value for point in data.data_points} for data in sums[1:]]
    totals = rest[0] if rest else {}
    if counts.keys() != rungs.keys() or not totals.keys() <= rungs.keys():
        return None
    is_exponential = any(_EXPONENTIAL.fullmatch(str(bound)) for ladder in rungs.values() for bound in ladder)
    if is_exponential and not exponential:
        return None
    make, kind = (
        (_exponential_point, ExponentialHistogram) if is_exponential else (_histogram_point, Histogram)
    )
    points = [make(ladder, counts[key], totals.get(key)) for key, ladder in rungs.items()]
    if None in points:
        return None
    whole: Any = points
    data: Any = kind(data_points=whole, aggregation_temporality=temporalities.pop())
    return replace(parts[0], name=base, unit=parts[2].unit if rest else "", data=data)


def _warn_of_merging(name: str) -> None:
    """Issue a RuntimeWarning, unless there was one for this name."""
    if name not in _warned_of.fetch_update(lambda names: names | {name}):
        warn_while_serving(
            f"{name!r} stays counters: it has more buckets than the SDK's limit of attribute sets; "
            f"raise cardinality_limits of the reader",
            stacklevel=2,
        )


def _histogram_point(ladder: _Ladder, count: float, total: float | None) -> Any:
    """Return one point of the histogram; None if the bounds are not a histogram's, or do not add up."""
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    try:
        rungs = sorted((float(cast("str", bound)), point.value) for bound, point in ladder.items())
    except (TypeError, ValueError):
        return None
    bounds, cumulative = zip(*rungs, strict=True)
    counts = tuple(after - before for before, after in pairwise((0, *cumulative)))
    if bounds[-1] != float("inf") or min(counts) < 0 or cumulative[-1] != count:
        return None
    point = next(iter(ladder.values()))
    unknown: Any = None  # the least and the greatest value, which the encoders then leave out
    return HistogramDataPoint(
        attributes=point.attributes,
        start_time_unix_nano=point.start_time_unix_nano,
        time_unix_nano=point.time_unix_nano,
        count=cast("int", count),
        sum=unknown if total is None else total,
        bucket_counts=cast("tuple[int, ...]", counts),
        explicit_bounds=bounds[:-1],
        min=unknown,
        max=unknown,
    )


def _exponential_point(ladder: _Ladder, count: float, total: float | None) -> Any:
    """Return one point of the exponential histogram; None if the buckets are not of one, or do not add up."""
    from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint

    zeros: float = 0
    scales: set[int] = set()
    sides: dict[str, dict[int, int]] = {"positive": {}, "negative": {}}
    for bucket, point in ladder.items():
        found = _EXPONENTIAL.fullmatch(str(bucket))
        if found is None or point.value < 0:
            return None
        scale, side, index = found.groups()
        scales.add(int(scale))
        if side is None:
            zeros = point.value
        else:
            sides[side][int(index)] = int(point.value)
    if len(scales) > 1 or zeros + sum(sum(side.values()) for side in sides.values()) != count:
        return None
    positive, negative = (_in_a_row(side) for side in sides.values())
    point = next(iter(ladder.values()))
    unknown: Any = None  # the least and the greatest value, which the encoders then leave out
    return ExponentialHistogramDataPoint(
        attributes=point.attributes,
        start_time_unix_nano=point.start_time_unix_nano,
        time_unix_nano=point.time_unix_nano,
        count=cast("int", count),
        sum=unknown if total is None else total,
        scale=scales.pop(),
        zero_count=cast("int", zeros),
        positive=Buckets(positive.offset, positive.counts),
        negative=Buckets(negative.offset, negative.counts),
        flags=0,
        min=unknown,
        max=unknown,
    )


def _in_a_row(counts: dict[int, int]) -> ExponentialBuckets:
    """Return the buckets from the first to the last, trimmed: of those in use a period may count nothing."""
    if not counts:
        return ExponentialBuckets()
    first, last = min(counts), max(counts)
    return ExponentialBuckets(first, tuple(counts.get(index, 0) for index in range(first, last + 1)))


def _key(attributes: Mapping[str, object] | None) -> str:
    return repr(sorted((attributes or {}).items(), key=itemgetter(0)))
