"""Family: operations that it forwards to its children."""

import gc
import sys
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from support.families import family_of, run_time


class Gauge:
    """A child of a user-defined class."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def inc(self) -> str:
        self.calls.append("inc")
        return "not None"

    def dec(self) -> None:
        self.calls.append("dec")

    def add(self, amount: Any) -> None:
        self.calls.append(("add", amount))

    def store(self, value: Any) -> None:
        self.calls.append(("store", value))

    def observe(self, value: Any) -> None:
        self.calls.append(("observe", value))

    def track(self) -> str:
        return "a guard"

    def time(self) -> str:
        return "a timer"


class Index:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class Real:
    def __float__(self) -> float:
        return 0.5


# The operations


@pytest.mark.parametrize(
    ("child", "calls", "expected"),
    [
        ("Counter", [("inc",), ("inc",), ("add", 5), ("add", True), ("add", Index(2)), ("add", 0)], 10),
        (
            "AtomicInt",
            [("inc",), ("dec",), ("dec",), ("add", -5), ("add", 2**40), ("add", Index(1))],
            2**40 - 5,
        ),
        ("AtomicInt", [("store", 7), ("store", -(2**63)), ("inc",)], -(2**63) + 1),
        ("AtomicInt", [("inc",), ("store", True)], 1),
        ("AtomicFloat", [("add", 0.25), ("add", 1), ("add", Real()), ("add", 2**70), ("add", -(2**70))], 0.0),
        ("AtomicFloat", [("store", 2), ("add", 0.5)], 2.5),
    ],
    ids=str,
)
def test_the_child_is_changed(backend: ModuleType, child: str, calls: list[Any], expected: Any) -> None:
    family = family_of(backend, child)
    for name, *amount in calls:
        assert getattr(family, name)(*amount, run_time("GET"), 200) is None
    assert family["GET", "200"].load() == expected
    assert type(family["GET", "200"].load()) is type(expected)


def test_observations(backend: ModuleType) -> None:
    family = backend.Family(lambda: backend.Histogram([1, 2]), "path")
    for value in (0.5, 1, 2.5, True, Real(), Index(2)):
        assert family.observe(value, "/") is None
    assert family["/"].snapshot() == ((4, 1, 1), 7.5)
    with pytest.raises(ValueError, match="NaN"):
        family.observe(float("nan"), "/")
    with pytest.raises(TypeError):
        family.observe("1", "/")
    assert sum(family["/"].snapshot().counts) == 6


def test_the_child_of_any_spelling_is_changed(backend: ModuleType) -> None:
    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "another"

    family = family_of(backend, "Counter", "a")
    for spelling in ("1", run_time("1"), 1, True, Text("1")):
        family.inc(spelling)
        family.add(1, spelling)
    assert dict(family.items())[("1",)].load() == 10
    assert len(family) == 1
    many = family_of(backend, "Counter", *map(str, range(12)))
    for _ in range(2):
        many.inc(*range(12))
        many.inc(*map(str, range(12)))
    assert many[tuple(range(12))].load() == 4


@pytest.mark.parametrize(
    ("child", "name", "amount", "error"),
    [
        *(("Counter", "dec", (), AttributeError), ("Counter", "store", (1,), AttributeError)),
        *(("Counter", "observe", (1.0,), AttributeError), ("AtomicFloat", "inc", (), AttributeError)),
        *(("AtomicInt", "observe", (1,), AttributeError), ("AtomicBool", "add", (1,), AttributeError)),
        *(("Counter", "add", (-1,), ValueError), ("Counter", "add", (1.0,), TypeError)),
        *(("Counter", "add", (2**63,), OverflowError), ("AtomicInt", "add", (2**63,), OverflowError)),
        *(("AtomicInt", "store", (2**70,), OverflowError), ("AtomicInt", "add", ("1",), TypeError)),
        *(("AtomicInt", "store", (1.5,), TypeError), ("AtomicFloat", "add", ("1",), TypeError)),
        *(("AtomicFloat", "store", (None,), TypeError), ("AtomicFloat", "add", (10**400,), OverflowError)),
    ],
    ids=str,
)
def test_what_the_child_refuses(
    backend: ModuleType, child: str, name: str, amount: tuple[Any, ...], error: type[Exception]
) -> None:
    """With the child's own error; a child that was missing may exist now, at zero."""
    family = family_of(backend, child)
    for _ in range(2):
        with pytest.raises(error) as raised:
            getattr(family, name)(*amount, "GET", 200)
        with pytest.raises(error) as expected:
            getattr(getattr(backend, child)(), name)(*amount)
        assert str(raised.value) == str(expected.value)
        assert [child.load() for _, child in family.items()] in ([], [0])


