"""Guard and Admission, which track() and admit(limit) return.

All cells here belong to one process. So a forked child has a copy of each cell, with everything that was
counted in it, and counts down in its copy what its parent counted up.
"""

from __future__ import annotations

from .chain import Cell, Unpicklable, current, swap
from .int64 import as_result
from .loops import apply, exchange_value
from .shown import shown_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from .type_int import AtomicInt


class Guard(Unpicklable):
    """Counts what is in flight, one up on entry and one down on exit: `with cell.track():`.

    It is a context manager, and a decorator for functions, coroutine functions, generator functions and async
    generator functions. It may be entered many times, even while it is entered, and by many threads. It keeps
    its cell alive. The guard of a shared cell does nothing in a process that did not enter it, such as a
    child that was forked inside the block.
    """

    __slots__ = ("__cell", "__weakref__")
    __module__ = "atomicx._reference"

    def __init__(self, cell: AtomicInt, /) -> None:
        self.__cell = cell

    def __enter__(self, /) -> AtomicInt:
        """Add one to the cell. Returns the cell.

        Raises OverflowError if the result does not fit in 64 bits, ValueError if the cell was released.
        Lock-free.
        """
        apply(self.__cell, int.__add__, 1, as_result)
        return self.__cell

    def __exit__(self, /, *exc_info: object) -> None:
        """Subtract one from the cell. Returns None, so an exception propagates.

        Raises OverflowError if the result does not fit in 64 bits, ValueError if the cell was released.
        Lock-free.
        """
        apply(self.__cell, int.__sub__, 1, as_result)

    def __call__(self, function: Callable[..., Any], /) -> Callable[..., Any]:
        """Return function, wrapped so that each call of it runs inside the guard.

        A coroutine function is inside while its coroutine runs; a generator function or async generator
        function is inside from the first step until the generator finishes, is closed or is collected. The
        result is a function of the same kind, and keeps name, docstring and signature. Raises TypeError if
        function is not callable.
        """
        from .._decorator import wrap

        wrapped: Callable[..., Any] = wrap(self, function)
        return wrapped

    def __repr__(self, /) -> str:
        return shown_once(self, lambda: f"<Guard of {self.__cell!r}>", "<Guard of ...>")


LEAVING = object()


class State(Cell):
    """None if the admission is not entered, else whether it was admitted, or LEAVING."""

    __slots__ = ()
    _Cell__zero = None


class Admission(Unpicklable):
    """Admits up to a limit: counts one more until its block ends, or counts nothing.

    `with cell.admit(limit) as admitted:` runs the block in either case; admitted says whether it was counted.
    It may be entered again after its block has ended, by any thread, but not while it is entered: concurrent
    uses need an admission each. It is not a decorator, since a function could not tell whether it was
    admitted. It keeps its cell alive. The admission of a shared cell does nothing in a process that did not
    enter it, such as a child that was forked inside the block.
    """

    __slots__ = ("__cell", "__limit", "__state", "__weakref__")
    __module__ = "atomicx._reference"

    def __init__(self, cell: AtomicInt, limit: int, /) -> None:
        self.__cell = cell
        self.__limit = limit
        self.__state = State()

    def __enter__(self, /) -> bool:
        """Add one to the cell unless that would pass the limit. Returns whether it added.

        Raises RuntimeError if it is already entered, ValueError if the cell was released. Lock-free.
        """
        version, entered = current(self.__state)
        if entered is not None or not swap(self.__state, version, False):
            raise RuntimeError("this admit() guard is already entered")
        admitted = self.__cell.try_add(1, self.__limit)
        if admitted:
            exchange_value(self.__state, True)
        return admitted

    def __exit__(self, /, *exc_info: object) -> None:
        """Subtract one from the cell if the entry added one. Returns None, so an exception propagates.

        Raises RuntimeError if it is not entered, OverflowError if the result does not fit in 64 bits,
        ValueError if the cell was released. Lock-free.
        """
        version, admitted = current(self.__state)
        if admitted is None or admitted is LEAVING or not swap(self.__state, version, LEAVING):
            raise RuntimeError("this admit() guard was not entered")
        try:
            if admitted:
                apply(self.__cell, int.__sub__, 1, as_result)
        finally:  # last, so that the next entry finds the count without this one
            exchange_value(self.__state, None)

    def __call__(self, /, *args: object, **kwargs: object) -> NoReturn:
        """Raise TypeError: admit() does not decorate functions."""
        raise TypeError("admit() cannot be used as a decorator: write 'with cell.admit(limit) as admitted:'")

    def __repr__(self, /) -> str:
        tail = f", limit {self.__limit}>"
        return shown_once(self, lambda: f"<Admission of {self.__cell!r}{tail}", f"<Admission of ...{tail}")
