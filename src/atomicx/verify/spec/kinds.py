"""The kinds of arguments: what a cell accepts, what it converts it to, and how it refuses the rest.

Each kind also has what belongs to it: when two values agree, and functions to pass to update().
"""

from __future__ import annotations

import math
import operator
import struct
from typing import Any

from .model import ArgumentKind, same_value, unchanged

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


# Integers


def fits(number: int) -> bool:
    return INT64_MIN <= number <= INT64_MAX


def to_int64(argument: Any) -> int:
    """Return the argument as an int that fits in 64 bits. Raises TypeError or OverflowError."""
    number = operator.index(argument)
    if not fits(number):
        raise OverflowError("value does not fit in a signed 64-bit integer")
    return number


def exact(result: int) -> int:
    """Return a result that is exact. Raises OverflowError otherwise; a result is never wrapped."""
    if not fits(result):
        raise OverflowError("result does not fit in a signed 64-bit integer")
    return result


# Doubles


def to_double(argument: Any) -> float:
    """Return a float of the same bits. Accepts only numbers, unlike float(). TypeError or OverflowError."""
    return math.ldexp(argument, 0)


def bits(number: float) -> bytes:
    """The eight bytes of a double, by which AtomicFloat compares."""
    return struct.pack("<d", number)


def from_bits(pattern: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", pattern))[0])


class SomeNaN(float):
    """A NaN that came out of arithmetic: nothing promises which of its bits are set."""


def computed(number: float) -> float:
    """Return a result of arithmetic, with NaN replaced by SomeNaN."""
    return SomeNaN("nan") if math.isnan(number) else number


def same_bits(state: float, expected: float) -> bool:
    return bits(state) == bits(expected)


def same_double(one: Any, other: Any) -> bool:
    """Return whether two doubles agree by bits; every NaN agrees with a NaN that was computed."""
    if isinstance(one, SomeNaN) or isinstance(other, SomeNaN):
        return all(isinstance(number, float) and math.isnan(number) for number in (one, other))
    if type(one) is float and type(other) is float:
        return same_bits(one, other)
    return same_value(one, other)


def to_observation(argument: Any) -> float:
    """Return a real number that is not NaN, as a float. Raises TypeError, OverflowError or ValueError."""
    number = to_double(argument)
    if math.isnan(number):
        raise ValueError("a Histogram has no bucket for NaN")
    return number


def to_finite(argument: Any) -> float:
    """Return a finite real number, as a float. Raises TypeError, OverflowError or ValueError."""
    number = to_double(argument)
    if not math.isfinite(number):
        raise ValueError(f"an ExponentialHistogram has no bucket for {number!r}")
    return number


# The rest


def to_truth(argument: Any) -> bool:
    """Return True or False, and accept nothing else. Raises TypeError."""
    if argument is True or argument is False:
        return bool(argument)
    raise TypeError(f"AtomicBool takes True or False, not '{type(argument).__name__}'")


def to_label(argument: Any) -> str:
    """Return a label value as text, an int as its digits. Raises TypeError, or ValueError for surrogates."""
    if isinstance(argument, str):
        text = str.__str__(argument)
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("a label value must be encodable in UTF-8")
        return text
    if isinstance(argument, int):
        return int.__repr__(argument)
    raise TypeError(f"a label value must be a str or an int, not {type(argument).__name__!r}")


def same_object(one: Any, other: Any) -> bool:
    """Return whether both are one object. Errors, which the checker itself makes, agree if equal."""
    return one is other or (type(one) is type(other) is tuple and one[:1] == ("raises",) and one == other)


# Functions for update(). They are pure, because the model runs them too, and again each time it backtracks.


def twice(value: Any) -> Any:
    return value * 2


def minus_one(value: Any) -> Any:
    return value - 1


def refuse(value: Any) -> Any:
    """Raise, so that the cell stays as it is."""
    raise ValueError(value)


class Thing:
    """An object to refer to, equal to everything: only identity tells two of them apart."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


THING_A, THING_B = Thing("A"), Thing("B")


def swap_things(value: Any) -> Any:
    return THING_B if value is THING_A else THING_A


# The kinds. Their edges are plain values; the tests of atomicx add objects with methods of their own.

_NOT_NUMBERS: tuple[Any, ...] = ("", "1", b"1", None, [], (1,), {}, 1j, object)

INT64 = ArgumentKind(
    "int64",
    to_int64,
    runs_code=True,
    accepted=(
        *(0, 1, -1, 2, -2, 7, 64, 0x5555_5555_5555_5555, True, False),
        *(INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1),
    ),
    refused=(
        *(INT64_MAX + 1, INT64_MIN - 1, 2**64, -(2**64), 2**100, -(2**100)),
        *(0.0, 1.0, math.inf, math.nan, *_NOT_NUMBERS),
    ),
)

_INFINITIES = (math.inf, -math.inf)
_FINITE = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 0.1, 5e-324, -5e-324, 2.2250738585072014e-308),
    *(1.7976931348623157e308, -1.7976931348623157e308),
)
_DOUBLES = (*_FINITE, *_INFINITIES)
_NANS = (math.nan, -math.nan, from_bits(0x7FF8_0000_0000_BEEF), from_bits(0xFFF8_0000_0000_0001))
_INTEGRAL = (0, 1, -1, 2**53 + 1, INT64_MAX, INT64_MIN, 2**100, -(2**100), True, False)
_NOT_DOUBLES: tuple[Any, ...] = (10**400, -(10**400), *_NOT_NUMBERS)

DOUBLE = ArgumentKind(
    "double", to_double, runs_code=True, accepted=(*_DOUBLES, *_NANS, *_INTEGRAL), refused=_NOT_DOUBLES
)
OBSERVATION = ArgumentKind(
    "observation",
    to_observation,
    runs_code=True,
    accepted=(*_DOUBLES, *_INTEGRAL),
    refused=(*_NANS, *_NOT_DOUBLES),
)
FINITE = ArgumentKind(
    "finite observation",
    to_finite,
    runs_code=True,
    accepted=(*_FINITE, *_INTEGRAL),
    refused=(*_INFINITIES, *_NANS, *_NOT_DOUBLES),
)
TRUTH = ArgumentKind(
    "truth", to_truth, accepted=(True, False), refused=(0, 1, 2, -1, 0.0, 1.0, math.nan, *_NOT_NUMBERS)
)
OBJECT = ArgumentKind(
    "object",
    unchanged,
    accepted=(None, True, 0, 10**9, math.nan, "text", b"", [], (1, "a"), {}, object()),
)
LABEL = ArgumentKind(
    "label",
    to_label,
    accepted=("GET", "", "200", "404", 200, 404, -1, True, 2**100),
    refused=(None, 1.5, b"GET", (), [], object, "\ud800", "a\U0001f600\udfff"),
)

# The functions for update() and fetch_update(): called with the state, and their result is converted.
INT_FUNCTION = ArgumentKind(
    "function of an int", unchanged, called=True, accepted=(twice, minus_one), refused=(refuse, repr, None)
)
DOUBLE_FUNCTION = ArgumentKind(
    "function of a float", unchanged, called=True, accepted=(twice, minus_one), refused=(refuse, repr, None)
)
OBJECT_FUNCTION = ArgumentKind(
    "function of an object", unchanged, called=True, accepted=(swap_things, repr), refused=(refuse, None)
)
