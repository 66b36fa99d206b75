"""What every operation of every cell means: one table for each type, one row for each operation."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from .kinds import (
    INT64_MAX,
    INT64_MIN,
    bits,
    double,
    int64,
    minus_one,
    refuse,
    same_double,
    same_object,
    truth,
    twice,
)
from .model import ITSELF, Model, Operation, unchanged


def _exchange_rows(
    convert: Callable[[Any], Any], equal: Callable[[Any, Any], bool], values: tuple[Any, ...]
) -> tuple[Operation, ...]:
    """load, store, exchange and both compare-and-swaps, which every cell but Counter has."""
    one = tuple((value,) for value in values)
    two = tuple((expected, desired) for expected in values for desired in values)

    def compare_and_set(state: Any, expected: Any, desired: Any) -> tuple[Any, bool]:
        expected, desired = convert(expected), convert(desired)
        return (desired, True) if equal(state, expected) else (state, False)

    def compare_exchange(state: Any, expected: Any, desired: Any) -> tuple[Any, Any]:
        expected, desired = convert(expected), convert(desired)
        return (desired if equal(state, expected) else state), state

    return (
        Operation("load", lambda state: (state, state), ((),)),
        Operation("store", lambda state, value: (convert(value), None), one),
        Operation("exchange", lambda state, value: (convert(value), state), one),
        Operation("compare_and_set", compare_and_set, two),
        Operation("compare_exchange", compare_exchange, two),
    )


def _update_rows(
    convert: Callable[[Any], Any], functions: tuple[Callable[[Any], Any], ...]
) -> tuple[Operation, ...]:
    pool = tuple((function,) for function in functions)

    def update(state: Any, function: Callable[[Any], Any]) -> tuple[Any, Any]:
        new = convert(function(state))
        return new, new

    return (
        Operation("update", update, pool),
        Operation("fetch_update", lambda state, function: (convert(function(state)), state), pool),
    )


# AtomicInt and SharedInt


def _int_add_fetch(state: int, delta: Any = 1) -> tuple[int, int]:
    new = int64(state + int64(delta))
    return new, new


def _int_sub_fetch(state: int, delta: Any = 1) -> tuple[int, int]:
    new = int64(state - int64(delta))
    return new, new


def _int_try_add(state: int, delta: Any, limit: Any) -> tuple[int, bool]:
    delta, limit = int64(delta), int64(limit)
    total = state + delta
    fits = INT64_MIN <= total <= INT64_MAX and (total <= limit if delta >= 0 else total >= limit)
    return (total, True) if fits else (state, False)


def _int_fetch_inc_mod(state: int, modulus: Any) -> tuple[int, int]:
    modulus = int64(modulus)
    if modulus < 1:
        raise ValueError("modulus must be at least 1")
    index = state if 0 <= state < modulus else 0
    return (index + 1) % modulus, index


def _int_advance(state: int, candidate: Any) -> tuple[int, int]:
    new = int64(max(int64(candidate), state + 1))
    return new, new


def _enter(cell: Any) -> Any:
    return cell.track().__enter__()


def _leave(cell: Any) -> Any:
    return cell.track().__exit__(None, None, None)


_DELTAS = ((1,), (2,), (-3,))
_MASKS = ((1,), (6,), (-2,))
_LEVELS = ((-1,), (2,), (4,))

ATOMIC_INT = Model(
    "AtomicInt",
    0,
    (
        *_exchange_rows(int64, operator.eq, (0, 1, 2)),
        Operation("inc", lambda state: (int64(state + 1), None), ((),)),
        Operation("dec", lambda state: (int64(state - 1), None), ((),)),
        Operation("add", lambda state, delta: (int64(state + int64(delta)), None), (*_DELTAS, (INT64_MAX,))),
        Operation("fetch_add", lambda state, delta=1: (int64(state + int64(delta)), state), ((), *_DELTAS)),
        Operation("fetch_sub", lambda state, delta=1: (int64(state - int64(delta)), state), ((), *_DELTAS)),
        Operation("fetch_and", lambda state, mask: (state & int64(mask), state), _MASKS),
        Operation("fetch_or", lambda state, mask: (state | int64(mask), state), _MASKS),
        Operation("fetch_xor", lambda state, mask: (state ^ int64(mask), state), _MASKS),
        Operation("fetch_max", lambda state, level: (max(state, int64(level)), state), _LEVELS),
        Operation("fetch_min", lambda state, level: (min(state, int64(level)), state), _LEVELS),
        Operation("add_fetch", _int_add_fetch, ((), *_DELTAS)),
        Operation("sub_fetch", _int_sub_fetch, ((), *_DELTAS)),
        Operation("try_add", _int_try_add, ((1, 2), (2, 3), (-1, 0), (2**64, 0))),
        Operation("fetch_inc_mod", _int_fetch_inc_mod, ((2,), (3,), (0,))),
        Operation("advance", _int_advance, ((-5,), (3,), (INT64_MAX,))),
        *_update_rows(int64, (twice, minus_one, refuse)),
        Operation("track().__enter__", lambda state: (int64(state + 1), ITSELF), ((),), _enter),
        Operation("track().__exit__", lambda state: (int64(state - 1), None), ((),), _leave),
        Operation(
            "__iadd__", lambda state, delta: (int64(state + int64(delta)), ITSELF), _DELTAS, operator.iadd
        ),
        Operation(
            "__isub__", lambda state, delta: (int64(state - int64(delta)), ITSELF), _DELTAS, operator.isub
        ),
        Operation("__iand__", lambda state, mask: (state & int64(mask), ITSELF), _MASKS, operator.iand),
        Operation("__ior__", lambda state, mask: (state | int64(mask), ITSELF), _MASKS, operator.ior),
        Operation("__ixor__", lambda state, mask: (state ^ int64(mask), ITSELF), _MASKS, operator.ixor),
        Operation("__int__", lambda state: (state, state), ((),), int),
        Operation("__bool__", lambda state: (state, state != 0), ((),), bool),
    ),
)


# AtomicFloat and SharedFloat


def _same_bits(one: float, other: float) -> bool:
    return bits(one) == bits(other)


def _maximum(state: float, level: float) -> float:
    return level if level > state or (math.isnan(state) and not math.isnan(level)) else state


def _minimum(state: float, level: float) -> float:
    return level if level < state or (math.isnan(state) and not math.isnan(level)) else state


def _float_add_fetch(state: float, delta: Any) -> tuple[float, float]:
    new = state + double(delta)
    return new, new


def _float_sub_fetch(state: float, delta: Any) -> tuple[float, float]:
    new = state - double(delta)
    return new, new


# Powers of two, so that sums are exact and the order of the additions cannot hide a lost one.
_FLOAT_DELTAS = ((1.0,), (0.5,), (-4.0,))
_FLOAT_LEVELS = ((-1.0,), (2.0,), (math.inf,))

ATOMIC_FLOAT = Model(
    "AtomicFloat",
    0.0,
    (
        *_exchange_rows(double, _same_bits, (0.0, -0.0, 1.5)),
        Operation("add", lambda state, delta: (state + double(delta), None), _FLOAT_DELTAS),
        Operation("fetch_add", lambda state, delta: (state + double(delta), state), _FLOAT_DELTAS),
        Operation("fetch_sub", lambda state, delta: (state - double(delta), state), _FLOAT_DELTAS),
        Operation("add_fetch", _float_add_fetch, _FLOAT_DELTAS),
        Operation("sub_fetch", _float_sub_fetch, _FLOAT_DELTAS),
        Operation("fetch_max", lambda state, level: (_maximum(state, double(level)), state), _FLOAT_LEVELS),
        Operation("fetch_min", lambda state, level: (_minimum(state, double(level)), state), _FLOAT_LEVELS),
        *_update_rows(double, (twice, minus_one, refuse)),
        Operation(
            "__iadd__", lambda state, delta: (state + double(delta), ITSELF), _FLOAT_DELTAS, operator.iadd
        ),
        Operation(
            "__isub__", lambda state, delta: (state - double(delta), ITSELF), _FLOAT_DELTAS, operator.isub
        ),
        Operation("__float__", lambda state: (state, state), ((),), float),
        Operation("__bool__", lambda state: (state, state != 0.0), ((),), bool),
    ),
    same_double,
    bits,
)


ATOMIC_BOOL = Model(
    "AtomicBool",
    False,
    (
        *_exchange_rows(truth, operator.is_, (False, True)),
        Operation("test_and_set", lambda state: (True, state), ((),)),
        Operation("clear", lambda state: (False, None), ((),)),
        Operation("__bool__", lambda state: (state, state), ((),), bool),
    ),
)


# AtomicRef: by identity; an object's own == is never asked.


class Thing:
    """An object to refer to, equal to all its like: only identity tells two of them apart."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing)

    def __hash__(self) -> int:
        return 0


