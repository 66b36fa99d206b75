"""Idioms of sets, heaps, deques, queues and caches. Items are int."""

from __future__ import annotations

import heapq
import queue
from collections import deque
from functools import lru_cache
from typing import Any

from .idiom import GUARANTEES, NEVER, SAFE, Table
from .sequences import MANY

CONTAINERS = Table()


@CONTAINERS.idiom("s.add(x)", contract=GUARANTEES, page=SAFE)
class SetAdd:
    def __init__(self) -> None:
        self.s: set[int] = set()

    def a(self) -> None:
        self.s.add(1)

    def b(self) -> None:
        self.s.add(2)

    def holds(self, a: None, b: None) -> bool:
        return self.s == {1, 2}


@CONTAINERS.idiom(
    "if x not in s: s.add(x)",
    instead="d.setdefault(x, token) is token",
    note="both may come first",
    page=NEVER,
)
class AddOnce:
    def __init__(self) -> None:
        self.s: set[int] = set()

    def a(self) -> bool:
        if 1 not in self.s:
            self.s.add(1)
            return True
        return False

    b = a

    def holds(self, a: bool, b: bool) -> bool:
        return a != b


@CONTAINERS.idiom("s.remove(x), s.discard(x), s.pop()", contract=GUARANTEES, page=SAFE)
class SetPop:
    def __init__(self) -> None:
        self.s = {1, 2}

    def a(self) -> int:
        return self.s.pop()

    b = a

    def holds(self, a: int, b: int) -> bool:
        return {a, b} == {1, 2}


@CONTAINERS.idiom("s |= other, s &= other, s -= other", contract=GUARANTEES, note="both are sets", page=SAFE)
class SetUpdate:
    def __init__(self) -> None:
        self.s: set[int] = set()

    def a(self) -> None:
        s = self.s
        s |= {1, 2, 3}

    def b(self) -> int:
        return len(self.s.copy())

    def holds(self, a: None, b: int) -> bool:
        return b in (0, 3)


@CONTAINERS.idiom("s | other, s & other, s - other", contract=GUARANTEES, note="both are sets", page=SAFE)
class SetUnion:
    def __init__(self) -> None:
        self.s = {1}

    def a(self) -> int:
        return len(self.s | {1})

    def b(self) -> None:
        self.s.update({2, 3})

    def holds(self, a: int, b: None) -> bool:
        return a in (1, 3)


@CONTAINERS.idiom(
    "self.s |= other", instead="s.update(other)", note="the write puts the same set back", page=NEVER
)
class SetUpdateOfAttribute:
    def __init__(self) -> None:
        self.s: set[int] = set()

    def a(self) -> None:
        self.s |= {1}

    def b(self) -> None:
        self.s |= {2}

    def holds(self, a: None, b: None) -> bool:
        return self.s == {1, 2}


@CONTAINERS.idiom("self.s = self.s | other", instead="s.update(other), or AtomicRef.update()", page=NEVER)
class SetReplace:
    def __init__(self) -> None:
        self.s: set[int] = set()

    def a(self) -> None:
        self.s = self.s | {1}

    def b(self) -> None:
        self.s = self.s | {2}

    def holds(self, a: None, b: None) -> bool:
        return self.s == {1, 2}


@CONTAINERS.idiom(
    "heapq.heappush(heap, x)",
    instead="queue.PriorityQueue",
    note="one call into C with the GIL; locks nothing without it before 3.14",
    crashes=True,
)
class HeapPush:
    def __init__(self) -> None:
        self.heap = [*range(MANY, 2 * MANY)]

    def a(self) -> None:
        heapq.heappush(self.heap, 1)

    def b(self) -> None:
        heapq.heappush(self.heap, 2)

    def holds(self, a: None, b: None) -> bool:
        heap = self.heap
        in_order = all(heap[(child - 1) // 2] <= heap[child] for child in range(1, len(heap)))
        return in_order and sorted(heap) == [1, 2, *range(MANY, 2 * MANY)]


@CONTAINERS.idiom(
    "deque.append(x), deque.popleft()", contract="collections.deque: thread-safe appends and pops"
)
class DequePopLeft:
    def __init__(self) -> None:
        self.items: deque[int] = deque((1, 2))

    def a(self) -> int:
        self.items.append(3)
        return self.items.popleft()

    def b(self) -> int:
        return self.items.popleft()

    def holds(self, a: int, b: int) -> bool:
        return {a, b} == {1, 2} and list(self.items) == [3]


@CONTAINERS.idiom("queue.put(x), queue.get()", contract="queue: multi-producer, multi-consumer")
class PutAndGet:
    def __init__(self) -> None:
        self.queue: queue.Queue[int] = queue.Queue()

    def a(self) -> None:
        self.queue.put(1)

    def b(self) -> None:
        self.queue.put(2)

    def holds(self, a: None, b: None) -> bool:
        return {self.queue.get(), self.queue.get()} == {1, 2}


@CONTAINERS.idiom(
    "if not queue.empty(): queue.get_nowait()", instead="get_nowait(), and catch Empty", raises=(queue.Empty,)
)
class GetIfAny:
    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.queue.put(1)

    def a(self) -> Any:
        return None if self.queue.empty() else self.queue.get_nowait()

    b = a

    def holds(self, a: Any, b: Any) -> bool:
        return not isinstance(a, queue.Empty) and not isinstance(b, queue.Empty)


@CONTAINERS.idiom(
    "@lru_cache, called once for each key",
    instead="d.setdefault(key, made)",
    note="may call it twice",
)
class Cached:
    def __init__(self) -> None:
        self.calls: list[int] = []
        self.cached = lru_cache(self.compute)

    def compute(self, number: int) -> int:
        self.calls.append(number)
        return number

    def a(self) -> int:
        return self.cached(7)

    b = a

    def holds(self, a: int, b: int) -> bool:
        return len(self.calls) == 1
