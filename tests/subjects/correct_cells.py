"""Correct integers, floats, flags and references, guarded by locks as is common. None may be convicted."""

from __future__ import annotations

import math
import operator
import struct
import threading
from threading import Lock

MIN, MAX = -(2**63), 2**63 - 1


def int64(number):
    number = operator.index(number)
    if not MIN <= number <= MAX:
        raise OverflowError("outside int64")
    return number


class LockInt:
    """An integer with all of AtomicInt's operations, behind one lock."""

    def __init__(self, value=0):
        self._lock = threading.Lock()
        self._value = int64(value)

    def load(self):
        with self._lock:
            return self._value

    def store(self, value):
        value = int64(value)
        with self._lock:
            self._value = value

    def exchange(self, value):
        value = int64(value)
        with self._lock:
            old, self._value = self._value, value
            return old

    def compare_and_set(self, expected, desired):
        expected, desired = int64(expected), int64(desired)
        with self._lock:
            if self._value != expected:
                return False
            self._value = desired
            return True

    def compare_exchange(self, expected, desired):
        expected, desired = int64(expected), int64(desired)
        with self._lock:
            found = self._value
            if found == expected:
                self._value = desired
            return found

    def _change(self, step):
        """Return the value before and after."""
        with self._lock:
            old = self._value
            self._value = int64(step(old))
            return old, self._value

    def inc(self):
        self._change(lambda value: value + 1)

    def dec(self):
        self._change(lambda value: value - 1)

    def add(self, delta):
        delta = int64(delta)
        self._change(lambda value: value + delta)

    def fetch_add(self, operand=1):
        operand = int64(operand)
        return self._change(lambda value: value + operand)[0]

    def fetch_sub(self, operand=1):
        operand = int64(operand)
        return self._change(lambda value: value - operand)[0]

    def add_fetch(self, delta=1):
        delta = int64(delta)
        return self._change(lambda value: value + delta)[1]

    def sub_fetch(self, delta=1):
        delta = int64(delta)
        return self._change(lambda value: value - delta)[1]

    def fetch_and(self, operand):
        operand = int64(operand)
        return self._change(lambda value: value & operand)[0]

    def fetch_or(self, operand):
        operand = int64(operand)
        return self._change(lambda value: value | operand)[0]

    def fetch_xor(self, operand):
        operand = int64(operand)
        return self._change(lambda value: value ^ operand)[0]

    def fetch_max(self, operand):
        operand = int64(operand)
        return self._change(lambda value: max(value, operand))[0]

    def fetch_min(self, operand):
        operand = int64(operand)
        return self._change(lambda value: min(value, operand))[0]

    def try_add(self, delta, limit):
        delta, limit = int64(delta), int64(limit)
        with self._lock:
            total = self._value + delta
            if not MIN <= total <= MAX or (total > limit if delta >= 0 else total < limit):
                return False
            self._value = total
            return True

    def fetch_inc_mod(self, modulus):
        modulus = int64(modulus)
        if modulus < 1:
            raise ValueError("modulus must be at least 1")
        with self._lock:
            index = self._value if 0 <= self._value < modulus else 0
            self._value = (index + 1) % modulus
            return index

    def advance(self, candidate):
        candidate = int64(candidate)
        return self._change(lambda value: max(candidate, value + 1))[1]

    def update(self, function):
        return self._change(function)[1]

    def fetch_update(self, function):
        return self._change(function)[0]

    def __iadd__(self, operand):
        self.add(operand)
        return self

    def __isub__(self, operand):
        self.fetch_sub(operand)
        return self

    def __iand__(self, operand):
        self.fetch_and(operand)
        return self

    def __ior__(self, operand):
        self.fetch_or(operand)
        return self

    def __ixor__(self, operand):
        self.fetch_xor(operand)
        return self

    def __int__(self):
        return self.load()

    def __bool__(self):
        return self.load() != 0


class SlottedInt(LockInt):
    """The same with slots: a class of its own that takes no value, and is incremented up to it."""

    __slots__ = ("_lock", "_value")

    def __init__(self):
        super().__init__(0)


class WrappingInt:
    """Wraps around at 64 bits by design, as a processor does: for --wraps."""

    def __init__(self, initial: int = 0) -> None:
        self._guard = threading.RLock()
        self._bits = initial

    @staticmethod
    def wrapped(number):
        return (number - MIN) % 2**64 + MIN

    def get(self):
        with self._guard:
            return self._bits

    def set(self, value):
        value = operator.index(value)
        with self._guard:
            self._bits = self.wrapped(value)

    def get_and_add(self, delta=1):
        delta = operator.index(delta)
        with self._guard:
            old = self._bits
            self._bits = self.wrapped(old + delta)
            return old

    def add_and_get(self, delta=1):
        delta = operator.index(delta)
        with self._guard:
            self._bits = self.wrapped(self._bits + delta)
            return self._bits

    def compare_and_set(self, expected, desired):
        with self._guard:
            if self._bits != expected:
                return False
            self._bits = self.wrapped(operator.index(desired))
            return True


