"""The rows made from the specification: they find their faults, and nothing in correct cells."""

import dataclasses
from itertools import combinations_with_replacement

import pytest

from atomicx.verify.selfcheck.access import Access
from atomicx.verify.selfcheck.alone import Alone
from atomicx.verify.selfcheck.broken import Broken, Held, control_of, split, wrong_in_one_state
from atomicx.verify.selfcheck.cli import KINDS
from atomicx.verify.selfcheck.encounters import COUNTED, encounters, meets
from atomicx.verify.selfcheck.generated import AloneRow, PairsRow, rows_of
from atomicx.verify.selfcheck.promises import BETWEEN, EITHER, FIRST, SECOND, Overlap
from atomicx.verify.spec.cells import ATOMIC_INT, COUNTER, FAMILY, HISTOGRAM, MODELS
from atomicx.verify.spec.kinds import INT64_MAX

pytestmark = pytest.mark.one_run

ALL_MODELS = list(MODELS.values())


def made_of(model):
    """Cells that are their own specification."""
    return Access(model, Held, lambda cell: cell.state)


def exactly(row, cell, arguments):
    cell.state, result = row.take(cell.state, arguments)
    return result


def right(model):
    return Broken(made_of(model), exactly)


# Coverage


def test_every_operation_of_every_type_has_its_rows():
    """No operation of the table is left out, and operations that meet others have a row for that."""
    assert {kind.model.name for kind in KINDS} == set(MODELS)
    for kind in KINDS:
        rows = list(rows_of(kind, kind.access, 1, lambda: None))
        alone = {row.operation.name for row in rows if isinstance(row, AloneRow)}
        pairs = {row.operation.name for row in rows if isinstance(row, PairsRow)}
        assert alone == {row.name for row in kind.model.operations}
        assert pairs == {row.name for row in kind.model.operations if meets(kind.access, row)}
        assert pairs >= {row.name for row in kind.model.operations if row.atomic and kind.model.changes(row)}


@pytest.mark.parametrize("model", ALL_MODELS, ids=str)
def test_each_pair_of_operations_that_change_something_meets(model):
    access = made_of(model)
    met = {frozenset(each.operations) for row in model.operations for each in encounters(access, row, 1)}
    changing = [
        row.name
        for row in model.operations
        if row.arguments and model.changes(row) and (row.atomic or row.name in COUNTED)
    ]
    assert {frozenset(pair) for pair in combinations_with_replacement(changing, 2)} <= met


# Alone


@pytest.mark.parametrize("model", ALL_MODELS, ids=str)
def test_what_is_right_is_not_convicted_alone(model):
    check = Alone(right(model), 5)
    for row in model.operations:
        check.edges(row)
        check.repeats(row)
    check.mixed()
    assert not check.found and not check.noted
    assert all(check.calls.values())


@pytest.mark.parametrize("model", ALL_MODELS, ids=str)
def test_an_operation_that_is_wrong_in_one_state_is_convicted(model):
    for row in model.operations:
        check = Alone(wrong_in_one_state(made_of(model), row), 5)
        check.edges(row)
        assert list(check.found) == [row.name]


def test_a_difference_tells_state_call_result_and_expectation():
    def from_two(row, cell, arguments):
        result = exactly(row, cell, arguments)
        return 2 if row.name == "fetch_add" else result

    check = Alone(Broken(made_of(ATOMIC_INT), from_two), 5)
    check.edges(ATOMIC_INT["fetch_add"])
    told = "fetch_add() on a cell that holds 0: returns 2 and leaves 1; expected: returns 0 and leaves 1"
    assert str(check.found["fetch_add"]) == told


def test_what_comes_only_with_time_is_found_and_says_after_how_many_calls():
    calls = iter(range(10**6))

    def tires(row, cell, arguments):
        if row.name == "inc" and next(calls) % 200 == 199:
            return None
        return exactly(row, cell, arguments)

    check = Alone(Broken(made_of(ATOMIC_INT), tires), 5)
    check.edges(ATOMIC_INT["inc"])
    check.repeats(ATOMIC_INT["inc"])
    assert check.found["inc"].calls_before > 0


def test_a_change_before_an_error_is_found():
    def half(row, cell, arguments):
        if row.name == "add":
            before = cell.state
            cell.state = 0
            cell.state, result = row.take(before, arguments)
            return result
        return exactly(row, cell, arguments)

    check = Alone(Broken(made_of(ATOMIC_INT), half), 5)
    check.edges(ATOMIC_INT["add"])
    assert "raises" in check.found["add"].found and "leaves 0" in check.found["add"].found


def test_another_error_than_the_specified_is_found_and_a_narrower_one_is_not():
    class TooLarge(OverflowError):
        pass

    def raising(kind):
        def call(row, cell, arguments):
            try:
                return exactly(row, cell, arguments)
            except OverflowError as error:
                raise kind from error

        return call

    for kind, convicted in ((TooLarge, False), (ValueError, True)):
        check = Alone(Broken(made_of(ATOMIC_INT), raising(kind)), 5)
        check.edges(ATOMIC_INT["inc"])
        assert bool(check.found) is convicted


def test_another_conversion_is_noted_and_not_convicted():
    def demands_int(row, cell, arguments):
        if not all(type(each) in (int, bool) for each in arguments):
            raise TypeError
        return exactly(row, cell, arguments)

    check = Alone(Broken(made_of(ATOMIC_INT), demands_int), 5)
    check.edges(ATOMIC_INT["store"])
    assert not check.found and "Index(5)" in check.noted["store"].call


