"""Timer, which Histogram.time() returns.

What an entry has to remember until its exit is when it was. A timer that is entered once at a time, as nearly
all are, keeps that itself. While it does, and for as long as it has other entries, a further entry is kept
in the context (contextvars) of whoever enters: each thread has one of its own, and so has each task of
asyncio, so that an exit finds the entry that belongs to it however threads and tasks take turns.
csrc/binding/type_timer.c has the whole argument.
"""

from __future__ import annotations

from contextvars import ContextVar
from time import perf_counter_ns

from .chain import Unpicklable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .type_histogram import Histogram

SECONDS_PER_NS = 1e-9


class Entry:
    """One of a context's entries, in a linked list, the innermost first."""

    __slots__ = ("outer", "start", "timer")
    outer: Entry | None  # immutable after creation
    start: int  # in nanoseconds; immutable after creation
    timer: Timer | None  # None: it was left


entries: ContextVar[Entry | None] = ContextVar("atomicx.timers", default=None)


def innermost(entry: Entry | None, timer: Timer | None) -> Entry | None:
    """Return the first entry, from this one outwards, that is timer's (None: anybody's)."""
    while entry is not None and (entry.timer is None or (timer is not None and entry.timer is not timer)):
        entry = entry.outer
    return entry


class Timer(Unpicklable):
    """What Histogram.time() returns: a context manager and a decorator. It keeps its histogram alive.

    Each exit ends the innermost entry of its own context (contextvars): of its thread, or of its asyncio
    task. A generator that is suspended inside shares the context of its caller, so that its exit may end an
    entry of the caller's with the same timer; give it a timer of its own."""

    __slots__ = ("__histogram", "__others", "__own", "__weakref__")
    __module__ = "atomicx._reference"

    def __init__(self, histogram: Histogram, /) -> None:
        self.__histogram = histogram
        self.__own: dict[str, int] = {}  # the entry that the timer keeps itself: {"start": ns}
        self.__others: dict[int, Entry] = {}  # those in contexts, by id

    def __enter__(self, /) -> Histogram:
        """Begin to measure. Returns the histogram.

        Raises MemoryError if there is no memory for one more entry at a time. Never waits.
        """
        start = perf_counter_ns()
        # An int of its own, so that identity tells whose it is.
        if self.__others or self.__own.setdefault("start", start) is not start:
            entry = Entry()
            entry.timer, entry.start, entry.outer = self, start, innermost(entries.get(), None)
            self.__others[id(entry)] = entry
            entries.set(entry)
        return self.__histogram

    def __exit__(self, /, *exc_info: object) -> None:
        """Observe the seconds since the entry. Returns None: an exception passes on.

        Raises RuntimeError if there was no entry. Never waits.
        """
        from .type_histogram import record

        end = perf_counter_ns()
        entry = innermost(entries.get(), self) if self.__others else None
        if entry is not None:
            start = entry.start
            entry.timer = None
            del self.__others[id(entry)]
        else:
            kept = self.__own.pop("start", None)
            if kept is None:
                raise RuntimeError("the timer was not entered")
            start = kept
        record(self.__histogram, (end - start) * SECONDS_PER_NS)

    def __call__(self, function: Callable[..., Any], /) -> Callable[..., Any]:
        """Return function, wrapped so that each call of it, or each awaited call, is measured.

        A generator function is measured only while it makes its generator. Raises TypeError if function
        cannot be called."""
        from .._decorator import wrap_each

        return wrap_each(self.__histogram.time, function)
