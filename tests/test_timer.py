"""Histogram.time(): each exit observes the time since its own entry, whoever entered and left in between.

No test waits for a time to pass, or asserts that little time passed: the clock is read before, inside and
after, and what was observed lies between."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

EVER = 1e9  # seconds: every observation is below


def new(backend: ModuleType) -> Any:
    return backend.Histogram([EVER])


def count(histogram: Any) -> int:
    return int(sum(histogram.snapshot().counts))


def busy(seconds: float = 0.001) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_what_is_observed_is_the_time_inside(backend: ModuleType) -> None:
    histogram = new(backend)
    before = time.perf_counter()
    with histogram.time() as entered:
        inside = time.perf_counter()
        assert entered is histogram
        assert count(histogram) == 0
        busy()
        still = time.perf_counter()
    after = time.perf_counter()
    (low, high), total = histogram.snapshot()
    assert (low, high) == (1, 0)
    assert still - inside - 1e-8 <= total <= after - before + 1e-8


@pytest.mark.parametrize("error", [LookupError("x"), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_a_block_that_raises_is_observed(backend: ModuleType, error: BaseException) -> None:
    histogram = new(backend)
    with pytest.raises(type(error)) as raised, histogram.time():
        raise error
    assert raised.value is error
    assert count(histogram) == 1


class Recorded:
    """Finds out which entry each exit ended, by its start: entries and exits are milliseconds apart in
    virtual order, since each is bracketed by readings of the clock."""

    def __init__(self, histogram: Any) -> None:
        self.histogram = histogram
        self.timer = histogram.time()

    def enter(self) -> tuple[float, float]:
        before = time.perf_counter()
        self.timer.__enter__()
        bracket = before, time.perf_counter()
        busy()
        return bracket

    def leave(self, entry: tuple[float, float]) -> None:
        """Leave; the exit must observe the time since this entry."""
        busy()
        before = time.perf_counter()
        self.timer.__exit__(None, None, None)
        after = time.perf_counter()
        drained = self.histogram.drain()
        assert sum(drained.counts) == 1
        least, most = before - entry[1], after - entry[0]
        assert least - 1e-8 <= drained.sum <= most + 1e-8, "the exit ended another entry"


def test_entries_nest(backend: ModuleType) -> None:
    timer = Recorded(new(backend))
    outer = timer.enter()
    middle = timer.enter()
    inner = timer.enter()
    timer.leave(inner)
    again = timer.enter()
    timer.leave(again)
    timer.leave(middle)
    timer.leave(outer)
    once_more = timer.enter()
    timer.leave(once_more)


def test_threads_take_turns_with_one_timer(backend: ModuleType) -> None:
    """Each enters before the other leaves, in the order in which they came: not last in, first out."""
    timer = Recorded(new(backend))
    turns = [threading.Event() for _ in range(8)]
    failures: list[BaseException] = []

    def act(enters: int, leaves: int) -> None:
        try:
            turns[enters].wait()
            entry = timer.enter()
            turns[enters + 1].set()
            turns[leaves].wait()
            timer.leave(entry)
        except BaseException as failure:
            failures.append(failure)
        turns[leaves + 1].set()

    threads = [threading.Thread(target=act, args=turn) for turn in ((0, 3), (1, 4), (2, 5))]
    for thread in threads:
        thread.start()
    turns[0].set()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_tasks_take_turns_with_one_timer(backend: ModuleType) -> None:
    timer = Recorded(new(backend))

    async def act(turns: list[asyncio.Event], enters: int, leaves: int) -> None:
        await turns[enters].wait()
        entry = timer.enter()
        turns[enters + 1].set()
        await turns[leaves].wait()
        timer.leave(entry)
        turns[leaves + 1].set()

    async def main() -> None:
        turns = [asyncio.Event() for _ in range(8)]
        tasks = [asyncio.ensure_future(act(turns, *turn)) for turn in ((0, 3), (1, 4), (2, 5))]
        turns[0].set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_a_task_does_not_end_the_entry_of_its_creator(backend: ModuleType) -> None:
    """The task's context begins as a copy, with the entries of the one that made it."""
    timer = Recorded(new(backend))

    async def child() -> None:
        entry = timer.enter()
        await asyncio.sleep(0)
        timer.leave(entry)

    async def main() -> None:
        kept_by_the_timer = timer.enter()
        kept_in_the_context = timer.enter()
        task = asyncio.ensure_future(child())
        await asyncio.sleep(0)
        timer.leave(kept_in_the_context)
        timer.leave(kept_by_the_timer)
        await task

    asyncio.run(main())


