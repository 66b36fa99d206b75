"""Cells that `verify --subject` has to call or to read in their own way, and must not convict for it."""

import itertools
import threading
import time
from contextlib import contextmanager

import pytest
from tests.subjects.correct_cells import LockRef, int64
from tests.subjects.correct_metrics import LockHistogram

from atomicx.verify.selfcheck.alone import Alone
from atomicx.verify.selfcheck.subject import find

pytestmark = pytest.mark.one_run


def checked(name, wraps=False):
    """Return the subject of this module, and what one thread alone finds in its cells."""
    subject = find(f"{__name__}:{name}", wraps=wraps)
    check = Alone(subject.access, 1)
    for row in subject.access.operations:
        check.edges(row)
        check.repeats(row)
        check.interrupted(row)
    check.mixed()
    assert all(check.calls.values())
    return subject, check


# Arguments by name


class OwnInt:
    """An integer whose operations have names of their own."""

    def __init__(self, value=0):
        self._lock = threading.Lock()
        self._value = int64(value)

    def get(self):
        with self._lock:
            return self._value

    def set(self, value):
        value = int64(value)
        with self._lock:
            self._value = value

    def _change(self, by):
        by = int64(by)
        with self._lock:
            old = self._value
            self._value = int64(old + by)
            return old, self._value

    def _swap(self, old, new):
        old, new = int64(old), int64(new)
        with self._lock:
            is_expected = self._value == old
            if is_expected:
                self._value = new
            return is_expected


class KeywordCas(OwnInt):
    def cas(self, *, expected, desired):
        return self._swap(expected, desired)


class CasWithTimeout(OwnInt):
    def cas(self, *, timeout=None, old, new):
        return self._swap(old, new)


class AmountLast(OwnInt):
    def get_and_add(self, *, timeout=5.0, amount=1):
        return self._change(amount)[0]


class ValueByDefault(OwnInt):
    """The only candidate for an argument is the argument, whatever its default."""

    def set(self, *, new=None):
        super().set(new)


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("KeywordCas", "compare_and_set"),
        ("CasWithTimeout", "compare_and_set"),
        ("AmountLast", "fetch_add"),
        ("ValueByDefault", "store"),
    ],
)
def test_arguments_by_name_are_found_under_the_cells_own_names(name, operation):
    subject, check = checked(name)
    assert subject.access.adapted == {operation}
    assert not check.found and not subject.others


# Operations whose name says by how much


class Steps(OwnInt):
    def get_and_increment(self):
        return self._change(1)[0]

    def increment_and_get(self, timeout=None):
        return self._change(1)[1]

    def get_and_decrement(self, *, blocking=True):
        return self._change(-1)[0]

    def decrement_and_get(self, *_, **__):
        return self._change(-1)[1]


class WrappingSteps(Steps):
    def _change(self, by):
        with self._lock:
            old = self._value
            self._value = (old + by + 2**63) % 2**64 - 2**63
            return old, self._value


class StepsByAny(OwnInt):
    def get_and_increment(self, by=1):
        return self._change(by)[0]

    def increment_and_get(self, *, timeout=None, by=1):
        return self._change(by)[1]


class StepsByTwo(OwnInt):
    def increment_and_get(self):
        return self._change(2)[1]


STEPS = {"fetch_add", "add_fetch", "fetch_sub", "sub_fetch"}


@pytest.mark.parametrize("name", ["Steps", "WrappingSteps"])
def test_increment_and_get_needs_no_operand(name):
    subject, check = checked(name, wraps=name == "WrappingSteps")
    assert subject.access.adapted == STEPS and not subject.others
    assert not check.found


def test_increment_and_get_is_given_an_operand_if_it_takes_one():
    subject, check = checked("StepsByAny")
    assert subject.access.adapted == {"add_fetch"} and not check.found
    cell = subject.access.make(3)
    assert subject.access.call(subject.access.model["add_fetch"], cell, (5,)) == 8
    assert subject.access.call(subject.access.model["fetch_add"], cell, (5,)) == 8


