"""Encounters in every schedule, for cells that are written in Python.

With the GIL, threads hardly ever meet in the middle of an operation, so samples say little. The explorer goes
through the bytecodes of the cells one by one, and lets the other thread in before each bytecode that it could
notice. First with one preemption, which finds operations that are not atomic, then with two, as far as the
time allows. Three threads, which meet in a few encounters of each operation, have two at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..schedules.explorer import Exploration, Explorer, NotDeterministic
from ..schedules.program import Check, Failure
from ..spec import kinds
from . import inputs
from .access import Access, has_raised
from .alone import Watch
from .catalogue import CellKind, Control
from .encounters import Encounter, Pair, encounters
from .gatherings import Gathering, crowds, gatherings
from .promises import ADDITIONS
from .trials import Verdict

# An operation of a cell that takes more steps than this is in an endless loop.
MOST_STEPS = 4000
# Two threads may spin, a thousand steps each, whenever the one that they wait for is paused.
MOST_STEPS_OF_THREE = 12_000
HANG_SECONDS = 5.0
# Threads of the cell's own may make each schedule take long, and then not all of them are tried.
ENCOUNTER_SECONDS = 8.0
# While one thread is paused in the middle of an operation, the other has to be let on at some point.
MOST_EXECUTIONS = 400
# Three threads have more schedules. This covers all those with one preemption, and many with two.
MOST_EXECUTIONS_OF_THREE = 1500
# A read has to be paused twice, and only one operation reads.
MOST_EXECUTIONS_OF_READS = 3000
# How often schedules with three threads in the middle of an operation are drawn; each takes a few executions.
WALKS = 30
# What a cell does for the first time, such as filling a cache, it does not do again. But one that draws lots
# or looks at the clock may never do the same again.
TRIES = 3
# This many pairs of an operation come between two of its crowds.
BETWEEN_CROWDS = 6
# A drain gets this many pairs before three threads, which take as long as twenty pairs.
BEFORE_THREE = 3
# Stepped through in addition to the cells: the code that they call, and that goes through their items.
STEPPED = (inputs, kinds)


NONE = Control("none: every schedule is tried, not a sample")


class Unexplained(AssertionError):
    """No order of the calls explains what came of them."""


@dataclass(frozen=True)
class ExploredRow:
    """One operation against itself and the others, in every schedule."""

    kind: CellKind
    operation: str
    control: Control = NONE

    @property
    def name(self) -> str:
        return f"{self.kind.name}/{self.operation}/explored"

    @property
    def program(self) -> str:
        return f"{self.operation} || itself and others, in every schedule of their bytecodes"

    @property
    def needs(self) -> frozenset[str]:
        """The operation that a cell must have to run this row."""
        return frozenset({self.operation})


@dataclass
class ExploredTrial:
    """The encounters of one operation, explored one after the other."""

    row: ExploredRow
    access: Access
    waiting: list[Encounter]
    seed: int = 0
    bound: None = None
    hidden: str | None = None
    missing: str | None = None
    schedules: int = 0
    explored: int = 0
    stepped: bool = False
    failed: str | None = None
    # Why the encounters cannot be explored: for example, a lock that was made before.
    obstacle: str | None = None
    subject = control = None
    runs = True

    @property
    def samples(self) -> int:
        return self.schedules

    @property
    def has_run(self) -> bool:
        return self.explored > 0

    @property
    def verdict(self) -> Verdict:
        if self.failed is not None:
            return Verdict.FAIL
        is_tried = self.explored and self.stepped and self.obstacle is None
        return Verdict.PASS if is_tried else Verdict.NOT_RUN

    @property
    def reason(self) -> str:
        """Why it has this verdict; empty if there is no more to say."""
        if self.failed is not None:
            return self.failed
        if self.obstacle is not None:
            return self.obstacle
        if not self.explored:
            return "no time was left"
        return "" if self.stepped else "written in C: nothing to step through"

    def waiting_for(self, preemptions: int) -> list[Encounter]:
        """Return those to explore with this many preemptions; encounters that need two are done by then."""
        return [each for each in self.waiting if preemptions == 1 or _fewest(each) < preemptions]

    def explore(self, explorer: Explorer, encounter: Encounter, preemptions: int, watch: Watch) -> None:
        """Try one encounter in its schedules with this many preemptions, as far as the limits allow.

        If a thread waited with a time limit, try it once more, with limits that are over at once.
        """

        def check(cell: Any, results: tuple[Any, ...]) -> None:
            explained, wrong = encounter.judged(self.access, cell, results)
            if explained is None:
                raise Unexplained(wrong)

        def hurried_check(cell: Any, results: tuple[Any, ...]) -> None:
            # To raise an error after waiting for a long time is one way to end a deadlock.
            if not any(map(_is_error, results)):
                check(cell, results)

        def repeated(judge: Check) -> Exploration | None:
            """Explore, and again if the cell did something only once; None if it never repeats itself."""
            for _ in range(TRIES):
                watch(f"{encounter}, explored")
                try:
                    return self._once(explorer, encounter, preemptions, judge)
                except NotDeterministic:
                    continue
            return None

        # A cell may favour the thread that made it.
        explorer.first_makes = self.explored % 2 == 1
        found = repeated(check)
        if found is None:
            self.obstacle = "cannot be explored: the same schedule does not do the same again"
            return
        self.explored += 1
        self._judge(encounter, found.failure)
        if explorer.timed and self.failed is None and self.obstacle is None:
            explorer.impatient = True
            try:
                hurried = repeated(hurried_check)
            finally:
                explorer.impatient = False
            # Other failures say nothing, and end no row: an operation may raise an error after a wait, and
            # how often it waits may depend on the clock.
            failure = None if hurried is None else hurried.failure
            if failure is not None and failure.conclusive and isinstance(failure.error, Unexplained):
                self._judge(encounter, failure)

    def _once(self, explorer: Explorer, encounter: Encounter, preemptions: int, judge: Check) -> Exploration:
        access = self.access

        def setup() -> Any:
            return encounter.setup(access)

        bodies = list(map(_named, encounter.calls(access), encounter.operations))
        gathering = encounter if isinstance(encounter, Gathering) else None
        most_steps = MOST_STEPS if gathering is None else MOST_STEPS_OF_THREE
        if gathering is not None and gathering.crowd:
            exploration = explorer.crowd(
                setup,
                bodies,
                judge,
                walks=WALKS,
                seed=self.seed,
                most_steps=most_steps,
                seconds=ENCOUNTER_SECONDS,
            )
        else:
            most = MOST_EXECUTIONS
            if gathering is not None:
                most = MOST_EXECUTIONS_OF_READS if gathering.reads else MOST_EXECUTIONS_OF_THREE
            exploration = explorer.explore(
                setup,
                bodies,
                judge,
                preemptions=preemptions,
                most_executions=most,
                most_steps=most_steps,
                seconds=ENCOUNTER_SECONDS,
                seed=None if gathering is None else self.seed,
            )
        self.schedules += exploration.executions
        self.stepped = self.stepped or exploration.longest > 0
        return exploration

    def _judge(self, encounter: Encounter, failure: Failure | None) -> None:
        if failure is None:
            return
        if not failure.conclusive:
            self.obstacle = f"cannot be explored: {failure.reason}"
        else:
            self.failed = f"{encounter}:\n{failure}"


def _is_error(result: Any) -> bool:
    """Return whether a result stands for an error. Encounters of families return it, or its type."""
    is_type = isinstance(result, type) and issubclass(result, Exception)
    return is_type or isinstance(result, Exception) or has_raised(result)


def _fewest(encounter: Encounter) -> int:
    """Return the preemptions that show anything: one thread interrupted twice, or each of two once."""
    return 2 if isinstance(encounter, Gathering) else 1


def _named(call: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    def body(cell: Any) -> Any:
        return call(cell)

    body.__name__ = name
    return body


def explored_trials(kind: CellKind, access: Access, seed: int, *, three: bool = True) -> list[ExploredTrial]:
    """Return a trial for each operation that meets others; with three threads too, if `three`."""
    trials: list[ExploredTrial] = []
    # Each operation begins with the partners after it: most pairs come once before any comes twice.
    names = [operation.name for operation in access.operations]
    for number, operation in enumerate(access.operations):
        found = encounters(access, operation, seed)
        if found:
            row = ExploredRow(kind, operation.name)
            alone, *others = _in_turns(found, [*names[number:], *names[:number]])
            first = _unmoved(others)
            others = [each for each in others if not any(each is one for one in first)]
            gathered = gatherings(access, operation, seed) if three else []
            pairs = [alone, *first, *others]
            # Two drains with an addition are also tried as drains, so the addition's own can wait.
            draining = operation.name == "drain"
            before = (
                len(pairs) if operation.name in ADDITIONS else BEFORE_THREE if draining else 1 + len(first)
            )
            waiting = [*pairs[:before], *gathered, *pairs[before:]]
            for number, crowd in enumerate(crowds(access, operation, seed) if three else ()):
                waiting.insert(min(before, 1 + len(first)) + number * BETWEEN_CROWDS, crowd)
            trials.append(ExploredTrial(row, access, waiting, seed))
    return trials


def _unmoved(found: list[Encounter]) -> list[Encounter]:
    """Return those in which another thread writes the value that is there."""
    return [each for each in found if _writes_the_same(each)]


def _writes_the_same(encounter: Encounter) -> bool:
    return (
        isinstance(encounter, Pair) and encounter.unmoved and encounter.operations[1] in ("store", "exchange")
    )


def _in_turns(found: list[Encounter], names: list[str]) -> list[Encounter]:
    """Return one of each pair of operations, in the order of these names; then another of each."""
    by_pair: dict[tuple[str, ...], list[Encounter]] = {}
    for each in found:
        by_pair.setdefault(each.operations, []).append(each)
    pairs = sorted(by_pair, key=lambda pair: sum(map(names.index, pair)))
    for pair in pairs:
        by_pair[pair].sort(key=_priority)
    longest = max(map(len, by_pair.values()))
    return [
        by_pair[pair][number] for number in range(longest) for pair in pairs if number < len(by_pair[pair])
    ]


def _priority(encounter: Encounter) -> tuple[bool, bool]:
    """Put the most telling ones first, and among these the ones in which a lost addend shows."""
    if not isinstance(encounter, Pair):
        return False, False
    return not encounter.telling, not encounter.is_finite


def explore_all(trials: list[ExploredTrial], seconds: float, watch: Watch, stop: Callable[[], bool]) -> None:
    """Give every operation a turn, again and again, until all is explored or the time is over."""
    until = time.perf_counter() + seconds
    with Explorer(step_into=STEPPED, hang_seconds=HANG_SECONDS) as explorer:
        # A cell may have threads of its own.
        explorer.helpers = True
        for preemptions in (1, 2):
            queues = [(trial, trial.waiting_for(preemptions)) for trial in trials]
            while any(queue for _, queue in queues):
                for trial, queue in queues:
                    if stop() or time.perf_counter() > until:
                        return
                    if trial.failed is not None or trial.obstacle is not None:
                        queue.clear()
                    elif queue:
                        turn = [queue.pop(0)]
                        # These are few and quick.
                        while queue and _writes_the_same(queue[0]):
                            turn.append(queue.pop(0))
                        for each in turn:
                            if trial.failed is None:
                                trial.explore(explorer, each, max(preemptions, _fewest(each)), watch)
                        if not trial.stepped:
                            queue.clear()
