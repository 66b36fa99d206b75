"""Three threads in the middle of an operation, cells that were used before, and other people's guards."""

import itertools
from dataclasses import replace

import pytest

from atomicx.verify.sampling.engine import run
from atomicx.verify.schedules.explorer import Explorer
from atomicx.verify.selfcheck.access import Access
from atomicx.verify.selfcheck.alone import Alone
from atomicx.verify.selfcheck.broken import Broken, Held, split
from atomicx.verify.selfcheck.cli import KINDS
from atomicx.verify.selfcheck.encounters import encounters
from atomicx.verify.selfcheck.explored import STEPPED, ExploredRow, ExploredTrial
from atomicx.verify.selfcheck.gatherings import crowds, gatherings, threes
from atomicx.verify.selfcheck.pairs import pairs_litmus
from atomicx.verify.selfcheck.promises import ADDITIONS
from atomicx.verify.selfcheck.shared_rows import no_processes
from atomicx.verify.selfcheck.subject import find
from atomicx.verify.selfcheck.used import used_cell
from atomicx.verify.spec.cells import ATOMIC_INT, COUNTER, MODELS
from atomicx.verify.spec.model import Promise


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    """Each kind of cell that `verify` tries here."""
    hidden = no_processes() if request.param.name.startswith("shared-") else None
    if hidden is not None:
        pytest.skip(hidden)
    return request.param


def made_of(model):
    """Cells that are their own specification."""
    return Access(model, Held, lambda cell: cell.state)


@pytest.mark.one_run
@pytest.mark.parametrize("model", list(MODELS.values()), ids=str)
def test_what_changes_something_is_tried_three_times_at_once(model):
    access = made_of(model)
    for row in model.operations:
        found = crowds(access, row, 1)
        for each in found:
            assert each.crowd and row.name in each.operations
            for order in itertools.permutations(range(3)):
                assert each.explained(*each.outcome_of(order)) is not None
        same = [each for each in found if each.operations == (row.name,) * 3]
        assert bool(same) is shows_three_times(model, row), row.name


def shows_three_times(model, row):
    """Whether it shows that one of three did nothing: not if the last one alone decides what is left."""
    if model.promise is Promise.CHILDREN:
        return row.name in ("__getitem__", "labels", "inc", "dec", "add", "store", "__setitem__")
    if model.promise is Promise.BETWEEN:
        return row.name in ADDITIONS
    return bool(row.arguments and row.atomic and model.changes(row)) and row.name not in ("store", "clear")


@pytest.mark.one_run
@pytest.mark.parametrize("seed", [1, 5, 6])
@pytest.mark.parametrize(
    ("name", "operation"), [("ThirdAdvanceRepeats", "advance"), ("ReadsTwiceAtMost", "load")]
)
def test_what_fails_only_where_three_meet_is_found(name, operation, seed):
    subject = find(f"tests.subjects.broken_together:{name}")
    trial = ExploredTrial(ExploredRow(subject.kind, operation), subject.access, [], seed=seed)
    row = subject.access.model[operation]
    pairs = [
        each for each in encounters(subject.access, row, seed) if each.operations == (operation, "store")
    ]
    with Explorer(step_into=STEPPED) as explorer:
        for each in pairs[:3]:
            trial.explore(explorer, each, 1, lambda _: None)
        assert trial.failed is None
        for each in (*gatherings(subject.access, row, seed), *crowds(subject.access, row, seed)):
            trial.explore(explorer, each, 2, lambda _: None)
    assert trial.failed is not None


@pytest.mark.one_run
@pytest.mark.parametrize("model", list(MODELS.values()), ids=str)
def test_the_control_of_three_threads_is_caught(model):
    cells = Broken(made_of(model), split)
    test = pairs_litmus("three", cells, threes(cells, 1))
    result = run(test, seconds=60, seed=1, stop_when_caught=1)
    assert result.failure is None and result.forbidden


def test_three_threads_find_nothing_in_our_own_cells(kind):
    result = run(pairs_litmus("three", kind.access, threes(kind.access, 1)), seconds=60, samples=300, seed=1)
    assert result.failure is None and not result.forbidden


# A cell that was used before


def test_a_used_cell_holds_what_it_should(kind):
    for state in kind.model.edge_states:
        assert kind.model.same(kind.access.state(used_cell(kind.access, state)), state)


@pytest.mark.one_run
def test_a_cell_is_used_before_it_is_brought_back():
    done = []

    def call(row, cell, arguments):
        done.append((row.name, cell))
        cell.state, result = row.take(cell.state, arguments)
        return result

    cells = Broken(made_of(COUNTER), call)
    used = used_cell(cells, 7, [(COUNTER["inc"], ())])
    assert used.state == 7
    assert done == [("inc", used), ("drain", used), ("add", used)]


@pytest.mark.one_run
def test_a_cell_that_cannot_be_brought_back_is_a_new_one():
    class Stuck:
        def __init__(self, state):
            self.state, self.used = state, False

        def exchange(self, value):
            self.used = True

    rows = tuple(row for row in ATOMIC_INT.operations if row.name == "exchange")
    access = Access(replace(ATOMIC_INT, operations=rows), Stuck, lambda cell: cell.state)
    assert not used_cell(access, 7).used


# Guards


@pytest.mark.one_run
def test_guards_made_of_generators_are_tried_as_they_are():
    subject = find("tests.subjects.correct_unusual:GeneratorGuards")
    assert "track().__exit__" in subject.missing and "admit().__enter__" not in subject.missing
    check = Alone(subject.access, 1)
    names = ("track", "track().__enter__", "admit", "admit().__enter__")
    for name in names:
        check.edges(subject.access.model[name])
        check.repeats(subject.access.model[name])
        assert check.calls[name]
    assert not check.found


@pytest.mark.one_run
def test_a_guard_or_timer_that_forgets_a_block_that_raises_is_found():
    for name, operation in (("KeepsRaised", "track"), ("TimesOnlySuccess", "time")):
        subject = find(f"tests.subjects.broken_together:{name}")
        check = Alone(subject.access, 1)
        check.edges(subject.access.model[operation])
        assert operation in check.found
