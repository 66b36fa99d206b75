"""The arguments that the operations are tried with: at the edges and at random, for each kind of argument.

An argument is *plain* if every cell of the type takes it, or has to refuse it: integers of any size, a float
for an integer. It is *foreign* if it asks for a conversion that other people's classes may well do in another
way, for example an object with `__index__`. A subject that treats foreign arguments differently is told so,
and not convicted.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from ..spec.kinds import INT64_MAX, INT64_MIN
from ..spec.model import Arguments, Operation

# If there are more tuples of edge values than this, only some are drawn.
MOST_EDGE_ARGUMENTS = 260
MOST_NAMED_ARGUMENTS = 12


class Refusal(Exception):
    """Raised by the user's own code in the middle of an operation."""


class Interruption(BaseException):
    """Raised in the middle of an operation, as KeyboardInterrupt is: not an Exception."""


def interrupt(_: Any) -> Any:
    """Raise what most code does not expect."""
    raise Interruption


class Fresh:
    """An object that only the cell refers to."""

    def __repr__(self) -> str:
        return "Fresh()"


class Index:
    """A number only by its `__index__`; given an exception, it raises that."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def __index__(self) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome.with_traceback(None)
        return self.outcome

    def __repr__(self) -> str:
        return f"Index({self.outcome!r})"


class Alike:
    """Equal to everything, so that only identity tells it from others."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return self.name


def _nan(pattern: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", pattern))[0])


NAN, PAYLOAD = math.nan, _nan(0x7FF8_0000_0000_BEEF)
LARGEST, SMALLEST = 1.7976931348623157e308, 5e-324


def listing(family: Any) -> Any:
    """Go through items() slowly, so that others come in between."""
    found = []
    try:
        for item in family.items():
            found.append(item)  # noqa: PERF402 - one by one, so that others come in between
    except Exception as error:
        return error
    return found


# Functions for update(). The first of them are pure, and depend on their argument.


def add_seven(value: Any) -> Any:
    return value + 7


def negative(value: Any) -> Any:
    return -value


def refuse(value: Any) -> Any:
    """Raise, so that the cell stays as it is."""
    raise Refusal


class Raises:
    """A function that raises this error, which a cell might take for one of its own."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error
        self.__name__ = f"raises_{error.__name__}"

    def __call__(self, _: Any) -> Any:
        raise self.error

    def __repr__(self) -> str:
        return self.__name__


def to_text(value: Any) -> Any:
    """Return something that is not a number."""
    return "text"


def past_the_end(value: Any) -> Any:
    return 2**63


class Gives:
    """A function that returns the same value, whatever it is given."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.__name__ = f"gives({value!r})"

    def __call__(self, _: Any) -> Any:
        return self.value

    def __repr__(self) -> str:
        return self.__name__


_RAISING = tuple(map(Raises, (AttributeError, KeyError, StopIteration, ValueError, RuntimeError)))
_THINGS: tuple[Any, ...] = (
    *(None, Alike("A"), Alike("B"), 0, False, 1.0, 10**9, int("1000000000"), math.nan, float("nan")),
    *("text", "".join(("te", "xt")), (1,), (*[1],), []),
)


def swap(value: Any) -> Any:
    """Return a different object, which depends on the argument."""
    return _THINGS[1] if value is _THINGS[2] else _THINGS[2]


PLAIN: dict[str, tuple[Any, ...]] = {
    "int64": (
        *(0, 1, -1, 2, 3, -5, 64, 257, -300, 2**31, 2**53 + 1, 0x5555_5555_5555_5555),
        *(INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1),
        *(INT64_MAX + 1, INT64_MIN - 1, 2**64, 1.5, "1", None),
    ),
    "double": (
        *(0.0, -0.0, 1.0, -1.0, 0.5, 0.1, 1e-9, SMALLEST, -SMALLEST, 2.0**53, LARGEST, -LARGEST),
        *(math.inf, -math.inf, NAN, -NAN, PAYLOAD, None),
    ),
    "observation": (
        *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 0.25, 1e-9, 5.0, -7.5, 1e9, math.inf, -math.inf, NAN, -NAN),
        # Next to bounds.
        *(0.24999999999999997, 0.5000000000000001, 4.999999999999999, 5.000000000000001, -1.0000000000000002),
        None,
    ),
    "finite observation": (
        *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 0.3125, 1e-9, 3.0, -7.5, 1e9, math.inf, -math.inf, NAN, -NAN),
        # Next to boundaries: powers of the square root of 2.
        *(0.25, 0.25000000000000006, 0.3535533905932737, 0.35355339059327373, 0.7071067811865475),
        *(
            0.7071067811865476,
            1.414213562373095,
            1.4142135623730951,
            -1.4142135623730951,
            -1.0000000000000002,
        ),
        *(
            1.0000000000000002,
            4.000000000000001,
            8.000000000000002,
            16.000000000000004,
            LARGEST,
            -LARGEST,
            SMALLEST,
            None,
        ),
    ),
    "truth": (True, False, 0, 1, None, "True", 1.0),
    "object": _THINGS,
    "label": ("a", "b", "", "GET", "é", "200", 200, -1, 1.5, None, b"a", ("a",)),
    "function of an int": (
        *(add_seven, negative, refuse, to_text, past_the_end, *_RAISING),
        *map(Gives, (0, -1, 5, INT64_MAX, INT64_MIN, 1.5, None)),
    ),
    "function of a float": (
        *(add_seven, negative, refuse, to_text, *_RAISING),
        *map(Gives, (0.0, -0.0, 1.5, math.inf, NAN, PAYLOAD, None)),
    ),
    "function of an object": (swap, refuse, *_RAISING, *map(Gives, _THINGS[:5])),
}
FOREIGN: dict[str, tuple[Any, ...]] = {
    "int64": (True, Index(5), Index(2**63), Index(Refusal())),
    "double": (1, True, 2**53 + 1, 10**400, "1.0", "one", Index(5), Index(Refusal())),
    "observation": (1, True, 10**400, "1.0", Index(2)),
    "finite observation": (1, True, 10**400, "1.0", Index(2)),
    "truth": (),
    "object": (),
    "label": (True, "\ud800"),
    "function of an int": (None, 5, Gives(True), Gives(Index(3))),
    "function of a float": (None, 5, Gives(1), Gives(Index(3))),
    "function of an object": (None, 5),
}