_A, _B = Thing("A"), Thing("B")


def swap_things(value: Any) -> Any:
    return _B if value is _A else _A


ATOMIC_REF = Model(
    "AtomicRef",
    None,
    (
        *_exchange_rows(unchanged, operator.is_, (None, _A, _B)),
        *_update_rows(unchanged, (swap_things, refuse)),
    ),
    same_object,
    id,
)


# Counter. Sequentially it is this; while operations overlap, `check_counter` says what its loads may return.


def _count(number: Any) -> int:
    count = int64(number)
    if count < 0:
        raise ValueError("a Counter only counts up")
    return count


_COUNTS = ((1,), (2,), (5,), (-1,))

COUNTER = Model(
    "Counter",
    0,
    (
        Operation("inc", lambda state: (int64(state + 1), None), ((),)),
        Operation("add", lambda state, count: (int64(state + _count(count)), None), _COUNTS),
        Operation("load", lambda state: (state, state), ((),)),
        Operation("drain", lambda state: (0, state), ((),)),
        Operation(
            "__iadd__", lambda state, count: (int64(state + _count(count)), ITSELF), _COUNTS, operator.iadd
        ),
        Operation("__int__", lambda state: (state, state), ((),), int),
        Operation("__bool__", lambda state: (state, state != 0), ((),), bool),
    ),
)

# Histogram, with a bound at 1. As with Counter, this is what it is while nothing overlaps.


def _observe(state: Any, value: float) -> tuple[Any, None]:
    (low, high), total = state
    return ((low + (value <= 1.0), high + (value > 1.0)), total + value), None


_NOTHING = ((0, 0), 0.0)

HISTOGRAM = Model(
    "Histogram",
    _NOTHING,
    (
        Operation("observe", _observe, ((1.0,), (2.0,))),
        Operation("snapshot", lambda state: (state, state), ((),)),
        Operation("drain", lambda state: (_NOTHING, state), ((),)),
    ),
)

MODELS = {model.name: model for model in (ATOMIC_INT, ATOMIC_FLOAT, ATOMIC_BOOL, ATOMIC_REF, COUNTER)}
