"""Broken floats, flags, references, counters, histograms and families, with one fault each."""

from __future__ import annotations

import math
from bisect import bisect_right

from .correct_cells import LockBool, LockFloat, LockRef, double, int64
from .correct_metrics import LockCounter, LockFamily, LockHistogram

# Floats


class SplitFloatAdd(LockFloat):
    def add(self, delta):
        self._value = self._value + double(delta)


class SplitFloatMin(LockFloat):
    def fetch_min(self, operand):
        operand = double(operand)
        old = self.load()
        if operand < old or math.isnan(old):
            self.store(operand)
        return old


class EqualFloat(LockFloat):
    """Compares by ==: a NaN never matches, and 0.0 matches -0.0."""

    def compare_and_set(self, expected, desired):
        expected, desired = double(expected), double(desired)
        with self._lock:
            if self._value != expected:
                return False
            self._value = desired
            return True


class EqualFloatWitness(LockFloat):
    """Compares -0.0 and 0.0 by ==, and NaN by its bits."""

    def compare_exchange(self, expected, desired):
        expected, desired = double(expected), double(desired)
        with self._lock:
            found = self._value
            if found == expected or (math.isnan(found) and math.isnan(expected)):
                self._value = desired
            return found


class SpreadingNaN(LockFloat):
    def fetch_max(self, operand):
        operand = double(operand)
        return self._change(lambda value: max(value, operand))[0]


class ZeroTie(LockFloat):
    """0.0 wins over -0.0."""

    def fetch_max(self, operand):
        operand = double(operand)
        return self._change(lambda v: operand if operand >= v or math.isnan(v) else v)[0]


class RoundedFloat(LockFloat):
    def add_fetch(self, delta):
        return self._change(lambda value: round(value + double(delta), 9))[1]


class ReturnsNewFloat(LockFloat):
    def fetch_sub(self, operand):
        return self.sub_fetch(operand)


# Flags


class SplitTestAndSet(LockBool):
    def test_and_set(self):
        old = self._value
        self._value = True
        return old


class TruthyBool(LockBool):
    def store(self, value):
        with self._lock:
            self._value = bool(value)


class StubbornBool(LockBool):
    """Reports success if nothing was to be changed."""

    def compare_and_set(self, expected, desired):
        return super().compare_and_set(expected, desired) or self._value is desired


class LeavesSet(LockBool):
    """compare_exchange can set, but never clears."""

    def compare_exchange(self, expected, desired):
        found = super().compare_exchange(expected, desired)
        if found is expected:
            self._value = expected or desired
        return found


# References


class EqualRef(LockRef):
    def compare_and_set(self, expected, desired):
        with self._lock:
            if self._value != expected:
                return False
            self._value = desired
            return True


class EqualOrSameRef(LockRef):
    """Compares as a list does: by identity, and then by ==."""

    def compare_exchange(self, expected, desired):
        with self._lock:
            found = self._value
            if [found] == [expected]:
                self._value = desired
            return found


class SplitRefExchange(LockRef):
    def exchange(self, value):
        old = self.load()
        self.store(value)
        return old


class StaleRefWitness(LockRef):
    def compare_exchange(self, expected, desired):
        if self.compare_and_set(expected, desired):
            return expected
        return self.load()


class OneTryUpdate(LockRef):
    """Tries once, and assumes that it succeeded."""

    def update(self, function):
        old = self.load()
        new = function(old)
        self.compare_and_set(old, new)
        return new


class ForgetsNone(LockRef):
    """Takes None to mean that nothing is expected."""

    def compare_and_set(self, expected, desired):
        if expected is None:
            return False
        return super().compare_and_set(expected, desired)


# Counters


class LossyDrain(LockCounter):
    def drain(self):
        total = self.load()
        with self._lock:
            self._total = 0
        return total


class SubtractsTwice(LockCounter):
    """Two drains may take the same counts."""

    def drain(self):
        total = self.load()
        with self._lock:
            self._total = max(0, self._total - total)
        return total


class CountsDown(LockCounter):
    def add(self, n):
        n = int64(n)
        with self._lock:
            self._total = int64(self._total + n)


class WrapsCount(LockCounter):
    def inc(self):
        with self._lock:
            self._total = (self._total + 1) % 2**63


