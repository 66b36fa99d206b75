"""Correct cells that are written in unusual ways. None may be convicted."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from .correct_cells import LockFloat, LockInt, LockRef, double, int64
from .correct_metrics import LockFamily, LockHistogram


class GeneratorGuards(LockInt):
    """Has guards that are generators, and so are for one block each."""

    @contextmanager
    def track(self):
        self.inc()
        try:
            yield
        finally:
            self.dec()

    @contextmanager
    def admit(self, limit):
        admitted = self.try_add(1, limit)
        try:
            yield admitted
        finally:
            if admitted:
                self.dec()


class SpinningFloat(LockFloat):
    """Asks for its lock again and again instead of waiting for it."""

    @contextmanager
    def _locked(self):
        while not self._lock.acquire(blocking=False):
            pass
        try:
            yield
        finally:
            self._lock.release()

    def load(self):
        with self._locked():
            return self._value

    def exchange(self, value):
        value = double(value)
        with self._locked():
            old, self._value = self._value, value
            return old

    def _change(self, step):
        with self._locked():
            old = self._value
            self._value = double(step(old))
            return old, self._value


class VersionedInt(LockInt):
    """Reads without a lock, and again if it was written meanwhile, or while the version is odd."""

    def __init__(self, value=0):
        super().__init__(value)
        self._version = 0
        self._halves = [self._value & 0xFFFFFFFF, self._value >> 32]

    def _write(self, value):
        self._version += 1
        self._value = value
        self._halves[0] = value & 0xFFFFFFFF
        self._halves[1] = value >> 32
        self._version += 1

    def load(self):
        while True:
            version = self._version
            low = self._halves[0]
            high = self._halves[1]
            if version % 2 == 0 and version == self._version:
                return high << 32 | low

    def store(self, value):
        self.exchange(value)

    def exchange(self, value):
        value = int64(value)
        return self._change(lambda _: value)[0]

    def compare_exchange(self, expected, desired):
        expected, desired = int64(expected), int64(desired)
        return self._change(lambda value: desired if value == expected else value)[0]

    def compare_and_set(self, expected, desired):
        return self.compare_exchange(expected, desired) == int64(expected)

    def try_add(self, delta, limit):
        while True:
            old = self.load()
            cell = LockInt(old)
            if not cell.try_add(delta, limit):
                return False
            if self.compare_and_set(old, cell.load()):
                return True

    def fetch_inc_mod(self, modulus):
        while True:
            old = self.load()
            cell = LockInt(old)
            index = cell.fetch_inc_mod(modulus)
            if self.compare_and_set(old, cell.load()):
                return index

    def _change(self, step):
        while True:
            old = self.load()
            new = int64(step(old))
            with self._lock:
                if self._value == old:
                    self._write(new)
                    return old, new


class CopyingFamily(LockFamily):
    """Never changes a dict that it has published: finds its children without a lock."""

    def _child(self, labels):
        child = self._children.get(labels)
        if child is not None:
            return child
        with self._lock:
            child = self._children.get(labels)
            if child is None:
                if self._limit is not None and len(self._children) >= self._limit:
                    raise ValueError("full")
                child = self._factory()
                self._children = {**self._children, labels: child}
            return child

    def items(self):
        return iter(self._children.items())

    def remove(self, *values):
        labels = self._labels(values)
        with self._lock:
            if labels not in self._children:
                raise KeyError(labels)
            self._children = {key: child for key, child in self._children.items() if key != labels}


class ServedRef(LockRef):
    """Holds no lock while it exchanges: others wait until it is no longer busy."""

    def __init__(self, value=None):
        super().__init__(value)
        self._free = threading.Condition(threading.Lock())
        self._busy = False

    def exchange(self, value):
        with self._free:
            while self._busy:
                self._free.wait()
            self._busy = True
        old, self._value = self._value, value
        with self._free:
            self._busy = False
            self._free.notify_all()
        return old

    def store(self, value):
        self.exchange(value)

    def compare_and_set(self, expected, desired):
        return self.compare_exchange(expected, desired) is expected

    def compare_exchange(self, expected, desired):
        with self._free:
            while self._busy:
                self._free.wait()
            found = self._value
            if found is expected:
                self._value = desired
            return found


class ShardedHistogram(LockHistogram):
    """Counts in shards, one lock each; sums are exact since there is one for each shard."""

    SHARDS = 2

    def __init__(self, bounds):
        super().__init__(bounds)
        self._shards = [LockHistogram(bounds) for _ in range(self.SHARDS)]

    def observe(self, value):
        self._shards[threading.get_ident() // 64 % self.SHARDS].observe(value)

    @staticmethod
    def _together(parts):
        counts = tuple(map(sum, zip(*(part[0] for part in parts), strict=True)))
        total = parts[0][1]
        for part in parts[1:]:
            total = total + part[1] if any(part[0]) else total
        return counts, total

    def snapshot(self):
        return self._together([shard.snapshot() for shard in self._shards])

    def drain(self):
        return self._together([shard.drain() for shard in self._shards])

    @contextmanager
    def time(self):
        try:
            yield
        finally:
            self.observe(0.0)
