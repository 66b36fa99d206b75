"""Defines an idiom: a small class whose two methods are two threads' parts, and the expected result of both.

    NUMBERS = Table()

    @NUMBERS.idiom("self.n += 1", instead="AtomicInt.inc()")
    class AttributeAdd:
        def __init__(self) -> None:
            self.n = 0

        def a(self) -> None:
            self.n += 1

        b = a

        def holds(self, a: None, b: None) -> bool:
            return self.n == 2

It holds if the two could have run one after the other. `raises` are exceptions with which a part may end in
that case too; they are then its results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

IdiomClass = TypeVar("IdiomClass", bound=type)

FAQ, GUARANTEES, BOTH = "[1]", "[2]", "[1] [2]"
SOURCES = """\
[1] Python FAQ: What kinds of global value mutation are thread-safe?
[2] Python documentation: Thread Safety Guarantees (of 3.14 and later, for the builds without the GIL)"""

SAFE, PARTLY, NEVER = "safe", "partly", "never"
"""What that page says of an operation: it is atomic, or safe under the object's lock; or others may see it
half done; or it is several steps, which are never one."""


@dataclass(frozen=True)
class Idiom:
    """One row of the table. `contract` says where the language promises that it is atomic, if it does."""

    code: str
    program: type[Any]
    instead: str
    contract: str
    note: str
    page: str
    """What the page of [2] says of it: SAFE, PARTLY, NEVER, or nothing if it is not there."""
    raises: tuple[type[BaseException], ...]
    crashes: bool
    """Whether it may crash an interpreter, so that it is sampled in a process of its own."""
    origin: str = ""
    """Where it comes from, `module:Class`, if it is not one of the idioms in this package."""

    @property
    def threads(self) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        return self.program.a, self.program.b

    def holds(self, state: Any, results: tuple[Any, ...]) -> bool:
        return bool(state.holds(*results))


class Table(list[Idiom]):
    """The idioms in the order in which they are written."""

    def idiom(
        self,
        code: str,
        *,
        instead: str = "",
        contract: str = "",
        note: str = "",
        page: str = "",
        raises: tuple[type[BaseException], ...] = (),
        crashes: bool = False,
    ) -> Callable[[IdiomClass], IdiomClass]:
        """Add a class to the table. The class is returned as it is."""

        def enter(program: IdiomClass) -> IdiomClass:
            self.append(Idiom(code, program, instead, contract, note, page, raises, crashes))
            return program

        return enter
