"""The kinds of arguments: what a cell accepts, what it makes of it, and when two values agree."""

from __future__ import annotations

import math
import operator
import struct
from typing import Any

from .model import same_value

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


def int64(number: Any) -> int:
    """An integer that fits in 64 bits. Raises TypeError or OverflowError."""
    integer = operator.index(number)
    if not INT64_MIN <= integer <= INT64_MAX:
        raise OverflowError("does not fit in a signed 64-bit integer")
    return integer


def double(number: Any) -> float:
    """A float of the same bits. Unlike float() it takes numbers only. Raises TypeError or OverflowError."""
    return math.ldexp(number, 0)


def truth(value: Any) -> bool:
    """True or False, and nothing else. Raises TypeError."""
    if value is True or value is False:
        return bool(value)
    raise TypeError("takes only True and False")


def bits(number: float) -> bytes:
    """The eight bytes of a double, by which AtomicFloat compares."""
    return struct.pack("<d", number)


def same_double(one: Any, other: Any) -> bool:
    """Agreement by bits; which NaN comes out of arithmetic is nobody's promise, so they all agree."""
    if type(one) is float and type(other) is float:
        return bits(one) == bits(other) or (math.isnan(one) and math.isnan(other))
    return same_value(one, other)


def same_object(one: Any, other: Any) -> bool:
    """Identity; and for errors, which are results of the checker's own making, equality."""
    return one is other or (type(one) is tuple and one[:1] == ("raises",) and bool(one == other))


# Functions for update(). They are pure, as the model runs them too, and once more each time it backtracks.


def twice(value: Any) -> Any:
    return value * 2


def minus_one(value: Any) -> Any:
    return value - 1


def refuse(value: Any) -> Any:
    """Raises, and so leaves the cell alone."""
    raise ValueError(value)
