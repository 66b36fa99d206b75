"""What a specification is made of: a model for each type, with one row for each operation.

A row is a name, a pure step `(state, *arguments) -> (new state, result)`, and examples of arguments, from
which the driver in `atomicx.verify.histories.drive` makes its random programs. A step that raises leaves the
state alone, and the error is the result: `("raises", "OverflowError")`.

Write a `Model` for an object of your own in the same way, and `check_linearizable` checks that:

    STACK = Model("Stack", (), (
        Operation("push", lambda items, item: ((*items, item), None), ((1,), (2,))),
        Operation("pop", lambda items: (items[:-1], items[-1]), ((),)),
    ))
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

Arguments = tuple[Any, ...]
Step = Callable[..., tuple[Any, Any]]


class _Itself:
    def __repr__(self) -> str:
        return "itself"


ITSELF = _Itself()
"""The result of an operation that returns the object it was called on, as `+=` does."""


def raises(error: BaseException) -> tuple[str, str]:
    """The result of an operation that raised."""
    return "raises", type(error).__name__


@dataclass(frozen=True)
class Operation:
    """One row: what the operation is called, what it does, and arguments worth trying."""

    name: str
    step: Step
    arguments: tuple[Arguments, ...] = ()
    written: Callable[..., Any] | None = None
    """How the operation is written where that is no method call: `operator.iadd`, `int`."""

    def apply(self, state: Any, arguments: Arguments) -> tuple[Any, Any]:
        """The state after the operation, and its result; an error is a result and changes nothing."""
        try:
            new_state, result = self.step(state, *arguments)
        except Exception as error:
            return state, raises(error)
        return new_state, result

    def call(self, target: Any, arguments: Arguments) -> Any:
        """Does the operation on a real object. Raises what it raises."""
        if self.written is not None:
            return self.written(target, *arguments)
        return getattr(target, self.name)(*arguments)


def same_value(one: Any, other: Any) -> bool:
    """The same type and value: True is not 1, and 0.0 is not 0."""
    return one is other or (type(one) is type(other) and bool(one == other))


def unchanged(state: Any) -> Any:
    return state


@dataclass(frozen=True)
class Model:
    """A sequential specification: an initial state and a table of operations.

    `same` decides whether two results agree, and `key` gives a hashable stand-in for a state, by which
    the search remembers where it has been; the state itself serves where it is hashable.
    """

    name: str
    initial: Any
    operations: tuple[Operation, ...]
    same: Callable[[Any, Any], bool] = same_value
    key: Callable[[Any], Hashable] = unchanged
    rows: dict[str, Operation] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.rows.update((row.name, row) for row in self.operations)

    def __getitem__(self, name: str) -> Operation:
        """The row of this name. Raises LookupError, which names the model, where there is none."""
        try:
            return self.rows[name]
        except KeyError:
            raise LookupError(f"the model {self.name} has no operation {name!r}") from None