def test_overflow(backend: ModuleType) -> None:
    family = family_of(backend, "AtomicInt", "a")
    family.store(2**63 - 1, "x")
    for call in (lambda: family.inc("x"), lambda: family.add(1, "x")):
        with pytest.raises(OverflowError, match="64-bit"):
            call()
    family.store(-(2**63), "x")
    with pytest.raises(OverflowError, match="64-bit"):
        family.dec("x")
    assert family["x"].load() == -(2**63)
    counters = family_of(backend, "Counter", "a")
    counters.add(2**63 - 1, "x")
    with pytest.raises(OverflowError, match="64-bit"):
        counters.inc("x")
    assert counters["x"].load() == 2**63 - 1


@pytest.mark.parametrize("name", ["add", "store", "observe"])
def test_an_amount_is_needed(backend: ModuleType, name: str) -> None:
    with pytest.raises(TypeError):
        getattr(backend.Family(Gauge, "a"), name)()
    with pytest.raises(ValueError, match=r"^0 label values for 1 label$"):
        getattr(backend.Family(Gauge, "a"), name)(1)


@pytest.mark.parametrize("values", [(), ("a", "b", "c"), (1.5, "b"), ("a", None), ("a", "\ud800")], ids=repr)
def test_values_that_are_refused(backend: ModuleType, values: tuple[Any, ...]) -> None:
    family = family_of(backend, "AtomicInt")
    uses: list[Callable[[], Any]] = [
        *(lambda: family[values], lambda: family.inc(*values), lambda: family.dec(*values)),
        *(lambda: family.add(1, *values), lambda: family.store(1, *values), lambda: family.track(*values)),
        *(lambda: family.remove(*values), lambda: values in family, lambda: family.time(*values)),
        lambda: family.__setitem__(values, None),
    ]
    errors = set()
    for use in uses:
        with pytest.raises((TypeError, ValueError)) as raised:
            use()
        errors.add((raised.type, str(raised.value)))
    assert len(errors) == 1, errors
    assert len(family) == 0


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\U0001f600\udcff", "\u20ac\udbff"], ids=ascii)
def test_what_utf_8_cannot_encode(backend: ModuleType, text: str) -> None:
    """It would spoil every scrape. The same beyond the limit, where no child would be made."""
    message = f"a label value must be encodable in UTF-8, got {text!r}"

    def all_refuse(family: Any) -> None:
        family.inc("first")
        family.inc("second")
        for use in (lambda: family[text], lambda: family.inc(text), lambda: text in family):
            with pytest.raises(ValueError) as raised:
                use()
            assert str(raised.value) == message
        assert len(family) == 2

    all_refuse(backend.Family(backend.Counter, "a"))
    all_refuse(backend.Family(backend.Counter, "a", limit=1, overflow="other"))
    with pytest.raises(ValueError):
        backend.Family(backend.Counter, "a", limit=1, overflow=text)


def test_children_of_a_users_own_class(backend: ModuleType) -> None:
    family = backend.Family(Gauge, "a")
    assert family.inc("x") is None, "the answer of the child's inc() is not the family's"
    family.dec("x")
    for number, name in enumerate(["add", "store", "observe"]):
        assert getattr(family, name)(number, "x") is None
        getattr(family, name)(None, "x")
    assert family["x"].calls == [
        *("inc", "dec", ("add", 0), ("add", None), ("store", 1), ("store", None), ("observe", 2)),
        ("observe", None),
    ]
    assert (family.track("x"), family.time("x")) == ("a guard", "a timer")


