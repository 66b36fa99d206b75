"""Cells that are broken on purpose: the controls of the race tests.

Each has the operations of the real cells, and one bug that was seen in the field.
"""

import ctypes
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from support.race import pause

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)


class Split:
    """Every change is a load, and then a store: what comes between them is lost."""

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def same(self, one: Any, other: Any) -> bool:
        return bool(one == other)

    def change(self, step: Callable[[Any], Any]) -> tuple[Any, Any]:
        before = self.value
        after = step(before)
        pause()
        self.value = after
        return before, after

    def load(self) -> Any:
        return self.value

    def store(self, value: Any) -> None:
        self.value = value

    def exchange(self, value: Any) -> Any:
        return self.change(lambda _: value)[0]

    def compare_exchange(self, expected: Any, desired: Any) -> Any:
        before = self.value
        if self.same(before, expected):
            pause()
            self.value = desired
        return before

    def compare_and_set(self, expected: Any, desired: Any) -> bool:
        return self.same(self.compare_exchange(expected, desired), expected)

    def update(self, function: Callable[[Any], Any]) -> Any:
        return self.change(function)[1]

    def fetch_update(self, function: Callable[[Any], Any]) -> Any:
        return self.change(function)[0]

    def inc(self) -> None:
        self.change(lambda now: now + 1)

    def dec(self) -> None:
        self.change(lambda now: now - 1)

    def add(self, delta: Any) -> None:
        self.change(lambda now: now + delta)

    def fetch_add(self, delta: Any) -> Any:
        return self.change(lambda now: now + delta)[0]

    def fetch_sub(self, delta: Any) -> Any:
        return self.change(lambda now: now - delta)[0]

    def add_fetch(self, delta: Any) -> Any:
        return self.change(lambda now: now + delta)[1]

    def sub_fetch(self, delta: Any) -> Any:
        return self.change(lambda now: now - delta)[1]

    def fetch_max(self, operand: Any) -> Any:
        return self.change(lambda now: max(now, operand))[0]

    def fetch_min(self, operand: Any) -> Any:
        return self.change(lambda now: min(now, operand))[0]

    def fetch_and(self, operand: int) -> Any:
        return self.change(lambda now: now & operand)[0]

    def fetch_or(self, operand: int) -> Any:
        return self.change(lambda now: now | operand)[0]

    def fetch_xor(self, operand: int) -> Any:
        return self.change(lambda now: now ^ operand)[0]

    def try_add(self, delta: int, limit: int) -> bool:
        before = self.value
        if before + delta > limit if delta >= 0 else before + delta < limit:
            return False
        pause()
        self.value = before + delta
        return True

    def fetch_inc_mod(self, modulus: int) -> Any:
        return self.change(lambda now: (now + 1) % modulus)[0]

    def advance(self, candidate: int) -> Any:
        return self.change(lambda now: max(candidate, now + 1))[1]

    def test_and_set(self) -> Any:
        return self.exchange(True)

    def clear(self) -> None:
        self.value = False

    def drain(self) -> Any:
        return self.exchange(0)

    def track(self) -> "SplitGuard":
        return SplitGuard(self)

    def __iadd__(self, delta: Any) -> "Split":
        self.add(delta)
        return self

    def __isub__(self, delta: Any) -> "Split":
        self.fetch_sub(delta)
        return self

    def __iand__(self, operand: int) -> "Split":
        self.fetch_and(operand)
        return self

    def __ior__(self, operand: int) -> "Split":
        self.fetch_or(operand)
        return self

    def __ixor__(self, operand: int) -> "Split":
        self.fetch_xor(operand)
        return self


class SplitGuard:
    def __init__(self, cell: Split) -> None:
        self.cell = cell

    def __enter__(self) -> None:
        self.cell.inc()

    def __exit__(self, *exception: object) -> None:
        self.cell.dec()


class SplitRef(Split):
    def same(self, one: Any, other: Any) -> bool:
        return one is other


class LateCheck:
    """Adds whole, but looks for the overflow afterwards: others see the wrapped value meanwhile."""

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self.lock = threading.Lock()

    def load(self) -> int:
        return self.value

    def fetch_add(self, delta: int) -> int:
        with self.lock:
            before = self.value
            self.value = (before + delta - INT64_MIN) % 2**64 + INT64_MIN
        pause()
        if not INT64_MIN <= before + delta <= INT64_MAX:
            with self.lock:
                self.value = (self.value - delta - INT64_MIN) % 2**64 + INT64_MIN
            raise OverflowError
        return before

    def add(self, delta: int) -> None:
        self.fetch_add(delta)


class StaleBase:
    """Keeps what was drained apart from what was counted, and does not look whether it moved meanwhile."""

    def __init__(self) -> None:
        self.counted = 0
        self.base = 0

    def inc(self) -> None:
        self.counted += 1

    def load(self) -> int:
        base = self.base
        pause()
        return self.counted - base

    def drain(self) -> int:
        counted = self.counted
        taken = counted - self.base
        self.base = counted
        return taken


class Stripe:
    count = 0


class ForgetfulCounter:
    """Striped by thread, and a stripe goes with its thread: so do its counts."""

    def __init__(self) -> None:
        self.mine = threading.local()
        self.stripes: weakref.WeakSet[Stripe] = weakref.WeakSet()

    def inc(self) -> None:
        if not hasattr(self.mine, "stripe"):
            self.mine.stripe = Stripe()
            self.stripes.add(self.mine.stripe)
        self.mine.stripe.count += 1

    def load(self) -> int:
        return sum(stripe.count for stripe in self.stripes)


class MiscountingRef:
    """Counts its references by hand, and its compare-and-set is split: both of two racing swaps succeed.

    Every object gets spare references first, so that a count which is too low frees nothing in use.
    """

    def __init__(self, value: Any, others: Iterable[Any], spare: int) -> None:
        for thing in (value, *others):
            for _ in range(spare):
                self.count(ctypes.pythonapi.Py_IncRef, thing)
        self.value = id(value)

    def count(self, change: Any, thing: Any) -> None:
        change(ctypes.py_object(thing))

    def compare_and_set(self, expected: Any, desired: Any) -> bool:
        if self.value != id(expected):
            return False
        pause()
        self.count(ctypes.pythonapi.Py_IncRef, desired)
        self.value = id(desired)
        self.count(ctypes.pythonapi.Py_DecRef, expected)
        return True


class Pool:
    """Storage whose places are used again: what freed memory is to a reference without the GIL."""

    def __init__(self) -> None:
        self.places: list[Any] = []
        self.free: list[int] = []

    def put(self, thing: Any) -> int:
        if self.free:
            place = self.free.pop()
            self.places[place] = thing
            return place
        self.places.append(thing)
        return len(self.places) - 1


class OneLookRef:
    """Reads where its object is, then takes what is there, and does not look again whether it still is."""

    def __init__(self, pool: Pool, value: Any) -> None:
        self.pool = pool
        self.place = pool.put(value)

    def load(self) -> Any:
        place = self.place
        pause()
        return self.pool.places[place]

    def store(self, value: Any) -> None:
        before = self.place
        self.place = self.pool.put(value)
        self.pool.free.append(before)
