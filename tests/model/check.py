"""One operation on a real cell, compared with its row of the table."""

from __future__ import annotations

from typing import Any

from atomicx.verify.spec.model import ITSELF, Model, Operation
from model.edges import Interruption, Refusal, parameters_of

# The messages that are ours, by a part of each. The interpreter words the others.
OURS = ("64-bit", "modulus", "AtomicBool takes")


class CalledOnce:
    """A function that must not be called a second time, since no other thread is there to change the cell.

    Otherwise an update that mistakes its own value for another thread's would not fail but run for ever.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self.called = False

    def __call__(self, *args: Any) -> Any:
        assert not self.called, "the function was called again, though nothing had changed"
        self.called = True
        return self.function(*args)


def called_once(operation: Operation, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        CalledOnce(argument) if parameter.kind.called and callable(argument) else argument
        for parameter, argument in zip(parameters_of(operation), args, strict=False)
    )


def describe(model: Model, operation: Operation, state: Any, args: tuple[Any, ...]) -> str:
    shown = ", ".join(repr(argument) for argument in args)
    return f"{model} holding {state!r}: {operation.name}({shown})"


def check_error(expected: BaseException, actual: BaseException | None, what: str, result: Any) -> None:
    assert actual is not None, f"{what} returned {result!r} instead of raising {expected!r}"
    assert type(actual) is type(expected), f"{what} raised {actual!r} instead of {expected!r}"
    if isinstance(expected, (Refusal, Interruption)):
        assert actual is expected, f"{what} raised a copy of the user's exception"
    if any(words in str(expected) for words in OURS):
        assert str(actual) == str(expected), f"{what} says {str(actual)!r} instead of {str(expected)!r}"


def check_operation(
    model: Model,
    operation: Operation,
    cell: Any,
    state: Any,
    args: tuple[Any, ...],
    means: tuple[Any, ...] | None = None,
) -> Any:
    """Call the operation on a cell, and compare its result and what it leaves; return what it leaves.

    `state` is what the step finds. `means` are the arguments for the step, for cases where converting the
    real ones has effects that must not happen twice.
    """
    what = describe(model, operation, state, args)
    expected: BaseException | None = None
    refused: BaseException | None = None
    new_state, expected_result, result = state, None, None
    try:
        new_state, expected_result = operation.take(state, args if means is None else means)
    except BaseException as error:
        expected = error
    try:
        result = operation.call(cell, called_once(operation, args))
    except BaseException as error:
        refused = error
    if expected is not None:
        check_error(expected, refused, what, result)
    elif refused is not None:
        message = f"{what} raised {refused!r} instead of returning {expected_result!r}"
        raise AssertionError(message) from refused
    else:
        itself = expected_result is ITSELF
        agreed = result is cell if itself else model.agrees(operation, expected_result, result)
        assert agreed, f"{what} returned {result!r} instead of {expected_result!r}"
    held = model.read(cell)
    assert model.same(new_state, held), f"{what} left {held!r} instead of {new_state!r}"
    # The model does not know the bits of a computed NaN; from here on the caller knows them.
    return held