def test_increment_and_get_that_adds_two_is_convicted():
    _, check = checked("StepsByTwo")
    assert list(check.found) == ["add_fetch"]


# An attribute `value` that is not what the cell holds


class Sharded:
    """Its `value` is what it began with; what was counted since is in shards."""

    def __init__(self, value=0):
        self.value = int64(value)
        self._lock = threading.Lock()
        self._shards = {}

    def _add(self, number):
        with self._lock:
            int64(int(self) + number)
            me = threading.get_ident()
            self._shards[me] = self._shards.get(me, 0) + number

    def inc(self):
        self._add(1)

    def dec(self):
        self._add(-1)

    def __int__(self):
        return self.value + sum(self._shards.values())


class Ids:
    """Its `value` makes the values."""

    def __init__(self):
        self.value = itertools.count(1)

    def increment_and_get(self):
        return next(self.value)


class Property:
    """Its property is an operation, although int() shows the same."""

    def __init__(self, value=0):
        self._lock = threading.Lock()
        self._value = int64(value)

    def inc(self):
        with self._lock:
            self._value = int64(self._value + 1)

    def __int__(self):
        return self.value

    @property
    def value(self):
        with self._lock:
            return self._value


def test_a_conversion_tells_more_than_an_attribute():
    subject, check = checked("Sharded")
    assert "load" in subject.missing and "__int__" not in subject.missing
    assert not check.found


def test_a_property_is_an_operation():
    subject, check = checked("Property")
    assert subject.access.adapted == {"load"} and not check.found


def test_an_attribute_that_is_not_a_value_is_not_overwritten():
    with pytest.raises(ValueError, match="cannot make a int"):
        find(f"{__name__}:Ids")


# Timers


class CoarseTimer(LockHistogram):
    """Its clock makes a step of 16 ms at every seventh reading, sometimes in the middle of a block."""

    _readings = itertools.count()

    def _now(self):
        return next(self._readings) // 7 * 0.016

    @contextmanager
    def time(self):
        begun = self._now()
        try:
            yield
        finally:
            self.observe(self._now() - begun)


def test_a_coarse_clock_may_make_a_step_in_a_block():
    _, check = checked("CoarseTimer")
    assert not check.found


class MillisecondTimer(LockHistogram):
    @contextmanager
    def time(self):
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.observe((time.perf_counter() - begun) * 1000)


class OneBlockTimer(CoarseTimer):
    """Forgets a block if the clock makes a step in it."""

    def observe(self, value):
        if value == 0.0:
            super().observe(value)


@pytest.mark.parametrize("name", ["MillisecondTimer", "OneBlockTimer"])
def test_a_timer_in_the_wrong_unit_or_that_forgets_a_block_is_convicted(name):
    subject = find(f"{__name__}:{name}")
    check = Alone(subject.access, 1)
    check.repeats(subject.access.model["time"])
    assert list(check.found) == ["time"]


# What a report says


class ServedRef(LockRef):
    """A thread calls the function, and passes on an Exception only."""

    def update(self, function):
        done = []

        def serve():
            try:
                done.append(super(ServedRef, self).update(function))
            except Exception as error:
                done.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        thread.join()
        if isinstance(done[0], Exception):
            raise done[0]
        return done[0]


def test_what_an_interrupted_function_leads_to_is_told(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    subject = find(f"{__name__}:ServedRef")
    check = Alone(subject.access, 1)
    check.interrupted(subject.access.model["update"])
    assert "raises IndexError and leaves None" in str(check.found["update"])


class Copies(LockRef):
    """Keeps a copy of what it is given."""

    def store(self, value):
        super().store(type(value)() if type(value).__name__ == "Fresh" else value)


def test_an_object_that_is_not_kept_is_told_by_what_is_left():
    subject = find(f"{__name__}:Copies")
    check = Alone(subject.access, 1)
    check.lasting(subject.access.model["store"])
    assert str(check.found["store"]).endswith(
        ": leaves Fresh(); expected: leaves the object that it was given"
    )
