"""Litmus tests as text: a few statements per actor, and every outcome that some order of them gives.

    Program("x = 0", ("a = x.fetch_add(1)", "b = x.fetch_add(1)"), "c = x.load()")

A statement is one operation on a cell, and the names before the equals signs make the outcome: `a=0 b=1 c=2`.
The acceptable outcomes are not written down but found: the statements are run in every order that keeps each
actor's own, one after the other, on cells that know nothing of threads. An outcome that none of these orders
gives cannot come from a sequentially consistent cell, so it is forbidden. An outcome that comes only when the
actors take turns is called interesting: it shows that they overlapped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, repeat, starmap
from operator import itemgetter
from types import CodeType
from typing import Any

from ..litmus import ACCEPTABLE, FORBIDDEN, INTERESTING, Expectation, Litmus, plain_actor
from ..spec.kinds import minus_one, twice

# Makes one state's cells: called once per state, it returns the function that makes a cell from a value.
Maker = Callable[[], Callable[[Any], Any]]

_TARGET = re.compile(r"(\w+) = (.+)")
_METHOD = re.compile(r"\b([xy])\.(\w+)")
_IN_PLACE = re.compile(r"[xy] ([-+&|^])= ")
_IN_PLACE_METHODS = {"+": "__iadd__", "-": "__isub__", "&": "__iand__", "|": "__ior__", "^": "__ixor__"}


IMPOSSIBLE = FORBIDDEN("in no order")


class Token:
    """An object to refer to, equal to nothing except itself."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class Mortal:
    """An object that knows whether it was freed: anyone who holds a reference may rely on its being alive."""

    __slots__ = ("freed",)

    def __init__(self) -> None:
        self.freed = False

    def __del__(self) -> None:
        self.freed = True


def life(mortal: Any) -> str:
    """Return whether an object was freed while it was still held."""
    if mortal is None:
        return "none"
    return "freed" if mortal.freed else "alive"


# An allocator reuses a page once it has handed out the rest of it; a page holds few objects of this size.
PAINT_BYTES = 2000
LOADS = 256
REPAINTS = 32


_initial = itemgetter(0)


def red() -> str:
    """Return an object of some size; it is new, and freed as soon as no reference is left."""
    return "red".ljust(PAINT_BYTES)


def blue() -> str:
    """Return another, of the same size."""
    return "blue".ljust(PAINT_BYTES)


def colors(load: Callable[[], str]) -> str:
    """Return the initials that many loads returned. The loop is in C: hardly any time passes in between."""
    return "".join(sorted(set(map(_initial, starmap(load, repeat((), LOADS))))))


def repaint(store: Callable[[str], None], store_elsewhere: Callable[[str], None]) -> None:
    """Drop red objects. Each of them makes room for a blue one, which is stored elsewhere."""
    for _ in range(REPAINTS):
        store(red())
        store_elsewhere(blue())


def attempt(operation: Callable[..., Any], *arguments: Any) -> Any:
    """Return the operation's result, or the name of the exception that it raised."""
    try:
        return operation(*arguments)
    except (OverflowError, ValueError) as error:
        return type(error).__name__


def append_one(items: tuple[int, ...]) -> tuple[int, ...]:
    """Append without side effects, for `update`."""
    return (*items, 1)


def append_two(items: tuple[int, ...]) -> tuple[int, ...]:
    """Append without side effects, for `update`."""
    return (*items, 2)


def leads(snapshot: tuple[tuple[int, int], float]) -> bool:
    """Return whether a value, 1 below the bound or 2 above it, is in the sum, but not among the counts."""
    (low, high), total = snapshot
    return total > low + 2 * high


VOCABULARY: dict[str, Any] = {
    "A": Token("A"),
    "B": Token("B"),
    "C": Token("C"),
    "MAX": 2**63 - 1,
    "Mortal": Mortal,
    "append_one": append_one,
    "append_two": append_two,
    "attempt": attempt,
    "blue": blue,
    "colors": colors,
    "leads": leads,
    "life": life,
    "minus_one": minus_one,
    "red": red,
    "repaint": repaint,
    "twice": twice,
}


