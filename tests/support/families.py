"""Families and their labels, and threads that use one family in every way.

The control is a dict under a lock, as in most libraries.
"""

import os
import signal
import threading
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

KNOWN = 20
CHILD_SECONDS = 60
CONTROL_SECONDS = 0.5


def label(name: str, number: int) -> str:
    """Return a str made at run time: not interned, not hashed yet, and not shared with another thread."""
    return "".join([name, "-", str(number)])


def run_time(text: str) -> str:
    """Return the same text, not interned, and not hashed yet."""
    return "".join([text[:1], text[1:]])


def family_of(backend: ModuleType, child: str, *names: str, **options: Any) -> Any:
    return backend.Family(getattr(backend, child), *(names or ("method", "status")), **options)


class Text(str):
    """A str whose __str__ says something else."""

    def __str__(self) -> str:
        return "another text"

    def __hash__(self) -> int:
        raise AssertionError("the hash of a user's class was asked for")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a user's class was compared")


def requests(backend: ModuleType, **options: Any) -> Any:
    return backend.Family(backend.Counter, "method", "status", **options)


class LockedFamily:
    """A dict under a lock. A child process forked while a thread holds the lock waits for ever."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory
        self.lock = threading.Lock()
        self.children: dict[tuple[Any, ...], Any] = {}

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        with self.lock:
            child = self.children.get(key)
            if child is None:
                child = self.children[key] = self.factory()
            return child

    def inc(self, *values: Any) -> None:
        self[values].inc()

    def remove(self, *values: Any) -> None:
        with self.lock:
            del self.children[values]

    def clear(self) -> None:
        with self.lock:
            self.children.clear()

    def items(self) -> Any:
        with self.lock:
            return list(self.children.items())


def new_family(module: ModuleType) -> Any:
    return module.Family(module.Counter, "name", "number")


def use(family: Any, name: str, turn: int) -> None:
    """Use children that others made, make one, iterate and remove."""
    for number in range(KNOWN):
        family.inc(label("known", number), number)
        family[label("known", number), str(number)].inc()
    family[label(name, turn), turn].inc()
    family.inc(label(name, turn), turn)
    found = dict(family.items())
    own = label(name, turn), str(turn)
    if isinstance(family, LockedFamily):
        own = label(name, turn), turn  # type: ignore[assignment]
    try:
        family.remove(*own)
    except KeyError:
        assert name != "child", "what the child made is not there"
    else:
        assert name != "child" or found[own].load() == 2


class Users:
    """Threads that use a family until they are stopped; one of them clears it from time to time."""

    def __init__(self, family: Any, threads: int = 3, daemon: bool = False) -> None:
        self.family = family
        self.stopped = False
        self.failures: list[BaseException] = []
        self.threads = [
            threading.Thread(target=self.run, args=(number,), daemon=daemon) for number in range(threads)
        ]

    def run(self, thread: int) -> None:
        turn = 0
        try:
            while not self.stopped:
                use(self.family, f"thread-{thread}", turn)
                turn += 1
                if thread == 0 and turn % 20 == 0:
                    self.family.clear()
        except BaseException as failure:
            self.failures.append(failure)

    def __enter__(self) -> "Users":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopped = True
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures


def status_of_child(family: Any, seconds: float) -> int:
    """Fork a child that uses the family, and return its status. The alarm ends one that hangs."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    status = 1
    try:
        for turn in range(3):
            use(family, "child", turn)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def hung(status: int) -> bool:
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