class SplitCountInPlace(LockCounter):
    def __iadd__(self, n):
        n = self._count(n)
        total = self._total
        self._total = int64(total + n)
        return self


class ReadsTwice(LockCounter):
    """Sums its stripes while a count moves from one to another."""

    def __init__(self, value=0):
        super().__init__(value)
        self._new = 0

    def inc(self):
        with self._lock:
            int64(self._total + 1)
            self._new += 1
            self._total += 1
            self._new -= 1

    def load(self):
        return self._total + self._new


# Histograms


class UpperBound(LockHistogram):
    """Puts a value that equals a bound into the bucket above it."""

    def _bucket(self, value):
        return bisect_right(self.bounds, value)


class LastBound(LockHistogram):
    """Puts a value that equals the last bound into the bucket above it."""

    def _bucket(self, value):
        return len(self.bounds) if value == self.bounds[-1] else super()._bucket(value)


class SecondBound(LockHistogram):
    """Puts a value that equals the second bound into the bucket above it."""

    def _bucket(self, value):
        index = super()._bucket(value)
        return index + 1 if len(self.bounds) > 1 and value == self.bounds[1] else index


class SplitObserve(LockHistogram):
    def observe(self, value):
        value = double(value)
        if math.isnan(value):
            raise ValueError
        index = self._bucket(value)
        count = self._counts[index]
        self._counts[index] = count + 1
        with self._lock:
            self._sum += value


class SplitSum(LockHistogram):
    def observe(self, value):
        total = self._sum
        super().observe(value)
        self._sum = total + double(value)


class SumsNaN(LockHistogram):
    """Raises as it should, but has already spoilt the sum."""

    def observe(self, value):
        value = double(value)
        self._sum += value
        if math.isnan(value):
            raise ValueError
        with self._lock:
            self._counts[self._bucket(value)] += 1


class LossyHistogramDrain(LockHistogram):
    def drain(self):
        taken = self.snapshot()
        with self._lock:
            self._counts = [0] * len(self._counts)
            self._sum = 0.0
        return taken


class KeepsSum(LockHistogram):
    def drain(self):
        with self._lock:
            taken = tuple(self._counts), self._sum
            self._counts = [0] * len(self._counts)
            return taken


class DropsNegative(LockHistogram):
    def observe(self, value):
        super().observe(value)
        if value < 0:
            self._sum -= value


# Families


class TwoChildren(LockFamily):
    def _child(self, labels):
        if labels not in self._children:
            if self._limit is not None and len(self._children) >= self._limit:
                raise ValueError("full")
            self._children[labels] = self._factory()
        return self._children[labels]


class IntAndStr(LockFamily):
    """200 and "200" are two different children."""

    def _label(self, value):
        super()._label(value)
        return value


class PastLimit(LockFamily):
    """Checks the limit without the lock."""

    def _child(self, labels):
        if labels in self._children:
            return self._children[labels]
        if self._limit is not None and len(self._children) >= self._limit:
            raise ValueError("full")
        with self._lock:
            return self._children.setdefault(labels, self._factory())


class OneMoreThanLimit(LockFamily):
    def __init__(self, factory, *label_names, limit=None):
        super().__init__(factory, *label_names, limit=None if limit is None else limit + 1)


class LiveItems(LockFamily):
    """Reads the children while others are added and removed."""

    def items(self):
        return iter(self._children.items())


class MissingItems(LockFamily):
    """Omits the first child when there are three."""

    def items(self):
        children = list(super().items())
        return iter(children[1:] if len(children) == 3 else children)


class ForgetfulRemove(LockFamily):
    """Removing a missing child raises no error."""

    def remove(self, *values):
        labels = self._labels(values)
        with self._lock:
            self._children.pop(labels, None)


class LooksByMaking(LockFamily):
    """`in` creates the child that it looks for."""

    def __contains__(self, key):
        known = super().__contains__(key)
        self[key]
        return known


class TakesAnything(LockFamily):
    def _label(self, value):
        return str(value)


class SplitFamilyAdd(LockFamily):
    """Increments the child in two steps."""

    def add(self, amount, *values):
        child = self[values]
        total = child.load()
        child.drain()
        child.add(total)
        child.add(amount)
