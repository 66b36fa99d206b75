"""Threads on one Family: each child is made once, no child is lost, and the limit holds exactly."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import atomicx
from support.families import label
from support.race import must_be_caught, pause, race, require, stays_whole

KEYS = 300


class LateFamily:
    """Looks, then enters what it made: of two that looked, the second overwrites the first's child."""

    def __init__(self, limit: int | None = None) -> None:
        self.children: dict[Any, Any] = {}
        self.limit = limit

    def __getitem__(self, key: Any) -> Any:
        key = str(key)
        child = self.children.get(key)
        if child is None:
            full = self.limit is not None and len(self.children) >= self.limit
            pause()
            if full:
                raise ValueError
            child = self.children[key] = atomicx.Counter()
        return child

    def items(self) -> Any:
        return [((key,), child) for key, child in list(self.children.items())]

    def remove(self, key: Any) -> None:
        del self.children[str(key)]


class StaleSpellings(LateFamily):
    """Forgets the other spellings before the child, so that one may be entered in between, and stays."""

    def __init__(self) -> None:
        super().__init__()
        self.aliases: dict[int, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, int):
            return self.children.setdefault(key, atomicx.Counter())
        child = self.aliases.get(key)
        if child is None:
            child = self.aliases[key] = self[str(key)]
        return child

    def remove(self, key: Any) -> None:
        self.aliases.pop(key, None)
        pause()
        if self.children.pop(str(key), None) is None:
            raise KeyError


def counts_find_their_child(family: Any) -> None:
    """Two threads count under the same new labels, each with its own spelling."""

    def act(spell: Callable[[int], Any]) -> Callable[[], None]:
        def count() -> None:
            for key in range(KEYS):
                family[spell(key)].inc()

        return count

    race(act(int), act(str))
    counts = {labels: child.load() for labels, child in family.items()}
    require(counts == {(str(key),): 2 for key in range(KEYS)}, "a count went to a child that is not there")


def is_made(family: Any, key: int) -> bool:
    try:
        family[key].inc()
    except ValueError:
        return False
    return True


def the_limit_holds(family: Any) -> None:
    """There is room for 10 more children; two threads each try many more."""

    def act(first: int) -> Callable[[], int]:
        def make() -> int:
            return sum(is_made(family, key) for key in range(first, first + KEYS, 2))

        return make

    made = race(act(0), act(1))
    require(sum(made) == 10, f"{sum(made)} children were made where 10 are the limit")
    require(len(list(family.items())) == 10, "there are other children than were made")


def removed_children_are_gone(family: Any) -> None:
    """One removes a child and asks for it in two spellings, which must agree; the other asks for it too."""
    done: list[None] = []

    def remove() -> bool:
        one = True
        for _ in range(5 * KEYS):
            family["1"].inc()
            family.remove(1)
            one = one and family["1"] is family[1] and family[1] is family["1"]
        done.append(None)
        return one

    def count() -> None:
        while not done:
            family[1].inc()

    require(race(remove, count, naps=2)[0], "a removed child was found under another spelling")


def the_last_place_is_given_once_and_found_by_all(family: Any) -> None:
    """At the limit two threads ask for the same new label again and again: neither is refused a child that
    exists."""
    key = 0

    def ask() -> bool:
        return is_made(family, key)

    for key in range(10):
        require(all(race(ask, ask)), "a thread was refused the child that the other one made")
        family.remove(key)


def additions_in_place_are_accepted(family: Any) -> None:
    """One adds in place, the other clears and removes: an addition that raised would still have counted."""
    done: list[None] = []

    def add() -> bool:
        try:
            for number in range(3 * KEYS):
                family[label("both", number % 3)] += 1
        except (TypeError, ValueError):
            return False
        finally:
            done.append(None)
        return True

    def clear() -> None:
        while not done:
            family.clear()
            try:
                family.remove(label("both", 1))
            except KeyError:
                pause()

    require(race(add, clear, naps=2)[0], "an addition was refused after it had happened")


def items_are_of_one_moment(family: Any) -> None:
    """One thread moves a child from label to label, always making the next before it removes the last. So
    there is always one child or two; the other thread never sees none, nor three."""
    done: list[None] = []

    def move() -> None:
        for number in range(3 * KEYS):
            family[number + 1]
            family.remove(number)
        done.append(None)

    def look() -> bool:
        whole = True
        while not done:
            numbers = sorted(int(labels[0]) for labels, _ in family.items())
            whole = whole and numbers in ([numbers[0]], [numbers[0], numbers[0] + 1]) if numbers else False
        return whole

    family[0]
    require(race(move, look)[1], "items() showed children that were never there together")


class LockedAssignment(LateFamily):
    """Accepts only the child that is there at the moment."""

    def __setitem__(self, key: Any, child: Any) -> None:
        if self.children.get(str(key)) is not child:
            raise TypeError

    def clear(self) -> None:
        self.children.clear()


class SplitItems(LateFamily):
    """Reads which labels there are, and then looks up each of them."""

    def items(self) -> Any:
        for key in list(self.children):
            pause()
            child = self.children.get(key)
            if child is not None:
                yield (key,), child


class EarlyLimit(LateFamily):
    """Checks the limit before it looks for the child."""

    def __getitem__(self, key: Any) -> Any:
        full = self.limit is not None and len(self.children) >= self.limit
        pause()
        if full and not self.known(key):
            raise ValueError
        return self.children.setdefault(str(key), atomicx.Counter())

    def known(self, key: Any) -> bool:
        return False


def children(backend: ModuleType, **options: Any) -> Any:
    return backend.Family(backend.Counter, "key", **options)


@pytest.mark.parametrize(
    ("workload", "control", "options"),
    [
        (counts_find_their_child, LateFamily, {}),
        (the_limit_holds, LateFamily, {"limit": 10}),
        (removed_children_are_gone, StaleSpellings, {}),
        (the_last_place_is_given_once_and_found_by_all, EarlyLimit, {"limit": 1}),
        (additions_in_place_are_accepted, LockedAssignment, {}),
        (items_are_of_one_moment, SplitItems, {}),
    ],
    ids=lambda parameter: getattr(parameter, "__name__", ""),
)
def test_family(
    backend: ModuleType, workload: Callable[[Any], None], control: Callable[..., Any], options: dict[str, Any]
) -> None:
    stays_whole(workload, lambda: children(backend, **options))
    must_be_caught(workload, lambda: control(**options))
