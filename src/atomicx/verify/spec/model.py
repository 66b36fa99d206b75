"""The parts of a specification: a model for each type, with one row for each operation.

A row is a name, a pure step `(state, *arguments) -> (new state, result)`, and examples of arguments, from
which the driver in `atomicx.verify.histories.drive` makes its random programs. A step that raises leaves the
state alone, and the error is the result: `("raises", "OverflowError")`.

Write a `Model` for an object of your own in the same way, and `check_linearizable` checks it:

    STACK = Model("Stack", (), (
        Operation("push", lambda items, item: ((*items, item), None), ((1,), (2,))),
        Operation("pop", lambda items: (items[:-1], items[-1]), ((),)),
    ))

The rows of atomicx's own types (`atomicx.verify.spec.cells`) also have parameters: the name of each argument,
what converts it, and its default. Nothing here imports anything from atomicx.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Arguments = tuple[Any, ...]
Step = Callable[..., tuple[Any, Any]]


class _Itself:
    def __repr__(self) -> str:
        return "itself"


class _Required:
    def __repr__(self) -> str:
        return "required"


ITSELF = _Itself()
"""The result of an operation that returns the object it was called on, as `+=` does."""

REQUIRED: Any = _Required()
"""Stands for a default that does not exist: the argument is required."""


def raises(error: BaseException) -> tuple[str, str]:
    """Return the result of an operation that raised."""
    return "raises", type(error).__name__


def same_value(one: Any, other: Any) -> bool:
    """Return whether type and value are the same: True is not 1, and 0.0 is not 0."""
    return one is other or (type(one) is type(other) and bool(one == other))


def unchanged(state: Any) -> Any:
    return state


@dataclass(frozen=True)
class ArgumentKind:
    """A kind of argument. `convert` returns the value that the step sees, or raises."""

    name: str
    convert: Callable[[Any], Any]
    runs_code: bool = False
    """Conversion may run the argument's own code (`__index__`, `__float__`)."""
    called: bool = False
    """The operation calls the argument with the state."""
    accepted: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    """Values at the edges of what it accepts."""
    refused: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    """Values just beyond those: `convert` raises, or for a function, calling it and converting the result."""

    @property
    def edges(self) -> tuple[Any, ...]:
        return self.accepted + self.refused


@dataclass(frozen=True)
class Parameter:
    """The name of an argument, its kind, and its default."""

    name: str
    kind: ArgumentKind
    default: Any = REQUIRED
    keyword: bool = False
    """It may also be passed by name."""
    variadic: bool = False
    """It is one of `*values`; their number depends on the cell."""


@dataclass(frozen=True)
class Operation:
    """One row: the name of the operation, what it does, and arguments worth trying."""

    name: str
    step: Step
    arguments: tuple[Arguments, ...] = ()
    """Examples of arguments. A row without any is left out of random programs."""
    written: Callable[..., Any] | None = None
    """How the operation is written if it is not a method call: `operator.iadd`, `int`."""
    parameters: tuple[Parameter, ...] | None = None
    """What converts the step's arguments; None if they are passed on as they are."""
    same: Callable[[Any, Any], bool] | None = None
    """When two results agree, if that differs from what the model says."""
    atomic: bool = True
    """Whether it takes effect at one moment. A with block does not, so it is not part of a history."""

    @property
    def is_public(self) -> bool:
        return not self.name.startswith("_")

    @property
    def calls_arguments(self) -> bool:
        """Whether it calls one of its arguments with the state."""
        return any(parameter.kind.called for parameter in self.parameters or ())

    @property
    def most(self) -> int:
        """The largest number of arguments that it takes."""
        return len(self.parameters or ())

    @property
    def fewest(self) -> int:
        """The smallest number of arguments that it takes."""
        return sum(parameter.default is REQUIRED for parameter in self.parameters or ())

    def convert(self, arguments: Arguments) -> Arguments:
        """Return what the step gets: every argument converted, from left to right, and the defaults.

        Raises what a conversion raises.
        """
        if self.parameters is None:
            return arguments
        defaults = tuple(parameter.default for parameter in self.parameters[len(arguments) :])
        return tuple(
            [
                parameter.kind.convert(argument)
                for parameter, argument in zip(self.parameters, arguments + defaults, strict=True)
            ]
        )

    def take(self, state: Any, arguments: Arguments) -> tuple[Any, Any]:
        """Return the state after the operation, and its result. Raises what the operation raises."""
        return self.step(state, *self.convert(arguments))

    def apply(self, state: Any, arguments: Arguments) -> tuple[Any, Any]:
        """Return the state after the operation, and its result; an error is a result and changes nothing."""
        try:
            new_state, result = self.step(state, *self.convert(arguments))
        except Exception as error:
            return state, raises(error)
        return new_state, result

    def call(self, target: Any, arguments: Arguments) -> Any:
        """Do the operation on a real object. Raises what it raises."""
        if self.written is not None:
            return self.written(target, *arguments)
        return getattr(target, self.name)(*arguments)


Invocation = tuple[Operation, Arguments]


class Promise(Enum):
    """What a type promises about operations that overlap."""

    LINEARIZABLE = "some order of whole operations explains every result"
    BETWEEN = "counts are exact; a read gives a value between those at its start and at its end"
    CHILDREN = "one child for each key; items() gives what was there during the whole call"


@dataclass(frozen=True)
class Model:
    """A sequential specification: an initial state and a table of operations.

    `same` decides whether two results agree. `key` gives a hashable stand-in for a state, by which the search
    remembers where it has been; a hashable state can serve as its own key. The rest is needed only to bring
    real objects into a state: `new` makes one from a module that has the type, `fill` brings it into a state,
    and `read` returns the state that it is in.
    """

    name: str
    initial: Any
    operations: tuple[Operation, ...] = field(repr=False)
    same: Callable[[Any, Any], bool] = field(default=same_value, repr=False)
    key: Callable[[Any], Hashable] = field(default=unchanged, repr=False)
    edge_states: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    """States in which every operation is tried."""
    promise: Promise = Promise.LINEARIZABLE
    new: Callable[[Any], Any] | None = field(default=None, repr=False)
    fill: Callable[[Any, Any], Any] | None = field(default=None, repr=False)
    read: Callable[[Any], Any] = field(default=lambda cell: cell.load(), repr=False)
    rows: dict[str, Operation] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.rows.update((row.name, row) for row in self.operations)

    def __str__(self) -> str:
        return self.name

    def __getitem__(self, name: str) -> Operation:
        """Return the row of this name. Raises LookupError, which names the model, if there is none."""
        try:
            return self.rows[name]
        except KeyError:
            raise LookupError(f"the model {self.name} has no operation {name!r}") from None

    def agrees(self, row: Operation, expected: Any, actual: Any) -> bool:
        """Return whether the row's operation may return `actual` where the step says `expected`."""
        return (row.same or self.same)(expected, actual)

    def changes(self, row: Operation) -> bool:
        """Return whether the operation changes any of the states, with any of its examples."""
        return any(
            self.key(row.apply(state, arguments)[0]) != self.key(state)
            for state in (self.initial, *self.edge_states)
            for arguments in row.arguments
        )

    def make(self, module: Any, state: Any) -> Any:
        """Return a real cell of `module` in this state."""
        cell = getattr(module, self.name)() if self.new is None else self.new(module)
        self.put(cell, state)
        return cell

    def put(self, cell: Any, state: Any) -> None:
        """Bring a real cell into this state."""
        if self.fill is None:
            cell.store(state)
        else:
            self.fill(cell, state)
