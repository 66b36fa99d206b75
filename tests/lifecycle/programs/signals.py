"""Signal handlers that use the same cells as the main thread is using when the signal comes."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from support.cells import Cells
from support.child import program
from support.race import hasty_switching

TIMER_SECONDS = 100e-6
SIGNALS = 3000
NESTED = 3


def without_timers(backend: str) -> str | None:
    return None if hasattr(signal, "setitimer") else f"{sys.platform} has no interval timers"


class Handler:
    """Beats the cells, and counts how often. A signal may interrupt the handler of another.

    The next signal is requested only after this one is counted; otherwise handlers would nest without end
    where a beat is slow.
    """

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.begun = 0
        self.beats = 0

    def __call__(self, *_: object) -> None:
        self.begun += 1
        self.ask_for_more()
        self.cells.beat()
        self.beats += 1

    def ask_for_more(self) -> None:
        """Request the next signal. From here on it may already interrupt this handler."""

    @property
    def is_nested(self) -> bool:
        """Return whether the next signal should wait until this handler is done."""
        return self.begun - self.beats >= NESTED


class Rearming(Handler):
    """Restarts the timer, and so interrupts itself until it is stopped."""

    stopped = False

    def __call__(self, *_: object) -> None:
        if self.stopped:
            return
        super().__call__()
        signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)

    def ask_for_more(self) -> None:
        if not self.is_nested:
            signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)


@program(unless=without_timers)
def a_timer_fires_into_operations(module: ModuleType) -> None:
    cells = Cells(module)
    handler = Rearming(cells)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)
    beats = 0
    while handler.beats < SIGNALS:
        cells.beat()
        beats += 1
    handler.stopped = True
    signal.setitimer(signal.ITIMER_REAL, 0)
    cells.check(beats + handler.beats)


@program(unless=without_timers)
def a_thread_sends_signals_into_operations(module: ModuleType) -> None:
    cells = Cells(module)
    handler = Handler(cells)
    signal.signal(signal.SIGUSR1, handler)
    main = threading.get_ident()

    def send() -> None:
        for sent in range(1, SIGNALS + 1):
            signal.pthread_kill(main, signal.SIGUSR1)
            while handler.begun < sent or handler.is_nested:
                time.sleep(0)

    sender = threading.Thread(target=send)
    beats = 0
    with hasty_switching():
        sender.start()
        while sender.is_alive() or not handler.beats:
            cells.beat()
            beats += 1
    sender.join()
    cells.check(beats + handler.beats)


@program()
def signals_are_raised_inside_functions_and_conversions(module: ModuleType) -> None:
    cell = module.AtomicInt()
    reference = module.AtomicRef(0)
    counter = module.Counter()
    handled = 0

    def handle(*_: object) -> None:
        nonlocal handled
        handled += 1
        cell.inc()
        reference.update(lambda number: number + 1)
        counter.inc()

    signal.signal(signal.SIGINT, handle)

    class Operand:
        def __index__(self) -> int:
            signal.raise_signal(signal.SIGINT)
            return 1

    def adding() -> Callable[[int], int]:
        """Return a function that is interrupted only the first time; otherwise it would never win."""
        calls = 0

        def add(number: int) -> int:
            nonlocal calls
            calls += 1
            if calls == 1:
                signal.raise_signal(signal.SIGINT)
            return number + 1

        return add

    for _ in range(1000):
        cell.add(Operand())
        counter.add(Operand())
        cell.fetch_update(adding())
        reference.update(adding())
    assert handled == 4000, handled
    assert cell.load() == 2000 + handled, cell.load()
    assert reference.load() == 1000 + handled, reference.load()
    assert counter.load() == 1000 + handled, counter.load()


class Interrupt(Exception):
    pass


@program(unless=without_timers)
def handlers_that_raise_leave_the_cells_whole(module: ModuleType) -> None:
    """An interrupted operation happened or did not happen, and the next one works."""
    cells = Cells(module)
    raised = 0

    def handle(*_: object) -> None:
        nonlocal raised
        raised += 1
        raise Interrupt

    beats = 0

    def beat_until_interrupted() -> None:
        nonlocal beats
        with suppress(Interrupt):
            signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)
            while True:
                cells.beat()
                beats += 1

    signal.signal(signal.SIGALRM, handle)
    while raised < SIGNALS // 10:
        beat_until_interrupted()
    cells.check_between(beats, beats + raised)
    before = cells.loads()
    cells.beat()
    assert cells.loads() == {name: value + 1 for name, value in before.items()}


@program(unless=without_timers)
def updates_that_defeat_themselves_can_be_interrupted(module: ModuleType) -> None:
    """If the function changes the cell itself, update never wins; Ctrl-C must still end it."""
    integer = module.AtomicInt(1)
    number = module.AtomicFloat(1.0)
    reference = module.AtomicRef(0)

    def change_integer(now: int) -> int:
        integer.advance(now)
        return now

    def change_float(now: float) -> float:
        number.store(-now)
        return now

    def change_reference(now: Any) -> Any:
        reference.store(object())
        return now

    signal.signal(signal.SIGALRM, signal.default_int_handler)
    for update in (
        lambda: integer.update(change_integer),
        # No Python code runs in this loop: the operation itself has to check for signals.
        lambda: integer.update(integer.advance),
        lambda: integer.fetch_update(integer.advance),
        lambda: number.update(change_float),
        lambda: number.fetch_update(change_float),
        lambda: reference.update(change_reference),
        lambda: reference.fetch_update(change_reference),
    ):
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        try:
            update()
        except KeyboardInterrupt:
            continue
        raise AssertionError("update won against a function that always changes the cell")


@program()
def a_function_that_changes_the_cell_once_is_run_again(module: ModuleType) -> None:
    cell = module.AtomicInt()
    reference = module.AtomicRef("first")
    seen: list[Any] = []

    def add(now: int) -> int:
        seen.append(now)
        if len(seen) == 1:
            cell.store(10)
        return now + 1

    def replace(now: str) -> str:
        seen.append(now)
        if len(seen) == 1:
            reference.store("second")
        return now + "!"

    assert cell.update(add) == 11 and seen == [0, 10] and cell.load() == 11
    seen.clear()
    assert reference.fetch_update(replace) == "second" and seen == ["first", "second"]
    assert reference.load() == "second!"
