"""The explorer on programs whose threads wait for each other, or do not end."""

import importlib
import queue
import sys
import threading
import time
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, RLock
from types import ModuleType
from typing import Any

import pytest

from atomicx import AtomicBool
from atomicx.verify.schedules import stepping
from atomicx.verify.schedules.explorer import (
    Explorer,
    NotDeterministic,
    assert_all_schedules,
    explore,
    replay,
)


class Box:
    """The state that the programs below share."""

    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.Lock()
        self.other = threading.Lock()


def add(box: Box) -> None:
    box.value += 1


def keep(box: Box) -> None:
    box.lock.acquire()


def both_counted(box: Box, _: Any) -> bool:
    return box.value == 2


def test_a_deadlock_is_seen_and_shown() -> None:
    def forwards(box: Box) -> None:
        with box.lock, box.other:
            box.value += 1

    def backwards(box: Box) -> None:
        with box.other, box.lock:
            box.value += 1

    failure = explore(Box, [forwards, backwards], both_counted).failure
    assert failure is not None
    assert "deadlock" in str(failure)
    assert_all_schedules(Box, [forwards, forwards], both_counted)


def test_a_lock_that_is_never_released_is_a_deadlock() -> None:
    failure = explore(Box, [keep, keep]).failure
    assert failure is not None
    assert "deadlock" in failure.reason


def test_a_wait_with_a_limit_gives_up_when_no_other_thread_can_go_on() -> None:
    def keep(box: Box) -> bool:
        return box.lock.acquire(timeout=1000)

    assert_all_schedules(Box, [keep, keep], lambda box, results: sorted(results) == [False, True])

    def attempt(box: Box) -> bool:
        return box.lock.acquire(blocking=False)

    assert_all_schedules(Box, [attempt, attempt], lambda box, results: sorted(results) == [False, True])


def test_what_stands_on_locks_is_explored_too() -> None:
    def put(q: Any) -> None:
        q.put(1)

    def get(q: Any) -> Any:
        return q.get()

    assert_all_schedules(queue.Queue, [put, get], lambda q, results: results[1] == 1, preemptions=None)
    failure = explore(queue.Queue, [get, get], None).failure
    assert failure is not None
    assert "deadlock" in failure.reason

    def wait(event: threading.Event) -> bool:
        return event.wait()

    def set_it(event: threading.Event) -> None:
        event.set()

    assert_all_schedules(threading.Event, [wait, wait, set_it])


def test_a_reentrant_lock_is_one() -> None:
    def twice(state: Any) -> None:
        with state[0], state[0]:
            state[1].append(len(state[1]))

    def setup() -> Any:
        return threading.RLock(), []

    assert_all_schedules(setup, [twice, twice], lambda state, _: state[1] == [0, 1])


def test_threads_that_wait_for_each_other_in_loops_do_not_end() -> None:
    def spin(box: Box) -> None:
        while not box.value:
            pass

    failure = explore(Box, [spin, spin], most_steps=500).failure
    assert failure is not None
    assert "does not end within 500 steps" in failure.reason


def test_a_thread_that_waits_in_a_loop_lets_the_others_go_on() -> None:
    def spin(box: Box) -> int:
        while not box.value:
            pass
        return box.value

    exploration = explore(Box, [spin, add], lambda box, results: results == (1, None), most_steps=500)
    assert exploration.ok, str(exploration)
    assert not exploration.complete, "nobody tries each round"


@pytest.mark.parametrize("right", [True, False])
def test_a_lock_that_spins_is_judged_by_what_it_does(right: bool) -> None:
    class Spinning:
        def __init__(self) -> None:
            self.value = 0
            self.taken = AtomicBool()

        def take(self) -> None:
            if right:
                while self.taken.test_and_set():
                    pass
            else:
                while self.taken.load():
                    pass
                self.taken.store(True)

    def locked(box: Spinning) -> None:
        box.take()
        box.value += 1
        box.taken.clear()

    exploration = explore(Spinning, [locked, locked], lambda box, _: box.value == 2)
    assert exploration.ok == right, str(exploration)
    assert exploration.executions < 2000


