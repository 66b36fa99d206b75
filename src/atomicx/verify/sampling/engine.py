"""Runs a litmus test: many small states in batches, with its actors on threads of their own.

A barrier before each sample would cost more than the sample, and would hide what it looks for: threads that
come out of a barrier are further apart than an operation takes. So the actors walk through a batch of states
together, from one start gate, and noise varies how they meet:

- each actor has its core, where the system can pin threads: on one core they would hardly overlap;
- in most batches the actors look out for each other every few states, for a moment and no longer;
- in others one starts a few states further on, or they walk towards each other and so meet once, whatever
  their speeds, or they nap on the way;
- for half of the batches other threads nap and wake on the cores of the actors: a thread that wakes takes the
  core away from an actor in the middle of an operation;
- with the GIL, the switch interval is the shortest possible while a run lasts.

Only the noise comes from the seed; how the machine schedules the threads does not.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..litmus import FORBIDDEN, Actor, Expectation, Litmus, as_litmus
from .crew import ActorFailure, Crew
from .noise import BATCH, noise
from .threads import Threads

PATIENCE_SECONDS = 60.0


@dataclass
class Result:
    """What a run saw: how often each outcome came, and whether something ended the run early."""

    test: Litmus
    seed: int | str
    counts: dict[Any, int] = field(default_factory=dict[Any, int])
    seconds: float = 0.0
    failure: ActorFailure | None = None
    interrupted: bool = False

    @property
    def samples(self) -> int:
        return sum(self.counts.values())

    @property
    def graded(self) -> list[tuple[Any, int, Expectation]]:
        """Return each outcome that came, how often, and its grade; the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda item: -item[1])
        return [(outcome, count, self.test.expectation(outcome)) for outcome, count in ordered]

    @property
    def forbidden(self) -> dict[Any, int]:
        return {outcome: count for outcome, count, expected in self.graded if expected.grade is FORBIDDEN}

    @property
    def caught(self) -> int:
        """The number of samples that were forbidden."""
        return sum(self.forbidden.values())

    def merge(self, other: Result) -> None:
        """Add the results of a later run of the same test to this one."""
        for outcome, count in other.counts.items():
            self.counts[outcome] = self.counts.get(outcome, 0) + count
        self.seconds += other.seconds
        self.failure = self.failure or other.failure
        self.interrupted = self.interrupted or other.interrupted


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

    `stop_when_caught` ends the run after this many forbidden outcomes. An actor that raises, or that does not
    end a batch within `patience_seconds`, also ends the run, and the result says so. So does Ctrl-C: the
    result holds what there is until then, with `interrupted` set. Exceptions from the set-up or the observer
    pass through. No thread is left behind, except for an actor that does not end.
    `crew_of(actors, patience_seconds)` makes what runs the actors; by default these are threads.
    """
    test = as_litmus(test)
    result = Result(test, random.SystemRandom().getrandbits(32) if seed is None else seed)
    if seconds is None and samples is None:
        seconds = 1.0
    started = time.perf_counter()
    deadline = None if seconds is None else started + seconds
    try:
        with (crew_of or Threads)(test.actors, patience_seconds) as crew:
            for plan in noise(result.seed, len(test.actors)):
                size = BATCH if samples is None else min(BATCH, samples - result.samples)
                # At least one batch, however short the time: no samples would say nothing.
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
