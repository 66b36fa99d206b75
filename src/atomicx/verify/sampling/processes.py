"""Actors as processes, for cells that processes share.

A batch runs as with threads, except that its actors are children, forked for that batch. They share the
states' memory and send their results through a pipe. Processes run at the same time with the GIL too, so it
hides nothing here: a cell that is atomic only among the threads of one process is caught.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import time
import traceback
import warnings
from mmap import mmap
from typing import Any

from ..litmus import Actor
from .crew import MOST_LEGS, ActorFailure, Meeting, pin_to_core
from .noise import BatchNoise, Walk


class Processes:
    """The actors of one run: children, each forked for one batch and gone after it."""

    failure: ActorFailure | None = None

    def __init__(self, actors: tuple[Actor, ...], patience_seconds: float) -> None:
        self._actors = actors
        self._patience_seconds = patience_seconds
        self._memory = mmap(-1, 8 * len(actors))
        self._arrived = memoryview(self._memory).cast("q")

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._arrived.release()
        self._memory.close()

    def run(self, states: list[Any], plan: BatchNoise) -> list[list[Any]]:
        for me in range(len(self._actors)):
            self._arrived[me] = 0
        children: list[tuple[int, int]] = []
        try:
            children.extend(self._start(me, states, walk) for me, walk in enumerate(plan.walks))
            return self._columns([pipe for _, pipe in children])
        finally:
            for process, pipe in children:
                os.close(pipe)
                os.kill(process, signal.SIGKILL)  # a child that has sent its column has nothing more to do
                os.waitpid(process, 0)

    def _start(self, me: int, states: list[Any], walk: Walk) -> tuple[int, int]:
        """Fork the child of an actor; return it and the pipe that its column comes through."""
        receiver, sender = os.pipe()
        with warnings.catch_warnings():
            # The warning is about threads that the child does not have: the child does not need them.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process:
            os.close(sender)
            return process, receiver
        try:
            with open(sender, "wb") as pipe:
                pickle.dump(self._act(me, states, walk), pipe)
        finally:
            os._exit(0)

    def _act(self, me: int, states: list[Any], walk: Walk) -> list[Any] | str:
        """Return the column of an actor, or what it raised."""
        try:
            pin_to_core(me)
            column: list[Any] = [None] * len(states)
            body = self._actors[me].prepare()
            Meeting(self._arrived).walk(me, MOST_LEGS, body, states, column, walk)
            return column
        except BaseException as error:
            self._arrived[me] = 2 * MOST_LEGS  # the others must not wait for this one
            return "".join(traceback.format_exception(error)).rstrip()

    def _columns(self, pipes: list[int]) -> list[list[Any]]:
        columns: list[list[Any]] = []
        for actor, sent in zip(self._actors, self._received(pipes), strict=True):
            column = pickle.loads(sent) if sent else f"did not end within {self._patience_seconds:g} s"
            if isinstance(column, str):
                self.failure = self.failure or ActorFailure(actor.name, None, column)
            else:
                columns.append(column)
        return columns

    def _received(self, pipes: list[int]) -> list[bytes]:
        """Return all that comes through each pipe until it ends; nothing if it does not end in time."""
        received: dict[int, list[bytes]] = {pipe: [] for pipe in pipes}
        ended: set[int] = set()
        until = time.monotonic() + self._patience_seconds
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map() and (left := until - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if part := os.read(key.fd, 2**16):
                        received[key.fd].append(part)
                    else:
                        selector.unregister(key.fd)
                        ended.add(key.fd)
        return [b"".join(received[pipe]) if pipe in ended else b"" for pipe in pipes]
