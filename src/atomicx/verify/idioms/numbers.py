"""Idioms of numbers, names, attributes and flags."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from types import FunctionType
from typing import Any

from .idiom import FAQ, Table

NUMBERS = Table()

# The code of the methods a and b is what is examined: it is written as it is found in the wild.

n = 0


def _add_to_global() -> None:
    global n
    n += 1


@NUMBERS.idiom("n += 1  (global)", instead="AtomicInt.inc()")
class GlobalAdd:
    def __init__(self) -> None:
        # Each object has its own globals, so that a thousand samples do not share one.
        self.namespace: dict[str, Any] = {"n": 0}
        self.add: Callable[[], None] = FunctionType(_add_to_global.__code__, self.namespace)

    def a(self) -> None:
        self.add()

    b = a

    def holds(self, a: None, b: None) -> bool:
        return bool(self.namespace["n"] == 2)


@NUMBERS.idiom("n += 1  (nonlocal)", instead="AtomicInt.inc()")
class ClosureAdd:
    def __init__(self) -> None:
        n = 0

        def add() -> None:
            nonlocal n
            n += 1

        self.add: Callable[[], None] = add
        self.total: Callable[[], int] = lambda: n

    def a(self) -> None:
        self.add()

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.total() == 2


@NUMBERS.idiom("n += 1  (local)", contract="no other thread has it")
class LocalAdd:
    def a(self) -> int:
        n = 0
        n += 1
        return n

    b = a

    def holds(self, a: int, b: int) -> bool:
        return a == b == 1


@NUMBERS.idiom("self.n += 1", instead="AtomicInt.inc()")
class AttributeAdd:
    def __init__(self) -> None:
        self.n = 0

    def a(self) -> None:
        self.n += 1

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.n == 2


@NUMBERS.idiom(
    "with lock: self.n += 1",
    instead="AtomicInt.inc(), which no signal handler can deadlock",
    contract="threading.Lock",
)
class LockedAdd:
    def __init__(self) -> None:
        self.n = 0
        self.lock = threading.Lock()

    def a(self) -> None:
        with self.lock:
            self.n += 1

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.n == 2


@NUMBERS.idiom(
    "self.n = f(self.n)", instead="AtomicInt.update(f)", note="a call between the read and the write"
)
class CallBetween:
    def __init__(self) -> None:
        self.n = 0

    def next(self, number: int) -> int:
        return number + 1

    def a(self) -> None:
        self.n = self.next(self.n)

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.n == 2


@NUMBERS.idiom(
    "next(count)", instead="AtomicInt.fetch_add()", note="exact without the GIL since 3.13; promised nowhere"
)
class NextCount:
    def __init__(self) -> None:
        self.numbers = count()

    def a(self) -> int:
        return next(self.numbers)

    b = a

    def holds(self, a: int, b: int) -> bool:
        return {a, b} == {0, 1}


@NUMBERS.idiom(
    "next(generator)",
    instead="AtomicInt.fetch_add(), or queue.SimpleQueue",
    note="ValueError: already executing; may crash 3.13 without the GIL",
    crashes=True,
)
class NextGenerator:
    def __init__(self) -> None:
        self.numbers = self.generate()

    def generate(self) -> Any:
        number = 0
        while True:
            yield number
            number += self.step()

    def step(self) -> int:
        return 1

    def a(self) -> int:
        try:
            next(self.numbers)
            return int(next(self.numbers))
        except ValueError:
            return -1

    b = a

    def holds(self, a: int, b: int) -> bool:
        return min(a, b) >= 1 and max(a, b) == 3


@NUMBERS.idiom("self.x = value", contract=FAQ, instead="AtomicRef.store(), if a result or a swap is wanted")
class Store:
    def __init__(self) -> None:
        self.x: Any = None

    def a(self) -> None:
        self.x = (1, 1)

    def b(self) -> Any:
        return self.x

    def holds(self, a: None, b: Any) -> bool:
        return b in (None, (1, 1)) and self.x == (1, 1)


@NUMBERS.idiom(
    "self.x, self.y = x, y", instead="AtomicRef.store((x, y)): one object for both", note="a reader sees half"
)
class TwoStores:
    def __init__(self) -> None:
        self.x = self.y = 0

    def a(self) -> None:
        self.x, self.y = 1, 1

    def b(self) -> tuple[int, int]:
        return self.x, self.y

    def holds(self, a: None, b: tuple[int, int]) -> bool:
        return b in ((0, 0), (1, 1))


@NUMBERS.idiom("self.x, self.y = self.y, self.x", instead="AtomicRef.update() of a pair")
class SwapAttributes:
    def __init__(self) -> None:
        self.x, self.y = 1, 2

    def a(self) -> None:
        self.x, self.y = self.y, self.x

    b = a

    def holds(self, a: None, b: None) -> bool:
        return (self.x, self.y) == (1, 2)


@NUMBERS.idiom("x, y = y, x  (locals)", contract="no other thread has them")
class SwapLocals:
    def a(self) -> tuple[int, int]:
        x, y = 1, 2
        x, y = y, x
        return x, y

    b = a

    def holds(self, a: tuple[int, int], b: tuple[int, int]) -> bool:
        return a == b == (2, 1)


@NUMBERS.idiom("previous, self.x = self.x, new", instead="AtomicRef.exchange(new)")
class Exchange:
    def __init__(self) -> None:
        self.x = "first"

    def a(self) -> str:
        previous, self.x = self.x, "a"
        return previous

    def b(self) -> str:
        previous, self.x = self.x, "b"
        return previous

    def holds(self, a: str, b: str) -> bool:
        return sorted((a, b, self.x)) == ["a", "b", "first"]


@NUMBERS.idiom(
    "n, self.n = self.n, 0  during  += 1", instead="Counter.drain()", note="what is added in between is lost"
)
class ReadAndReset:
    def __init__(self) -> None:
        self.n = 1

    def a(self) -> int:
        n, self.n = self.n, 0
        return n

    def b(self) -> None:
        self.n += 1

    def holds(self, a: int, b: None) -> bool:
        return a + self.n == 2


@NUMBERS.idiom(
    "if not self.done: self.done = True", instead="AtomicBool.test_and_set()", note="both may come first"
)
class TestAndSet:
    def __init__(self) -> None:
        self.done = False

    def a(self) -> bool:
        if not self.done:
            self.done = True
            return True
        return False

    b = a

    def holds(self, a: bool, b: bool) -> bool:
        return a != b


@NUMBERS.idiom(
    "if self.x is None: self.x = make()", instead="AtomicRef.compare_and_set(None, made)", note="made twice"
)
class MakeLazily:
    def __init__(self) -> None:
        self.x: Any = None

    def a(self) -> Any:
        if self.x is None:
            self.x = object()
        return self.x

    b = a

    def holds(self, a: Any, b: Any) -> bool:
        return a is b


@NUMBERS.idiom("if self.n < limit: self.n += 1", instead="AtomicInt.try_add(1, limit)")
class BoundedAdd:
    def __init__(self) -> None:
        self.n = 0

    def a(self) -> bool:
        if self.n < 1:
            self.n += 1
            return True
        return False

    b = a

    def holds(self, a: bool, b: bool) -> bool:
        return a != b and self.n == 1


@NUMBERS.idiom("self.top = max(self.top, x)", instead="AtomicInt.fetch_max(x)")
class Maximum:
    def __init__(self) -> None:
        self.top = 0

    def a(self) -> None:
        self.top = max(self.top, 1)

    def b(self) -> None:
        self.top = max(self.top, 2)

    def holds(self, a: None, b: None) -> bool:
        return self.top == 2


@NUMBERS.idiom("self.i = (self.i + 1) % size", instead="AtomicInt.fetch_inc_mod(size)")
class RoundRobin:
    def __init__(self) -> None:
        self.i = 0

    def a(self) -> int:
        i = self.i
        self.i = (i + 1) % 3
        return i

    b = a

    def holds(self, a: int, b: int) -> bool:
        return {a, b} == {0, 1}


@NUMBERS.idiom("self.flags |= bit", instead="AtomicInt.fetch_or(bit)")
class SetBits:
    def __init__(self) -> None:
        self.flags = 0

    def a(self) -> None:
        self.flags |= 1

    def b(self) -> None:
        self.flags |= 2

    def holds(self, a: None, b: None) -> bool:
        return self.flags == 3
