"""What makes a guard a decorator; both backends import it when a guard is first used as one."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Any


def wrap(guard: AbstractContextManager[object], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls function inside guard; a coroutine function if function is one.

    Raises TypeError if function cannot be called.
    """
    if not callable(function):
        raise TypeError(f"a guard decorates a function, not {type(function).__name__!r}")

    # An object with `async def __call__` makes coroutines too, and must be inside until they end.
    if iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__):

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
