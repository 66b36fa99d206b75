"""Rows with three threads, with an argument that uses the cell, and the judge's verdicts at the limits."""

import itertools
import math
import subprocess
from contextlib import closing

import pytest

from atomicx.verify.selfcheck import child, meddling
from atomicx.verify.selfcheck.access import Access
from atomicx.verify.selfcheck.alone import Alone
from atomicx.verify.selfcheck.broken import Broken, Held, split
from atomicx.verify.selfcheck.encounters import encounters
from atomicx.verify.selfcheck.explored import explored_trials
from atomicx.verify.selfcheck.gatherings import Gathering, gatherings
from atomicx.verify.selfcheck.inputs import SIMILAR_LABELS
from atomicx.verify.selfcheck.journal import Journal
from atomicx.verify.selfcheck.promises import BETWEEN, FIRST, SECOND, Overlap
from atomicx.verify.selfcheck.subject import find
from atomicx.verify.spec.cells import ATOMIC_INT, COUNTER, FAMILY, HISTOGRAM, MODELS
from atomicx.verify.spec.kinds import INT64_MAX

pytestmark = pytest.mark.one_run

OVERFLOW = ("raises", "OverflowError")


def overlap(model, state, first, second):
    return Overlap(model, state, model[first[0]], first[1:], model[second[0]], second[1:])


def gathering(model, state, *calls):
    return Gathering(model, state, tuple((model[name], tuple(arguments)) for name, *arguments in calls))


def made_of(model):
    return Access(model, Held, lambda cell: cell.state)


def converting_first(row, cell, arguments):
    """A correct cell: it reads its value when its arguments have been converted, and looks again."""
    converted = row.convert(arguments)
    while True:
        before = cell.state
        after, result = row.step(before, *converted)
        if cell.state is before:
            cell.state = after
            return result


# A counter at the limit of int64: an addition finds room that a drain has made


def test_an_addition_may_find_the_room_that_a_drain_of_stripes_has_made():
    """One stripe holds all but one, and the other holds one; the drain has emptied the first."""
    met = overlap(COUNTER, INT64_MAX, ("drain",), ("add", 5))
    assert met.explained((INT64_MAX, OVERFLOW, 0)) == SECOND
    assert met.explained((INT64_MAX, None, 5)) == FIRST
    assert met.explained((INT64_MAX - 1, None, 6)) == BETWEEN
    for name in ("inc", "__iadd__"):
        arguments = () if name == "inc" else (1,)
        result = COUNTER[name].apply(0, arguments)[1]
        turned = overlap(COUNTER, INT64_MAX, (name, *arguments), ("drain",))
        assert turned.explained((result, 3, INT64_MAX - 2)) == BETWEEN


@pytest.mark.parametrize(
    ("drained", "added", "left"),
    [
        (INT64_MAX, None, 0),  # the addition is lost
        (INT64_MAX, None, 10),  # it counts twice
        (INT64_MAX, OVERFLOW, 5),  # it was refused, but still counted
        (INT64_MAX - 1, None, 5),  # one of the counts is lost
        (INT64_MAX - 1, OVERFLOW, 0),  # one is lost, and the addition was refused
        (INT64_MAX + 7, None, -2),  # less than nothing is left
    ],
)
def test_what_is_lost_or_counted_twice_at_the_end_of_int64_is_still_unexplained(drained, added, left):
    assert overlap(COUNTER, INT64_MAX, ("drain",), ("add", 5)).explained((drained, added, left)) is None
    assert overlap(COUNTER, INT64_MAX, ("add", 5), ("drain",)).explained((added, drained, left)) is None


# A histogram whose sum is not a number

NAN_STATE, NOTHING = ((1, 1), math.nan), ((0, 0), 0.0)


@pytest.mark.parametrize(
    ("seen", "explained"),
    [
        (((0, 0), float("nan")), True),  # the counts after the drain, the sum before it
        (((1, 1), 0.0), True),
        (((1, 0), float("nan")), True),
        (((1, 2), math.nan), False),  # more than there ever was
        (((1, 1), 1.0), False),  # a sum that never existed
        (((-1, 1), math.nan), False),
    ],
)
def test_a_snapshot_during_a_drain_may_have_a_sum_that_is_not_a_number(seen, explained):
    met = overlap(HISTOGRAM, NAN_STATE, ("snapshot",), ("drain",))
    assert (met.explained((seen, NAN_STATE, NOTHING)) is not None) is explained


def test_what_drains_take_of_a_sum_that_is_not_a_number_still_adds_up():
    met = overlap(HISTOGRAM, NAN_STATE, ("drain",), ("drain",))
    assert met.explained((((1, 0), math.nan), ((0, 1), 0.0), NOTHING)) == BETWEEN
    assert met.explained((NAN_STATE, NAN_STATE, NOTHING)) is None
    assert met.explained((((1, 0), math.nan), NOTHING, NOTHING)) is None
    assert met.explained((((1, 0), 1.0), ((0, 1), 2.0), NOTHING)) is None
    numbers = overlap(HISTOGRAM, ((1, 1), 3.0), ("drain",), ("drain",))
    assert numbers.explained((((1, 0), 1.0), ((0, 1), 2.0), NOTHING)) == BETWEEN
    assert numbers.explained((((1, 0), math.nan), ((0, 1), 2.0), NOTHING)) is None


