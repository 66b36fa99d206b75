"""Integers as the cells hold them: Python ints that fit in 64 bits."""

from __future__ import annotations

import operator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import SupportsIndex as _Integer

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


def as_int(value: _Integer) -> int:
    number = operator.index(value)
    if not INT64_MIN <= number <= INT64_MAX:
        raise OverflowError("value does not fit in a signed 64-bit integer")
    return number


def as_result(number: int) -> int:
    if not INT64_MIN <= number <= INT64_MAX:
        raise OverflowError("result does not fit in a signed 64-bit integer")
    return number
