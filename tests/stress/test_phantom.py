"""Loads never return an object that was stored only in another AtomicRef.

Without the GIL an object can be freed between the moment a load reads the slot and the moment it takes its
reference; by then the memory may hold another live object that was never stored there. The writer keeps many
other cells filled with fresh objects, so that nearly all reused memory is theirs, and napping threads
interrupt the reader on its core, so that the window lasts long enough for the reuse.
"""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from support.native import native
from support.race import CAUGHT_WITHIN_SECONDS, GIL, SECONDS, never_caught, race
from support.split import OneLookRef, Pool

OTHERS = 256
NAPPERS = 4
LOADS_A_BATCH = 1000
# The window exists only without the GIL.
LOADING_SECONDS = (5 if GIL else 40) * SECONDS


class Stored:
    """Large, so that a page of memory holds few of them and is soon reused."""

    __slots__ = ("home", *(f"filler_{index}" for index in range(100)))

    def __init__(self, home: str) -> None:
        self.home = home


def phantoms(make: Callable[[Any], Any], seconds: float, enough: float) -> int:
    """Return how many loads, within the time or until there are enough, returned a foreign object."""
    end = time.monotonic() + seconds
    watched = make(Stored("watched"))
    others = [make(Stored("elsewhere")) for _ in range(OTHERS)]
    done: list[None] = []

    def read() -> int:
        found = 0
        try:
            while found < enough and time.monotonic() < end:
                for _ in range(LOADS_A_BATCH):
                    if watched.load().home != "watched":
                        found += 1
        finally:
            done.append(None)
        return found

    def write() -> None:
        while not done:
            for other in others:
                watched.store(Stored("watched"))
                other.store(Stored("elsewhere"))

    return int(race(read, write, naps=NAPPERS)[0])


def control(backend: ModuleType) -> Callable[[Any], Any]:
    """Return the broken cell: in C if one C call is not atomic, else in Python."""
    if backend.__name__.endswith("_core") and not GIL:
        return native("broken").OneLookRef
    pool = Pool()
    return lambda value: OneLookRef(pool, value)


def test_no_load_returns_what_was_stored_elsewhere(backend: ModuleType) -> None:
    if not phantoms(control(backend), CAUGHT_WITHIN_SECONDS, enough=1):
        never_caught(phantoms)
    assert phantoms(backend.AtomicRef, LOADING_SECONDS, enough=float("inf")) == 0
