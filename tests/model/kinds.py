"""The kinds of arguments: what a cell accepts, what it makes of it, and how it refuses the rest."""

from __future__ import annotations

import math
import operator
import struct
from typing import Any

from model.operations import Kind

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


def fits(number: int) -> bool:
    return INT64_MIN <= number <= INT64_MAX


def to_int64(argument: Any) -> int:
    number = operator.index(argument)
    if not fits(number):
        raise OverflowError("value does not fit in a signed 64-bit integer")
    return number


def exact(result: int) -> int:
    """A result, which is exact or an error; it is never wrapped."""
    if not fits(result):
        raise OverflowError("result does not fit in a signed 64-bit integer")
    return result


def to_double(argument: Any) -> float:
    # Unlike float(), the functions of math take numbers only; this one hands back every bit of them.
    return math.ldexp(argument, 0)


def bits(number: float) -> bytes:
    return struct.pack("<d", number)


def from_bits(pattern: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", pattern))[0])


class SomeNaN(float):
    """A NaN that came out of arithmetic: nothing promises which of its bits are set."""


def computed(number: float) -> float:
    return SomeNaN("nan") if math.isnan(number) else number


def same_double(expected: Any, actual: Any) -> bool:
    if type(actual) is not float or not isinstance(expected, float):
        return type(expected) is type(actual) and bool(expected == actual)
    if isinstance(expected, SomeNaN):
        return math.isnan(actual)
    return bits(expected) == bits(actual)


def to_truth(argument: Any) -> bool:
    if argument is True or argument is False:
        return bool(argument)
    raise TypeError(f"AtomicBool takes True or False, not '{type(argument).__name__}'")


def unchanged(argument: Any) -> Any:
    return argument


INT64 = Kind("int64", to_int64, runs_code=True)
DOUBLE = Kind("double", to_double, runs_code=True)
TRUTH = Kind("truth", to_truth)
OBJECT = Kind("object", unchanged)

# What update() and fetch_update() take. It is called with the state, and what it returns is converted.
INT_FUNCTION = Kind("function of an int", unchanged, called=True)
DOUBLE_FUNCTION = Kind("function of a float", unchanged, called=True)
OBJECT_FUNCTION = Kind("function of an object", unchanged, called=True)
