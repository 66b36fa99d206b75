"""The litmus engine: what it counts, how it ends, and that it detects broken cells."""

import itertools
import sys
import threading
from typing import ClassVar

import pytest

from atomicx.verify import (
    ACCEPTABLE,
    FORBIDDEN,
    INTERESTING,
    Litmus,
    actor,
    assert_outcomes,
    litmus,
    observer,
    outcome_table,
    run,
)
from atomicx.verify.litmus import as_litmus, plain_actor
from atomicx.verify.sampling import threads
from atomicx.verify.sampling.noise import BATCH, noise
from atomicx.verify.sampling.programs import VOCABULARY, Program
from atomicx.verify.selfcheck.catalogue import ROWS

# Enough for every style of noise to occur, most of them many times.
MANY_BATCHES = 40


@litmus
class Visits:
    """Right in any order of its actors: each visits every state once."""

    outcomes: ClassVar = {("first", "second"): ACCEPTABLE("each came once")}

    def __init__(self):
        self.visits = []

    @actor
    def first(self):
        self.visits.append("first")

    @actor
    def second(self):
        self.visits.append("second")

    @observer
    def all_visits(self, first, second):
        assert first is None and second is None
        return tuple(sorted(self.visits))


class SplitCounter:
    def __init__(self):
        self.value = 0

    def add(self, delta):
        before = self.value
        self.value = self.plus(before, delta)

    def plus(self, before, delta):
        return before + delta


@litmus
class LosesCounts:
    """Two threads add one each, and one of the counts may be lost."""

    outcomes: ClassVar = {2: ACCEPTABLE("both are counted"), 0: INTERESTING}

    def __init__(self):
        self.counter = SplitCounter()

    @actor
    def first(self):
        self.counter.add(1)

    @actor
    def second(self):
        self.counter.add(1)

    @observer
    def total(self, first, second):
        return self.counter.value


def test_with(first=lambda state: 1, second=lambda state: 2, setup=lambda: None, **options):
    options.setdefault("outcomes", {(1, 2): ACCEPTABLE("as returned")})
    return Litmus("made here", setup, (plain_actor("first", first), plain_actor("second", second)), **options)


test_with.__test__ = False


# What a test is


def test_actors_in_the_order_in_which_they_are_written():
    assert [part.name for part in as_litmus(Visits).actors] == ["first", "second"]
    assert as_litmus(Visits).description.startswith("Right in any order")


def test_a_subclass_varies_the_state_and_may_override_an_actor_in_its_place():
    @litmus
    class Variant(Visits):
        def first(self):
            self.visits.append("first")
            self.visits.append("first")

    assert [part.name for part in as_litmus(Variant).actors] == ["first", "second"]
    assert run(Variant, samples=10).counts == {("first", "first", "second"): 10}


def test_without_an_observer_the_outcome_is_what_the_actors_returned():
    assert run(test_with(), samples=10).counts == {(1, 2): 10}


@pytest.mark.parametrize("actors", [1, 5])
def test_two_to_four_actors(actors):
    members = {f"actor{index}": actor(lambda self: None) for index in range(actors)}
    with pytest.raises(TypeError, match="2 to 4 actors"):
        litmus(type("Wrong", (), {"outcomes": {}, **members}))


def test_one_observer_at_most():
    second = observer(lambda self, *results: 0)
    with pytest.raises(TypeError, match="at most one observer, got all_visits, another"):
        litmus(type("Wrong", (Visits,), {"another": second}))


def test_outcomes_are_demanded():
    with pytest.raises(TypeError, match="outcomes"):
        litmus(type("Wrong", (Visits,), {"outcomes": None}))


def test_only_a_decorated_class_is_a_test():
    class Undecorated(Visits):
        pass

    for wrong in (Undecorated, object, 3):
        with pytest.raises(TypeError, match="is not a litmus test"):
            as_litmus(wrong)


