"""Idioms of dicts. Keys are str, unless a row says otherwise."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from typing import Any

from .idiom import BOTH, GUARANTEES, NEVER, PARTLY, SAFE, Table

DICTS = Table()


class Key:
    """A key whose hash and equality are Python code, which can be interrupted like any other."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.name == other.name


@DICTS.idiom("d[key] += 1", instead="d[key].inc(), with AtomicInts in d", page=NEVER)
class ItemAdd:
    def __init__(self) -> None:
        self.d = {"k": 0}

    def a(self) -> None:
        self.d["k"] += 1

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.d["k"] == 2


@DICTS.idiom("d[key] = d.get(key, 0) + 1", instead="d.setdefault(key, AtomicInt()).inc()", page=NEVER)
class GetAndSet:
    def __init__(self) -> None:
        self.d: dict[str, int] = {}

    def a(self) -> None:
        self.d["k"] = self.d.get("k", 0) + 1

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.d["k"] == 2


@DICTS.idiom("counter[key] += 1  (collections.Counter)", instead="d.setdefault(key, AtomicInt()).inc()")
class CounterAdd:
    def __init__(self) -> None:
        self.counter: Counter[str] = Counter()

    def a(self) -> None:
        self.counter["k"] += 1

    b = a

    def holds(self, a: None, b: None) -> bool:
        return self.counter["k"] == 2


@DICTS.idiom("d[key] = value", contract=BOTH, page=SAFE)
class SetItem:
    def __init__(self) -> None:
        self.d: dict[str, int] = {}

    def a(self) -> None:
        self.d["a"] = 1

    def b(self) -> None:
        self.d["b"] = 2

    def holds(self, a: None, b: None) -> bool:
        return self.d == {"a": 1, "b": 2}


@DICTS.idiom("d.setdefault(key, value)", contract=GUARANTEES, page=SAFE)
class SetDefault:
    def __init__(self) -> None:
        self.d: dict[str, object] = {}

    def a(self) -> object:
        return self.d.setdefault("k", object())

    b = a

    def holds(self, a: object, b: object) -> bool:
        return a is b


@DICTS.idiom("if key not in d: d[key] = make()", instead="d.setdefault(key, made)", page=NEVER)
class AddIfMissing:
    def __init__(self) -> None:
        self.d: dict[str, object] = {}

    def a(self) -> object:
        if "k" not in self.d:
            self.d["k"] = object()
        return self.d["k"]

    b = a

    def holds(self, a: object, b: object) -> bool:
        return a is b


@DICTS.idiom("d.pop(key, None)", contract=GUARANTEES, page=SAFE)
class PopItem:
    def __init__(self) -> None:
        self.d = {"k": 1}

    def a(self) -> Any:
        return self.d.pop("k", None)

    b = a

    def holds(self, a: Any, b: Any) -> bool:
        return {a, b} == {1, None}


@DICTS.idiom("if key in d: del d[key]", instead="d.pop(key, None)", page=NEVER, raises=(KeyError,))
class DeleteIfThere:
    def __init__(self) -> None:
        self.d = {"k": 1}

    def a(self) -> None:
        if "k" in self.d:
            del self.d["k"]

    b = a

    def holds(self, a: Any, b: Any) -> bool:
        return a is b is None


@DICTS.idiom(
    "d.update(other)",
    contract=BOTH,
    note="if other is a dict; a reader sees all of it in one call, as d.copy()",
    page=SAFE,
)
class Update:
    def __init__(self) -> None:
        self.d: dict[str, int] = {}

    def a(self) -> None:
        self.d.update({"x": 1, "y": 1})

    def b(self) -> int:
        return len(self.d.copy())

    def holds(self, a: None, b: int) -> bool:
        return b in (0, 2)


@DICTS.idiom(
    "d.update(other), keys with own __eq__",
    instead="AtomicRef.update() of a whole dict",
    note="a reader may see half of it",
    page=PARTLY,
)
class UpdateOfKeys:
    def __init__(self) -> None:
        self.d: dict[Any, int] = {Key("other"): 0}

    def a(self) -> None:
        self.d.update({Key("x"): 1, Key("y"): 1})

    def b(self) -> int:
        return len(self.d.copy())

    def holds(self, a: None, b: int) -> bool:
        return b in (1, 3)


