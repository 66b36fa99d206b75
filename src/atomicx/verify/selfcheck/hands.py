"""Other threads that do single calls, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import cycle
from queue import SimpleQueue


class Hands:
    """Threads that do what they are told in turns, and live until the block ends.

    If the count is 0, a new thread makes each call.
    """

    def __init__(self, count: int = 0) -> None:
        self.note = f", by one of {count} threads," if count else ", by a thread that is gone,"
        self._done: SimpleQueue[None] = SimpleQueue()
        self._orders: list[SimpleQueue[Callable[[], None] | None]] = [SimpleQueue() for _ in range(count)]
        self._next = cycle(self._orders)

    def __enter__(self) -> Hands:
        for orders in self._orders:
            threading.Thread(target=self._serve, args=(orders,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for orders in self._orders:
            orders.put(None)

    def _serve(self, orders: SimpleQueue[Callable[[], None] | None]) -> None:
        while (body := orders.get()) is not None:
            body()
            # Kept no longer than by the thread that asked for it.
            del body
            self._done.put(None)

    def do(self, body: Callable[[], None]) -> None:
        """Have the next thread call this, and wait until it has."""
        if self._orders:
            next(self._next).put(body)
            self._done.get()
        else:
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()


GONE = Hands()
"""A thread for each call, which has ended by the time its effect is checked."""