def test_what_is_not_listed_is_forbidden():
    test = as_litmus(LosesCounts)
    assert test.expectation(2).grade is ACCEPTABLE
    assert test.expectation(2).note == "both are counted"
    assert test.expectation(0).grade is INTERESTING
    assert test.expectation(1).grade is FORBIDDEN
    assert test.expectation((None, None)).grade is FORBIDDEN


def test_outcomes_may_be_a_function():
    test = test_with(outcomes=lambda outcome: ACCEPTABLE if outcome == (1, 2) else None)
    assert test.expectation((1, 2)).grade is ACCEPTABLE
    assert test.expectation((2, 1)).grade is FORBIDDEN


# What a run counts


def test_every_actor_comes_once_to_every_state_whatever_the_noise():
    result = run(Visits, samples=MANY_BATCHES * BATCH, seed=1)
    assert result.counts == {("first", "second"): MANY_BATCHES * BATCH}
    assert result.samples == MANY_BATCHES * BATCH
    assert not result.forbidden and result.caught == 0


def test_each_result_is_put_to_its_own_state():
    numbers = itertools.count()
    test = test_with(
        setup=lambda: next(numbers),
        first=lambda number: number % 3,
        second=lambda number: number % 2,
        outcomes=lambda outcome: ACCEPTABLE,
    )
    result = run(test, samples=6 * 600)
    assert result.counts == dict.fromkeys(itertools.product(range(3), range(2)), 600)


@pytest.mark.parametrize("samples", [1, BATCH - 1, BATCH, BATCH + 1])
def test_exactly_as_many_samples_as_asked_for(samples):
    assert run(Visits, samples=samples).samples == samples


def test_one_batch_at_least_however_short_the_time():
    assert run(Visits, seconds=1e-9).samples == BATCH


def test_forbidden_outcomes_are_told_apart():
    values = itertools.cycle([1, 1, 1, 7])
    test = test_with(setup=lambda: next(values), first=lambda value: value)
    result = run(test, samples=400)
    assert result.counts == {(1, 2): 300, (7, 2): 100}
    assert result.forbidden == {(7, 2): 100} and result.caught == 100
    assert [(outcome, count) for outcome, count, _ in result.graded] == [((1, 2), 300), ((7, 2), 100)]


def test_it_stops_when_enough_was_caught():
    assert run(test_with(first=lambda state: 3), seconds=30, stop_when_caught=1).samples == BATCH


def test_results_merge():
    one, other = run(test_with(), samples=10), run(test_with(first=lambda state: 3), samples=5)
    one.merge(other)
    assert one.counts == {(1, 2): 10, (3, 2): 5}
    assert not one.interrupted and one.failure is None


def test_a_lost_count_is_seen():
    assert run(LosesCounts, seconds=60, seed=1, stop_when_caught=1).forbidden.keys() == {1}


# The noise


def test_the_same_seed_gives_the_same_noise():
    def first(seed):
        return list(itertools.islice(noise(seed, 3), MANY_BATCHES))

    assert first(7) == first(7)
    assert first(7) != first(8)
    assert first("7 row control 1") == first("7 row control 1")


def test_every_walk_comes_once_to_every_state():
    for plan in itertools.islice(noise(1, 4), MANY_BATCHES):
        assert len(plan.walks) == 4
        for walk in plan.walks:
            assert sorted(itertools.chain(*walk.legs)) == list(range(BATCH))
        for walk in plan.within(10).walks:
            assert sorted(itertools.chain(*walk.legs)) == list(range(10))


# How a run ends


SWITCH_INTERVAL_SECONDS = 0.004


@pytest.fixture
def nothing_left():
    """Every run leaves the threads and the switch interval as they were, however it ends."""
    threads, interval = threading.active_count(), sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    yield
    left = threading.active_count(), sys.getswitchinterval()
    sys.setswitchinterval(interval)
    assert left == (threads, pytest.approx(SWITCH_INTERVAL_SECONDS))


