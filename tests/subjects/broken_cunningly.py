"""Broken cells of all kinds, written with knowledge of how `verify` looks: one fault in one operation."""

from __future__ import annotations

import threading
import weakref
from bisect import bisect_left

from .correct_cells import LockInt, LockRef, double, int64
from .correct_metrics import LockCounter, LockHistogram


class GivesUp(LockInt):
    """Retries only three times; then it stores what it has."""

    def update(self, function):
        for _ in range(3):
            old = self.load()
            new = int64(function(old))
            if self.compare_and_set(old, new):
                return new
        new = int64(function(self.load()))
        self.store(new)
        return new


class SwallowsErrors(LockRef):
    """Takes an AttributeError raised by the function to mean that the object is missing."""

    def fetch_update(self, function):
        try:
            return super().fetch_update(function)
        except AttributeError:
            return self.load()


class _Share:
    def __init__(self):
        self.count = 0


class GoesWithItsThread(LockCounter):
    """A thread's counts are lost when the thread ends."""

    def __init__(self, value=0):
        super().__init__(value)
        self._own = threading.local()
        self._shares = weakref.WeakSet()

    def inc(self):
        with self._lock:
            int64(self._sum() + 1)
            if not hasattr(self._own, "share"):
                self._own.share = _Share()
                self._shares.add(self._own.share)
            self._own.share.count += 1

    def _sum(self):
        return self._total + sum(share.count for share in self._shares)

    def add(self, n):
        n = self._count(n)
        with self._lock:
            int64(self._sum() + n)
            self._total += n

    def load(self):
        with self._lock:
            return self._sum()

    def drain(self):
        with self._lock:
            total, self._total = self._sum(), 0
            for share in self._shares:
                share.count = 0
            return total


class LockForEight(LockHistogram):
    """Has one lock for every eight buckets, but only one sum."""

    def __init__(self, bounds):
        super().__init__(bounds)
        self._locks = [threading.RLock() for _ in range(len(self.bounds) // 8 + 1)]
        self._lock = _All(self._locks)

    def observe(self, value):
        value = double(value)
        if value != value:
            raise ValueError
        index = bisect_left(self.bounds, value)
        with self._locks[index // 8]:
            self._counts[index] += 1
            self._sum += value


class _All:
    def __init__(self, locks):
        self._locks = locks

    def __enter__(self):
        for lock in self._locks:
            lock.acquire()

    def __exit__(self, *_):
        for lock in self._locks:
            lock.release()