@DICTS.idiom(
    "d.setdefault(key, value), keys with own __eq__",
    note="while __eq__ runs, others may change the dict",
    page=PARTLY,
)
class SetDefaultOfKeys:
    def __init__(self) -> None:
        self.d: dict[Any, object] = {Key("other"): object()}

    def a(self) -> object:
        return self.d.setdefault(Key("k"), object())

    b = a

    def holds(self, a: object, b: object) -> bool:
        return a is b


@DICTS.idiom(
    "for key in d",
    instead="for key in d.copy()",
    note="RuntimeError: changed size",
    page=NEVER,
    raises=(RuntimeError,),
)
class Iterate:
    def __init__(self) -> None:
        self.d = {"x": 1, "y": 2}

    def a(self) -> int:
        number = 0
        for _ in self.d:
            number += 1
        return number

    def b(self) -> None:
        self.d["z"] = 3

    def holds(self, a: Any, b: None) -> bool:
        return a in (2, 3)


@DICTS.idiom("list(d)", instead="d.copy()", note="one call into C, but [2] promises only d.copy()")
class ListOfDict:
    def __init__(self) -> None:
        self.d = {"x": 1, "y": 2}

    def a(self) -> int:
        return len(list(self.d))

    def b(self) -> None:
        self.d["z"] = 3

    def holds(self, a: Any, b: None) -> bool:
        return a in (2, 3)


@DICTS.idiom("d.copy(), d | other", contract=GUARANTEES, page=SAFE)
class CopyOfDict:
    def __init__(self) -> None:
        self.d = {"x": 1, "y": 2}

    def a(self) -> int:
        return len(self.d | {"x": 0})

    def b(self) -> None:
        self.d.update({"v": 3, "w": 4})

    def holds(self, a: int, b: None) -> bool:
        return a in (2, 4)


@DICTS.idiom("d |= other", contract=GUARANTEES, note="if other is a dict", page=SAFE)
class MergeInPlace:
    def __init__(self) -> None:
        self.d: dict[str, int] = {}

    def a(self) -> None:
        d = self.d
        d |= {"x": 1, "y": 1}

    def b(self) -> int:
        return len(self.d.copy())

    def holds(self, a: None, b: int) -> bool:
        return b in (0, 2)


@DICTS.idiom("dict.fromkeys(other)", contract=GUARANTEES, note="if other is a dict or a set", page=SAFE)
class FromKeys:
    def __init__(self) -> None:
        self.names = {"x", "y"}

    def a(self) -> int:
        return len(dict.fromkeys(self.names))

    def b(self) -> None:
        self.names.update({"v", "w"})

    def holds(self, a: int, b: None) -> bool:
        return a in (2, 4)


@DICTS.idiom("d.popitem()", contract=GUARANTEES, page=SAFE)
class PopLast:
    def __init__(self) -> None:
        self.d = {"x": 1, "y": 2}

    def a(self) -> tuple[str, int]:
        return self.d.popitem()

    b = a

    def holds(self, a: tuple[str, int], b: tuple[str, int]) -> bool:
        return {a, b} == {("x", 1), ("y", 2)}


@DICTS.idiom(
    "defaultdict(list)[key].append(x)",
    instead="d.setdefault(key, []).append(x)",
    note="two threads may each make a list for the key",
)
class AppendToDefault:
    def __init__(self) -> None:
        self.d: defaultdict[str, list[int]] = defaultdict(list)

    def a(self) -> None:
        self.d["k"].append(1)

    def b(self) -> None:
        self.d["k"].append(2)

    def holds(self, a: None, b: None) -> bool:
        return sorted(self.d["k"]) == [1, 2]


@DICTS.idiom(
    "@cached_property, computed once",
    instead="AtomicRef.compare_and_set(None, made)",
    note="computed twice since 3.12, which took its lock away",
)
class CachedProperty:
    def __init__(self) -> None:
        calls: list[int] = []

        def compute(_: Any) -> object:
            calls.append(1)
            return object()

        self.calls = calls
        # Each sample has its own class: until 3.11 the property has one lock for all objects.
        self.lazy: Any = type("Lazy", (), {"value": cached_property(compute)})()

    def a(self) -> object:
        return self.lazy.value

    b = a

    def holds(self, a: object, b: object) -> bool:
        return len(self.calls) == 1
