"""`verify --subject`: which kind it assigns to a subject, how it makes one, and what it reports.

`make subjects` runs all of them and shows how long each takes; here are a few, each for one purpose.
"""

import importlib
import json

import pytest
from tests.subjects import subjects

from atomicx.__main__ import main
from atomicx.verify.selfcheck import child
from atomicx.verify.selfcheck.alone import Alone
from atomicx.verify.selfcheck.subject import KINDS, find

# The ending of the names of their base classes, by kind.
OF_KIND = {
    "int": "Int",
    "float": "Float",
    "bool": "Bool",
    "ref": "Ref",
    "counter": "Counter",
    "histogram": "Histogram",
    "exponential": "ExponentialHistogram",
    "family": "Family",
}
WHOLE = ("Counter", "Histogram", "Family")


@pytest.fixture
def verify(capsys):
    """Give a subject to `verify`; return the exit status and what it printed."""

    def run(name, *options):
        status = main(["verify", "--subject", f"tests.subjects.{name}", "--seed", "1", *options])
        return status, capsys.readouterr().out

    return run


# Which kind


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_guessed(kind):
    name = OF_KIND[kind]
    module, own = ("metrics", name) if name in WHOLE else ("cells", f"Atomic{name}")
    if name == "ExponentialHistogram":
        module, own = "buckets", name
    for place in (f"tests.subjects.correct_{module}:Lock{name}", f"atomicx:{own}"):
        subject = find(place)
        assert subject.kind is KINDS[kind], subject.because
        access = subject.access
        for state in access.model.edge_states:
            assert access.model.same(access.state(access.make(state)), state)


def test_each_subject_is_taken_for_what_its_base_is():
    wrong = {}
    for each in subjects():
        module, _, name = each.name.partition(":")
        bases = [
            base.__name__ for base in getattr(getattr(importlib.import_module(module), name), "__mro__", ())
        ]
        expected = [kind for kind, ends in OF_KIND.items() if any(base.endswith(ends) for base in bases)]
        if "exponential" in expected:
            expected.remove("histogram")  # it ends like that too
        found = find(each.name)
        if expected and found.kind.name not in expected:
            wrong[each.name] = found.kind.name, found.because
    assert not wrong


def test_other_names_are_understood_and_what_is_lacking_is_named():
    subject = find("tests.subjects.correct_cells:WrappingInt")
    assert subject.access.names == {
        "load": "get",
        "store": "set",
        "fetch_add": "get_and_add",
        "add_fetch": "add_and_get",
    }
    assert "fetch_xor" in subject.missing
    cell = subject.access.make(5)
    assert subject.access.state(cell) == 5


def test_a_constructor_without_a_value_will_do():
    subject = find("tests.subjects.correct_cells:SlottedInt")
    assert subject.access.state(subject.access.make(7)) == 7
    assert "__init__" in subject.missing


def test_what_the_specification_does_not_know_is_named():
    assert find("tests.subjects.adapted:NamedInt").others == ("increment",)


def test_properties_and_keyword_only_arguments_are_used_as_they_are():
    for name, adapted in (
        ("correct_styles:PropertyRef", {"load", "store"}),
        ("correct_styles:KeywordInt", {"store", "fetch_add", "compare_and_set"}),
        # Its field is no property: to set it is no operation, and loses what others are about to write.
        ("correct_styles:DataInt", {"load"}),
        ("correct_cells:LockInt", set()),
    ):
        subject = find(f"tests.subjects.{name}")
        assert subject.access.adapted == adapted
        check = Alone(subject.access, 1)
        for row in subject.access.operations:
            check.edges(row)
            check.repeats(row)
        assert not check.found and all(check.calls[row] for row in adapted)
    assert "load" not in find("tests.subjects.broken_by_surprise:PropertyAlone").missing


# What is reported