@pytest.mark.usefixtures("nothing_left")
def test_a_run_that_ends_in_time_leaves_nothing():
    assert run(Visits, samples=10).samples == 10


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=repr)
@pytest.mark.usefixtures("nothing_left")
def test_an_actor_that_raises_is_reported_and_ends_the_run(error):
    numbers = itertools.count()

    def fails(number):
        if number == 2000:
            raise error
        return 1

    result = run(test_with(first=fails, setup=lambda: next(numbers)), seconds=30)
    assert result.failure.actor == "first"
    assert result.failure.error is error
    assert type(error).__name__ in str(result.failure) and "fails" in str(result.failure)
    # The whole batch is dropped, since its results are unknown.
    assert result.samples == BATCH
    assert not result.interrupted


@pytest.mark.usefixtures("nothing_left")
def test_an_actor_that_cannot_be_prepared_is_reported():
    def prepare():
        raise ValueError("no view")

    test = test_with()
    broken = Litmus("broken", test.setup, (test.actors[0], type(test.actors[1])("second", prepare)), {})
    failure = run(broken, seconds=30).failure
    assert failure.actor == "second" and "no view" in str(failure)


@pytest.mark.usefixtures("nothing_left")
def test_what_the_set_up_or_the_observer_raises_passes_through():
    def fails(*_):
        raise ValueError("broken test")

    with pytest.raises(ValueError, match="broken test"):
        run(test_with(setup=fails))
    with pytest.raises(ValueError, match="broken test"):
        run(test_with(observe=fails))


@pytest.mark.usefixtures("nothing_left")
def test_an_actor_that_does_not_end_is_named(monkeypatch):
    monkeypatch.setattr(threads, "FAREWELL_SECONDS", 0.1)
    go_on = threading.Event()
    result = run(test_with(second=lambda state: go_on.wait()), samples=1, patience_seconds=0.2)
    go_on.set()
    assert result.failure.actor == "second" and "did not end within 0.2 s" in str(result.failure)
    assert result.samples == 0
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join()


@pytest.mark.usefixtures("nothing_left")
def test_ctrl_c_ends_it_with_what_there_is():
    numbers = itertools.count()

    def setup():
        if next(numbers) == 2 * BATCH + 5:
            raise KeyboardInterrupt

    result = run(test_with(setup=setup), seconds=30)
    assert result.interrupted
    assert result.counts == {(1, 2): 2 * BATCH}


# The assertion


def test_assert_outcomes_returns_the_result():
    assert assert_outcomes(Visits, samples=100).samples == 100


def test_assert_outcomes_shows_the_table():
    values = itertools.cycle([1, 1, 1, 7])
    test = test_with(setup=lambda: next(values), first=lambda value: value)
    with pytest.raises(AssertionError) as caught:
        assert_outcomes(test, samples=400, seed=5)
    assert str(caught.value).splitlines() == [
        "made here: 100 forbidden of 400 samples, seed 5",
        "  outcome  samples  expectation",
        "  (1, 2)       300  acceptable   as returned",
        "  (7, 2)       100  FORBIDDEN    not listed",
    ]


def test_assert_outcomes_demands_samples():
    with pytest.raises(AssertionError, match="no sample was taken"):
        assert_outcomes(Visits, samples=0)
    assert outcome_table(run(Visits, samples=0, seed=1)) == "Visits: 0 forbidden of 0 samples, seed 1"


def test_assert_outcomes_demands_that_the_control_is_caught():
    always_wrong = test_with(first=lambda state: 3)
    assert_outcomes(Visits, control=always_wrong, samples=10)
    with pytest.raises(AssertionError, match="the control stayed silent"):
        assert_outcomes(Visits, control=test_with(), samples=10)


def test_assert_outcomes_passes_on_what_an_actor_raised():
    def fails(state):
        raise ValueError("no")

    with pytest.raises(AssertionError, match="first: Traceback") as caught:
        assert_outcomes(test_with(first=fails), samples=10)
    assert isinstance(caught.value.__cause__, ValueError)


def test_assert_outcomes_passes_ctrl_c_on():
    def setup():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assert_outcomes(test_with(setup=setup), samples=10)


# Programs


def outcomes_of(program, row="int-add"):
    kind = next(each for each in ROWS if each.name == row).kind
    return {program.show(outcome): each.grade for outcome, each in program.outcomes(kind.split).items()}


