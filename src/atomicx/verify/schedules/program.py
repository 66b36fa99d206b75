"""A small program of several threads, how it is run by a plan, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..histories.history import History
from .calls import NotExplained
from .stepping import Body, Branch, Execution, NotDeterministic, Plan, ScheduleStep, SteppedThreads
from .view import columns

Check = Callable[[Any, Any], Any]

LETTERS = "abcd"


@dataclass(frozen=True)
class Failure:
    """A schedule that breaks the program. `replay` runs it again from `schedule`."""

    reason: str
    schedule: str
    preemptions: int
    steps: tuple[ScheduleStep, ...]
    names: tuple[str, ...]
    error: BaseException | None = field(default=None, compare=False)
    conclusive: bool = True
    """False for a hang that the exploration itself may have caused: the thread went on when the others, which
    had been paused, were let go. It may have waited for a lock that one of them held. False also if a thread
    that is not explored could have let one of these go on, and may only have been slow."""

    @property
    def history(self) -> History | None:
        """What the threads called and got, if it is the history that is wrong."""
        return self.error.history if isinstance(self.error, NotExplained) else None

    def __str__(self) -> str:
        times = "1 preemption" if self.preemptions == 1 else f"{self.preemptions} preemptions"
        shown = columns(self.steps, [f"{LETTERS[n]}: {name}" for n, name in enumerate(self.names)])
        return f"schedule {self.schedule} ({times})\n\n{shown}\n\n{self.reason}"


@dataclass(frozen=True)
class Exploration:
    """What came of it. `complete`: every schedule within the bound was tried, and none failed."""

    executions: int
    complete: bool
    preemptions: int | None
    failure: Failure | None
    longest: int

    @property
    def ok(self) -> bool:
        """No schedule failed. This is a proof only if `complete`."""
        return self.failure is None

    def __str__(self) -> str:
        bound = "any number of" if self.preemptions is None else f"up to {self.preemptions}"
        if self.failure is not None:
            return f"fails in execution {self.executions}: {self.failure}"
        extent = "all" if self.complete else "NOT ALL"
        schedules = f"{self.executions} schedules: {extent} with {bound} preemptions"
        return f"holds in {schedules}, {self.longest} steps or fewer"


@dataclass(frozen=True)
class SteppedProgram:
    setup: Callable[[], Any]
    threads: Sequence[Body]
    check: Check | None
    raises: tuple[type[BaseException], ...]
    most_steps: int
    bound: int | None

    def run(self, stepped: SteppedThreads, branch: Branch) -> Execution:
        """Run one plan, in the first possible order where it leaves the order open; then check the result."""
        execution = Execution(branch, self.bound, self.most_steps, len(self.threads))
        state = stepped.made(self.setup)
        stepped.run(execution, state, self.threads)
        if execution.diverged is not None:
            raise NotDeterministic(f"schedule {written(branch.plan)}: {execution.diverged}")
        execution.verdict = self._verdict(execution, state)
        return execution

    def _verdict(self, execution: Execution, state: Any) -> tuple[str, BaseException | None] | None:
        for thread, error in sorted(execution.errors.items()):
            if not isinstance(error, self.raises):
                return f"{LETTERS[thread]} raised {_described(error)}", error
        if execution.trouble is not None:
            return execution.trouble, None
        if self.check is None:
            return None
        results = tuple(
            execution.errors[n] if n in execution.errors else execution.results[n]
            for n in range(len(self.threads))
        )
        try:
            if self.check(state, results) is False:
                return f"the check returned False; the threads returned {results!r}", None
        except NotExplained as error:
            return str(error), error
        except Exception as error:
            return f"the check raised {_described(error)}", error
        return None

    def failure(self, execution: Execution) -> Failure | None:
        if execution.verdict is None:
            return None
        reason, error = execution.verdict
        plan = tuple(execution.segments) or execution.plan
        return Failure(
            reason,
            written(plan),
            sum(steps is not None for _, steps in plan),
            tuple(execution.trail),
            tuple(getattr(thread, "__name__", repr(thread)) for thread in self.threads),
            error,
            not execution.came_back,
        )


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def written(plan: Plan) -> str:
    return "".join(LETTERS[thread] + ("" if steps is None else str(steps)) for thread, steps in plan)


def parsed(schedule: str, threads: int) -> Plan:
    if not re.fullmatch(rf"([{LETTERS[:threads]}]\d*)+", schedule):
        raise ValueError(f"{schedule!r} is not a schedule of {threads} threads")
    pairs = re.findall(r"([a-z])(\d*)", schedule)
    return tuple((LETTERS.index(letter), int(steps) if steps else None) for letter, steps in pairs)
