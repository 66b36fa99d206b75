"""Locks for explored programs: to wait for one is to hand over the baton, and a deadlock is seen at once.

While an exploration lasts, `threading.Lock`, `RLock` and what stands on them (Condition, Semaphore, Event,
Barrier, queue.Queue) are made from these, if the program's own set-up or threads make them. Locks made
before are real: who waits for one of those cannot be told from who computes, and counts as hanging.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stepping import SteppedThreads


class Block:
    """Why a thread cannot go on. A wait with a time limit ends when nobody else can go on either."""

    def __init__(self, over: Callable[[], bool], timed: bool) -> None:
        self._over = over
        self._timed = timed
        self.timed_out = False

    def over(self) -> bool:
        return self.timed_out or self._over()

    def give_up_waiting(self) -> bool:
        self.timed_out = self._timed
        return self._timed


class ExploredLock:
    """A threading.Lock. Only the thread that has the baton touches it, so plain attributes do."""

    def __init__(self, crew: SteppedThreads) -> None:
        self._crew = crew
        self._held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._held:
            if not blocking:
                return False
            block = Block(lambda: not self._held, timeout >= 0)
            self._crew.block(block)
            if block.timed_out:
                return False
        self._held = True
        return True

    def release(self) -> None:
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held = False

    def locked(self) -> bool:
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class ExploredRLock:
    """A threading.RLock, with what threading.Condition asks of one."""

    def __init__(self, crew: SteppedThreads) -> None:
        self._crew = crew
        self._owner: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = threading.get_ident()
        if self._owner not in (None, me):
            if not blocking:
                return False
            block = Block(lambda: self._owner is None, timeout >= 0)
            self._crew.block(block)
            if block.timed_out:
                return False
        self._owner = me
        self._count += 1
        return True

    def release(self) -> None:
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def locked(self) -> bool:
        return self._owner is not None

    def _is_owned(self) -> bool:
        return self._owner == threading.get_ident()

    def _release_save(self) -> int:
        count, self._count, self._owner = self._count, 0, None
        return count

    def _acquire_restore(self, count: int) -> None:
        self.acquire()
        self._count = count


class Patches:
    """Puts these locks in the place of threading's while it is entered, for the threads of one crew."""

    def __init__(self, crew: SteppedThreads) -> None:
        self._crew = crew
        self._explorer = threading.get_ident()
        self._before: dict[str, Any] = {}

    def _is_ours(self) -> bool:
        me = threading.get_ident()
        return me == self._explorer or any(worker.thread.ident == me for worker in self._crew.workers)

    def __enter__(self) -> Patches:
        crew = self._crew
        # Condition makes its waiters by the name _allocate_lock.
        for name, explored in (
            ("Lock", ExploredLock),
            ("RLock", ExploredRLock),
            ("_allocate_lock", ExploredLock),
        ):
            if hasattr(threading, name):
                self._before[name] = getattr(threading, name)
                setattr(threading, name, self._factory(crew, explored, self._before[name]))
        return self

    def _factory(
        self, crew: SteppedThreads, explored: Callable[[SteppedThreads], Any], real: Callable[[], Any]
    ) -> Callable[[], Any]:
        def make() -> Any:
            return explored(crew) if self._is_ours() else real()

        return make

    def __exit__(self, *_: object) -> None:
        for name, before in self._before.items():
            setattr(threading, name, before)
