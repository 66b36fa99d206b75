"""Correct counters, histograms and families, guarded by locks in the usual ways. None may be convicted."""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from itertools import pairwise

from .correct_cells import double, int64


class LockCounter:
    """Counts up."""

    def __init__(self, value=0):
        self._lock = threading.Lock()
        self._total = self._count(value)

    @staticmethod
    def _count(number):
        number = int64(number)
        if number < 0:
            raise ValueError("counts up only")
        return number

    def inc(self):
        self.add(1)

    def add(self, n):
        n = self._count(n)
        with self._lock:
            self._total = int64(self._total + n)

    def load(self):
        with self._lock:
            return self._total

    def drain(self):
        with self._lock:
            total, self._total = self._total, 0
            return total

    def __iadd__(self, n):
        self.add(n)
        return self

    def __int__(self):
        return self.load()

    def __bool__(self):
        return self.load() != 0


class StripedCounter(LockCounter):
    """Has stripes for several threads. A load reads them in turn, so its result is between two totals."""

    STRIPES = 3

    def __init__(self, value=0):
        super().__init__(0)
        self._counts = [self._count(value)] + [0] * (self.STRIPES - 1)

    def add(self, n):
        n = self._count(n)
        stripe = threading.get_ident() // 64 % self.STRIPES
        with self._lock:
            int64(sum(self._counts) + n)
            self._counts[stripe] += n

    def load(self):
        total = 0
        for count in self._counts:
            total += count
        return total

    def drain(self):
        total = 0
        for stripe in range(self.STRIPES):
            with self._lock:
                total += self._counts[stripe]
                self._counts[stripe] = 0
        return total


class LockHistogram:
    """Counts observations in buckets."""

    def __init__(self, bounds):
        bounds = tuple(map(double, bounds))
        if not bounds or not all(map(math.isfinite, bounds)):
            raise ValueError("at least one bound, and finite ones")
        if any(low >= high for low, high in pairwise(bounds)):
            raise ValueError("bounds must increase")
        self._lock = threading.Lock()
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value):
        value = double(value)
        if math.isnan(value):
            raise ValueError("a NaN is in no bucket")
        with self._lock:
            self._counts[self._bucket(value)] += 1
            self._sum += value

    def _bucket(self, value):
        return bisect_left(self.bounds, value)

    def snapshot(self):
        with self._lock:
            return tuple(self._counts), self._sum

    def drain(self):
        with self._lock:
            taken = tuple(self._counts), self._sum
            self._counts = [0] * len(self._counts)
            self._sum = 0.0
            return taken


class LockFamily:
    """Children by label values."""

    def __init__(self, factory, *label_names, limit=None):
        self._factory = factory
        self._names = label_names
        self._limit = limit
        self._lock = threading.RLock()
        self._children = {}

    def _labels(self, values):
        if len(values) != len(self._names):
            raise ValueError(f"{len(self._names)} label values expected, got {len(values)}")
        return tuple(self._label(value) for value in values)

    def _label(self, value):
        if isinstance(value, str):
            value.encode()
            return value
        if isinstance(value, int):
            return str(int(value))
        raise TypeError(f"a label value must be a str or an int, not {type(value).__name__!r}")

    def _child(self, labels):
        with self._lock:
            if labels not in self._children:
                if self._limit is not None and len(self._children) >= self._limit:
                    raise ValueError(f"full: {self._limit} children, cannot add {labels}")
                self._children[labels] = self._factory()
            return self._children[labels]

    def __getitem__(self, key):
        return self._child(self._labels(key if isinstance(key, tuple) else (key,)))

    def labels(self, **values):
        if set(values) != set(self._names):
            raise TypeError(f"labels are {self._names}")
        return self[tuple(values[name] for name in self._names)]

    def inc(self, *values):
        self[values].inc()

    def add(self, amount, *values):
        self[values].add(amount)

    def items(self):
        with self._lock:
            return iter(list(self._children.items()))

    def remove(self, *values):
        labels = self._labels(values)
        with self._lock:
            del self._children[labels]

    def clear(self):
        with self._lock:
            self._children = {}

    def __len__(self):
        with self._lock:
            return len(self._children)

    def __contains__(self, key):
        labels = self._labels(key if isinstance(key, tuple) else (key,))
        with self._lock:
            return labels in self._children
