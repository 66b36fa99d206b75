"""Runs threads one bytecode at a time, by a plan: the machine under `atomicx.verify.schedules.explorer`.

Each function runs on a real thread of its own, but only the thread that has the baton runs. Before every
bytecode that others could notice, the thread asks whether to go on or to hand the baton over. So one
execution is determined by a plan: a sequence of segments. Each segment is a thread and the number of steps it
makes before it is preempted, or None if it runs until it ends or blocks.

While a plan runs, every point where another thread could have been let in is noted as a branch: the plan that
lets it in. Running every branch, and their branches, runs every schedule once.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import CodeType, FrameType
from typing import Any, NamedTuple

from .locks import Block, explored_threads
from .tracing import Tracer
from .visibility import Scope

# A program small enough to be explored makes this many steps in a row only if it waits in a loop.
PATIENCE = 1000
ROUNDS = 8
POLL_SECONDS = 0.0002
# If this thread did not run for longer, neither did the others: the machine was paused, or too busy.
LONGEST_POLL_SECONDS = 0.01
# A thread that is not explored gets this share of the time in which a step has to come.
HELP_SHARE = 0.5

Stretch = tuple[int, "int | None"]
Plan = tuple[Stretch, ...]
Body = Callable[[Any], Any]


class ScheduleStep(NamedTuple):
    """What a thread was about to do: execute a bytecode, or call an operation."""

    thread: int
    code: CodeType
    offset: int
    call: str = ""
    """The call of a model's operation that it is about to make; if empty, the step is a bytecode."""


class Branch(NamedTuple):
    """A plan to run, how many preemptions it has, and the step that its last preemption comes before."""

    plan: Plan
    preemptions: int
    before: ScheduleStep | None


class NotDeterministic(RuntimeError):
    """The same plan led elsewhere: the program depends on more than the order of its threads."""


class Abort(BaseException):
    """Unwinds a thread whose execution is over. Not an Exception, so that no program catches it."""


