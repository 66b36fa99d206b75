"""Broken cells whose one fault depends on which thread comes: how many there are, which one made the cell, or
how long one waits. Some are hard to convict because they have a thread of their own.
"""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from .correct_cells import MAX, MIN, LockInt, LockRef, int64
from .correct_metrics import LockCounter


class TimesOut(LockInt):
    """Waits for its lock for a while, and then goes on without it."""

    def fetch_add(self, operand=1):
        operand = int64(operand)
        has_lock = self._lock.acquire(timeout=0.05)
        try:
            old = self._value
            self._value = int64(old + operand)
            return old
        finally:
            if has_lock:
                self._lock.release()


class BiasedToItsMaker(LockInt):
    """The thread that made it needs no lock."""

    def __init__(self, value=0):
        super().__init__(value)
        self._owner = threading.get_ident()

    def fetch_sub(self, operand=1):
        if threading.get_ident() != self._owner:
            return super().fetch_sub(operand)
        operand = int64(operand)
        old = self._value
        self._value = int64(old - operand)
        return old


class BiasedToTheFirst(LockCounter):
    """The first thread that adds needs no lock."""

    _owner = None

    def add(self, n):
        n = self._count(n)
        if self._owner is None:
            self._owner = threading.get_ident()
        if self._owner == threading.get_ident():
            self._total = int64(self._total + n)
        else:
            super().add(n)


class _Shares(LockCounter):
    """Has a share for each key."""

    def __init__(self, value=0):
        super().__init__(value)
        self._shares = {}

    def _sum(self):
        return self._total + sum(self._shares.values())

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
            self._shares = dict.fromkeys(self._shares, 0)
            return total


_numbers = itertools.count()
_own = threading.local()


class RoomForEight(_Shares):
    """Has eight shares for threads; a ninth thread counts nothing."""

    def inc(self):
        if not hasattr(_own, "number"):
            _own.number = next(_numbers)
        with self._lock:
            int64(self._sum() + 1)
            if _own.number in self._shares or len(self._shares) < 8:
                self._shares[_own.number] = self._shares.get(_own.number, 0) + 1


class SameIdentifier(_Shares):
    """A thread's share begins at zero, though an earlier thread had the same identifier."""

    def __init__(self, value=0):
        super().__init__(value)
        self._own = threading.local()

    def inc(self):
        with self._lock:
            int64(self._sum() + 1)
            if not hasattr(self._own, "known"):
                self._own.known = True
                self._shares[threading.get_ident()] = 0
            self._shares[threading.get_ident()] += 1


class LockPerThread(LockInt):
    """Each thread has its own lock."""

    def __init__(self, value=0):
        super().__init__(value)
        self._own = threading.local()

    def fetch_or(self, operand):
        operand = int64(operand)
        if not hasattr(self._own, "lock"):
            self._own.lock = threading.Lock()
        with self._own.lock:
            old = self._value
            self._value = old | operand
            return old


class LockMadeLate(LockInt):
    """Makes its lock when it is first needed."""

    def __init__(self, value=0):
        self._value = int64(value)
        self._late = None

    @property
    def _lock(self):
        if self._late is None:
            self._late = threading.Lock()
        return self._late


class TwoPermits(LockInt):
    """Lets two threads in."""

    def __init__(self, value=0):
        super().__init__(value)
        self._permits = threading.Semaphore(2)

    def exchange(self, value):
        value = int64(value)
        with self._permits:
            old, self._value = self._value, value
            return old


class WaitsOnce(LockRef):
    """Does not look again when it is woken."""

    def __init__(self, value=None):
        super().__init__(value)
        self._free = threading.Condition()
        self._busy = False

    @contextmanager
    def _alone(self):
        with self._free:
            if self._busy:
                self._free.wait()
            self._busy = True
        try:
            yield
        finally:
            with self._free:
                self._busy = False
                self._free.notify()

    def exchange(self, value):
        with self._alone():
            old, self._value = self._value, value
            return old

    def store(self, value):
        self.exchange(value)

    def compare_exchange(self, expected, desired):
        with self._alone():
            found = self._value
            if found is expected:
                self._value = desired
            return found

    def compare_and_set(self, expected, desired):
        return self.compare_exchange(expected, desired) is expected


class SplitBesideAThread:
    """Adds in two steps, without any call in between. Its thread only waits for work."""

    _thread = ThreadPoolExecutor(1)

    def __init__(self, value=0):
        self._value = self._thread.submit(int64, value).result()

    def load(self):
        return self._value

    def store(self, value):
        self._value = int64(value)

    def fetch_add(self, operand=1):
        operand = int64(operand)
        old = self._value
        new = old + operand
        if MIN <= new <= MAX:
            self._value = new
            return old
        raise OverflowError("outside int64")


class CrossedLocks(LockRef):
    """Takes two locks, and one operation takes them in the other order. Its thread only waits for work."""

    _thread = ThreadPoolExecutor(1)

    def __init__(self, value=None):
        super().__init__(self._thread.submit(lambda: value).result())
        self._other = threading.Lock()

    def store(self, value):
        with self._other:
            super().store(value)

    def exchange(self, value):
        with self._lock, self._other:
            old, self._value = self._value, value
            return old


class AsksWhetherLocked(LockInt):
    """Does without the lock while nobody has it."""

    def dec(self):
        if self._lock.locked():
            super().dec()
        else:
            self._value = int64(self._value - 1)