def edge_arguments(row: Operation, state: Any, foreign: bool = False) -> Iterator[Arguments]:
    """Yield tuples of edge values that the operation can be called with, with defaults left out and given.

    With `foreign`, tuples with one foreign argument instead, the others plain.
    """
    kinds = [parameter.kind.name for parameter in row.parameters or ()]
    for count in range(row.fewest, row.most + 1):
        pools = [tuple(_distinct((*_near(kind, state), *PLAIN[kind]))) for kind in kinds[:count]]
        if not foreign:
            yield from (arguments for arguments in row.arguments if len(arguments) == count)
            yield from (
                product(*pools) if math.prod(map(len, pools)) <= MOST_EDGE_ARGUMENTS else _spread(pools)
            )
            continue
        for place in range(count):
            strange = [pool[:2] for pool in pools]
            strange[place] = FOREIGN[kinds[place]]
            yield from product(*strange)


def named_arguments(row: Operation, state: Any) -> Iterator[Arguments]:
    """Yield arguments that may be passed by name, where it shows if two are mistaken for each other."""
    if not any(parameter.keyword for parameter in row.parameters or ()):
        return
    found = 0
    for arguments in edge_arguments(row, state):
        swapped = arguments[::-1]
        if arguments != swapped and row.apply(state, arguments) != row.apply(state, swapped):
            yield arguments
            found += 1
        if found == MOST_NAMED_ARGUMENTS:
            return


# Texts that people join label values with, or that split() and strip() look for.
_BETWEEN = (
    *(
        "",
        ",",
        ", ",
        "/",
        "|",
        "||",
        "\0",
        "\x1f",
        "\x1e",
        "\x01",
        "\xff",
        ":",
        "::",
        ";",
        ".",
        "-",
        "_",
        " ",
    ),
    *("\t", "\n", "=", "&", "+", "#", "@", "~", "$", "%", "\\", "'", '"', "', '", '", "', '","', "','", "->"),
)
_LONG = "long " * 200
SIMILAR_LABELS: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = (
    *(((f"a{text}b", "c"), ("a", f"b{text}c")) for text in _BETWEEN),
    *(((text, "a"), ("a", text)) for text in ("", "b")),
    *((("", text), ("", f"{text} ")) for text in ("", "a")),
    *(((f"{text}a", "b"), ("a", "b")) for text in _BETWEEN if text),
    *((("a", f"b{text}"), ("a", "b")) for text in _BETWEEN if text),
    # What other texts may become in a key: in another case, as a number, normalized, or cut off.
    *((("a", "get"), ("a", other)) for other in ("GET", "Get", "g\u0435t", "\uff47et")),
    *(
        (("a", "stra\xdfe"), ("a", "strasse")),
        (("a", "\xe9"), ("a", "e\u0301")),
        (("a", "i"), ("a", "\u0131")),
    ),
    *((("7", "a"), (other, "a")) for other in ("07", "+7", "7.0", "\uff17", "\u0667", "0x7", "-7")),
    *((("1000", "1"), ("1_000", "1")), (("0", "1"), ("", "1")), (("0", "1"), ("-0", "1"))),
    *((("1", "a"), ("True", "a")), (("", "a"), ("None", "a")), (("a", "None"), ("None", "a"))),
    *((("a", f"{_LONG}b"), ("a", f"{_LONG}c")), ((f"{_LONG}b", "a"), (f"{_LONG}c", "a"))),
    *((("\\", "n"), ("\n", "")), (("a\\", "b"), ("a", "\\b")), (("%2F", "a"), ("/", "a"))),
)
"""Keys that are not the same, but that a careless family may take for the same."""


