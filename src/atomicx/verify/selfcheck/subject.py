"""Cells of other packages as the subject: `--subject package:factory`.

The factory makes a cell. Constructors take a value, or nothing, or a value by some name, so several ways are
tried. The cell's methods have the names of atomicx's, or one of the other names below. Operations that it
lacks are not run, and are reported as missing. If a method differs in more than its name, write a small
adapter and name that instead.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import atomicx

from ..spec.model import Model, Operation
from .access import Access
from .calling import adapted_rows, can_take_value, has_value, shows_value
from .catalogue import (
    BOOL,
    BUCKETS,
    CHILDREN,
    COUNT,
    FLOAT,
    GROWING_BUCKETS,
    INT,
    MORE_BUCKETS,
    REF,
    WIDE_BUCKETS,
    CellKind,
)
from .guards import guarding
from .wrapping import wrapping

KINDS = {kind.name: kind for kind in (INT, FLOAT, BOOL, REF, COUNT, MORE_BUCKETS, GROWING_BUCKETS, CHILDREN)}

# Other libraries' names for the same operations.
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "load": ("get",),
    "store": ("set",),
    "exchange": ("swap", "get_and_set"),
    "compare_and_set": ("compare_and_swap", "cas"),
    "compare_exchange": ("compare_and_exchange",),
    "inc": ("increment", "incr"),
    "dec": ("decrement", "decr"),
    "fetch_add": ("get_and_add", "get_and_increment"),
    "fetch_sub": ("get_and_sub", "get_and_decrement"),
    "add_fetch": ("add_and_get", "increment_and_get"),
    "sub_fetch": ("sub_and_get", "decrement_and_get"),
    "fetch_update": ("get_and_update",),
    "update": ("update_and_get",),
}
# Every object has these; they are operations of a cell only if its type defines them.
OF_EVERY_OBJECT = (
    "__bool__",
    "__int__",
    "__float__",
    "__str__",
    "__format__",
    "__len__",
    "__contains__",
    "__getitem__",
)
# A type may show itself in any way. The effects of a guard and a timer are reported under `track` and `time`.
NOT_COMPARED = ("__repr__", "release", "label_names", "limit")
# Only numbers that count, and that are compared, have these.
ARITHMETIC = ("inc", "add", "fetch_add", "add_fetch", "fetch_sub", "sub_fetch")
# A Counter has none of these, and holds no negative number.
NOT_COUNTING = ("fetch_add", "add_fetch", "compare_and_set", "store")
ONLY_INT = (
    "fetch_and",
    "fetch_or",
    "fetch_xor",
    "fetch_inc_mod",
    "try_add",
    "advance",
    "dec",
    "track",
    "admit",
)


@dataclass(frozen=True)
class Subject:
    """The cells to try: where they come from, their kind, and why they are taken for that kind."""

    name: str
    kind: CellKind
    access: Access
    because: str
    narrow: Access | None = None
    """For histograms: those with one bound, for the rows that are written by hand."""
    wide: Access | None = None
    """For histograms: those with many bounds, if they accept that many."""
    others: tuple[str, ...] = ()
    """Public methods that the specification does not know."""

    @property
    def missing(self) -> list[str]:
        """Operations of the specification that the cells lack."""
        return sorted(self.access.lacks)


def find(spelled: str, kind: str | None = None, wraps: bool = False) -> Subject:
    """Return the subject that `package.module:factory` names.

    Raises ValueError, with the reason, if there is no such factory, or it makes nothing that can be tried.
    """
    factory = _imported(spelled)
    if kind is None:
        chosen, because = guessed(spelled, factory)
    else:
        chosen, because = KINDS[kind], "as --kind says"
    return _subject(spelled, factory, chosen, because, wraps)


def _imported(spelled: str) -> Any:
    module, _, path = spelled.partition(":")
    if not module or not path:
        raise ValueError(f"expected package:factory, got {spelled!r}")
    try:
        factory: Any = importlib.import_module(module)
        for part in path.split("."):
            factory = getattr(factory, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{spelled}: {error}") from error
    except (Exception, SystemExit) as error:
        raise ValueError(f"{spelled}: the import raised {type(error).__name__}: {error}") from error
    if not callable(factory):
        raise ValueError(f"{spelled}: expected a callable, got {type(factory).__name__!r}")
    return factory


# Which kind?


def guessed(spelled: str, factory: Any) -> tuple[CellKind, str]:
    """Return the kind of cell that the factory makes, and the evidence. ValueError if there is none."""
    has = _methods(factory, spelled)
    if has("observe"):
        if has("__getitem__") or has("labels") or has("items"):
            return CHILDREN, "it has observe() and children"
        if "scale" in _parameters(factory):
            return GROWING_BUCKETS, "it has observe() and a scale"
        return MORE_BUCKETS, "it has observe()"
    if (has("labels") or has("items")) and (has("__getitem__") or has("labels")):
        return CHILDREN, "it has children by labels"
    if has("test_and_set"):
        return BOOL, "it has test_and_set()"
    arithmetic = [name for name in ARITHMETIC if has(name)]
    if has("drain") and not has("compare_and_set"):
        return COUNT, "it has drain()"
    if arithmetic:
        return _number(factory, has, arithmetic[0])
    known = [
        name for name in ("load", "store", "exchange", "compare_and_set", "compare_exchange") if has(name)
    ]
    if not known:
        raise ValueError(f"{spelled}: expected a cell with at least one of {', '.join(named())}")
    return _holder(factory, known[0])


def _methods(factory: Any, spelled: str) -> Callable[[str], bool]:
    """Return a function that tells whether the cells have an operation, under any of its names."""
    # The methods of a cell that forwards them to another are not those of its class.
    shows_all = isinstance(factory, type) and not hasattr(factory, "__getattr__")
    made: Any = factory if shows_all else _any_cell(factory, spelled)
    return lambda name: any(_defines(made, each) for each in (name, *OTHER_NAMES.get(name, ())))


def _defines(made: Any, name: str) -> bool:
    kind = made if isinstance(made, type) else type(made)
    if name in ("__str__", "__format__", "__bool__", "__int__", "__float__"):
        found = getattr(kind, name, None)
        return found is not None and found is not getattr(object, name, None)
    return hasattr(kind, name) or (not name.startswith("_") and hasattr(made, name))


ANY_ARGUMENTS: tuple[tuple[Any, ...], ...] = (
    *(
        (0,),
        (),
        (0.0,),
        (False,),
        (None,),
        ([1.0],),
        (1.0,),
        (atomicx.AtomicInt, "label"),
        (atomicx.AtomicInt,),
    ),
)


def _any_cell(factory: Any, spelled: str) -> Any:
    first: Exception | None = None
    for arguments in ANY_ARGUMENTS:
        try:
            return factory(*arguments)
        except Exception as error:  # noqa: PERF203 - each way is tried until one does
            first = first or error
    raise ValueError(f"{spelled}(0) raised {type(first).__name__}: {first}")


def _number(factory: Any, has: Callable[[str], bool], because: str) -> tuple[CellKind, str]:
    """Return whether it is an integer or a float, by what it holds or by what only one of them has."""
    for name in ONLY_INT:
        if has(name):
            return INT, f"it has {name}()"
    for arguments in ((), (0,)):
        held = _held(factory, arguments)
        if isinstance(held, float):
            return FLOAT, f"it has {because}(), and holds a float"
        if held is not None and not arguments:
            break  # it has an integer by default
    else:
        if _is_called(factory, "float", "double", "real"):
            return FLOAT, f"it has {because}(), and by its name"
    if has("__float__") and not has("__int__"):
        return FLOAT, f"it has {because}(), and float() takes it"
    if not any(map(has, NOT_COUNTING)) and _held(factory, (-1,)) != -1:
        return COUNT, f"it has {because}(), and only counts"
    return INT, f"it has {because}()"


def _holder(factory: Any, because: str) -> tuple[CellKind, str]:
    """Return whether it is a flag or a reference."""
    if isinstance(_held(factory, ()), bool):
        return BOOL, f"it has {because}(), and holds False by default"
    if isinstance(_held(factory, (False,)), bool) and _held(factory, (object(),)) is None:
        return BOOL, f"it has {because}(), and holds True or False only"
    if _is_called(factory, "bool", "flag"):
        return BOOL, f"it has {because}(), and by its name"
    if _held(factory, (object(),)) is None:
        # It takes no object, but may take numbers.
        for number, kind in ((0.5, FLOAT), (5, INT)):
            if type(_held(factory, (number,))) is type(number):
                return kind, f"it has {because}(), and holds numbers only"
    return REF, f"it has {because}(), and no arithmetic"


def _is_called(factory: Any, *words: str) -> bool:
    name = str(getattr(factory, "__name__", "")).lower()
    return any(word in name for word in words)


def _held(factory: Any, arguments: tuple[Any, ...]) -> Any:
    try:
        cell = factory(*arguments)
        return next(
            (getattr(cell, name)() for name in ("load", "get") if hasattr(cell, name)),
            cell.value if has_value(cell) else None,
        )
    except Exception:
        return None


def named() -> list[str]:
    """Return the methods that a cell may have."""
    return list(dict.fromkeys(name for kind in KINDS.values() for name in _public(kind.model)))


def _public(model: Model) -> list[str]:
    return [
        row.name
        for row in model.operations
        if row.is_public and row.name.isidentifier() and row.name not in NOT_COMPARED
    ]


# How are they made, called and read?


def _subject(spelled: str, factory: Any, kind: CellKind, because: str, wraps: bool) -> Subject:
    model = kind.model
    build, takes_value = _builder(spelled, factory, kind)
    try:
        cell = build(model.edge_states[0])
    except Exception as error:
        raise ValueError(f"{spelled}: cannot make a {kind.name}: {type(error).__name__}: {error}") from error
    names = {row.name: own for row in model.operations if (own := _own_name(cell, row)) is not None}
    if not any(name in names for name in _public(model)):
        expected = f"a cell with at least one of {', '.join(_public(model))}"
        raise ValueError(f"{spelled}: expected {expected}, got {type(cell).__name__!r}")
    rows = {row.name: row for row in model.operations}
    adapted = adapted_rows(cell, rows, names)
    rows.update(adapted)
    for name in adapted:
        names.setdefault(name, name)
    read = _reader(model, names, rows)
    if takes_value and "__init__" in rows and read is not None:
        rows["__init__"] = _construction(rows["__init__"], factory, read)
        names["__init__"] = "__init__"
    has = {name: row for name, row in rows.items() if name in names}
    for name, row in guarding(has, build(model.edge_states[0]), read).items():
        if row is None:
            names.pop(name, None)
        else:
            rows[name] = row
    changed = replace(model, operations=tuple(rows.values()))
    if wraps:
        changed = wrapping(changed)
    access = Access(
        changed,
        build,
        read,
        {ours: theirs for ours, theirs in names.items() if ours != theirs},
        frozenset(rows.keys() - names.keys()),
        frozenset(adapted),
        unlimited=kind is CHILDREN and not _takes(factory, "limit"),
        wraps=wraps,
    )
    narrow = wide = None
    if kind is MORE_BUCKETS:
        narrow = replace(access, model=BUCKETS.model, make=_builder(spelled, factory, BUCKETS)[0])
        wide = _wide(spelled, factory, access)
    others = [
        name
        for name in dir(type(cell))
        if not name.startswith("_")
        and name not in (*names.values(), *rows, *NOT_COMPARED)
        and callable(getattr(type(cell), name, None))
    ]
    return Subject(spelled, kind, access, because, narrow, wide, tuple(others))


def _wide(spelled: str, factory: Any, access: Access) -> Access | None:
    """Return access to histograms with many bounds; None if they do not accept that many."""
    try:
        return replace(access, model=WIDE_BUCKETS.model, make=_builder(spelled, factory, WIDE_BUCKETS)[0])
    except ValueError:
        return None


def _own_name(cell: Any, row: Operation) -> str | None:
    """Return the cell's own name for an operation; None if it lacks it."""
    if row.name in NOT_COMPARED or row.name == "__init__":
        return None
    if "()." in row.name:
        # An operation of a guard, such as `track().__enter__`.
        maker = row.name.partition("(")[0]
        return maker if _defines(cell, maker) else None
    return next((name for name in (row.name, *OTHER_NAMES.get(row.name, ())) if _defines(cell, name)), None)


