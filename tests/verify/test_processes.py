"""Litmus tests whose actors are processes: they run, controls are caught, and failures are reported."""

import mmap
import os
import time

import pytest

from atomicx import SharedInt
from atomicx.verify.litmus import ACCEPTABLE, Litmus, plain_actor
from atomicx.verify.sampling.engine import run
from atomicx.verify.sampling.noise import BATCH
from atomicx.verify.sampling.processes import Processes
from atomicx.verify.selfcheck.shared_rows import ROWS
from support.marks import NEEDS_C, NEEDS_FORK

pytestmark = [NEEDS_C, NEEDS_FORK]

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def litmus_of(first, second=lambda state: state):
    actors = plain_actor("first", first), plain_actor("second", second)
    return Litmus("test", lambda: 5, actors, lambda _: ACCEPTABLE)


def test_names_tell_the_kind():
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.name.startswith(f"{row.kind.name}-") for row in ROWS)
    assert all(row.crew_of is Processes for row in ROWS)


@every_row
def test_row_passes(row):
    result = run(row.subject_test(row.kind.access), samples=3 * BATCH, seed=1, crew_of=Processes)
    assert result.failure is None
    assert result.samples == 3 * BATCH
    assert not result.forbidden


@every_row
def test_control_is_caught(row):
    result = run(row.control_test(row.kind.access), seconds=60, seed=1, stop_when_caught=1, crew_of=Processes)
    assert result.failure is None
    assert result.forbidden


def test_the_actors_are_processes_of_their_own():
    parent = os.getpid()
    result = run(litmus_of(lambda _: os.getpid(), lambda _: os.getpid()), samples=10, crew_of=Processes)
    ((one, other),) = result.counts
    assert len({parent, one, other}) == 3


def test_each_result_goes_with_its_state():
    numbers = iter(range(10_000))
    test = Litmus(
        "test",
        lambda: next(numbers),
        (plain_actor("first", lambda state: state), plain_actor("second", lambda state: -state)),
        lambda outcome: ACCEPTABLE if outcome[0] == -outcome[1] else None,
    )
    result = run(test, samples=3 * BATCH, seed=1, crew_of=Processes)
    assert not result.forbidden
    assert len(result.counts) == 3 * BATCH


def test_an_actor_that_raises_is_reported():
    def fails(state):
        raise LookupError("planted")

    result = run(litmus_of(fails), seconds=30, crew_of=Processes)
    assert result.failure.actor == "first"
    assert "LookupError: planted" in result.failure.text
    assert result.samples == 0


def test_an_actor_that_does_not_end_is_reported_and_ended():
    process = SharedInt(mmap.mmap(-1, mmap.PAGESIZE))

    def sleeps(_):
        process.store(os.getpid())
        time.sleep(60)

    result = run(litmus_of(sleeps), samples=1, patience_seconds=0.3, crew_of=Processes)
    assert str(result.failure) == "first: did not end within 0.3 s"
    with pytest.raises(ProcessLookupError):
        os.kill(process.load(), 0)


def test_an_actor_that_dies_is_reported():
    result = run(
        litmus_of(lambda _: os.kill(os.getpid(), 9)), samples=1, patience_seconds=5, crew_of=Processes
    )
    assert result.failure.actor == "first"
