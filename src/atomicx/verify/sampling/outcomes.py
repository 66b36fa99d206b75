"""The outcomes of a litmus test, as a table for people and as an assertion for pytest."""

from __future__ import annotations

from typing import Any

from ..._terminal import columns
from ..litmus import FORBIDDEN, Litmus
from .engine import Result, run


def outcome_rows(result: Result) -> list[tuple[str, str, str, str]]:
    """Return outcome, samples, expectation and note of every outcome that came, for a table."""
    return [
        (
            result.test.show(outcome),
            f"{count:,}",
            expected.grade.value.upper() if expected.grade is FORBIDDEN else expected.grade.value,
            expected.note,
        )
        for outcome, count, expected in result.graded
    ]


def outcome_table(result: Result) -> str:
    """Return the result of a run as text: a heading, and one line per outcome."""
    share = f"{result.caught:,} forbidden of {result.samples:,} samples"
    heading = f"{result.test.name}: {share}, seed {result.seed}"
    if not result.counts:
        return heading
    rows = [("outcome", "samples", "expectation", ""), *outcome_rows(result)]
    return "\n".join([heading, *(f"  {line}" for line in columns(rows, right=(1,)))])


def assert_outcomes(
    test: Litmus | type[Any],
    *,
    control: Litmus | type[Any] | None = None,
    seconds: float | None = None,
    samples: int | None = None,
    seed: int | str | None = None,
) -> Result:
    """Run a litmus test in pytest: AssertionError, with the table, if a forbidden outcome came.

    `control` is the same test of something broken. It runs in the same conditions, and AssertionError is
    raised if it gives no forbidden outcome: then a clean result of the test proves nothing either. An actor
    that raises fails the assertion as well. Ctrl-C passes through. Returns the result of the test.
    """
    result = _finished(run(test, seconds=seconds, samples=samples, seed=seed))
    if result.forbidden:
        raise AssertionError(outcome_table(result))
    if not result.samples:
        raise AssertionError(f"{result.test.name}: no sample was taken")
    if control is not None:
        broken = _finished(run(control, seconds=seconds, samples=samples, seed=seed, stop_when_caught=1))
        if not broken.forbidden:
            silent = f"the control stayed silent, so this run of {result.test.name} proves nothing"
            raise AssertionError(f"{silent}\n{outcome_table(broken)}")
    return result


def _finished(result: Result) -> Result:
    if result.interrupted:
        raise KeyboardInterrupt
    failure = result.failure
    if failure is not None:
        raise AssertionError(f"{result.test.name}, seed {result.seed}: {failure}") from failure.error
    return result