@dataclass
class Execution:
    """One run of the program: what it has to do, and what it did."""

    branch: Branch
    bound: int | None
    most_steps: int
    bodies: int
    position: int = 0
    steps: int = 0
    trail: list[ScheduleStep] = field(default_factory=list)
    segments: list[Stretch] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    finished: set[int] = field(default_factory=set)
    waiting: dict[int, Block] = field(default_factory=dict)
    results: dict[int, Any] = field(default_factory=dict)
    errors: dict[int, BaseException] = field(default_factory=dict)
    unwound_steps: int = 0
    spun: bool = False
    """A thread took its most steps in a row, and the others went on; not all that it left open is tried."""
    helped: Callable[[int | None], list[int]] = lambda _: []
    """Waits for a thread that is not explored to let this thread go on, or any if None. Returns those that
    could run then."""
    came_back: bool = False
    """It hung, and went on when the others had ended: one of them may have held what it waited for. Or it
    waited in vain for a thread that is not explored, which may only have been slow."""
    trouble: str | None = None
    diverged: str | None = None
    verdict: tuple[str, BaseException | None] | None = None

    @property
    def plan(self) -> Plan:
        return self.branch.plan

    def enabled(self) -> list[int]:
        """Return the threads that could run."""
        return [
            thread
            for thread in range(self.bodies)
            if thread not in self.finished and (thread not in self.waiting or self.waiting[thread].over())
        ]

    def before(self, step: ScheduleStep) -> int:
        """Return the thread that goes on, when one is about to make a step."""
        current = step.thread
        if self.position >= len(self.plan) - 1:
            if self.steps >= self.patience:
                others = [thread for thread in self.enabled() if thread != current]
                if others:
                    return self._yield(current, others)
            # Beyond the plan's last preemption. Preempting a thread that has made no step changes nothing.
            if self.steps and (self.bound is None or self.branch.preemptions < self.bound):
                begun = (*self.segments, (current, self.steps))
                for other in self.enabled():
                    if other != current:
                        plan = (*begun, (other, None))
                        self.branches.append(Branch(plan, self.branch.preemptions + 1, step))
            return current
        _, steps = self.plan[self.position]
        if steps is None or self.steps < steps:
            return current
        is_last = self.position == len(self.plan) - 2
        if is_last and self.branch.before is not None and self.branch.before != step:
            self.diverged = f"the last preemption was to come before {self.branch.before}, not {step}"
        self.segments.append((current, self.steps))
        return self._planned()

    @property
    def patience(self) -> int:
        """How many steps in a row a thread makes before it counts as waiting for another in a loop."""
        return min(PATIENCE, self.most_steps // 4)

    def _yield(self, current: int, others: list[int]) -> int:
        """Let another thread go on, as any scheduler does sooner or later. This is not a preemption."""
        self.spun = True
        # The rounds of the loop are alike: interrupting a few of them is enough.
        visits: dict[tuple[CodeType, int], int] = {}
        kept = []
        begun = tuple(self.segments)
        for branch in self.branches:
            if branch.before is not None and branch.plan[: len(begun)] == begun:
                place = branch.before.code, branch.before.offset
                visits[place] = visits.get(place, 0) + 1
                if visits[place] > ROUNDS:
                    continue
            kept.append(branch)
        self.branches = kept
        self.segments.append((current, self.steps))
        self.position += 1
        self.steps = 0
        return next((thread for thread in others if thread > current), others[0])

    def after(self, current: int) -> int | None:
        """Return the thread that goes on when one has ended or is blocked; None if none can."""
        self.segments.append((current, None))
        if self.position < len(self.plan) - 1:
            if self.plan[self.position][1] is not None:
                self.diverged = f"thread number {current} could not make as many steps as planned"
            return self._planned()
        if len(self.finished) == self.bodies:
            return None
        enabled = self.enabled() or self.helped(None) or self._out_of_time()
        if not enabled:
            self.trouble = "deadlock: those that have not ended wait for each other"
            return None
        self.position += 1
        self.steps = 0
        begun = tuple(self.segments)
        self.branches += [
            Branch((*begun, (other, None)), self.branch.preemptions, None) for other in enabled[1:]
        ]
        return enabled[0]

    def _out_of_time(self) -> list[int]:
        """When no thread can go on, a thread that waits with a time limit can."""
        return [thread for thread, block in sorted(self.waiting.items()) if block.give_up_waiting()][:1]

    def _planned(self) -> int:
        self.position += 1
        self.steps = 0
        thread, _ = self.plan[self.position]
        able = self.enabled()
        if thread in self.finished or (
            thread not in able and thread not in (self.helped(thread) or able or self._out_of_time())
        ):
            self.diverged = f"thread number {thread} was to go on, but cannot"
        return thread


_CALL = (lambda: None).__code__
"""Stands for the code where a step is a call of an operation."""


class _Worker:
    """The thread that runs one body, again and again. It has the baton when its gate has been opened."""

    def __init__(self, crew: SteppedThreads, number: int) -> None:
        self.crew = crew
        self.number = number
        # The function that this thread calls and that has not made a step yet.
        self.entered: CodeType | None = None
        # A queue of one: it wakes the waiting thread in half the time that a lock takes.
        self.gate: SimpleQueue[None] = SimpleQueue()
        # True inside the program, but not inside the code that makes it wait or end.
        self.inside = False
        self.thread = threading.Thread(target=self.run, name=f"explored {number}", daemon=True)

    def run(self) -> None:
        crew, number = self.crew, self.number
        while True:
            self.gate.get()
            if crew.closing:
                return
            if crew.setup is not None:
                crew.setup()
                continue
            execution, state = crew.execution, crew.state
            try:
                if crew.unwinding:
                    raise Abort
                crew.tracer.enter()
                self.entered = None
                self.inside = True
                execution.results[number] = run_body(crew.bodies[number], state)
            except Abort:
                pass
            except BaseException as error:
                execution.errors[number] = error
            self.inside = False
            # Kept no longer than the main thread keeps it, so that its contents always end at the same time.
            del state
            crew.end(execution, number)


# The tracers know these by name: when the function that they call returns, nothing comes after it.


def run_body(body: Body, state: Any) -> Any:
    return body(state)


def run_call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(*arguments)


class SteppedThreads:
    """The threads of explorations. `close` ends them."""

    def __init__(self, scope: Scope, hang_seconds: float) -> None:
        self.scope = scope
        self.hang_seconds = hang_seconds
        self.starter = threading.get_ident()
        self.impatient = self.timed = self.first_makes = self.helpers = False
        self.setup: Callable[[], None] | None = None
        """What the first thread has to do before the program."""
        self.execution: Execution = Execution(Branch((), 0, None), 0, 0, 0)
        self.state: Any = None
        self.bodies: Sequence[Body] = ()
        self.current: int | None = None
        self.gave_up: tuple[int | None, int] | None = None
        """The thread that asked last whether to give up waiting, and how many steps had been made by then."""
        self.hung: int | None = None
        self.closing = False
        self.unwinding = False
        # Wakes the main thread: all have ended, or none can go on; when unwinding, one more has ended.
        self.over: SimpleQueue[None] = SimpleQueue()
        self.workers: list[_Worker] = []
        self.by_ident: dict[int | None, _Worker] = {}
        self.tracer = Tracer(scope, self.on_step)
        self.tracer.start()

    def demand(self, count: int) -> None:
        """Start threads until there are at least `count`."""
        for number in range(len(self.workers), count):
            worker = _Worker(self, number)
            worker.thread.start()
            self.workers.append(worker)
            self.by_ident[worker.thread.ident] = worker
            assert worker.thread.ident is not None
            explored_threads[worker.thread.ident] = self

    def made(self, setup: Callable[[], Any]) -> Any:
        """Return what `setup` returns. This thread calls it, or the first one if `first_makes` is set."""
        if not self.first_makes:
            return setup()
        made: list[Any] = []
        errors: list[BaseException] = []

        def by_first() -> None:
            try:
                made.append(setup())
            except BaseException as error:
                errors.append(error)
            finally:
                self.setup = None
                self.over.put(None)

        self.setup = by_first
        self.workers[0].gate.put(None)
        self.over.get()
        for error in errors:
            raise error
        return made.pop()

    def run(self, execution: Execution, state: Any, bodies: Sequence[Body]) -> None:
        """Run the program once. The execution records how it went."""
        self.execution = execution
        if self.helpers:
            execution.helped = self._helped
        self.state = state
        self.bodies = bodies
        self.gave_up = None
        collecting = gc.isenabled()
        # The collector may run any code at any time; then the same plan would not do the same thing again.
        gc.disable()
        try:
            self.pass_to(execution.plan[0][0])
            self._wait(execution)
        finally:
            self._unwind(execution)
            self.current = None
            self.state = None
            self.bodies = ()
            if collecting:
                gc.enable()

    def _wait(self, execution: Execution) -> None:
        progress = -1
        while not self._is_over():
            if len(execution.trail) == progress:
                break
            progress = len(execution.trail)
        else:
            return
        self.hung = self.current
        execution.trouble = (
            f"hangs: its next step did not come within {self.hang_seconds:g} s{self._whereabouts()}"
        )

    def _is_over(self) -> bool:
        try:
            self.over.get(timeout=self.hang_seconds)
        except Empty:
            return False
        return True

    def _helped(self, wanted: int | None) -> list[int]:
        """Wait for a thread that is not explored to let this thread go on, or any if None.

        If none does, but one of them has moved meanwhile, it may only have been slow: what follows proves
        nothing. Those that have not moved are waiting as well, and will not help.
        """
        before = self._others()
        if not before:
            return []
        execution, waited, last = self.execution, 0.0, time.monotonic()
        while waited < self.hang_seconds * HELP_SHARE:
            enabled = execution.enabled()
            if wanted in enabled or (wanted is None and enabled):
                return enabled
            time.sleep(POLL_SECONDS)
            now = time.monotonic()
            waited, last = waited + min(now - last, LONGEST_POLL_SECONDS), now
        execution.came_back = execution.came_back or self._others() != before
        return []

    def _others(self) -> dict[int, tuple[FrameType, int]]:
        """Return the threads that are not explored, and where each of them is.

        The frames themselves, not their identities: the identity of one that is gone may be used again.
        """
        known = {threading.main_thread().ident, self.starter, *self.by_ident}
        frames = sys._current_frames().items()
        return {ident: (frame, frame.f_lasti) for ident, frame in frames if ident not in known}

    def _whereabouts(self) -> str:
        ident = self.workers[self.hung].thread.ident if self.hung is not None else None
        frame = sys._current_frames().get(ident) if ident is not None else None
        return f", in {frame.f_code.co_name} at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""

    def _unwind(self, execution: Execution) -> None:
        """Let the remaining threads end, one after the other; raise Abort in those that do not."""
        self.unwinding = True
        rest = [number for number in range(execution.bodies) if number not in execution.finished]
        # The one that hangs may be waiting for something that the others hold, so it comes last. It does not
        # wait for its gate.
        for number in sorted(rest, key=lambda number: number == self.hung):
            self.current = number
            if number != self.hung:
                self.workers[number].gate.put(None)
            if self._is_over():
                execution.came_back = execution.came_back or number == self.hung
            else:
                # It cannot be stopped. If it comes back, it must not make another step as one of ours.
                self.closing = True
        self.unwinding = False

    def close(self) -> None:
        """End the threads. One that hangs is left behind; it is a daemon."""
        self.closing = True
        for worker in self.workers:
            worker.gate.put(None)
            explored_threads.pop(worker.thread.ident or 0, None)
        for worker in self.workers:
            worker.thread.join(0 if worker.number == self.hung else self.hang_seconds)
        self.tracer.stop()

    # The methods below are called by the thread that has the baton.

    def pass_to(self, number: int) -> None:
        self.current = number
        self.workers[number].gate.put(None)

    def on_step(self, code: CodeType, offset: int) -> None:
        """Called before each step: other threads may run first here."""
        worker = self.by_ident.get(threading.get_ident())
        if worker is None or not worker.inside:
            return
        execution = self.execution
        if self.unwinding or self.closing:
            # Let it run to its end if it comes to one. Raising here could leave a lock held for good, because
            # the interpreter calls the exit of a with statement from outside of it.
            execution.unwound_steps += 1
            if execution.unwound_steps > execution.most_steps:
                raise Abort
            return
        if worker.entered is not None:
            entered, worker.entered = worker.entered, None
            if entered is code:
                # A switch here equals a switch before the call, where others were let in already.
                execution.trail.append(ScheduleStep(worker.number, code, offset))
                return
        self._step(worker, ScheduleStep(worker.number, code, offset))

    def on_call(self, call: str) -> None:
        """Called by the current thread before it calls an operation: others may run first here, too."""
        if self.unwinding or self.closing:
            raise Abort
        worker = self.by_ident[threading.get_ident()]
        worker.entered = None
        self._step(worker, ScheduleStep(worker.number, _CALL, 0, call))

    def enter(self, function: Callable[..., Any]) -> None:
        """Called right before the function that does the operation."""
        trail = self.execution.trail
        # Finding the function may have taken steps already.
        if trail and trail[-1].code is _CALL:
            code = getattr(getattr(function, "__func__", function), "__code__", None)
            self.by_ident[threading.get_ident()].entered = code

    def _step(self, worker: _Worker, step: ScheduleStep) -> None:
        execution = self.execution
        if len(execution.trail) >= execution.most_steps:
            execution.trouble = f"does not end within {execution.most_steps} steps"
            self._give_up(worker)
            raise Abort
        self._continue_with(worker, execution.before(step))
        execution.steps += 1
        execution.trail.append(step)

    def is_current(self) -> bool:
        """Is the calling thread one of these, and inside the program?"""
        worker = self.by_ident.get(threading.get_ident())
        return worker is not None and worker.inside

    def loses_patience(self) -> bool:
        """Return whether a wait with a time limit ends at once: if `impatient`, the first one in each step.

        Queue.get() and others wait again in the same step until the clock says that they are late. From the
        second time on that is a wait like any other.
        """
        now = self.current, len(self.execution.trail)
        again, self.gave_up = now == self.gave_up, now
        return self.impatient and not again

    def block(self, block: Block) -> None:
        """Return when the current thread goes on because `block` is over."""
        worker = self.by_ident[threading.get_ident()]
        if self.unwinding or self.closing:
            raise Abort
        execution = self.execution
        execution.waiting[worker.number] = block
        worker.inside = False
        self._continue_with(worker, execution.after(worker.number))
        worker.inside = True
        if self.unwinding:
            raise Abort
        del execution.waiting[worker.number]
        # Taking what it waited for is the first step of its new segment.
        execution.steps += 1

    def end(self, execution: Execution, number: int) -> None:
        """Do the last thing that a thread does in an execution."""
        execution.finished.add(number)
        if self.unwinding:
            self.over.put(None)
            return
        following = execution.after(number)
        if following is None or execution.diverged is not None:
            self.over.put(None)
        else:
            self.pass_to(following)

    def _continue_with(self, worker: _Worker, number: int | None) -> None:
        """Hand the baton over, and wait until it comes back."""
        if number is None or self.execution.diverged is not None:
            self._give_up(worker)
        elif number != worker.number:
            self.pass_to(number)
            worker.gate.get()

    def _give_up(self, worker: _Worker) -> None:
        """End this execution for all threads: let the main thread unwind them."""
        self.over.put(None)
        worker.gate.get()
