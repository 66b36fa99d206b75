"""AtomicRef."""

# A cell holds any value here; the types that users see are in _core.pyi.
# mypy: no-warn-return-any

from __future__ import annotations

import operator
from types import GenericAlias

from .chain import Cell
from .loops import as_it_is, exchange_if_same, exchange_value, load_value, update_value
from .shown import shown_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class AtomicRef(Cell):
    """An atomic reference to any object. Comparisons are by identity, like `is`, and never call __eq__.

    Each operation is one step: linearizable, and sequentially consistent like C11's memory_order_seq_cst.
    None waits for another thread, so all may be used in signal handlers, __del__, callbacks of the garbage
    collector or of weak references, and after a fork. (The pure-Python twin is lock-free with the GIL.
    Without the GIL it relies on a dict's own mutex: exact, but neither lock-free nor safe in a child that was
    forked while other threads used it.)

    A replaced object is released after the operation has happened, so its __del__ may use the cell. The cell
    takes part in garbage collection. AtomicRef[int] is a type for checkers. Calling __init__ again is a
    store.
    """

    __slots__ = ()
    __module__ = "atomicx"
    _Cell__zero = None

    def __init__(self, value: Any = None, /) -> None:
        exchange_value(self, value)

    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias:
        """Return a generic alias: AtomicRef[int] is a reference to an int, for type checkers."""
        return GenericAlias(cls, item)

    def load(self, /) -> Any:
        """Return the object.

        Lock-free. C11: atomic_load.
        """
        return load_value(self)

    def store(self, value: Any, /) -> None:
        """Replace the object. Returns None.

        Lock-free. C11: atomic_store.
        """
        exchange_value(self, value)

    def exchange(self, value: Any, /) -> Any:
        """Replace the object. Returns the previous one.

        Lock-free. C11: atomic_exchange.
        """
        return exchange_value(self, value)

    def compare_and_set(self, /, expected: Any, desired: Any) -> bool:
        """Replace the object with desired if it is expected. Returns whether it did.

        Lock-free. Java: compareAndSet.
        """
        swapped, _ = exchange_if_same(self, expected, desired, operator.is_)
        return swapped

    def compare_exchange(self, /, expected: Any, desired: Any) -> Any:
        """Replace the object with desired if it is expected. Returns the witness: the object found.

        The object was replaced if and only if the witness is expected. Lock-free.
        C11: atomic_compare_exchange_strong.
        """
        _, witness = exchange_if_same(self, expected, desired, operator.is_)
        return witness

    def update(self, function: Callable[[Any], Any], /) -> Any:
        """Replace the object with function(object). Returns the new object.

        A compare-and-swap loop: function runs again whenever the reference has changed in the meantime, and
        nothing is held while it runs. function must make a new object and not change the old one, which
        others may be reading. If it raises, this call changes nothing and the exception propagates: raise to
        give up.

        Lock-free, except for function. Java: updateAndGet.
        """
        return update_value(self, function, as_it_is, operator.is_)[1]

    def fetch_update(self, function: Callable[[Any], Any], /) -> Any:
        """Replace the object with function(object). Returns the previous object.

        A compare-and-swap loop: function runs again whenever the reference has changed in the meantime, and
        nothing is held while it runs. function must make a new object and not change the old one, which
        others may be reading. If it raises, this call changes nothing and the exception propagates: raise to
        give up.

        Lock-free, except for function. Rust: AtomicPtr::fetch_update.
        """
        return update_value(self, function, as_it_is, operator.is_)[0]

    def __repr__(self, /) -> str:
        name = type(self).__name__
        return shown_once(self, lambda: f"{name}({load_value(self)!r})", f"{name}(...)")
