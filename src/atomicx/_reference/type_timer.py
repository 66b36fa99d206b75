"""Timer, which Histogram.time() returns.

An entry has to remember its start time until its exit. Many entries may be open at once. Each belongs to the
context (contextvars) that entered, because contexts tell both threads and asyncio tasks apart. All entries of
a timer are one tuple in one cell, which a compare-and-swap replaces.

A token tells which context an entry belongs to: a context variable takes back a token only in the context
that it was created in. The variable has the same value, None, in every context, so contexts keep nothing.
"""

# A cell holds any value here.
# mypy: no-warn-return-any

from __future__ import annotations

from contextvars import ContextVar
from time import perf_counter_ns

from .chain import Cell, Unpicklable, current, swap
from .shown import shown_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from typing import Any

SECONDS_PER_NS = 1e-9

belonging: ContextVar[None] = ContextVar("atomicx.timers", default=None)


class Entry:
    """One entry of a timer that has not been left yet."""

    __slots__ = ("start", "token")

    def __init__(self) -> None:
        self.token: Token[None] = belonging.set(None)
        self.start = perf_counter_ns()

    def is_of_this_context(self) -> bool:
        """Return whether the entry belongs to this context. Only once: a True uses up the token."""
        try:
            belonging.reset(self.token)
        except ValueError:  # another context's
            return False
        except RuntimeError:  # used up: this context is already leaving the entry, and was interrupted
            return False
        return True


class Entries(Cell):
    """The open entries of one timer, the newest last."""

    __slots__ = ()
    _Cell__zero = ()


def enter(entries: Entries) -> None:
    entry = Entry()
    while True:
        version, open_ones = current(entries)
        if swap(entries, version, (*open_ones, entry)):
            return


def take(entries: Entries, entry: Entry) -> bool:
    """Remove the entry. Returns False if another exit has removed it."""
    while True:
        version, open_ones = current(entries)
        if entry not in open_ones:
            return False
        if swap(entries, version, tuple(other for other in open_ones if other is not entry)):
            return True


def leave(entries: Entries) -> Entry:
    """Remove the newest entry of this context or, if it has none, the only open one. Returns the entry."""
    _, open_ones = current(entries)
    for entry in reversed(open_ones):
        if entry.is_of_this_context() and take(entries, entry):
            return entry
    while True:
        version, open_ones = current(entries)
        if len(open_ones) != 1:
            raise RuntimeError(
                "the timer was not entered in this context, only in others"
                if open_ones
                else "the timer was not entered"
            )
        if swap(entries, version, ()):
            (entry,) = open_ones
            return entry


class Timer(Unpicklable):
    """Observes in its histogram how long its blocks take, in seconds: `with histogram.time():`.

    It is a context manager, and a decorator for functions, coroutine functions, generator functions and async
    generator functions. It also observes when the block raises. It may be entered many times, even while it
    is entered, and by many threads and tasks. It keeps its histogram alive.

    Each exit ends the newest entry of its own context (contextvars), that is of its thread or asyncio task. A
    context without an entry may end the only open one, so that a generator can be finished elsewhere. A
    generator shares the context of its caller: if both use one timer, each may end the other's entry. Give
    every block a timer of its own, as a decorator does for each call.
    """

    __slots__ = ("__entries", "__histogram", "__record", "__weakref__")
    __module__ = "atomicx._reference"

    def __init__(self, histogram: Any, record: Callable[[Any, float], None], /) -> None:
        self.__histogram = histogram
        self.__record = record
        self.__entries = Entries()

    def __enter__(self, /) -> Any:
        """Begin to measure. Returns the histogram.

        Raises MemoryError if there is no memory for another open entry. Lock-free.
        """
        enter(self.__entries)
        return self.__histogram

    def __exit__(self, /, *exc_info: object) -> None:
        """Observe the seconds since the entry. Returns None, so an exception propagates.

        Raises RuntimeError if this context has no entry, unless exactly one is open elsewhere, which is then
        ended. An exit that raises changes nothing. Lock-free.
        """
        end = perf_counter_ns()
        entry = leave(self.__entries)
        self.__record(self.__histogram, (end - entry.start) * SECONDS_PER_NS)

    def __call__(self, function: Callable[..., Any], /) -> Callable[..., Any]:
        """Return function, wrapped so that each call of it is measured by a timer of its own.

        A coroutine function is measured while its coroutine runs; a generator function or async generator
        function is measured from the first step until the generator finishes, is closed or is collected. The
        result is a function of the same kind, and keeps name, docstring and signature. Raises TypeError if
        function is not callable.
        """
        from .._decorator import wrap_each

        wrapped: Callable[..., Any] = wrap_each(self.__histogram.time, function)
        return wrapped

    def __repr__(self, /) -> str:
        return shown_once(self, lambda: f"<Timer of {self.__histogram!r}>", "<Timer of ...>")
