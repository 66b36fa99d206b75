"""Family: labels by name, asking for a child, what happens beyond the limit, and assignment."""

import gc
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from support.families import family_of, run_time

# Labels by name; asking for a child


def test_labels_by_name(backend: ModuleType) -> None:
    family = family_of(backend, "Counter")
    child = family.labels(method="GET", status=200)
    assert child is family["GET", 200] is family.labels(status="200", method="GET")
    for wrong, message in (
        ({"method": "GET"}, "labels() missing the value of label 'status'"),
        ({}, "labels() missing the value of label 'method'"),
        ({"method": "GET", "status": 1, "code": 1}, "labels() got an unexpected label name 'code'"),
        ({"code": 1}, "labels() got an unexpected label name 'code'"),
    ):
        with pytest.raises(TypeError) as raised:
            family.labels(**wrong)
        assert str(raised.value) == message
    with pytest.raises(TypeError):
        family.labels("GET", status=200)
    with pytest.raises(TypeError, match=r"^a label value must be a str or an int, not 'float'$"):
        family.labels(method="GET", status=1.5)
    assert len(family) == 1
    odd = backend.Family(backend.Counter, "self", "with space", run_time("factory"))
    assert odd.labels(**{"self": 1, "with space": 2, "factory": 3}) is odd[1, 2, 3]


def test_membership_and_length(backend: ModuleType) -> None:
    family = family_of(backend, "Counter", limit=2, overflow="other")
    assert ("GET", 200) not in family
    family.inc("GET", 200)
    for key in (("GET", 200), ("GET", "200"), (run_time("GET"), run_time("200"))):
        assert key in family
    family.inc("PUT", 1)
    family.inc("DELETE", 1)
    assert ("DELETE", 1) not in family, "it counts in the overflow child and has none of its own"
    assert ("other", "other") in family
    assert len(family) == 3
    family.remove("GET", 200)
    assert ("GET", 200) not in family
    assert len(family) == 2
    family.clear()
    assert len(family) == 0
    single = family_of(backend, "Counter", "a")
    single[True]
    assert 1 in single and "1" in single and (True,) in single and 2 not in single


# Beyond the limit


def test_overflow_child(backend: ModuleType) -> None:
    family = family_of(backend, "Counter", limit=2, overflow="other")
    family.inc("GET", 200)
    family.inc("PUT", 201)
    assert len(family) == 2, "the overflow child is made when it is first needed"
    for number in range(5):
        family.inc("GET", number)
        family.add(2, run_time("PATCH"), number)
    other = family["other", "other"]
    assert family["DELETE", 0] is other is family.labels(method="x", status="y")
    assert {labels: child.load() for labels, child in family.items()} == {
        ("GET", "200"): 1,
        ("PUT", "201"): 1,
        ("other", "other"): 15,
    }
    family.inc("GET", 200)
    assert family["GET", 200].load() == 2, "a child that is there still counts by itself"
    family.remove("PUT", 201)
    family.inc("DELETE", 0)
    assert family["DELETE", 0].load() == 1, "there is room for one more"
    family.remove("other", "other")
    family.inc("HEAD", 0)
    assert family["other", "other"] is not other
    assert (other.load(), family["other", "other"].load(), len(family)) == (15, 1, 3)


def test_an_overflow_child_asked_for_by_name_counts_towards_no_limit(backend: ModuleType) -> None:
    family = family_of(backend, "Counter", "a", limit=1, overflow="7")
    family.inc(7)
    family.inc("x")
    family.inc("y")
    assert {labels: child.load() for labels, child in family.items()} == {("7",): 2, ("x",): 1}
    family.clear()
    family.inc("x")
    family.inc("7")
    assert len(family) == 2


def test_the_factory_runs_once_for_the_overflow_child(backend: ModuleType) -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(backend.Counter())
        return made[-1]

    family = backend.Family(make, "a", limit=1, overflow="other")
    for number in range(10):
        family.inc(number)
    assert [child.load() for child in made] == [1, 9]


