"""Broken cells of all kinds that do not expect some value, some exception, or that time passes."""

from __future__ import annotations

import math
import threading
import weakref
from contextlib import contextmanager
from time import perf_counter

from .correct_cells import LockBool, LockFloat, LockInt, LockRef, double, int64
from .correct_metrics import LockFamily, LockHistogram


class KeepsItsLock(LockInt):
    """Releases its lock after an Exception, but not after what is none, as Ctrl-C."""

    def update(self, function):
        self._lock.acquire()
        try:
            new = self._value = int64(function(self._value))
        except Exception:
            self._lock.release()
            raise
        self._lock.release()
        return new


class KeepsInterrupted(LockInt):
    """Stays counted if the block is left by what is not an Exception."""

    @contextmanager
    def track(self):
        self.inc()
        try:
            yield
        except Exception:
            self.dec()
            raise
        self.dec()


class HalfwayWhenInterrupted(LockFloat):
    """Restores the value after an Exception only."""

    def update(self, function):
        with self._lock:
            old, self._value = self._value, math.nan
            try:
                self._value = double(function(old))
            except Exception:
                self._value = old
                raise
            return self._value


class HoldsWeakly(LockRef):
    """An object that nothing else refers to disappears."""

    @property
    def _value(self):
        return self._held()

    @_value.setter
    def _value(self, value):
        try:
            self._held = weakref.ref(value)
        except TypeError:
            self._held = lambda: value


class WeakChildren(LockFamily):
    """A child that nothing else refers to disappears, with what it has counted."""

    def __init__(self, factory, *label_names, limit=None):
        super().__init__(factory, *label_names, limit=limit)
        self._children = weakref.WeakValueDictionary()


class CopiesLists(LockRef):
    def load(self):
        value = super().load()
        return list(value) if type(value) is list else value


class NothingForFalse(LockRef):
    """Takes something that is false for nothing at all."""

    def exchange(self, value):
        return super().exchange(value) or None


class LiveSnapshot(LockHistogram):
    """A snapshot changes with the histogram."""

    class _View:
        def __init__(self, histogram):
            self._histogram = histogram

        def __iter__(self):
            return iter((tuple(self._histogram._counts), self._histogram._sum))

        def __getitem__(self, place):
            return tuple(self)[place]

    def snapshot(self):
        return self._View(self)


class Milliseconds(LockHistogram):
    @contextmanager
    def time(self):
        begun = perf_counter()
        try:
            yield
        finally:
            self.observe((perf_counter() - begun) * 1000)


class TimeOfDay(LockHistogram):
    """Observes when the block ended, not how long it took."""

    @contextmanager
    def time(self):
        try:
            yield
        finally:
            self.observe(perf_counter())


class RoundsItsSum(LockHistogram):
    def observe(self, value):
        super().observe(value)
        with self._lock:
            self._sum = round(self._sum, 9)


class GivesLastAgain(LockFamily):
    """Remembers the child that it gave last, even after that was removed."""

    _last = (None, None)

    def _child(self, labels):
        last, child = self._last
        if last != labels:
            child = super()._child(labels)
            self._last = labels, child
        return child


class SortsLabels(LockFamily):
    """The order of the label values makes no difference."""

    def _labels(self, values):
        return tuple(sorted(super()._labels(values)))


class ComparesTexts(LockFloat):
    """Compares how the numbers are written: all NaNs are the same."""

    def compare_and_set(self, expected, desired):
        expected, desired = double(expected), double(desired)
        with self._lock:
            if repr(self._value) != repr(expected):
                return False
            self._value = desired
            return True


class GreatestByMax(LockFloat):
    """max() keeps a NaN that comes first."""

    def fetch_max(self, operand):
        operand = double(operand)
        return self._change(lambda value: max(value, operand))[0]


class CountsTruth(LockBool):
    """Returns 0 or 1 instead of False or True."""

    def test_and_set(self):
        return int(super().test_and_set())


class SameIsSame(LockBool):
    """Looks first whether there is anything to change."""

    def exchange(self, value):
        value = self._truth(value)
        if self._value is value:
            return value
        with self._lock:
            self._value = value
        return not value


class OneForAll(LockInt):
    """All of them share one value."""

    _shared = [0]  # noqa: RUF012 - the fault

    def __init__(self, value=0):
        self._lock = threading.Lock()
        self._value = int64(value)

    @property
    def _value(self):
        return self._shared[0]

    @_value.setter
    def _value(self, value):
        self._shared[0] = value


class PropertyAlone:
    """Has its value as a property, and adds in two steps."""

    def __init__(self, value=0):
        self._value = int64(value)

    @property
    def value(self):
        return self._value

    def inc(self):
        self._value = int64(self._value + 1)

    def dec(self):
        self._value = int64(self._value - 1)
