"""Histories: what each thread called, when it called it, when the call returned, and what it returned.

    counter = recorded(AtomicInt())
    ...                                     # threads use it as they would use the cell
    print(check_linearizable(counter.history(), ATOMIC_INT))

Precedence is the whole point: an operation comes before another only if it returned before the other was
called. The clock is read before the call and again after it, so the recorded interval contains the real one.
Reading it late or early would invent precedence that was not there. Equal readings therefore count as
overlap. `time.perf_counter_ns` is monotonic over all threads of a process on every system that CPython
supports. A counter shared by all threads would order them too, but it would make them wait for each other
between operations, and so hide what the check looks for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..spec.model import ITSELF, raises

Clock = Callable[[], int]


class _Unknown:
    def __repr__(self) -> str:
        return "?"


UNKNOWN = _Unknown()
"""The result of an operation that did not return."""


class Event(NamedTuple):
    """One operation. `responded` is None while it is pending: it may have happened, may yet, or may never."""

    invoked: int
    """When it was called, on a clock that all threads share."""
    responded: int | None
    """When it returned or raised."""
    thread: int
    """The number of the thread that called it."""
    operation: str
    """The name of the operation."""
    arguments: tuple[Any, ...]
    """What it was called with."""
    result: Any
    """What it returned; for an exception, a tuple of "raises" and the exception's name."""

    @property
    def pending(self) -> bool:
        return self.responded is None

    @property
    def raised(self) -> bool:
        return type(self.result) is tuple and bool(self.result[:1] == ("raises",))

    def call(self) -> str:
        """Return the operation as it would be written in source: `fetch_add(1)`."""
        return f"{self.operation}({', '.join(map(_shown, self.arguments))})"

    def __str__(self) -> str:
        if self.raised:
            return f"{self.call()} raises {self.result[1]}"
        return f"{self.call()} -> {_shown(self.result)}"


def _shown(value: Any) -> str:
    # For the functions given to update(): the address in their repr would differ from run to run.
    return str(getattr(value, "__name__", None) or repr(value))


def precedes(one: Event, other: Event) -> bool:
    """Return whether `one` returned before `other` was called. A tie is not before."""
    return one.responded is not None and one.responded < other.invoked


@dataclass(frozen=True)
class History:
    """Events in the order of their invocation. `History.of` sorts any events into one."""

    events: tuple[Event, ...]

    @classmethod
    def of(cls, events: Iterable[Event]) -> History:
        # Sorting is stable: a thread's operations keep their order even if the clock stood still.
        return cls(tuple(sorted(events, key=lambda event: event.invoked)))

    def __len__(self) -> int:
        return len(self.events)

    @property
    def threads(self) -> int:
        return len({event.thread for event in self.events})

    @property
    def overlapping(self) -> int:
        """Count the operations that overlapped at least one operation of another thread."""
        overlapping: set[int] = set()
        running: list[tuple[int, Event]] = []
        for number, event in enumerate(self.events):
            running = [(n, earlier) for n, earlier in running if not precedes(earlier, event)]
            others = [n for n, earlier in running if earlier.thread != event.thread]
            if others:
                overlapping.update(others, (number,))
            running.append((number, event))
        return len(overlapping)

    def lanes(self) -> list[list[Event]]:
        """Return the events in sequences, each from one thread and without overlap within it.

        A thread has more than one lane only if its operations overlapped, for example when a signal handler
        uses the cell that the thread was using.
        """
        lanes: dict[int, list[list[Event]]] = {}
        for event in self.events:
            of_thread = lanes.setdefault(event.thread, [])
            for lane in of_thread:
                last = lane[-1].responded
                if last is not None and last <= event.invoked:
                    lane.append(event)
                    break
            else:
                of_thread.append([event])
        return [lane for of_thread in lanes.values() for lane in of_thread]

    def __str__(self) -> str:
        return timeline(self.events)


WIDEST = 104


def timeline(events: Iterable[Event]) -> str:
    """Draw each operation as a bar from its call to its return; time runs to the right.

    Distances have no meaning; only the order of the ends of the bars does. A timeline that is too wide
    continues below.
    """
    history = History.of(events)
    lanes = history.lanes()
    ends = {event.invoked for event in history.events}
    ends |= {event.responded for event in history.events if event.responded is not None}
    rank = {time_ns: number for number, time_ns in enumerate(sorted(ends))}
    last = len(rank)
    bars = [
        (last if event.responded is None else rank[event.responded], rank[event.invoked], event)
        for event in history.events
    ]
    # Each end of a bar gets the leftmost column that leaves room for every label that ends there.
    columns = [2 * number for number in range(last + 1)]
    for right, left, event in sorted(bars, key=lambda bar: bar[:2]):
        shortfall = columns[left] + len(str(event)) + 4 - columns[right]
        if shortfall > 0:
            columns[right:] = [column + shortfall for column in columns[right:]]
    place = {id(event): (columns[left], columns[right]) for right, left, event in bars}
    names = [f"thread {lane[0].thread}  " for lane in lanes]
    margin = max(map(len, names), default=0)
    rows = [_row(lane, place) for lane in lanes]
    width = max(map(len, rows), default=0)
    room = WIDEST - margin
    bands = [
        "\n".join(
            (name.ljust(margin) + row[start : start + room]).rstrip()
            for name, row in zip(names, rows, strict=True)
        )
        for start in range(0, width, room)
    ]
    return "\n\n".join(bands)