def double(number):
    return math.ldexp(number, 0)


def bits(number):
    return struct.pack("<d", number)


class LockFloat:
    """A double, compared by its bits."""

    def __init__(self, value=0.0):
        self._lock = Lock()
        self._value = double(value)

    def load(self):
        with self._lock:
            return self._value

    def store(self, value):
        value = double(value)
        with self._lock:
            self._value = value

    def exchange(self, value):
        value = double(value)
        with self._lock:
            old, self._value = self._value, value
            return old

    def compare_and_set(self, expected, desired):
        expected, desired = double(expected), double(desired)
        return bits(self.compare_exchange(expected, desired)) == bits(expected)

    def compare_exchange(self, expected, desired):
        expected, desired = double(expected), double(desired)
        with self._lock:
            found = self._value
            if bits(found) == bits(expected):
                self._value = desired
            return found

    def _change(self, step):
        with self._lock:
            old = self._value
            self._value = double(step(old))
            return old, self._value

    def add(self, delta):
        delta = double(delta)
        self._change(lambda value: value + delta)

    def fetch_add(self, operand):
        operand = double(operand)
        return self._change(lambda value: value + operand)[0]

    def fetch_sub(self, operand):
        operand = double(operand)
        return self._change(lambda value: value - operand)[0]

    def add_fetch(self, delta):
        delta = double(delta)
        return self._change(lambda value: value + delta)[1]

    def sub_fetch(self, delta):
        delta = double(delta)
        return self._change(lambda value: value - delta)[1]

    def fetch_max(self, operand):
        operand = double(operand)
        return self._change(lambda value: operand if operand > value or math.isnan(value) else value)[0]

    def fetch_min(self, operand):
        operand = double(operand)
        return self._change(lambda value: operand if operand < value or math.isnan(value) else value)[0]

    def update(self, function):
        return self._change(function)[1]

    def fetch_update(self, function):
        return self._change(function)[0]

    def __iadd__(self, operand):
        self.add(operand)
        return self

    def __isub__(self, operand):
        self.fetch_sub(operand)
        return self

    def __float__(self):
        return self.load()

    def __bool__(self):
        return self.load() != 0.0


class LockBool:
    """A flag. Its lock belongs to the class, so that all flags share it."""

    _lock = threading.Lock()

    def __init__(self, value=False):
        self._value = self._truth(value)

    @staticmethod
    def _truth(value):
        if value is not True and value is not False:
            raise TypeError(f"expected True or False, got {type(value).__name__!r}")
        return value

    def load(self):
        return self._value

    def store(self, value):
        value = self._truth(value)
        with self._lock:
            self._value = value

    def exchange(self, value):
        value = self._truth(value)
        with self._lock:
            old, self._value = self._value, value
            return old

    def compare_and_set(self, expected, desired):
        expected, desired = self._truth(expected), self._truth(desired)
        with self._lock:
            if self._value is expected:
                self._value = desired
                return True
            return False

    def compare_exchange(self, expected, desired):
        expected, desired = self._truth(expected), self._truth(desired)
        with self._lock:
            found = self._value
            if found is expected:
                self._value = desired
            return found

    def test_and_set(self):
        return self.exchange(True)

    def clear(self):
        self.store(False)

    def __bool__(self):
        return self._value


class LockRef:
    """A reference, compared by identity."""

    def __init__(self, value=None):
        self._lock = threading.RLock()
        self._value = value

    def load(self):
        return self._value

    def store(self, value):
        with self._lock:
            self._value = value

    def exchange(self, value):
        with self._lock:
            old, self._value = self._value, value
        return old

    def compare_and_set(self, expected, desired):
        with self._lock:
            if self._value is not expected:
                return False
            self._value = desired
            return True

    def compare_exchange(self, expected, desired):
        with self._lock:
            found = self._value
            if found is expected:
                self._value = desired
            return found

    def update(self, function):
        while True:
            old = self.load()
            new = function(old)
            if self.compare_and_set(old, new):
                return new

    def fetch_update(self, function):
        while True:
            old = self.load()
            if self.compare_and_set(old, function(old)):
                return old
