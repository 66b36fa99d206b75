"""Family. Here its children are one dict in a cell. The dict never changes: a new child means a new dict."""

# The functions here belong to the family.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from _thread import get_ident
from _weakref import ref
from types import GenericAlias

from .chain import Cell, current, swap
from .labels import as_label_names, as_labels, as_limit, as_overflow, described, named_values
from .loops import load_value
from .shown import reprs_running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, ClassVar, SupportsIndex

    _Labels = tuple[str, ...]

# Stands for a child that has not been made yet.
MISSING: Any = object()
# How many children a repr shows.
SHOWN = 10


class Held:
    """The value of a family's cell. Never changes."""

    __slots__ = ("children", "removed")
    children: dict[_Labels, Any]
    removed: tuple[tuple[_Labels, ref[Any]], ...]  # which `+=` may still assign

    def __init__(self, children: dict[_Labels, Any], removed: tuple[tuple[_Labels, ref[Any]], ...]) -> None:
        self.children = children
        self.removed = removed


def without(held: Held, gone: Iterable[_Labels]) -> Held:
    """Return a copy without the children that are gone, which still recognises them while they live."""
    rest = held.children.copy()
    removed = [entry for entry in held.removed if entry[1]() is not None]
    for labels in gone:
        child = rest.pop(labels)
        try:
            reference = ref(child)
        except TypeError:
            continue  # it cannot be referred to weakly, so it is not recognised
        removed.append((labels, reference))
    return Held(rest, tuple(removed))


def names_of(family: Family) -> _Labels:
    try:
        return family._Family__label_names
    except AttributeError:
        raise RuntimeError("Family.__init__() was not called") from None


def overflow_labels(family: Family) -> _Labels | None:
    overflow = family._Family__overflow
    return None if overflow is None else (overflow,) * len(family._Family__label_names)


def key_values(key: str | int | tuple[str | int, ...]) -> tuple[str | int, ...]:
    return key if isinstance(key, tuple) else (key,)


def is_full(family: Family, children: dict[_Labels, Any]) -> bool:
    limit = family._Family__limit
    return limit is not None and len(children) - (overflow_labels(family) in children) >= limit


def make_child(family: Family, labels: _Labels) -> Any:
    """Make and return the child for labels, which had none; in a race, return the one that came first."""
    overflow = overflow_labels(family)
    child = MISSING
    while True:
        version, held = current(family)
        children: dict[_Labels, Any] = held.children
        if labels in children:
            return children[labels]
        if labels != overflow and is_full(family, children):
            if overflow is None:
                names = described(family._Family__label_names)
                raise ValueError(f"{names} is full: limit {family._Family__limit}, cannot add {labels!r}")
            labels = overflow
        elif child is MISSING:
            child = family._Family__factory()  # it may run any code, so look again
        elif swap(family, version, Held({**children, labels: child}, held.removed)):
            return child


def child_of(family: Family, values: tuple[object, ...]) -> Any:
    labels = as_labels(names_of(family), values)
    children: dict[_Labels, Any] = load_value(family).children
    return children[labels] if labels in children else make_child(family, labels)


def was_handed_out(family: Family, labels: _Labels, child: object) -> bool:
    """Return whether family[labels] ever returned child: it is or was their child, or the overflow one."""
    held: Held = load_value(family)
    other = overflow_labels(family)
    candidates = [labels] if other is None else [labels, other]
    return any(held.children.get(known, MISSING) is child for known in candidates) or any(
        known in candidates and removed() is child for known, removed in held.removed
    )


def definition(family: Family) -> str:
    """Return the arguments as they would be written."""
    names = names_of(family)
    options = {"limit": family._Family__limit, "overflow": family._Family__overflow}
    given = [f"{name}={value!r}" for name, value in options.items() if value is not None]
    return ", ".join([*map(repr, (family._Family__factory, *names)), *given])


def contents(family: Family) -> str:
    """Return the first children as they would be written in a dict; empty if there are none."""
    children = list(load_value(family).children.items())
    shown = [f"{labels!r}: {child!r}" for labels, child in children[:SHOWN]]
    if len(children) > SHOWN:
        shown.append(f"... {len(children) - SHOWN} more")
    return f" {{{', '.join(shown)}}}" if shown else ""


