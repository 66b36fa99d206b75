"""The specification: one table a type, one row an operation.

A row reads: name, parameters, and what the operation does to the state and returns,
`state, arguments -> (new state, result)`. A row that raises leaves the state alone.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from model.kinds import (
    DOUBLE,
    DOUBLE_FUNCTION,
    INT64,
    INT64_MAX,
    INT64_MIN,
    INT_FUNCTION,
    OBJECT,
    OBJECT_FUNCTION,
    TRUTH,
    bits,
    computed,
    exact,
    fits,
    from_bits,
    same_double,
    to_double,
    to_int64,
)
from model.operations import SELF, CellModel, Kind, Operation, Parameter, equal


def row(
    name: str,
    parameters: list[Parameter],
    step: Callable[..., tuple[Any, Any]],
    written: Callable[..., Any] | None = None,
    same: Callable[[Any, Any], bool] | None = None,
) -> Operation:
    return Operation(name, tuple(parameters), step, written, same)


def compare_rows(kind: Kind, agree: Callable[[Any, Any], bool]) -> list[Operation]:
    """load, store, exchange and the two compare-and-swaps, which every cell but Counter has."""
    value = Parameter("value", kind)
    pair = [Parameter("expected", kind), Parameter("desired", kind)]
    return [
        row("load", [], lambda state: (state, state)),
        row("store", [value], lambda state, value: (value, None)),
        row("exchange", [value], lambda state, value: (value, state)),
        row(
            "compare_and_set",
            pair,
            lambda state, expected, desired: (desired, True) if agree(state, expected) else (state, False),
        ),
        row(
            "compare_exchange",
            pair,
            lambda state, expected, desired: (desired, state) if agree(state, expected) else (state, state),
        ),
    ]


def update_rows(kind: Kind, convert: Callable[[Any], Any]) -> list[Operation]:
    function = [Parameter("function", kind)]
    return [
        row("update", function, lambda state, function: (new := convert(function(state)), new)),
        row("fetch_update", function, lambda state, function: (convert(function(state)), state)),
    ]


# AtomicInt


def try_add(state: int, delta: int, limit: int) -> tuple[int, bool]:
    total = state + delta
    within = fits(total) and (total <= limit if delta >= 0 else total >= limit)
    return (total, True) if within else (state, False)


def fetch_inc_mod(state: int, modulus: int) -> tuple[int, int]:
    if modulus < 1:
        raise ValueError("modulus must be at least 1")
    index = state if 0 <= state < modulus else 0
    return (index + 1) % modulus, index


def count_inside(cell: Any) -> int:
    with cell.track() as inside:
        return int(inside.load())


INT_OPERAND = [Parameter("operand", INT64)]
INT_OPERAND_OR_1 = [Parameter("operand", INT64, 1)]
INT_DELTA = [Parameter("delta", INT64)]
INT_DELTA_OR_1 = [Parameter("delta", INT64, 1)]

ATOMIC_INT = CellModel(
    "AtomicInt",
    zero=0,
    edge_states=(0, 1, -1, 7, INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1),
    operations=(
        row("__init__", [Parameter("value", INT64, 0)], lambda state, value: (value, None)),
        *compare_rows(INT64, equal),
        row("inc", [], lambda state: (exact(state + 1), None)),
        row("dec", [], lambda state: (exact(state - 1), None)),
        row("add", INT_DELTA, lambda state, delta: (exact(state + delta), None)),
        row("fetch_add", INT_OPERAND_OR_1, lambda state, operand: (exact(state + operand), state)),
        row("fetch_sub", INT_OPERAND_OR_1, lambda state, operand: (exact(state - operand), state)),
        row("fetch_and", INT_OPERAND, lambda state, operand: (state & operand, state)),
        row("fetch_or", INT_OPERAND, lambda state, operand: (state | operand, state)),
        row("fetch_xor", INT_OPERAND, lambda state, operand: (state ^ operand, state)),
        row("fetch_max", INT_OPERAND, lambda state, operand: (max(state, operand), state)),
        row("fetch_min", INT_OPERAND, lambda state, operand: (min(state, operand), state)),
        row("add_fetch", INT_DELTA_OR_1, lambda state, delta: (new := exact(state + delta), new)),
        row("sub_fetch", INT_DELTA_OR_1, lambda state, delta: (new := exact(state - delta), new)),
        row("try_add", [*INT_DELTA, Parameter("limit", INT64)], try_add),
        row("fetch_inc_mod", [Parameter("modulus", INT64)], fetch_inc_mod),
        row(
            "advance",
            [Parameter("candidate", INT64)],
            lambda state, candidate: (new := exact(max(candidate, state + 1)), new),
        ),
        *update_rows(INT_FUNCTION, to_int64),
        row("track", [], lambda state: (state, exact(state + 1)), written=count_inside),
        row("__iadd__", INT_OPERAND, lambda state, operand: (exact(state + operand), SELF), operator.iadd),
        row("__isub__", INT_OPERAND, lambda state, operand: (exact(state - operand), SELF), operator.isub),
        row("__iand__", INT_OPERAND, lambda state, operand: (state & operand, SELF), operator.iand),
        row("__ior__", INT_OPERAND, lambda state, operand: (state | operand, SELF), operator.ior),
        row("__ixor__", INT_OPERAND, lambda state, operand: (state ^ operand, SELF), operator.ixor),
        row("__int__", [], lambda state: (state, state), int),
        row("__bool__", [], lambda state: (state, state != 0), bool),
        row("__repr__", [], lambda state: (state, f"AtomicInt({state})"), repr),
    ),
)


# AtomicFloat: compared by bits; in max and min a number beats NaN, and 0.0 and -0.0 tie.


def same_bits(state: float, expected: float) -> bool:
    return bits(state) == bits(expected)


def maximum(state: float, operand: float) -> float:
    return operand if operand > state or (math.isnan(state) and not math.isnan(operand)) else state


def minimum(state: float, operand: float) -> float:
    return operand if operand < state or (math.isnan(state) and not math.isnan(operand)) else state


DOUBLE_OPERAND = [Parameter("operand", DOUBLE)]
DOUBLE_DELTA = [Parameter("delta", DOUBLE)]

ATOMIC_FLOAT = CellModel(
    "AtomicFloat",
    zero=0.0,
    same=same_double,
    edge_states=(
        *(0.0, -0.0, 1.0, -1.0, 0.1, 5e-324, 2.0**53, 1.7976931348623157e308, -1.7976931348623157e308),
        *(math.inf, -math.inf, math.nan, -math.nan, from_bits(0x7FF8_0000_0000_BEEF)),
    ),
    operations=(
        row("__init__", [Parameter("value", DOUBLE, 0.0)], lambda state, value: (value, None)),
        *compare_rows(DOUBLE, same_bits),
        row("add", DOUBLE_DELTA, lambda state, delta: (computed(state + delta), None)),
        row("fetch_add", DOUBLE_OPERAND, lambda state, operand: (computed(state + operand), state)),
        row("fetch_sub", DOUBLE_OPERAND, lambda state, operand: (computed(state - operand), state)),
        row("fetch_max", DOUBLE_OPERAND, lambda state, operand: (maximum(state, operand), state)),
        row("fetch_min", DOUBLE_OPERAND, lambda state, operand: (minimum(state, operand), state)),
        row("add_fetch", DOUBLE_DELTA, lambda state, delta: (new := computed(state + delta), new)),
        row("sub_fetch", DOUBLE_DELTA, lambda state, delta: (new := computed(state - delta), new)),
        *update_rows(DOUBLE_FUNCTION, to_double),
        row(
            "__iadd__",
            DOUBLE_OPERAND,
            lambda state, operand: (computed(state + operand), SELF),
            operator.iadd,
        ),
        row(
            "__isub__",
            DOUBLE_OPERAND,
            lambda state, operand: (computed(state - operand), SELF),
            operator.isub,
        ),
        row("__float__", [], lambda state: (state, state), float),
        row("__bool__", [], lambda state: (state, state != 0.0), bool),
        row("__repr__", [], lambda state: (state, f"AtomicFloat({state!r})"), repr),
    ),
)


# AtomicBool

ATOMIC_BOOL = CellModel(
    "AtomicBool",
    zero=False,
    edge_states=(False, True),
    operations=(
        row("__init__", [Parameter("value", TRUTH, False)], lambda state, value: (value, None)),
        *compare_rows(TRUTH, equal),
        row("test_and_set", [], lambda state: (True, state)),
        row("clear", [], lambda state: (False, None)),
        row("__bool__", [], lambda state: (state, state), bool),
        row("__repr__", [], lambda state: (state, f"AtomicBool({state})"), repr),
    ),
)


# AtomicRef: by identity; an object's own `==` is never asked.


class Alike:
    """Equal to everything and to its like, which only identity tells apart."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ATOMIC_REF = CellModel(
    "AtomicRef",
    zero=None,
    same=operator.is_,
    edge_states=(
        *(None, True, 10**9, int("1000000000"), math.nan, "text", ("a", 1), Exception),
        *(Alike(), Alike(), [], []),
    ),
    operations=(
        row("__init__", [Parameter("value", OBJECT, None)], lambda state, value: (value, None)),
        *compare_rows(OBJECT, operator.is_),
        *update_rows(OBJECT_FUNCTION, lambda value: value),
        row("__repr__", [], lambda state: (state, f"AtomicRef({state!r})"), repr, equal),
    ),
)


