"""Cells that were used before they are tried: some faults come only after a removal or a drain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..spec.model import Invocation, Promise
from .access import UNREADABLE, Access


def used_cell(access: Access, state: Any, steps: Sequence[Invocation] = ()) -> Any:
    """Return a cell that holds `state`: it began with another state, and these calls and others led back.

    It is a new cell if nothing leads back, or if the way back turns out to be wrong. The rows of one thread
    alone show such an error.
    """
    model = access.model
    other = next((each for each in model.edge_states if not model.same(each, state)), state)
    try:
        cell = access.make(other)
        for row, arguments in steps:
            access.outcome(row, cell, arguments)
        _lead_to(access, cell, state)
        if access.read is not None and model.same(state, access.read(cell)):
            return cell
    except Exception:
        # A new cell shows more than a verdict on how this one is filled.
        return access.make(state)
    return access.make(state)


def _lead_to(access: Access, cell: Any, state: Any) -> None:
    rows = {row.name: row for row in access.operations}
    if access.model.promise is Promise.LINEARIZABLE:
        for name in ("store", "exchange"):
            if name in rows:
                access.call(rows[name], cell, (state,))
                return
    elif access.model.promise is Promise.BETWEEN and "drain" in rows:
        access.call(rows["drain"], cell, ())
        if "add" in rows:
            access.call(rows["add"], cell, (state,))
    elif access.model.promise is Promise.CHILDREN and "remove" in rows:
        held = access.state(cell)
        for labels, _ in () if held is UNREADABLE else held:
            access.call(rows["remove"], cell, labels)
        if state and access.model.fill is not None:
            access.model.fill(cell, state)
