"""How the tables write their rows, and the rows that several types share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from typing import Any

from .model import ArgumentKind, Arguments, Operation, Parameter, Step, same_value

NO_ARGUMENTS: tuple[Arguments, ...] = ((),)


def row(
    name: str,
    parameters: list[Parameter],
    step: Step,
    examples: Iterable[Arguments] = (),
    written: Callable[..., Any] | None = None,
    *,
    same: Callable[[Any, Any], bool] | None = None,
    atomic: bool = True,
) -> Operation:
    return Operation(name, step, tuple(examples), written, tuple(parameters), same, atomic)


class _Interrupted(BaseException):
    """What raise_inside raises: not an Exception, as KeyboardInterrupt is not."""


def raise_inside(guard: AbstractContextManager[Any]) -> None:
    """Leave a block under this guard or timer by an exception."""
    with suppress(_Interrupted), guard:
        raise _Interrupted


def exchange_rows(
    kind: ArgumentKind, equal: Callable[[Any, Any], bool], values: tuple[Any, ...]
) -> tuple[Operation, ...]:
    """Return load, store, exchange and both compare-and-swaps, which every cell except Counter has."""
    value = [Parameter("value", kind)]
    pair = [Parameter("expected", kind, keyword=True), Parameter("desired", kind, keyword=True)]
    one = [(value,) for value in values]
    two = [(expected, desired) for expected in values for desired in values]
    return (
        row("load", [], lambda state: (state, state), NO_ARGUMENTS),
        row("store", value, lambda state, value: (value, None), one),
        row("exchange", value, lambda state, value: (value, state), one),
        row(
            "compare_and_set",
            pair,
            lambda state, expected, desired: (desired, True) if equal(state, expected) else (state, False),
            two,
        ),
        row(
            "compare_exchange",
            pair,
            lambda state, expected, desired: (desired if equal(state, expected) else state, state),
            two,
        ),
    )


def update_rows(
    kind: ArgumentKind, convert: Callable[[Any], Any], functions: tuple[Callable[[Any], Any], ...]
) -> tuple[Operation, ...]:
    function = [Parameter("function", kind)]
    examples = [(function,) for function in functions]
    return (
        row("update", function, lambda state, function: (new := convert(function(state)), new), examples),
        row("fetch_update", function, lambda state, function: (convert(function(state)), state), examples),
    )


def shown(type_name: str) -> Operation:
    return row(
        "__repr__", [], lambda state: (state, f"{type_name}({state!r})"), NO_ARGUMENTS, repr, same=same_value
    )


def text_rows() -> tuple[Operation, ...]:
    """Return str() and format(), which are those of the value."""

    def formatted(value: Any) -> str:
        return format(value, ">24")

    return (
        row("__str__", [], lambda state: (state, str(state)), NO_ARGUMENTS, str, same=same_value),
        row(
            "__format__",
            [],
            lambda state: (state, formatted(state)),
            NO_ARGUMENTS,
            formatted,
            same=same_value,
        ),
    )
