"""track() and time() on generators: inside from the first step until they finish, are closed or collected."""

import asyncio
import contextlib
import functools
import gc
import inspect
import sys
import threading
import types
from collections.abc import AsyncGenerator, Callable, Generator
from types import ModuleType
from typing import Any

import pytest


class Tracked:
    """in_flight counts while a generator is inside a guard."""

    def __init__(self, backend: ModuleType) -> None:
        self.in_flight = backend.AtomicInt()
        self.decorate: Any = self.in_flight.track()

    def check(self, inside: int) -> None:
        assert self.in_flight.load() == inside


class Timed:
    """A histogram gets an observation when a generator leaves its timer."""

    def __init__(self, backend: ModuleType) -> None:
        self.histogram = backend.Histogram([1e9])
        self.decorate: Any = self.histogram.time()
        self.entered = 0

    def check(self, inside: int) -> None:
        """What was inside at the last check, and is not any more, was observed."""
        observed = sum(self.histogram.snapshot().counts)
        self.entered = max(self.entered, observed + inside)
        assert observed + inside == self.entered


@pytest.fixture(params=[Tracked, Timed])
def watch(request: pytest.FixtureRequest, backend: ModuleType) -> Any:
    return request.param(backend)


def echo(log: list[Any], last: int) -> Generator[Any, Any, str]:
    """Yields what it was sent or thrown."""
    got: Any = "started"
    while True:
        try:
            got = yield got
        except LookupError as error:
            got = error
        except GeneratorExit:
            log.append("closed")
            raise
        if got == last:
            return "returned"


def test_a_generator_is_inside_from_its_first_step_to_its_end(watch: Any) -> None:
    made = watch.decorate(echo)([], 3)
    watch.check(0)
    assert next(made) == "started"
    watch.check(1)
    assert made.send(1) == 1
    error = LookupError("thrown")
    assert made.throw(error) is error
    watch.check(1)
    with pytest.raises(StopIteration) as stopped:
        made.send(3)
    assert stopped.value.value == "returned"
    watch.check(0)


def test_a_generator_that_raises(watch: Any) -> None:
    made = watch.decorate(echo)([], 3)
    next(made)
    watch.check(1)
    error = ValueError("thrown")
    with pytest.raises(ValueError) as raised:
        made.throw(error)
    assert raised.value is error
    watch.check(0)


def test_a_generator_that_is_closed_or_collected(watch: Any) -> None:
    log: list[Any] = []
    closed, collected = watch.decorate(echo)(log, 3), watch.decorate(echo)(log, 3)
    next(closed), next(collected)
    watch.check(2)
    closed.close()
    watch.check(1)
    del collected
    gc.collect()
    watch.check(0)
    assert log == ["closed", "closed"]


def counting() -> Generator[int, None, str]:
    """Returns how far it came when it is closed."""
    step = 0
    try:
        while True:
            yield step
            step += 1
    except GeneratorExit:
        return f"closed after {step}"


def test_what_a_generator_returns_when_it_is_closed(watch: Any) -> None:
    """Since 3.13 close() returns it. throw() of the same exception ends with it on all versions."""
    plain: Any = counting()
    decorated = watch.decorate(counting)()
    assert [next(made) for made in (plain, decorated) for _ in range(2)] == [0, 1, 0, 1]
    watch.check(1)
    closed = decorated.close()
    assert closed == plain.close()
    assert closed == ("closed after 1" if sys.version_info >= (3, 13) else None)
    watch.check(0)
    thrown = watch.decorate(counting)()
    next(thrown)
    with pytest.raises(StopIteration) as stopped:
        thrown.throw(GeneratorExit())
    assert stopped.value.value == "closed after 0"
    watch.check(0)


def test_a_generator_that_ignores_its_end(watch: Any) -> None:
    def stubborn() -> Generator[int, None, None]:
        with contextlib.suppress(GeneratorExit):
            yield 1
        yield 2

    made = watch.decorate(stubborn)()
    next(made)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        made.close()
    watch.check(1)
    assert next(made, None) is None
    watch.check(0)