def test_a_task_that_outlives_the_entries_it_began_with(backend: ModuleType) -> None:
    timer = Recorded(new(backend))
    first = timer.enter()
    second = timer.enter()
    context = contextvars.copy_context()
    timer.leave(second)
    timer.leave(first)
    third = context.run(timer.enter)
    fourth = context.run(timer.enter)
    context.run(timer.leave, fourth)
    context.run(timer.leave, third)


def test_an_entry_that_a_context_began_with_is_not_its_own(backend: ModuleType) -> None:
    """The timer keeps none now; an entry that it kept would be mistaken for the inherited one."""
    timer = Recorded(new(backend))
    one, other = contextvars.copy_context(), contextvars.copy_context()
    first = one.run(timer.enter)
    second = other.run(timer.enter)
    one.run(timer.leave, first)
    child = other.run(contextvars.copy_context)
    third = child.run(timer.enter)
    child.run(timer.leave, third)
    other.run(timer.leave, second)


def test_an_entry_may_be_left_in_another_context(backend: ModuleType) -> None:
    """As with fixtures and exit stacks, whose exits run elsewhere, if it is the only entry at the time."""
    timer = Recorded(new(backend))
    entry = contextvars.copy_context().run(timer.enter)
    contextvars.copy_context().run(timer.leave, entry)


def test_an_exit_takes_no_entry_of_another_context(backend: ModuleType) -> None:
    """Neither the entry that was there first, nor a later one; and the attempt changes nothing."""
    timer = Recorded(new(backend))
    one, other, third = (contextvars.copy_context() for _ in range(3))
    first = one.run(timer.enter)
    second = other.run(timer.enter)
    for _ in range(2):
        with pytest.raises(
            RuntimeError, match=r"^the timer was not entered in this context, only in others$"
        ):
            third.run(timer.timer.__exit__, None, None, None)
    one.run(timer.leave, first)
    other.run(timer.leave, second)
    assert count(timer.histogram) == 0


def test_a_generator_that_another_thread_finishes(backend: ModuleType) -> None:
    """Its exit does not take another thread's entry."""
    timer = Recorded(new(backend))
    entered, leave = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def inside() -> None:
        try:
            entry = timer.enter()
            entered.set()
            leave.wait()
            timer.leave(entry)
        except BaseException as failure:
            failures.append(failure)

    def pages() -> Any:
        with timer.timer:
            yield

    def finish() -> None:
        with pytest.raises(RuntimeError, match="not entered in this context"):
            generator.close()

    thread = threading.Thread(target=inside)
    thread.start()
    entered.wait()
    generator = pages()
    next(generator)
    finisher = threading.Thread(target=finish)
    finisher.start()
    finisher.join()
    assert count(timer.histogram) == 0
    leave.set()
    thread.join()
    assert not failures, failures


@pytest.mark.parametrize("first", [False, True], ids=["in another place", "in the first place"])
def test_the_only_entry_may_be_left_in_another_thread(backend: ModuleType, first: bool) -> None:
    timer = Recorded(new(backend))
    one, other = contextvars.copy_context(), contextvars.copy_context()
    entries = [(one, one.run(timer.enter)), (other, other.run(timer.enter))]
    context, entry = entries.pop(first)
    context.run(timer.leave, entry)
    ((_, left),) = entries
    thread = threading.Thread(target=timer.leave, args=(left,))
    thread.start()
    thread.join()
    for context in (one, other):
        with pytest.raises(RuntimeError, match=r"^the timer was not entered$"):
            context.run(timer.timer.__exit__)


def test_a_task_does_not_end_one_of_several_entries_of_its_creator(backend: ModuleType) -> None:
    timer = Recorded(new(backend))
    outer = timer.enter()
    inner = timer.enter()
    child = contextvars.copy_context()
    with pytest.raises(RuntimeError, match="not entered in this context"):
        child.run(timer.timer.__exit__)
    timer.leave(inner)
    timer.leave(outer)


def test_many_entries_at_once(backend: ModuleType) -> None:
    timer = Recorded(new(backend))
    contexts = [contextvars.copy_context() for _ in range(40)]
    entries = [context.run(timer.enter) for context in contexts]
    for context, entry in reversed(list(zip(contexts, entries, strict=True))[::2]):
        context.run(timer.leave, entry)
    for context, entry in list(zip(contexts, entries, strict=True))[1::2]:
        context.run(timer.leave, entry)
    with pytest.raises(RuntimeError):
        timer.timer.__exit__()