@pytest.mark.one_run
def test_a_difference_alone_convicts_and_is_told(verify):
    status, text = verify("broken_ints:OneTooFar", "--only", "int/try_add/alone")
    assert status == 1
    assert "tested as kind int: it has" in text
    assert "try_add(0, -1) on a cell that holds 0: returns True and leaves 0; expected: returns False" in text
    assert "python -m atomicx verify --only int/try_add/alone --seed 1 --seconds 20 --subject tests." in text


@pytest.mark.one_run
def test_a_schedule_convicts_and_is_drawn(verify):
    status, text = verify("broken_ints:SplitInc", "--only", "int/inc/explored")
    assert status == 1
    assert "inc() || inc() on a cell that holds" in text
    assert "self._value = int64(self._value + 1)" in text
    assert "schedule " in text


@pytest.mark.one_run
def test_a_split_operation_of_a_family_is_found(verify):
    status, text = verify("broken_others:TwoChildren", "--only", "family/__getitem__/explored")
    assert status == 1 and "on a family that has" in text


@pytest.mark.one_run
@pytest.mark.parametrize(
    ("name", "only", "told"),
    [
        (
            "JoinedByNul",
            "family/inc/alone",
            "inc('a', 'b\\x00c') on a cell that holds ((('a\\x00b', 'c'), 7),)",
        ),
        ("ReadsBeforeIndex", "int/fetch_add/alone", ", whose argument calls store("),
        ("NineBounds", "wide-histogram/observe/alone", "observe("),
        ("ThirdDrainReads", "counter/drain/explored", "drain() || drain() || drain() on a cell that holds"),
    ],
)
def test_a_fault_that_takes_more_than_two_plain_calls_is_found(verify, name, only, told):
    status, text = verify(f"broken_subtly:{name}", "--only", only)
    assert status == 1
    assert told in text


@pytest.mark.one_run
@pytest.mark.parametrize(
    ("name", "only", "told"),
    [
        ("broken_ints:Exits", "int/fetch_min/alone", "ended the process with status 0: fetch_min("),
        ("broken_ints:Crashes", "int/exchange/alone", "ended the process by SIGSEGV: exchange("),
        ("broken_ints:Hangs", "int/update/alone", "did not end within 0.5 s: update("),
    ],
)
def test_a_subject_that_ends_or_hangs_is_convicted_of_what_it_was_doing(
    monkeypatch, verify, name, only, told
):
    monkeypatch.setattr(child, "CALL_SECONDS", 0.5)
    status, text = verify(name, "--only", only, "--json")
    report = json.loads(text)
    assert (status, report["verdict"], report["exit_status"]) == (1, "FAIL", 1)
    assert report["trouble"].startswith(told)
    assert f"--subject tests.subjects.{name}" in report["replay"]


@pytest.mark.one_run
def test_what_was_found_before_a_crash_is_told(verify):
    _, text = verify("broken_ints:WrapsAndExits")
    assert "dec() on a cell that holds -9223372036854775808: returns None and leaves" in text
    assert "ended the process with status 0" in text


@pytest.mark.one_run
def test_wrapping_by_design_is_not_convicted_only_if_it_says_so(verify):
    only = ("--only", "int/*/alone")
    status, text = verify("correct_cells:WrappingInt", *only)
    assert status == 1 and "say so with --wraps" in text
    status, text = verify("correct_cells:WrappingInt", *only, "--wraps")
    assert status == 0, text


@pytest.mark.one_run
def test_a_correct_cell_passes_alone_and_in_every_schedule(verify):
    # Half of the time goes to the schedules: enough for all with one preemption, and for some with two.
    status, text = verify("correct_cells:LockBool", "--only", "bool/*/[ae]*", "--seconds", "5")
    assert status == 0, text
    assert "\nPASS: 17 PASS\n" in text, "an operation was left out"


@pytest.mark.one_run
def test_a_kind_that_it_is_not_is_convicted(verify):
    status, _ = verify("correct_cells:LockFloat", "--kind", "int", "--only", "int/*/alone")
    assert status == 1