# Three threads


def test_three_drains_take_what_there_was():
    met = gathering(COUNTER, 7, ("drain",), ("drain",), ("drain",))
    assert met.explained((7, 0, 0), 0) is not None
    assert met.explained((3, 1, 2), 1) == BETWEEN
    assert met.explained((7, 7, 0), 0) is None
    assert met.explained((3, 1, 2), 0) is None


def test_an_addition_during_two_drains_counts_once():
    met = gathering(COUNTER, 7, ("drain",), ("drain",), ("add", 5))
    assert met.explained((7, 0, None), 5) is not None
    assert met.explained((3, 9, None), 0) == BETWEEN
    assert met.explained((7, 0, None), 0) is None
    assert met.explained((7, 5, None), 5) is None
    assert met.explained((7, 0, OVERFLOW), 5) is None


def test_a_witness_of_a_value_that_came_back_has_to_fit_what_the_exchanges_took():
    met = gathering(ATOMIC_INT, 1, ("compare_exchange", 1, 2), ("exchange", 7), ("exchange", 1))
    assert met.explained((1, 2, 7), 1) is not None
    assert met.explained((7, 1, 7), 1) is not None
    assert met.explained((1, 1, 7), 1) is None


@pytest.mark.parametrize("model", list(MODELS.values()), ids=str)
def test_a_call_that_does_nothing_shows_where_three_meet(model):
    access = made_of(model)
    for row in model.operations:
        for each in gatherings(access, row, 1):
            assert each.would_show
            for order in itertools.permutations(range(3)):
                assert each.explained(*each.outcome_of(order)) is not None


def test_what_loads_drains_adds_compares_or_calls_is_tried_by_three():
    met = {
        name: {row.name for row in MODELS[name].operations if gatherings(made_of(MODELS[name]), row, 1)}
        for name in MODELS
    }
    assert met["Counter"] == {"inc", "add", "__iadd__", "drain"}
    assert met["Histogram"] == met["ExponentialHistogram"] == {"observe", "drain"}
    comparing = {"load", "compare_and_set", "compare_exchange"}
    assert met["AtomicBool"] == comparing
    for name in ("AtomicInt", "AtomicFloat", "SharedInt", "SharedFloat", "AtomicRef"):
        assert met[name] == comparing | {"update", "fetch_update"}


def test_three_threads_are_explored_before_most_pairs():
    subject = find("tests.subjects.correct_metrics:LockCounter")
    for trial in explored_trials(subject.kind, subject.access, 1):
        drains, crowded = (
            [isinstance(each, Gathering) and each.crowd is crowd for each in trial.waiting]
            for crowd in (False, True)
        )
        adds = trial.row.operation in ("inc", "add", "__iadd__")
        assert any(drains[:5]) is (trial.row.operation == "drain")
        assert any(drains) is (adds or trial.row.operation == "drain")
        assert any(crowded[:3]) is any(crowded) is adds
        assert [each for each in trial.waiting_for(2) if isinstance(each, Gathering)] == []


# A value that stays what it is


@pytest.mark.parametrize("name", ["compare_and_set", "compare_exchange"])
def test_a_comparison_meets_those_that_leave_the_value(name):
    found = [
        each
        for each in encounters(made_of(ATOMIC_INT), ATOMIC_INT[name], 1)
        if getattr(each, "unmoved", False)
    ]
    assert {"store", "exchange", "fetch_add", "fetch_or"} <= {each.operations[1] for each in found}
    for each in found:
        met = each.overlap
        failed = False if name == "compare_and_set" else met.first_arguments[0] + 1
        assert met.explained((failed, met.in_order[0][1], met.state)) is None


# An argument that uses the cell


@pytest.mark.parametrize("model", list(MODELS.values()), ids=str)
def test_a_cell_that_converts_first_is_not_convicted_and_one_that_reads_first_is(model):
    right, wrong = (Alone(Broken(made_of(model), fault), 1) for fault in (converting_first, split))
    for row in model.operations:
        right.meddled(row)
        wrong.meddled(row)
    assert not right.found and not right.noted
    tried = [row.name for row in model.operations if list(meddling.meddlings(made_of(model), row))]
    assert set(wrong.found) == set(tried)
    if model.name in ("AtomicInt", "SharedInt"):
        assert {"add", "fetch_add", "compare_exchange", "try_add", "update", "__ixor__"} <= set(tried)


def test_a_function_that_is_called_again_and_again_finds_one_that_gives_up():
    subject = find("tests.subjects.broken_cunningly:GivesUp")
    check = Alone(subject.access, 1)
    for name in ("update", "fetch_update"):
        check.meddled(subject.access.model[name])
    assert list(check.found) == ["update"]
    assert "whose argument calls store(" in check.found["update"].call


