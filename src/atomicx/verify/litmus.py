"""Litmus tests: the outcomes that a few threads may see on a small state, written in a few lines.

    @litmus
    class TwoAdds:
        \"\"\"Two threads add one each.\"\"\"

        outcomes = {2: ACCEPTABLE("both are counted")}

        def __init__(self):
            self.cell = AtomicInt()

        @actor
        def first(self):
            self.cell.add(1)

        @actor
        def second(self):
            self.cell.add(1)

        @observer
        def total(self, first, second):
            return self.cell.load()

Every sample makes a new instance, which is one small state. Each actor runs on it once, on its own thread.
When all have ended, the observer is called with what they returned, in the order in which they are written,
and returns the outcome. Without an observer the outcome is the tuple of what they returned. `outcomes` grades
the possible outcomes. An outcome that it does not list is forbidden.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, cast

MOST_ACTORS = 4

Function = TypeVar("Function", bound=Callable[..., Any])
State = TypeVar("State")


class Grade(Enum):
    """How good an outcome is. Call one to say why: `ACCEPTABLE("both are counted")`."""

    ACCEPTABLE = "acceptable"
    INTERESTING = "interesting"
    FORBIDDEN = "forbidden"

    def __call__(self, note: str) -> Expectation:
        return Expectation(self, note)


@dataclass(frozen=True)
class Expectation:
    """The grade of an outcome, and why."""

    grade: Grade
    note: str = ""


ACCEPTABLE = Grade.ACCEPTABLE
INTERESTING = Grade.INTERESTING
FORBIDDEN = Grade.FORBIDDEN
UNLISTED = Expectation(FORBIDDEN, "not listed")

Expected = Grade | Expectation
Outcomes = Mapping[Any, Expected] | Callable[[Any], "Expected | None"]


@dataclass(frozen=True)
class Actor:
    """One thread's part. `prepare` makes the body on that thread, once, before the first state comes."""

    name: str
    prepare: Callable[[], Callable[[Any], Any]]


def plain_actor(name: str, body: Callable[[Any], Any]) -> Actor:
    """Return an actor that has nothing to prepare."""
    return Actor(name, lambda: body)


@dataclass(frozen=True)
class Litmus:
    """A litmus test in the form that the engine runs; `litmus` makes one from a class."""

    name: str
    setup: Callable[[], Any]
    actors: tuple[Actor, ...]
    outcomes: Outcomes
    observe: Callable[..., Hashable] | None = None
    description: str = ""
    show: Callable[[Any], str] = repr
    unlisted: Expectation = UNLISTED

    def __post_init__(self) -> None:
        if not 2 <= len(self.actors) <= MOST_ACTORS:
            raise TypeError(
                f"{self.name}: a litmus test needs 2 to {MOST_ACTORS} actors, got {len(self.actors)}"
            )

    def expectation(self, outcome: Any) -> Expectation:
        """Return the grade of `outcome`. An outcome that is not listed is forbidden."""
        listed = self.outcomes(outcome) if callable(self.outcomes) else self.outcomes.get(outcome)
        if listed is None:
            return self.unlisted
        return Expectation(listed) if isinstance(listed, Grade) else listed

    def outcome(self, state: Any, results: tuple[Any, ...]) -> Any:
        """Return the outcome of one state, once every actor has run on it."""
        return results if self.observe is None else self.observe(state, *results)


def actor(function: Function) -> Function:
    """Mark a method of a litmus test as one thread's part."""
    function._litmus_role = "actor"  # type: ignore[attr-defined]
    return function


def observer(function: Function) -> Function:
    """Mark the method that returns the outcome. It gets the actors' results once all of them have run."""
    function._litmus_role = "observer"  # type: ignore[attr-defined]
    return function


def litmus(cls: type[State]) -> type[State]:
    """Make a class a litmus test. The class itself stays the same: subclass it to vary the state.

    Raises TypeError unless it has two to four actors, at most one observer, and `outcomes`.
    """
    cls._litmus = _collect(cls)  # type: ignore[attr-defined]
    return cls


def as_litmus(test: Litmus | type[Any]) -> Litmus:
    """Return the test itself, or the one that `litmus` made from this class; TypeError for anything else."""
    found = vars(test).get("_litmus") if isinstance(test, type) else test
    if not isinstance(found, Litmus):
        raise TypeError(f"{test!r} is not a litmus test: decorate its class with @litmus")
    return found


def _collect(cls: type[Any]) -> Litmus:
    # A name keeps its place and its role when a subclass overrides it, so outcomes read the same.
    members: dict[str, Any] = {}
    roles: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        members.update(vars(base))
        roles.update((name, m._litmus_role) for name, m in vars(base).items() if hasattr(m, "_litmus_role"))
    observers = [name for name, role in roles.items() if role == "observer"]
    if len(observers) > 1:
        raise TypeError(f"{cls.__name__}: expected at most one observer, got {', '.join(observers)}")
    outcomes: Any = getattr(cls, "outcomes", None)
    if not (callable(outcomes) or isinstance(outcomes, Mapping)):
        raise TypeError(f"{cls.__name__}: `outcomes` must be a mapping or a function of the outcome")
    return Litmus(
        name=cls.__name__,
        setup=cls,
        actors=tuple(plain_actor(name, members[name]) for name, role in roles.items() if role == "actor"),
        outcomes=cast("Outcomes", outcomes),
        observe=members[observers[0]] if observers else None,
        description=(cls.__doc__ or "").strip(),
    )
