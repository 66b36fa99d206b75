"""Counter. Here it is one cell; the C module stripes it where there is no GIL."""

# A cell holds any value here; the types that users see are in _core.pyi.
# mypy: no-warn-return-any

from __future__ import annotations

from .chain import Cell
from .int64 import as_int, as_result
from .loops import apply, exchange_value, load_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import SupportsIndex as _Integer

    from typing_extensions import Self


def as_count(value: _Integer) -> int:
    number = as_int(value)
    if number < 0:
        raise ValueError(f"a Counter can only count up, not by {number}")
    return number


class Counter(Cell):
    """A 64-bit counter that only counts up, made for many threads.

    Without the GIL the C module spreads it over stripes, so that counting threads do not slow each other
    down. The total is exact, and an addition that would take it past 64 bits raises OverflowError and counts
    nothing.

    It is not linearizable. A load that overlaps additions returns a value between the total at its start and
    the total at its end (intermediate-value linearizability: Rinberg and Keidar, DISC 2020); a load that
    overlaps nothing is exact. For a total that decisions depend on, use an AtomicInt.

    No operation waits for another thread, so all may be used in signal handlers, __del__, callbacks of the
    garbage collector or of weak references, and after a fork. (The pure-Python twin is lock-free with the
    GIL. Without the GIL it relies on a dict's own mutex: exact, but neither lock-free nor safe in a child
    that was forked while other threads used it.)

    += adds and returns the cell itself. int(cell) and bool(cell) are loads. Calling __init__ again drains the
    counter and then adds value.
    """

    __slots__ = ()
    __module__ = "atomicx"
    _Cell__zero = 0

    def __init__(self, value: _Integer = 0, /) -> None:
        exchange_value(self, as_count(value))

    def inc(self, /) -> None:
        """Count one. Returns None.

        Raises OverflowError if the total would not fit in 64 bits. Lock-free.
        """
        apply(self, int.__add__, 1, as_result)

    def add(self, n: _Integer, /) -> None:
        """Count n at once. Returns None.

        Raises TypeError if n is not an integer, ValueError if it is negative, OverflowError if n or the total
        does not fit in 64 bits. Lock-free.
        """
        apply(self, int.__add__, as_count(n), as_result)

    def load(self, /) -> int:
        """Return the total: everything that was counted and not drained.

        An addition that overlaps the load may or may not be included. Lock-free. Java: LongAdder.sum.
        """
        return load_value(self)

    def drain(self, /) -> int:
        """Take the counts out, so that load() starts again at 0. Returns their total.

        Each count is in exactly one drain. Do not drain a counter whose total is exported. Lock-free.
        Java: LongAdder.sumThenReset, but exact.
        """
        return exchange_value(self, 0)

    def __iadd__(self, n: _Integer, /) -> Self:
        apply(self, int.__add__, as_count(n), as_result)
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
