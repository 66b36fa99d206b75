"""A Family in the situations where a lock around the children, or a shared dict, would get stuck."""

import gc
import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from types import ModuleType
from typing import Any

from lifecycle.programs.forks import FORK_WARNING, without_fork
from lifecycle.programs.signals import TIMER_SECONDS, without_timers
from support.child import program
from support.families import (
    CHILD_SECONDS,
    CONTROL_SECONDS,
    LockedFamily,
    Users,
    hung,
    label,
    new_family,
    status_of_child,
    use,
)
from support.race import hasty_switching

FORKS = int(os.environ.get("ATOMICX_FORKS", "60"))
CONTROL_FORKS = 500
COME_AND_GO = 100_000
AT_ONCE = 100


@program(unless=without_fork, ignored_warnings=(FORK_WARNING,))
def forked_children_use_it(module: ModuleType) -> None:
    """While threads hit, make, remove and clear labels, no child hangs. Children of the control do."""
    control = LockedFamily(module.Counter)
    statuses = fork_while_threads_use_it(module, FORKS)
    assert statuses == [0] * FORKS, statuses
    with hasty_switching(), Users(control):
        assert any(hung(status_of_child(control, CONTROL_SECONDS)) for _ in range(CONTROL_FORKS)), (
            "no child of the control hung, so that the others did not proves nothing"
        )


def fork_while_threads_use_it(module: ModuleType, forks: int) -> list[int]:
    """Fork children that use a family while threads do. Return their statuses."""
    family = new_family(module)
    with hasty_switching(), Users(family):
        return [status_of_child(family, CHILD_SECONDS) for _ in range(forks)]


@program(dev=False)
def finalizers_that_are_delayed_use_it(module: ModuleType) -> None:
    """Since 3.14 the interpreter delays the release of some objects to the next operation on any container.

    A finalizer then runs inside that operation, and comes back to the family that its object is a part of.
    """
    family = module.Family(module.AtomicInt, "kind", limit=1000, overflow="other")
    count = finalized = 0

    class Tattle:
        def __del__(self) -> None:
            nonlocal finalized
            finalized += 1
            family.inc(label("closed", finalized))
            family[label("closed", finalized)].inc()
            family.remove(label("closed", finalized))

    class Holder:
        pass

    holder = Holder()
    maker = threading.Thread(target=lambda: family["x"])
    maker.start()
    maker.join()
    for count in range(10_000):
        for _ in range(count % 3 + 1):
            holder.__dict__ = {"tattle": Tattle()}
        family.inc(label("open", count))
        list(family.items())
        family.clear()
    holder.__dict__ = {}
    gc.collect()
    assert finalized >= count, finalized


@program()
def daemons_use_it_while_the_interpreter_ends(module: ModuleType) -> None:
    Users(new_family(module), threads=4, daemon=True).__enter__()
    time.sleep(0.1)


@program(unless=without_timers)
def signal_handlers_use_it(module: ModuleType) -> None:
    family = module.Family(module.Counter, "name", "number")
    handled = 0

    def handle(*_: object) -> None:
        nonlocal handled
        family.inc("both", 1)
        use(family, "handler", handled)
        handled += 1
        signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)
    turn = 0
    while handled < 300:
        family.inc("both", "1")
        use(family, "main", turn)
        turn += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert family["both", 1].load() == turn + handled


class Interrupt(Exception):
    pass


@program(unless=without_timers)
def handlers_that_raise_leave_it_whole(module: ModuleType) -> None:
    family = new_family(module)
    raised = 0

    def handle(*_: object) -> None:
        nonlocal raised
        raised += 1
        raise Interrupt

    turns = 0

    def count_until_interrupted() -> None:
        nonlocal turns
        with suppress(Interrupt):
            signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)
            while True:
                family.inc("counted", 1)
                turns += 1
                family.inc(label("new", turns), turns)
                family.remove(label("new", turns), turns)

    signal.signal(signal.SIGALRM, handle)
    while raised < 100:
        count_until_interrupted()
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert turns <= family["counted", 1].load() <= turns + raised
    assert len(family) <= 1 + raised


def peak_kib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


@program(dev=False)
def labels_that_come_and_go_take_no_memory(module: ModuleType) -> None:
    """Some children stay, and a hundred thousand come and go: only those that stay take memory."""
    family = module.Family(module.Counter, "name")
    rounds = COME_AND_GO if module.__name__.endswith("_core") else COME_AND_GO // 20

    def come_and_go(first: int, end: int) -> None:
        for number in range(first, end):
            family.inc(label("label", number))
            family.remove(label("label", number - AT_ONCE))

    for number in range(AT_ONCE):
        family.inc(label("label", number))
    come_and_go(AT_ONCE, rounds // 2)
    before = peak_kib()
    come_and_go(rounds // 2, rounds)
    assert len(family) == AT_ONCE
    assert peak_kib() - before < 4096, f"{before} KiB became {peak_kib()}"
    family.clear()
    gc.collect()


@program(dev=False)
def finalizers_of_children_change_the_family(module: ModuleType) -> None:
    """Released when the family is consistent: they make, remove, clear, and bring children back to life."""
    alive: list[Any] = []
    ended = 0

    class Mortal:
        def __init__(self) -> None:
            self.again = [self]

        def inc(self) -> None:
            pass

        def __del__(self) -> None:
            nonlocal ended
            ended += 1
            if ended % 3 == 0:
                alive.append(self)
            if ended % 5 == 0 and ended < 2000:
                family.clear()
            if ended < 2000:
                family.inc(label("made", ended))

    family = module.Family(Mortal, "name")
    for number in range(1000):
        family.inc(label("label", number))
        if number % 50 == 0:
            gc.collect()
    family.clear()
    ended = 2000
    alive.clear()
    family.clear()
    gc.collect()
    family.clear()
    gc.collect()
    assert list(family.items()) == []
