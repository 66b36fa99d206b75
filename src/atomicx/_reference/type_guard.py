"""Guard, which AtomicInt.track() returns."""

from __future__ import annotations

from .chain import Unpicklable
from .int64 import as_result
from .loops import apply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .type_int import AtomicInt


class Guard(Unpicklable):
    """What AtomicInt.track() returns: a context manager and a decorator. It keeps its cell alive."""

    __slots__ = ("__cell", "__weakref__")
    __module__ = "atomicx._reference"

    def __init__(self, cell: AtomicInt, /) -> None:
        self.__cell = cell

    def __enter__(self, /) -> AtomicInt:
        """Add one to the cell. Returns the cell.

        Raises OverflowError if the result does not fit in 64 bits. Lock-free.
        """
        apply(self.__cell, int.__add__, 1, as_result)
        return self.__cell

    def __exit__(self, /, *exc_info: object) -> None:
        """Subtract one from the cell. Returns None: an exception passes on.

        Raises OverflowError if the result does not fit in 64 bits. Lock-free.
        """
        apply(self.__cell, int.__sub__, 1, as_result)

    def __call__(self, function: Callable[..., Any], /) -> Callable[..., Any]:
        """Return function, wrapped so that each call of it, or each awaited call, runs inside the guard.

        A generator function is inside only while it makes its generator. Raises TypeError if function cannot
        be called.
        """
        from .._decorator import wrap

        return wrap(self, function)
