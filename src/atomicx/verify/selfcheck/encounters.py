"""Two threads that meet on one cell: what each does, and whether the outcome can be explained.

Most are made from the rows of the specification, one pair of operations each. What a Family promises about
the children themselves, that a key has one and items() misses none, needs the few that are written here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

from ..remembered import remembered
from ..spec.families import FAMILY
from ..spec.model import Arguments, Model, Operation, Promise
from .access import OVERFLOW, Access, has_raised
from .inputs import edge_arguments, listing, random_arguments
from .promises import Overlap
from .used import used_cell

# For each pair this many overlaps are tried, the most telling of those that are drawn: those in which a lost
# write shows, and those in which it shows that a result was taken too late.
OVERLAPS = 5
LATE = 2
DRAWN = 60
# One encounter in this many is on a cell that was used before.
USED = 4
# Plus one in which the value stays the same, found among this many arguments.
TRIED = 40

Call = Callable[[Any], Any]


class Encounter(Protocol):
    """Two calls on one cell, or three."""

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations."""
        ...

    def setup(self, access: Access) -> Any:
        """Return a cell to meet on."""
        ...

    def calls(self, access: Access) -> tuple[Call, ...]:
        """Return what the threads do to it."""
        ...

    def judged(self, access: Access, cell: Any, results: Sequence[Any]) -> tuple[str | None, str]:
        """Return what explains the results, or None; and then what came, and what was expected."""
        ...


@dataclass(frozen=True)
class Pair:
    """Two operations of the specification; telling if a lost write, or half a write, would show."""

    overlap: Overlap
    telling: bool = False
    unmoved: bool = False
    """The second call leaves the value that the first one expects."""
    used: bool = False
    """Whether the cell was used before."""

    @property
    def operations(self) -> tuple[str, str]:
        return self.overlap.first.name, self.overlap.second.name

    @property
    def is_finite(self) -> bool:
        """Whether no number in a possible outcome is infinite."""
        return is_finite(self.overlap.in_order)

    def __str__(self) -> str:
        return f"{self.overlap}{', not for the first time' if self.used else ''}"

    def setup(self, access: Access) -> Any:
        overlap = self.overlap
        if not self.used:
            return access.make(overlap.state)
        steps = (overlap.first, overlap.first_arguments), (overlap.second, overlap.second_arguments)
        return used_cell(access, overlap.state, steps)

    def calls(self, access: Access) -> tuple[Call, Call]:
        overlap, outcome = self.overlap, access.outcome
        return (
            lambda cell: outcome(overlap.first, cell, overlap.first_arguments),
            lambda cell: outcome(overlap.second, cell, overlap.second_arguments),
        )

    def judged(self, access: Access, cell: Any, results: Sequence[Any]) -> tuple[str | None, str]:
        first, second = results
        found = (first, second, access.state(cell))
        explained = self.overlap.explained(found)
        if explained is not None:
            return explained, ""
        return None, f"{self.overlap.told(found)}; expected: {', or '.join(self.overlap.expected())}"


def _pairs_of(access: Access, row: Operation, seed: int) -> list[Pair]:
    """Return the operation's pairs with all its partners. Cells and controls share them: drawn once."""
    key = (id(access.model), row.name, access.wraps, access.lacks, seed)
    if key not in _KNOWN:
        dice = random.Random(f"{seed} {row.name}")
        drawn = [pair for other in partners(access, row) for pair in pairs(access, row, other, dice)]
        _KNOWN[key] = access.model, drawn
    return _KNOWN[key][1]


# The model is kept, so that no other model gets its address.
_KNOWN: dict[tuple[Any, ...], tuple[Model, list[Pair]]] = {}


