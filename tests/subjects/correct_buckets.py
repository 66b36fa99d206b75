"""A correct exponential histogram, guarded by a lock."""

from __future__ import annotations

import math
import threading
from types import SimpleNamespace

from .correct_cells import double


class LockExponentialHistogram:
    """Counts observations in buckets that grow by a constant factor."""

    def __init__(self, scale=4, *, smallest=1e-6, largest=1e6, signed=False):
        self.scale, self.signed = scale, bool(signed)
        self.smallest, self.largest = double(smallest), double(largest)
        self._lock = threading.Lock()
        self._start()

    def _start(self):
        self._counts = {1: {}, -1: {}}
        self._zeros = 0
        self._sum = 0.0

    def observe(self, value):
        value = double(value)
        if not math.isfinite(value) or (value < -self.smallest and not self.signed):
            raise ValueError(f"no bucket for {value!r}")
        with self._lock:
            self._count(value)
            self._sum += value

    def _count(self, value):
        if abs(value) <= self.smallest:
            self._zeros += 1
        else:
            counts = self._counts[1 if value > 0 else -1]
            bucket = self._bucket(min(abs(value), self.largest))
            counts[bucket] = counts.get(bucket, 0) + 1

    def _bucket(self, size):
        """Return ceil(scale-th root of the logarithm) - 1 in integers, without rounding."""
        numerator, denominator = size.as_integer_ratio()
        steps = 2 ** max(self.scale, 0)
        exact = (numerator**steps - 1).bit_length() - (denominator.bit_length() - 1) * steps - 1
        return exact >> max(-self.scale, 0)

    def _taken(self):
        sides = [self._side(self._counts[sign]) for sign in (1, -1)]
        return SimpleNamespace(
            scale=self.scale,
            sum=self._sum,
            zero_count=self._zeros,
            zero_threshold=self.smallest,
            positive=sides[0],
            negative=sides[1],
            count=self._zeros + sum(sum(side.counts) for side in sides),
        )

    @staticmethod
    def _side(counts):
        first, last = min(counts, default=0), max(counts, default=-1)
        return SimpleNamespace(offset=first, counts=tuple(counts.get(i, 0) for i in range(first, last + 1)))

    def snapshot(self):
        with self._lock:
            return self._taken()

    def drain(self):
        with self._lock:
            taken = self._taken()
            self._start()
            return taken
