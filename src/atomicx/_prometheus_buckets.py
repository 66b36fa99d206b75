"""An exponential histogram in prometheus_client's terms: bounds with cumulative counts, or a native one."""

from __future__ import annotations

import math
from typing import Any

from ._boundaries import SCALE_MIN, boundary, bucket_of
from ._exponential import ExponentialBuckets, ExponentialHistogramSnapshot, in_use

BOUNDS_MAX = 100
# The scales of Prometheus' native histograms, which are called schemas there.
_NATIVE_MIN, _NATIVE_MAX = -4, 8


def classic_buckets(cell: Any, snapshot: ExponentialHistogramSnapshot) -> list[tuple[float, int]]:
    """Return each bound, and the number of observations up to it; the last bound is infinite.

    The bounds depend on what the histogram was made with, and not on what it has observed: series must not
    come and go. The scale is lowered until there are at most BOUNDS_MAX finite ones. The outermost bucket
    also counts what is beyond it, so its outer boundary is not a bound.
    """
    scale = cell.scale
    while True:
        first = bucket_of(scale, math.nextafter(cell.smallest, math.inf))
        last = bucket_of(scale, cell.largest)
        if (last - first + 1) * (2 if cell.signed else 1) <= BOUNDS_MAX or scale == SCALE_MIN:
            break
        scale -= 1
    coarse = snapshot.downscale(scale)
    positive, negative = dict(in_use(coarse.positive)), dict(in_use(coarse.negative))
    found: list[tuple[float, int]] = []
    total = 0
    if cell.signed:
        for index in range(last, first - 1, -1):
            total += negative.get(index, 0)
            # A negative bucket ends just before its boundary, which belongs to the next one.
            nearest = max(boundary(scale, index), cell.smallest)
            found.append((-math.nextafter(nearest, math.inf), total))
    total += coarse.zero_count
    found.append((cell.smallest, total))
    for index in range(first, last):
        total += positive.get(index, 0)
        found.append((boundary(scale, index + 1), total))
    found.append((math.inf, total + positive.get(last, 0)))
    return found


def native_histogram(snapshot: ExponentialHistogramSnapshot) -> Any:
    """Return prometheus_client's native histogram; None if the buckets are too wide for one."""
    from prometheus_client.samples import BucketSpan, NativeHistogram

    if snapshot.scale < _NATIVE_MIN:
        return None
    coarse = snapshot.downscale(min(snapshot.scale, _NATIVE_MAX))

    def spans(buckets: ExponentialBuckets) -> Any:
        # Its bucket i ends at base**i.
        return [BucketSpan(buckets.offset + 1, len(buckets.counts))] if buckets.counts else None

    def deltas(buckets: ExponentialBuckets) -> Any:
        before = (0, *buckets.counts)
        return [count - previous for previous, count in zip(before, buckets.counts, strict=False)] or None

    return NativeHistogram(
        coarse.count,
        coarse.sum,
        coarse.scale,
        coarse.zero_threshold,
        coarse.zero_count,
        spans(coarse.positive),
        spans(coarse.negative),
        deltas(coarse.positive),
        deltas(coarse.negative),
    )
