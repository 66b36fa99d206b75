"""Checks of long histories, of a million operations, in n log n.

Some operations leave no choice of their order: what each returned tells what came right before it. Then there
is one order to check instead of a search for one.

- Additions of positive deltas only climb, so every value is held once (`fetch_add`, `add_fetch`, and
  compare-and-swaps from a smaller to a larger value).
- In exchanges and compare-and-swaps whose new values are all distinct, every value is held once as well.

Phil Gibbons and Ephraim Korach (Testing shared memories, SIAM J. Comput. 26, 1997) show that the question is
that easy if it is known which write each read has read.

A `Counter` has no such order, and is not linearizable. `check_counter` checks each load against the totals
that were possible while it ran, and checks that every count is in exactly one drain.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from .history import Event, History, timeline


@dataclass(frozen=True)
class ForcedVerdict:
    """Whether the history has the property; if not, the reason, and the operations that show it."""

    history: History
    reason: str | None = None
    failing: tuple[Event, ...] = ()

    @property
    def ok(self) -> bool:
        return self.reason is None

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        count = f"{len(self.history)} operations of {self.history.threads} threads"
        if self.reason is None:
            return f"holds for {count}"
        return f"FAILS after {count}: {self.reason}\n\n{timeline(self.failing)}"


class _Broken(Exception):
    def __init__(self, reason: str, *events: Event) -> None:
        self.reason = reason
        self.events = events


class _Held:
    """A value that tells 1 from True and 1.0, and can be looked up whatever it is: by identity at worst."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return hash(self.value) if isinstance(self.value, (int, float, str)) else id(self.value)

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, _Held)
        if isinstance(self.value, (int, float, str)):
            return type(self.value) is type(other.value) and bool(self.value == other.value)
        return self.value is other.value


@dataclass(frozen=True)
class _Write:
    event: Event
    before: _Held
    after: _Held


@dataclass(frozen=True)
class _Read:
    """An operation that found `value`, or, if not `found`, anything else."""

    event: Event
    value: _Held
    found: bool = True


_CLIMBING = {"fetch_add", "add_fetch"}
_SWAPPING = {"exchange"}
_EITHER = {"compare_and_set", "compare_exchange"}
_READING = {"load", "__int__"}


def check_forced_order(history: History, *, initial: Any = 0, final: Any = None) -> ForcedVerdict:
    """Check whether a history of operations that force their order is linearizable, in n log n.

    Takes fetch_add, add_fetch, exchange, compare_and_set, compare_exchange, load and int(). The arguments
    must force the order: either all deltas are positive and all swaps climb (and there is no exchange), or
    all new values are distinct, `initial` included (and nothing is added). Raises ValueError otherwise, and
    if an operation is pending or raised: then the order is not forced, or not known. `final`, if given, is
    the value at the end.
    """
    _demand_forced(history, initial)
    try:
        writes, reads = _writes_and_reads(history)
        order = _chain(writes, _Held(initial))
        _check_precedence(order)
        if final is not None:
            last = order[-1].after if order else _Held(initial)
            if last != _Held(final):
                raise _Broken(f"the final value is {final!r}, not {last.value!r}", *_last(order))
        _check_reads(order, reads, _Held(initial))
    except _Broken as broken:
        return ForcedVerdict(history, broken.reason, broken.events)
    return ForcedVerdict(history)


def _last(order: list[_Write]) -> tuple[Event, ...]:
    return (order[-1].event,) if order else ()


def _demand_forced(history: History, initial: Any) -> None:
    """Raise ValueError unless the arguments alone force the order: the results may be wrong."""
    climbs = True
    desired = [_Held(initial)]
    for event in history.events:
        name, arguments = event.operation, event.arguments
        if event.pending:
            raise ValueError(f"{event.call()} is pending: it may have happened or not")
        if event.raised:
            raise ValueError(f"{event}: the order is forced only where nothing raises")
        if name in _CLIMBING:
            delta = arguments[0] if arguments else 1
            if not delta > 0:
                raise ValueError(f"{event.call()}: only positive deltas force an order")
            desired = []
        elif name in _EITHER:
            climbs = climbs and isinstance(arguments[0], (int, float)) and arguments[1] > arguments[0]
            if desired:
                desired.append(_Held(arguments[1]))
        elif name in _SWAPPING:
            climbs = False
            if desired:
                desired.append(_Held(arguments[0]))
        elif name not in _READING:
            raise ValueError(f"{name} does not force an order")
    if not climbs and (not desired or len(set(desired)) < len(desired)):
        raise ValueError(
            "a value may be held twice, so the order is not forced: climb, or use distinct values"
        )


