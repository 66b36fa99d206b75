"""Runs a litmus test: many small states in batches, its actors on threads of their own.

A barrier before each sample would cost more than the sample, and would hide what it looks for: threads
that come out of a barrier are apart by more than an operation takes. So the actors walk through a
batch of states together, from one start gate, and noise varies how they meet:

- each actor has its core, where the system can pin threads: on one core they would hardly overlap;
- in most batches the actors look out for each other every few states, for a moment and no longer;
- in others one starts a few states further on, or they walk towards each other and so meet once, whatever
  their speeds, or they nap on the way;
- for half of the batches other threads nap and wake on the cores of the actors: what wakes takes the core
  away from an actor in the middle of an operation;
- with the GIL, the switch interval is the shortest possible while a run lasts.

The noise comes from the seed alone; how the machine schedules the threads does not.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, MutableSequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from .litmus import FORBIDDEN, Actor, Expectation, Litmus, as_litmus

BATCH = 1024
NAP_SECONDS = 50e-6
NAPPERS = 4
NAPPERS_WITH_GIL = 2
SPINS_BEFORE_YIELD = 200
# Looking out for an actor that has no core is in vain, and not done for longer than this in a batch.
SPINS_IN_BATCH = 4000
LEG_SIZES = (4, 8, 16, 32)
# Tickets of one batch: more than it has legs.
MOST_LEGS = BATCH
SHORTEST_SWITCH_INTERVAL_SECONDS = 1e-6
PATIENCE_SECONDS = 60.0
FAREWELL_SECONDS = 2.0


@dataclass(frozen=True)
class Walk:
    """One actor's way through a batch, in legs. Between them it naps, or looks out for the others."""

    legs: tuple[list[int], ...]
    meet: bool = False


@dataclass(frozen=True)
class BatchNoise:
    """How a batch is run: a walk for each actor, and whether the nappers are awake."""

    walks: tuple[Walk, ...]
    nappers: bool

    def within(self, size: int) -> BatchNoise:
        """The same for a batch of fewer states."""
        walks = (
            replace(walk, legs=tuple([index for index in leg if index < size] for leg in walk.legs))
            for walk in self.walks
        )
        return BatchNoise(tuple(walks), self.nappers)


def noise(seed: int | str, actors: int) -> Iterator[BatchNoise]:
    """The noise of one batch after the other, without end. The same seed gives the same noise."""
    chance = random.Random(seed)
    forward = list(range(BATCH))
    in_step = [Walk(_legs(forward, size), meet=True) for size in LEG_SIZES]
    while True:
        style = chance.random()
        if style < 0.7:
            walks = [chance.choice(in_step)] * actors
        elif style < 0.8:
            walks = [_shifted(forward, chance.randrange(8)) for _ in range(actors)]
        elif style < 0.9:
            walks = [Walk((forward[::-1] if index % 2 else forward,)) for index in range(actors)]
        else:
            walks = [_resting(forward, chance.randrange(BATCH)) for _ in range(actors)]
        yield BatchNoise(tuple(walks), nappers=chance.random() < 0.5)


def _legs(order: list[int], size: int) -> tuple[list[int], ...]:
    return tuple(order[start : start + size] for start in range(0, len(order), size))


def _shifted(order: list[int], by: int) -> Walk:
    return Walk((order[by:] + order[:by],))


def _resting(order: list[int], after: int) -> Walk:
    return Walk((order[:after], order[after:]))


@dataclass(frozen=True)
class Failure:
    """An actor raised, or did not end in time."""

    actor: str
    error: BaseException | None
    text: str

    def __str__(self) -> str:
        return f"{self.actor}: {self.text}"


