"""Idioms of lists and bytearrays. Items are int, unless a row says otherwise."""

from __future__ import annotations

from typing import Any

from .dicts import Key
from .idiom import BOTH, GUARANTEES, NEVER, PARTLY, SAFE, Table

SEQUENCES = Table()

# Enough items for another thread to come while they are looked through.
MANY = 100


@SEQUENCES.idiom("l.append(x)", contract=BOTH, page=SAFE)
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
    "self.l = self.l + [x]",
    instead="AtomicRef.update()",
    note="copy on write needs a compare-and-swap",
    page=NEVER,
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
    "self.l += [x]",
    instead="l.append(x)",
    note="the write puts the same list back: harmless, but a write",
    page=NEVER,
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


@SEQUENCES.idiom(
    "l.extend(other)",
    contract=BOTH,
    note="if other is a list, tuple, set or dict; seen whole by l.copy()",
    page=SAFE,
)
class Extend:
    def __init__(self) -> None:
        self.items: list[int] = []

    def a(self) -> None:
        self.items.extend((1, 2, 3))

    def b(self) -> int:
        return len(self.items.copy())

    def holds(self, a: None, b: int) -> bool:
        return b in (0, 3)


@SEQUENCES.idiom("l[i] += 1", instead="a list of AtomicInts", page=NEVER)
class ElementAdd:
    def __init__(self) -> None:
        self.items = [0]

    def a(self) -> None:
        self.items[0] += 1

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.items == [2]


@SEQUENCES.idiom("l[i], l[j] = l[j], l[i]", instead="AtomicRef.update() of a tuple", page=NEVER)
class SwapElements:
    def __init__(self) -> None:
        self.items = [1, 2]

    def a(self) -> None:
        self.items[0], self.items[1] = self.items[1], self.items[0]

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.items == [1, 2]


@SEQUENCES.idiom("l.pop()", contract=BOTH, page=SAFE)
class Pop:
    def __init__(self) -> None:
        self.items = [1, 2]

    def a(self) -> int:
        return self.items.pop()

    b = a

    def holds(self, a: int, b: int) -> bool:
        return {a, b} == {1, 2}


@SEQUENCES.idiom("if l: l.pop()", instead="l.pop(), and catch IndexError", page=NEVER, raises=(IndexError,))
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
    page=PARTLY,
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
    page=NEVER,
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
    "l.sort()",
    instead="AtomicRef.update(sorted)",
    note="[1] says atomic; [2] says that the list looks empty meanwhile",
    page=NEVER,
)
class SortPlain:
    def __init__(self) -> None:
        self.items = [*range(MANY, 0, -1)]

    def a(self) -> None:
        self.items.sort()

    def b(self) -> int:
        return len(self.items)

    def holds(self, a: None, b: int) -> bool:
        return b == MANY


@SEQUENCES.idiom("l[i]", contract=BOTH, page=SAFE)
class GetItem:
    def __init__(self) -> None:
        self.items = [1]

    def a(self) -> int:
        return self.items[0]

    def b(self) -> None:
        self.items[0] = 2

    def holds(self, a: int, b: None) -> bool:
        return a in (1, 2)


@SEQUENCES.idiom("l[i] = x", contract=BOTH, page=SAFE)
class SetElement:
    def __init__(self) -> None:
        self.items = [0, 0]

    def a(self) -> None:
        self.items[0] = 1

    def b(self) -> None:
        self.items[1] = 2

    def holds(self, a: None, b: None) -> bool:
        return self.items == [1, 2]


@SEQUENCES.idiom("len(l)", note="one word; [2] promises it of dict, set and bytearray, and not of list")
class Length:
    def __init__(self) -> None:
        self.items = [1]

    def a(self) -> int:
        return len(self.items)

    def b(self) -> None:
        self.items.append(2)

    def holds(self, a: int, b: None) -> bool:
        return a in (1, 2)


@SEQUENCES.idiom(
    "x in l", instead="x in l.copy()", note="without the GIL, may miss an item that is moved", page=PARTLY
)
class Contains:
    def __init__(self) -> None:
        self.items: list[int] = list(range(MANY))

    def a(self) -> bool:
        return MANY - 1 in self.items

    def b(self) -> None:
        self.items.pop(0)

    def holds(self, a: bool, b: None) -> bool:
        return a


