"""Operations of other people's cells that are not called as the specification says.

A value may be a property instead of `load()` and `store()`, arguments may have to be passed by name, and
`increment_and_get()` may take none.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..spec.model import Operation, Parameter, Step, same_value

_VALUE = "value"
# Names that say by how much, so that the operation may take no operand.
_BY_ONE = ("get_and_increment", "increment_and_get", "get_and_decrement", "decrement_and_get")


def has_value(cell: Any) -> bool:
    """Return whether the cell has an attribute `value` that is not a method."""
    return hasattr(cell, _VALUE) and not callable(getattr(cell, _VALUE))


def shows_value(cell: Any, rows: dict[str, Operation]) -> bool:
    """Return whether that attribute is what the cell holds, as far as one can tell.

    If the cell can be converted to a number, that is what it holds; a plain attribute may be a part of it.
    """
    converts = any(name in rows and hasattr(type(cell), name) for name in ("__int__", "__float__"))
    return (not converts or isinstance(_value_of_type(cell), property)) and has_value(cell)


def can_take_value(cell: Any) -> bool:
    """Return whether the cell can be given a value by that attribute: code sets it, or it is a number."""
    if not has_value(cell):
        return False
    return _can_be_set(cell) or isinstance(getattr(cell, _VALUE), int | float | None)


def adapted_rows(cell: Any, rows: dict[str, Operation], names: dict[str, str]) -> dict[str, Operation]:
    """Return the rows of the operations that are called in another way, adapted to cells like this one."""
    found: dict[str, Operation] = {}
    if "load" in rows and "load" not in names and shows_value(cell, rows):
        found["load"] = replace(rows["load"], written=operator.attrgetter(_VALUE))
        if "store" in rows and "store" not in names and _can_be_set(cell):
            found["store"] = replace(rows["store"], written=_set_value)
    for name, own in names.items():
        row, method = rows[name], getattr(cell, own, None)
        keywords = _keywords(method, row) if row.written is None else ()
        if own in _BY_ONE and not _takes_operand(method):
            found[name] = replace(row, step=_by_one(row.step), arguments=((),), parameters=())
        elif keywords:
            found[name] = replace(row, written=_by_name(own, row.most - len(keywords), keywords))
    return found


def _set_value(cell: Any, value: Any) -> None:
    setattr(cell, _VALUE, value)


def _can_be_set(cell: Any) -> bool:
    """Return whether setting it runs code of the cell, which may guard it. An attribute is set as it is."""
    found = _value_of_type(cell)
    return isinstance(found, property) and found.fset is not None


def _value_of_type(cell: Any) -> Any:
    return inspect.getattr_static(type(cell), _VALUE, None)


def _parameters(method: Any) -> list[inspect.Parameter]:
    """Return the parameters of a method; none if it does not tell."""
    try:
        return list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return []


def _takes_operand(method: Any) -> bool:
    """Return whether the method is known to have an operand: an argument that is required, or 1 by default.

    Others are options, such as a timeout.
    """
    collecting = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(
        each.kind not in collecting and (_is_required(each) or same_value(each.default, 1))
        for each in _parameters(method)
    )


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _by_one(step: Step) -> Step:
    """Return the step of an operation that has no operand."""
    return lambda state: step(state, 1)


def _keywords(method: Any, row: Operation) -> tuple[str, ...]:
    """Return the names of the last arguments of a method, if they can be passed by name only."""
    parameters = _parameters(method)
    own = [each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
    places = sum(
        each.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for each in parameters
    )
    ours = (row.parameters or ())[places:]
    if not own or not ours or any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return ()
    # In the order of the specification if they have its names, or else in their own.
    names = [parameter.name for parameter in ours]
    if not set(names) <= {each.name for each in own}:
        names = [each.name for each in _likely(own, ours)]
    return tuple(names)


def _likely(own: list[inspect.Parameter], ours: tuple[Parameter, ...]) -> list[inspect.Parameter]:
    """Return as many as the specification has, in order: those least likely to be options."""

    def doubt(each: inspect.Parameter) -> tuple[bool, bool]:
        known = any(same_value(each.default, parameter.default) for parameter in ours)
        return not (_is_required(each) or known), each.default is None

    chosen = sorted(own, key=doubt)[: len(ours)]
    return [each for each in own if each in chosen]


def _by_name(own: str, places: int, keywords: tuple[str, ...]) -> Callable[..., Any]:
    def call(cell: Any, *arguments: Any) -> Any:
        named = dict(zip(keywords, arguments[places:], strict=False))
        return getattr(cell, own)(*arguments[:places], **named)

    return call
