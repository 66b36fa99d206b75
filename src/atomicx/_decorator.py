"""What makes a guard or a timer a decorator; both backends import it when one is first used as such."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether function is one; TypeError if it cannot be called."""
    if not callable(function):
        raise TypeError(f"what is decorated is a function, not {type(function).__name__!r}")
    # An object with `async def __call__` makes coroutines too, and must be inside until they end.
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


def wrap(guard: AbstractContextManager[object], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls function inside guard; a coroutine function if function is one.

    Raises TypeError if function cannot be called.
    """
    if is_coroutine_function(function):

        @wraps(function)
        async def guarded_coroutine(*args: Any, **kwargs: Any) -> Any:
            with guard:
                return await function(*args, **kwargs)

        return guarded_coroutine

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with guard:
            return function(*args, **kwargs)

    return guarded


def wrap_each(
    make: Callable[[], AbstractContextManager[object]], function: Callable[..., Any]
) -> Callable[..., Any]:
    """The same, but each call is inside a context manager of its own, which make() gives."""
    if is_coroutine_function(function):

        @wraps(function)
        async def guarded_coroutine(*args: Any, **kwargs: Any) -> Any:
            with make():
                return await function(*args, **kwargs)

        return guarded_coroutine

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with make():
            return function(*args, **kwargs)

    return guarded
