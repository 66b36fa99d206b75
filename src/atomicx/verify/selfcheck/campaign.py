"""Runs the catalogue within a budget of time, and judges each row.

A pass has to be earned: the row's control must have failed in the same conditions, and often enough that
the same fault in the subject would hardly have stayed hidden in the samples that it ran.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..litmus import Litmus
from ..sampling.engine import Result, run
from ..sampling.noise import BATCH
from .catalogue import Row

# Forbidden outcomes, after which a control has shown what it can, and a subject too.
ENOUGH_CAUGHT = 8
# The subject runs this many times the samples in which the control fails once: were it broken in the same
# way, fewer than 5 % of runs would see nothing, as exp(-3) < 0.05. It is also the numerator of the bound that
# N samples without a fault put on its rate, with 95 % confidence.
RULE_OF_THREE = 3
# The first round takes this share of the time at most; what it leaves open gets up to the second share.
FIRST_SHARE = 0.4
SECOND_SHARE = 0.7
SHORTEST_TURN_SECONDS = 0.02


class Verdict(Enum):
    """What a row came to. Only PASS is green."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_OBSERVABLE = "NOT OBSERVABLE"
    NOT_RUN = "NOT RUN"


@dataclass
class Trial:
    """A row on its way to a verdict."""

    row: Row
    make: Callable[[Any], Any]
    names: dict[str, str] = field(default_factory=dict[str, str])
    seed: int = 0
    # Why it is not run at all, or None.
    hidden: str | None = None
    missing: str | None = None
    # What the set-up or the observer raised: the cell is broken in a way that no outcome tells.
    error: str | None = None
    turns: int = 0
    _tests: dict[str, Litmus] = field(default_factory=dict[str, Litmus])
    _results: dict[str, Result] = field(default_factory=dict[str, Result])

    @property
    def subject(self) -> Result | None:
        """What came of the cells in question."""
        return self._results.get("subject")

    @property
    def control(self) -> Result | None:
        """What came of the broken ones."""
        return self._results.get("control")

    @property
    def runs(self) -> bool:
        return self.hidden is None and self.missing is None

    @property
    def verdict(self) -> Verdict:
        return self._judged[0]

    @property
    def reason(self) -> str:
        """Why it is this verdict, in a few words; empty where the numbers say it all."""
        return self._judged[1]

    @property
    def samples(self) -> int:
        return self.subject.samples if self.subject else 0

    @property
    def bound(self) -> float | None:
        """The 95 % bound of the rate of a forbidden outcome, where none came."""
        return RULE_OF_THREE / self.samples if self.samples and self.verdict is not Verdict.FAIL else None

    @property
    def lacks_control(self) -> bool:
        return self.control is None or self.control.caught == 0

    @property
    def open(self) -> bool:
        """Whether more time could settle it."""
        broken = self.control is not None and self.control.failure is not None
        return self.verdict is Verdict.INCONCLUSIVE and not broken

    @property
    def _judged(self) -> tuple[Verdict, str]:
        subject, control = self.subject, self.control
        if self.missing is not None:
            return Verdict.NOT_RUN, self.missing
        if self.hidden is not None:
            return Verdict.NOT_OBSERVABLE, self.hidden
        if self.error is not None:
            return Verdict.FAIL, self.error
        if subject is not None and subject.failure is not None:
            return Verdict.FAIL, f"in {subject.failure}"
        if subject is not None and subject.forbidden:
            return Verdict.FAIL, "forbidden outcomes came"
        if subject is None or control is None:
            return Verdict.NOT_RUN, ""
        if control.failure is not None:
            return Verdict.INCONCLUSIVE, f"the control failed in {control.failure}"
        if not control.caught:
            return Verdict.INCONCLUSIVE, "the control stayed silent"
        if self.samples_wanted > 0:
            return Verdict.INCONCLUSIVE, "too few samples to see what the control shows"
        return Verdict.PASS, ""

    @property
    def samples_wanted(self) -> int:
        """How many more samples of the subject a pass takes, as far as the control tells."""
        if self.control is None or not self.control.caught:
            return 0
        return math.ceil(RULE_OF_THREE * self.control.samples / self.control.caught) - self.samples

    def run_subject(self, seconds: float, samples: int | None = None) -> None:
        """A turn of so many seconds; of no more than so many samples, if told."""
        self._turn("subject", seconds, samples)

    def run_control(self, seconds: float) -> None:
        """A turn of so many seconds, unless it was caught often enough."""
        if self.control is None or self.control.caught < ENOUGH_CAUGHT:
            self._turn("control", seconds, None)

    def _turn(self, part: str, seconds: float, samples: int | None) -> None:
        if self.verdict is Verdict.FAIL:
            return
        self.turns += 1
        seed = f"{self.seed} {self.row.name} {part} {self.turns}"
        try:
            if part not in self._tests:
                self._tests[part] = self._test(part)
            result = run(
                self._tests[part],
                seconds=seconds,
                samples=samples,
                seed=seed,
                stop_when_caught=ENOUGH_CAUGHT,
                crew_of=self.row.crew_of,
            )
        except Exception as error:
            self.error = f"the {part} raised {type(error).__name__}: {error}"
            return
        if part in self._results:
            self._results[part].merge(result)
        else:
            self._results[part] = result
        if result.interrupted:
            raise KeyboardInterrupt

    def _test(self, part: str) -> Litmus:
        return self.row.control_test() if part == "control" else self.row.subject_test(self.make, self.names)