def _reader(model: Model, names: dict[str, str], rows: dict[str, Operation]) -> Callable[[Any], Any] | None:
    """Return how the cell's state is read; None if it cannot be."""
    if "load" in names:
        if rows["load"].written is not None:
            return rows["load"].written
        own = names["load"]
        return lambda cell: getattr(cell, own)()
    if "load" in model.rows:
        for conversion in ("__int__", "__float__"):
            if conversion in names:
                return model[conversion].written
        return None
    needed = {"Histogram": "snapshot", "ExponentialHistogram": "snapshot", "Family": "items"}[model.name]
    return model.read if needed in names else None


def _construction(row: Operation, factory: Any, read: Callable[[Any], Any]) -> Operation:
    """Return the constructor as an operation that changes nothing, and returns what a new cell holds."""
    step = row.step
    return replace(
        row,
        step=lambda state, value: (state, step(state, value)[0]),
        written=lambda _, *values: read(factory(*values)),
        atomic=False,
    )


def _takes(factory: Any, name: str) -> bool:
    try:
        return name in inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return True


Build = Callable[[Any], Any]


def _builder(spelled: str, factory: Any, kind: CellKind) -> tuple[Build, bool]:
    """Return how to make a cell in a state; and whether the factory takes the state as its only argument."""
    tried: list[str] = []
    states = kind.model.edge_states
    for build, takes_value in _ways(factory, kind):
        try:
            for state in (states[0], states[1], states[-1]):
                build(state)
        except Exception as error:
            tried.append(f"{type(error).__name__}: {error}")
            continue
        if all(_holds(build, state, kind.model) for state in (states[0], states[1])):
            return build, takes_value
        tried.append("it does not hold the value that it was made with")
    raise ValueError(f"{spelled}: cannot make a {kind.name}: {tried[0] if tried else 'unknown arguments'}")


