"""Locks for explored programs: waiting for one hands over the baton, and a deadlock is seen at once.

While an exploration lasts, `threading.Lock`, `RLock` and everything built on them (Condition, Semaphore,
Event, Barrier, queue.Queue) are made from these, if the program's own set-up or threads make them. `install`
has all locks made from them, permanently, so that the locks of modules imported afterwards are explored too.
Elsewhere they behave like the real ones: each holds a real lock, and only the waiting of an explored thread
differs.

Locks that were made before are real: a thread that waits for one of those hangs.
"""

from __future__ import annotations

import _thread
import operator
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

_real_lock = _thread.allocate_lock
_real_rlock = _thread.RLock


class Block:
    """Why a thread cannot go on. A wait with a time limit also ends when no other thread can go on."""

    def __init__(self, over: Callable[[], bool], timed: bool) -> None:
        self._over = over
        self._timed = timed
        self.timed_out = False

    def over(self) -> bool:
        return self.timed_out or self._over()

    def give_up_waiting(self) -> bool:
        self.timed_out = self._timed
        return self._timed


class Stepper(Protocol):
    """What a lock needs from the object that runs the steps of the explored threads."""

    hang_seconds: float
    timed: bool
    """Set when a thread had to wait with a time limit."""

    def is_current(self) -> bool: ...
    def block(self, block: Block) -> None: ...

    def loses_patience(self) -> bool:
        """Return whether a wait with a time limit ends at once, as if the others took longer than that."""
        ...


explored_threads: dict[int, Stepper] = {}
"""Maps a thread's identity to what runs its steps; includes the exploring thread while it explores."""

impatient_threads: set[int] = set()
"""The identities of threads that do not wait for a lock. They get WouldWait, unless they are explored."""


class WouldWait(BaseException):
    """The lock is held, and the thread is one of those that do not wait."""


class ExploredLock:
    """A threading.Lock."""

    def __init__(self) -> None:
        self._real = _real_lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking or (timeout < 0 and timeout != -1):
            # The real lock also refuses arguments that are not allowed.
            return self._real.acquire(blocking, timeout)
        if self._real.acquire(False):
            return True
        threads = explored_threads.get(threading.get_ident())
        if threads is None:
            if threading.get_ident() in impatient_threads:
                raise WouldWait
            return self._real.acquire(blocking, timeout)
        if not threads.is_current():
            # The set-up or the check: no thread runs that could release it, unless it has threads of its own.
            limit = threads.hang_seconds if timeout < 0 else min(timeout, threads.hang_seconds)
            if self._real.acquire(True, limit) or limit == timeout:
                return self._real.locked()
            raise RuntimeError(
                "the lock is held by a thread of an explored program, which will not release it"
            )
        if timeout >= 0:
            threads.timed = True
            if threads.loses_patience():
                return False
        block = Block(lambda: not self._real.locked(), timeout >= 0)
        threads.block(block)
        # It was free when this thread got the baton, and no other thread has run since.
        return self._real.acquire(False)

    def release(self) -> None:
        self._real.release()

    def locked(self) -> bool:
        return self._real.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._real = _real_lock()


class ExploredRLock:
    """A threading.RLock, with the methods that threading.Condition needs."""

    def __init__(self) -> None:
        self._lock = ExploredLock()
        self._owner: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not self._is_owned():
            if not self._lock.acquire(blocking, timeout):
                return False
            self._owner = threading.get_ident()
        self._count += 1
        return True

    def release(self) -> None:
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        return self._owner == threading.get_ident()

    def _release_save(self) -> int:
        count, self._count, self._owner = self._count, 0, None
        self._lock.release()
        return count

    def _acquire_restore(self, count: int) -> None:
        self._lock.acquire()
        self._owner = threading.get_ident()
        self._count = count

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()
        self._owner = None
        self._count = 0


# Condition makes the locks of its waiters under the name _allocate_lock.
_NAMES = {"Lock": ExploredLock, "RLock": ExploredRLock, "_allocate_lock": ExploredLock}
_LOW_NAMES = {"allocate_lock": ExploredLock, "allocate": ExploredLock, "RLock": ExploredRLock}


def install() -> None:
    """Make every lock of this process explorable, from now on. This cannot be undone.

    Call it before importing the code to be explored, so that the locks of its modules and classes are
    explored like those that its objects make. Outside an exploration the locks behave like the real ones.
    """
    for name, explored in _NAMES.items():
        setattr(threading, name, explored)
    for name, explored in _LOW_NAMES.items():
        setattr(_thread, name, _unless_importing(explored, getattr(_thread, name)))


def _unless_importing(explored: Callable[[], Any], real: Callable[[], Any]) -> Callable[[], Any]:
    """Leave the import system's own locks as they are: it uses them before anything else works."""

    def make() -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        return real() if caller.startswith("importlib.") else explored()

    return make


Place = tuple[dict[str, Any], str, Any, Callable[[], Any]]


class Patches:
    """While entered, puts these locks in place of threading's, for explored threads only.

    It replaces them in every module that has them: `from threading import Lock` makes another name.
    """

    def __init__(self) -> None:
        # The modules themselves, not their identities: the identity of a deleted module may be used again.
        self._modules: list[Any] = []
        self._places: list[Place] = []

    def __enter__(self) -> Patches:
        # Looking through all modules takes longer than exploring a small program.
        modules = list(sys.modules.values())
        # By identity, because objects among the modules may define any comparison.
        if len(modules) != len(self._modules) or not all(map(operator.is_, modules, self._modules)):
            self._places = list(_places())
            self._modules = modules
        for namespace, name, _, factory in self._places:
            namespace[name] = factory
        return self

    def __exit__(self, *exc_info: object) -> None:
        for namespace, name, real, _ in self._places:
            namespace[name] = real


# The modules through which the interpreter makes its own locks.
_UNTOUCHED = {
    "_thread",
    "importlib",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "zipimport",
    "atomicx",
}


# Functions or classes that wrap those of _thread, or those themselves: it depends on the version.
_FACTORIES: tuple[tuple[Any, Any], ...] = (
    (_real_lock, ExploredLock),
    (_real_rlock, ExploredRLock),
    (threading.Lock, ExploredLock),
    (threading.RLock, ExploredRLock),
)


def _places() -> Iterator[Place]:
    """Yield each name of a lock factory in an imported module: where, its name, what it is, and ours."""
    factories = {id(real): (real, _for_explored_threads(real, explored)) for real, explored in _FACTORIES}
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] in _UNTOUCHED:
            continue
        namespace = getattr(module, "__dict__", None)
        if isinstance(namespace, dict):
            for name, value in list(namespace.items()):
                found = factories.get(id(value))
                if found is not None:
                    yield namespace, name, found[0], found[1]


def _for_explored_threads(real: Callable[[], Any], explored: Callable[[], Any]) -> Callable[[], Any]:
    def make() -> Any:
        return explored() if threading.get_ident() in explored_threads else real()

    return make
