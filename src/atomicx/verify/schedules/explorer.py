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
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import CodeType
from typing import Any

from ..litmus import FORBIDDEN, Litmus, as_litmus
from ..spec.model import Model
from .calls import Call, CallProgram, Judge
from .locks import Patches, explored_threads
from .program import LETTERS, Check, Exploration, Failure, SteppedProgram, parsed
from .stepping import Body, Branch, NotDeterministic, SteppedThreads
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

Switches = Callable[[CodeType], bytes]

MOST_EXECUTIONS = 50_000
MOST_STEPS = 10_000
HANG_SECONDS = 10.0


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
        self.impatient = False
        """If set, waits with a time limit end at once, as if the others took longer than that. Only the first
        wait in each step does: Queue.get() and others wait again until the clock says that they are late."""
        self.first_makes = False
        """If set, the first thread calls the set-up, instead of the calling thread."""
        self.helpers = False
        """If set, the explored threads wait for others, which are not explored, to let them go on."""
        self.timed = False
        """Whether a thread of the last exploration had to wait with a time limit."""
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
        program = SteppedProgram(setup, threads, check, raises, most_steps, preemptions)
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

    def crowd(
        self,
        setup: Callable[[], Any],
        threads: Sequence[Any],
        check: Check | None,
        *,
        walks: int,
        seed: int,
        most_steps: int = MOST_STEPS,
        seconds: float | None = None,
    ) -> Exploration:
        """Draw schedules in which all threads are in the middle of what they do.

        Each of the `walks` begins with one thread, preempts it somewhere for one that has not begun, and
        goes on like this until each thread has been preempted once. There are far too many such schedules to
        run them all, so the exploration is never complete.
        """
        program = SteppedProgram(setup, threads, check, (), most_steps, len(threads))
        dice = random.Random(seed)
        deadline = None if seconds is None else time.monotonic() + seconds
        executions = longest = 0

        def late() -> bool:
            return deadline is not None and time.monotonic() > deadline

        with self._running(len(threads), None) as stepped:
            for _ in range(walks):
                if late():
                    break
                branch: Branch | None = Branch(((dice.randrange(len(threads)), None),), 0, None)
                while branch is not None and not late():
                    execution = program.run(stepped, branch)
                    executions += 1
                    longest = max(longest, len(execution.trail))
                    failure = program.failure(execution)
                    if failure is not None:
                        return Exploration(executions, False, len(threads), failure, longest)
                    branch = _more_crowded(branch, execution.branches, dice)
        return Exploration(executions, False, len(threads), None, longest)

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
        program = SteppedProgram(setup, threads, check, raises, most_steps, 0)
        if calls is not None:
            program = replace(program, setup=calls.setup, threads=calls.bodies, check=calls.check)
        plan = parsed(schedule, len(threads))
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
        stepped.impatient, stepped.timed = self.impatient, False
        stepped.first_makes, stepped.helpers = self.first_makes, self.helpers
        if calls is not None:
            calls.threads = stepped
        me = threading.get_ident()
        explored_threads[me] = stepped
        try:
            with self._patches:
                yield stepped
        finally:
            del explored_threads[me]
            self.timed = stepped.timed
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


def _more_crowded(begun: Branch, branches: Sequence[Branch], dice: random.Random) -> Branch | None:
    """Return a branch that preempts the thread that came last, preferably for one that has not run yet."""
    last = begun.plan[-1][0]
    ran = {thread for thread, _ in begun.plan}
    preempting = [each for each in branches if each.preemptions > begun.preemptions]
    crowded = [each for each in preempting if each.plan[-2][0] == last]
    fresh = [each for each in crowded if each.plan[-1][0] not in ran]
    found = fresh or crowded or preempting
    return dice.choice(found) if found else None
