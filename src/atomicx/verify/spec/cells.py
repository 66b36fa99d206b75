"""The meaning of every operation of every type: one table per type, one row per operation.

Counter is in counting.py, the histograms in histograms.py, Family in families.py; `MODELS` has all of them.

A row has these parts: name, parameters, what the operation does to the state and returns (`state, arguments
-> (new state, result)`), examples of arguments, and how the operation is written if it is not a method call.
A step that raises leaves the state alone.
"""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from typing import Any

from .counting import COUNTER
from .families import FAMILY
from .histograms import EXPONENTIAL, HISTOGRAM
from .kinds import (
    DOUBLE,
    DOUBLE_FUNCTION,
    INT64,
    INT64_MAX,
    INT64_MIN,
    INT_FUNCTION,
    OBJECT,
    OBJECT_FUNCTION,
    THING_A,
    THING_B,
    TRUTH,
    Thing,
    bits,
    computed,
    exact,
    fits,
    from_bits,
    minus_one,
    refuse,
    same_bits,
    same_double,
    same_object,
    swap_things,
    to_double,
    to_int64,
    twice,
)
from .model import ITSELF, Model, Parameter, same_value, unchanged
from .rows import NO_ARGUMENTS, exchange_rows, raise_inside, row, shown, text_rows, update_rows

__all__ = [
    "ALL",
    "ATOMIC_BOOL",
    "ATOMIC_FLOAT",
    "ATOMIC_INT",
    "ATOMIC_REF",
    "CELLS",
    "COUNTER",
    "EXPONENTIAL",
    "FAMILY",
    "HISTOGRAM",
    "MODELS",
    "SHARED_CELLS",
    "SHARED_FLOAT",
    "SHARED_INT",
]

# AtomicInt


def _try_add(state: int, delta: int, limit: int) -> tuple[int, bool]:
    total = state + delta
    within = fits(total) and (total <= limit if delta >= 0 else total >= limit)
    return (total, True) if within else (state, False)


def _fetch_inc_mod(state: int, modulus: int) -> tuple[int, int]:
    if modulus < 1:
        raise ValueError("modulus must be at least 1")
    index = state if 0 <= state < modulus else 0
    return (index + 1) % modulus, index


def _enter(cell: Any) -> Any:
    return cell.track().__enter__()


def _leave(cell: Any) -> Any:
    return cell.track().__exit__(None, None, None)


def _enter_admission(cell: Any, limit: int) -> bool:
    return bool(cell.admit(limit).__enter__())


def _count_admitted(cell: Any, limit: int) -> int:
    raise_inside(cell.admit(limit))
    with cell.admit(limit):
        return int(cell.load())


def _count_inside(cell: Any) -> int:
    raise_inside(cell.track())
    with cell.track() as inside:
        return int(inside.load())


_LIMIT = [Parameter("limit", INT64)]
_OPERAND = [Parameter("operand", INT64)]
_OPERAND_OR_1 = [Parameter("operand", INT64, 1)]
_DELTA = [Parameter("delta", INT64)]
_DELTA_OR_1 = [Parameter("delta", INT64, 1)]

_DELTAS = ((1,), (2,), (-3,))
_MASKS = ((1,), (6,), (-2,))
_LEVELS = ((-1,), (2,), (4,))

