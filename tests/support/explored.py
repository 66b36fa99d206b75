"""Shared by the tests of programs of calls: what an exploration must find, and a broken object."""

import threading
from collections.abc import Callable
from typing import Any

from atomicx.verify import Exploration

INC, LOAD, DRAIN = ("inc",), ("load",), ("drain",)


def convicted(exploration: Exploration) -> str:
    """Return the report of the failure, which must exist."""
    assert exploration.failure is not None, str(exploration)
    assert exploration.failure.conclusive
    return str(exploration.failure)


def proved(exploration: Exploration) -> Exploration:
    assert exploration.complete, str(exploration)
    return exploration


class SplitInt:
    """Reads and writes in two steps."""

    def __init__(self) -> None:
        self.value = 0

    def load(self) -> int:
        return self.value

    def store(self, value: int) -> None:
        self.value = value

    def inc(self) -> None:
        self.value += 1

    def exchange(self, value: int) -> int:
        previous, self.value = self.value, value
        return previous

    def compare_exchange(self, expected: int, desired: int) -> int:
        if self.value == expected:
            self.value = desired
            return expected
        return self.value


def guarded(broken: type[Any]) -> type[Any]:
    """The same class, with each of its methods under one lock."""

    def under_lock(method: Callable[..., Any]) -> Callable[..., Any]:
        def locked(self: Any, *arguments: Any) -> Any:
            with self.lock:
                return method(self, *arguments)

        return locked

    def __init__(self: Any) -> None:
        self.lock = threading.RLock()
        broken.__init__(self)

    methods = {name: under_lock(method) for name, method in vars(broken).items() if name[0] != "_"}
    return type(f"Guarded{broken.__name__}", (broken,), {**methods, "__init__": __init__})
