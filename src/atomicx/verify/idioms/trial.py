"""Examines your own idiom: `python -m atomicx idioms --try module:Class`.

The class is written like those in this package. Each schedule and each sample makes an object of it, without
arguments, and two threads call its methods:

    class Claim:
        code = "if not self.owner: self.owner = me"     # optional: what the report calls it

        def __init__(self):
            self.owner = None

        def a(self):                        # the first thread's part, and its result
            if self.owner is None:
                self.owner = "a"
            return self.owner

        def b(self):                        # the second thread's
            if self.owner is None:
                self.owner = "b"
            return self.owner

        def holds(self, a, b):              # with both results, when both have ended
            return a == b

`holds` has to be true whenever one part runs after the other, in both orders. That is tried first, so a
schedule in which it is false shows that the parts overlapped. Optional: `raises`, a tuple of exceptions that
are results if a part ends with one, and `instead` and `note`, texts for the report.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from .idiom import Idiom


def find(spelled: str) -> Idiom:
    """Return the idiom that `package.module:Class` names; the current folder is searched too.

    Raises ValueError, with the reason, if there is no such class, or it does not do what the protocol says.
    """
    module, _, path = spelled.partition(":")
    if not module or not path:
        raise ValueError(f"expected module:Class, got {spelled!r}")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        program: Any = importlib.import_module(module)
        for name in path.split("."):
            program = getattr(program, name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{spelled}: {error}") from error
    except (Exception, SystemExit) as error:
        raise ValueError(f"{spelled}: the import raised {type(error).__name__}: {error}") from error
    for name in ("a", "b", "holds"):
        if not callable(getattr(program, name, None)):
            raise ValueError(
                f"{spelled}: expected a class with the methods a, b and holds; {name} is missing"
            )
    raises = getattr(program, "raises", ())
    if not isinstance(raises, tuple):
        raise ValueError(f"{spelled}: expected raises to be a tuple of exceptions, got {raises!r}")
    idiom = Idiom(
        code=str(getattr(program, "code", spelled)),
        program=program,
        instead=str(getattr(program, "instead", "")),
        contract="",
        note=str(getattr(program, "note", "")),
        page="",
        raises=raises,
        crashes=True,
        origin=spelled,
    )
    for order in ((0, 1), (1, 0)):
        _demand_holds(idiom, order)
    return idiom


def _demand_holds(idiom: Idiom, order: tuple[int, int]) -> None:
    first, second = order
    after = f"{'ab'[second]} run after {'ab'[first]}, in one thread,"
    try:
        state = idiom.program()
        results = {number: _result(idiom, number, state) for number in order}
        holds = idiom.holds(state, (results[0], results[1]))
    except Exception as error:
        raise ValueError(f"{idiom.origin}: with {after} it raised {type(error).__name__}: {error}") from error
    if not holds:
        raise ValueError(
            f"{idiom.origin}: with {after} holds({results[0]!r}, {results[1]!r}) is false, "
            "but it must be true when the parts do not overlap"
        )


def _result(idiom: Idiom, number: int, state: Any) -> Any:
    try:
        return idiom.threads[number](state)
    except idiom.raises as error:
        return error
