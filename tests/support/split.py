"""Cells that are broken on purpose: the controls of the race tests.

Each has the operations of the real cells, and one bug that was seen in the field.
"""

import ctypes
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from atomicx.verify.spec.cells import CELLS
from atomicx.verify.spec.kinds import INT64_MAX, INT64_MIN
from atomicx.verify.spec.model import ITSELF, Model, Operation
from support.race import pause


def split(model: Model) -> type[Any]:
    """A cell in which every change is a load and then a store; changes in between are lost."""
    members: dict[str, Any] = {}
    guards: dict[str, dict[str, Any]] = {}
    for row in model.operations:
        method, called, step = row.name.partition("().")
        if called:
            guards.setdefault(method, {})[step] = of_a_guard(split_method(row))
        elif row.atomic and row.name != "__repr__":
            members[row.name] = split_method(row)
    for method, steps in guards.items():
        members[method] = Guarding(f"Split{model}Guard", steps)
    return type(f"Split{model}", (), {"value": model.initial, **members})


def split_method(row: Operation) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any) -> Any:
        values = row.convert(arguments)
        before = self.value
        after, result = row.step(before, *values)
        if after is not before:
            pause()
            self.value = after
        return self if result is ITSELF else result

    return method


def of_a_guard(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same, called on a guard, with the arguments of `__exit__`."""
    return lambda guard, *_: method(guard.cell)


class Guarding:
    """The method that makes guards, written as a descriptor, so that each guard knows its cell."""

    def __init__(self, name: str, steps: dict[str, Any]) -> None:
        self.guard_type = type(name, (), steps)

    def __get__(self, cell: Any, owner: object) -> Callable[[], Any]:
        def make() -> Any:
            guard = self.guard_type()
            guard.cell = cell
            return guard

        return make


SPLIT = {model.name: split(model) for model in CELLS}
SPLIT |= {"SharedInt": SPLIT["AtomicInt"], "SharedFloat": SPLIT["AtomicFloat"]}


class LateCheck:
    """Adds in one step, but looks for the overflow afterwards: meanwhile others see the wrapped value."""

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
    """Keeps drained counts apart from counted ones, and does not check whether they moved meanwhile."""

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
    """Striped by thread. A stripe disappears with its thread, and so do its counts."""

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
    """Counts its references by hand, and its compare-and-set is split: two racing swaps can both succeed.

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
    """Storage whose places are reused, as freed memory is for a reference without the GIL."""

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
    """Reads where its object is, then takes what is there, and does not check that it is still the same."""

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
