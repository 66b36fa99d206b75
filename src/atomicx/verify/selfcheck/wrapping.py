"""Integers that wrap around by design, for `--wraps`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..spec.kinds import INT64_MIN
from ..spec.model import ITSELF, Model


def _wrapped(number: int) -> int:
    return (number - INT64_MIN) % 2**64 + INT64_MIN


def wrapping(model: Model) -> Model:
    """Return the same model, except that a sum outside of int64 wraps around to the other end.

    Where this model still says OverflowError, the behaviour of a cell that wraps is left open.
    """
    steps: dict[str, Callable[..., tuple[Any, Any]]] = {
        "inc": lambda state: (_wrapped(state + 1), None),
        "dec": lambda state: (_wrapped(state - 1), None),
        "add": lambda state, delta: (_wrapped(state + delta), None),
        "fetch_add": lambda state, operand=1: (_wrapped(state + operand), state),
        "fetch_sub": lambda state, operand=1: (_wrapped(state - operand), state),
        "add_fetch": lambda state, delta=1: (new := _wrapped(state + delta), new),
        "sub_fetch": lambda state, delta=1: (new := _wrapped(state - delta), new),
        "__iadd__": lambda state, operand: (_wrapped(state + operand), ITSELF),
        "__isub__": lambda state, operand: (_wrapped(state - operand), ITSELF),
        "track().__enter__": lambda state: (_wrapped(state + 1), ITSELF),
        "track().__exit__": lambda state: (_wrapped(state - 1), None),
    }
    rows = (replace(row, step=steps.get(row.name, row.step)) for row in model.operations)
    return replace(model, operations=tuple(rows))