def test_a_factory_that_fills_a_family_with_overflow(backend: ModuleType) -> None:
    """What the factory made for the labels becomes the overflow child."""

    def fill() -> Any:
        if not filled:
            filled.append(None)
            family["first"].inc()
        return backend.Counter()

    filled: list[None] = []
    family = backend.Family(fill, "a", limit=1, overflow="other")
    family.inc("second")
    assert {labels: child.load() for labels, child in family.items()} == {("first",): 1, ("other",): 1}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"overflow": "other"}, ValueError, "overflow needs a limit"),
        ({"overflow": "other", "limit": None}, ValueError, "overflow needs a limit"),
        ({"overflow": 5, "limit": 1}, TypeError, "overflow must be a str or None, not 'int'"),
        ({"overflow": b"x", "limit": 1}, TypeError, "overflow must be a str or None, not 'bytes'"),
        ({"overflow": "x", "limit": 0}, ValueError, "limit must be at least 1"),
    ],
    ids=str,
)
def test_options_that_are_refused(
    backend: ModuleType, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        family_of(backend, "Counter", **options)
    assert str(raised.value) == message


def test_a_full_family_names_itself(backend: ModuleType) -> None:
    family = family_of(backend, "Counter", "path", limit=1)
    family.inc("/")
    for use in (lambda: family["/a"], lambda: family.inc("/a"), lambda: family.labels(path="/a")):
        with pytest.raises(ValueError) as raised:
            use()
        assert str(raised.value) == "family ('path') is full: limit 1, cannot add ('/a',)"
    assert family["/"].load() == 1


# Assignment


def test_in_place_addition(backend: ModuleType) -> None:
    family = family_of(backend, "Counter")
    for _ in range(3):
        family["GET", 200] += 1
        family[run_time("GET"), run_time("200")] += 2
    assert [child.load() for _, child in family.items()] == [9]
    integers = family_of(backend, "AtomicInt", "a")
    integers["x"] += 5
    integers["x"] -= 1
    integers["x"] |= 8
    integers[True] += 1
    assert (integers["x"].load(), integers[1].load()) == (12, 1)
    with pytest.raises(TypeError):
        integers["x"] += 1.5
    with pytest.raises(OverflowError):
        integers["x"] += 2**63 - 1
    assert integers["x"].load() == 12


def test_in_place_addition_past_the_limit(backend: ModuleType) -> None:
    family = family_of(backend, "AtomicInt", "a", limit=1, overflow="other")
    for number in range(4):
        family[number] += 1
    assert {labels: child.load() for labels, child in family.items()} == {("0",): 1, ("other",): 3}


class Remover:
    """An amount whose conversion removes children."""

    def __init__(self, remove: Callable[..., Any], *arguments: Any) -> None:
        self.remove = remove
        self.arguments = arguments

    def __index__(self) -> int:
        self.remove(*self.arguments)
        return 1


@pytest.mark.parametrize("options", [{}, {"limit": 1, "overflow": "other"}], ids=str)
def test_in_place_addition_to_a_child_that_is_removed_meanwhile(
    backend: ModuleType, options: dict[str, Any]
) -> None:
    """What raises must have changed nothing. The addition has happened, so this must not raise."""
    family = family_of(backend, "AtomicInt", "a", **options)

    def replace(label: str) -> None:
        family.remove(label)
        family[label]

    family["kept"] += 1
    family["new"] += Remover(family.clear)
    assert len(family) == 0
    family["kept"] += 1
    label = "other" if options else "new"
    child = family["new"]
    family["new"] += Remover(family.remove, label)
    assert child.load() == 1 and len(family) == 1
    family["new"] += Remover(replace, label)
    assert len(family) == 2


@pytest.mark.parametrize("end", ["remove", "clear"])
def test_in_place_addition_to_an_old_child_that_is_removed_meanwhile(backend: ModuleType, end: str) -> None:
    family = family_of(backend, "AtomicInt", "a")
    child = family["old"]
    for number in range(200):
        family[number]
    family["old"] += Remover(getattr(family, end), *(["old"] if end == "remove" else []))
    assert child.load() == 1 and "old" not in family


def test_what_may_be_assigned(backend: ModuleType) -> None:
    family = family_of(backend, "Counter", "a")
    child = family["x"]
    family["x"] = child
    family[("x",)] = child
    end = ": family ('a') creates its own children"
    for key, value in (("x", backend.Counter()), ("x", 5), ("y", child), ("x", None), ("y", None)):
        with pytest.raises(TypeError) as raised:
            family[key] = value
        assert str(raised.value).startswith("cannot assign '"), raised.value
        assert str(raised.value).endswith(f" object to ('{key}',){end}"), raised.value
    family.remove("x")
    family["x"] = child  # it was returned for these labels
    with pytest.raises(TypeError):
        family["y"] = child
    with pytest.raises(TypeError):
        family["x"] = backend.Counter()
    assert len(family) == 0, "an assignment makes no child"
    other = family["x"]
    family["x"] = other
    family["x"] = child
    assert family["x"] is other
    del child
    family.clear()
    family["x"] = other
    with pytest.raises(TypeError, match="does not support item deletion"):
        del family["x"]


def test_a_child_that_died_is_not_taken_for_another(backend: ModuleType) -> None:
    """Its memory may be reused for one of the next."""

    def assign_strangers() -> None:
        strangers = [backend.Counter() for _ in range(500)]
        for stranger in strangers:
            with pytest.raises(TypeError):
                family["x"] = stranger

    family = family_of(backend, "Counter", "a")
    for end in (lambda: family.remove("x"), family.clear) * 3:
        family["x"].inc()
        end()
        gc.collect()
        assign_strangers()


def test_many_children_that_are_cleared_can_be_assigned(backend: ModuleType) -> None:
    family = family_of(backend, "Counter", "a")
    for number in range(300):
        family[number].inc()
    last = [family[number] for number in range(50)]
    family.clear()
    for number, child in enumerate(last):
        family[number] = child
    assert len(family) == 0


def test_children_without_addition_in_place(backend: ModuleType) -> None:
    family = backend.Family(int, "a")
    with pytest.raises(TypeError, match="cannot assign 'int' object"):
        family["x"] += 1
    assert family["x"] == 0
