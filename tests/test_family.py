"""Family: which child a key stands for, when a child is made, and when it is removed."""

import enum
import gc
import sys
from collections import namedtuple
from http import HTTPStatus
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.families import Text, requests

LARGE = 10**30


class Whole(int):
    def __str__(self) -> str:
        return "another number"

    __repr__ = __str__

    def __hash__(self) -> int:
        raise AssertionError("the hash of a user's class was asked for")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a user's class was compared")


class Color(str, enum.Enum):
    RED = "red"


Pair = namedtuple("Pair", "method status")


def labels_of(family: Any) -> list[tuple[str, ...]]:
    return sorted(labels for labels, _ in family.items())


def test_a_child_is_made_once_and_found_again(backend: ModuleType) -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(backend.Counter())
        return made[-1]

    family = backend.Family(make, "method")
    assert made == []
    for _ in range(3):
        family["GET"].inc()
        family["PUT"].inc()
    assert len(made) == 2
    assert [family["GET"], family["PUT"]] == made
    assert [(labels, child.load()) for labels, child in family.items()] == [(("GET",), 3), (("PUT",), 3)]


@pytest.mark.parametrize(
    ("spellings", "labels"),
    [
        ([("GET", "200"), ("GET", 200), ("GET", HTTPStatus.OK), ("GET", Whole(200))], ("GET", "200")),
        ([(Text("GET"), 200), (Text("GET"), Text("200")), Pair("GET", 200)], ("GET", "200")),
        ([(1, 1), ("1", True), (True, "1"), ("1", "1")], ("1", "1")),
        ([(Color.RED, -5), ("red", "-5")], ("red", "-5")),
        ([(LARGE, 0), (str(LARGE), False)], (str(LARGE), "0")),
        ([("", ""), ("", Text(""))], ("", "")),
        ([("\u20ac\U0001f600", "\0"), ("\u20ac\U0001f600", Text("\0"))], ("\u20ac\U0001f600", "\0")),
        ([(2**63 - 1, -(2**63)), (str(2**63 - 1), str(-(2**63)))], (str(2**63 - 1), str(-(2**63)))),
        ([(2**63, -(2**63) - 1), (str(2**63), str(-(2**63) - 1))], (str(2**63), str(-(2**63) - 1))),
    ],
    ids=repr,
)
def test_spellings_of_one_child(backend: ModuleType, spellings: list[Any], labels: tuple[str, ...]) -> None:
    for first in range(len(spellings)):
        family = requests(backend)
        child = family[spellings[first]]
        assert all(family[key] is child for key in spellings * 2)
        assert list(family.items()) == [(labels, child)]
        assert all(type(label) is str for label in labels_of(family)[0])
        family.remove(*spellings[-1])
        assert list(family.items()) == []
        other = family[spellings[first]]
        assert other is not child
        assert all(family[key] is other for key in spellings * 2)


@pytest.mark.parametrize("key", ["5", 5, ("5",), (5,), Text("5"), Whole(5), (Text("5"),)], ids=repr)
def test_spellings_of_one_label(backend: ModuleType, key: Any) -> None:
    family = backend.Family(backend.Counter, "code")
    child = family[key]
    assert family["5"] is family[5] is family[("5",)] is family[(5,)] is family[key] is child
    assert list(family.items()) == [(("5",), child)]
    family.remove(5)
    assert list(family.items()) == []
    assert family["5"] is family[5] is family[("5",)] is family[(5,)] is family[key]
    assert family[key] is not child


def test_what_looks_alike_is_not_the_same(backend: ModuleType) -> None:
    family = backend.Family(backend.Counter, "code")
    keys = ["5", "05", " 5", "+5", "5.0", "True", "-5", "\u0665", "-1", "0"]
    assert len({id(family[key]) for key in keys}) == len(keys)
    for number in (2**63, -(2**63) - 1, 2**64, 2**64 + 5):
        assert family[number] is family[str(number)]
        assert all(family[number] is not family[key] for key in keys)
    assert family[5] is family["5"] and family[-5] is family["-5"] and family[True] is not family["True"]


def test_str_whose_bytes_are_the_same(backend: ModuleType) -> None:
    family = backend.Family(backend.Counter, "text")
    texts = ["\u3161\u3262", "a1b2", "\U00013161", "a1\x01\x00", "\u3161\x01"]
    assert len({id(family[text]) for text in texts}) == len(texts)


def test_labels_of_every_length(backend: ModuleType) -> None:
    family = backend.Family(backend.Counter, "text")
    texts = ["".join(chr(97 + (place * 7 + length) % 26) for place in range(length)) for length in range(70)]
    for number, text in enumerate(texts):
        family.add(number, "".join(list(text)))
    for number, text in enumerate(texts):
        assert family["".join(list(text))].load() == number
        for place in range(number):
            other = text[:place] + "!" + text[place + 1 :]
            assert other not in family
    assert len(family) == len(texts)