@pytest.mark.parametrize(
    ("base", "name", "amount"),
    [
        *(("Counter", "inc", ()), ("Counter", "add", (1,)), ("AtomicInt", "dec", ())),
        *(("AtomicInt", "store", (1,)), ("AtomicFloat", "add", (1.0,)), ("Histogram", "observe", (1.0,))),
    ],
)
def test_an_override_is_called(backend: ModuleType, base: str, name: str, amount: tuple[Any, ...]) -> None:
    calls: list[Any] = []

    def override(self: Any, *given: Any) -> None:
        calls.append(given)
        getattr(parent, name)(self, *given)

    parent = getattr(backend, base)
    derived = type("Derived", (parent,), {name: override})
    plain = type("Plain", (parent,), {})
    bounds = ([1.0],) if base == "Histogram" else ()
    overridden = backend.Family(lambda: derived(*bounds), "a")
    inherited = backend.Family(lambda: plain(*bounds), "a")
    for _ in range(3):
        getattr(overridden, name)(*amount, "x")
        getattr(inherited, name)(*amount, "x")
    assert calls == [amount] * 3
    read = "snapshot" if base == "Histogram" else "load"
    assert getattr(overridden["x"], read)() == getattr(inherited["x"], read)()
    assert getattr(overridden["x"], read)() != getattr(parent(*bounds), read)()


def test_what_a_users_operation_raises_passes_on(backend: ModuleType) -> None:
    class Refuses:
        def inc(self) -> None:
            raise LookupError("not today")

    family = backend.Family(Refuses, "a")
    for _ in range(2):
        with pytest.raises(LookupError, match="not today"):
            family.inc("x")
    assert len(family) == 1


def test_a_child_that_is_being_used_may_be_removed_by_its_own_operation(backend: ModuleType) -> None:
    class Suicide(Gauge):
        def inc(self) -> str:
            family.clear()
            gc.collect()
            return super().inc()

    family = backend.Family(Suicide, "a")
    for _ in range(3):
        family.inc("x")
    assert len(family) == 0


def test_an_amount_that_changes_the_family_while_it_is_converted(backend: ModuleType) -> None:
    class Remover:
        def __index__(self) -> int:
            family.clear()
            return 5

    family = backend.Family(backend.AtomicInt, "a")
    child = family["x"]
    family.add(Remover(), "x")
    assert child.load() == 5, "the addition counts in the child that was found"
    assert len(family) == 0


def test_a_subclass_with_a_getitem_of_its_own(backend: ModuleType) -> None:
    """As with dict.get(), the other operations do not call it."""

    class Lower(backend.Family):  # type: ignore[misc, name-defined]
        def __getitem__(self, key: str) -> Any:
            return super().__getitem__(key.lower())

    family = Lower(backend.Counter, "a")
    family["GET"].inc()
    family.inc("GET")
    assert family["get"].load() == 1
    assert {labels: child.load() for labels, child in family.items()} == {("get",): 1, ("GET",): 1}


def test_families_of_families(backend: ModuleType) -> None:
    family = backend.Family(lambda: backend.Family(backend.Counter, "inner"), "outer")
    family["a"].inc("b")
    assert family["a"]["b"].load() == 1
    with pytest.raises(ValueError, match=r"^0 label values for 1 label$"):
        family.inc("a")
    with pytest.raises(ValueError, match=r"^0 label values for 1 label$"):
        family.add(1, "a")


def test_a_cell_that_was_never_initialised(backend: ModuleType) -> None:
    family = backend.Family(lambda: backend.Histogram.__new__(backend.Histogram), "a")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="was not called"):
            family.observe(1.0, "x")


def test_no_reference_to_the_child_is_left(backend: ModuleType) -> None:
    for name, child in (("inc", "Counter"), ("inc", "AtomicInt"), ("dec", "AtomicInt")):
        family = family_of(backend, child, "a")
        getattr(family, name)("x")
        kept = family["x"]
        before = sys.getrefcount(kept)
        for _ in range(100):
            getattr(family, name)("x")
        assert sys.getrefcount(kept) == before
        reference = weakref.ref(kept)
        del kept
        family.clear()
        gc.collect()
        assert reference() is None


def test_guards_and_timers(backend: ModuleType) -> None:
    in_flight = backend.Family(backend.AtomicInt, "route")
    with in_flight.track("/"):
        with in_flight.track("/"):
            assert in_flight["/"].load() == 2
        assert in_flight["/"].load() == 1
    assert in_flight["/"].load() == 0
    latency = backend.Family(lambda: backend.Histogram([60.0]), "route")
    with latency.time("/"):
        pass
    assert latency.time("/")(len)([]) == 0
    assert latency["/"].snapshot().counts == (2, 0)
    counters = backend.Family(backend.Counter, "route")
    for use in (lambda: counters.track("/"), lambda: counters.time("/")):
        with pytest.raises(AttributeError):
            use()