def test_a_schedule_in_which_a_thread_yielded_can_be_replayed() -> None:
    def spin(box: Box) -> int:
        while not box.value:
            pass
        return box.value

    def never(box: Box, _: Any) -> bool:
        return False

    failure = explore(Box, [spin, add], never, most_steps=500).failure
    assert failure is not None
    again = replay(Box, [spin, add], never, failure.schedule, most_steps=500)
    assert again is not None
    assert again.schedule == failure.schedule
    assert again.steps == failure.steps


def test_a_lock_from_before_hangs_and_is_reported() -> None:
    real = threading.Lock()

    def locked(box: Box) -> None:
        with real:
            box.value += 1

    before = threading.active_count()
    failure = explore(Box, [locked, locked], hang_seconds=0.3).failure
    assert failure is not None
    assert "hangs" in failure.reason
    assert "locked at" in failure.reason
    assert not real.locked(), "what a paused thread held, it gave back"
    # The thread that was given up soon ends by itself.
    end = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_locks_are_explored_by_whatever_name_a_module_knows_them() -> None:
    """`from threading import Lock` is another name for the function that makes locks."""

    class Bound:
        def __init__(self) -> None:
            self.value = 0
            self.lock, self.reentrant = Lock(), RLock()
            self.low = allocate_lock()

    def locked(box: Bound) -> None:
        with box.low, box.lock, box.reentrant, box.reentrant:
            box.value += 1

    names = Lock, RLock, allocate_lock
    assert_all_schedules(Bound, [locked, locked], lambda box, _: box.value == 2)
    assert names == (Lock, RLock, allocate_lock), "and are again what they were"
    assert type(Lock()) is type(threading.Lock())


LATE = """
from threading import Lock

class Locked:
    def __init__(self):
        self.lock, self.value = Lock(), 0

    def add(self):
        with self.lock:
            self.value += 1
"""


def add_both(explorer: Explorer, module: Any) -> None:
    threads = [lambda cell: cell.add()] * 2
    exploration = explorer.explore(module.Locked, threads, lambda cell, _: cell.value == 2)
    assert exploration.complete, str(exploration)


def test_a_module_that_is_imported_between_two_programs_is_known_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    with Explorer(hang_seconds=2) as explorer:
        for _ in range(2):
            (tmp_path / "locked_late.py").write_text(LATE)
            add_both(explorer, importlib.import_module("locked_late"))
            # As many modules as before, but different ones.
            del sys.modules["locked_late"]


def test_a_module_in_the_memory_of_one_that_is_gone_is_known_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with Explorer(hang_seconds=2) as explorer:
        gone: int | None = None
        for _ in range(2):
            others = []
            module = ModuleType("locked_late")
            while gone not in (None, id(module)) and len(others) < 1000:
                others.append(module)
                module = ModuleType("locked_late")
            exec(LATE, vars(module))
            monkeypatch.setitem(sys.modules, "locked_late", module)
            add_both(explorer, module)
            gone = id(module)
            del sys.modules["locked_late"], module


# What only `verify` sets


def test_a_wait_with_a_limit_can_end_although_the_lock_is_only_held_for_a_moment() -> None:
    def hasty(box: Box) -> None:
        has_lock = box.lock.acquire(timeout=60)
        box.value += 1
        if has_lock:
            box.lock.release()

    def again_and_again(box: Box) -> None:
        while not box.lock.acquire(timeout=60):
            pass
        box.value += 1
        box.lock.release()

    def plain(box: Box) -> None:
        with box.lock:
            box.value += 1

    with Explorer() as explorer:
        assert explorer.explore(Box, [plain, plain], both_counted).ok and not explorer.timed
        for body, impatient, ok in (
            (hasty, False, True),
            (hasty, True, False),
            (again_and_again, True, True),
        ):
            explorer.impatient = impatient
            assert explorer.explore(Box, [body, body], both_counted).ok is ok
            assert explorer.timed


def test_the_first_thread_can_make_the_state() -> None:
    makers: list[int] = []

    def setup() -> Box:
        makers.append(threading.get_ident())
        return Box()

    def number(_: Box) -> int:
        return threading.get_ident()

    def by_first(_: Box, results: Any) -> bool:
        return bool(results[0] == makers[-1])

    def refused() -> Box:
        raise ZeroDivisionError

    with Explorer() as explorer:
        assert not explorer.explore(setup, [number, number], by_first).ok
        explorer.first_makes = True
        assert explorer.explore(setup, [number, number], by_first).ok
        with pytest.raises(ZeroDivisionError):
            explorer.explore(refused, [number, number])
        assert explorer.explore(setup, [number, number], by_first).ok


