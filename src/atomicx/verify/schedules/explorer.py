"""Runs every schedule of a small Python program: what can come of it, whatever the order of its threads?

    def add(box):
        box.value += 1

    def both_counted(box, results):
        assert box.value == 2

    exploration = explore(Box, [add, add], both_counted)
    print(exploration)                      # the schedule that loses one, line by line

Two to four functions run on real threads. Only one thread runs at a time, and a switch may come before any
bytecode that another thread could notice. All schedules with up to `preemptions` preemptions are tried, those
with fewer first, so that the failure it shows has as few as possible. A switch where a thread ends or waits
for a lock is not a preemption. One call into C is one step, which is just what the GIL guarantees. So a pass
is a proof within these bounds: it is about bytecodes and the order of threads, with a GIL. It says nothing
about C code, or about what the memory of a free-threaded build may reorder.

Madan Musuvathi and Shaz Qadeer (Iterative context bounding, PLDI 2007) found that most errors of this kind
need no more than two preemptions.

The tracer is `sys.monitoring`, under a tool id of its own, or `sys.settrace` before 3.12. It is set in the
explored threads only; the calling thread's tracer is untouched. Other tools that use `sys.settrace`, as
coverage.py does by default, do not see the explored threads before 3.12, and so do not count their lines.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any

from ..histories.history import History
from ..litmus import FORBIDDEN, Litmus, as_litmus
from ..spec.model import Model
from .calls import Call, CallProgram, Judge, NotExplained
from .locks import Patches, explored_threads
from .stepping import Body, Branch, Execution, NotDeterministic, Plan, ScheduleStep, SteppedThreads
from .view import columns
from .visibility import Scope, checked, every, noticeable

__all__ = [
    "Exploration",
    "Explorer",
    "Failure",
    "NotDeterministic",
    "assert_all_schedules",
    "checked",
    "every",
    "explore",
    "explore_litmus",
    "noticeable",
    "replay",
]

Check = Callable[[Any, Any], Any]
Switches = Callable[[CodeType], bytes]

LETTERS = "abcd"
MOST_EXECUTIONS = 50_000
MOST_STEPS = 10_000
HANG_SECONDS = 10.0


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
    had been paused, were let go. It may have waited for a lock that one of them held."""

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


