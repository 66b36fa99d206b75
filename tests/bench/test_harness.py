"""The measurement harness: what it runs and how often, not how long that takes."""

import gc
import os
import threading
from dataclasses import replace

import pytest

from atomicx.bench import harness
from atomicx.bench.harness import Case, LocalSampler, Measurement, Timing, measure, timing


class Recorder:
    def __init__(self):
        self.calls = 0
        self.threads = set()

    def call(self):
        self.calls += 1
        self.threads.add(threading.get_ident())


def case(label="call()", statements=("cell.call()",), **options):
    made = []

    def make():
        made.append(Recorder())
        return {"cell": made[-1]}

    made_by = Case("us", ("call",), label, statements, make, **options)
    return made_by, made


def quiet(share, what):
    pass


def test_a_turn_makes_ten_operations():
    recorded, made = case()
    loop, operations = harness.compiled(recorded, {"cell": Recorder()})
    cell = recorded.make()["cell"]
    begin, end = loop(range(3), cell=cell)
    assert (operations, cell.calls) == (10, 30)
    assert begin <= end
    assert len(made) == 1


def test_statements_of_many_operations_are_not_unrolled():
    recorded, _ = case(operations=1000)
    cell = Recorder()
    loop, operations = harness.compiled(recorded, {"cell": cell})
    loop(range(3), cell=cell)
    assert (operations, cell.calls) == (1000, 3)


def test_statements_that_do_not_unroll_evenly_are_refused():
    recorded, _ = case(statements=("pass",) * 3)
    with pytest.raises(AssertionError):
        harness.compiled(recorded, {})


def test_global_and_attribute_access():
    recorded, _ = case()
    cell = Recorder()
    loop, _ = harness.compiled(recorded.with_global(), {"cell": cell})
    loop(range(1))
    assert loop.__globals__["cell"] is cell and cell.calls == 10
    held = recorded.with_attribute()
    objects = held.make()
    loop, _ = harness.compiled(held, objects)
    loop(range(1), **objects)
    assert objects["holder"].cell.calls == 10
    assert held.statements == ("holder.cell.call()",)
    with pytest.raises(ValueError, match="does not use a cell"):
        replace(recorded, statements=("pass",)).with_attribute()


def test_names_tell_the_circumstances():
    recorded, _ = case()
    assert recorded.name == "call()"
    assert recorded.with_global().name == "call(), global access"
    assert recorded.with_threads(2, shared=True).name == "call(), 2 threads, one object"
    assert recorded.with_threads(8, shared=False).name == "call(), 8 threads, private objects"


