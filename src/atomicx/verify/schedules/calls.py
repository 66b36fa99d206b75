"""Programs of calls: what each thread calls on one object, and the history that a schedule produces.

The calls are operations of a model, so the model can judge the history. Another thread may be let in before
each call, and within it wherever others could notice. A call begins at its own first step and has returned
before any other thread makes another step. So the history says as much about the order of the calls as there
is to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..histories.history import Event, History
from ..histories.linearizability import check_linearizable
from ..spec.model import ITSELF, Model, raises
from .stepping import SteppedThreads, run_call

Call = tuple[Any, ...]
"""The name of an operation, and its arguments."""
Judge = Callable[[History], Any]


class NotExplained(AssertionError):
    """A history that is not as it should be, and what the judge said about it."""

    def __init__(self, reason: str, history: History, judgement: Any) -> None:
        super().__init__(reason)
        self.history = history
        self.judgement = judgement


class Session:
    """One object, and what has been called on it in one schedule."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self.events: list[Event] = []
        self.now = 0

    def tick(self) -> int:
        self.now += 1
        return self.now

    @property
    def history(self) -> History:
        return History.of(self.events)


class CallProgram:
    """Threads that make calls, and the judgement of their results."""

    def __init__(
        self,
        setup: Callable[[], Any],
        threads: Sequence[Sequence[Call]],
        model: Model,
        initial: Any = None,
        before: Iterable[Call] = (),
        after: Iterable[Call] = (),
        judge: Judge | None = None,
        check: Callable[[Any, History], Any] | None = None,
    ) -> None:
        self._make = setup
        self._model = model
        self._before = tuple(before)
        self._after = tuple(after)
        self._judge = judge or (lambda history: check_linearizable(history, model, initial=initial))
        self._check = check
        # Histories that were judged already: most schedules lead to the same few.
        self._judged: dict[Any, Any] = {}
        calls = [tuple(thread) for thread in threads]
        everything = [*self._before, *(call for thread in calls for call in thread), *self._after]
        for call in everything:
            _demand_call(call, model)
        # The arguments live as long as this program, so an argument can be recognized by its identity.
        self._known = {id(argument) for _, *arguments in everything for argument in arguments}
        self.bodies = [_Caller(self, number, thread) for number, thread in enumerate(calls)]
        self.threads: SteppedThreads | None = None

    def setup(self) -> Session:
        session = Session(self._make())
        for call in self._before:
            self.make(session, len(self.bodies), call)
        return session

    def make(self, session: Session, thread: int, call: Call, text: str = "") -> None:
        """Make a call, and record it. An exception is its result."""
        name, *rest = call
        arguments = tuple(rest)
        target = session.target
        row = self._model[name]
        explored = self.threads if thread < len(self.bodies) else None
        if explored is not None:
            explored.on_call(text)
        invoked = session.tick()
        try:
            function: Callable[..., Any]
            if row.written is None:
                function, passed = getattr(target, name), arguments
            else:
                function, passed = row.written, (target, *arguments)
            if explored is not None:
                explored.enter(function)
            result = run_call(function, passed)
        except Exception as error:
            result = raises(error)
        if result is target:
            result = ITSELF
        session.events.append(Event(invoked, session.tick(), thread, name, arguments, result))

    def check(self, session: Session, _: Any) -> None:
        """Raise NotExplained unless both the judge and the check accept what happened."""
        for call in self._after:
            self.make(session, len(self.bodies), call)
        history = session.history
        judgement = self._judgement(history)
        if not judgement:
            raise NotExplained(str(judgement), history, judgement)
        if self._check is not None and self._check(session.target, history) is False:
            raise NotExplained(f"the check returned False after this history:\n\n{history}", history, False)

    def _judgement(self, history: History) -> Any:
        try:
            # Each thread always makes the same calls in the same order, so they need not be in the key.
            key = tuple(
                (event.thread, event.invoked, event.responded, self._exact(event.result))
                for event in history.events
            )
        except _Unknown:
            return self._judge(history)
        if key not in self._judged:
            self._judged[key] = self._judge(history)
        return self._judged[key]

    def _exact(self, result: Any) -> Any:
        """Return a key, equal for two results only if no model could tell them apart. Raises _Unknown."""
        kind = type(result)
        if kind in _PLAIN:
            return kind, result
        if kind is float:
            return kind, result.hex()
        if kind is tuple:
            return kind, tuple(map(self._exact, result))
        if result is ITSELF or id(result) in self._known:
            return id(result)
        raise _Unknown


_PLAIN = {type(None), bool, int, str, bytes}


class _Unknown(Exception):
    """Nothing is known about an object except that it is one."""


class _Caller:
    """The body of one thread. Its name is its calls, as they would be written in source."""

    def __init__(self, program: CallProgram, number: int, calls: tuple[Call, ...]) -> None:
        self._program = program
        self._number = number
        self._calls = calls
        # Computed beforehand: naming the arguments may run Python code.
        self._texts = [shown(call) for call in calls]
        self.__name__ = "; ".join(self._texts)

    def __call__(self, session: Session) -> None:
        for call, text in zip(self._calls, self._texts, strict=True):
            self._program.make(session, self._number, call, text)


def shown(call: Call) -> str:
    """Return the call as it would be written in source."""
    return Event(0, None, 0, call[0], call[1:], None).call()


def _demand_call(call: Call, model: Model) -> None:
    if not (isinstance(call, tuple) and call and isinstance(call[0], str)):
        raise TypeError(f"expected a call, a tuple of a name and arguments, got {call!r}")
    _ = model[call[0]]