def test_a_generator_keeps_no_thrown_exception(watch: Any) -> None:
    """There is no cycle through the frame: a thrown exception is freed as soon as it has been handled."""

    class Thrown(LookupError):
        pass

    def forgetful() -> Generator[None, None, None]:
        while True:
            with contextlib.suppress(Thrown):
                yield

    made = watch.decorate(forgetful)()
    next(made)
    gc.collect()
    gc.disable()
    try:
        made.throw(Thrown())
        assert not [found for found in gc.get_objects() if isinstance(found, Thrown)]
    finally:
        gc.enable()
    made.close()


def test_a_generator_that_never_starts(watch: Any) -> None:
    made = watch.decorate(echo)([], 3)
    made.close()
    with pytest.raises(StopIteration):
        next(made)
    del made
    watch.check(0)


def test_yield_from_a_decorated_generator(watch: Any) -> None:
    def outer() -> Generator[Any, Any, tuple[str, Any]]:
        return "outer", (yield from watch.decorate(echo)([], 3))

    made = outer()
    assert next(made) == "started"
    watch.check(1)
    with pytest.raises(StopIteration) as stopped:
        made.send(3)
    assert stopped.value.value == ("outer", "returned")
    watch.check(0)


def test_a_generator_that_another_thread_finishes(watch: Any) -> None:
    """Each call has its own timer, so it can be left anywhere, regardless of who else is inside."""
    made, other = watch.decorate(echo)([], 3), watch.decorate(echo)([], 3)
    next(made), next(other)
    watch.check(2)
    thread = threading.Thread(target=made.close)
    thread.start()
    thread.join()
    watch.check(1)
    other.close()
    watch.check(0)


def test_a_generator_based_coroutine(watch: Any) -> None:
    @watch.decorate
    @types.coroutine
    def pause() -> Generator[Any, Any, int]:
        watch.check(1)
        yield
        return 5

    async def main() -> int:
        return int(await pause())

    assert asyncio.run(main()) == 5
    watch.check(0)


class Service:
    def __init__(self, watch: Any) -> None:
        self.watch = watch

    def pages(self, number: int) -> Generator[Any, None, None]:
        for page in range(number):
            self.watch.check(1)
            yield self, page

    def __call__(self, number: int) -> Generator[Any, None, None]:
        yield from self.pages(number)


def test_what_is_a_generator_function(watch: Any) -> None:
    service = Service(watch)
    method = type("Decorated", (Service,), {"pages": watch.decorate(Service.pages)})(watch).pages
    decorated = [watch.decorate(each) for each in (service.pages, service, functools.partial(service.pages))]
    for function in (*decorated, method):
        assert inspect.isgeneratorfunction(function)
        assert [page for _, page in function(3)] == [0, 1, 2]
        watch.check(0)


def test_a_decorated_generator_function_keeps_its_face(watch: Any) -> None:
    decorated = watch.decorate(echo)
    assert decorated.__name__ == "echo"
    assert decorated.__doc__ == "Yields what it was sent or thrown."
    assert decorated.__wrapped__ is echo
    assert inspect.signature(decorated) == inspect.signature(echo)
    assert inspect.isgeneratorfunction(decorated)
    assert not inspect.isasyncgenfunction(decorated) and not inspect.iscoroutinefunction(decorated)


# Async generators


async def async_echo(log: list[Any], last: int) -> AsyncGenerator[Any, Any]:
    """Yields what it was sent or thrown."""
    got: Any = "started"
    try:
        while got != last:
            await asyncio.sleep(0)
            try:
                got = yield got
            except LookupError as error:
                got = error
    finally:
        await asyncio.sleep(0)
        log.append("closed")


def test_an_async_generator_is_inside_from_its_first_step_to_its_end(watch: Any) -> None:
    log: list[Any] = []

    async def main() -> None:
        made = watch.decorate(async_echo)(log, 3)
        watch.check(0)
        assert await made.__anext__() == "started"
        watch.check(1)
        assert await made.asend(1) == 1
        error = LookupError("thrown")
        assert await made.athrow(error) is error
        watch.check(1)
        with pytest.raises(StopAsyncIteration):
            await made.asend(3)
        watch.check(0)

    asyncio.run(main())
    assert log == ["closed"]


