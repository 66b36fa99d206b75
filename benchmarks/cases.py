"""What is measured: one operation a case, and how to read its row."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass

import atomicx

from .floor import floor_module

LOCK = "locked"
FLOOR = "floor"


class Locked:
    """The counter that people write: an int, a lock, a method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value = 0

    def inc(self) -> None:
        with self._lock:
            self._value += 1


@dataclass(frozen=True)
class Case:
    """The statements, one operation each, use the names that `make` returns, as local variables."""

    name: str
    label: str
    statements: tuple[str, ...]
    make: Callable[[], dict[str, object]]


def cell_case(label: str, cell_type: Callable[[], object], *statements: str) -> Case:
    return Case(label, f"`{label}`", statements, lambda: {"cell": cell_type()})


def cases() -> list[Case]:
    """All of them, in the order of the tables; builds what it takes."""
    floor = floor_module().Floor
    return [
        Case(FLOOR, "a C method that does nothing", ("cell.nothing()",), lambda: {"cell": floor()}),
        cell_case("AtomicInt.inc()", atomicx.AtomicInt, "cell.inc()"),
        cell_case("AtomicInt.load()", atomicx.AtomicInt, "cell.load()"),
        cell_case("AtomicInt.fetch_add(1)", atomicx.AtomicInt, "cell.fetch_add(1)"),
        # One there and one back, so that every one of them swaps.
        cell_case(
            "AtomicInt.compare_and_set(a, b)",
            atomicx.AtomicInt,
            "cell.compare_and_set(0, 1)",
            "cell.compare_and_set(1, 0)",
        ),
        cell_case("Counter.inc()", atomicx.Counter, "cell.inc()"),
        cell_case("AtomicRef.load()", atomicx.AtomicRef, "cell.load()"),
        Case("count", "`next(itertools.count())`", ("next(cell)",), lambda: {"cell": itertools.count()}),
        Case(
            "lock inline",
            "`with lock: value += 1`",
            ("with lock: value += 1",),
            lambda: {"lock": threading.Lock(), "value": 0},
        ),
        Case(LOCK, "`inc()` of a class with a lock and an int", ("cell.inc()",), lambda: {"cell": Locked()}),
    ]