def _whole(samples: int) -> int:
    """In whole batches, one at least."""
    return max(1, math.ceil(samples / BATCH)) * BATCH


# Told after each turn: the share of the time that is gone, and the trial that comes next.
Progress = Callable[[float, Trial], None]


class Campaign:
    """The rows, the time for all of them together, and how far they are."""

    def __init__(self, trials: Sequence[Trial], seconds: float, progress: Progress) -> None:
        self.trials = list(trials)
        self.seconds = seconds
        self.interrupted = False
        self._progress = progress

    def run(self) -> None:
        """Run all rows; Ctrl-C ends it with what there is.

        Every row gets a first turn, of no more than it takes to settle it. What is open then shares the
        time until most of it is gone, and what is left goes into more samples for all.
        """
        self._started = time.perf_counter()
        try:
            running = [trial for trial in self.trials if trial.runs]
            if running:
                self._first_round(running)
                self._open_rows(running)
                self._more_samples(running)
        except KeyboardInterrupt:
            self.interrupted = True

    def _first_round(self, running: list[Trial]) -> None:
        for index, trial in enumerate(running):
            self._tell(trial)
            until = self.seconds * FIRST_SHARE * (index + 1) / len(running)
            trial.run_control(max(SHORTEST_TURN_SECONDS, (until - self._gone) / 2))
            trial.run_subject(max(SHORTEST_TURN_SECONDS, until - self._gone), _whole(trial.samples_wanted))

    def _open_rows(self, running: list[Trial]) -> None:
        until = self.seconds * SECOND_SHARE
        while unsettled := [trial for trial in running if trial.open]:
            for trial in unsettled:
                turn = (until - self._gone) / len(unsettled) / 4
                if turn < SHORTEST_TURN_SECONDS:
                    return
                self._tell(trial)
                if trial.lacks_control:
                    trial.run_control(turn)
                else:
                    trial.run_subject(turn, _whole(trial.samples_wanted))

    def _more_samples(self, running: list[Trial]) -> None:
        left = sum(trial.row.weight for trial in running)
        for trial in running:
            turn = (self.seconds - self._gone) * trial.row.weight / left
            left -= trial.row.weight
            if turn >= SHORTEST_TURN_SECONDS:
                self._tell(trial)
                trial.run_subject(turn)

    @property
    def _gone(self) -> float:
        return time.perf_counter() - self._started

    def _tell(self, trial: Trial) -> None:
        self._progress(min(1.0, self._gone / self.seconds), trial)

    @property
    def verdict(self) -> Verdict:
        """Of the whole: the worst of those rows that say anything; nothing passed is inconclusive."""
        verdicts = {trial.verdict for trial in self.trials}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        if Verdict.INCONCLUSIVE in verdicts or Verdict.PASS not in verdicts or self.interrupted:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS

    @property
    def exit_status(self) -> int:
        """0 for PASS, 1 for FAIL, 3 for INCONCLUSIVE, and 130 where Ctrl-C ended it."""
        if self.interrupted:
            return 130
        return {Verdict.PASS: 0, Verdict.FAIL: 1}.get(self.verdict, 3)
