"""Tools to check concurrent code, atomicx's own and yours.

- Litmus tests, sampled with real threads: `litmus`, `actor`, `observer`, `run`, and `assert_outcomes` for
  pytest.
- Histories of what threads called and what they got, checked for linearizability: `recorded`,
  `check_linearizable`, `exercise`.
- All schedules of a small Python program: `explore`, `explore_litmus`, `replay`.

`python -m atomicx verify` runs the built-in litmus tests. Importing atomicx does not import any of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# The decorator has the same name as its module, so it cannot wait for __getattr__.
from .litmus import (
    ACCEPTABLE,
    FORBIDDEN,
    INTERESTING,
    Expectation,
    Grade,
    Litmus,
    actor,
    litmus,
    observer,
)

if TYPE_CHECKING:
    from .histories.drive import exercise
    from .histories.forced_order import check_counter, check_forced_order
    from .histories.history import Event, History, recorded
    from .histories.linearizability import Undecided, assert_linearizable, check_linearizable
    from .sampling.engine import Result, run
    from .sampling.outcomes import assert_outcomes, outcome_table
    from .schedules.explorer import (
        Exploration,
        Explorer,
        Failure,
        assert_all_schedules,
        explore,
        explore_litmus,
        replay,
    )
    from .schedules.visibility import checked, every, noticeable
    from .spec.cells import ATOMIC_BOOL, ATOMIC_FLOAT, ATOMIC_INT, ATOMIC_REF, COUNTER
    from .spec.model import ITSELF, Model, Operation

# The rest is imported on first use: a litmus test needs no tracer, and a history needs no engine.
_WHERE = {
    "histories.drive": ("exercise",),
    "histories.forced_order": ("check_counter", "check_forced_order"),
    "histories.history": ("Event", "History", "recorded"),
    "histories.linearizability": ("Undecided", "assert_linearizable", "check_linearizable"),
    "sampling.engine": ("Result", "run"),
    "sampling.outcomes": ("assert_outcomes", "outcome_table"),
    "schedules.explorer": (
        "Exploration",
        "Explorer",
        "Failure",
        "assert_all_schedules",
        "explore",
        "explore_litmus",
        "replay",
    ),
    "schedules.visibility": ("checked", "every", "noticeable"),
    "spec.cells": ("ATOMIC_BOOL", "ATOMIC_FLOAT", "ATOMIC_INT", "ATOMIC_REF", "COUNTER"),
    "spec.model": ("ITSELF", "Model", "Operation"),
}
_LATE = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "ACCEPTABLE",
    "ATOMIC_BOOL",
    "ATOMIC_FLOAT",
    "ATOMIC_INT",
    "ATOMIC_REF",
    "COUNTER",
    "FORBIDDEN",
    "INTERESTING",
    "ITSELF",
    "Event",
    "Expectation",
    "Exploration",
    "Explorer",
    "Failure",
    "Grade",
    "History",
    "Litmus",
    "Model",
    "Operation",
    "Result",
    "Undecided",
    "actor",
    "assert_all_schedules",
    "assert_linearizable",
    "assert_outcomes",
    "check_counter",
    "check_forced_order",
    "check_linearizable",
    "checked",
    "every",
    "exercise",
    "explore",
    "explore_litmus",
    "litmus",
    "noticeable",
    "observer",
    "outcome_table",
    "recorded",
    "replay",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LATE[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