def pairs(access: Access, first: Operation, second: Operation, dice: random.Random) -> list[Pair]:
    """Return overlaps of the two in which a lost write would show, or else some that have two outcomes."""
    model = access.model
    telling: list[Pair] = []
    late: list[Pair] = []
    others: list[Pair] = []
    for number in range(DRAWN):
        if len(telling) >= OVERLAPS and (len(late) >= LATE or number >= DRAWN // 3):
            break
        overlap = _drawn(model, first, second, dice)
        orders, lost, after = overlap.in_order, overlap.lost, overlap.late
        if any(_is_nan(value) for outcome in (*orders, *lost, *after) for value in outcome):
            continue  # of one that was computed the bits are not known, by which it would be compared
        if access.wraps and any(OVERFLOW in outcome for outcome in orders):
            continue
        if not all(map(overlap.explained, lost)):
            telling.append(Pair(overlap, telling=True))
        elif not all(map(overlap.explained, after)):
            late.append(Pair(overlap))
        elif not overlap.matches(*orders):
            reads = not (changes(model, first) and changes(model, second))
            others.append(Pair(overlap, telling=reads))
        else:
            others = others or [Pair(overlap)]
    chosen = [*telling[:OVERLAPS], *late[:LATE]]
    chosen = [*chosen, *others[::-1]][: OVERLAPS + LATE]
    chosen = [replace(each, used=number % USED == USED - 1) for number, each in enumerate(chosen)]
    if compares_values(first):
        chosen += _unmoved(model, first, second, dice)
    return chosen


def compares_values(row: Operation) -> bool:
    """Return whether it has an expected value."""
    return any(parameter.name == "expected" for parameter in row.parameters or ())


def _unmoved(model: Model, compare: Operation, other: Operation, dice: random.Random) -> list[Pair]:
    """Return a pair in which the other leaves the expected value, so that the comparison cannot fail."""
    for state in dice.sample(model.edge_states, len(model.edge_states)):
        wanted = [values[1] for values in compare.arguments if not model.same(values[1], state)]
        idle = [
            arguments
            for arguments in (*other.arguments, *islice(edge_arguments(other, state), TRIED))
            if _leaves(model, other, state, arguments)
        ]
        if wanted and idle:
            return [
                Pair(
                    Overlap(model, state, compare, (state, dice.choice(wanted)), other, dice.choice(idle)),
                    unmoved=True,
                )
            ]
    return []


def _leaves(model: Model, row: Operation, state: Any, arguments: Arguments) -> bool:
    left, result = row.apply(state, arguments)
    return not has_raised(result) and model.same(left, state) and not _is_nan(left)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def is_finite(value: Any) -> bool:
    """Return whether all numbers in it are finite: an addition to an infinite sum does not show."""
    if isinstance(value, tuple):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _drawn(model: Model, first: Operation, second: Operation, dice: random.Random) -> Overlap:
    state = dice.choice(model.edge_states)
    arguments = [_arguments(first, state, dice), _arguments(second, state, dice)]
    for row, mine, other, its in ((first, 0, second, 1), (second, 1, first, 0)):
        if row.most and row.parameters and row.parameters[0].name == "expected" and dice.random() < 0.25:
            # It fails at first, and would not fail if the other had run before it.
            arguments[mine] = (other.apply(state, arguments[its])[0], *arguments[mine][1:])
    return Overlap(model, state, first, arguments[0], second, arguments[1])


def _arguments(row: Operation, state: Any, dice: random.Random) -> Arguments:
    names = {parameter.name for parameter in row.parameters or ()}
    labels = any(parameter.variadic for parameter in row.parameters or ())
    # A comparison is more telling with arguments that suit the state, and a label if the others have it, too.
    share = 0.3 if names & {"expected", "limit"} else 0.9 if labels else 0.6
    if row.arguments and dice.random() < share:
        return dice.choice(row.arguments)
    return random_arguments(row, state, dice)


# They look up a child, and then count in it: two steps, but like one as long as no thread removes the child.
COUNTED = ("__getitem__", "labels", "inc", "dec", "add", "store", "__setitem__")
REMOVING = ("remove", "clear")


@remembered
def concurrent(access: Access) -> list[Operation]:
    """Return the operations that take effect at one moment, so they can be compared with the two orders.

    Not those whose result no state changes, such as `Histogram.bounds`.
    """
    of_family = COUNTED if access.model.promise is Promise.CHILDREN else ()
    return [
        row
        for row in access.operations
        if (row.atomic or row.name in of_family) and row.arguments and _depends(access.model, row)
    ]


def _depends(model: Model, row: Operation) -> bool:
    if changes(model, row):
        return True
    results = [row.apply(state, arguments)[1] for state in model.edge_states for arguments in row.arguments]
    return not all(model.agrees(row, results[0], result) for result in results)


def changes(model: Model, row: Operation) -> bool:
    """Return whether the operation changes anything."""
    key = id(model), row.name
    if key not in _CHANGES:
        _CHANGES[key] = model, model.changes(row)
    return _CHANGES[key][1]


_CHANGES: dict[tuple[int, str], tuple[Model, bool]] = {}


@remembered
def partners(access: Access, row: Operation) -> list[Operation]:
    """Return every operation that changes something, and this one."""
    changing = [other for other in concurrent(access) if changes(access.model, other)]
    if not row.atomic:
        changing = [other for other in changing if other.name not in REMOVING]
    elif row.name in REMOVING:
        changing = [other for other in changing if other.atomic]
    return changing if row in changing else [*changing, row]


def meets(access: Access, row: Operation) -> bool:
    """Return whether the operation takes part in any encounter."""
    return row in concurrent(access) or bool(_of_family(access, row))


def _of_family(access: Access, row: Operation) -> list[Encounter]:
    if access.model.promise is not Promise.CHILDREN:
        return []
    return [each for each in FAMILY_ENCOUNTERS if row.name in each.operations and each.suits(access)]


def encounters(access: Access, row: Operation, seed: int) -> list[Encounter]:
    """Return all encounters of the operation, in random order."""
    found: list[Encounter] = _of_family(access, row)
    if row in concurrent(access):
        found += _pairs_of(access, row, seed)
    random.Random(f"{seed} {row.name} order").shuffle(found)
    return found


# Family: the children themselves


class _Met:
    """A family, and the children that it had before."""

    def __init__(self, family: Any) -> None:
        self.family = family
        self.before = dict(family.items())


@dataclass(frozen=True)
class FamilyEncounter:
    """Two calls on a family with these children; `wrong` says what is wrong with the outcome, or None."""

    operations: tuple[str, str]
    text: str
    children: tuple[tuple[str, str], ...]
    first: Call
    second: Call
    wrong: Callable[[Any, Any, dict[Any, Any], dict[Any, Any]], str | None]
    full: bool = False
    used: bool = False
    """Whether the family had children before, which were removed."""

    def __str__(self) -> str:
        has = ", ".join(map(repr, self.children)) or "no children"
        return f"{self.text} on a family that has {has}{', and had others' if self.used else ''}"

    def suits(self, access: Access) -> bool:
        """Return whether the families have what this needs."""
        return not any(name in access.lacks for name in (*self.operations, "items")) and not (
            self.full and access.unlimited
        )

    def setup(self, access: Access) -> Any:
        state = tuple((key, number) for number, key in enumerate(self.children))
        return _Met(used_cell(access, state) if self.used else access.make(state))

    def calls(self, access: Access) -> tuple[Call, Call]:
        first, second = self.first, self.second
        return lambda met: first(met.family), lambda met: second(met.family)

    def judged(self, access: Access, cell: Any, results: Sequence[Any]) -> tuple[str | None, str]:
        first, second = results
        after = dict(cell.family.items())
        wrong = self.wrong(first, second, cell.before, after)
        return ("as promised", "") if wrong is None else (None, wrong)


_A, _B, _C, _D = ("GET", "200"), ("PUT", "200"), ("GET", "404"), ("PUT", "404")


class Getting:
    """Gets a child; a refusal is a result too."""

    def __init__(self, *key: Any) -> None:
        self.key = key

    def __call__(self, family: Any) -> Any:
        try:
            return family[self.key]
        except Exception as error:
            return type(error)


class Removing:
    """Removes a child."""

    def __init__(self, *key: Any) -> None:
        self.key = key

    def __call__(self, family: Any) -> Any:
        try:
            return family.remove(*self.key)
        except Exception as error:
            return type(error)


class Counting:
    """Counts in a child, by the operation of this name; an error is a result, too."""

    def __init__(self, name: str) -> None:
        self.row = FAMILY[name]

    def __call__(self, family: Any) -> Any:
        try:
            return self.row.call(family, _A)
        except Exception as error:
            return error

    def wrong(self, first: Any, _: Any, __: dict[Any, Any], after: dict[Any, Any]) -> str | None:
        """Return what is wrong if a child is removed meanwhile: it is gone, or a new one has counted."""
        if isinstance(first, Exception):
            return f"{self.row.name} raises {type(first).__name__}: {first}"
        ((_, expected),), _ = self.row.apply((), _A)
        if _A not in after or after[_A].load() == expected:
            return None
        return f"a child holds {after[_A].load()} after it; expected: {expected}, or no child"


def clearing(family: Any) -> Any:
    """Remove all children."""
    return family.clear()


def removing_and_getting(family: Any) -> Any:
    """Remove a child, and make another for its key."""
    Removing(*_A)(family)
    return Getting(*_A)(family)


def _one_child(first: Any, second: Any, _: Any, after: dict[Any, Any]) -> str | None:
    if first is not second:
        return "each got a child of its own for the same labels"
    return (
        None
        if after.get(_A) is first
        else "the family has another child for these labels than the one it returned"
    )


def _both_children(first: Any, second: Any, _: Any, after: dict[Any, Any]) -> str | None:
    kept = after.get(_A) is first and after.get(_B) is second and len(after) == 2
    return None if kept else f"two children were made, and the family has {list(after)}"


def _one_refused(first: Any, second: Any, _: Any, after: dict[Any, Any]) -> str | None:
    if len(after) > 3:
        return f"the limit is 3, and there are {len(after)} children"
    refused = [first, second].count(ValueError)
    return None if refused == 1 else f"there was room for one of the two, and {refused} were refused"


def _old_or_new(first: Any, _: Any, before: dict[Any, Any], after: dict[Any, Any]) -> str | None:
    if first is before[_A] and _A not in after:
        return None
    if first is not before[_A] and after.get(_A) is first:
        return None
    return "the child it returned is neither the one that was removed nor the one that is there"


def _listed(first: Any, _: Any, before: dict[Any, Any], after: dict[Any, Any]) -> str | None:
    if isinstance(first, Exception):
        return f"items() raises {type(first).__name__}: {first}"
    keys = [key for key, _ in first]
    if len(set(keys)) != len(keys):
        return f"items() gives a child twice: {keys}"
    always = {key for key in before if after.get(key) is before[key]}
    if missing := always - set(keys):
        return f"items() misses {sorted(missing)}, which was there all the time"
    for key, child in first:
        if not any(child is children.get(key) for children in (before, after)):
            return f"items() gives a child for {key} that was never there"
    return None


_GET, _ITEMS, _REMOVE, _CLEAR = "__getitem__", "items", "remove", "clear"
FAMILY_ENCOUNTERS: tuple[FamilyEncounter, ...] = (
    FamilyEncounter(
        (_GET, _GET), "family['GET', '200'] || itself", (), Getting(*_A), Getting(*_A), _one_child
    ),
    FamilyEncounter(
        (_GET, _GET),
        "family['GET', 200] || family['GET', '200']",
        (),
        Getting("GET", 200),
        Getting(*_A),
        _one_child,
    ),
    FamilyEncounter(
        (_GET, _GET),
        "family['GET', '200'] || family['PUT', '200']",
        (),
        Getting(*_A),
        Getting(*_B),
        _both_children,
    ),
    FamilyEncounter(
        (_GET, _GET),
        "family['GET', '404'] || family['PUT', '404'] with room for one",
        (_A, _B),
        Getting(*_C),
        Getting(*_D),
        _one_refused,
        full=True,
    ),
    FamilyEncounter(
        (_GET, _REMOVE), "family['GET', '200'] || remove", (_A,), Getting(*_A), Removing(*_A), _old_or_new
    ),
    FamilyEncounter(
        (_GET, _CLEAR), "family['GET', '200'] || clear", (_A, _B), Getting(*_A), clearing, _old_or_new
    ),
    FamilyEncounter(
        (_ITEMS, _GET), "items() || family['GET', '404']", (_A, _B), listing, Getting(*_C), _listed
    ),
    FamilyEncounter((_ITEMS, _REMOVE), "items() || remove", (_A, _B), listing, Removing(*_A), _listed),
    FamilyEncounter((_ITEMS, _CLEAR), "items() || clear", (_A, _B), listing, clearing, _listed),
    FamilyEncounter(
        (_ITEMS, _REMOVE),
        "items() || remove and make again",
        (_A, _B),
        listing,
        removing_and_getting,
        _listed,
    ),
    *(
        FamilyEncounter((name, removing), f"{name} || {removing}", (_A,), counting, call, counting.wrong)
        for name, counting in ((name, Counting(name)) for name in COUNTED[1:])
        for removing, call in ((_REMOVE, Removing(*_A)), (_CLEAR, clearing))
    ),
)
FAMILY_ENCOUNTERS += tuple(
    replace(each, used=True)
    for each in FAMILY_ENCOUNTERS
    if each.operations in ((_GET, _GET), (_GET, _REMOVE))
)
