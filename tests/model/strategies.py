"""How Hypothesis draws arguments: mostly accepted ones, near the edges, mixed with the rest."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from atomicx.verify.spec.kinds import (
    DOUBLE,
    DOUBLE_FUNCTION,
    FINITE,
    INT64,
    INT64_MAX,
    INT64_MIN,
    INT_FUNCTION,
    LABEL,
    OBJECT,
    OBJECT_FUNCTION,
    OBSERVATION,
    TRUTH,
)
from atomicx.verify.spec.model import ArgumentKind, Operation
from model.edges import EDGES, NUMBERS, OBJECTS, TOO_BIG, gives, parameters_of

int64 = st.one_of(
    st.integers(-3, 3),
    st.integers(INT64_MIN, INT64_MAX),
    st.integers(INT64_MAX - 3, INT64_MAX),
    st.integers(INT64_MIN, INT64_MIN + 3),
)
double = st.one_of(st.floats(), st.integers(-3, 3).map(float), st.sampled_from(NUMBERS))


def with_edges(kind: ArgumentKind, *accepted: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*accepted, st.sampled_from(EDGES[kind]))


ARGUMENTS: dict[ArgumentKind, st.SearchStrategy[Any]] = {
    INT64: with_edges(INT64, int64, int64, st.sampled_from(TOO_BIG)),
    DOUBLE: with_edges(DOUBLE, double, double),
    OBSERVATION: with_edges(OBSERVATION, double, double),
    FINITE: with_edges(FINITE, double, st.floats(-4.0, 4.0)),
    # A few values that recur, so that children are found again.
    LABEL: with_edges(LABEL, st.sampled_from(("GET", "PUT")), st.sampled_from((200, "200", 404))),
    TRUTH: with_edges(TRUTH, st.booleans(), st.booleans()),
    # A few objects that recur: otherwise no compare-and-swap would ever find what it expects.
    OBJECT: st.sampled_from(OBJECTS),
    INT_FUNCTION: with_edges(INT_FUNCTION, int64.map(gives)),
    DOUBLE_FUNCTION: with_edges(DOUBLE_FUNCTION, double.map(gives)),
    OBJECT_FUNCTION: with_edges(OBJECT_FUNCTION, st.sampled_from(OBJECTS).map(gives)),
}


def arguments(operation: Operation) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return arguments for one call, leaving out a random number of the defaults."""
    drawn = [ARGUMENTS[parameter.kind] for parameter in parameters_of(operation)]
    return st.integers(operation.fewest, operation.most).flatmap(lambda count: st.tuples(*drawn[:count]))
