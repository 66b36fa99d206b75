"""Actors as threads: one thread per actor, and nappers that take their cores away."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import Any

from ..litmus import Actor
from .crew import MOST_LEGS, NAP_SECONDS, ActorFailure, Meeting, gil_enabled, pin_to_core
from .noise import BatchNoise

NAPPERS = 4
NAPPERS_WITH_GIL = 2
SHORTEST_SWITCH_INTERVAL_SECONDS = 1e-6
FAREWELL_SECONDS = 2.0


class _Open:
    """Stands for the result of an actor that has not come to a state."""

    __slots__ = ()


_OPEN = _Open()


class Threads:
    """The threads of one run: one per actor, and nappers. Each shared entry is written by only one thread.

    The coordinator writes `_batch` and `_stop`; each actor writes its own entry of `_arrived` and `_columns`.
    Semaphores hand the batch over and back, and with it the order of memory.
    """

    failure: ActorFailure | None = None

    def __init__(self, actors: tuple[Actor, ...], patience_seconds: float) -> None:
        self._actors = actors
        self._patience_seconds = patience_seconds
        self._batch: tuple[list[Any], BatchNoise] | None = None
        self._stop = False
        self._napping = False
        self._arrived = [0] * len(actors)
        self._meeting = Meeting(self._arrived)
        self._columns: list[list[Any]] = [[] for _ in actors]
        # The same, while the actors fill them in.
        self._going: list[list[Any]] = [[] for _ in actors]
        self._failures: list[ActorFailure] = []
        self._wake = [threading.Semaphore(0) for _ in actors]
        self._done = threading.Semaphore(0)
        # Daemons, so that an actor that never ends cannot keep the process from ending.
        self._threads = [
            threading.Thread(target=part, args=(index,), daemon=True)
            for part, count in (
                (self._act, len(actors)),
                (self._nap, NAPPERS_WITH_GIL if gil_enabled() else NAPPERS),
            )
            for index in range(count)
        ]

    def __enter__(self) -> Threads:
        self._switch_interval_seconds = sys.getswitchinterval()
        try:
            for thread in self._threads:
                thread.start()
            sys.setswitchinterval(SHORTEST_SWITCH_INTERVAL_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        try:
            for wake in self._wake:
                wake.release()
            until = time.monotonic() + FAREWELL_SECONDS
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join(max(0.0, until - time.monotonic()))
        finally:
            sys.setswitchinterval(self._switch_interval_seconds)

    def run(self, states: list[Any], plan: BatchNoise) -> list[list[Any]]:
        self._batch = states, plan
        self._columns = [[] for _ in self._actors]
        self._going = [[_OPEN] * len(states) for _ in self._actors]
        self._napping = plan.nappers
        for wake in self._wake:
            wake.release()
        until, open_before = time.monotonic() + self._patience_seconds, len(self._actors) * len(states)
        for _ in self._actors:
            while not self._done.acquire(timeout=max(0.0, until - time.monotonic())):
                still_open = sum(each is _OPEN for column in self._going for each in column)
                if still_open == open_before:
                    self.failure = self._stalled()
                    return []
                # On a machine that is so busy, what goes on is not stuck.
                until, open_before = time.monotonic() + self._patience_seconds, still_open
        if self._failures:
            self.failure = self._failures[0]
        return self._columns

    def _stalled(self) -> ActorFailure:
        # An actor that ended has put a column there, and no batch is empty.
        late = [actor.name for actor, column in zip(self._actors, self._columns, strict=True) if not column]
        return ActorFailure(", ".join(late), None, f"did not end within {self._patience_seconds:g} s")

    def _act(self, me: int) -> None:
        pin_to_core(me)
        turn = 0
        body = None
        while True:
            self._wake[me].acquire()
            if self._stop or self._batch is None:
                return
            turn += 1
            column: list[Any] = []
            try:
                if body is None:
                    body = self._actors[me].prepare()
                states, plan = self._batch
                column = self._going[me] = [_OPEN] * len(states)
                self._meeting.walk(me, turn * MOST_LEGS, body, states, column, plan.walks[me])
            except BaseException as error:
                # Whatever it is, the coordinator has to know of it: it waits for this actor.
                text = "".join(traceback.format_exception(error)).rstrip()
                self._failures.append(ActorFailure(self._actors[me].name, error, text))
            finally:
                # At the gate too: the others must not wait for an actor that failed before it.
                self._arrived[me] = (turn + 1) * MOST_LEGS - 1
                self._columns[me] = column
                self._done.release()

    def _nap(self, index: int) -> None:
        pin_to_core(index)
        while not self._stop:
            time.sleep(NAP_SECONDS if self._napping else 20 * NAP_SECONDS)
