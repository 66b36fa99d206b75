"""Tools to check concurrent code, atomicx's own and yours.

- Litmus tests, sampled with real threads: `litmus`, `actor`, `observer`, `run`, and `assert_outcomes` for
  pytest.
- Histories of what threads called and got, checked for linearizability: `recorded`, `check_linearizable`,
  `exercise`.
- Schedules of a small Python program, tried one and all: `explore`, `explore_litmus`, `replay`.

`python -m atomicx verify` runs the built-in litmus tests. Importing atomicx does not import any of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# The decorator has the name of its module, and so must not wait for __getattr__.
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
    from .drive import exercise
    from .engine import Result, run
    from .forced_order import check_counter, check_forced_order
    from .history import Event, History, recorded
    from .linearizability import assert_linearizable, check_linearizable
    from .models import (
        ATOMIC_BOOL,
        ATOMIC_FLOAT,
        ATOMIC_INT,
        ATOMIC_REF,
        COUNTER,
        Model,
        Operation,
    )
    from .outcomes import assert_outcomes, outcome_table
    from .schedule import assert_all_schedules, explore, explore_litmus, replay

# The rest is imported when it is asked for: a litmus test needs no tracer, a history no engine.
_WHERE = {
    "drive": ("exercise",),
    "engine": ("Result", "run"),
    "forced_order": ("check_counter", "check_forced_order"),
    "history": ("Event", "History", "recorded"),
    "linearizability": ("assert_linearizable", "check_linearizable"),
    "models": (
        "ATOMIC_BOOL",
        "ATOMIC_FLOAT",
        "ATOMIC_INT",
        "ATOMIC_REF",
        "COUNTER",
        "Model",
        "Operation",
    ),
    "outcomes": ("assert_outcomes", "outcome_table"),
    "schedule": ("assert_all_schedules", "explore", "explore_litmus", "replay"),
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
    "Event",
    "Expectation",
    "Grade",
    "History",
    "Litmus",
    "Model",
    "Operation",
    "Result",
    "actor",
    "assert_all_schedules",
    "assert_linearizable",
    "assert_outcomes",
    "check_counter",
    "check_forced_order",
    "check_linearizable",
    "exercise",
    "explore",
    "explore_litmus",
    "litmus",
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
