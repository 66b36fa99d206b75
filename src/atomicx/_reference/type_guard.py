"""Guard and Admission, which track() and admit(limit) return.

Here all cells are of one process, so a forked child has a copy of a cell with all that was counted in it, and
counts down in it what its parent counted up.
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
    """Counts what is in flight: one up on entry, one down on exit: `with cell.track():`.

    It is a context manager, and a decorator of functions, coroutine functions, generator functions and async
    generator functions. It may be entered many times, also while it is entered, and by many threads. It keeps
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
        """Subtract one from the cell. Returns None: an exception passes on.

        Raises OverflowError if the result does not fit in 64 bits, ValueError if the cell was released.
        Lock-free.
        """
        apply(self.__cell, int.__sub__, 1, as_result)

    def __call__(self, function: Callable[..., Any], /) -> Callable[..., Any]:
        """Return function, wrapped so that each call of it runs inside the guard.

        A coroutine function is inside while its coroutine runs; a generator function or async generator
        function from the first step until the generator finishes, is closed or is collected. What is returned
        is of the same kind, and keeps name, docstring and signature. Raises TypeError if function cannot be
        called.
        """
        from .._decorator import wrap

        wrapped: Callable[..., Any] = wrap(self, function)
        return wrapped

    def __repr__(self, /) -> str:
        return shown_once(self, lambda: f"<Guard of {self.__cell!r}>", "<Guard of ...>")


LEAVING = object()


class State(Cell):
    """Whether an admission is entered, and then whether it was admitted: None, False or True; or LEAVING."""

    __slots__ = ()
    _Cell__zero = None


class Admission(Unpicklable):
    """Admits up to a limit: counts one more until its block ends, or nothing.

    `with cell.admit(limit) as admitted:` runs the block in any case; admitted says whether it was counted. It
    may be entered again after its block has ended, by any thread, but not while it is entered: each use at a
    time takes an admission of its own. It is not a decorator, since a function could not tell whether it was
    admitted. It keeps its cell alive. That of a shared cell does nothing in a process that did not enter it,
    such as a child that was forked inside the block.
    """

    __slots__ = ("__cell", "__limit", "__state", "__weakref__")
    __module__ = "atomicx._reference"

    def __init__(self, cell: AtomicInt, limit: int, /) -> None:
        self.__cell = cell
        self.__limit = limit
        self.__state = State()

    def __enter__(self, /) -> bool:
        """Add one to the cell unless that would pass the limit. Returns whether it did.

        Raises RuntimeError if it is entered already, ValueError if the cell was released. Lock-free.
        """
        version, entered = current(self.__state)
        if entered is not None or not swap(self.__state, version, False):
            raise RuntimeError("this guard of admit() is entered already")
        admitted = self.__cell.try_add(1, self.__limit)
        if admitted:
            exchange_value(self.__state, True)
        return admitted

    def __exit__(self, /, *exc_info: object) -> None:
        """Subtract one from the cell if the entry has added it. Returns None: an exception passes on.

        Raises RuntimeError if it is not entered, OverflowError if the result does not fit in 64 bits,
        ValueError if the cell was released. Lock-free.
        """
        version, admitted = current(self.__state)
        if admitted is None or admitted is LEAVING or not swap(self.__state, version, LEAVING):
            raise RuntimeError("this guard of admit() was not entered")
        try:
            if admitted:
                apply(self.__cell, int.__sub__, 1, as_result)
        finally:  # whoever enters next finds the count without this one
            exchange_value(self.__state, None)

    def __call__(self, /, *args: object, **kwargs: object) -> NoReturn:
        """Raise TypeError: admit() does not decorate functions."""
        raise TypeError("admit() does not decorate functions: write 'with cell.admit(limit) as admitted:'")

    def __repr__(self, /) -> str:
        tail = f", limit {self.__limit}>"
        return shown_once(self, lambda: f"<Admission of {self.__cell!r}{tail}", f"<Admission of ...{tail}")
