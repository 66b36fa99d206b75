"""Broken cells of every type, made from the specification: the controls of the rows that are made from it.

Each holds a state and takes the specification's steps on it, with one fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..spec.model import ITSELF, Arguments, Operation, Promise
from .access import Access
from .encounters import Encounter, Pair, changes, encounters

Call = Callable[[Operation, Any, Arguments], Any]


class Held:
    """A cell made from its specification alone: it holds a state."""

    __slots__ = ("state",)

    def __init__(self, state: Any) -> None:
        self.state = state


class _Torn:
    def __repr__(self) -> str:
        return "half a value"


TORN = _Torn()


class Broken(Access):
    """Access to these cells; `call` does the operations, and has the fault."""

    def __init__(self, access: Access, call: Call) -> None:
        super().__init__(access.model, Held, lambda cell: cell.state, lacks=access.lacks)
        object.__setattr__(self, "_call", call)

    def call(self, row: Operation, cell: Any, arguments: Arguments) -> Any:
        """Do the operation, wrongly."""
        result = self._call(row, cell, arguments)  # type: ignore[attr-defined]
        return cell if result is ITSELF else result

    def call_by_name(self, row: Operation, cell: Any, arguments: Arguments, by_place: int = 0) -> Any:
        """Do the same as `call`: the arguments have no names."""
        return self.call(row, cell, arguments)


def split(row: Operation, cell: Held, arguments: Arguments) -> Any:
    """Read, then write: anything others do in between is lost."""
    before = cell.state
    after, result = row.take(before, arguments)
    if after is not before:
        cell.state = after
    return result


def torn(row: Operation, cell: Held, arguments: Arguments) -> Any:
    """Write in two halves: others see the first."""
    state = cell.state
    if state is TORN:
        return TORN
    after, result = row.take(state, arguments)
    if after is not state:
        cell.state = TORN
        after, result = row.take(state, arguments)
        cell.state = after
    return result


def wrong_in_one_state(access: Access, row: Operation) -> Access:
    """Return cells that are right, except that this operation is wrong in the last edge state."""
    states = access.model.edge_states
    key = access.model.key

    def call(each: Operation, cell: Held, arguments: Arguments) -> Any:
        if each is row and key(cell.state) == key(states[-1]):
            return TORN
        cell.state, result = each.take(cell.state, arguments)
        return result

    return Broken(access, call)


class CheckThenActFamily:
    """A family that looks for a child, and then makes it; its items() goes from one key to the next."""

    def __init__(self, children: Any) -> None:
        self._children = {key: object() for key, _ in children}

    def __getitem__(self, key: Any) -> Any:
        labels = tuple(map(str, key))
        if labels in self._children:
            return self._children[labels]
        if len(self._children) >= 3:
            raise ValueError("full")
        return self._make(labels)

    def _make(self, labels: Any) -> Any:
        self._children[labels] = child = object()
        return child

    def items(self) -> Any:
        for index in range(len(self._children)):
            yield self._item(index)

    def _item(self, index: int) -> Any:
        return list(self._children.items())[index]

    def remove(self, *labels: Any) -> None:
        if labels not in self._children:
            raise KeyError(labels)
        self._drop(labels)

    def _drop(self, labels: Any) -> None:
        self._children.pop(labels, None)

    def clear(self) -> None:
        self._children = {}


def control_of(access: Access, row: Operation, seed: int) -> tuple[str, Access, list[Encounter]]:
    """Return what is broken in an operation's control, those cells, and the encounters in which it shows."""
    if access.model.promise is Promise.CHILDREN and row.name in ("__getitem__", "items"):
        family = Access(access.model, CheckThenActFamily)
        written = [each for each in encounters(family, row, seed) if not isinstance(each, Pair)]
        return "looks first, and acts after", family, written
    changing = changes(access.model, row)
    cells = Broken(access, split if changing else torn)
    found = [each for each in encounters(cells, row, seed) if isinstance(each, Pair)]
    telling = [each for each in found if each.telling]
    if changing and not telling:
        # With only two values, such as True and False, a lost write can leave a value that is allowed.
        return "writes in two halves", Broken(access, torn), list(found)
    fault = "split: a read, then a write" if changing else "writes in two halves"
    return fault, cells, list(telling or found)