def similar_labels(row: Operation) -> Iterator[tuple[Any, Arguments]]:
    """Yield families that have a child, and label values of another child that looks like it."""
    if any(parameter.variadic for parameter in row.parameters or ()):
        for one, other in SIMILAR_LABELS:
            yield ((one, 7),), other
            yield ((other, 7),), one


def _spread(pools: Sequence[tuple[Any, ...]]) -> Iterator[Arguments]:
    """Yield every value of each pool with the first few of the others, and a sample of the rest."""
    for place, pool in enumerate(pools):
        yield from product(*(pool if index == place else other[:5] for index, other in enumerate(pools)))
    dice = random.Random("edges")
    for _ in range(60):
        yield tuple(map(dice.choice, pools))


def _distinct(values: Sequence[Any]) -> Iterator[Any]:
    seen: set[tuple[Any, ...]] = set()
    for value in values:
        # Equal integers may serve as one; for other objects identity may be what matters.
        key = (type(value), value) if type(value) is int else (type(value), id(value))
        if key not in seen:
            seen.add(key)
            yield value


def random_arguments(row: Operation, state: Any, dice: random.Random) -> Arguments:
    """Return random arguments: small and large, near the state and far from it."""
    count = dice.randint(row.fewest, row.most)
    parameters = (row.parameters or ())[:count]
    drawn = [_random_value(parameter.kind.name, state, dice) for parameter in parameters]
    return tuple(_meaningful([parameter.name for parameter in parameters], drawn, state, dice))


def _meaningful(names: list[str], drawn: list[Any], state: Any, dice: random.Random) -> list[Any]:
    """Return the same, often changed so that a comparison with the state is a close call."""
    if names and names[0] == "expected" and dice.random() < 0.6:
        drawn[0] = state
    if names[-1:] == ["limit"] and dice.random() < 0.6 and type(drawn[0]) is type(state) is int:
        # Without a delta, one more is admitted.
        delta = drawn[0] if len(drawn) > 1 else 1
        drawn[-1] = state + delta * dice.choice((1, 1, 2)) + dice.choice((0, 0, 1, -1))
    return drawn


def _near(kind: str, state: Any) -> tuple[Any, ...]:
    """Return values that mean something in this state: what it holds, and its neighbours."""
    if kind == "int64" and type(state) is int:
        # An equal integer that is another object, as a computed one would be.
        near = (int(str(state)), state - 1, state + 1)
        return tuple(number for number in near if INT64_MIN <= number <= INT64_MAX)
    return (state,) if kind in ("double", "truth", "object") else ()


def _random_value(kind: str, state: Any, dice: random.Random) -> Any:
    near = _near(kind, state)
    chance = dice.random()
    if near and chance < 0.25:
        return dice.choice(near)
    if kind in _DRAWN and chance < 0.85:
        return _DRAWN[kind](dice)
    return dice.choice(PLAIN[kind])


def _any_int64(dice: random.Random) -> int:
    if dice.random() < 0.7:
        return dice.randint(-300, 300)
    return dice.getrandbits(dice.randint(1, 63)) * dice.choice((1, -1))


def _any_double(dice: random.Random) -> float:
    return dice.choice((dice.uniform(-10, 10), float(dice.randint(-300, 300)), dice.expovariate(1) * 1e12))


_DRAWN: dict[str, Callable[[random.Random], Any]] = {
    "int64": _any_int64,
    "double": _any_double,
    # Multiples of a power of two: their sums are exact in any order.
    "observation": lambda dice: dice.randint(-64, 64) / 8,
    "finite observation": lambda dice: dice.randint(-64, 64) / 16,
    "label": lambda dice: dice.choice(("a", "b", "GET", "PUT", 200, "200", "404", 404)),
}
