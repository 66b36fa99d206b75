"""Runs the catalogue within a time budget, and judges each row.

A pass has to be earned: the row's control must have failed in the same conditions, and often enough that the
same fault in the subject would hardly have stayed hidden in the samples that it ran.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from .explored import ExploredTrial
from .trials import RULE_OF_THREE, AloneTrial, AnyTrial, Progress, Trial, Verdict, whole

__all__ = ["RULE_OF_THREE", "AloneTrial", "AnyTrial", "Campaign", "Trial", "Verdict"]

# The first round takes at most this share of the time; rows still open get up to the second share.
FIRST_SHARE = 0.4
SECOND_SHARE = 0.7
# Rows that are still open when the time is over get as much again, and once more.
EXTENDED = 3
SHORTEST_TURN_SECONDS = 0.02


class Campaign:
    """The rows, the time for all of them together, and how far they are."""

    def __init__(
        self,
        trials: Sequence[AnyTrial | ExploredTrial],
        seconds: float,
        progress: Progress,
        *,
        stop_when_caught: bool = False,
        operations: Sequence[tuple[str, str]] = (),
        explore: Callable[[Callable[[], bool]], None] | None = None,
    ) -> None:
        """`operations` are those that no pass may leave out, each with the name of its kind of cell.

        `explore` runs the trials that explore, until all are done or the function passed to it returns true.
        """
        self.trials = list(trials)
        self.seconds = seconds
        self.interrupted = False
        self._operations = frozenset(operations)
        self._progress = progress
        self._stop_when_caught = stop_when_caught
        self._explore = explore

    def run(self) -> None:
        """Run all rows; Ctrl-C ends the run with the results so far.

        First comes what one thread does alone. Then every row that is sampled gets a turn, no longer than it
        takes to settle it. The open rows then share the time until most of it is gone, and the rest goes into
        more samples for all. If the machine was so busy that rows are still open, these get up to twice the
        time more. Rows of a subject whose fault is rare also go on for as long, until they have had enough
        samples to show it.
        """
        self._started = time.perf_counter()
        try:
            self._alone([trial for trial in self.trials if isinstance(trial, AloneTrial) and trial.runs])
            if self._explore is not None and not self._convicted():
                self._explore(self._convicted)
            running = [trial for trial in self.trials if isinstance(trial, Trial) and trial.runs]
            if running and not self._convicted():
                # The time spent so far, on a slow machine nearly all, must not leave the samples too little.
                begun = min(self._gone, self.seconds / 2)
                left = self.seconds - begun
                self._first_round(running, self._gone, left * FIRST_SHARE)
                self._open_rows(running, begun + left * SECOND_SHARE)
                if not any(trial.open for trial in running):
                    self._more_samples(running)
                self._open_rows(running, EXTENDED * self.seconds)
                if self._stop_when_caught:
                    self._least_samples(running, EXTENDED * self.seconds)
        except KeyboardInterrupt:
            self.interrupted = True

    def _alone(self, running: list[AloneTrial]) -> None:
        for trial in running:
            self._tell(trial)
            trial.run()
        for check in dict.fromkeys(trial.check for trial in running):
            check.mixed()
            check.crowded()

    def _first_round(self, running: list[Trial], begun: float, seconds: float) -> None:
        for index, trial in enumerate(running):
            self._tell(trial)
            until = begun + seconds * (index + 1) / len(running)
            trial.run_control(max(SHORTEST_TURN_SECONDS, (until - self._gone) / 2))
            trial.run_subject(max(SHORTEST_TURN_SECONDS, until - self._gone), whole(trial.samples_wanted))
            if self._convicted():
                return

    def _open_rows(self, running: list[Trial], until: float) -> None:
        while (unsettled := [trial for trial in running if trial.open]) and not self._convicted():
            for trial in unsettled:
                turn = (until - self._gone) / len(unsettled) / 4
                if turn < SHORTEST_TURN_SECONDS:
                    return
                self._tell(trial)
                if trial.lacks_control:
                    trial.run_control(turn)
                else:
                    trial.run_subject(turn, whole(trial.samples_wanted))

    def _more_samples(self, running: list[Trial]) -> None:
        left = sum(trial.row.weight for trial in running)
        for trial in running:
            turn = (self.seconds - self._gone) * trial.row.weight / left
            left -= trial.row.weight
            if turn >= SHORTEST_TURN_SECONDS:
                self._tell(trial)
                trial.run_subject(turn)
            if self._convicted():
                return

    def _least_samples(self, running: list[Trial], until: float) -> None:
        """Let rows with a rare fault go on where the machine was too busy for them."""
        for trial in running:
            while (lacking := trial.least - trial.samples) > 0 and not self._convicted():
                # A turn that takes longer than all the available time would count as a hang.
                turn = min(self.seconds, until - self._gone)
                if turn < SHORTEST_TURN_SECONDS:
                    return
                self._tell(trial)
                trial.run_subject(turn, whole(lacking))

    def _convicted(self) -> bool:
        return self._stop_when_caught and any(trial.verdict is Verdict.FAIL for trial in self.trials)

    @property
    def _gone(self) -> float:
        return time.perf_counter() - self._started

    def _tell(self, trial: AnyTrial) -> None:
        self._progress(min(1.0, self._gone / self.seconds), trial)

    @property
    def left_out(self) -> list[str]:
        """Return the operations that no row has run."""
        ran = {
            (trial.row.kind.name, name) for trial in self.trials if trial.has_run for name in trial.row.needs
        }
        return [f"{kind}/{name}" for kind, name in sorted(self._operations - ran)]

    @property
    def verdict(self) -> Verdict:
        """The overall verdict: the worst of the rows that say anything. If nothing passed, inconclusive."""
        verdicts = {trial.verdict for trial in self.trials}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        if Verdict.INCONCLUSIVE in verdicts or Verdict.PASS not in verdicts or self.interrupted:
            return Verdict.INCONCLUSIVE
        return Verdict.INCOMPLETE if self.left_out else Verdict.PASS

    @property
    def exit_status(self) -> int:
        """0 for PASS, 1 for FAIL, 3 for INCONCLUSIVE, 4 for INCOMPLETE, and 130 if Ctrl-C ended it."""
        if self.interrupted:
            return 130
        return {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCOMPLETE: 4}.get(self.verdict, 3)