def test_a_thread_that_is_not_explored_can_let_the_others_go_on() -> None:
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def serve() -> None:
        while (lock := orders.get()) is not None:
            lock.release()

    def served(box: Box) -> None:
        done = Lock()
        done.acquire()
        orders.put(done)
        done.acquire()
        with box.lock:
            box.value += 1

    helper = threading.Thread(target=serve)
    helper.start()
    try:
        with Explorer() as explorer:
            explorer.helpers = True
            for _ in range(20):
                # Without the GIL the helper may let one go on later in one execution than in another.
                with suppress(NotDeterministic):
                    found = explorer.explore(Box, [served, served], both_counted, preemptions=1, seconds=0.2)
                    assert found.ok, str(found)
                    return
            raise AssertionError("no exploration came to its end")
    finally:
        orders.put(None)
        helper.join()


@contextmanager
def another_thread(body: Callable[[threading.Event], Any]) -> Iterator[threading.Event]:
    """Have a thread that is not explored, and calls this with an event that is set when it is to end."""
    end = threading.Event()
    thread = threading.Thread(target=body, args=(end,))
    thread.start()
    try:
        yield end
    finally:
        end.set()
        thread.join()


def test_a_fault_beside_an_idle_thread_is_proved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    with another_thread(threading.Event.wait), Explorer() as explorer:
        explorer.helpers = True
        monkeypatch.setattr(time, "sleep", naps.append)
        failure = explorer.explore(Box, [add, add], both_counted).failure
    assert failure is not None and failure.conclusive and not naps


def test_a_deadlock_beside_an_idle_thread_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "HELP_SHARE", 0.005)
    with another_thread(threading.Event.wait) as end, Explorer() as explorer:
        explorer.helpers = True
        # At first it may still be on its way to where it waits.
        failures = (explorer.explore(Box, [keep, keep]).failure for _ in range(20))
        assert any(failure is not None and failure.conclusive for failure in failures)
        assert not end.is_set()


def test_a_deadlock_beside_a_thread_that_may_only_be_slow_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked, moved = threading.Event(), threading.Event()

    def move(end: threading.Event) -> None:
        looked.wait()
        moved.set()
        end.wait()

    def nap(_: float) -> None:
        looked.set()
        moved.wait()

    monkeypatch.setattr(stepping, "HELP_SHARE", 0.001)
    with another_thread(move), Explorer() as explorer:
        explorer.helpers = True
        monkeypatch.setattr(time, "sleep", nap)
        failure = explorer.explore(Box, [keep, keep]).failure
    assert failure is not None and "deadlock" in failure.reason
    assert not failure.conclusive


def test_a_planned_switch_waits_for_the_thread_that_is_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def serve(end: threading.Event) -> None:
        lock = orders.get()
        end.wait()
        lock.release()

    def served(_: Box) -> None:
        done = Lock()
        done.acquire()
        orders.put(done)
        done.acquire()

    with another_thread(serve) as end, Explorer() as explorer:
        explorer.helpers = True
        monkeypatch.setattr(time, "sleep", lambda _: end.set())
        assert explorer.replay(Box, [add, served], None, "ba1ba") is None


@pytest.mark.parametrize("impatient", [False, True])
def test_what_waits_with_a_limit_inside_of_the_library_does_not_watch_the_clock(impatient: bool) -> None:
    """Queue.get() waits again and again, without a step, until the clock says that it is late."""

    def setup() -> Any:
        items: queue.Queue[int] = queue.Queue()
        items.put(0)
        return items, threading.Semaphore()

    def count(state: Any) -> None:
        items, permits = state
        assert permits.acquire(timeout=600)
        permits.release()
        items.put(items.get(timeout=600) + 1)

    with Explorer() as explorer:
        explorer.impatient = impatient
        exploration = explorer.explore(
            setup, [count, count], lambda state, _: state[0].get() == 2, preemptions=1
        )
        assert exploration.complete and explorer.timed, str(exploration)


def test_a_crowd_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of a walk's executions may take long."""
    clock = [0.0]

    def setup() -> Box:
        clock[0] += 10
        return Box()

    with Explorer() as explorer:
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])
        crowd = explorer.crowd(setup, [add] * 3, None, walks=5, seed=1, seconds=25.0)
    assert crowd.executions == 3
