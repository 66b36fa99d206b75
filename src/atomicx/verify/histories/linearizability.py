"""Is a history linearizable? Wing and Gong's search with a memory, and a report of the shortest failure.

A history is linearizable if every operation can be given an instant between its call and its return such that
the operations, in the order of their instants, do what the model says. The search tries the orders that
precedence allows, one operation at a time. It remembers each pair (operations done, state) that it has been
in and need not enter again:

- J. M. Wing and C. Gong, Testing and verifying concurrent objects, JPDC 17 (1993);
- G. Lowe, Testing for linearizability, Concurrency and Computation: Practice and Experience 29 (2017).

In the worst case it takes exponential time. Many short histories find more than a few long ones. For long
histories of operations that force their order, use `atomicx.verify.histories.forced_order`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..spec.model import Model
from .history import Event, History, timeline

MOST_STATES = 2_000_000


class Undecided(RuntimeError):
    """The search would take too long: the history is shown neither linearizable nor not linearizable."""


@dataclass(frozen=True)
class HistoryCheck:
    """Whether the history is linearizable, and the evidence; true if it is.

    `order` is an order that explains it. If there is none, `failing` holds operations that no order explains,
    whether the rest of the history happened or not: as few as shrinking finds.
    """

    history: History
    model: Model
    initial: Any
    order: tuple[Event, ...] | None = None
    failing: History | None = None
    states: int = field(default=0, compare=False)

    @property
    def ok(self) -> bool:
        return self.failing is None

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        count = f"{len(self.history)} operations of {self.history.threads} threads"
        if self.failing is None:
            return f"linearizable as {self.model.name}: {count}"
        lines = [
            f"NOT linearizable as {self.model.name}, starting from {self.initial!r}: {count}.",
            f"No order of these {len(self.failing)} explains their results:"
            if len(self.failing) > 1
            else "Nothing explains this result:",
            "",
            timeline(self.failing.events),
        ]
        omitted = len(self.history) - len(self.failing)
        if omitted:
            lines += [
                "",
                f"({omitted} more in the history; whether they took effect or not makes no difference)",
            ]
        return "\n".join(lines)


def check_linearizable(
    history: History,
    model: Model,
    *,
    initial: Any = None,
    most_states: int = MOST_STATES,
) -> HistoryCheck:
    """Search for an order of the operations that the model allows; pending ones may be in it or not.

    `initial` is the state before the history, if it is not the model's own. Returns a HistoryCheck, whose str
    is a report. Raises Undecided after `most_states` steps, and LookupError if the model lacks an operation.
    """
    start = model.initial if initial is None else initial
    search = _Search(model, start, most_states)
    order = search.order(history.events)
    if order is not None:
        return HistoryCheck(history, model, start, order=order, states=search.states)
    return HistoryCheck(history, model, start, failing=_shrink(history, search), states=search.states)


def assert_linearizable(history: History, model: Model, *, initial: Any = None) -> None:
    """Raise AssertionError with the report of `check_linearizable` unless the history is linearizable."""
    verdict = check_linearizable(history, model, initial=initial)
    if not verdict:
        raise AssertionError(str(verdict))


class _Search:
    """Depth-first search for an order; counts the nodes that it enters, over all its searches."""

    def __init__(self, model: Model, initial: Any, most_states: int) -> None:
        self.model = model
        self.initial = initial
        self.most_states = most_states
        self.states = 0

    def order(self, events: Iterable[Event], optional: Iterable[Event] = ()) -> tuple[Event, ...] | None:
        """Return an order that explains `events` and, at their times, any `optional` ones; None if none does.

        An optional operation may take effect within its interval, with any result, or not at all. A pending
        one is optional, with an interval that has no end.
        """
        events = tuple(events)
        lanes = History(tuple(event for event in events if not event.pending)).lanes()
        extras = [*(event for event in events if event.pending), *optional]
        model, key = self.model, self.model.key
        rows = {event.operation: model[event.operation] for event in events}
        rows.update({event.operation: model[event.operation] for event in extras})
        agree = {name: row.same or model.same for name, row in rows.items()}
        stack = [_Node((0,) * len(lanes), 0, -math.inf, self.initial, None, None)]
        # The states themselves are kept: a key may be an address, which must not be used again.
        seen: dict[Any, Any] = {}
        last_state = self.states + self.most_states
        while stack:
            node = stack.pop()
            done, gone, begun, state, _, _ = node
            upcoming = [
                (lane[i], n) for n, (lane, i) in enumerate(zip(lanes, done, strict=True)) if i < len(lane)
            ]
            if not upcoming:
                return _path(node)
            self.states += 1
            if self.states > last_state:
                raise Undecided(
                    f"no order found in {self.most_states} steps: too long or too dense a history"
                )
            # Any operation called after this instant has to wait for the operation that returned at it.
            limit = min(_end(event) for event, _ in upcoming)
            for event, lane in upcoming:
                if event.invoked <= limit:
                    new_state, result = rows[event.operation].apply(state, event.arguments)
                    if agree[event.operation](event.result, result):
                        begun_then = max(begun, event.invoked) if extras else begun
                        gone_then = _gone(gone, extras, begun_then) if begun_then > begun else gone
                        memory = (_next(done, lane), gone_then, begun_then, key(new_state))
                        if memory not in seen:
                            seen[memory] = new_state
                            stack.append(_Node(*memory[:3], new_state, event, node))
            for number, event in enumerate(extras):
                if gone >> number & 1 or event.invoked > limit:
                    continue
                new_state, _ = rows[event.operation].apply(state, event.arguments)
                begun_then = max(begun, event.invoked)
                memory = (done, _gone(gone | 1 << number, extras, begun_then), begun_then, key(new_state))
                # An optional operation that changes nothing only takes away from what may follow.
                if memory[3] != key(state) and memory not in seen:
                    seen[memory] = new_state
                    stack.append(_Node(*memory[:3], new_state, event, node))
        return None


class _Node(NamedTuple):
    """A point that a search has reached."""

    done: tuple[int, ...]
    """How many operations of each lane are in the order so far."""
    gone: int
    """The optional operations that are in the order, or can no longer be, as a set of bits."""
    begun: float
    """The latest call in the order: one that returned before it is too late. For optional ones only."""
    state: Any
    event: Event | None
    before: _Node | None


def _gone(gone: int, extras: list[Event], begun: float) -> int:
    for number, event in enumerate(extras):
        if _end(event) < begun:
            gone |= 1 << number
    return gone


def _end(event: Event) -> float:
    return math.inf if event.responded is None else event.responded


def _next(done: tuple[int, ...], lane: int) -> tuple[int, ...]:
    return (*done[:lane], done[lane] + 1, *done[lane + 1 :])


def _path(node: _Node | None) -> tuple[Event, ...]:
    events: list[Event] = []
    while node is not None and node.event is not None:
        events.append(node.event)
        node = node.before
    return tuple(reversed(events))


def _shrink(history: History, search: _Search) -> History:
    """Return fewer operations that still cannot be explained.

    Merely leaving an operation out would prove nothing: without the store, no load of its value can be
    explained. So an operation that is left out stays as optional: the remainder fails whether or not it took
    effect.
    """
    # First the shortest failing beginning; operations that had not returned by then are pending in it.
    returns = sorted(event.responded for event in history.events if event.responded is not None)

    def beginning(count: int) -> list[Event]:
        now = returns[count - 1]
        return [
            event
            if event.responded is not None and event.responded <= now
            else event._replace(responded=None)
            for event in history.events
            if event.invoked <= now
        ]

    # Every beginning of a linearizable history is linearizable, so the shortest failing one can be bisected.
    shortest = bisect_left(range(1, len(returns)), True, key=lambda n: _fails(search, beginning(n))) + 1
    required = [event for event in beginning(shortest) if not event.pending]
    optional = [event for event in beginning(shortest) if event.pending]
    # Then one operation after the other, except the last that returned: without it nothing fails.
    for event in sorted(required, key=lambda event: event.invoked, reverse=True):
        rest = [other for other in required if other is not event]
        if _fails(search, rest, [*optional, event]):
            required = rest
            optional.append(event)
    return History.of(required)


def _fails(search: _Search, events: list[Event], optional: Iterable[Event] = ()) -> bool:
    try:
        return search.order(events, optional) is None
    except Undecided:
        # Not known to fail: then the operation that was to be left out stays in.
        return False
