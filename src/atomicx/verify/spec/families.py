"""What every operation of Family means."""

from __future__ import annotations

import operator
from typing import Any

from .kinds import INT64_MAX, LABEL
from .model import Arguments, Model, Parameter, Promise
from .rows import NO_ARGUMENTS, row

# Family, of AtomicInts, with two labels. The state is what items() gives, sorted, with the children's values.

_LABEL_NAMES = ("method", "status")
_LABELS = [Parameter(name, LABEL, variadic=True) for name in _LABEL_NAMES]
_KEYS: tuple[Arguments, ...] = (("GET", 200), ("GET", "404"), ("PUT", 200))
_LIMIT = 3

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
        # The child is looked up, and its value read: two steps.
        row(
            "__getitem__",
            _LABELS,
            _child,
            _KEYS,
            lambda family, *values: family[values].load(),
            atomic=False,
        ),
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
        row(
            "__repr__",
            [],
            lambda children: (
                children,
                f"Family(<class 'atomicx.AtomicInt'>, 'method', 'status', limit={_LIMIT})",
            ),
            NO_ARGUMENTS,
            repr,
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