@SEQUENCES.idiom(
    "l.insert(i, x)", instead="deque.appendleft(x)", note="moves items: may be seen half done", page=PARTLY
)
class Insert:
    def __init__(self) -> None:
        self.items: list[int] = list(range(MANY))

    def a(self) -> None:
        self.items.insert(0, MANY)

    def b(self) -> int:
        return self.items.count(MANY - 1)

    def holds(self, a: None, b: int) -> bool:
        return b == 1 and self.items[0] == MANY


@SEQUENCES.idiom(
    "l.pop(i)", instead="deque.popleft()", note="moves items: may be seen half done", page=PARTLY
)
class PopAt:
    def __init__(self) -> None:
        self.items: list[int] = list(range(MANY))

    def a(self) -> int:
        return self.items.pop(0)

    def b(self) -> int:
        return self.items.count(MANY - 1)

    def holds(self, a: int, b: int) -> bool:
        return (a, b) == (0, 1)


@SEQUENCES.idiom("l[i:j] = other", contract=BOTH, note="if other is a list", page=SAFE)
class SetSlice:
    def __init__(self) -> None:
        self.items = [0] * 4

    def a(self) -> None:
        self.items[1:3] = [1, 1]

    def b(self) -> list[int]:
        return self.items.copy()

    def holds(self, a: None, b: list[int]) -> bool:
        return b in ([0, 0, 0, 0], [0, 1, 1, 0])


@SEQUENCES.idiom("l[i:j]", instead="l.copy()", note="one call into C; [2] promises only l.copy()")
class GetSlice:
    def __init__(self) -> None:
        self.items = [0] * 4

    def a(self) -> list[int]:
        return self.items[1:3]

    def b(self) -> None:
        self.items[1:3] = [1, 1]

    def holds(self, a: list[int], b: None) -> bool:
        return a in ([0, 0], [1, 1])


@SEQUENCES.idiom(
    "batch, self.l = self.l, []  during  append",
    instead="l.pop() or deque.popleft() until IndexError",
    note="what is appended to the batch afterwards is lost",
    page=NEVER,
)
class TakeAndReplace:
    def __init__(self) -> None:
        self.items = [1]

    def a(self) -> int:
        batch, self.items = self.items, []
        return len(batch)

    def b(self) -> None:
        self.items.append(2)

    def holds(self, a: int, b: None) -> bool:
        return a + len(self.items) == 2


# Bytearrays. Without the GIL they have a lock of their own since 3.14; 3.13 may crash.


@SEQUENCES.idiom(
    "bytearray.append(x), bytearray.pop()",
    contract=GUARANTEES,
    note="since 3.14; not locked without the GIL before",
    page=SAFE,
    crashes=True,
)
class BytearrayAppend:
    def __init__(self) -> None:
        self.buffer = bytearray()

    def a(self) -> None:
        self.buffer.append(1)

    def b(self) -> None:
        self.buffer.append(2)

    def holds(self, a: None, b: None) -> bool:
        return sorted(self.buffer) == [1, 2]


@SEQUENCES.idiom(
    "bytearray[i:j] = other",
    contract=GUARANTEES,
    note="if other is a bytearray; since 3.14, as above",
    page=SAFE,
    crashes=True,
)
class BytearraySlice:
    def __init__(self) -> None:
        self.buffer = bytearray(MANY)
        self.other = bytearray([1] * MANY)

    def a(self) -> None:
        self.buffer[:] = self.other

    def b(self) -> int:
        return sum(self.buffer[:])

    def holds(self, a: None, b: int) -> bool:
        return b in (0, MANY)


@SEQUENCES.idiom("bytearray[i] += 1", instead="SharedInt, on eight of its bytes", page=NEVER)
class BytearrayAdd:
    def __init__(self) -> None:
        self.buffer = bytearray(1)

    def a(self) -> None:
        self.buffer[0] += 1

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.buffer[0] == 2


@SEQUENCES.idiom(
    "bytearray + other, bytearray == other",
    instead="bytes(buffer[:])",
    note="may see half of what another thread writes",
    page=PARTLY,
    crashes=True,
)
class BytearrayConcat:
    def __init__(self) -> None:
        self.buffer = bytearray(MANY)
        self.other = bytearray([1] * MANY)

    def a(self) -> None:
        self.buffer[:] = self.other

    def b(self) -> int:
        return sum(self.buffer + b"")

    def holds(self, a: None, b: int) -> bool:
        return b in (0, MANY)