class Family(Cell):
    """Children by label values: family["GET", 200] is the child for these, made by factory() on first use.

    The label names are distinct, and there is at least one, else ValueError. Label values are str or int. An
    int stands for its decimal digits, so 200 and "200" are one child. An instance of a subclass stands for
    the value that it holds, so True is 1 and a member of an enumeration is its value. Another type is a
    TypeError. The wrong number of values, or a str that UTF-8 cannot encode, is a ValueError. Factory, label
    names, limit and overflow are given once: calling __init__ again raises RuntimeError, and so does every
    operation if a subclass has not called it.

    With a limit, one more child than that is a ValueError. With overflow as well, further label values share
    one child, whose label values are all overflow. That child is made when it is first needed and does not
    count towards the limit.

    A child is made exactly once: every request for these labels gets the same object, until it is removed. No
    operation waits for a running factory, so in a race several threads may call it. One result becomes the
    child, and the others are dropped unseen. A factory that raises leaves no trace.

    family.inc("GET", 200) does what family["GET", 200].inc() does, in one call. The child is not handed out,
    so threads that count under the same labels do not contend for its reference count. dec, add, store and
    observe do the same with the child's operation of that name. If the children lack that operation, the call
    raises AttributeError. A call that fails may have made a new child, at zero. These operations ignore a
    subclass's __getitem__.

    family["GET"] += 1 works: assigning a child to the labels that this family returned it for is accepted and
    does nothing. Assigning anything else is a TypeError.

    No operation waits for another thread, so all may be used in signal handlers, __del__, callbacks of the
    garbage collector or of weak references, and after a fork. (The pure-Python twin is lock-free with the
    GIL. Without the GIL it relies on a dict's own mutex: exact, but neither lock-free nor safe in a child
    that was forked while other threads used it.)

    A family is always true, even while it is empty. Family[Counter] is a type for checkers.
    """

    __slots__ = ("_Family__factory", "_Family__label_names", "_Family__limit", "_Family__overflow")
    __module__ = "atomicx"
    _Cell__zero: ClassVar[Any] = Held({}, ())
    _Family__factory: Callable[[], Any]  # immutable once there, as are the others
    _Family__label_names: _Labels
    _Family__limit: int | None
    _Family__overflow: str | None

    # Otherwise iteration would ask for the children of 0, 1 and so on, and make them.
    __iter__ = None

    def __init__(
        self,
        factory: Callable[[], Any],
        /,
        *label_names: str,
        limit: SupportsIndex | None = None,
        overflow: str | None = None,
    ) -> None:
        if not callable(factory):
            raise TypeError("the first argument of Family() must be a callable that creates a child")
        names = as_label_names(label_names)
        most = as_limit(limit)
        other = as_overflow(overflow, most)
        if hasattr(self, "_Family__label_names"):
            raise RuntimeError("Family.__init__() was already called")
        self._Family__factory = factory
        self._Family__limit = most
        self._Family__overflow = other
        self._Family__label_names = names

    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias:
        """Return a generic alias: Family[Counter] is a family of counters, for type checkers."""
        return GenericAlias(cls, item)

    @property
    def label_names(self) -> _Labels:
        """The label names, as a tuple of str."""
        return names_of(self)

    @property
    def limit(self) -> int | None:
        """The maximum number of children, or None."""
        names_of(self)
        return self._Family__limit

    @property
    def overflow(self) -> str | None:
        """The label value that stands for all those beyond the limit, or None."""
        names_of(self)
        return self._Family__overflow

    def __getitem__(self, key: str | int | tuple[str | int, ...], /) -> Any:
        return child_of(self, key_values(key))

    def __setitem__(self, key: str | int | tuple[str | int, ...], child: object, /) -> None:
        labels = as_labels(names_of(self), key_values(key))
        if not was_handed_out(self, labels, child):
            raise TypeError(
                f"cannot assign {type(child).__name__!r} object to {labels!r}: "
                f"{described(names_of(self))} creates its own children"
            )

    def __delitem__(self, key: object, /) -> None:
        raise TypeError("'Family' object does not support item deletion: use remove()")

    def __contains__(self, key: str | int | tuple[str | int, ...], /) -> bool:
        return as_labels(names_of(self), key_values(key)) in load_value(self).children

    def __len__(self, /) -> int:
        return len(load_value(self).children)

    def __bool__(self, /) -> bool:
        return True

    def labels(self, /, **by_name: str | int) -> Any:
        """Return the child for these label values, given by label name, as family[...] does.

        Raises TypeError if a name is missing or unknown, and whatever family[...] raises. Lock-free, except
        for the factory.
        """
        return child_of(self, named_values(names_of(self), by_name))

    def inc(self, /, *values: str | int) -> None:
        """Call inc() of the child for these label values, which is made if needed. Returns None.

        The child is not handed out. Raises AttributeError if it has no inc(), and whatever family[...] and
        inc() raise; a new child, at zero, may then remain. Lock-free, except for the factory.
        """
        child_of(self, values).inc()

    def dec(self, /, *values: str | int) -> None:
        """Call dec() of the child for these label values, which is made if needed. Returns None.

        The child is not handed out. Raises AttributeError if it has no dec(), and whatever family[...] and
        dec() raise; a new child, at zero, may then remain. Lock-free, except for the factory.
        """
        child_of(self, values).dec()

    def add(self, amount: Any, /, *values: str | int) -> None:
        """Call add(amount) of the child for these label values, which is made if needed. Returns None.

        The child is not handed out. Raises AttributeError if it has no add(), and whatever family[...] and
        add() raise; a new child, at zero, may then remain. Lock-free, except for the factory.
        """
        child_of(self, values).add(amount)

    def store(self, value: Any, /, *values: str | int) -> None:
        """Call store(value) of the child for these label values, which is made if needed. Returns None.

        The child is not handed out. Raises AttributeError if it has no store(), and whatever family[...] and
        store() raise; a new child, at zero, may then remain. Lock-free, except for the factory.
        """
        child_of(self, values).store(value)

    def observe(self, value: Any, /, *values: str | int) -> None:
        """Call observe(value) of the child for these label values, which is made if needed. Returns None.

        The child is not handed out. Raises AttributeError if it has no observe(), and whatever family[...]
        and observe() raise; a new child, at zero, may then remain. Lock-free, except for the factory.
        """
        child_of(self, values).observe(value)

    def track(self, /, *values: str | int) -> Any:
        """Return track() of the child for these label values: a context manager and decorator.

        It counts one more on entry and one less on exit. Raises AttributeError if the child has no track(),
        and whatever family[...] raises. Lock-free, except for the factory.
        """
        return child_of(self, values).track()

    def time(self, /, *values: str | int) -> Any:
        """Return time() of the child for these label values: a context manager and decorator.

        It observes, in seconds, how long its block takes. Raises AttributeError if the child has no time(),
        and whatever family[...] raises. Lock-free, except for the factory.
        """
        return child_of(self, values).time()

    def items(self, /) -> Iterator[tuple[_Labels, Any]]:
        """Return an iterator over the current children, as pairs (label values, child).

        The label values are a tuple of str. The children are those of one moment during the call, in the
        order in which they were made. Lock-free.
        """
        return iter(list(load_value(self).children.items()))

    def remove(self, /, *values: str | int) -> None:
        """Remove the child for these label values. Returns None.

        Code that holds the child can still use it; the next request for these labels makes a new one. An
        operation that overlaps the removal counts in the removed child. Raises KeyError if there is no child,
        TypeError and ValueError as family[...] does. Lock-free.
        """
        labels = as_labels(names_of(self), values)
        while True:
            version, held = current(self)
            if labels not in held.children:
                raise KeyError(labels)
            if swap(self, version, without(held, [labels])):
                return

    def clear(self, /) -> None:
        """Remove all the children of one moment. Returns None. Lock-free."""
        while True:
            version, held = current(self)
            if swap(self, version, without(held, held.children)):
                return

    def __repr__(self, /) -> str:
        names_of(self)
        visit = (id(self), get_ident())
        if visit in reprs_running:
            return f"{type(self).__name__}(...)"
        reprs_running.add(visit)
        try:
            return f"{type(self).__name__}({definition(self)}){contents(self)}"
        finally:
            reprs_running.discard(visit)