def test_an_async_generator_that_raises(watch: Any) -> None:
    async def main() -> None:
        made = watch.decorate(async_echo)([], 3)
        await made.__anext__()
        watch.check(1)
        error = ValueError("thrown")
        with pytest.raises(ValueError) as raised:
            await made.athrow(error)
        assert raised.value is error
        watch.check(0)

    asyncio.run(main())


def test_an_async_generator_that_is_closed(watch: Any) -> None:
    log: list[Any] = []

    async def main() -> None:
        made = watch.decorate(async_echo)(log, 3)
        await made.__anext__()
        watch.check(1)
        await made.aclose()
        watch.check(0)
        assert log == ["closed"]
        never = watch.decorate(async_echo)(log, 3)
        await never.aclose()
        watch.check(0)

    asyncio.run(main())
    assert log == ["closed"]


def test_an_async_generator_that_is_left_to_the_event_loop(watch: Any) -> None:
    """It finishes collected generators, and at the end the others, and has nothing to complain about."""
    log: list[Any] = []
    complaints: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        collected, kept = watch.decorate(async_echo)(log, 3), watch.decorate(async_echo)(log, 3)
        await collected.__anext__()
        await kept.__anext__()
        watch.check(2)
        del collected
        while not log:
            gc.collect()
            await asyncio.sleep(0)
        watch.check(1)
        log.append(kept)

    asyncio.run(main())
    watch.check(0)
    assert [entry for entry in log if entry == "closed"] == ["closed", "closed"]
    assert not complaints


def test_an_async_generator_without_an_event_loop(watch: Any) -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    made = watch.decorate(numbers)()
    with pytest.raises(StopIteration) as first:
        made.__anext__().send(None)
    assert first.value.value == 1
    watch.check(1)
    del made
    gc.collect()
    watch.check(0)


def test_an_async_generator_that_ignores_its_end(watch: Any) -> None:
    """As without the decorator: it gets GeneratorExit, and goes on."""

    async def stubborn() -> AsyncGenerator[int, None]:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    async def main() -> None:
        for function in (stubborn, watch.decorate(stubborn)):
            made = function()
            await made.__anext__()
            with pytest.raises(RuntimeError, match="async generator ignored GeneratorExit"):
                await made.aclose()

    asyncio.run(main())


def test_an_async_generator_that_is_cancelled(watch: Any) -> None:
    async def waits() -> AsyncGenerator[int, None]:
        await asyncio.Event().wait()
        yield 1

    async def main() -> None:
        made = watch.decorate(waits)()
        task = asyncio.ensure_future(made.__anext__())
        await asyncio.sleep(0)
        watch.check(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        watch.check(0)

    asyncio.run(main())


def test_a_thrown_exception_is_not_kept(watch: Any) -> None:
    """There is no cycle through the frame: a thrown exception is freed as soon as it has been handled."""

    class Thrown(LookupError):
        pass

    async def forgetful() -> AsyncGenerator[None, None]:
        while True:
            with contextlib.suppress(Thrown):
                yield

    async def main() -> None:
        made = watch.decorate(forgetful)()
        await made.__anext__()
        await made.athrow(Thrown())
        assert not [found for found in gc.get_objects() if isinstance(found, Thrown)]
        await made.aclose()

    gc.collect()
    asyncio.run(main())


def test_what_is_an_async_generator_function(watch: Any) -> None:
    class Source:
        async def events(self, number: int) -> AsyncGenerator[int, None]:
            for event in range(number):
                watch.check(1)
                yield event

        async def __call__(self, number: int) -> AsyncGenerator[int, None]:
            async for event in self.events(number):
                yield event

    async def all_of(function: Callable[[int], AsyncGenerator[int, None]]) -> list[int]:
        return [event async for event in function(3)]

    source = Source()
    for function in (source.events, source, functools.partial(source.events)):
        decorated = watch.decorate(function)
        assert inspect.isasyncgenfunction(decorated)
        assert not inspect.isgeneratorfunction(decorated) and not inspect.iscoroutinefunction(decorated)
        assert asyncio.run(all_of(decorated)) == [0, 1, 2]
        watch.check(0)
    decorated = watch.decorate(async_echo)
    assert (decorated.__name__, decorated.__doc__) == ("async_echo", async_echo.__doc__)
    assert inspect.signature(decorated) == inspect.signature(async_echo)
