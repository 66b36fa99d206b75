"""The values with which every operation is tried, one tuple for each kind of argument."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

from atomicx.verify.spec.kinds import (
    DOUBLE,
    DOUBLE_FUNCTION,
    FINITE,
    INT64,
    INT64_MAX,
    INT64_MIN,
    INT_FUNCTION,
    LABEL,
    OBJECT,
    OBJECT_FUNCTION,
    OBSERVATION,
    TRUTH,
)
from atomicx.verify.spec.model import ArgumentKind, Operation, Parameter


class Refusal(Exception):
    """Raised by a user's code in the middle of an operation."""


class Interruption(BaseException):
    """The same, but not an Exception, like KeyboardInterrupt."""


class Number:
    """A number only by its methods; if it was given an exception, its conversion raises that."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def convert(self) -> Any:
        if isinstance(self.outcome, BaseException):
            # Without this the traceback of the one exception would grow with every raise.
            raise self.outcome.with_traceback(None)
        return self.outcome

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.outcome!r})"


class Index(Number):
    def __index__(self) -> Any:
        return self.convert()


class Float(Number):
    def __float__(self) -> Any:
        return self.convert()


class OnlyInt:
    """Has `__int__`, which is for lossy conversions and must not be called."""

    def __int__(self) -> int:
        return 3


class Reflected:
    """Would take over `cell += operand` if the cell allowed it."""

    def __radd__(self, other: object) -> str:
        return "rebound"

    __rsub__ = __rand__ = __ror__ = __rxor__ = __radd__


class ReflectedIndex(Reflected, Index):
    pass


class DerivedInt(int):
    """A subclass of int whose own `__index__` is not called: it is an int already."""

    def __index__(self) -> int:
        raise Refusal

    def __repr__(self) -> str:
        return f"DerivedInt({int(self)})"


class DerivedFloat(float):
    def __float__(self) -> float:
        raise Refusal


NOT_NUMBERS: tuple[Any, ...] = (
    *(OnlyInt(), Reflected()),
    *(Index("1"), Index(None), Index(1.0), Index(Refusal("index")), Index(Interruption("index"))),
)

TOO_BIG: tuple[Any, ...] = (INT64_MAX + 1, INT64_MIN - 1, 2**64, -(2**64), 2**100, -(2**100), Index(2**63))

INTEGERS: tuple[Any, ...] = (
    *(*INT64.edges, Float(1.0), Index(2**63), *NOT_NUMBERS),
    *(Index(5), Index(-1), Index(INT64_MAX), Index(INT64_MIN), ReflectedIndex(3), DerivedInt(9)),
)

NUMBERS: tuple[Any, ...] = (
    *DOUBLE.accepted,
    *(Index(5), Index(2**100), Float(2.5), Float(-0.0), Float(math.nan), DerivedFloat(1.5), DerivedInt(9)),
)

NOT_DOUBLES: tuple[Any, ...] = (
    *(*DOUBLE.refused, Index(10**400), *NOT_NUMBERS),
    *(Float("1.0"), Float(1), Float(None), Float(Refusal("float")), Float(Interruption("float"))),
)

OBJECTS: tuple[Any, ...] = (*OBJECT.edges, Reflected())


class DerivedStr(str):
    """A subclass of str whose __str__ differs; as a label value it stands for the text that it holds."""

    def __str__(self) -> str:
        return "another"


LABELS: tuple[Any, ...] = (*LABEL.edges, DerivedStr("GET"), DerivedInt(200), Index(1), Reflected())


def raises(error: BaseException) -> Any:
    def function(_: Any) -> Any:
        raise error.with_traceback(None)

    return function


def gives(value: Any) -> Any:
    """Return a function that always returns `value`, and shows it in a failed test."""

    def function(_: Any) -> Any:
        return value

    function.__qualname__ = f"gives({value!r})"
    return function


def same(value: Any) -> Any:
    return value


def twice(value: Any) -> Any:
    return value * 2


def next_up(value: Any) -> Any:
    return value + 1


def negated(value: Any) -> Any:
    return -value


def wrapped_in_index(value: Any) -> Any:
    return Index(value)


def wrapped_in_float(value: Any) -> Any:
    return Float(value)


def no_argument() -> int:
    return 0


def inside_a_tuple(value: Any) -> Any:
    return (value,)


NOT_FUNCTIONS: tuple[Any, ...] = (
    *(None, 1, "function", no_argument, raises(Refusal("call")), raises(Interruption("call"))),
)

RESULTS: tuple[Any, ...] = (0, True, INT64_MIN, 1.5, Index(3), *TOO_BIG, "1", None, [], *NOT_NUMBERS)

# The doubles around powers of the square root of 2, at which the buckets of EXPONENTIAL meet.
BOUNDARIES = tuple(
    sign * math.nextafter(around, towards)
    for around in (0.25, 0.35355339059327373, 0.7071067811865476, 1.4142135623730951, 16.0, 32.0)
    for towards in (0.0, around, math.inf)
    for sign in (1.0, -1.0)
)

EDGES: dict[ArgumentKind, tuple[Any, ...]] = {
    INT64: INTEGERS,
    DOUBLE: (*NUMBERS, *NOT_DOUBLES),
    OBSERVATION: (*NUMBERS, *NOT_DOUBLES),
    FINITE: (*NUMBERS, *NOT_DOUBLES, *BOUNDARIES),
    TRUTH: (*TRUTH.edges, *NOT_NUMBERS, Index(0), Float(1.0)),
    OBJECT: (*OBJECTS, *NOT_NUMBERS),
    LABEL: LABELS,
    INT_FUNCTION: (
        *(same, twice, next_up, negated, wrapped_in_index, wrapped_in_float),
        *map(gives, RESULTS),
        *NOT_FUNCTIONS,
    ),
    DOUBLE_FUNCTION: (same, negated, wrapped_in_float, *map(gives, (*NUMBERS, *NOT_DOUBLES)), *NOT_FUNCTIONS),
    OBJECT_FUNCTION: (same, *map(gives, OBJECTS), *NOT_FUNCTIONS),
}


def parameters_of(operation: Operation) -> tuple[Parameter, ...]:
    assert operation.parameters is not None, f"{operation.name} has no parameters in the table"
    return operation.parameters


def edge_arguments(operation: Operation) -> Iterator[tuple[Any, ...]]:
    """Yield every tuple of edge values for the operation, with its defaults left out and given."""
    for count in range(operation.fewest, operation.most + 1):
        yield from product(*(EDGES[parameter.kind] for parameter in parameters_of(operation)[:count]))
