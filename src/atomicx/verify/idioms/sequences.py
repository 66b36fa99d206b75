"""Idioms of lists, sets, deques, queues and caches. Items are int, unless a row says otherwise."""

from __future__ import annotations

import queue
from collections import deque
from functools import lru_cache
from typing import Any

from .dicts import Key
from .idiom import BOTH, GUARANTEES, Table

SEQUENCES = Table()


# Lists


@SEQUENCES.idiom("l.append(x)", contract=BOTH)
class Append:
    def __init__(self) -> None:
        self.items: list[int] = []

    def a(self) -> None:
        self.items.append(1)

    def b(self) -> None:
        self.items.append(2)

    def holds(self, a: None, b: None) -> bool:
        return sorted(self.items) == [1, 2]


@SEQUENCES.idiom(
    "self.l = self.l + [x]", instead="AtomicRef.update()", note="copy on write needs a compare-and-swap"
)
class CopyOnWrite:
    def __init__(self) -> None:
        self.items: list[int] = []

    def a(self) -> None:
        self.items = [*self.items, 1]

    def b(self) -> None:
        self.items = [*self.items, 2]

    def holds(self, a: None, b: None) -> bool:
        return sorted(self.items) == [1, 2]


@SEQUENCES.idiom(
    "self.l += [x]", instead="l.append(x)", note="the write puts the same list back: harmless, but a write"
)
class ExtendInPlace:
    def __init__(self) -> None:
        self.items: list[int] = []

    def a(self) -> None:
        self.items += [1]

    def b(self) -> None:
        self.items += [2]

    def holds(self, a: None, b: None) -> bool:
        return sorted(self.items) == [1, 2]


@SEQUENCES.idiom("l.extend(other)", contract=BOTH, note="seen whole, if other is a list, tuple, set or dict")
class Extend:
    def __init__(self) -> None:
        self.items: list[int] = []

    def a(self) -> None:
        self.items.extend((1, 2, 3))

    def b(self) -> int:
        return len(self.items.copy())

    def holds(self, a: None, b: int) -> bool:
        return b in (0, 3)


@SEQUENCES.idiom("l[i] += 1", instead="a list of AtomicInts")
class ElementAdd:
    def __init__(self) -> None:
        self.items = [0]

    def a(self) -> None:
        self.items[0] += 1

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.items == [2]


@SEQUENCES.idiom("l[i], l[j] = l[j], l[i]", instead="AtomicRef.update() of a tuple")
class SwapElements:
    def __init__(self) -> None:
        self.items = [1, 2]

    def a(self) -> None:
        self.items[0], self.items[1] = self.items[1], self.items[0]

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.items == [1, 2]


@SEQUENCES.idiom("l.pop()", contract=BOTH)
class Pop:
    def __init__(self) -> None:
        self.items = [1, 2]

    def a(self) -> int:
        return self.items.pop()

    b = a

    def holds(self, a: int, b: int) -> bool:
        return {a, b} == {1, 2}


@SEQUENCES.idiom("if l: l.pop()", instead="l.pop(), and catch IndexError", raises=(IndexError,))
class PopIfAny:
    def __init__(self) -> None:
        self.items = [1]

    def a(self) -> Any:
        if self.items:
            return self.items.pop()
        return None

    b = a

    def holds(self, a: Any, b: Any) -> bool:
        return (
            {a, b} == {1, None} if not isinstance(a, IndexError) and not isinstance(b, IndexError) else False
        )


@SEQUENCES.idiom(
    "l.remove(x), items with own __eq__",
    instead="a dict",
    note="may remove another item than it compared",
    raises=(ValueError,),
)
class Remove:
    def __init__(self) -> None:
        self.items = [Key("x"), Key("y"), Key("z")]

    def a(self) -> None:
        self.items.remove(Key("y"))

    def b(self) -> None:
        self.items.pop(0)

    def holds(self, a: None, b: None) -> bool:
        return [item.name for item in self.items] == ["z"]


@SEQUENCES.idiom(
    "l.sort(key=f)",
    instead="AtomicRef.update(sorted)",
    note="for others the list is empty while it is sorted",
)
class Sort:
    def __init__(self) -> None:
        self.items = [2, 1]

    def key(self, item: int) -> int:
        return item

    def a(self) -> None:
        self.items.sort(key=self.key)

    def b(self) -> int:
        return len(self.items)

    def holds(self, a: None, b: int) -> bool:
        return b == 2


@SEQUENCES.idiom("sorted(l)", note="the copy is made by one call; what it compares is its own")
class Sorted:
    def __init__(self) -> None:
        self.items = [2, 1]

    def a(self) -> list[int]:
        return sorted(self.items)

    def b(self) -> None:
        self.items.extend((4, 3))

    def holds(self, a: list[int], b: None) -> bool:
        return a in ([1, 2], [1, 2, 3, 4])


@SEQUENCES.idiom(
    "len(l), x in l, l[i]", contract=GUARANTEES, note="each on its own: together they are several steps"
)
class Length:
    def __init__(self) -> None:
        self.items = [1]

    def a(self) -> int:
        return len(self.items)

    def b(self) -> None:
        self.items.append(2)

    def holds(self, a: int, b: None) -> bool:
        return a in (1, 2)


# Sets, deques, queues, caches


@SEQUENCES.idiom("s.add(x)", note="documented for list and dict, not for set")
class SetAdd:
    def __init__(self) -> None:
        self.s: set[int] = set()

    def a(self) -> None:
        self.s.add(1)

    def b(self) -> None:
        self.s.add(2)

    def holds(self, a: None, b: None) -> bool:
        return self.s == {1, 2}


@SEQUENCES.idiom(
    "if x not in s: s.add(x)", instead="d.setdefault(x, token) is token", note="both may come first"
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


@SEQUENCES.idiom(
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


@SEQUENCES.idiom("queue.put(x), queue.get()", contract="queue: multi-producer, multi-consumer")
class PutAndGet:
    def __init__(self) -> None:
        self.queue: queue.Queue[int] = queue.Queue()

    def a(self) -> None:
        self.queue.put(1)

    def b(self) -> None:
        self.queue.put(2)

    def holds(self, a: None, b: None) -> bool:
        return {self.queue.get(), self.queue.get()} == {1, 2}


@SEQUENCES.idiom(
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


@SEQUENCES.idiom(
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
