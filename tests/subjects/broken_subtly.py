"""Broken cells of all kinds whose one fault takes more than two plain calls to see.

Keys that become the same only when they are joined, three threads, arguments by name, a value that comes
back, an argument that uses the cell while it is converted, and more than a few bounds.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left

from .correct_cells import LockFloat, LockInt, LockRef, double, int64
from .correct_metrics import LockCounter, LockFamily, LockHistogram

# Families that confuse label values


class JoinedByComma(LockFamily):
    def _child(self, labels):
        return super()._child(tuple(",".join(labels).split(",", 1)))


class _Joined(LockFamily):
    """Looks children up by a text that is made from their labels."""

    def __init__(self, factory, *label_names, limit=None):
        super().__init__(factory, *label_names, limit=limit)
        self._labels_of = {}

    def _join(self, labels):
        raise NotImplementedError

    def _child(self, labels):
        with self._lock:
            return super()._child(self._labels_of.setdefault(self._join(labels), labels))

    def remove(self, *values):
        with self._lock:
            super().remove(*values)
            self._labels_of.pop(self._join(self._labels(values)), None)

    def clear(self):
        with self._lock:
            super().clear()
            self._labels_of = {}


class JoinedBySlash(_Joined):
    def _join(self, labels):
        return "/".join(labels)


class JoinedByBar(_Joined):
    def _join(self, labels):
        return "|".join(labels)


class JoinedByNul(_Joined):
    def _join(self, labels):
        return "\0".join(labels)


class JoinedByNothing(_Joined):
    def _join(self, labels):
        return "".join(labels)


class DropsEmpty(_Joined):
    """Ignores empty label values."""

    def _join(self, labels):
        return tuple(filter(None, labels))


# What only three threads can show


class ThirdDrainReads(LockCounter):
    """While two threads are draining, a third one only reads."""

    _draining = 0

    def drain(self):
        with self._lock:
            self._draining += 1
            crowded = self._draining > 2
        total = self._total if crowded else super().drain()
        with self._lock:
            self._draining -= 1
        return total


class DropsBesideTwo(LockCounter):
    """What is added while two threads are draining is lost."""

    _draining = 0

    def add(self, n):
        n = self._count(n)
        with self._lock:
            new = int64(self._total + n)
            if self._draining < 2:
                self._total = new

    def drain(self):
        with self._lock:
            self._draining += 1
        total = super().drain()
        with self._lock:
            self._draining -= 1
        return total


class ThirdHistogramDrain(LockHistogram):
    """While two threads are draining, a third one takes the same counts."""

    _draining = 0

    def drain(self):
        with self._lock:
            self._draining += 1
            crowded = self._draining > 2
        taken = self.snapshot() if crowded else super().drain()
        with self._lock:
            self._draining -= 1
        return taken


# Arguments by name


class SwappedByName(LockInt):
    """In compare_exchange(desired=..., expected=...) it takes the first argument for the expected value."""

    def compare_exchange(self, *values, **named):
        return super().compare_exchange(*values, *named.values())


class SwappedLimit(LockInt):
    def try_add(self, *values, **named):
        return super().try_add(*values, *named.values())


class SwappedRef(LockRef):
    def compare_and_set(self, *values, **named):
        return super().compare_and_set(*values, *named.values())


# A value that comes back, or stays


class _Stamped(LockInt):
    """Counts its changes."""

    _stamp = 0

    def store(self, value):
        value = int64(value)
        with self._lock:
            self._value = value
            self._stamp += 1


class FailsOnEqualStore(_Stamped):
    """Fails if the same value was stored meanwhile."""

    def compare_and_set(self, expected, desired):
        expected, desired = int64(expected), int64(desired)
        stamp, found = self._stamp, self._value
        if found != expected:
            return False
        with self._lock:
            if self._stamp != stamp or self._value != expected:
                return False
            self._value = desired
            return True


class WitnessComesBack(LockInt):
    """If the value went away and came back, the witness claims an exchange that did not happen."""

    def compare_exchange(self, expected, desired):
        found = self.load()
        if found != int64(expected):
            int64(desired)
            return found
        if self.compare_and_set(expected, desired):
            return found
        return self.load()


class FailsSometimes(LockInt):
    """Every 200th compare_and_set fails for no reason."""

    _calls = 0

    def compare_and_set(self, expected, desired):
        self._calls += 1
        if self._calls % 200 == 0:
            int64(expected), int64(desired)
            return False
        return super().compare_and_set(expected, desired)


# An argument that uses the cell while it is converted. Most have a lock that the same thread may take again.


class ReadsBeforeIndex(LockInt):
    def __init__(self, value=0):
        super().__init__(value)
        self._lock = threading.RLock()

    def fetch_add(self, operand=1):
        with self._lock:
            old = self._value
            self._value = int64(old + int64(operand))
            return old


class ComparesBeforeIndex(LockInt):
    """Does not hold its lock while it converts anything but an int, and does not check again."""

    def compare_exchange(self, expected, desired):
        if type(desired) is int:
            return super().compare_exchange(expected, desired)
        found, expected = self.load(), int64(expected)
        desired = int64(desired)
        if found == expected:
            self.store(desired)
        return found


class ReadsBeforeFloat(LockFloat):
    def __init__(self, value=0.0):
        super().__init__(value)
        self._lock = threading.RLock()

    def sub_fetch(self, delta):
        with self._lock:
            old = self._value
            self._value = old - double(delta)
            return self._value


class ReadsBeforeCount(LockCounter):
    def __init__(self, value=0):
        super().__init__(value)
        self._lock = threading.RLock()

    def __iadd__(self, n):
        with self._lock:
            total = self._total
            self._total = int64(total + self._count(n))
        return self


class ReadsBeforeValue(LockHistogram):
    def __init__(self, bounds):
        super().__init__(bounds)
        self._lock = threading.RLock()

    def observe(self, value):
        with self._lock:
            total = self._sum
            value = double(value)
            if math.isnan(value):
                raise ValueError
            self._counts[self._bucket(value)] += 1
            self._sum = total + value


# More bounds than a few


class NineBounds(LockHistogram):
    """With more than eight bounds it searches, and puts a value that equals a bound above it."""

    def _bucket(self, value):
        index = bisect_left(self.bounds, value)
        return index + 1 if len(self.bounds) > 8 and value in self.bounds[6:] else index


class SixtyFiveBounds(LockHistogram):
    """Has at most 64 buckets, the last of which takes the rest."""

    def _bucket(self, value):
        return min(bisect_left(self.bounds, value), 63)
