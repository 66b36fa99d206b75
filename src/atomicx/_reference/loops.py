"""The five loops around the chain's compare-and-swap.

Each takes the current version and its value, computes, and swaps. If another operation came in between, the
swap does nothing and the loop starts again. So an operation happens, whole, at its successful swap, or at the
read that found nothing to do; an operation that raises has changed nothing. Arguments are converted before
the loop. No user code runs inside one, except for the function of update_value, and nothing is held while
that runs. The loops are lock-free: a swap fails only because another one succeeded.
"""

from __future__ import annotations

from .chain import current, swap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .chain import Cell

    _Step = Callable[[Any, Any], Any]
    _Conversion = Callable[[Any], Any]
    _Sameness = Callable[[Any, Any], bool]


def as_it_is(value: object) -> object:
    return value


def load_value(cell: Cell) -> Any:
    _, value = current(cell)
    return value


def exchange_value(cell: Cell, value: object) -> Any:
    """Replace the value. Returns the previous one."""
    while True:
        version, previous = current(cell)
        if swap(cell, version, value):
            return previous


def apply(cell: Cell, step: _Step, operand: object, check: _Conversion) -> tuple[Any, Any]:
    """Replace the value with check(step(value, operand)). Returns the previous value and the new one."""
    while True:
        version, previous = current(cell)
        result = check(step(previous, operand))
        if swap(cell, version, result):
            return previous, result


def exchange_if_same(cell: Cell, expected: object, desired: object, same: _Sameness) -> tuple[bool, Any]:
    """Replace the value if it is the same as expected. Returns whether it was, and the value found."""
    while True:
        version, found = current(cell)
        if not same(found, expected):
            return False, found
        if swap(cell, version, desired):
            return True, found


def update_value(
    cell: Cell, function: Callable[[Any], object], convert: _Conversion, same: _Sameness
) -> tuple[Any, Any]:
    """Replace the value with convert(function(value)). Returns the previous value and the new one.

    It compares values and not versions, as the C module does: a function that stores into this very cell
    the value that is already there must not keep the loop running for ever.
    """
    previous = load_value(cell)
    while True:
        result = convert(function(previous))
        swapped, found = exchange_if_same(cell, previous, result, same)
        if swapped:
            return previous, result
        previous = found