def test_children_whose_hashes_are_equal(backend: ModuleType) -> None:
    """Enough children that some agree in any bits of their hashes that a lookup uses."""
    family = backend.Family(backend.Counter, "one", "other", "last")
    numbers = range(17)
    for number, key in enumerate(
        (one, other, last) for one in numbers for other in numbers for last in numbers
    ):
        family[key].add(number)
    labels = [(str(one), str(other), str(last)) for one in numbers for other in numbers for last in numbers]
    assert [(key, child.load()) for key, child in family.items()] == [
        (key, number) for number, key in enumerate(labels)
    ]
    for key in labels[::2]:
        family.remove(*key)
    assert [key for key, _ in family.items()] == labels[1::2]
    assert all(family[key].load() == number for number, key in enumerate(labels) if number % 2)


def test_items_come_in_the_order_of_making(backend: ModuleType) -> None:
    family = backend.Family(backend.Counter, "number")
    numbers = [str(number * 7919 % 100) for number in range(100)]
    for number in numbers:
        family.inc(number)
    family.remove(numbers[3])
    family.inc(numbers[3])
    expected = numbers[:3] + numbers[4:] + [numbers[3]]
    assert [labels for labels, _ in family.items()] == [(number,) for number in expected]


@pytest.mark.parametrize(
    "key",
    [
        *(5.0, None, b"5", ["5"], {"5"}, 5j, object(), (5.0,), (None,), (("5",),)),
        *(("GET", 200.0), ("GET", None), (b"GET", 200), (["GET"], 200), ("GET", ("200",))),
    ],
    ids=repr,
)
def test_values_of_other_types(backend: ModuleType, key: Any) -> None:
    """Even if there is a child whose value is equal to it: 5.0 equals 5."""
    number = len(key) if isinstance(key, tuple) else 1
    family = backend.Family(backend.Counter, *"ab"[:number])
    for existing in (("5",), (5,)) if number == 1 else (("GET", 200), ("GET", "200")):
        family[existing].inc()
    with pytest.raises(TypeError, match=r"^a label value must be a str or an int, not "):
        family[key]
    with pytest.raises(TypeError):
        family.remove(*(key if isinstance(key, tuple) else (key,)))
    assert len(labels_of(family)) == 1


@pytest.mark.parametrize(
    "key", ["GET", 200, ("GET",), ("GET", 200, 0), (), 5.0, ("GET", 200, None)], ids=repr
)
def test_wrong_number_of_values(backend: ModuleType, key: Any) -> None:
    family = requests(backend)
    values = key if isinstance(key, tuple) else (key,)
    message = rf"^{len(values)} label values? for 2 labels$"
    with pytest.raises(ValueError, match=message):
        family[key]
    with pytest.raises(ValueError, match=message):
        family.remove(*values)
    assert list(family.items()) == []


def test_an_int_too_long_to_write(backend: ModuleType) -> None:
    family = backend.Family(backend.Counter, "code")
    number = 1 << 20_000
    if hasattr(sys, "get_int_max_str_digits"):
        with pytest.raises(ValueError):
            family[number]


def test_a_factory_that_raises_leaves_no_trace(backend: ModuleType) -> None:
    error = LookupError("not now")
    failing = True

    def make() -> Any:
        if failing:
            raise error
        return backend.Counter()

    family = backend.Family(make, "method", "status", limit=1)
    for _ in range(3):
        with pytest.raises(LookupError) as raised:
            family["GET", 200]
        assert raised.value is error
        assert list(family.items()) == []
    failing = False
    assert family["GET", 200] is family["GET", "200"]


def test_a_factory_that_uses_the_family(backend: ModuleType) -> None:
    """A child that was entered while the factory ran is kept."""

    def make() -> Any:
        if not made:
            made.append(None)
            made.append(family["GET"])
            family["PUT"].inc()
        return backend.Counter()

    made: list[Any] = []
    family = backend.Family(make, "method")
    child = family["GET"]
    assert child is made[1] is family["GET"]
    assert labels_of(family) == [("GET",), ("PUT",)]


def test_a_factory_that_fills_the_family(backend: ModuleType) -> None:
    def make() -> Any:
        if not entered:
            entered.append(None)
            family["other"].inc()
        return backend.Counter()

    entered: list[None] = []
    family = backend.Family(make, "method", limit=1)
    with pytest.raises(ValueError, match="limit"):
        family["GET"]
    assert labels_of(family) == [("other",)]


@pytest.mark.parametrize("child", [None, 0, False, "", (), float], ids=repr)
def test_a_child_may_be_anything(backend: ModuleType, child: Any) -> None:
    calls: list[None] = []

    def make() -> Any:
        calls.append(None)
        return child

    family = backend.Family(make, "name")
    assert family["a"] is family["a"] is child
    assert len(calls) == 1