def test_equivalents_share_a_job_and_the_circumstances():
    ours, theirs = case()[0], replace(case()[0], jobs=("other", "call"))
    assert ours.equivalent(theirs)
    assert not ours.equivalent(replace(theirs, jobs=("other",)))
    assert not ours.equivalent(theirs.with_global())
    assert not ours.equivalent(theirs.with_threads(2, shared=True))


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances by a microsecond each time it is read."""
    now = iter(range(0, 10**12, 1000))
    monkeypatch.setattr(harness, "perf_counter_ns", lambda: next(now))


def test_calibration(clock):
    """By this clock a loop takes a microsecond, however long it is."""
    recorded, made = case()
    sampler = LocalSampler(recorded, 1e-6)
    assert sampler._repeats == 2  # the first doubling took long enough
    assert made[0].calls == 20
    before = made[0].calls
    assert sampler.sample_ns() == 1000 / (2 * 10)
    assert made[0].calls - before == 20


def test_calibration_goes_by_the_time_that_a_loop_takes(monkeypatch):
    recorded, made = case()
    # By this clock a call takes a microsecond.
    monkeypatch.setattr(harness, "perf_counter_ns", lambda: made[0].calls * 1000)
    sampler = LocalSampler(recorded, 0.01)
    assert sampler._repeats == 1000
    assert sampler.sample_ns() == 1000.0


def test_a_crowd_gets_the_time_of_two(monkeypatch):
    recorded, made = case()
    monkeypatch.setattr(harness, "perf_counter_ns", lambda: made[0].calls * 1000)
    assert LocalSampler(recorded.with_threads(2, shared=True), 0.01)._repeats == 1000
    made.clear()
    assert LocalSampler(recorded.with_threads(8, shared=True), 0.01)._repeats == 250


def test_threads_share_one_object_or_make_their_own():
    recorded, made = case()
    shared = LocalSampler(recorded.with_threads(2, shared=True), 0.0001)
    shared.sample_ns()
    assert len(made) == 1
    assert len(made[0].threads - {threading.get_ident()}) >= 1
    recorded, made = case()
    private = LocalSampler(recorded.with_threads(2, shared=False), 0.0001)
    private.sample_ns()
    first, *own = made
    assert first.threads == {threading.get_ident()}
    assert [each.calls for each in own] == [private._repeats * 10] * 2
    # Each is used by the thread that made it, which is never this thread.
    assert all(len(each.threads) == 1 and threading.get_ident() not in each.threads for each in own)


def test_the_slowest_thread_counts(monkeypatch):
    recorded, _ = case()
    sampler = LocalSampler(recorded.with_threads(2, shared=True), 0.0001)
    monkeypatch.setattr(harness, "in_threads", lambda count, prepare: [(100, 250), (120, 900)])
    assert sampler.sample_ns() == 800 / (sampler._repeats * 10)


def test_what_a_thread_raises_is_raised():
    def prepare():
        raise ZeroDivisionError("in a thread")

    with pytest.raises(ZeroDivisionError, match="in a thread"):
        harness.in_threads(2, prepare)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no choice of cores here")
def test_cores_are_distinct_or_not_chosen():
    there = len(os.sched_getaffinity(0))
    assert len({*harness.cores_for(there)}) == there
    assert harness.cores_for(there + 1) == []


def test_pinned_threads_leave_this_one_alone():
    if hasattr(os, "sched_getaffinity"):
        before = os.sched_getaffinity(0)
        harness.in_threads(2, lambda: lambda: (0, 1))
        assert os.sched_getaffinity(0) == before


class Scripted:
    """A sampler that returns the values it is given."""

    def __init__(self, of, samples):
        self.case = of
        self.samples = iter(samples)
        self.closed = False

    def sample_ns(self):
        return next(self.samples)

    def close(self):
        self.closed = True


def test_every_case_has_a_sample_a_round_and_progress_goes_up():
    told = []
    cases = [case(f"{name}()")[0] for name in "abc"]
    ready = []

    def sampler(of, seconds):
        ready.append(Scripted(of, [1.0, 2.0, 3.0]))
        return ready[-1]

    measured = measure(
        cases,
        rounds=3,
        sample_seconds=1,
        progress=lambda share, what: told.append(share),
        sampler=sampler,
    )
    assert measured.samples_ns == {each.name: [1.0, 2.0, 3.0] for each in cases}
    assert told == sorted(told) and told[0] >= 0 and told[-1] < 1
    assert all(each.closed for each in ready)
    assert not measured.interrupted
    assert gc.isenabled()


def test_ctrl_c_keeps_what_there_is():
    def interrupted(share, what):
        if what == "round 2 of 5":
            raise KeyboardInterrupt

    measured = measure([case()[0]], rounds=5, sample_seconds=0.0001, progress=interrupted)
    assert measured.interrupted
    assert measured.timings["call()"].samples == 1
    assert gc.isenabled()


def test_ctrl_c_before_the_first_sample():
    def interrupted(share, what):
        raise KeyboardInterrupt

    measured = measure([case()[0]], rounds=5, sample_seconds=0.0001, progress=interrupted)
    assert measured == Measurement(measured.cases, {}, interrupted=True)
    assert measured.timings == {}


def test_timing():
    assert timing([4.0]) == Timing(4.0, 4.0, 4.0, 1)
    assert timing([1.0, 2.0, 3.0, 4.0, 100.0]) == Timing(3.0, 2.0, 4.0, 5)
