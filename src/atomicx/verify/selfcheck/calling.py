"""Operations of other people's cells that are not called as the specification says.

A value may be a property instead of `load()` and `store()`, and arguments may have to be passed by name.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..spec.model import Operation

_VALUE = "value"


def has_value(cell: Any) -> bool:
    """Return whether the cell shows what it holds as its attribute `value`."""
    return hasattr(cell, _VALUE) and not callable(getattr(cell, _VALUE))


def adapted_rows(cell: Any, rows: dict[str, Operation], names: dict[str, str]) -> dict[str, Operation]:
    """Return the rows of the operations that are called in another way, adapted to cells like this one."""
    found: dict[str, Operation] = {}
    if "load" in rows and "load" not in names and has_value(cell):
        found["load"] = replace(rows["load"], written=operator.attrgetter(_VALUE))
        if "store" in rows and "store" not in names and _can_be_set(cell):
            found["store"] = replace(rows["store"], written=_set_value)
    for name, own in names.items():
        row = rows[name]
        keywords = _keywords(getattr(cell, own, None), row) if row.written is None else ()
        if keywords:
            found[name] = replace(row, written=_by_name(own, row.most - len(keywords), keywords))
    return found


def _set_value(cell: Any, value: Any) -> None:
    setattr(cell, _VALUE, value)


def _can_be_set(cell: Any) -> bool:
    """Return whether setting it runs code of the cell, which may guard it. An attribute is set as it is."""
    found = inspect.getattr_static(type(cell), _VALUE, None)
    return isinstance(found, property) and found.fset is not None


def _keywords(method: Any, row: Operation) -> tuple[str, ...]:
    """Return the names of the last arguments of a method, if they can be passed by name only."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return ()
    own = [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
    places = sum(
        each.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for each in parameters
    )
    ours = [parameter.name for parameter in row.parameters or ()][places:]
    if not own or not ours or any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return ()
    # In the order of the specification if they have its names, or else in their own.
    return tuple(ours if set(ours) <= set(own) else own[: len(ours)])


def _by_name(own: str, places: int, keywords: tuple[str, ...]) -> Callable[..., Any]:
    def call(cell: Any, *arguments: Any) -> Any:
        named = dict(zip(keywords, arguments[places:], strict=False))
        return getattr(cell, own)(*arguments[:places], **named)

    return call