def test_limit(backend: ModuleType) -> None:
    made: list[None] = []

    def make() -> Any:
        made.append(None)
        return backend.Counter()

    family = backend.Family(make, "method", "status", limit=2)
    first = family["GET", 200]
    family["GET", 404].inc()
    message = "family ('method', 'status') is full: limit 2, cannot add ('GET', '500')"
    for key in (("GET", 500), ("GET", "500")):
        with pytest.raises(ValueError) as raised:
            family[key]
        assert str(raised.value) == message
    assert len(made) == 2, "the factory ran for a child that could not be"
    assert family["GET", "200"] is first, "another spelling is not another child"
    family.remove("GET", 404)
    family["GET", 500].inc()
    with pytest.raises(ValueError):
        family["GET", 404]
    family.clear()
    family["a", "b"].inc()
    family["c", "d"].inc()
    with pytest.raises(ValueError):
        family["e", "f"]


@pytest.mark.parametrize(
    ("limit", "error"),
    [(0, ValueError), (-1, ValueError), (2**70, OverflowError), (1.0, TypeError), ("1", TypeError)],
)
def test_limits_that_are_refused(backend: ModuleType, limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        requests(backend, limit=limit)


def test_removed(backend: ModuleType) -> None:
    family = requests(backend)
    child = family["GET", 200]
    family["GET", 404].inc()
    assert family.remove("GET", "200") is None
    child.inc()  # whoever has it can still use it
    assert labels_of(family) == [("GET", "404")]
    for _ in range(2):
        with pytest.raises(KeyError) as raised:
            family.remove("GET", 200)
        assert raised.value.args == (("GET", "200"),)
    assert family["GET", 200].load() == 0
    single = backend.Family(backend.Counter, "code")
    with pytest.raises(KeyError) as raised:
        single.remove(200)
    assert raised.value.args == (("200",),)


def test_cleared(backend: ModuleType) -> None:
    family = requests(backend)
    child = family["GET", 200]
    family[5, 6].inc()
    assert family.clear() is None
    assert list(family.items()) == []
    assert family["GET", 200] is not child
    assert family["5", "6"] is family[5, 6]
    with pytest.raises(KeyError):
        family.remove("none", "such")


def test_items_are_those_of_one_moment(backend: ModuleType) -> None:
    family = requests(backend)
    family["a", 1].inc()
    items = family.items()
    assert iter(items) is items
    family["b", 2].inc()
    assert [labels for labels, _ in items] == [("a", "1")]


def test_a_child_that_dies_uses_the_family(backend: ModuleType) -> None:
    """Released after the change, so it finds the family without it."""
    seen: list[list[tuple[str, ...]]] = []

    class Mortal:
        def __del__(self) -> None:
            seen.append(labels_of(family))
            survivors["it"].inc()
            if len(seen) < 3:
                family["later"]

    survivors = backend.Family(backend.Counter, "name")
    family = backend.Family(Mortal, "name")
    family["a"]
    family[1]
    family.remove("a")
    gc.collect()
    assert seen == [[("1",)]]
    family.clear()
    gc.collect()
    assert len(seen) == 3 and seen[1] in ([], [("later",)])
    assert survivors["it"].load() == 3
    family.clear()


def test_many_spellings(backend: ModuleType) -> None:
    """More spellings than are kept: all work, and all go with the child."""
    names = [f"l{number}" for number in range(7)]
    family = backend.Family(backend.Counter, *names)
    spellings = [
        tuple(value if number >> bit & 1 else str(value) for bit, value in enumerate(range(7)))
        for number in range(2**7)
    ]
    child = family[spellings[5]]
    assert all(family[key] is child for key in spellings)
    family.remove(*spellings[77])
    other = family[spellings[0]]
    assert other is not child
    assert all(family[key] is other for key in spellings)


@given(steps=st.lists(st.tuples(st.sampled_from("gggrci"), st.sampled_from(["1", 1, True, "2", 2, "x"]))))
def test_against_a_model(backend: ModuleType, steps: list[tuple[str, Any]]) -> None:
    family = backend.Family(object, "value", limit=2)
    model: dict[str, Any] = {}
    for step, value in steps:
        label = value if isinstance(value, str) else str(int(value))
        if step == "g" and (label in model or len(model) < 2):
            assert family[value] is model.setdefault(label, family[value])
        elif step == "g":
            with pytest.raises(ValueError):
                family[value]
        elif step == "r" and label in model:
            family.remove(value)
            del model[label]
        elif step == "r":
            with pytest.raises(KeyError):
                family.remove(value)
        elif step == "c":
            family.clear()
            model.clear()
        assert dict(family.items()) == {(label,): child for label, child in model.items()}