def test_an_argument_that_should_be_refused_is_noted_and_one_that_is_changed_in_silence_convicts():
    def taking(convert):
        def call(row, cell, arguments):
            cell.state, result = row.step(cell.state, *map(convert, arguments))
            return result

        return call

    for convert, convicted in ((lambda value: value, False), (int, True)):
        check = Alone(Broken(made_of(ATOMIC_INT), taking(convert)), 5)
        check.edges(ATOMIC_INT["add"])
        assert (bool(check.found), bool(check.noted)) == (convicted, not convicted)


def test_a_value_that_is_too_large_for_the_cell_convicts():
    def unchecked(row, cell, arguments):
        cell.state, result = row.step(cell.state, *arguments)
        return result

    check = Alone(Broken(made_of(ATOMIC_INT), unchecked), 5)
    check.edges(ATOMIC_INT["store"])
    assert "store(9223372036854775808)" in str(check.found["store"])


# What overlapping operations may return


def overlap(model, state, first, second):
    return Overlap(model, state, model[first[0]], first[1:], model[second[0]], second[1:])


def test_two_additions_have_to_count():
    met = overlap(ATOMIC_INT, 0, ("fetch_add", 1), ("inc",))
    assert met.explained((0, None, 2)) == FIRST
    assert met.explained((1, None, 2)) == SECOND
    assert met.explained((0, None, 1)) is None
    assert overlap(ATOMIC_INT, 0, ("inc",), ("inc",)).explained((None, None, 2)) == EITHER


def test_a_witness_that_was_read_late_is_unexplained():
    met = overlap(ATOMIC_INT, 5, ("compare_exchange", 0, 1), ("store", 0))
    assert met.explained((5, None, 0)) == FIRST
    assert met.explained((0, None, 1)) == SECOND
    assert met.explained((0, None, 0)) is None


def test_a_counter_is_read_in_between_and_its_drains_add_up():
    met = overlap(COUNTER, 7, ("load",), ("add", 5))
    assert met.explained((9, None, 12)) == BETWEEN
    assert met.explained((13, None, 12)) is None
    assert met.explained((9, None, 9)) is None
    drains = overlap(COUNTER, 7, ("drain",), ("drain",))
    assert drains.explained((7, 0, 0)) == FIRST
    assert drains.explained((3, 4, 0)) == BETWEEN
    assert drains.explained((7, 7, 0)) is None
    assert drains.explained((3, 3, 0)) is None
    adds = overlap(COUNTER, 7, ("drain",), ("add", 5))
    assert adds.explained((9, None, 3)) == BETWEEN
    assert adds.explained((7, None, 0)) is None
    assert adds.explained((-1, None, 13)) is None


def test_a_counter_at_its_end_refuses_one_of_two():
    met = overlap(COUNTER, INT64_MAX - 1, ("inc",), ("inc",))
    refused = ("raises", "OverflowError")
    assert met.explained((None, refused, INT64_MAX)) == FIRST
    assert met.explained((refused, refused, INT64_MAX - 1)) is None


def test_a_histogram_is_read_in_between_and_its_drains_add_up():
    met = overlap(HISTOGRAM, ((1, 0), 1.0), ("snapshot",), ("observe", 2.0))
    assert met.explained((((1, 1), 1.0), None, ((1, 1), 3.0))) == BETWEEN
    assert met.explained((((2, 1), 1.0), None, ((1, 1), 3.0))) is None
    drained = overlap(HISTOGRAM, ((1, 0), 1.0), ("drain",), ("observe", 2.0))
    assert drained.explained((((1, 1), 1.0), None, ((0, 0), 2.0))) == BETWEEN
    assert drained.explained((((1, 0), 1.0), None, ((0, 0), 0.0))) is None


def test_a_family_may_be_seen_in_parts():
    one, two = (("GET", "200"), 1), (("PUT", "200"), 2)
    model = dataclasses.replace(FAMILY, operations=(*FAMILY.operations,))
    met = overlap(model, (one, two), ("items",), ("clear",))
    assert met.explained(((two,), None, ())) == BETWEEN
    assert met.explained((((("GET", "200"), 9),), None, ())) is None
    removed = overlap(model, (one, two), ("items",), ("remove", "GET", "200"))
    assert removed.explained(((), None, (two,))) is None


# The controls


# A lost write of these leaves the same as one of the two orders.
IN_TWO_HALVES = {("AtomicBool", "store"), ("AtomicBool", "clear")}


@pytest.mark.parametrize("model", ALL_MODELS, ids=str)
def test_a_split_cell_gives_what_nothing_explains(model):
    """Without threads: the lost write of each telling encounter is unexplained, so it can be caught."""
    for row in model.operations:
        if row.atomic and model.changes(row) and meets(made_of(model), row):
            fault, _, found = control_of(made_of(model), row, 1)
            if (model.name, row.name) in IN_TWO_HALVES:
                assert fault == "writes in two halves"
                continue
            assert "split" in fault and found
            for each in found:
                assert each.telling
                assert not all(map(each.overlap.explained, each.overlap.lost))


def test_the_split_cell_is_the_specification_as_long_as_one_thread_uses_it():
    check = Alone(Broken(made_of(ATOMIC_INT), split), 5)
    for row in ATOMIC_INT.operations:
        check.edges(row)
    assert not check.found