def _writes_and_reads(history: History) -> tuple[list[_Write], list[_Read]]:
    writes, reads = [], []
    for event in history.events:
        name, arguments, result = event.operation, event.arguments, event.result
        if name in _CLIMBING:
            delta = arguments[0] if arguments else 1
            before, after = (result, result + delta) if name == "fetch_add" else (result - delta, result)
            writes.append(_Write(event, _Held(before), _Held(after)))
        elif name == "exchange":
            writes.append(_Write(event, _Held(result), _Held(arguments[0])))
        elif name == "compare_and_set" and result is not True:
            if result is not False:
                raise _Broken("compare_and_set returned neither True nor False", event)
            reads.append(_Read(event, _Held(arguments[0]), found=False))
        elif name in _READING or (name == "compare_exchange" and _Held(result) != _Held(arguments[0])):
            reads.append(_Read(event, _Held(result)))
        else:
            writes.append(_Write(event, _Held(arguments[0]), _Held(arguments[1])))
    return writes, reads


def _chain(writes: list[_Write], initial: _Held) -> list[_Write]:
    """Return the writes in the order in which each found what the last one left."""
    after: dict[Hashable, _Write] = {}
    for write in writes:
        other = after.setdefault(write.before, write)
        if other is not write:
            raise _Broken(f"two operations found the same {write.before.value!r}", other.event, write.event)
    order: list[_Write] = []
    value = initial
    while value in after:
        order.append(after.pop(value))
        value = order[-1].after
    if after:
        lost = min(after.values(), key=lambda write: write.event.invoked)
        raise _Broken(
            f"the chain ends at {value.value!r}, but {lost.before.value!r} was found, which nothing left",
            *_last(order),
            lost.event,
        )
    return order


def _responded(event: Event) -> int:
    assert event.responded is not None
    return event.responded


def _check_precedence(order: list[_Write]) -> None:
    latest: Event | None = None
    for write in order:
        if latest is not None and _responded(write.event) < latest.invoked:
            raise _Broken(
                "the results put one operation after another that was called only after it had returned",
                write.event,
                latest,
            )
        if latest is None or write.event.invoked > latest.invoked:
            latest = write.event


def _check_reads(order: list[_Write], reads: list[_Read], initial: _Held) -> None:
    """Fit each read into a gap between two writes. Reads that precede each other fit in that order.

    Gap g is the time after g writes. Taking the reads by invocation and giving each the first gap that is
    still allowed leaves the most room for later ones. So if that fails, every choice fails.
    """
    gap_of = {initial: 0}
    gap_of.update((write.after, gap) for gap, write in enumerate(order, 1))
    # Gaps begin no later than the last write that returned before a call, and so on: both are monotonic.
    started = list(accumulate((write.event.invoked for write in order), max))
    ended = list(accumulate((_responded(write.event) for write in reversed(order)), min))[::-1]
    finished: list[tuple[int, int, int]] = []
    floor, floor_event = 0, None
    reads.sort(key=lambda read: read.event.invoked)
    for number, read in enumerate(reads):
        event = read.event
        while finished and finished[0][0] < event.invoked:
            _, gap, earlier = heapq.heappop(finished)
            if gap > floor:
                floor, floor_event = gap, reads[earlier].event
        # The writes that returned before this call are in no gap before theirs; suffix minima find the last.
        after_writes = _last_ended_before(ended, event.invoked)
        first = max(floor, after_writes)
        last = bisect_right(started, _responded(event))
        neighbours = tuple(order[gap - 1].event for gap in {first, last + 1} if 0 < gap <= len(order))
        if not read.found:
            gap = first + 1 if gap_of.get(read.value) == first else first
            reason = (
                f"a compare-and-swap failed, though the value was {read.value.value!r} all the time it ran"
            )
        elif read.value in gap_of:
            gap = gap_of[read.value]
            reason = f"an operation found {read.value.value!r} at a time when that was not the value"
        else:
            raise _Broken(f"an operation found {read.value.value!r}, which no operation stored", event)
        if not first <= gap <= last:
            witness = (floor_event,) if floor_event is not None and first == floor > after_writes else ()
            raise _Broken(reason, event, *witness, *neighbours)
        heapq.heappush(finished, (_responded(event), gap, number))


def _last_ended_before(ended: list[int], time_ns: int) -> int:
    """Return how many writes come, in their order, no later than the last that returned before `time_ns`.

    `ended[i]` is the earliest return of the writes from i on, so it climbs.
    """
    return bisect_left(ended, time_ns)


