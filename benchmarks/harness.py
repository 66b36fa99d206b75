"""Measures cases side by side: in one process, in rounds, in an order shuffled anew for each round.

So that what disturbs the machine for a while disturbs every case alike, and a case meets every neighbor. A
sample is the time of one operation in one round: ten statements unrolled in a loop. What is kept is the
median and the quartiles over the rounds. The loop's own share is not subtracted: the floor pays it too.
"""

import gc
import random
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from .cases import Case

UNROLLED = 10

PROGRAM = """
def sample(repeats, {names}):
    begin = clock()
    for _ in repeats:
        {body}
    return clock() - begin
"""


@dataclass(frozen=True)
class Timing:
    """Nanoseconds an operation."""

    median_ns: float
    lower_quartile_ns: float
    upper_quartile_ns: float
    samples: int


class Sampler:
    """One case, ready to run: compiled, with its objects made, and calibrated."""

    def __init__(self, case: Case, sample_seconds: float) -> None:
        self.case = case
        self.objects = case.make()
        assert UNROLLED % len(case.statements) == 0, case.name
        lines = case.statements * (UNROLLED // len(case.statements))
        names: dict[str, Any] = {"clock": perf_counter_ns}
        exec(PROGRAM.format(names=", ".join(self.objects), body="\n        ".join(lines)), names)
        self.run: Callable[..., int] = names["sample"]
        self.repeats = 1
        while (taken_ns := self.run(range(self.repeats), **self.objects)) < 1e6:
            self.repeats *= 2
        self.repeats = max(1, round(self.repeats * sample_seconds * 1e9 / taken_ns))

    def sample_ns(self) -> float:
        return self.run(range(self.repeats), **self.objects) / (self.repeats * UNROLLED)


def measure(
    cases: Iterable[Case], *, rounds: int, sample_seconds: float, progress: Callable[[int], None]
) -> dict[str, Timing]:
    """The timing of each case by its name. `progress` is called with the number of rounds done."""
    samplers = [Sampler(case, sample_seconds) for case in cases]
    samples: dict[str, list[float]] = {sampler.case.name: [] for sampler in samplers}
    gc.collect()
    gc.disable()
    try:
        for done in range(1, rounds + 1):
            random.shuffle(samplers)
            for sampler in samplers:
                samples[sampler.case.name].append(sampler.sample_ns())
            progress(done)
    finally:
        gc.enable()
    return {name: timing(taken) for name, taken in samples.items()}


def timing(samples_ns: list[float]) -> Timing:
    lower, median, upper = statistics.quantiles(samples_ns, n=4, method="inclusive")
    return Timing(round(median, 2), round(lower, 2), round(upper, 2), len(samples_ns))