@dataclass(frozen=True)
class Program:
    """The initial cells, two to four actors, and what is read when the actors have ended.

    `start` names the cells x and y. Statements are separated by semicolons.
    """

    start: str
    actors: tuple[str, ...]
    finally_: str = ""

    def __str__(self) -> str:
        parts = [f"{self.start} :", " || ".join(self.actors)]
        return " ".join([*parts, f": {self.finally_}"] if self.finally_ else parts)

    @property
    def needs(self) -> frozenset[str]:
        """The operations that a cell must have to run this program."""
        text = "; ".join((*self.actors, self.finally_))
        in_place = {_IN_PLACE_METHODS[sign] for sign in _IN_PLACE.findall(text)}
        return frozenset({name for _, name in _METHOD.findall(text)} | in_place)

    def renamed(self, names: dict[str, str]) -> Program:
        """Return the same program with other names for its operations."""

        def rename(text: str) -> str:
            return _METHOD.sub(lambda found: f"{found[1]}.{names.get(found[2], found[2])}", text)

        return Program(self.start, tuple(map(rename, self.actors)), rename(self.finally_))

    # Code is compiled before it runs, here and in `litmus`: exec and eval of a text record a Ctrl-C as
    # uncaught, and then the process ends by the signal, although the exception is caught further out.

    def outcomes(self, alone: Callable[[Any], Any]) -> dict[tuple[Any, ...], Expectation]:
        """Return the possible outcomes: try every order on cells from `alone`, used by one thread."""
        threads = [_compiled(actor) for actor in self.actors]
        last = _compiled(self.finally_)
        found: dict[tuple[Any, ...], Expectation] = {}
        for order in _orders(tuple(map(len, threads))):
            names = dict(VOCABULARY)
            for cell, value in self._cells:
                names[cell] = alone(eval(compile(value, "<litmus>", "eval"), names))
            following = [iter(thread) for thread in threads]
            for statement in [*(next(following[index]) for index in order), *last]:
                exec(statement, names)
            outcome = tuple(names[name] for name in self._names)
            turns = sum(1 for _ in groupby(order))
            if turns <= len(threads):
                found[outcome] = ACCEPTABLE("one after the other")
            else:
                found.setdefault(outcome, INTERESTING("in turns"))
        return found

    def litmus(self, name: str, maker: Maker, outcomes: dict[tuple[Any, ...], Expectation]) -> Litmus:
        """Return the test of the cells that `maker` makes, with these outcomes."""
        values = ", ".join(f"make({value})" for _, value in self._cells)
        namespace: dict[str, Any] = {"maker": maker, **VOCABULARY}
        source = ["def setup():", "    make = maker()", f"    return ({values},)"]
        for index, actor in enumerate(self.actors):
            source += self._function(f"actor{index}(cells)", _statements(actor), _targets(actor))
        received = "".join(f", result{index}" for index in range(len(self.actors)))
        statements = [
            f"({', '.join(names)},) = result{index}"
            for index, names in enumerate(map(_targets, self.actors))
            if names
        ]
        statements += _statements(self.finally_)
        source += self._function(f"observe(cells{received})", statements, self._names)
        exec(compile("\n".join(source), "<litmus>", "exec"), namespace)
        return Litmus(
            name=name,
            setup=namespace["setup"],
            actors=tuple(
                plain_actor(text, namespace[f"actor{index}"]) for index, text in enumerate(self.actors)
            ),
            outcomes=outcomes,
            observe=namespace["observe"],
            description=str(self),
            show=self.show,
            unlisted=IMPOSSIBLE,
        )

    def show(self, outcome: tuple[Any, ...]) -> str:
        """Return an outcome as text: `a=0 b=1`."""
        return " ".join(f"{name}={value!r}" for name, value in zip(self._names, outcome, strict=True))

    @property
    def _cells(self) -> list[tuple[str, str]]:
        return [_split(statement) for statement in _statements(self.start)]

    @property
    def _names(self) -> list[str]:
        return [name for text in (*self.actors, self.finally_) for name in _targets(text)]

    def _function(self, signature: str, statements: list[str], returned: list[str]) -> list[str]:
        unpack = ", ".join(cell for cell, _ in self._cells)
        body = [f"({unpack},) = cells", *statements]
        if returned:
            body.append(f"return ({', '.join(returned)},)")
        return [f"def {signature}:", *(f"    {line}" for line in body)]


def _statements(text: str) -> list[str]:
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def _compiled(text: str) -> list[CodeType]:
    return [compile(statement, "<litmus>", "exec") for statement in _statements(text)]


def _split(statement: str) -> tuple[str, str]:
    found = _TARGET.fullmatch(statement)
    if found is None:
        raise ValueError(f"expected `name = value`, got {statement!r}")
    return found[1], found[2]


def _targets(text: str) -> list[str]:
    return [found[1] for found in map(_TARGET.fullmatch, _statements(text)) if found]


def _orders(lengths: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield every order of the threads' steps, each as a sequence of thread numbers."""
    if not any(lengths):
        yield ()
    for index, length in enumerate(lengths):
        if length:
            rest = (*lengths[:index], length - 1, *lengths[index + 1 :])
            for order in _orders(rest):
                yield (index, *order)