ATOMIC_INT = Model(
    "AtomicInt",
    0,
    (
        row("__init__", [Parameter("value", INT64, 0)], lambda state, value: (value, None)),
        *exchange_rows(INT64, same_value, (0, 1, 2)),
        row("inc", [], lambda state: (exact(state + 1), None), NO_ARGUMENTS),
        row("dec", [], lambda state: (exact(state - 1), None), NO_ARGUMENTS),
        row("add", _DELTA, lambda state, delta: (exact(state + delta), None), (*_DELTAS, (INT64_MAX,))),
        row(
            "fetch_add",
            _OPERAND_OR_1,
            lambda state, operand: (exact(state + operand), state),
            ((), *_DELTAS),
        ),
        row(
            "fetch_sub",
            _OPERAND_OR_1,
            lambda state, operand: (exact(state - operand), state),
            ((), *_DELTAS),
        ),
        row("fetch_and", _OPERAND, lambda state, operand: (state & operand, state), _MASKS),
        row("fetch_or", _OPERAND, lambda state, operand: (state | operand, state), _MASKS),
        row("fetch_xor", _OPERAND, lambda state, operand: (state ^ operand, state), _MASKS),
        row("fetch_max", _OPERAND, lambda state, operand: (max(state, operand), state), _LEVELS),
        row("fetch_min", _OPERAND, lambda state, operand: (min(state, operand), state), _LEVELS),
        row(
            "add_fetch",
            _DELTA_OR_1,
            lambda state, delta: (new := exact(state + delta), new),
            ((), *_DELTAS),
        ),
        row(
            "sub_fetch",
            _DELTA_OR_1,
            lambda state, delta: (new := exact(state - delta), new),
            ((), *_DELTAS),
        ),
        row(
            "try_add",
            [Parameter("delta", INT64, keyword=True), Parameter("limit", INT64, keyword=True)],
            _try_add,
            ((1, 2), (2, 3), (-1, 0), (2**64, 0)),
        ),
        row("fetch_inc_mod", [Parameter("modulus", INT64)], _fetch_inc_mod, ((2,), (3,), (0,))),
        row(
            "advance",
            [Parameter("candidate", INT64)],
            lambda state, candidate: (new := exact(max(candidate, state + 1)), new),
            ((-5,), (3,), (INT64_MAX,)),
        ),
        *update_rows(INT_FUNCTION, to_int64, (twice, minus_one, refuse)),
        row("track", [], lambda state: (state, exact(state + 1)), written=_count_inside, atomic=False),
        row("track().__enter__", [], lambda state: (exact(state + 1), ITSELF), NO_ARGUMENTS, _enter),
        row("track().__exit__", [], lambda state: (exact(state - 1), None), NO_ARGUMENTS, _leave),
        row(
            "admit",
            _LIMIT,
            lambda state, limit: (state, _try_add(state, 1, limit)[0]),
            written=_count_admitted,
            atomic=False,
        ),
        row(
            "admit().__enter__",
            _LIMIT,
            lambda state, limit: _try_add(state, 1, limit),
            ((1,), (2,), (2**64,)),
            _enter_admission,
        ),
        row(
            "__iadd__",
            _OPERAND,
            lambda state, operand: (exact(state + operand), ITSELF),
            _DELTAS,
            operator.iadd,
        ),
        row(
            "__isub__",
            _OPERAND,
            lambda state, operand: (exact(state - operand), ITSELF),
            _DELTAS,
            operator.isub,
        ),
        row("__iand__", _OPERAND, lambda state, operand: (state & operand, ITSELF), _MASKS, operator.iand),
        row("__ior__", _OPERAND, lambda state, operand: (state | operand, ITSELF), _MASKS, operator.ior),
        row("__ixor__", _OPERAND, lambda state, operand: (state ^ operand, ITSELF), _MASKS, operator.ixor),
        row("__int__", [], lambda state: (state, state), NO_ARGUMENTS, int),
        row("__bool__", [], lambda state: (state, state != 0), NO_ARGUMENTS, bool),
        *text_rows(),
        shown("AtomicInt"),
    ),
    edge_states=(0, 1, -1, 7, INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1),
)


# AtomicFloat: compared by bits. In max and min a number beats NaN, and 0.0 and -0.0 tie.


def _maximum(state: float, operand: float) -> float:
    return operand if operand > state or (math.isnan(state) and not math.isnan(operand)) else state


def _minimum(state: float, operand: float) -> float:
    return operand if operand < state or (math.isnan(state) and not math.isnan(operand)) else state


_FLOAT_OPERAND = [Parameter("operand", DOUBLE)]
_FLOAT_DELTA = [Parameter("delta", DOUBLE)]

# Powers of two, so that sums are exact and the order of the additions cannot hide a lost one.
_FLOAT_DELTAS = ((1.0,), (0.5,), (-4.0,))
_FLOAT_LEVELS = ((-1.0,), (2.0,), (math.inf,))

