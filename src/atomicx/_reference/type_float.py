"""AtomicFloat, and how real numbers are converted and compared."""

# A cell holds any value here; the types that users see are in _core.pyi.
# mypy: no-warn-return-any

from __future__ import annotations

import math
from struct import Struct

from .chain import Cell
from .loops import apply, as_it_is, exchange_if_same, exchange_value, load_value, update_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import SupportsFloat, SupportsIndex

    from typing_extensions import Self

    _Real = SupportsFloat | SupportsIndex


def as_float(value: _Real) -> float:
    # Converts as C's PyFloat_AsDouble does, and keeps -0.0 and NaN. float() would also accept a str.
    return math.ldexp(value, 0)


bits = Struct("=d").pack


def same_bits(one: float, other: float) -> bool:
    return bits(one) == bits(other)


def larger(previous: float, operand: float) -> float:
    # Only NaN differs from itself. A comparison with NaN is False, so an operand that is NaN never wins.
    return operand if operand > previous or (previous != previous and operand == operand) else previous


def smaller(previous: float, operand: float) -> float:
    return operand if operand < previous or (previous != previous and operand == operand) else previous


class AtomicFloat(Cell):
    """An atomic double-precision number.

    Values and operands are floats, or anything with __float__ or __index__; a str is a TypeError.
    Comparisons are by bits: a NaN equals itself, so that a loop over NaN ends, and 0.0 is not -0.0. So for
    NaN and zeros == on the witness of compare_exchange does not tell the outcome: loop on compare_and_set.

    Each operation is one step: linearizable, and sequentially consistent like C11's memory_order_seq_cst.
    None waits for another thread, so all may be used in signal handlers, __del__, callbacks of the garbage
    collector or of weak references, and after a fork. (The pure-Python twin is lock-free with the GIL.
    Without the GIL it relies on a dict's own mutex: exact, but neither lock-free nor safe in a child that was
    forked while other threads used it.)

    += and -= are atomic and return the cell itself. float(cell) and bool(cell) are loads. Calling __init__
    again is a store.
    """

    __slots__ = ()
    __module__ = "atomicx"
    _Cell__zero = 0.0

    def __init__(self, value: _Real = 0.0, /) -> None:
        exchange_value(self, as_float(value))

    def load(self, /) -> float:
        """Return the value.

        Wait-free. C11: atomic_load.
        """
        return load_value(self)

    def store(self, value: _Real, /) -> None:
        """Replace the value. Returns None.

        Raises TypeError if value is not a real number. Wait-free. C11: atomic_store.
        """
        exchange_value(self, as_float(value))

    def exchange(self, value: _Real, /) -> float:
        """Replace the value. Returns the previous one.

        Raises TypeError if value is not a real number. Lock-free. C11: atomic_exchange.
        """
        return exchange_value(self, as_float(value))

    def compare_and_set(self, /, expected: _Real, desired: _Real) -> bool:
        """Replace the value with desired if it has the bits of expected. Returns whether it did.

        Raises TypeError if an argument is not a real number. Lock-free. Java: compareAndSet.
        """
        swapped, _ = exchange_if_same(self, as_float(expected), as_float(desired), same_bits)
        return swapped

    def compare_exchange(self, /, expected: _Real, desired: _Real) -> float:
        """Store desired if the value has the bits of expected. Returns the witness: the value found.

        The value was replaced if and only if the witness has the bits of expected; == does not tell, for NaN
        and for zeros. Raises TypeError if an argument is not a real number. Lock-free.
        C11: atomic_compare_exchange_strong.
        """
        _, witness = exchange_if_same(self, as_float(expected), as_float(desired), same_bits)
        return witness

    def add(self, delta: _Real, /) -> None:
        """Add delta, rounded as Python's + does. Returns None.

        Raises TypeError if delta is not a real number. Lock-free.
        """
        apply(self, float.__add__, as_float(delta), as_it_is)

    def fetch_add(self, operand: _Real, /) -> float:
        """Add operand, rounded as Python's + does. Returns the previous value.

        Raises TypeError if operand is not a real number. Lock-free. C++20: atomic<double>::fetch_add.
        """
        return apply(self, float.__add__, as_float(operand), as_it_is)[0]

    def fetch_sub(self, operand: _Real, /) -> float:
        """Subtract operand, rounded as Python's - does. Returns the previous value.

        Raises TypeError if operand is not a real number. Lock-free. C++20: atomic<double>::fetch_sub.
        """
        return apply(self, float.__sub__, as_float(operand), as_it_is)[0]

    def add_fetch(self, delta: _Real, /) -> float:
        """Add delta, rounded as Python's + does. Returns the new value.

        Raises TypeError if delta is not a real number. Lock-free.
        """
        return apply(self, float.__add__, as_float(delta), as_it_is)[1]

    def sub_fetch(self, delta: _Real, /) -> float:
        """Subtract delta, rounded as Python's - does. Returns the new value.

        Raises TypeError if delta is not a real number. Lock-free.
        """
        return apply(self, float.__sub__, as_float(delta), as_it_is)[1]

    def fetch_max(self, operand: _Real, /) -> float:
        """Replace the value with operand if operand is larger. Returns the previous value.

        A number is preferred to NaN. 0.0 and -0.0 tie, and the value stays.

        Raises TypeError if operand is not a real number. Lock-free. C++26: fetch_fmaximum_num, except for
        zeros.
        """
        return apply(self, larger, as_float(operand), as_it_is)[0]

    def fetch_min(self, operand: _Real, /) -> float:
        """Replace the value with operand if operand is smaller. Returns the previous value.

        A number is preferred to NaN. 0.0 and -0.0 tie, and the value stays.

        Raises TypeError if operand is not a real number. Lock-free. C++26: fetch_fminimum_num, except for
        zeros.
        """
        return apply(self, smaller, as_float(operand), as_it_is)[0]

    def update(self, function: Callable[[float], _Real], /) -> float:
        """Replace the value with function(value). Returns the new value.

        A compare-and-swap loop: function runs again whenever the value has changed in the meantime, and
        nothing is held while it runs. If it raises, this call changes nothing and the exception propagates:
        raise to give up.

        Raises TypeError if the result is not a real number. Lock-free, except for function.
        Java: updateAndGet.
        """
        return update_value(self, function, as_float, same_bits)[1]

    def fetch_update(self, function: Callable[[float], _Real], /) -> float:
        """Replace the value with function(value). Returns the previous value.

        A compare-and-swap loop: function runs again whenever the value has changed in the meantime, and
        nothing is held while it runs. If it raises, this call changes nothing and the exception propagates:
        raise to give up.

        Raises TypeError if the result is not a real number. Lock-free, except for function.
        """
        return update_value(self, function, as_float, same_bits)[0]

    def __iadd__(self, operand: _Real, /) -> Self:
        apply(self, float.__add__, as_float(operand), as_it_is)
        return self

    def __isub__(self, operand: _Real, /) -> Self:
        apply(self, float.__sub__, as_float(operand), as_it_is)
        return self

    def __float__(self, /) -> float:
        return load_value(self)

    def __bool__(self, /) -> bool:
        return load_value(self) != 0.0

    def __str__(self, /) -> str:
        return str(load_value(self))

    def __format__(self, format_spec: str, /) -> str:
        return load_value(self).__format__(format_spec)

    def __repr__(self, /) -> str:
        return f"{type(self).__name__}({load_value(self)!r})"
