"""What runs the actors of a litmus test, threads or processes, and how actors meet on their way."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import MutableSequence
from dataclasses import dataclass
from typing import Any, Protocol

from .noise import BATCH, BatchNoise, Walk

NAP_SECONDS = 50e-6
SPINS_BEFORE_YIELD = 200
# Waiting for an actor that has no core is futile, so a batch spends at most this many spins on it.
SPINS_IN_BATCH = 4000
# On a busy machine it takes long until a thread that naps gets its core back, so a batch naps no longer.
NAPPING_SECONDS_IN_BATCH = 0.01
# Tickets per batch: more than a batch has legs.
MOST_LEGS = BATCH


@dataclass(frozen=True)
class ActorFailure:
    """An actor raised, or did not end in time."""

    actor: str
    error: BaseException | None
    text: str

    def __str__(self) -> str:
        return f"{self.actor}: {self.text}"


class Crew(Protocol):
    """The threads or processes that run the actors of a test, between enter and exit."""

    failure: ActorFailure | None

    def __enter__(self) -> Crew: ...
    def __exit__(self, *_: object) -> None: ...
    def run(self, states: list[Any], plan: BatchNoise) -> list[list[Any]]:
        """Send every actor through the states; return what each of them returned for each state.

        The columns are complete only if `failure` is still None afterwards.
        """
        ...


class Meeting:
    """How actors find each other on their way through a batch: each publishes how far it is."""

    def __init__(self, arrived: MutableSequence[int] | memoryview[int]) -> None:
        self.arrived = arrived

    def walk(self, me: int, ticket: int, body: Any, states: list[Any], column: list[Any], walk: Walk) -> None:
        """Run the body on the states in the order of the walk, and fill in the column."""
        self._start_together(me, ticket)
        spins_left, napping_left = SPINS_IN_BATCH, NAPPING_SECONDS_IN_BATCH
        for number, leg in enumerate(walk.legs):
            if number and walk.meet:
                spins_left -= self._look_out(me, ticket + number, min(spins_left, SPINS_BEFORE_YIELD))
            elif number and napping_left > 0.0:
                begun = time.perf_counter()
                time.sleep(NAP_SECONDS)
                napping_left -= time.perf_counter() - begun
            for index in leg:
                column[index] = body(states[index])

    def _start_together(self, me: int, ticket: int) -> None:
        """Wait until all are there. With more actors than cores, those still to come need the core."""
        while self._look_out(me, ticket, SPINS_BEFORE_YIELD) == SPINS_BEFORE_YIELD:
            give_way()

    def _look_out(self, me: int, ticket: int, most_spins: int) -> int:
        """Wait briefly until all have come this far; return how many spins that took."""
        self.arrived[me] = ticket
        spins = 0
        while spins < most_spins and min(self.arrived) < ticket:
            spins += 1
        return spins


def gil_enabled() -> bool:
    """Return whether this interpreter has a GIL that is on."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def give_way() -> None:
    """Let another thread run. Before 3.12 sched_yield keeps the GIL, so a sleep has to do there."""
    if hasattr(os, "sched_yield") and not gil_enabled():
        os.sched_yield()
    else:
        time.sleep(0)


def cores() -> list[int]:
    """Return the cores that this process may use, as far as the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin_to_core(index: int) -> bool:
    """Keep the calling thread on one core, the next core for the next index; False if that is impossible."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    try:
        allowed = cores()
        os.sched_setaffinity(0, {allowed[index % len(allowed)]})
    except OSError:
        # A sandbox may forbid it. Then the run is weaker, and the controls tell whether it is too weak.
        return False
    return True
