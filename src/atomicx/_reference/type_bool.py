"""AtomicBool."""

# A cell holds any value here; the types that users see are in _core.pyi.
# mypy: no-warn-return-any

from __future__ import annotations

import operator

from .chain import Cell
from .loops import exchange_if_same, exchange_value, load_value

TYPE_CHECKING = False


def name_of(cls: type) -> str:
    """Return the name of a type, with its module if it is also called bool, as numpy's is."""
    name = cls.__name__
    return f"{cls.__module__}.{name}" if name == "bool" else name


def as_bool(value: bool) -> bool:
    if value is not True and value is not False:
        raise TypeError(f"AtomicBool takes True or False, not {name_of(type(value))!r}")
    return value


class AtomicBool(Cell):
    """An atomic flag. It takes True and False only: any other value is a TypeError.

    Each operation is one step: linearizable, and sequentially consistent like C11's memory_order_seq_cst.
    None waits for another thread, so all may be used in signal handlers, __del__, callbacks of the garbage
    collector or of weak references, and after a fork. (The pure-Python twin is lock-free with the GIL.
    Without the GIL it relies on a dict's own mutex: exact, but neither lock-free nor safe in a child that was
    forked while other threads used it.)

    bool(cell) is a load. Calling __init__ again is a store.
    """

    __slots__ = ()
    __module__ = "atomicx"
    _Cell__zero = False

    def __init__(self, value: bool = False, /) -> None:
        exchange_value(self, as_bool(value))

    def load(self, /) -> bool:
        """Return the value.

        Wait-free. C11: atomic_load.
        """
        return load_value(self)

    def store(self, value: bool, /) -> None:
        """Replace the value. Returns None.

        Raises TypeError unless value is True or False. Wait-free. C11: atomic_store.
        """
        exchange_value(self, as_bool(value))

    def exchange(self, value: bool, /) -> bool:
        """Replace the value. Returns the previous one.

        Raises TypeError unless value is True or False. Lock-free. C11: atomic_exchange.
        """
        return exchange_value(self, as_bool(value))

    def compare_and_set(self, /, expected: bool, desired: bool) -> bool:
        """Replace the value with desired if it is expected. Returns whether it did.

        Raises TypeError unless both are True or False. Lock-free. Java: compareAndSet.
        """
        swapped, _ = exchange_if_same(self, as_bool(expected), as_bool(desired), operator.is_)
        return swapped

    def compare_exchange(self, /, expected: bool, desired: bool) -> bool:
        """Replace the value with desired if it is expected. Returns the witness: the value found.

        The value was replaced if and only if the witness is expected. Raises TypeError unless both are True
        or False. Lock-free. C11: atomic_compare_exchange_strong.
        """
        _, witness = exchange_if_same(self, as_bool(expected), as_bool(desired), operator.is_)
        return witness

    def test_and_set(self, /) -> bool:
        """Set the flag. Returns the previous value: False for the one caller that set it.

        Lock-free. C11: atomic_flag_test_and_set.
        """
        return exchange_value(self, True)

    def clear(self, /) -> None:
        """Clear the flag. Returns None.

        Wait-free. C11: atomic_flag_clear.
        """
        exchange_value(self, False)

    def __bool__(self, /) -> bool:
        return load_value(self)

    def __str__(self, /) -> str:
        return str(load_value(self))

    def __format__(self, format_spec: str, /) -> str:
        return load_value(self).__format__(format_spec)

    def __repr__(self, /) -> str:
        return f"{type(self).__name__}({load_value(self)!r})"