def test_overlapping_entries_of_two_timers_keep_nothing(backend: ModuleType) -> None:
    """Blocks that overlap without nesting, in one context: left entries are gone, however long it goes on."""
    one, other = new(backend).time(), new(backend).time()
    entered = one.__enter__, other.__enter__
    left = one.__exit__, other.__exit__

    def overlap(rounds: int) -> None:
        for _ in range(rounds):
            entered[1]()
            left[0]()
            entered[0]()
            left[1]()

    def grown() -> int:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        overlap(2000)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    entered[0](), entered[1](), entered[0]()
    overlap(100)
    tracemalloc.start()
    # The least of a few: what the interpreter itself keeps at times is not growth. A kept entry takes over
    # a hundred bytes each time.
    least = min(grown() for _ in range(3))
    tracemalloc.stop()
    assert least < 4_000, f"{least} bytes more after each 2,000 rounds"


def test_two_timers_do_not_mix(backend: ModuleType) -> None:
    one, other = Recorded(new(backend)), Recorded(new(backend))
    entries = [one.enter(), other.enter(), one.enter(), other.enter()]
    one.leave(entries[2])
    other.leave(entries[3])
    other.leave(entries[1])
    one.leave(entries[0])


def test_left_without_an_entry(backend: ModuleType) -> None:
    histogram = new(backend)
    timer = histogram.time()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"^the timer was not entered$"):
            timer.__exit__(None, None, None)
        with timer, timer:
            pass
    assert count(histogram) == 4


def test_exit_stack(backend: ModuleType) -> None:
    histogram = new(backend)
    timer = histogram.time()
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            assert stack.enter_context(timer) is histogram
    assert count(histogram) == 50


def test_contexts_keep_nothing(backend: ModuleType) -> None:
    """An entry that was left is forgotten, so the timer is freed."""
    timer = new(backend).time()
    with timer, timer, timer:
        pass
    reference = weakref.ref(timer)
    del timer
    gc.collect()
    assert reference() is None


def test_the_timer_keeps_its_histogram(backend: ModuleType) -> None:
    histogram = new(backend)
    reference = weakref.ref(histogram)
    timer = histogram.time()
    del histogram
    gc.collect()
    with timer as found:
        assert found is reference()
    del timer, found
    gc.collect()
    assert reference() is None


def test_threads_race_for_one_timer(backend: ModuleType) -> None:
    histogram = new(backend)
    timer = histogram.time()
    rounds = 2000

    def act() -> None:
        for _ in range(rounds):
            with timer, timer:
                pass

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = histogram.snapshot()
    assert sum(snapshot.counts) == 4 * 2 * rounds
    assert snapshot.sum >= 0
    with pytest.raises(RuntimeError):
        timer.__exit__(None, None, None)


def test_repr_and_help(backend: ModuleType) -> None:
    histogram = backend.Histogram([0.5])
    histogram.observe(0.25)
    timer = histogram.time()
    assert repr(timer) == "<Timer of Histogram((0.5,), count=1, sum=0.25)>"
    for documented in (type(timer), timer.__call__):
        assert "generator function" in (inspect.getdoc(documented) or "")
    assert list(inspect.signature(timer).parameters) == ["function"]


# As a decorator


def test_decorated_function(backend: ModuleType) -> None:
    histogram = new(backend)

    @histogram.time()
    def handler(value: int, *, unit: str = "s") -> tuple[int, str]:
        """Answers."""
        return value, unit

    assert handler(3, unit="ms") == (3, "ms")
    assert count(histogram) == 1
    assert handler.__doc__ == "Answers."
    assert list(inspect.signature(handler).parameters) == ["value", "unit"]


def test_decorated_function_that_raises_and_recurs(backend: ModuleType) -> None:
    histogram = new(backend)

    @histogram.time()
    def descend(levels: int) -> None:
        if levels == 0:
            raise LookupError
        descend(levels - 1)

    with pytest.raises(LookupError):
        descend(3)
    assert count(histogram) == 4


def test_decorated_coroutine_function(backend: ModuleType) -> None:
    histogram = new(backend)

    @histogram.time()
    async def handler(finish: asyncio.Event) -> str:
        await finish.wait()
        return "done"

    async def main() -> None:
        finish = asyncio.Event()
        tasks = [asyncio.ensure_future(handler(finish)) for _ in range(3)]
        await asyncio.sleep(0)
        assert count(histogram) == 0
        finish.set()
        assert await asyncio.gather(*tasks) == ["done"] * 3

    assert inspect.iscoroutinefunction(handler)
    asyncio.run(main())
    assert count(histogram) == 3


@pytest.mark.parametrize("wrong", [None, 1, "text"], ids=repr)
def test_what_is_not_a_function_is_refused(backend: ModuleType, wrong: Any) -> None:
    with pytest.raises(TypeError):
        new(backend).time()(wrong)


@pytest.mark.parametrize(
    "call", [lambda timer: timer(), lambda timer: timer(len, len), lambda timer: timer(function=len)]
)
def test_one_function_and_nothing_else(backend: ModuleType, call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        call(new(backend).time())
