"""AtomicInt."""

# A cell holds any value here; the types that users see are in _core.pyi.
# mypy: no-warn-return-any

from __future__ import annotations

from .chain import Cell, current, swap
from .int64 import INT64_MAX, INT64_MIN, as_int, as_result
from .loops import apply, exchange_if_same, exchange_value, load_value, update_value
from .type_guard import Admission, Guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import SupportsIndex as _Integer

    from typing_extensions import Self


def later(previous: int, candidate: int) -> int:
    return max(candidate, previous + 1)


def as_index(value: int, modulus: int) -> int:
    return value if 0 <= value < modulus else 0


def next_index(previous: int, modulus: int) -> int:
    return (as_index(previous, modulus) + 1) % modulus


class AtomicInt(Cell):
    """An atomic signed 64-bit integer.

    Values and operands are ints, or anything with __index__; a float is a TypeError. An operand or result
    that does not fit in 64 bits raises OverflowError and leaves the cell as it was: no thread ever sees a
    wrapped value.

    Each operation is one step: linearizable, and sequentially consistent like C11's memory_order_seq_cst.
    None waits for another thread, so all may be used in signal handlers, __del__, callbacks of the garbage
    collector or of weak references, and after a fork. (The pure-Python twin is lock-free with the GIL.
    Without the GIL it relies on a dict's own mutex: exact, but neither lock-free nor safe in a child that was
    forked while other threads used it.)

    +=, -=, &=, |= and ^= are atomic and return the cell itself. There is no binary + and no __index__: they
    would hide a read. int(cell) and bool(cell) are loads. Calling __init__ again is a store.
    """

    __slots__ = ()
    __module__ = "atomicx"
    _Cell__zero = 0

    def __init__(self, value: _Integer = 0, /) -> None:
        exchange_value(self, as_int(value))

    def load(self, /) -> int:
        """Return the value.

        Wait-free. C11: atomic_load.
        """
        return load_value(self)

    def store(self, value: _Integer, /) -> None:
        """Replace the value. Returns None.

        Raises TypeError if value is not an integer, OverflowError if it does not fit in 64 bits. Wait-free.
        C11: atomic_store.
        """
        exchange_value(self, as_int(value))

    def exchange(self, value: _Integer, /) -> int:
        """Replace the value. Returns the previous one.

        Raises TypeError if value is not an integer, OverflowError if it does not fit in 64 bits. Lock-free.
        C11: atomic_exchange.
        """
        return exchange_value(self, as_int(value))

    def compare_and_set(self, /, expected: _Integer, desired: _Integer) -> bool:
        """Replace the value with desired if it equals expected. Returns whether it did.

        Raises TypeError if an argument is not an integer, OverflowError if one does not fit in 64 bits.
        Lock-free. Java: compareAndSet.
        """
        swapped, _ = exchange_if_same(self, as_int(expected), as_int(desired), int.__eq__)
        return swapped

    def compare_exchange(self, /, expected: _Integer, desired: _Integer) -> int:
        """Replace the value with desired if it equals expected. Returns the witness: the value found.

        The value was replaced if and only if the witness equals expected. Raises TypeError if an argument is
        not an integer, OverflowError if one does not fit in 64 bits. Lock-free.
        C11: atomic_compare_exchange_strong.
        """
        _, witness = exchange_if_same(self, as_int(expected), as_int(desired), int.__eq__)
        return witness

    def inc(self, /) -> None:
        """Add one. Returns None. The fastest way to count.

        Raises OverflowError if the result does not fit in 64 bits. Lock-free.
        """
        apply(self, int.__add__, 1, as_result)

    def dec(self, /) -> None:
        """Subtract one. Returns None.

        Raises OverflowError if the result does not fit in 64 bits. Lock-free.
        """
        apply(self, int.__sub__, 1, as_result)

    def add(self, delta: _Integer, /) -> None:
        """Add delta, which may be negative. Returns None.

        Raises TypeError if delta is not an integer, OverflowError if delta or the result does not fit in 64
        bits. Lock-free.
        """
        apply(self, int.__add__, as_int(delta), as_result)

    def fetch_add(self, operand: _Integer = 1, /) -> int:
        """Add operand. Returns the previous value.

        Raises TypeError if operand is not an integer, OverflowError if operand or the result does not fit in
        64 bits. Lock-free. C11: atomic_fetch_add.
        """
        return apply(self, int.__add__, as_int(operand), as_result)[0]

    def fetch_sub(self, operand: _Integer = 1, /) -> int:
        """Subtract operand. Returns the previous value.

        Raises TypeError if operand is not an integer, OverflowError if operand or the result does not fit in
        64 bits. Lock-free. C11: atomic_fetch_sub.
        """
        return apply(self, int.__sub__, as_int(operand), as_result)[0]

    def add_fetch(self, delta: _Integer = 1, /) -> int:
        """Add delta. Returns the new value.

        Raises TypeError if delta is not an integer, OverflowError if delta or the result does not fit in 64
        bits. Lock-free. Java: addAndGet.
        """
        return apply(self, int.__add__, as_int(delta), as_result)[1]

    def sub_fetch(self, delta: _Integer = 1, /) -> int:
        """Subtract delta. Returns the new value.

        Raises TypeError if delta is not an integer, OverflowError if delta or the result does not fit in 64
        bits. Lock-free.
        """
        return apply(self, int.__sub__, as_int(delta), as_result)[1]

    def fetch_and(self, operand: _Integer, /) -> int:
        """Replace the value with value & operand, like Python's & on 64 bits. Returns the previous value.

        Raises TypeError if operand is not an integer, OverflowError if it does not fit in 64 bits. Lock-free.
        C11: atomic_fetch_and.
        """
        return apply(self, int.__and__, as_int(operand), as_result)[0]

    def fetch_or(self, operand: _Integer, /) -> int:
        """Replace the value with value | operand, like Python's | on 64 bits. Returns the previous value.

        Raises TypeError if operand is not an integer, OverflowError if it does not fit in 64 bits. Lock-free.
        C11: atomic_fetch_or.
        """
        return apply(self, int.__or__, as_int(operand), as_result)[0]

    def fetch_xor(self, operand: _Integer, /) -> int:
        """Replace the value with value ^ operand, like Python's ^ on 64 bits. Returns the previous value.

        Raises TypeError if operand is not an integer, OverflowError if it does not fit in 64 bits. Lock-free.
        C11: atomic_fetch_xor.
        """
        return apply(self, int.__xor__, as_int(operand), as_result)[0]

    def fetch_max(self, operand: _Integer, /) -> int:
        """Replace the value with operand if operand is larger. Returns the previous value.

        Raises TypeError if operand is not an integer, OverflowError if it does not fit in 64 bits. Lock-free.
        Rust: AtomicI64::fetch_max.
        """
        return apply(self, max, as_int(operand), as_result)[0]

    def fetch_min(self, operand: _Integer, /) -> int:
        """Replace the value with operand if operand is smaller. Returns the previous value.

        Raises TypeError if operand is not an integer, OverflowError if it does not fit in 64 bits. Lock-free.
        Rust: AtomicI64::fetch_min.
        """
        return apply(self, min, as_int(operand), as_result)[0]

    def try_add(self, /, delta: _Integer, limit: _Integer) -> bool:
        """Add delta unless the result would pass limit. Returns whether it added.

        limit is the largest result for delta >= 0, and the smallest for delta < 0. A sum that does not fit in
        64 bits passes every limit and gives False. For pools, rate limits and bounded work in flight.

        Raises TypeError if an argument is not an integer, OverflowError if one does not fit in 64 bits.
        Lock-free.
        """
        delta, limit = as_int(delta), as_int(limit)
        while True:
            version, previous = current(self)
            result = previous + delta
            if not (INT64_MIN <= result <= limit if delta >= 0 else limit <= result <= INT64_MAX):
                return False
            if swap(self, version, result):
                return True

    def fetch_inc_mod(self, modulus: _Integer, /) -> int:
        """Step through 0, 1, ..., modulus - 1 and start over. Returns the index before the step.

        A value outside [0, modulus) counts as index 0. Use it as a ring index, or for round robin over a pool
        that may shrink.

        Raises TypeError if modulus is not an integer, ValueError if it is less than 1, OverflowError if it
        does not fit in 64 bits. Lock-free.
        """
        modulus = as_int(modulus)
        if modulus < 1:
            raise ValueError("modulus must be at least 1")
        return as_index(apply(self, next_index, modulus, as_result)[0], modulus)

    def advance(self, candidate: _Integer, /) -> int:
        """Raise the value to candidate, or by one if that is more. Returns the new value.

        The new value is max(candidate, previous + 1). For ids and timestamps that never repeat and never go
        back.

        Raises TypeError if candidate is not an integer, OverflowError if candidate or the result does not fit
        in 64 bits. Lock-free.
        """
        return apply(self, later, as_int(candidate), as_result)[1]

    def update(self, function: Callable[[int], _Integer], /) -> int:
        """Replace the value with function(value). Returns the new value.

        A compare-and-swap loop: function runs again whenever the value has changed in the meantime, and
        nothing is held while it runs. If it raises, this call changes nothing and the exception propagates:
        raise to give up.

        Raises TypeError if the result is not an integer, OverflowError if it does not fit in 64 bits.
        Lock-free, except for function. Java: updateAndGet.
        """
        return update_value(self, function, as_int, int.__eq__)[1]

    def fetch_update(self, function: Callable[[int], _Integer], /) -> int:
        """Replace the value with function(value). Returns the previous value.

        A compare-and-swap loop: function runs again whenever the value has changed in the meantime, and
        nothing is held while it runs. If it raises, this call changes nothing and the exception propagates:
        raise to give up.

        Raises TypeError if the result is not an integer, OverflowError if it does not fit in 64 bits.
        Lock-free, except for function. Rust: AtomicI64::fetch_update.
        """
        return update_value(self, function, as_int, int.__eq__)[0]

    def track(self, /) -> Guard:
        """Return a guard that counts what is in flight: one up on entry, one down on exit.

        The guard is a context manager (`with cell.track():`) and a decorator (`@cell.track()`). The exit
        counts down whatever happened in between. It decorates functions, coroutine functions, which count
        until they end, and generator functions and async generator functions, which count from their first
        step until they finish, are closed or are collected. One guard may be entered many times, even while
        it is entered, and by many threads. Wait-free.
        """
        return Guard(self)

    def admit(self, limit: _Integer, /) -> Admission:
        """Return a guard that admits up to limit: `with cell.admit(limit) as admitted:`.

        If the value is less than limit, admitted is True and one more is counted until the block ends,
        whatever happens in it. Otherwise admitted is False and nothing is counted: return, or reject the
        request. Each call makes one guard. It can be entered again after its block has ended; entering it
        before that raises RuntimeError, and so does leaving it without an entry. It is not a decorator.

        Raises TypeError if limit is not an integer, OverflowError if it does not fit in 64 bits. Wait-free;
        entering and leaving are lock-free, as try_add(1, limit) and dec() are.
        """
        return Admission(self, as_int(limit))

    def __iadd__(self, operand: _Integer, /) -> Self:
        apply(self, int.__add__, as_int(operand), as_result)
        return self

    def __isub__(self, operand: _Integer, /) -> Self:
        apply(self, int.__sub__, as_int(operand), as_result)
        return self

    def __iand__(self, operand: _Integer, /) -> Self:
        apply(self, int.__and__, as_int(operand), as_result)
        return self

    def __ior__(self, operand: _Integer, /) -> Self:
        apply(self, int.__or__, as_int(operand), as_result)
        return self

    def __ixor__(self, operand: _Integer, /) -> Self:
        apply(self, int.__xor__, as_int(operand), as_result)
        return self

    def __int__(self, /) -> int:
        return load_value(self)

    def __bool__(self, /) -> bool:
        return load_value(self) != 0

    def __str__(self, /) -> str:
        return str(load_value(self))

    def __format__(self, format_spec: str, /) -> str:
        return load_value(self).__format__(format_spec)

    def __repr__(self, /) -> str:
        return f"{type(self).__name__}({load_value(self)!r})"