def _row(lane: list[Event], place: dict[int, tuple[int, int]]) -> str:
    row = ""
    for event in lane:
        left, right = place[id(event)]
        label = f" {event} " if not event.pending else f" {event.call()} "
        bar = label.center(right - left - 1, "-")
        # If one operation returns as the next is called, they share an end.
        row = row.ljust(left)[:left] + "|" + bar + ("|" if not event.pending else "...")
    return row


# Recording

_INVOKED, _RESPONDED, _OPERATION, _ARGUMENTS, _RESULT = range(5)

_SPECIAL = (
    *("__iadd__", "__isub__", "__iand__", "__ior__", "__ixor__", "__int__", "__float__", "__bool__"),
    *("__len__", "__contains__", "__getitem__", "__setitem__", "__delitem__", "__next__", "__call__"),
)


class Recorded:
    """Stands in for an object and records each method call on it; `recorded` makes one."""

    def __init__(self, target: Any, clock: Clock = time.perf_counter_ns) -> None:
        self._target = target
        self._clock = clock
        self._logs: list[list[list[Any]]] = []
        self._of_thread = threading.local()

    def history(self) -> History:
        """Return what was recorded so far. Threads may be at work: a call in progress is pending."""
        events = []
        for thread, log in enumerate(list(self._logs)):
            for entry in list(log):
                invoked, responded, operation, arguments, result = entry
                if invoked is not None:
                    # The result is written before the time of the response: if that is there, so is it.
                    result = UNKNOWN if responded is None else result
                    events.append(Event(invoked, responded, thread, operation, arguments, result))
        return History.of(events)

    def _log(self) -> list[list[Any]]:
        log: list[list[Any]]
        try:
            log = self._of_thread.log
        except AttributeError:
            log = self._of_thread.log = []
            self._logs.append(log)
        return log

    def _record(self, operation: str, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        # All allocations are outside the two readings, so that the interval is as short as possible.
        clock = self._clock
        entry: list[Any] = [None, None, operation, arguments, None]
        self._log().append(entry)
        entry[_INVOKED] = clock()
        try:
            result = method(*arguments)
        except Exception as error:
            responded = clock()
            entry[_RESULT] = raises(error)
            entry[_RESPONDED] = responded
            raise
        # Any other exception, such as KeyboardInterrupt, may have come before the operation happened or after
        # it. Then the entry stays pending, which says just that.
        responded = clock()
        if result is self._target:
            entry[_RESULT] = ITSELF
            result = self
        else:
            entry[_RESULT] = result
        entry[_RESPONDED] = responded
        return result

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if not callable(attribute):
            return attribute

        if name in ("track", "admit"):
            # The guard operates on the cell, when it is entered and when it is left.
            def guard(*arguments: Any) -> _RecordedGuard:
                return _RecordedGuard(self, attribute(*arguments), f"{name}().__enter__", arguments)

            wrapper: Callable[..., Any] = guard
        else:

            def method(*arguments: Any) -> Any:
                return self._record(name, attribute, arguments)

            wrapper = method
        # Found at once the next time. If two threads both come here, they store equal wrappers.
        self.__dict__[name] = wrapper
        return wrapper

    def __repr__(self) -> str:
        return f"recorded({self._target!r})"


class _RecordedGuard:
    """A guard of track() or admit(). Leaving either is the same operation, unless nothing was admitted."""

    def __init__(self, recorder: Recorded, guard: Any, entry: str, arguments: tuple[Any, ...]) -> None:
        self._recorder = recorder
        self._guard = guard
        self._entry = entry
        self._arguments = arguments
        self._counted = True

    def __enter__(self) -> Any:
        def enter(*_: Any) -> Any:
            return self._guard.__enter__()

        entered = self._recorder._record(self._entry, enter, self._arguments)
        self._counted = entered is not False
        return entered

    def __exit__(self, *exc_info: object) -> Any:
        def leave() -> Any:
            return self._guard.__exit__(*exc_info)

        return self._recorder._record("track().__exit__", leave, ()) if self._counted else leave()


def recorded(target: Any, clock: Clock = time.perf_counter_ns) -> Any:
    """Return a stand-in for `target` that records every method call and passes it on.

    Methods take positional arguments, as a model's steps do. Operators are recorded under their special name
    (`+=` is `__iadd__`). The caller gets what an operation returns or raises. Call `.history()` for what was
    recorded. `clock` must never go back between threads.

    Each thread writes to a list of its own, so nothing waits. But the clock and the lists order the threads'
    memory, so use a litmus test to look for weak memory.
    """
    special = {name: _special_method(name) for name in _SPECIAL if hasattr(type(target), name)}
    # Operators are looked up on the type, so each recorded type needs a type that stands in for it.
    return type("Recorded", (Recorded,), special)(target, clock)


def _special_method(name: str) -> Callable[..., Any]:
    def method(self: Recorded, *arguments: Any) -> Any:
        target = self._target
        return self._record(name, getattr(type(target), name).__get__(target), arguments)

    method.__name__ = name
    return method
