"""Rows on their way to a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..litmus import Litmus
from ..sampling.crew import cores
from ..sampling.engine import PATIENCE_SECONDS, Result, run
from ..sampling.noise import BATCH
from .access import Access
from .alone import Alone, Difference
from .catalogue import Row
from .generated import AloneRow, PairsRow, ThreeRow

# After this many forbidden outcomes a control has shown what it can, and so has a subject. Fewer are enough
# for the many rows that are made from the specification, so that every row gets its turn.
ENOUGH_CAUGHT = 8
ENOUGH_CAUGHT_OF_MANY = 2
# The subject runs this many times the samples in which the control fails once: if it were broken in the same
# way, fewer than 5 % of runs would see nothing, as exp(-3) < 0.05. It is also the numerator of the bound that
# N samples without a fault put on its rate, with 95 % confidence.
RULE_OF_THREE = 3


class Verdict(Enum):
    """The verdict on a row. Only PASS is green."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCOMPLETE = "INCOMPLETE"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT APPLICABLE"
    NOT_OBSERVABLE = "NOT OBSERVABLE"
    NOT_RUN = "NOT RUN"


@dataclass
class Trial:
    """A row that is sampled with real threads, on its way to a verdict."""

    row: Row | PairsRow | ThreeRow
    access: Access
    seed: int = 0
    # Why it is not run at all, or None.
    hidden: str | None = None
    missing: str | None = None
    patience_seconds: float = PATIENCE_SECONDS
    # What the set-up or the observer raised: the cell is broken in a way that no outcome shows.
    error: str | None = None
    turns: int = 0
    # The result of each control, by its name: rows that have the same control share it.
    controls: dict[str, Result] = field(default_factory=dict[str, Result])
    _tests: dict[str, Litmus] = field(default_factory=dict[str, Litmus])
    subject: Result | None = None
    """The result of the cells in question."""

    @property
    def control(self) -> Result | None:
        """The result of the broken cells."""
        return self.controls.get(self.row.control_name)

    @property
    def runs(self) -> bool:
        return self.hidden is None and self.missing is None

    @property
    def verdict(self) -> Verdict:
        return self._judged[0]

    @property
    def reason(self) -> str:
        """Why it has this verdict, in a few words; empty if the numbers say it all."""
        return self._judged[1]

    @property
    def samples(self) -> int:
        return self.subject.samples if self.subject else 0

    @property
    def has_run(self) -> bool:
        """Whether the cells in question were tried in it, as far as possible."""
        return self.samples > 0

    @property
    def bound(self) -> float | None:
        """The 95 % bound on the rate of a forbidden outcome, if none came."""
        return RULE_OF_THREE / self.samples if self.samples and self.verdict is not Verdict.FAIL else None

    @property
    def _enough(self) -> int:
        return ENOUGH_CAUGHT if isinstance(self.row, Row) else ENOUGH_CAUGHT_OF_MANY

    @property
    def least(self) -> int:
        """The fewest samples of a subject that are enough, however busy the machine is."""
        return self.row.least if isinstance(self.row, Row) else 0

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
        if not control.caught or self.samples_wanted > 0:
            if len(cores()) < 2:
                return Verdict.NOT_APPLICABLE, "its control does not show often enough on one CPU"
            if not control.caught:
                return Verdict.INCONCLUSIVE, "the control stayed silent"
            return Verdict.INCONCLUSIVE, "too few samples to see what the control shows"
        return Verdict.PASS, ""

    @property
    def samples_wanted(self) -> int:
        """How many more samples of the subject a pass needs, as far as the control tells."""
        if self.control is None or not self.control.caught:
            return 0
        return math.ceil(RULE_OF_THREE * self.control.samples / self.control.caught) - self.samples

    def run_subject(self, seconds: float, samples: int | None = None) -> None:
        """Take a turn of `seconds`; of at most `samples` samples, if given."""
        self._turn("subject", seconds, samples)

    def run_control(self, seconds: float) -> None:
        """Take a turn of `seconds`, unless the control was caught often enough."""
        if self.control is None or self.control.caught < self._enough:
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
                stop_when_caught=self._enough,
                crew_of=self.row.crew_of,
                patience_seconds=self.patience_seconds,
            )
        except Exception as error:
            self.error = f"the {part} raised {type(error).__name__}: {error}"
            return
        before = self.subject if part == "subject" else self.control
        if before is not None:
            before.merge(result)
        elif part == "subject":
            self.subject = result
        else:
            self.controls[self.row.control_name] = result
        if result.interrupted:
            raise KeyboardInterrupt

    def _test(self, part: str) -> Litmus:
        if part == "control":
            return self.row.control_test(self.access)
        return self.row.subject_test(self.access)


@dataclass
class AloneTrial:
    """A row that one thread runs, on its way to a verdict."""

    row: AloneRow
    check: Alone
    seed: int = 0
    hidden: str | None = None
    missing: str | None = None
    caught: bool | None = None
    error: str | None = None
    subject = control = bound = None

    @property
    def runs(self) -> bool:
        return self.hidden is None and self.missing is None

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.row.operation.name

    @property
    def difference(self) -> Difference | None:
        """Where the cell was found to do something else, if it was."""
        return self.check.found.get(self.name)

    @property
    def note(self) -> Difference | None:
        """Where the cell converts an argument in another way, if it does."""
        return self.check.noted.get(self.name)

    @property
    def samples(self) -> int:
        return self.check.calls[self.name]

    @property
    def has_run(self) -> bool:
        return self.samples > 0

    @property
    def verdict(self) -> Verdict:
        if self.hidden is not None:
            return Verdict.NOT_OBSERVABLE
        if self.error is not None or self.difference is not None:
            return Verdict.FAIL
        if not self.samples or self.caught is None:
            return Verdict.NOT_RUN
        return Verdict.PASS if self.caught else Verdict.INCONCLUSIVE

    @property
    def reason(self) -> str:
        """Why it has this verdict; empty if there is no more to say."""
        if self.verdict is Verdict.INCONCLUSIVE:
            return "the control was not caught"
        return self.hidden or self.error or (str(self.difference) if self.difference is not None else "")

    def run(self) -> None:
        """Try the operation, and the control."""
        try:
            self.check.edges(self.row.operation)
            self.check.repeats(self.row.operation)
            self.check.elsewhere(self.row.operation)
            self.check.lasting(self.row.operation)
            self.check.interrupted(self.row.operation)
            self.check.meddled(self.row.operation)
        except Exception as error:
            # It came from making the cells: the check catches everything that an operation raises.
            self.error = f"a cell cannot be made: {type(error).__name__}: {error}"
        self.caught = self.row.control_is_caught(self.check.access)


AnyTrial = Trial | AloneTrial


def whole(samples: int) -> int:
    """Round up to whole batches, at least one."""
    return max(1, math.ceil(samples / BATCH)) * BATCH


# Called after each turn with the share of the time that is gone, and the trial that comes next.
Progress = Callable[[float, Any], None]
