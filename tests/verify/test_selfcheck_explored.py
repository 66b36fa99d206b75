"""Trials of an operation in every schedule: waits with a limit, and what cannot be explored."""

import pytest

from atomicx.verify.schedules.explorer import Exploration, Explorer, Failure, NotDeterministic
from atomicx.verify.selfcheck.encounters import encounters
from atomicx.verify.selfcheck.explored import STEPPED, TRIES, ExploredRow, ExploredTrial, Unexplained
from atomicx.verify.selfcheck.subject import find
from atomicx.verify.selfcheck.trials import Verdict

pytestmark = pytest.mark.one_run

HOLDS = Exploration(1, True, 1, None, 5)


def fails(error, *, conclusive):
    return Exploration(1, False, 1, Failure("the reason", "a", 0, (), ("one",), error, conclusive), 5)


def trial_of(name, operation):
    """Return a trial of this operation of a subject, and all that it meets."""
    subject = find(f"tests.subjects.{name}")
    found = encounters(subject.access, subject.access.model[operation], 1)
    return ExploredTrial(ExploredRow(subject.kind, operation), subject.access, found)


class Scripted:
    """An explorer of threads that wait with a limit. It finds what it is told; None: never the same again."""

    timed = True

    def __init__(self, patient=HOLDS, hurried=HOLDS):
        self.impatient = self.first_makes = False
        self.found = {False: patient, True: hurried}
        self.tries = []

    def explore(self, *_, **__):
        self.tries.append((self.impatient, self.first_makes))
        found = self.found[self.impatient]
        if found is None:
            raise NotDeterministic
        return found


def explored_by(trial, explorer, times=1):
    """Explore that many encounters, and return what was written to the journal."""
    written = []
    for encounter in trial.waiting[:times]:
        trial.explore(explorer, encounter, 1, written.append)
    return written


@pytest.fixture
def trial():
    return trial_of("correct_cells:LockBool", "exchange")


def test_one_that_gave_up_is_not_said_to_be_tried_in_every_schedule(trial):
    explored_by(trial, Scripted())
    assert trial.verdict is Verdict.PASS
    explored_by(trial, Scripted(patient=None))
    assert trial.verdict is Verdict.NOT_RUN
    assert trial.reason == "cannot be explored: the same schedule does not do the same again"


@pytest.mark.parametrize("found", [None, fails(Unexplained(), conclusive=False)])
def test_what_cannot_be_explored_in_a_hurry_ends_no_row(trial, found):
    explored_by(trial, Scripted(hurried=found))
    assert trial.obstacle is None and trial.verdict is Verdict.PASS


def test_only_what_is_wrong_and_conclusive_convicts_in_a_hurry(trial):
    # What the cell itself raises after a wait.
    for error in (TimeoutError(), AssertionError()):
        explored_by(trial, Scripted(hurried=fails(error, conclusive=True)))
        assert trial.verdict is Verdict.PASS
    explored_by(trial, Scripted(hurried=fails(Unexplained(), conclusive=True)))
    assert trial.verdict is Verdict.FAIL and "the reason" in trial.reason


def test_each_exploration_has_its_own_time(trial):
    for hurried, times in ((HOLDS, 2), (None, 1 + TRIES)):
        explorer = Scripted(hurried=hurried)
        written = explored_by(trial, explorer)
        assert len(written) == len(explorer.tries) == times


def test_a_cell_that_waits_with_a_limit_is_made_by_either_thread(trial):
    explorer = Scripted()
    explored_by(trial, explorer, times=2)
    assert trial.explored == 2
    assert explorer.tries == [(hurried, first) for first in (False, True) for hurried in (False, True)]


def test_a_family_may_raise_an_error_after_a_long_wait():
    for operation, text in (
        ("__getitem__", "family['GET', '200'] || itself"),
        ("inc", "inc || remove"),
    ):
        trial = trial_of("correct_styles:ImpatientFamily", operation)
        trial.waiting = [each for each in trial.waiting if str(each).startswith(text)]
        with Explorer(step_into=STEPPED) as explorer:
            explored_by(trial, explorer)
            assert explorer.timed
        assert trial.verdict is Verdict.PASS, trial.reason


def test_a_cell_that_goes_on_without_its_lock_is_convicted():
    trial = trial_of("broken_in_threads:TimesOut", "fetch_add")
    with Explorer(step_into=STEPPED) as explorer:
        explored_by(trial, explorer)
    assert trial.verdict is Verdict.FAIL
