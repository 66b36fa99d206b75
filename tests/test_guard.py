"""track(): the count is up inside and down again outside, whatever happens in between."""

import asyncio
import contextlib
import copy
import functools
import gc
import inspect
import pickle
import weakref
from types import ModuleType
from typing import Any

import pytest

from atomicx.verify.spec.kinds import INT64_MAX, INT64_MIN


def test_with_block(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    with in_flight.track() as cell:
        assert cell is in_flight
        assert in_flight.load() == 1
    assert in_flight.load() == 0


@pytest.mark.parametrize("error", [LookupError("x"), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_exception_goes_through_and_the_count_goes_down(backend: ModuleType, error: BaseException) -> None:
    in_flight = backend.AtomicInt()
    with pytest.raises(type(error)) as raised, in_flight.track():
        raise error
    assert raised.value is error
    assert in_flight.load() == 0


def test_enter_and_exit_return_what_the_protocol_asks(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    guard = in_flight.track()
    assert guard.__enter__() is in_flight
    assert guard.__exit__(None, None, None) is None
    assert guard.__enter__() is in_flight
    error = LookupError()
    assert guard.__exit__(LookupError, error, None) is None
    assert in_flight.load() == 0


def test_one_guard_is_reusable_and_reentrant(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    guard = in_flight.track()
    for _ in range(3):
        with guard, guard:
            assert in_flight.load() == 2
            with guard, in_flight.track():
                assert in_flight.load() == 4
        assert in_flight.load() == 0


def test_exit_stack(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            assert stack.enter_context(in_flight.track()) is in_flight
        assert in_flight.load() == 5
    assert in_flight.load() == 0


def test_overflow_on_entry_keeps_the_block_out(backend: ModuleType) -> None:
    full = backend.AtomicInt(INT64_MAX)
    entered = False
    with pytest.raises(OverflowError), full.track():
        entered = True
    assert not entered
    assert full.load() == INT64_MAX


def test_overflow_on_exit_is_heard(backend: ModuleType) -> None:
    cell = backend.AtomicInt()
    with pytest.raises(OverflowError), cell.track():
        cell.store(INT64_MIN)
    assert cell.load() == INT64_MIN


def test_the_guard_keeps_its_cell(backend: ModuleType) -> None:
    cell = backend.AtomicInt(5)
    reference = weakref.ref(cell)
    guard = cell.track()
    del cell
    gc.collect()
    assert reference() is not None
    with guard as found:
        assert found.load() == 6
    del guard, found
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("slots", [{}, {"__slots__": ("guard",)}], ids=["dict", "slots"])
def test_cycle_through_a_guard_is_collected(backend: ModuleType, slots: dict[str, Any]) -> None:
    cell = type("Cell", (backend.AtomicInt,), slots)()
    cell.guard = cell.track()
    reference = weakref.ref(cell)
    del cell
    gc.collect()
    assert reference() is None


# As a decorator


def test_decorated_function(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()

    @in_flight.track()
    def handler(request: str, /, *args: int, shout: bool = False, **options: int) -> tuple[Any, ...]:
        """Answers."""
        assert in_flight.load() == 1
        return request, args, shout, options

    assert handler("get", 1, 2, shout=True, other=3) == ("get", (1, 2), True, {"other": 3})
    assert in_flight.load() == 0


def test_decorated_function_keeps_its_face(backend: ModuleType) -> None:
    def handler(request: str, size: int = 3) -> str:
        """Answers."""
        return request * size

    handler.route = "/"  # type: ignore[attr-defined]
    decorated = backend.AtomicInt().track()(handler)
    for name in functools.WRAPPER_ASSIGNMENTS:
        if hasattr(handler, name):
            assert getattr(decorated, name) == getattr(handler, name)
    assert decorated.__wrapped__ is handler
    assert decorated.route == "/"
    assert inspect.signature(decorated) == inspect.signature(handler)
    assert not inspect.iscoroutinefunction(decorated)


def test_decorated_function_that_raises(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    error = LookupError("inside")

    @in_flight.track()
    def handler() -> None:
        assert in_flight.load() == 1
        raise error

    with pytest.raises(LookupError) as raised:
        handler()
    assert raised.value is error
    assert in_flight.load() == 0


def test_recursion_counts_each_call(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    depths = []

    @in_flight.track()
    def descend(levels: int) -> None:
        depths.append(in_flight.load())
        if levels:
            descend(levels - 1)

    descend(3)
    assert depths == [1, 2, 3, 4]
    assert in_flight.load() == 0


def test_decorated_methods(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()

    class Service:
        @in_flight.track()
        def method(self, value: int) -> tuple[Any, int, int]:
            return self, value, in_flight.load()

        @classmethod
        @in_flight.track()
        def of_class(cls, value: int) -> tuple[Any, int, int]:
            return cls, value, in_flight.load()

        @staticmethod
        @in_flight.track()
        def static(value: int) -> tuple[int, int]:
            return value, in_flight.load()

    service = Service()
    assert service.method(1) == (service, 1, 1)
    assert Service.method(service, 2) == (service, 2, 1)
    assert service.of_class(3) == (Service, 3, 1)
    assert Service.static(4) == (4, 1)
    assert in_flight.load() == 0


def test_one_guard_decorates_many(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    guard = in_flight.track()
    inner = guard(lambda: in_flight.load())
    outer = guard(lambda: (in_flight.load(), inner()))
    assert outer() == (1, 2)
    assert in_flight.load() == 0


def test_what_is_not_a_function_is_refused(backend: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"^expected a callable to decorate, got 'NoneType'$"):
        backend.AtomicInt().track()(None)


@pytest.mark.parametrize("kind", [classmethod, staticmethod])
def test_decorated_outside_of_a_classmethod_or_staticmethod(backend: ModuleType, kind: Any) -> None:
    in_flight = backend.AtomicInt()

    def count(*args: Any) -> tuple[Any, ...]:
        return (*args, in_flight.load())

    class Service:
        method = in_flight.track()(kind(count))

    assert isinstance(Service.__dict__["method"], kind)
    expected = (Service, 7, 1) if kind is classmethod else (7, 1)
    assert Service.method(7) == Service().method(7) == expected


def test_help_shows_what_a_guard_does(backend: ModuleType) -> None:
    guard = backend.AtomicInt().track()
    for documented in (type(guard), type(guard).__call__, guard.__call__):
        text = inspect.getdoc(documented)
        assert text is not None
        assert "generator function" in text
    assert list(inspect.signature(guard).parameters) == ["function"]


# As a decorator of coroutine functions


def test_coroutine_function_counts_while_it_runs(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    entered, leave = asyncio.Event, asyncio.Event

    async def main() -> None:
        started, finish = entered(), leave()

        @in_flight.track()
        async def handler(value: int, *, unit: str) -> tuple[int, str]:
            started.set()
            await finish.wait()
            return value, unit

        assert inspect.iscoroutinefunction(handler)
        coroutine = handler(5, unit="ms")
        assert in_flight.load() == 0, "a coroutine that has not started is not in flight"
        tasks = [asyncio.ensure_future(coroutine), asyncio.ensure_future(handler(6, unit="s"))]
        await started.wait()
        await asyncio.sleep(0)
        assert in_flight.load() == 2
        finish.set()
        assert await asyncio.gather(*tasks) == [(5, "ms"), (6, "s")]
        assert in_flight.load() == 0

    asyncio.run(main())


def test_coroutine_function_that_raises(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    error = LookupError("inside")

    @in_flight.track()
    async def handler() -> None:
        assert in_flight.load() == 1
        raise error

    with pytest.raises(LookupError) as raised:
        asyncio.run(handler())
    assert raised.value is error
    assert in_flight.load() == 0


def test_coroutine_that_is_cancelled(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()

    async def main() -> None:
        @in_flight.track()
        async def handler() -> None:
            await asyncio.Event().wait()

        task = asyncio.ensure_future(handler())
        await asyncio.sleep(0)
        assert in_flight.load() == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert in_flight.load() == 0

    asyncio.run(main())


def test_coroutine_that_is_closed_before_it_ends(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()

    class Pause:
        def __await__(self) -> Any:
            yield

    @in_flight.track()
    async def handler() -> None:
        await Pause()

    coroutine = handler()
    coroutine.send(None)
    assert in_flight.load() == 1
    coroutine.close()
    assert in_flight.load() == 0


def test_decorated_coroutine_method_keeps_its_face(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()

    class Service:
        @in_flight.track()
        async def method(self, value: int = 3) -> tuple[Any, int, int]:
            """Answers."""
            return self, value, in_flight.load()

    assert inspect.iscoroutinefunction(Service.method)
    assert Service.method.__name__ == "method"
    assert Service.method.__doc__ == "Answers."
    assert str(inspect.signature(Service.method)).startswith("(self, value: int = 3)")
    service = Service()
    assert inspect.iscoroutinefunction(service.method)
    assert asyncio.run(service.method(4)) == (service, 4, 1)
    assert in_flight.load() == 0


def test_an_object_with_an_async_call(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()

    class Handler:
        async def __call__(self, value: int) -> tuple[int, int]:
            await asyncio.sleep(0)
            return value, in_flight.load()

    assert asyncio.run(in_flight.track()(Handler())(3)) == (3, 1)
    assert asyncio.run(in_flight.track()(functools.partial(Handler(), 4))()) == (4, 1)
    assert in_flight.load() == 0


# The guard itself


def test_guard_cannot_be_copied(backend: ModuleType) -> None:
    guard = backend.AtomicInt().track()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(guard, protocol)
    for duplicate in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(guard)


def test_guard_of_a_subclass_returns_the_subclass(backend: ModuleType) -> None:
    class Named:
        name = "gauge"

    class Gauge(backend.AtomicInt):  # type: ignore[misc,name-defined]
        pass

    class NamedGauge(Named, Gauge):
        pass

    gauge = NamedGauge(3)
    with gauge.track() as found:
        assert found is gauge
        assert gauge.load() == 4
    assert gauge.load() == 3


def test_guard_is_weakly_referenceable_and_has_no_dict(backend: ModuleType) -> None:
    guard = backend.AtomicInt().track()
    assert weakref.ref(guard)() is guard
    assert not hasattr(guard, "__dict__")


def test_repr_shows_the_cell(backend: ModuleType) -> None:
    class Gauge(backend.AtomicInt):  # type: ignore[misc, name-defined]
        def __repr__(self) -> str:
            return f"Gauge({self.guard!r})"

    assert repr(backend.AtomicInt(5).track()) == "<Guard of AtomicInt(5)>"
    gauge = Gauge()
    gauge.guard = gauge.track()
    assert repr(gauge.guard) == "<Guard of Gauge(<Guard of ...>)>"
    gauge.guard = gauge.admit(3)
    assert repr(gauge.guard) == "<Admission of Gauge(<Admission of ..., limit 3>), limit 3>"