class Explorer:
    """Explores many programs, and keeps its threads and its tracer from one to the next.

        with Explorer() as explorer:
            for calls in itertools.combinations_with_replacement([("push", 1), ("pop",)], 2):
                exploration = explorer.explore(Stack, [[call] for call in calls], model=STACK)

    The function `explore` does this for one program, and explains the options. For use by one thread only.
    """

    def __init__(
        self,
        *,
        step_into: Iterable[Any] = (),
        one_step: Iterable[Any] = (),
        switches: Switches = noticeable,
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        self._scope = Scope(step_into, one_step, switches)
        self._hang_seconds = hang_seconds
        self._threads: SteppedThreads | None = None
        self._patches = Patches()

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads. The explorer can be used again: it then starts new ones."""
        if self._threads is not None:
            self._threads.close()
            self._threads = None

    def explore(
        self,
        setup: Callable[[], Any],
        threads: Sequence[Any],
        check: Check | None = None,
        *,
        model: Model | None = None,
        initial: Any = None,
        before: Iterable[Call] = (),
        after: Iterable[Call] = (),
        judge: Judge | None = None,
        preemptions: int | None = 2,
        most_executions: int = MOST_EXECUTIONS,
        seconds: float | None = None,
        raises: tuple[type[BaseException], ...] = (),
        most_steps: int = MOST_STEPS,
        seed: int | None = None,
    ) -> Exploration:
        """Run a program in every schedule, as the function `explore` does.

        With a seed, schedules with the same number of preemptions come in a random order. If there are too
        many to try them all, those that are tried then have little in common.
        """
        calls = _calls(setup, threads, check, model, initial, before, after, judge)
        program = _Program(setup, threads, check, raises, most_steps, preemptions)
        if calls is not None:
            program = replace(program, setup=calls.setup, threads=calls.bodies, check=calls.check)
        deadline = None if seconds is None else time.monotonic() + seconds
        # One stack for each number of preemptions: depth first, and the fewest preemptions first.
        stacks: list[list[Branch]] = [
            [Branch(((thread, None),), 0, None) for thread in reversed(range(len(threads)))]
        ]
        dice = None if seed is None else random.Random(seed)
        executions = longest = 0
        complete = True
        with self._running(len(threads), calls) as stepped:
            for stack in stacks:
                while stack:
                    late = deadline is not None and time.monotonic() > deadline
                    if executions >= most_executions or late:
                        return Exploration(executions, False, preemptions, None, longest)
                    if dice is not None:
                        place = dice.randrange(len(stack))
                        stack[place], stack[-1] = stack[-1], stack[place]
                    execution = program.run(stepped, stack.pop())
                    executions += 1
                    longest = max(longest, len(execution.trail))
                    complete = complete and not execution.spun
                    failure = program.failure(execution)
                    if failure is not None:
                        return Exploration(executions, False, preemptions, failure, longest)
                    for branch in execution.branches:
                        if branch.preemptions == len(stacks):
                            # The loop over the stacks reaches it when the present stack is empty.
                            stacks.append([])
                        stacks[branch.preemptions].append(branch)
        return Exploration(executions, complete, preemptions, None, longest)

    def replay(
        self,
        setup: Callable[[], Any],
        threads: Sequence[Any],
        check: Check | None,
        schedule: str,
        *,
        model: Model | None = None,
        initial: Any = None,
        before: Iterable[Call] = (),
        after: Iterable[Call] = (),
        judge: Judge | None = None,
        raises: tuple[type[BaseException], ...] = (),
        most_steps: int = MOST_STEPS,
    ) -> Failure | None:
        """Run one schedule, as the function `replay` does."""
        calls = _calls(setup, threads, check, model, initial, before, after, judge)
        program = _Program(setup, threads, check, raises, most_steps, 0)
        if calls is not None:
            program = replace(program, setup=calls.setup, threads=calls.bodies, check=calls.check)
        plan = _parse(schedule, len(threads))
        with self._running(len(threads), calls) as stepped:
            try:
                execution = program.run(
                    stepped, Branch(plan, sum(steps is not None for _, steps in plan), None)
                )
            except NotDeterministic as error:
                raise ValueError(f"the schedule {schedule} does not fit this program: {error}") from None
        return program.failure(execution)

    @contextmanager
    def _running(self, count: int, calls: CallProgram | None) -> Iterator[SteppedThreads]:
        """Provide `count` threads, with the explored locks in place of threading's."""
        if self._threads is None:
            self._threads = SteppedThreads(self._scope, self._hang_seconds)
        stepped = self._threads
        stepped.demand(count)
        if calls is not None:
            calls.threads = stepped
        me = threading.get_ident()
        explored_threads[me] = stepped
        try:
            with self._patches:
                yield stepped
        finally:
            del explored_threads[me]
            if stepped.hung is not None or stepped.closing:
                self.close()


def explore(
    setup: Callable[[], Any],
    threads: Sequence[Any],
    check: Check | None = None,
    *,
    model: Model | None = None,
    initial: Any = None,
    before: Iterable[Call] = (),
    after: Iterable[Call] = (),
    judge: Judge | None = None,
    preemptions: int | None = 2,
    most_executions: int = MOST_EXECUTIONS,
    seconds: float | None = None,
    raises: tuple[type[BaseException], ...] = (),
    step_into: Iterable[Any] = (),
    one_step: Iterable[Any] = (),
    switches: Switches = noticeable,
    most_steps: int = MOST_STEPS,
    hang_seconds: float = HANG_SECONDS,
) -> Exploration:
    """Run `threads` in every schedule with at most `preemptions` preemptions (None: any number).

    `setup()` makes a fresh state. Each thread is a function that is called with that state. When all have
    ended, `check(state, results)` raises or returns False if something is wrong; any other return value is
    ignored. The results are in the order of the threads. If a thread raises an exception whose type is in
    `raises`, the exception is its result; any other exception is a failure. These are failures too: a
    deadlock, a schedule of more than `most_steps` steps, and a thread whose next step does not come within
    `hang_seconds`, for example because it waits for a lock that existed before. A thread that makes a great
    many steps in a row may be waiting in a loop, so the others go on then; not all rounds of that loop are
    interrupted, and the exploration is not complete.

    With a `model`, `setup()` makes an object that the model specifies, and each thread is a sequence of calls
    to its operations: `[("push", 1), ("pop",)]`. An exception is a call's result. The calls in `before` are
    made first, those in `after` when all threads have ended. If the operations themselves return little, as
    `inc()` does, only a call in `after` shows their effect. The history of each schedule has to be
    linearizable, starting from `initial` if the object does not begin in the model's own initial state. With
    a `judge`, `judge(history)` decides instead: it returns something true if the history is as it should be,
    or something false whose str says why not (`check_counter` is one). `check(object, history)` comes after
    that.

    The standard library and atomicx itself, including the pure-Python twin, are not stepped through: each of
    their operations is one step. `step_into` names modules, packages, classes, functions or files that are
    stepped through all the same; `one_step` names others that are not. `switches` decides before which
    bytecodes another thread may run: `noticeable`, `every`, or `checked`. `checked` means those before which
    this version of CPython would switch with its GIL; these are too few for a proof that has to hold on the
    next version.

    Returns at the first failure, or when everything is explored, or after `most_executions` or `seconds`. The
    garbage collector is off while a schedule runs. Raises NotDeterministic if running the same schedule again
    does something else, ValueError unless there are two to four threads, and LookupError if the model lacks
    an operation.
    """
    with Explorer(
        step_into=step_into, one_step=one_step, switches=switches, hang_seconds=hang_seconds
    ) as explorer:
        return explorer.explore(
            setup,
            threads,
            check,
            model=model,
            initial=initial,
            before=before,
            after=after,
            judge=judge,
            preemptions=preemptions,
            most_executions=most_executions,
            seconds=seconds,
            raises=raises,
            most_steps=most_steps,
        )


def replay(
    setup: Callable[[], Any],
    threads: Sequence[Any],
    check: Check | None,
    schedule: str,
    *,
    model: Model | None = None,
    initial: Any = None,
    before: Iterable[Call] = (),
    after: Iterable[Call] = (),
    judge: Judge | None = None,
    raises: tuple[type[BaseException], ...] = (),
    step_into: Iterable[Any] = (),
    one_step: Iterable[Any] = (),
    switches: Switches = noticeable,
    most_steps: int = MOST_STEPS,
    hang_seconds: float = HANG_SECONDS,
) -> Failure | None:
    """Run the one schedule that a Failure names. Returns the failure again, or None if it no longer fails.

    `schedule` is a sequence of letters, one letter per thread. `a3ba` lets `a` make three steps, then `b` run
    until it ends or waits, and then `a`. Where the sequence ends, the first thread that can run goes on. A
    step is a bytecode or a call, so a schedule is valid for one program on one version of Python. Raises
    ValueError if it does not fit. The options are those of `explore`.
    """
    with Explorer(
        step_into=step_into, one_step=one_step, switches=switches, hang_seconds=hang_seconds
    ) as explorer:
        return explorer.replay(
            setup,
            threads,
            check,
            schedule,
            model=model,
            initial=initial,
            before=before,
            after=after,
            judge=judge,
            raises=raises,
            most_steps=most_steps,
        )


def assert_all_schedules(
    setup: Callable[[], Any], threads: Sequence[Any], check: Check | None = None, **options: Any
) -> Exploration:
    """Call `explore` in a test: AssertionError if a schedule fails (it is shown), or not all were tried."""
    exploration = explore(setup, threads, check, **options)
    if exploration.failure is not None or not exploration.complete:
        raise AssertionError(str(exploration))
    return exploration


def explore_litmus(test: Litmus | type[Any], **options: Any) -> Exploration:
    """Explore a litmus test instead of sampling it: no schedule may lead to a forbidden outcome."""
    test = as_litmus(test)

    def check(state: Any, results: tuple[Any, ...]) -> None:
        outcome = test.outcome(state, results)
        expected = test.expectation(outcome)
        if expected.grade is FORBIDDEN:
            raise AssertionError(f"{test.name}: {test.show(outcome)} is forbidden: {expected.note}")

    # Made here: any thread can make a plain actor's body. Others, made on their own thread, are not explored.
    bodies = [_named(actor.prepare(), actor.name) for actor in test.actors]
    return explore(test.setup, bodies, check, **options)


def _named(body: Body, name: str) -> Body:
    return body if getattr(body, "__name__", None) == name else _Named(body, name)


class _Named:
    def __init__(self, body: Body, name: str) -> None:
        self._body = body
        self.__name__ = name

    def __call__(self, state: Any) -> Any:
        return self._body(state)


def _calls(
    setup: Callable[[], Any],
    threads: Sequence[Any],
    check: Check | None,
    model: Model | None,
    initial: Any,
    before: Iterable[Call],
    after: Iterable[Call],
    judge: Judge | None,
) -> CallProgram | None:
    if not 2 <= len(threads) <= len(LETTERS):
        raise ValueError(f"expected two to {len(LETTERS)} threads, got {len(threads)}")
    if model is not None:
        return CallProgram(setup, threads, model, initial, before, after, judge, check)
    for name, value in (("initial", initial), ("before", before), ("after", after), ("judge", judge)):
        if value not in (None, ()):
            raise TypeError(f"{name} needs a model that says what the calls do")
    return None


@dataclass(frozen=True)
class _Program:
    setup: Callable[[], Any]
    threads: Sequence[Body]
    check: Check | None
    raises: tuple[type[BaseException], ...]
    most_steps: int
    bound: int | None

    def run(self, stepped: SteppedThreads, branch: Branch) -> Execution:
        """Run one plan, in the first possible order where it leaves the order open; then check the result."""
        execution = Execution(branch, self.bound, self.most_steps, len(self.threads))
        state = self.setup()
        stepped.run(execution, state, self.threads)
        if execution.diverged is not None:
            raise NotDeterministic(f"schedule {_written(branch.plan)}: {execution.diverged}")
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
            _written(plan),
            sum(steps is not None for _, steps in plan),
            tuple(execution.trail),
            tuple(getattr(thread, "__name__", repr(thread)) for thread in self.threads),
            error,
            not execution.came_back,
        )


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _written(plan: Plan) -> str:
    return "".join(LETTERS[thread] + ("" if steps is None else str(steps)) for thread, steps in plan)


def _parse(schedule: str, threads: int) -> Plan:
    if not re.fullmatch(rf"([{LETTERS[:threads]}]\d*)+", schedule):
        raise ValueError(f"{schedule!r} is not a schedule of {threads} threads")
    pairs = re.findall(r"([a-z])(\d*)", schedule)
    return tuple((LETTERS.index(letter), int(steps) if steps else None) for letter, steps in pairs)
