"""Family. Here its children are one dict in a cell, which never changes: a new child is a new dict."""

# The functions here are the family's own.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from _thread import get_ident
from types import GenericAlias

from .chain import Cell, current, swap
from .int64 import as_int
from .loops import exchange_value, load_value
from .type_ref import reprs_running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, ClassVar, SupportsIndex

    _Labels = tuple[str, ...]

# In the place of a child that was not made yet.
MISSING: Any = object()


def as_label_names(names: tuple[object, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("a Family has at least one label name")
    texts: list[str] = []
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a label name is a str, not {type(name).__name__!r}")
        texts.append(str.__str__(name))
    if len(set(texts)) != len(texts):
        raise ValueError("the label names of a Family are distinct")
    return tuple(texts)


def as_limit(limit: SupportsIndex | None) -> int | None:
    number = None if limit is None else as_int(limit)
    if number is not None and number < 1:
        raise ValueError("limit must be at least 1")
    return number


def as_label(value: object) -> str:
    # What it holds, whatever a subclass says: True is 1, and a member of an enumeration its value.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__repr__(value)
    raise TypeError(f"a label value is a str or an int, not {type(value).__name__!r}")


def as_labels(family: Family, values: tuple[object, ...]) -> _Labels:
    labels = len(names_of(family))
    if len(values) != labels:
        plural, plurals = ("" if number == 1 else "s" for number in (len(values), labels))
        raise ValueError(f"{len(values)} label value{plural} for {labels} label{plurals}")
    return tuple(map(as_label, values))


def names_of(family: Family) -> _Labels:
    try:
        return family._Family__label_names
    except AttributeError:
        raise RuntimeError("Family.__init__() was not called") from None


def make_child(family: Family, labels: _Labels) -> Any:
    """Return the child for labels, which had none; in a race, the one of whoever came first."""
    limit = family._Family__limit
    child = MISSING
    while True:
        version, children = current(family)
        if labels in children:
            return children[labels]
        if limit is not None and len(children) >= limit:
            raise ValueError(f"this Family has its limit of {limit} children")
        if child is MISSING:
            child = family._Family__factory()  # which may run any code, so look again
        elif swap(family, version, {**children, labels: child}):
            return child


class Family(Cell):
    """Children by label values: family["GET", 200] is the one for these, made by factory() when first asked
    for.

    There is at least one label name, and they are distinct, else ValueError. Label values are str or int: an
    int stands for its decimal digits, so that 200 and "200" are one child; an instance of a subclass stands
    for what it holds, so that True is 1 and a member of an enumeration its value. Another type is a
    TypeError, the wrong number of values a ValueError. With a limit, a child more than so many is a
    ValueError. All of this is given once: to call __init__ again is a RuntimeError, and so is every operation
    if a subclass has not called it.

    A child is made exactly once: whoever asks for these labels gets the same object, until it is removed.
    Nobody waits for a factory that is running, so in a race it may be called by several threads; one result
    becomes the child, and the others are dropped before anybody has seen them. A factory that raises leaves
    no trace.

    In the C module a hit is one look-up in a dict, and takes no lock. With the GIL no operation waits for
    another thread, so all may be used in signal handlers, __del__, callbacks of the garbage collector or of
    weak references, and after a fork. Without the GIL that is so of hits; a child is made, or removed, under
    a mutex, for a few operations on a dict, whose own mutex does the same: nothing else runs meanwhile, so
    nothing can deadlock but a child process that was forked at that moment.

    Family[Counter] is a type for checkers.
    """

    __slots__ = ("_Family__factory", "_Family__label_names", "_Family__limit")
    __module__ = "atomicx"
    _Cell__zero: ClassVar[Any] = {}  # never changes: a new child is a new dict
    _Family__factory: Callable[[], Any]  # immutable once there, as are the others
    _Family__label_names: _Labels
    _Family__limit: int | None

    # Else iteration and `in` would ask for the children of 0, 1 and so on, and make them.
    __iter__ = None
    __contains__ = None

    def __init__(
        self, factory: Callable[[], Any], /, *label_names: str, limit: SupportsIndex | None = None
    ) -> None:
        if not callable(factory):
            raise TypeError("the first argument of Family() is a factory, which is called")
        names = as_label_names(label_names)
        most = as_limit(limit)
        if hasattr(self, "_Family__label_names"):
            raise RuntimeError("Family.__init__() was called before")
        self._Family__factory = factory
        self._Family__limit = most
        self._Family__label_names = names

    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias:
        """Return a generic alias: Family[Counter] is a family of counters, for type checkers."""
        return GenericAlias(cls, item)

    @property
    def label_names(self) -> _Labels:
        """The label names, a tuple of str."""
        return names_of(self)

    @property
    def limit(self) -> int | None:
        """How many children there may be, or None."""
        names_of(self)
        return self._Family__limit

    def __getitem__(self, key: str | int | tuple[str | int, ...], /) -> Any:
        values = key if isinstance(key, tuple) else (key,)
        labels = as_labels(self, values)
        children = load_value(self)
        return children[labels] if labels in children else make_child(self, labels)

    def items(self, /) -> Iterator[tuple[_Labels, Any]]:
        """Return an iterator over the children that are there now, each with its label values: (tuple of str,
        child).

        Lock-free.
        """
        return iter(list(load_value(self).items()))

    def remove(self, /, *values: str | int) -> None:
        """Remove the child for these label values, under all their spellings. Returns None.

        Who has it can still use it; who asks for these labels from now on gets a new one. Raises KeyError if
        there is none, TypeError and ValueError as family[...] does. Never waits with the GIL.
        """
        labels = as_labels(self, values)
        while True:
            version, children = current(self)
            if labels not in children:
                raise KeyError(labels)
            rest = {others: child for others, child in children.items() if others != labels}
            if swap(self, version, rest):
                return

    def clear(self, /) -> None:
        """Remove all children. Returns None. Never waits with the GIL."""
        exchange_value(self, {})

    def __repr__(self, /) -> str:
        names = names_of(self)
        limit = [] if self._Family__limit is None else [f"limit={self._Family__limit}"]
        visit = (id(self), get_ident())
        if visit in reprs_running:
            return f"{type(self).__name__}(...)"
        reprs_running.add(visit)
        try:
            content = ", ".join([*map(repr, (self._Family__factory, *names)), *limit])
            return f"{type(self).__name__}({content})"
        finally:
            reprs_running.discard(visit)
