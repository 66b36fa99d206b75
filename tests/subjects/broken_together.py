"""Broken cells of all kinds whose one fault takes three threads, a cell that was used before, or bad luck."""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from time import perf_counter

from .correct_cells import LockBool, LockFloat, LockInt, LockRef, double, int64
from .correct_metrics import LockCounter, LockFamily, LockHistogram
from .correct_unusual import ServedRef

# While two others are inside


class _Counted:
    """Counts who is inside."""

    _inside = 0
    most = 2

    @contextmanager
    def _crowded(self):
        with self._lock:
            self._inside += 1
            crowded = self._inside > self.most
        try:
            yield crowded
        finally:
            with self._lock:
                self._inside -= 1


class ThirdAdvanceRepeats(_Counted, LockInt):
    """While two others are inside, it hands out an id without keeping it."""

    def advance(self, candidate):
        candidate = int64(candidate)
        with self._crowded() as crowded:
            if crowded:
                return int64(max(candidate, self.load() + 1))
            return super().advance(candidate)


class ThirdAddSplits(_Counted, LockInt):
    """While two others are inside, it does without the lock."""

    def fetch_add(self, operand=1):
        operand = int64(operand)
        with self._crowded() as crowded:
            if crowded:
                old = self._value
                self._value = int64(old + operand)
                return old
            return super().fetch_add(operand)


class ThirdExchangeReads(_Counted, LockRef):
    def exchange(self, value):
        with self._crowded() as crowded:
            return self.load() if crowded else super().exchange(value)


class ThirdCountIsLost(_Counted, LockCounter):
    def inc(self):
        with self._crowded() as crowded:
            if not crowded:
                super().inc()


class ThirdFloatIsOld(_Counted, LockFloat):
    """While two others are inside, it returns the sum without its own share."""

    def add_fetch(self, delta):
        delta = double(delta)
        with self._crowded() as crowded:
            new = super().add_fetch(delta)
            return new - delta if crowded else new


class ReadsTwiceAtMost(LockInt):
    """Reads in halves, and again if it was written meanwhile, but only once."""

    _version = 0

    @property
    def _value(self):
        return self._held

    @_value.setter
    def _value(self, value):
        self._version += 1
        self._held = value
        self._version += 1

    def load(self):
        for _ in range(2):
            version, low = self._version, self._held & 0xFFFFFFFF
            high = self._held >> 32
            if version == self._version:
                break
        return high << 32 | low


# Two at once


class WakesOnlyOne(ServedRef):
    """Of two that wait, one is woken, and does not wake the other."""

    def exchange(self, value):
        with self._free:
            while self._busy:
                self._free.wait()
            self._busy = True
        old, self._value = self._value, value
        with self._free:
            self._busy = False
            self._free.notify()
        return old


class DrainsTogetherLoseOne(_Counted, LockCounter):
    """Two drains at once lose one count."""

    most = 1

    def drain(self):
        with self._crowded() as crowded:
            total = super().drain()
            return max(0, total - 1) if crowded else total


class StaleTestAndSet(LockBool):
    def test_and_set(self):
        old = self.load()
        self.store(True)
        return old


class FailsIfBusy(LockInt):
    """Does not wait for its lock, and fails instead."""

    def compare_and_set(self, expected, desired):
        expected, desired = int64(expected), int64(desired)
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._value != expected:
                return False
            self._value = desired
            return True
        finally:
            self._lock.release()


class ShrunkUnlocked(LockInt):
    """Starts over without its lock if the modulus has become smaller."""

    def fetch_inc_mod(self, modulus):
        modulus = int64(modulus)
        if modulus < 1:
            raise ValueError("modulus must be at least 1")
        if self._value >= modulus:
            self._value = 1 % modulus
            return 0
        return super().fetch_inc_mod(modulus)


class AdmitsOverLimit(LockInt):
    """Looks for room, and then takes it."""

    @contextmanager
    def admit(self, limit):
        limit = int64(limit)
        admitted = self.load() + 1 <= limit
        if admitted:
            self.inc()
        try:
            yield admitted
        finally:
            if admitted:
                self.dec()


class DrainSwapsLists(LockHistogram):
    """Counts in the list that it has found before it has the lock; a drain puts another in its place."""

    def observe(self, value):
        value = double(value)
        if math.isnan(value):
            raise ValueError
        counts = self._counts
        with self._lock:
            counts[self._bucket(value)] += 1
            self._sum += value


class RemovesTwice(LockFamily):
    """Of two that remove a child, neither is told that it was too late."""

    def remove(self, *values):
        labels = self._labels(values)
        if labels not in self._children:
            raise KeyError(labels)
        with self._lock:
            self._children.pop(labels, None)


# After something else


class TwoAfterRemove(LockFamily):
    """Once a child was removed, it looks and makes in two steps."""

    _removed = False

    def _child(self, labels):
        if not self._removed:
            return super()._child(labels)
        if labels not in self._children:
            if self._limit is not None and len(self._children) >= self._limit:
                raise ValueError("full")
            self._children[labels] = self._factory()
        return self._children[labels]

    def remove(self, *values):
        super().remove(*values)
        self._removed = True


class SplitAfterDrain(LockCounter):
    """Once drained, it adds in two steps."""

    _drained = False

    def add(self, n):
        n = self._count(n)
        if self._drained:
            total = self._total
            self._total = int64(total + n)
        else:
            super().add(n)

    def drain(self):
        self._drained = True
        return super().drain()


class SplitAfterExchange(LockFloat):
    """Once exchanged or stored, it takes the smaller one in two steps."""

    _changed = False

    def store(self, value):
        super().store(value)
        self._changed = True

    def fetch_min(self, operand):
        operand = double(operand)
        if not self._changed:
            return super().fetch_min(operand)
        old = self._value
        if operand < old or math.isnan(old):
            self._value = operand
        return old


class CachesInThread(LockRef):
    """A thread that has loaded a value does not see what other threads store."""

    def __init__(self, value=None):
        super().__init__(value)
        self._own = threading.local()

    def load(self):
        if not hasattr(self._own, "value"):
            self._own.value = self._value
        return self._own.value

    def _forget(self):
        self._own.__dict__.clear()

    def store(self, value):
        super().store(value)
        self._forget()

    def exchange(self, value):
        self._forget()
        return super().exchange(value)

    def compare_and_set(self, expected, desired):
        self._forget()
        return super().compare_and_set(expected, desired)


# What is in a value


class LosesPayload(LockFloat):
    """A NaN comes out as another."""

    def exchange(self, value):
        old = super().exchange(value)
        return math.nan if math.isnan(old) else old


class EqualTexts(LockRef):
    """Takes equal texts for the same object."""

    def compare_exchange(self, expected, desired):
        with self._lock:
            found = self._value
            if found is expected or (type(found) is type(expected) is str and found == expected):
                self._value = desired
            return found


class TimesOnlySuccess(LockHistogram):
    """Observes nothing if the block raises."""

    @contextmanager
    def time(self):
        begun = perf_counter()
        yield
        self.observe(perf_counter() - begun)


class KeepsRaised(LockInt):
    """Stays counted if the block raises."""

    @contextmanager
    def track(self):
        self.inc()
        yield
        self.dec()