def _holds(build: Build, state: Any, model: Model) -> bool:
    cell = build(state)
    for name in ("load", *OTHER_NAMES["load"]):
        if hasattr(cell, name) and "load" in model.rows:
            held = getattr(cell, name)()
            return model.same(held, state) or held == state
    if "load" in model.rows and shows_value(cell, model.rows):
        return model.same(cell.value, state) or bool(cell.value == state)
    return True


def _ways(factory: Any, kind: CellKind) -> Iterator[tuple[Build, bool]]:
    """Yield the ways in which a constructor may be called, the usual one first."""
    model = kind.model
    if model.name == "Histogram":
        _, bounds = model["bounds"].apply(model.initial, ())
        yield from (
            (_filled(model, make), False)
            for make in (
                lambda: factory(bounds),
                lambda: factory(list(bounds)),
                lambda: factory(*bounds),
                lambda: factory(bounds=bounds),
                lambda: factory(buckets=bounds),
            )
        )
    elif kind is GROWING_BUCKETS:
        shape = {
            name: model[name].apply(model.initial, ())[1]
            for name in ("scale", "smallest", "largest", "signed")
        }
        yield _filled(model, lambda: factory(**shape)), False
    elif kind is CHILDREN:
        labels = ("method", "status")
        yield from (
            (_filled(model, make), False)
            for make in (
                lambda: factory(atomicx.AtomicInt, *labels, limit=3),
                lambda: factory(atomicx.AtomicInt, labels, limit=3),
                lambda: factory(atomicx.AtomicInt, *labels),
                lambda: factory(atomicx.AtomicInt, labels),
                lambda: factory(atomicx.AtomicInt, list(labels)),
            )
        )
    else:
        yield factory, True
        for name in _parameters(factory):
            yield _by_name(factory, name), False
        yield (lambda state: _brought(factory(), state)), False


def _by_name(factory: Any, name: str) -> Build:
    return lambda state: factory(**{name: state})


def _parameters(factory: Any) -> list[str]:
    try:
        return list(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return []


def _filled(model: Model, make: Callable[[], Any]) -> Build:
    """Return how to fill a new cell, which is empty; the specification knows what leads to each state."""

    def build(state: Any) -> Any:
        cell = make()
        if state != model.initial:
            assert model.fill is not None
            model.fill(cell, state)
        return cell

    return build


def _brought(cell: Any, state: Any) -> Any:
    """Bring a cell that is made without a value into a state."""
    for name in ("store", "set", "add", "fetch_add", "get_and_add", "add_and_get"):
        if hasattr(cell, name):
            getattr(cell, name)(state)
            return cell
    if can_take_value(cell):
        cell.value = state
        return cell
    raise TypeError(f"{type(cell).__name__!r} takes no value and has no store()")