# Counter


def check_counter(history: History, *, initial: int = 0, final: int | None = None) -> ForcedVerdict:
    """Check that the loads of a Counter are intermediate values, and that each count is in exactly one drain.

    Takes inc, add, `+=`, load, int() and drain. A load may return anything between the smallest and the
    largest value that the counter can have held while the load ran (intermediate-value linearizability:
    Rinberg and Keidar, DISC 2020). Until the first drain, it may not return less than a load that precedes
    it. A drain may take what was added and not yet drained. `final`, if given, is what a load returns after
    all operations have ended: then nothing may be missing, and nothing counted twice. A pending operation may
    or may not have counted.
    """
    counter = _CounterHistory(history, initial)
    try:
        counter.check_loads()
        counter.check_drains()
        if final is not None:
            counter.check_final(final)
    except _Broken as broken:
        return ForcedVerdict(history, broken.reason, broken.events)
    return ForcedVerdict(history)


class _Totals:
    """Amounts with the times at which they began and ended; how much had ended, or begun, by a given time."""

    def __init__(self, amounts: list[tuple[Event, int]]) -> None:
        begun = sorted((event.invoked, amount) for event, amount in amounts)
        ended = sorted((event.responded, amount) for event, amount in amounts if event.responded is not None)
        self.begun_at = [when for when, _ in begun]
        self.begun_sum = [0, *accumulate(amount for _, amount in begun)]
        self.ended_at = [when for when, _ in ended]
        self.ended_sum = [0, *accumulate(amount for _, amount in ended)]

    def surely_before(self, time_ns: int) -> int:
        return self.ended_sum[bisect_left(self.ended_at, time_ns)]

    def maybe_until(self, time_ns: int) -> int:
        return self.begun_sum[bisect_right(self.begun_at, time_ns)]


class _CounterHistory:
    def __init__(self, history: History, initial: int) -> None:
        added: list[tuple[Event, int]] = []
        self.loads: list[Event] = []
        self.drains: list[Event] = []
        for event in history.events:
            name = event.operation
            if name in ("inc", "add", "__iadd__"):
                if not event.raised:
                    added.append((event, event.arguments[0] if event.arguments else 1))
            elif name in ("load", "__int__", "drain"):
                if event.pending and name == "drain":
                    raise ValueError("a drain is pending: what it took out is unknown")
                if not event.pending:
                    (self.drains if name == "drain" else self.loads).append(event)
            else:
                raise ValueError(f"{name} is not an operation of a Counter that can be checked")
        self.initial = initial
        self.added = _Totals(added)
        self.drained = _Totals([(event, event.result) for event in self.drains])
        self.least = initial + sum(amount for event, amount in added if not event.pending)
        self.most = initial + sum(amount for _, amount in added)

    def check_loads(self) -> None:
        finished: list[tuple[int, int, Event]] = []
        highest: Event | None = None
        for number, event in enumerate(self.loads):
            begin, end, value = event.invoked, _responded(event), event.result
            least = self.initial + self.added.surely_before(begin) - self.drained.maybe_until(end)
            most = self.initial + self.added.maybe_until(end) - self.drained.surely_before(begin)
            if not least <= value <= most:
                raise _Broken(f"a load returned {value}, but the total was between {least} and {most}", event)
            if self.drains:
                continue
            while finished and finished[0][0] < begin:
                _, _, earlier = heapq.heappop(finished)
                if highest is None or earlier.result > highest.result:
                    highest = earlier
            if highest is not None and value < highest.result:
                raise _Broken(
                    f"a load returned {value} after another had returned {highest.result}", highest, event
                )
            heapq.heappush(finished, (end, number, event))

    def check_drains(self) -> None:
        for event in self.drains:
            begin, end = event.invoked, _responded(event)
            if event.result < 0:
                raise _Broken(f"a drain returned {event.result}", event)
            # This drain is in the sums, and so are all drains that may have come before it.
            if self.drained.maybe_until(end) < self.initial + self.added.surely_before(begin):
                raise _Broken("counts that were there before this drain are in no drain until its end", event)
            if self.drained.surely_before(end) + event.result > self.initial + self.added.maybe_until(end):
                raise _Broken("more was drained by the end of this drain than had been added", event)

    def check_final(self, final: int) -> None:
        counted = final + self.drained.maybe_until(max(self.drained.begun_at, default=0))
        if not self.least <= counted <= self.most:
            expected = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
            raise _Broken(
                f"drains and the final load make {counted}, but {expected} was added", *self.drains[-1:]
            )
