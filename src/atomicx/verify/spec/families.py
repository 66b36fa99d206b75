"""The meaning of every operation of Family."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from .kinds import INT64_MAX, LABEL, OBJECT, exact
from .model import Arguments, Model, Operation, Parameter, Promise
from .rows import NO_ARGUMENTS, raise_inside, row

if TYPE_CHECKING:
    from collections.abc import Callable

# Family of AtomicInts with two labels. The state is what items() returns, sorted, with the children's values.

_LABEL_NAMES = ("method", "status")
_LABELS = [Parameter(name, LABEL, variadic=True) for name in _LABEL_NAMES]
_KEYS: tuple[Arguments, ...] = (("GET", 200), ("GET", "404"), ("PUT", 200))
_LIMIT = 3
_ADDED, _STORED = 5, -7

_Children = tuple[tuple[tuple[str, ...], int], ...]


def _with_child(children: _Children, key: tuple[str, ...], value: int) -> _Children:
    return tuple(sorted({**dict(children), key: value}.items()))


def _child(children: _Children, *key: str) -> tuple[_Children, int]:
    found = dict(children).get(key)
    if found is not None:
        return children, found
    if len(children) >= _LIMIT:
        raise ValueError("the family is full")
    return _with_child(children, key, 0), 0


def _add(amount: int) -> Callable[..., tuple[_Children, None]]:
    def step(children: _Children, *key: str) -> tuple[_Children, None]:
        found, value = _child(children, *key)
        return _with_child(found, key, exact(value + amount)), None

    return step


def _store(children: _Children, *key: str) -> tuple[_Children, None]:
    found, _ = _child(children, *key)
    return _with_child(found, key, _STORED), None


def _add_in_place(family: Any, *key: Any) -> None:
    family[key] += _ADDED


_NO_OPERATION = "AttributeError"


def _refuse(children: _Children, *key: str) -> tuple[_Children, str]:
    """Return the refusal: children have no such operation. A child that was missing has been made by then."""
    return _child(children, *key)[0], _NO_OPERATION


def _observe(family: Any, *key: Any) -> Any:
    try:
        return family.observe(0.5, *key)
    except AttributeError:
        return _NO_OPERATION


def _time(family: Any, *key: Any) -> Any:
    try:
        return family.time(*key)
    except AttributeError:
        return _NO_OPERATION


def _count_inside(family: Any, *key: Any) -> int:
    raise_inside(family.track(*key))
    with family.track(*key) as inside:
        return int(inside.load())


def _track(children: _Children, *key: str) -> tuple[_Children, int]:
    found, value = _child(children, *key)
    return found, exact(value + 1)


def _delete(children: _Children, key: object) -> Any:
    raise TypeError("'Family' object does not support item deletion: use remove()")


def _counts(name: str, step: Callable[..., Any], written: Callable[..., Any] | None = None) -> Operation:
    """Return a row that finds or makes the child, and then changes it: two steps."""
    return row(name, _LABELS, step, _KEYS, written, atomic=False)


def _without_child(children: _Children, *key: str) -> tuple[_Children, None]:
    if key not in dict(children):
        raise KeyError(key)
    return tuple(item for item in children if item[0] != key), None


def _children(family: Any) -> _Children:
    return tuple(sorted((key, child.load()) for key, child in family.items()))


def _refill_family(family: Any, children: _Children) -> None:
    family.clear()
    for key, value in children:
        family[key].store(value)


FAMILY = Model(
    "Family",
    (),
    (
        # The child is looked up, and then its value is read: two steps.
        row(
            "__getitem__",
            _LABELS,
            _child,
            _KEYS,
            lambda family, *values: family[values].load(),
            atomic=False,
        ),
        _counts(
            "labels",
            _child,
            lambda family, method, status: family.labels(status=status, method=method).load(),
        ),
        _counts("inc", _add(1)),
        _counts("dec", _add(-1)),
        _counts("add", _add(_ADDED), lambda family, *key: family.add(_ADDED, *key)),
        _counts("store", _store, lambda family, *key: family.store(_STORED, *key)),
        _counts("observe", _refuse, _observe),
        _counts("time", _refuse, _time),
        _counts("track", _track, _count_inside),
        _counts("__setitem__", _add(_ADDED), _add_in_place),
        row("__delitem__", [Parameter("key", OBJECT)], _delete, (("GET",),), operator.delitem),
        row(
            "__contains__",
            _LABELS,
            lambda children, *key: (children, key in dict(children)),
            _KEYS,
            lambda family, *key: key in family,
        ),
        row("__len__", [], lambda children: (children, len(children)), NO_ARGUMENTS, len),
        row("__bool__", [], lambda children: (children, True), NO_ARGUMENTS, bool),
        row("items", [], lambda children: (children, children), NO_ARGUMENTS, _children, atomic=False),
        row("remove", _LABELS, _without_child, _KEYS),
        row("clear", [], lambda children: ((), None), NO_ARGUMENTS),
        row(
            "label_names",
            [],
            lambda children: (children, _LABEL_NAMES),
            NO_ARGUMENTS,
            operator.attrgetter("label_names"),
        ),
        row("limit", [], lambda children: (children, _LIMIT), NO_ARGUMENTS, operator.attrgetter("limit")),
        row("overflow", [], lambda children: (children, None), NO_ARGUMENTS, operator.attrgetter("overflow")),
        # The children follow, in the order in which they were made; the state does not contain that order.
        row(
            "__repr__",
            [],
            lambda children: (
                children,
                f"Family(<class 'atomicx.AtomicInt'>, 'method', 'status', limit={_LIMIT})",
            ),
            NO_ARGUMENTS,
            lambda family: repr(family).partition(" {")[0],
        ),
    ),
    edge_states=(
        (),
        ((("GET", "200"), 0),),
        ((("GET", "200"), 1), (("PUT", "200"), 2)),
        ((("", ""), 7), (("GET", "200"), -1), (("GET", "404"), INT64_MAX)),
    ),
    promise=Promise.CHILDREN,
    new=lambda module: module.Family(module.AtomicInt, *_LABEL_NAMES, limit=_LIMIT),
    fill=_refill_family,
    read=_children,
)