def test_what_is_counted_by_a_thread_that_is_gone_is_still_there():
    for name, found in (
        ("broken_cunningly:GoesWithItsThread", ["inc"]),
        ("correct_metrics:StripedCounter", []),
    ):
        subject = find(f"tests.subjects.{name}")
        check = Alone(subject.access, 1)
        for row in subject.access.operations:
            check.elsewhere(row)
        assert list(check.found) == found


def test_a_cell_is_used_by_many_threads_and_by_those_that_come_after_them():
    for name, found in (
        ("broken_in_threads:RoomForEight", ["inc"]),
        ("broken_in_threads:SameIdentifier", ["inc"]),
        ("correct_metrics:StripedCounter", []),
    ):
        for seed in (1, 2, 3):
            check = Alone(find(f"tests.subjects.{name}").access, seed)
            check.crowded()
            assert list(check.found) == found


def test_an_object_that_only_the_cell_refers_to_stays():
    for name, found in (
        ("broken_by_surprise:HoldsWeakly", {"store", "exchange", "compare_and_set", "compare_exchange"}),
        ("correct_cells:LockRef", set()),
    ):
        check = Alone(find(f"tests.subjects.{name}").access, 1)
        for row in check.access.operations:
            check.lasting(row)
        assert check.found.keys() - {"update", "fetch_update"} == found
    assert not check.found


def test_a_function_may_raise_what_is_no_exception():
    for name, found in (
        ("broken_by_surprise:HalfwayWhenInterrupted", ["update"]),
        ("correct_cells:LockFloat", []),
    ):
        check = Alone(find(f"tests.subjects.{name}").access, 1)
        for row in check.access.operations:
            check.interrupted(row)
        assert list(check.found) == found
    assert check.calls["update"] and not check.calls["add"]


def test_a_timer_that_counts_in_other_units_is_found():
    for name in ("Milliseconds", "TimeOfDay"):
        check = Alone(find(f"tests.subjects.broken_by_surprise:{name}").access, 1)
        check.edges(check.access.model["time"])
        assert "time" in check.found
    block = find("tests.subjects.broken_by_surprise:KeepsInterrupted")
    check = Alone(block.access, 1)
    check.edges(check.access.model["track"])
    assert "track" in check.found


def test_an_error_that_a_cell_takes_for_its_own_is_found():
    subject = find("tests.subjects.broken_cunningly:SwallowsErrors")
    check = Alone(subject.access, 1)
    check.edges(subject.access.model["fetch_update"])
    assert "raises_AttributeError" in check.found["fetch_update"].call


# Arguments by name, and labels that look alike


def test_operands_that_are_swapped_by_name_are_found_and_names_that_are_not_known_are_noted():
    class Named(Broken):
        def __init__(self, fault):
            super().__init__(made_of(ATOMIC_INT), converting_first)
            object.__setattr__(self, "fault", fault)

        def call_by_name(self, row, cell, arguments, by_place=0):
            return self.call(row, cell, self.fault(arguments))

    def unknown(_):
        raise TypeError("got an unexpected keyword argument 'expected'")

    faults = (
        (lambda given: given, False, False),
        (lambda given: given[::-1], True, False),
        (unknown, False, True),
    )
    for fault, found, noted in faults:
        check = Alone(Named(fault), 1)
        check.edges(ATOMIC_INT["compare_exchange"])
        assert (bool(check.found), bool(check.noted)) == (found, noted)
        for each in (*check.found.values(), *check.noted.values()):
            assert each.call.startswith("compare_exchange(desired=")


def test_labels_that_look_alike_are_two_keys():
    for one, other in SIMILAR_LABELS:
        assert one != other
        state, _ = FAMILY["inc"].apply(((one, 7),), other)
        assert len(state) == 2


# The journal


def test_an_entry_is_read_whole_or_not_at_all(tmp_path):
    reader = Journal.create(tmp_path / "journal")
    writer = Journal(tmp_path / "journal")
    with closing(reader), closing(writer):
        seen = []

        class Seconds:
            def __float__(self):
                seen.append(reader.read())
                return 5.0

        writer.write("before", 3.0)
        assert reader.read() == (2, 3.0, "before")
        writer.write("x" * 10_000, Seconds())
        assert seen == [(2, 3.0, "before")]
        number, seconds, text = reader.read()
        assert (number, seconds) == (4, 5.0) and text == "x" * len(text) and len(text) > 4000


def test_a_machine_that_was_paused_hangs_no_subject(tmp_path, monkeypatch):
    """The clock jumps by a minute between two readings, and the row has ten seconds."""

    class Child:
        looks = 0

        def poll(self):
            return 0 if self.looks == 100 else None

        def wait(self, seconds):
            self.looks += 1
            raise subprocess.TimeoutExpired("child", seconds)

    clock = itertools.accumulate(itertools.chain([0.0, 0.02, 60.0], itertools.repeat(0.02)))
    monkeypatch.setattr(child.time, "monotonic", lambda: next(clock))
    told = []
    with closing(Journal.create(tmp_path / "journal")) as journal:
        journal.write("doing it", 10.0)
        assert not child._watched(Child(), journal, told.append)
        assert told == ["doing it"]
        journal.write("and for ever", 1.0)
        assert child._watched(Child(), journal, told.append)
