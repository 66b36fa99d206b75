"""Correct cells in other styles: threads of their own, queues, agreement without locks.

None may be convicted.
"""

from __future__ import annotations

import array
import dataclasses
import functools
import operator
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import atomicx

from .correct_cells import LockInt, double, int64
from .correct_metrics import LockFamily

Held = TypeVar("Held")


class SetdefaultRef:
    """A list of values, the next of which is agreed upon by `dict.setdefault`. It has no lock."""

    def __init__(self, value=None):
        self._values = {0: [value]}
        self._known = 0

    def _last(self):
        number = self._known
        while number + 1 in self._values:
            number += 1
        self._known = number
        return number

    def _agreed(self, number, value):
        mine = [value]
        return self._values.setdefault(number, mine) is mine

    def load(self):
        return self._values[self._last()][0]

    def compare_exchange(self, expected, desired):
        while True:
            number = self._last()
            found = self._values[number][0]
            if found is not expected or self._agreed(number + 1, desired):
                return found

    def compare_and_set(self, expected, desired):
        while True:
            number = self._last()
            if self._values[number][0] is not expected:
                return False
            if self._agreed(number + 1, desired):
                return True

    def exchange(self, value):
        while True:
            number = self._last()
            if self._agreed(number + 1, value):
                return self._values[number][0]

    def store(self, value):
        self.exchange(value)


class ServingInt:
    """A thread of its own does everything."""

    _thread = ThreadPoolExecutor(1)

    def __init__(self, value=0):
        self._value = int64(value)

    def _change(self, step):
        old = self._value
        self._value = int64(step(old))
        return old

    def _changed(self, step):
        return self._thread.submit(self._change, step).result()

    def load(self):
        return self._changed(lambda value: value)

    def store(self, value):
        value = int64(value)
        self._changed(lambda _: value)

    def fetch_add(self, operand=1):
        operand = int64(operand)
        return self._changed(lambda value: value + operand)


class QueueInt:
    """The value is the only item of a queue: whoever takes it out changes it, and puts it back."""

    def __init__(self, value=0):
        self._queue = queue.Queue()
        self._queue.put(int64(value))

    def _change(self, step):
        new = old = self._queue.get()
        try:
            new = int64(step(old))
            return old
        finally:
            self._queue.put(new)

    def load(self):
        return self._change(lambda value: value)

    def exchange(self, value):
        value = int64(value)
        return self._change(lambda _: value)

    def fetch_add(self, operand=1):
        operand = int64(operand)
        return self._change(lambda value: value + operand)

    def compare_and_set(self, expected, desired):
        expected, desired = int64(expected), int64(desired)
        return self._change(lambda value: desired if value == expected else value) == expected


class PollingQueueInt(QueueInt):
    """Waits for the item with a limit of time, again and again."""

    def _change(self, step):
        while True:
            try:
                new = old = self._queue.get(timeout=1)
                break
            except queue.Empty:
                continue
        try:
            new = int64(step(old))
            return old
        finally:
            self._queue.put(new)


class KeywordInt:
    """Takes its arguments by name only."""

    def __init__(self, *, value=0):
        self._lock = threading.Lock()
        self._value = int64(value)

    def load(self):
        with self._lock:
            return self._value

    def store(self, *, value):
        value = int64(value)
        with self._lock:
            self._value = value

    def fetch_add(self, *, operand=1):
        operand = int64(operand)
        with self._lock:
            old = self._value
            self._value = int64(old + operand)
            return old

    def compare_and_set(self, expected, *, desired):
        expected, desired = int64(expected), int64(desired)
        with self._lock:
            if self._value != expected:
                return False
            self._value = desired
            return True


class PropertyRef(Generic[Held]):
    """Has its value as a property that can be set."""

    def __init__(self, value: Held | None = None):
        self._changed = threading.Condition()
        self._value = value

    @property
    def value(self):
        with self._changed:
            return self._value

    @value.setter
    def value(self, value):
        with self._changed:
            self._value = value
            self._changed.notify_all()

    def swap(self, value):
        with self._changed:
            old, self._value = self._value, value
            return old

    def cas(self, expected, desired):
        with self._changed:
            is_expected = self._value is expected
            if is_expected:
                self._value = desired
            return is_expected


@dataclasses.dataclass
class DataInt:
    """A dataclass, whose field anyone can read."""

    value: int = 0
    _lock: threading.RLock = dataclasses.field(default_factory=threading.RLock, repr=False, compare=False)

    def __post_init__(self):
        self.value = int64(self.value)

    def increment(self):
        with self._lock:
            self.value = int64(self.value + 1)

    def add_and_get(self, delta=1):
        delta = int64(delta)
        with self._lock:
            self.value = int64(self.value + delta)
            return self.value


class _Bits(type):
    def __new__(cls, name, bases, namespace):
        def method(apply):
            def change(self, operand):
                operand = int64(operand)
                return self._change(lambda value: apply(value, operand))[0]

            return change

        bits = {"fetch_and": operator.and_, "fetch_or": operator.or_, "fetch_xor": operator.xor}
        namespace.update((operation, method(apply)) for operation, apply in bits.items())
        return super().__new__(cls, name, bases, namespace)


class MadeInt(LockInt, metaclass=_Bits):
    """Some of its methods are made by a metaclass."""


class ArrayFloat:
    """Holds its value in an array."""

    __slots__ = ("_lock", "_values")

    def __init__(self, value=0.0):
        self._lock = threading.Lock()
        self._values = array.array("d", [value])

    def load(self):
        return self._values[0]

    def store(self, value):
        self._values[0] = double(value)

    def exchange(self, value):
        value = double(value)
        with self._lock:
            old, self._values[0] = self._values[0], value
            return old


class OneAtATimeInt(LockInt):
    """Waits for its lock with a limit of time, again and again."""

    def fetch_add(self, operand=1):
        operand = int64(operand)
        while not self._lock.acquire(timeout=0.05):
            pass
        try:
            old = self._value
            self._value = int64(old + operand)
            return old
        finally:
            self._lock.release()


class ImpatientInt(LockInt):
    """Raises an error after waiting for too long."""

    def fetch_sub(self, operand=1):
        operand = int64(operand)
        if not self._lock.acquire(timeout=600):
            raise TimeoutError("somebody keeps the lock")
        try:
            old = self._value
            self._value = int64(old - operand)
            return old
        finally:
            self._lock.release()


class ImpatientFamily(LockFamily):
    """Raises an error after waiting for too long."""

    def _child(self, labels):
        if not self._lock.acquire(timeout=600):
            raise TimeoutError("somebody keeps the lock")
        try:
            if labels not in self._children:
                if self._limit is not None and len(self._children) >= self._limit:
                    raise ValueError(f"full: {self._limit} children, cannot add {labels}")
                self._children[labels] = self._factory()
            return self._children[labels]
        finally:
            self._lock.release()


class ForwardingInt:
    """Wraps another cell, and has no methods of its own."""

    def __init__(self, value=0):
        self._cell = atomicx.AtomicInt(value)

    def __getattr__(self, name):
        return getattr(self._cell, name)


partial_ref = functools.partial(atomicx.AtomicRef)
