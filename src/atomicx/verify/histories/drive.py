"""Thousands of short random histories of real threads on a cell, each of them checked.

    report = exercise(AtomicInt, ATOMIC_INT, seconds=2)
    assert report.ok, str(report)

Two or three threads make three to five operations each on a fresh cell, drawn from the model's table. The
threads walk through batches of these cells as in a litmus test, so the engine is the same. Most histories are
of no use, because nothing in them overlaps. So the share of overlapping operations is measured, and a run
below a floor fails.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..litmus import ACCEPTABLE, FORBIDDEN, Actor, Litmus, plain_actor
from ..sampling.engine import run
from ..spec.model import ITSELF, Invocation, Model, raises
from .history import Event, History
from .linearizability import MOST_STATES, HistoryCheck, check_linearizable

# The spins that a thread waits for the others at each cell. The wait has a limit, because they may walk
# through the batch the other way. With the GIL, a thread that yields hands over for good, and the threads
# would only take turns; so it just spins until its switch interval is over. Without the GIL, yielding gives a
# core to a thread that was left without one.
MOST_SPINS = 200
SPINS_BEFORE_YIELD = 50
GIL = getattr(sys, "_is_gil_enabled", lambda: True)()

Calls = tuple[Invocation, ...]
Factory = Callable[[], Any]

LINEARIZABLE, NOT_LINEARIZABLE = "linearizable", "not linearizable"


@dataclass
class ExerciseReport:
    """What `exercise` saw. True if every history was linearizable and enough of them overlapped."""

    model: Model
    seed: int | str
    floor: float
    histories: int = 0
    operations: int = 0
    overlapping: int = 0
    overlapping_histories: int = 0
    bad: int = 0
    verdict: HistoryCheck | None = None
    """The shortest of the failing histories."""
    trouble: str | None = None
    """Why the run ended early, if it did."""

    @property
    def overlap(self) -> float:
        """The share of operations that overlapped an operation of another thread."""
        return self.overlapping / self.operations if self.operations else 0.0

    @property
    def enough_overlap(self) -> bool:
        return self.overlap >= self.floor and self.overlapping > 0

    @property
    def ok(self) -> bool:
        return not self.bad and self.trouble is None and self.enough_overlap

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [
            f"{self.model.name}: {self.histories} histories of {self.operations} operations, "
            f"{self.overlap:.1%} of them overlapping; seed {self.seed}"
        ]
        if self.trouble is not None:
            lines.append(f"ended early: {self.trouble}")
        if self.verdict is not None:
            lines.append(f"{self.bad} histories are not linearizable. {self.verdict}")
        elif not self.enough_overlap:
            lines.append(f"too little overlap to mean something: the floor is {self.floor:.1%}")
        return "\n".join(lines)


class _Sample:
    """One fresh cell and what each thread has to do with it."""

    __slots__ = ("arrived", "cell", "programs")

    def __init__(self, cell: Any, programs: tuple[Calls, ...]) -> None:
        self.cell = cell
        self.programs = programs
        self.arrived: list[None] = []


def exercise(
    factory: Factory,
    model: Model,
    *,
    threads: int = 2,
    operations: tuple[int, int] = (3, 5),
    only: Sequence[str] = (),
    seconds: float | None = None,
    histories: int | None = None,
    seed: int | str | None = None,
    overlap_floor: float = 0.001,
    stop_when_caught: bool = True,
) -> ExerciseReport:
    """Check random histories of `factory()` against `model`, for `seconds` or this many `histories`.

    Each of the `threads` (two to four) does at least `operations[0]` and at most `operations[1]` operations
    of the model, or of those named in `only`. The first history that is not linearizable ends the run, unless
    `stop_when_caught` is false. The operations are drawn from `seed`; how the threads meet is up to the
    machine. `overlap_floor` is the smallest acceptable share of overlapping operations.

    Anything that `factory` raises passes through; so does Undecided.
    """
    rows = [
        row for row in model.operations if row.arguments and row.atomic and (not only or row.name in only)
    ]
    if not rows:
        raise ValueError(f"nothing to do: {model.name} has none of {', '.join(only)} with arguments to try")
    seed = random.SystemRandom().getrandbits(32) if seed is None else seed
    dice = random.Random(f"programs {seed}")
    report = ExerciseReport(model, seed, overlap_floor)

    def program() -> Calls:
        drawn = [dice.choice(rows) for _ in range(dice.randint(*operations))]
        return tuple((row, dice.choice(row.arguments)) for row in drawn)

    # Drawing is slower than running, so a program is used many times, each time with other partners.
    pool = [program() for _ in range(max(500, 40 * len(rows)))]

    def setup() -> _Sample:
        return _Sample(factory(), tuple(dice.choices(pool, k=threads)))

    def observe(sample: _Sample, *columns: list[Any]) -> str:
        history = History.of(event for events in columns for event in _events(events, sample.cell))
        report.histories += 1
        report.operations += len(history)
        overlapping = history.overlapping
        report.overlapping += overlapping
        report.overlapping_histories += overlapping > 0
        verdict = check_linearizable(history, model, most_states=MOST_STATES)
        if verdict.failing is None:
            return LINEARIZABLE
        report.bad += 1
        best = report.verdict
        if best is None or best.failing is None or len(verdict.failing) < len(best.failing):
            report.verdict = verdict
        return NOT_LINEARIZABLE

    test = Litmus(
        name=f"histories of {model.name}",
        setup=setup,
        actors=tuple(_actor(number) for number in range(threads)),
        outcomes={
            LINEARIZABLE: ACCEPTABLE("some order explains it"),
            NOT_LINEARIZABLE: FORBIDDEN("no order does"),
        },
        observe=observe,
    )
    result = run(
        test,
        seconds=seconds,
        samples=histories,
        seed=seed,
        stop_when_caught=1 if stop_when_caught else None,
    )
    if result.failure is not None:
        report.trouble = str(result.failure)
    elif result.interrupted:
        report.trouble = "interrupted"
    return report


def _actor(number: int) -> Actor:
    clock = time.perf_counter_ns

    def act(sample: _Sample) -> list[Any]:
        # As plain as possible: the shorter the way from one operation to the next, the more of them meet.
        cell = sample.cell
        log: list[Any] = []
        _meet(sample)
        for row, arguments in sample.programs[number]:
            written = row.written
            if written is None:
                method = getattr(cell, row.name)
                invoked = clock()
                try:
                    result = method(*arguments)
                except Exception as error:
                    responded = clock()
                    result = raises(error)
                else:
                    responded = clock()
            else:
                invoked = clock()
                try:
                    result = written(cell, *arguments)
                except Exception as error:
                    responded = clock()
                    result = raises(error)
                else:
                    responded = clock()
            log.append((invoked, responded, number, row.name, arguments, result))
        return log

    return plain_actor(f"thread {number}", act)


def _meet(sample: _Sample) -> None:
    arrived = sample.arrived
    everybody = len(sample.programs)
    arrived.append(None)
    spins = 0
    while len(arrived) < everybody and spins < MOST_SPINS:
        spins += 1
        if not GIL and spins % SPINS_BEFORE_YIELD == 0:
            time.sleep(0)


def _events(log: list[Any], cell: Any) -> list[Event]:
    return [Event(*entry)._replace(result=ITSELF) if entry[-1] is cell else Event(*entry) for entry in log]
