"""The meaning of every operation of Counter."""

from __future__ import annotations

import operator

from .kinds import INT64, INT64_MAX, exact
from .model import ITSELF, Model, Parameter, Promise
from .rows import NO_ARGUMENTS, row, shown, text_rows

# Counter: it only counts up, except that drain() takes the counts out. This is what it does while nothing
# overlaps; `check_counter` says what a load may return that overlaps additions.


def _not_negative(count: int) -> int:
    if count < 0:
        raise ValueError("a Counter only counts up")
    return count


_COUNT = [Parameter("n", INT64)]
_COUNTS = ((1,), (2,), (5,), (-1,))

COUNTER = Model(
    "Counter",
    0,
    (
        row("__init__", [Parameter("value", INT64, 0)], lambda state, value: (_not_negative(value), None)),
        row("inc", [], lambda state: (exact(state + 1), None), NO_ARGUMENTS),
        row("add", _COUNT, lambda state, n: (exact(state + _not_negative(n)), None), _COUNTS),
        row("load", [], lambda state: (state, state), NO_ARGUMENTS),
        row("drain", [], lambda state: (0, state), NO_ARGUMENTS),
        row(
            "__iadd__",
            _COUNT,
            lambda state, n: (exact(state + _not_negative(n)), ITSELF),
            _COUNTS,
            operator.iadd,
        ),
        row("__int__", [], lambda state: (state, state), NO_ARGUMENTS, int),
        row("__bool__", [], lambda state: (state, state != 0), NO_ARGUMENTS, bool),
        *text_rows(),
        shown("Counter"),
    ),
    edge_states=(0, 1, 7, INT64_MAX - 1, INT64_MAX),
    promise=Promise.BETWEEN,
    # It has no store, but it can be initialised again.
    fill=lambda counter, value: counter.__init__(value),
)
