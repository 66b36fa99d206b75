"""Makes guards and timers work as decorators. Both backends import it when that is first needed."""

# A decorated function may be anything, and may return anything.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from functools import partial, wraps
from inspect import CO_ITERABLE_COROUTINE, isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from sys import get_asyncgen_hooks, set_asyncgen_hooks
from types import coroutine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextlib import AbstractContextManager
    from typing import Any


def wrap(guard: AbstractContextManager[object], function: Any) -> Any:
    """Return a function that calls function inside guard.

    The result is of the same kind as function: a coroutine function, which is inside until the coroutine
    ends; a generator function or an async generator function, which is inside from the first step until the
    generator finishes, is closed or is collected; or otherwise a plain function. A classmethod or a
    staticmethod stays one. Raises TypeError if function is none of these and is not callable.
    """
    return decorated(guard, False, function)


def wrap_each(make: Callable[[], AbstractContextManager[object]], function: Any) -> Any:
    """Do the same as wrap(), but with a context manager of its own, from make(), for each call."""
    return decorated(make, True, function)


def decorated(guard: Any, each: bool, function: Any) -> Any:
    """Return function, wrapped so that each call enters guard or, if each is true, a new guard()."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(decorated(guard, each, function.__func__))
    if not callable(function):
        raise TypeError(f"expected a callable to decorate, got {type(function).__name__!r}")
    if is_a(iscoroutinefunction, function):
        return around_coroutines(guard, each, function)
    if is_a(isasyncgenfunction, function):
        return around_async_generators(guard, each, function)
    if is_a(isgeneratorfunction, function):
        return around_generators(guard, each, function)

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with guard() if each else guard:
            return function(*args, **kwargs)

    return guarded


def is_a(kind: Callable[[Any], bool], function: Callable[..., Any]) -> bool:
    """Return whether function is of this kind, or an object whose __call__ is."""
    function = without_partial(function)
    return kind(function) or kind(type(function).__call__)


def around_coroutines(guard: Any, each: bool, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        with guard() if each else guard:
            return await function(*args, **kwargs)

    return guarded


def around_generators(guard: Any, each: bool, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a generator function. It does what `yield from` would, which drops what the generator returns when
    it is closed: close() returns that since 3.13."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with guard() if each else guard:
            inner = function(*args, **kwargs)
            step, given = inner.send, None
            try:
                while True:
                    try:
                        value = step(given)
                    except StopIteration as stopped:
                        return stopped.value
                    finally:
                        given = None  # it may be an exception, whose traceback holds this frame
                    try:
                        given = yield value
                    except BaseException as thrown:  # including GeneratorExit, which inner has to obey
                        step, given = inner.throw, thrown
                    else:
                        step = inner.send
            finally:
                inner.close()  # does nothing unless an interruption came between two steps

    # A function marked by types.coroutine() makes generators that can be awaited.
    return coroutine(guarded) if flags_of(function) & CO_ITERABLE_COROUTINE else guarded


def without_partial(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    return function


def flags_of(function: Any) -> int:
    """Return the flags of the code that function runs; 0 if it has none."""
    function = without_partial(function)
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    flags: int = getattr(code, "co_flags", 0)
    return flags


def around_async_generators(guard: Any, each: bool, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an async generator function. It does what `yield from` would, which async generators lack."""

    @wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with guard() if each else guard:
            inner = function(*args, **kwargs)
            step = first_step(inner)
            try:
                while True:
                    try:
                        value = await step
                    except StopAsyncIteration:
                        return
                    finally:
                        step = None  # it may hold an exception, whose traceback holds this frame
                    try:
                        sent = yield value
                    except BaseException as thrown:  # including GeneratorExit, which inner has to obey
                        step = inner.athrow(thrown)
                    else:
                        step = inner.asend(sent)
            finally:
                await inner.aclose()  # does nothing unless an interruption came between two steps

    return guarded


def first_step(generator: AsyncGenerator[Any, Any]) -> Any:
    """Begin an async generator that lives and dies with the one that runs it.

    The event loop must not know of it: at shutdown the loop would close both at once, and report an error
    about the one that is already being closed.
    """
    hooks = get_asyncgen_hooks()
    set_asyncgen_hooks(None, None)
    try:
        return generator.asend(None)
    finally:
        set_asyncgen_hooks(*hooks)