# Counter: only up, but for drain.


def not_negative(count: int) -> int:
    if count < 0:
        raise ValueError
    return count


COUNT = [Parameter("n", INT64)]

COUNTER = CellModel(
    "Counter",
    zero=0,
    edge_states=(0, 1, 7, INT64_MAX - 1, INT64_MAX),
    operations=(
        row("__init__", [Parameter("value", INT64, 0)], lambda state, value: (not_negative(value), None)),
        row("inc", [], lambda state: (exact(state + 1), None)),
        row("add", COUNT, lambda state, n: (exact(state + not_negative(n)), None)),
        row("load", [], lambda state: (state, state)),
        row("drain", [], lambda state: (0, state)),
        row(
            "__iadd__",
            COUNT,
            lambda state, n: (exact(state + not_negative(n)), SELF),
            operator.iadd,
        ),
        row("__int__", [], lambda state: (state, state), int),
        row("__bool__", [], lambda state: (state, state != 0), bool),
        row("__repr__", [], lambda state: (state, f"Counter({state})"), repr),
    ),
)

CELLS = (ATOMIC_INT, ATOMIC_FLOAT, ATOMIC_BOOL, ATOMIC_REF, COUNTER)


# SharedInt and SharedFloat: the same operations, on eight bytes of a buffer.


def release_another(cell: Any) -> None:
    """There is nothing to be said of a cell after that but what the tests in tests/shared say."""
    other = type(cell)(bytearray(8))
    other.release()


def in_a_buffer(model: CellModel, type_name: str) -> CellModel:
    shown = model["__repr__"]

    def show(state: Any) -> tuple[Any, Any]:
        return state, shown.step(state)[1].replace(model.type_name, type_name)

    kept = (operation for operation in model.operations if operation.name not in ("__init__", "__repr__"))
    own = (
        row("release", [], lambda state: (state, None), written=release_another),
        replace(shown, step=show),
    )
    return replace(model, type_name=type_name, operations=(*kept, *own), buffer=lambda: bytearray(8))


SHARED_INT = in_a_buffer(ATOMIC_INT, "SharedInt")
SHARED_FLOAT = in_a_buffer(ATOMIC_FLOAT, "SharedFloat")
SHARED_CELLS = (SHARED_INT, SHARED_FLOAT)
ALL_CELLS = (*CELLS, *SHARED_CELLS)
