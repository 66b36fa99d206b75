"""Broken exponential histograms, with one fault each."""

from __future__ import annotations

import math

from .correct_buckets import LockExponentialHistogram
from .correct_cells import double


class Logarithm(LockExponentialHistogram):
    """Trusts a logarithm, which is rounded: near a boundary it is on the wrong side."""

    def _bucket(self, size):
        return math.ceil(math.log2(size) * 2.0**self.scale) - 1


class LowerBoundary(LockExponentialHistogram):
    """Puts a power of two into the bucket above it."""

    def _bucket(self, size):
        return super()._bucket(size) + (math.frexp(size)[0] == 0.5)


class LosesZeros(LockExponentialHistogram):
    """Counts nothing for a zero."""

    def _count(self, value):
        if value:
            super()._count(value)


class ZeroUpToSmallest(LockExponentialHistogram):
    """Has a bucket for smallest, which counts as zero."""

    def _count(self, value):
        super()._count(math.nextafter(value, math.inf) if value == self.smallest else value)


class ForgetsTheSign(LockExponentialHistogram):
    """Counts a negative value with the positive ones."""

    def _count(self, value):
        super()._count(abs(value))


class DropsLargeValues(LockExponentialHistogram):
    """Counts nothing above largest."""

    def _count(self, value):
        if abs(value) <= self.largest:
            super()._count(value)


class GrowsBeyondLargest(LockExponentialHistogram):
    """Has a bucket for each value, however large."""

    def _count(self, value):
        largest, self.largest = self.largest, math.inf
        super()._count(value)
        self.largest = largest


class SumsWhatItRefuses(LockExponentialHistogram):
    """Raises as it should, but has already spoilt the sum."""

    def observe(self, value):
        value = double(value)
        if not math.isfinite(value):
            self._sum += value
        super().observe(value)


class SplitExponentialObserve(LockExponentialHistogram):
    """Counts without the lock."""

    def observe(self, value):
        value = double(value)
        if not math.isfinite(value):
            raise ValueError
        zeros = self._zeros
        if abs(value) <= self.smallest:
            self._zeros = zeros + 1
        else:
            counts = self._counts[1 if value > 0 else -1]
            bucket = self._bucket(min(abs(value), self.largest))
            count = counts.get(bucket, 0)
            counts[bucket] = count + 1
        with self._lock:
            self._sum += value


class LossyExponentialDrain(LockExponentialHistogram):
    """Reads, and forgets what came in between."""

    def drain(self):
        taken = self.snapshot()
        with self._lock:
            self._start()
        return taken


class KeepsTheZeros(LockExponentialHistogram):
    """Drains all but the zeros."""

    def drain(self):
        with self._lock:
            taken, zeros = self._taken(), self._zeros
            self._start()
            self._zeros = zeros
            return taken
