"""What an operation is: a name, parameters, and a pure step from a state to a state and a result.

Nothing here knows pytest, Hypothesis or threads, so that edge-value tests, differential tests, litmus
tests and history checks can all be made from the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()

# The result of an in-place operator: the cell itself.
SELF: Any = type("Self", (), {"__repr__": lambda self: "SELF"})()


@dataclass(frozen=True)
class Kind:
    """A kind of argument. `convert` gives the value that the step sees, or raises."""

    name: str
    convert: Callable[[Any], Any]
    # Conversion may run the argument's own code (`__index__`, `__float__`).
    runs_code: bool = False
    # The operation calls the argument with the state.
    called: bool = False


@dataclass(frozen=True)
class Parameter:
    name: str
    kind: Kind
    default: Any = REQUIRED


def equal(expected: Any, actual: Any) -> bool:
    """The same type and value: True is not 1 here."""
    return type(expected) is type(actual) and bool(expected == actual)


@dataclass(frozen=True)
class Operation:
    """One row of a table.

    `step(state, *values)` takes the converted arguments and returns (new state, result). It raises what
    the operation raises; then the state is what it was.
    """

    name: str
    parameters: tuple[Parameter, ...]
    step: Callable[..., tuple[Any, Any]]
    # How the operation is written, where that is not a method call: `int(cell)`, `cell += operand`.
    written: Callable[..., Any] | None = None
    # When a result is the expected one, where the cell's own sense of sameness is not meant.
    same: Callable[[Any, Any], bool] | None = None

    @property
    def is_public(self) -> bool:
        return not self.name.startswith("_")

    @property
    def fewest(self) -> int:
        return sum(parameter.default is REQUIRED for parameter in self.parameters)

    @property
    def most(self) -> int:
        return len(self.parameters)

    def apply(self, state: Any, args: tuple[Any, ...]) -> tuple[Any, Any]:
        """The specification: convert every argument, left to right, and only then take the step."""
        defaults = tuple(parameter.default for parameter in self.parameters[len(args) :])
        values = [
            parameter.kind.convert(argument)
            for parameter, argument in zip(self.parameters, args + defaults, strict=True)
        ]
        return self.step(state, *values)

    def call(self, cell: Any, args: tuple[Any, ...]) -> Any:
        """The operation itself, on a real cell."""
        if self.written is not None:
            return self.written(cell, *args)
        return getattr(cell, self.name)(*args)


@dataclass(frozen=True)
class CellModel:
    """A type of cell: its name, the state of a new one, its operations, and when two of its values agree."""

    type_name: str
    zero: Any
    operations: tuple[Operation, ...] = field(repr=False)
    same: Callable[[Any, Any], bool] = equal
    # States in which the edge-value tests put the cell before each operation.
    edge_states: tuple[Any, ...] = field(default=(), repr=False)
    # Where a cell lies in memory that it is given, what makes such memory. Then it is not made of a value.
    buffer: Callable[[], Any] | None = None

    def make(self, backend: Any, state: Any) -> Any:
        """A real cell in this state."""
        cell_type = getattr(backend, self.type_name)
        if self.buffer is None:
            return cell_type(state)
        cell = cell_type(self.buffer())
        cell.store(state)
        return cell

    def put(self, cell: Any, state: Any) -> None:
        """Brings a real cell into this state. Counter has no store, but can be initialised again."""
        if self.buffer is None:
            cell.__init__(state)
        else:
            cell.store(state)

    def agrees(self, operation: Operation, expected: Any, actual: Any, cell: Any) -> bool:
        """Is this the result that the step asks for?"""
        if expected is SELF:
            return actual is cell
        return (operation.same or self.same)(expected, actual)

    def __getitem__(self, name: str) -> Operation:
        return next(operation for operation in self.operations if operation.name == name)

    def __str__(self) -> str:
        return self.type_name