@dataclass
class Result:
    """What a run saw: how often each outcome came, and whether something ended it early."""

    test: Litmus
    seed: int | str
    counts: dict[Any, int] = field(default_factory=dict[Any, int])
    seconds: float = 0.0
    failure: Failure | None = None
    interrupted: bool = False

    @property
    def samples(self) -> int:
        return sum(self.counts.values())

    @property
    def graded(self) -> list[tuple[Any, int, Expectation]]:
        """Each outcome that came, how often, and its grade; the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda item: -item[1])
        return [(outcome, count, self.test.expectation(outcome)) for outcome, count in ordered]

    @property
    def forbidden(self) -> dict[Any, int]:
        return {outcome: count for outcome, count, expected in self.graded if expected.grade is FORBIDDEN}

    @property
    def caught(self) -> int:
        """How many samples were forbidden."""
        return sum(self.forbidden.values())

    def merge(self, other: Result) -> None:
        """Take what a later run of the same test saw into this one."""
        for outcome, count in other.counts.items():
            self.counts[outcome] = self.counts.get(outcome, 0) + count
        self.seconds += other.seconds
        self.failure = self.failure or other.failure
        self.interrupted = self.interrupted or other.interrupted


class Crew(Protocol):
    """Those who run the actors of a test, between enter and exit."""

    failure: Failure | None

    def __enter__(self) -> Crew: ...
    def __exit__(self, *_: object) -> None: ...
    def run(self, states: list[Any], plan: BatchNoise) -> list[list[Any]]:
        """Send every actor through the states; return what each of them returned for each state.

        Only if `failure` is still None after it are the columns whole.
        """
        ...


def run(
    test: Litmus | type[Any],
    *,
    seconds: float | None = None,
    samples: int | None = None,
    seed: int | str | None = None,
    stop_when_caught: int | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
    crew_of: Callable[[tuple[Actor, ...], float], Crew] | None = None,
) -> Result:
    """Run a litmus test for `seconds` (1 unless told otherwise), or until it has this many `samples`.

    `stop_when_caught` ends it after so many forbidden outcomes. An actor that raises, or that does not
    end a batch within `patience_seconds`, ends the run, and the result says so. So does Ctrl-C: the
    result is what there is until then, with `interrupted` set. What the set-up or the observer raises,
    passes through. No thread is left behind, but for an actor that does not end. `crew_of` makes those who
    run the actors, of the actors and the patience: threads, if it is not given.
    """
    test = as_litmus(test)
    result = Result(test, random.SystemRandom().getrandbits(32) if seed is None else seed)
    if seconds is None and samples is None:
        seconds = 1.0
    started = time.perf_counter()
    deadline = None if seconds is None else started + seconds
    try:
        with (crew_of or _Threads)(test.actors, patience_seconds) as crew:
            for plan in noise(result.seed, len(test.actors)):
                size = BATCH if samples is None else min(BATCH, samples - result.samples)
                # One batch at least, however short the time: no samples would say nothing.
                if size <= 0 or (deadline is not None and result.counts and time.perf_counter() >= deadline):
                    break
                if stop_when_caught is not None and result.caught >= stop_when_caught:
                    break
                states = [test.setup() for _ in range(size)]
                columns = crew.run(states, plan if size == BATCH else plan.within(size))
                if crew.failure is not None:
                    result.failure = crew.failure
                    break
                _tally(test, states, columns, result.counts)
    except KeyboardInterrupt:
        result.interrupted = True
    result.seconds = time.perf_counter() - started
    return result


def _tally(test: Litmus, states: list[Any], columns: list[list[Any]], counts: dict[Any, int]) -> None:
    for state, *results in zip(states, *columns, strict=True):
        outcome = test.outcome(state, tuple(results))
        counts[outcome] = counts.get(outcome, 0) + 1


class Meeting:
    """How actors find each other on their way through a batch: each tells how far it is, for all to see."""

    def __init__(self, arrived: MutableSequence[int] | memoryview[int]) -> None:
        self.arrived = arrived

    def walk(self, me: int, ticket: int, body: Any, states: list[Any], column: list[Any], walk: Walk) -> None:
        """Run the body on the states in the order of the walk, and fill in the column."""
        self._start_together(me, ticket)
        spins_left = SPINS_IN_BATCH
        for number, leg in enumerate(walk.legs):
            if number and walk.meet:
                spins_left -= self._look_out(me, ticket + number, min(spins_left, SPINS_BEFORE_YIELD))
            elif number:
                time.sleep(NAP_SECONDS)
            for index in leg:
                column[index] = body(states[index])

    def _start_together(self, me: int, ticket: int) -> None:
        """Wait until all are there. With more actors than cores those still to come need the core."""
        while self._look_out(me, ticket, SPINS_BEFORE_YIELD) == SPINS_BEFORE_YIELD:
            give_way()

    def _look_out(self, me: int, ticket: int, most_spins: int) -> int:
        """Wait until all have come this far, but not for long; returns how long, in spins."""
        self.arrived[me] = ticket
        spins = 0
        while spins < most_spins and min(self.arrived) < ticket:
            spins += 1
        return spins


class _Threads:
    """The threads of one run: an actor each, and nappers. What they share is written by one thread each.

    The coordinator writes `_batch` and `_stop`; each actor its own entry of `_arrived` and `_columns`.
    Semaphores hand the batch over and back, and the order of memory with it.
    """

    failure: Failure | None = None

    def __init__(self, actors: tuple[Actor, ...], patience_seconds: float) -> None:
        self._actors = actors
        self._patience_seconds = patience_seconds
        self._batch: tuple[list[Any], BatchNoise] | None = None
        self._stop = False
        self._napping = False
        self._arrived = [0] * len(actors)
        self._meeting = Meeting(self._arrived)
        self._columns: list[list[Any]] = [[] for _ in actors]
        self._failures: list[Failure] = []
        self._wake = [threading.Semaphore(0) for _ in actors]
        self._done = threading.Semaphore(0)
        # Daemons, so that an actor that never ends cannot keep the process from ending.
        self._threads = [
            threading.Thread(target=part, args=(index,), daemon=True)
            for part, count in (
                (self._act, len(actors)),
                (self._nap, NAPPERS_WITH_GIL if gil_enabled() else NAPPERS),
            )
            for index in range(count)
        ]

    def __enter__(self) -> _Threads:
        self._switch_interval_seconds = sys.getswitchinterval()
        try:
            for thread in self._threads:
                thread.start()
            sys.setswitchinterval(SHORTEST_SWITCH_INTERVAL_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        try:
            for wake in self._wake:
                wake.release()
            until = time.monotonic() + FAREWELL_SECONDS
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join(max(0.0, until - time.monotonic()))
        finally:
            sys.setswitchinterval(self._switch_interval_seconds)

    def run(self, states: list[Any], plan: BatchNoise) -> list[list[Any]]:
        self._batch = states, plan
        self._columns = [[] for _ in self._actors]
        self._napping = plan.nappers
        for wake in self._wake:
            wake.release()
        until = time.monotonic() + self._patience_seconds
        for _ in self._actors:
            if not self._done.acquire(timeout=max(0.0, until - time.monotonic())):
                self.failure = self._stalled()
                return []
        if self._failures:
            self.failure = self._failures[0]
        return self._columns

    def _stalled(self) -> Failure:
        # Who ended has put a column there, and no batch is empty.
        late = [actor.name for actor, column in zip(self._actors, self._columns, strict=True) if not column]
        return Failure(", ".join(late), None, f"did not end within {self._patience_seconds:g} s")

    def _act(self, me: int) -> None:
        pin_to_core(me)
        turn = 0
        body = None
        while True:
            self._wake[me].acquire()
            if self._stop or self._batch is None:
                return
            turn += 1
            column: list[Any] = []
            try:
                if body is None:
                    body = self._actors[me].prepare()
                states, plan = self._batch
                column = [None] * len(states)
                self._meeting.walk(me, turn * MOST_LEGS, body, states, column, plan.walks[me])
            except BaseException as error:
                # Whatever it is, the coordinator has to hear of it: it waits for this actor.
                text = "".join(traceback.format_exception(error)).rstrip()
                self._failures.append(Failure(self._actors[me].name, error, text))
            finally:
                # At the gate too: the others must not wait for one that failed before it.
                self._arrived[me] = (turn + 1) * MOST_LEGS - 1
                self._columns[me] = column
                self._done.release()

    def _nap(self, index: int) -> None:
        pin_to_core(index)
        while not self._stop:
            time.sleep(NAP_SECONDS if self._napping else 20 * NAP_SECONDS)


def gil_enabled() -> bool:
    """Whether this interpreter has a GIL, and it is on."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def give_way() -> None:
    """Let another thread run. Before 3.12 sched_yield keeps the GIL, so there a sleep has to do."""
    if hasattr(os, "sched_yield") and not gil_enabled():
        os.sched_yield()
    else:
        time.sleep(0)


def cores() -> list[int]:
    """The cores that this process may use, as far as the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin_to_core(index: int) -> bool:
    """Keep the calling thread on one core, the next one for the next index; False where that cannot be."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    try:
        allowed = cores()
        os.sched_setaffinity(0, {allowed[index % len(allowed)]})
    except OSError:
        # A sandbox may forbid it. The run is weaker then, and the controls tell whether too weak.
        return False
    return True