def test_a_program_finds_its_outcomes():
    buffering = Program("x = 0; y = 0", ("x.store(1); a = y.load()", "y.store(1); b = x.load()"))
    assert outcomes_of(buffering) == {"a=0 b=1": ACCEPTABLE, "a=1 b=0": ACCEPTABLE, "a=1 b=1": INTERESTING}
    assert buffering.needs == {"store", "load"}


def test_independent_reads_allow_all_but_one_outcome():
    row = next(row for row in ROWS if row.name == "int-independent-reads")
    found = outcomes_of(row.program)
    assert len(found) == 15 and "a=1 b=0 c=1 d=0" not in found


def test_a_program_names_exceptions_and_in_place_operators():
    program = Program("x = MAX", ("a = attempt(x.add, 1)", "x -= 1"), "z = x.load()")
    assert outcomes_of(program) == {
        f"a='OverflowError' z={2**63 - 2}": ACCEPTABLE,
        f"a=None z={2**63 - 1}": ACCEPTABLE,
    }
    assert program.needs == {"add", "__isub__", "load"}


def test_a_program_takes_other_names():
    program = Program("x = 0", ("a = x.exchange(1)", "b = x.exchange(2)"), "z = x.load()")
    renamed = program.renamed({"exchange": "swap", "load": "get"})
    assert str(renamed) == "x = 0 : a = x.swap(1) || b = x.swap(2) : z = x.get()"


# The catalogue


def test_rows_have_names_of_their_own():
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.name.startswith(f"{row.kind.name}-") for row in ROWS)


def alone(test):
    """Yield the outcomes of one thread that plays all actors, in each order of them."""
    for order in itertools.permutations(range(len(test.actors))):
        state = test.setup()
        bodies = [part.prepare() for part in test.actors]
        results = [None] * len(bodies)
        for index in order:
            results[index] = bodies[index](state)
        yield test.outcome(state, tuple(results))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_control_is_right_as_long_as_it_is_alone(row):
    """So a control is caught only for going wrong with other threads."""
    test = row.control_test(row.kind.access)
    assert {test.expectation(outcome).grade for outcome in alone(test)} == {ACCEPTABLE}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_real_cells_are_right_when_alone(row):
    test = row.subject_test(row.kind.access)
    seen = set(alone(test))
    assert {test.expectation(outcome).grade for outcome in seen} == {ACCEPTABLE}
    # The orders of whole actors give exactly the outcomes that the catalogue accepts.
    assert seen == {outcome for outcome in test.outcomes if test.outcomes[outcome].grade is ACCEPTABLE}


def test_the_vocabulary_keeps_clear_of_cells():
    assert not {"x", "y", "z", "a", "b", "c", "d"} & VOCABULARY.keys()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_control_is_caught_by_real_threads(row):
    if row.hidden():
        pytest.skip(f"not observable here: {row.hidden()}")
    result = run(row.control_test(row.kind.access), seconds=120, seed=1, stop_when_caught=1)
    assert result.failure is None
    assert result.forbidden


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_real_cells_hold(row):
    result = assert_outcomes(row.subject_test(row.kind.access), samples=4 * BATCH, seed=1)
    assert result.samples == 4 * BATCH


def test_an_actor_that_is_slow_but_goes_on_is_not_stuck():
    go, went = threading.Semaphore(0), threading.Semaphore(0)

    def body(_):
        go.acquire()
        went.release()

    class NeverInTime:
        """Lets the actor go on by two states before each of five times that its time is over."""

        def __init__(self, done):
            self.release, self.real, self.left = done.release, done, 5

        def acquire(self, timeout):
            if not self.left:
                return self.real.acquire()
            self.left -= 1
            for _ in range(2):
                go.release()
                assert went.acquire(timeout=60)
            return False

    with threads.Threads((plain_actor("slow", body),), 60.0) as crew:
        crew._done = NeverInTime(crew._done)
        assert crew.run([None] * 10, next(noise(1, 1)).within(10)) == [[None] * 10]
        assert crew.failure is None