ATOMIC_FLOAT = Model(
    "AtomicFloat",
    0.0,
    (
        row("__init__", [Parameter("value", DOUBLE, 0.0)], lambda state, value: (value, None)),
        *exchange_rows(DOUBLE, same_bits, (0.0, -0.0, 1.5)),
        row("add", _FLOAT_DELTA, lambda state, delta: (computed(state + delta), None), _FLOAT_DELTAS),
        row(
            "fetch_add",
            _FLOAT_OPERAND,
            lambda state, operand: (computed(state + operand), state),
            _FLOAT_DELTAS,
        ),
        row(
            "fetch_sub",
            _FLOAT_OPERAND,
            lambda state, operand: (computed(state - operand), state),
            _FLOAT_DELTAS,
        ),
        row(
            "fetch_max",
            _FLOAT_OPERAND,
            lambda state, operand: (_maximum(state, operand), state),
            _FLOAT_LEVELS,
        ),
        row(
            "fetch_min",
            _FLOAT_OPERAND,
            lambda state, operand: (_minimum(state, operand), state),
            _FLOAT_LEVELS,
        ),
        row(
            "add_fetch",
            _FLOAT_DELTA,
            lambda state, delta: (new := computed(state + delta), new),
            _FLOAT_DELTAS,
        ),
        row(
            "sub_fetch",
            _FLOAT_DELTA,
            lambda state, delta: (new := computed(state - delta), new),
            _FLOAT_DELTAS,
        ),
        *update_rows(DOUBLE_FUNCTION, to_double, (twice, minus_one, refuse)),
        row(
            "__iadd__",
            _FLOAT_OPERAND,
            lambda state, operand: (computed(state + operand), ITSELF),
            _FLOAT_DELTAS,
            operator.iadd,
        ),
        row(
            "__isub__",
            _FLOAT_OPERAND,
            lambda state, operand: (computed(state - operand), ITSELF),
            _FLOAT_DELTAS,
            operator.isub,
        ),
        row("__float__", [], lambda state: (state, state), NO_ARGUMENTS, float),
        row("__bool__", [], lambda state: (state, state != 0.0), NO_ARGUMENTS, bool),
        *text_rows(),
        shown("AtomicFloat"),
    ),
    same_double,
    bits,
    edge_states=(
        *(0.0, -0.0, 1.0, -1.0, 0.1, 5e-324, 2.0**53, 1.7976931348623157e308, -1.7976931348623157e308),
        *(math.inf, -math.inf, math.nan, -math.nan, from_bits(0x7FF8_0000_0000_BEEF)),
    ),
)


# AtomicBool

ATOMIC_BOOL = Model(
    "AtomicBool",
    False,
    (
        row("__init__", [Parameter("value", TRUTH, False)], lambda state, value: (value, None)),
        *exchange_rows(TRUTH, operator.is_, (False, True)),
        row("test_and_set", [], lambda state: (True, state), NO_ARGUMENTS),
        row("clear", [], lambda state: (False, None), NO_ARGUMENTS),
        row("__bool__", [], lambda state: (state, state), NO_ARGUMENTS, bool),
        *text_rows(),
        shown("AtomicBool"),
    ),
    edge_states=(False, True),
)


# AtomicRef: compared by identity. An object's own `==` is never called.

ATOMIC_REF = Model(
    "AtomicRef",
    None,
    (
        row("__init__", [Parameter("value", OBJECT, None)], lambda state, value: (value, None)),
        *exchange_rows(OBJECT, operator.is_, (None, THING_A, THING_B)),
        *update_rows(OBJECT_FUNCTION, unchanged, (swap_things, refuse)),
        shown("AtomicRef"),
    ),
    same_object,
    id,
    edge_states=(
        *(None, True, 10**9, int("1000000000"), math.nan, "text", ("a", 1), Exception),
        *(Thing("C"), Thing("D"), [], []),
    ),
)


# SharedInt and SharedFloat: the same operations, on eight bytes of a buffer.


def _release_another(cell: Any) -> None:
    """Release another cell: one that was already released does nothing more."""
    other = type(cell)(bytearray(8))
    other.release()


def _in_a_buffer(model: Model, type_name: str) -> Model:
    kept = (row for row in model.operations if row.name not in ("__init__", "__repr__"))
    own = (
        row("release", [], lambda state: (state, None), written=_release_another, atomic=False),
        shown(type_name),
    )
    return replace(
        model,
        name=type_name,
        operations=(*kept, *own),
        new=lambda module: getattr(module, type_name)(bytearray(8)),
    )


SHARED_INT = _in_a_buffer(ATOMIC_INT, "SharedInt")
SHARED_FLOAT = _in_a_buffer(ATOMIC_FLOAT, "SharedFloat")

CELLS = (ATOMIC_INT, ATOMIC_FLOAT, ATOMIC_BOOL, ATOMIC_REF, COUNTER)
"""The types whose cells are made from one value."""
SHARED_CELLS = (SHARED_INT, SHARED_FLOAT)
ALL = (*CELLS, *SHARED_CELLS, HISTOGRAM, EXPONENTIAL, FAMILY)
MODELS = {model.name: model for model in ALL}
