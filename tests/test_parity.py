"""The C module and the pure-Python twin, member by member. Other tests show that they behave alike."""

import copy
import importlib
import inspect
import os
import pickle
import re
import sys
import weakref
from collections.abc import Callable
from types import BuiltinFunctionType, MethodDescriptorType, ModuleType, WrapperDescriptorType
from typing import Any

import pytest

import atomicx
from atomicx import _reference as twin
from atomicx import shared

pytestmark = pytest.mark.skipif(
    os.environ.get("ATOMICX_PURE") == "1",
    reason="ATOMICX_PURE=1 leaves out the C module, and so the comparison",
)

TYPES = ["AtomicBool", "AtomicFloat", "AtomicInt", "AtomicRef", "Counter", "Family", "Histogram"]
TYPES += ["ExponentialHistogram"]
# The twin has no instances of these.
SHARED = ["SharedFloat", "SharedInt"]
# The required arguments of those types that have any.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "ExponentialHistogram": (),
    "Family": (int, "label"),
    "Histogram": ([1.0],),
}
MADE_BY_SEGMENTS = [name for name in shared.__all__ if name.startswith("Shared")]  # and not by users
HELPERS = ["Guard", "Timer", "Admission"]  # not made by users
ALL_TYPES = [*TYPES, *SHARED, *MADE_BY_SEGMENTS]
WITH_HELPERS = [*ALL_TYPES, *HELPERS, "SegmentBase"]
# The differences between a class statement and a type made in C, and what the twin's cells keep.
MADE_BY_CLASS = {
    "__slots__",
    "__weakref__",
    "__signature__",
    "__annotations__",
    "__annotate__",
    "__annotate_func__",
}
MADE_BY_CLASS |= {"__annotations_cache__", "__firstlineno__", "__static_attributes__"}


@pytest.fixture(scope="module")
def core() -> ModuleType:
    return importlib.import_module("atomicx._core")


def members(cls: type) -> set[str]:
    names = set(dir(cls)) - set(dir(object)) - MADE_BY_CLASS
    # Members that are None there keep Python's classes from being iterated through __getitem__.
    names = {name for name in names if getattr(cls, name, ...) is not None}
    return {name for name in names if not re.match("_[A-Z][A-Za-z]+__", name)}


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters without annotations, which a text signature does not have."""
    found = inspect.signature(function).parameters.values()
    return [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found]


def test_both_have_the_same_names(core: ModuleType) -> None:
    names = {name for name in dir(core) if not name.startswith("_")}
    assert names - {"build", "c_api", "compiler"} == set(twin.__all__)
    assert isinstance(core.compiler, str)
    assert core.compiler
    # For bug reports: the C module works with every patch release of the version it was built for.
    assert re.fullmatch(
        rf"(not )?optimized, assertions (on|off), for CPython 3\.{sys.version_info.minor}\..*", core.build
    )


@pytest.mark.parametrize("name", WITH_HELPERS)
def test_members(core: ModuleType, name: str) -> None:
    # From 3.12 on a type made in C shows that it exports its memory.
    memory = {"__buffer__", "__release_buffer__"}
    assert members(getattr(core, name)) - memory == members(getattr(twin, name))


MEMBERS = [(name, member) for name in WITH_HELPERS for member in sorted(members(getattr(twin, name)))]
METHODS = [
    (name, member)
    for name, member in [*MEMBERS, *((name, "__reduce__") for name in WITH_HELPERS)]
    if callable(getattr(getattr(twin, name), member))
]


@pytest.mark.parametrize(("name", "member"), METHODS)
def test_method(core: ModuleType, name: str, member: str) -> None:
    ours, theirs = getattr(getattr(twin, name), member), getattr(getattr(core, name), member)
    if isinstance(theirs, WrapperDescriptorType):
        # An operator or a call: the interpreter names its parameters and documents it.
        assert member.startswith("__")
        if member != "__call__":
            assert len(parameters(ours)) == len(parameters(theirs))
        return
    assert isinstance(theirs, (MethodDescriptorType, BuiltinFunctionType))
    assert parameters(ours) == parameters(theirs)
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)
    assert ours.__name__ == theirs.__name__ == member
    assert ours.__qualname__.split(".")[-1] == theirs.__qualname__.split(".")[-1]


@pytest.mark.parametrize("name", ALL_TYPES)
def test_type(core: ModuleType, name: str) -> None:
    ours, theirs = getattr(twin, name), getattr(core, name)
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)
    if name not in MADE_BY_SEGMENTS:
        assert parameters(ours) == parameters(theirs)
    for cls in (ours, theirs):
        assert (cls.__module__, cls.__name__, cls.__qualname__) == ("atomicx", name, name)


class WithInit:
    def __init__(self, first: int, second: int) -> None: ...


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("body", [{}, {"__init__": WithInit.__init__}, {"__slots__": ("more",)}], ids=str)
def test_subclass(core: ModuleType, name: str, body: dict[str, Any]) -> None:
    ours, theirs = (type("Derived", (getattr(module, name),), dict(body)) for module in (twin, core))
    assert parameters(ours) == parameters(theirs)
    assert hasattr(ours.__new__(ours), "__dict__") == hasattr(theirs.__new__(theirs), "__dict__")


@pytest.mark.parametrize("name", TYPES)
def test_instance(core: ModuleType, name: str) -> None:
    for module in (twin, core):
        cell = getattr(module, name)(*ARGUMENTS.get(name, ()))
        assert not hasattr(cell, "__dict__")
        with pytest.raises(AttributeError):
            cell.attribute = 1
        assert weakref.ref(cell)() is cell
        assert not callable(cell)


def refusals(thing: object) -> list[tuple[type[BaseException], str]]:
    attempts: list[Callable[[object], object]] = [copy.copy, copy.deepcopy]
    attempts += [lambda thing, protocol=protocol: pickle.dumps(thing, protocol) for protocol in range(6)]
    refused = []
    for attempt in attempts:
        with pytest.raises(TypeError) as caught:
            attempt(thing)
        refused.append((caught.type, str(caught.value)))
    return refused


@pytest.mark.parametrize("name", TYPES)
def test_refusal_to_pickle_and_copy(core: ModuleType, name: str) -> None:
    arguments = ARGUMENTS.get(name, ())
    assert refusals(getattr(twin, name)(*arguments)) == refusals(getattr(core, name)(*arguments))


def helpers(module: ModuleType) -> list[Any]:
    return [module.AtomicInt().track(), module.Histogram([1.0]).time(), module.AtomicInt().admit(1)]


@pytest.mark.parametrize("index", range(len(HELPERS)), ids=HELPERS)
def test_helper(core: ModuleType, index: int) -> None:
    ours, theirs = helpers(twin)[index], helpers(core)[index]
    assert inspect.getdoc(type(ours)) == inspect.getdoc(type(theirs))
    assert refusals(ours) == refusals(theirs)
    for helper in (ours, theirs):
        assert weakref.ref(helper)() is helper
        assert not hasattr(helper, "__dict__")
    assert (type(ours).__module__, type(theirs).__module__) == ("atomicx._reference", "atomicx._core")


PROPERTIES = [
    (name, member) for name, member in MEMBERS if isinstance(getattr(getattr(twin, name), member), property)
]


@pytest.mark.parametrize(("name", "member"), PROPERTIES)
def test_property(core: ModuleType, name: str, member: str) -> None:
    ours, theirs = (getattr(getattr(module, name), member) for module in (twin, core))
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)
    for module in (twin, core):
        if name in ARGUMENTS:
            with pytest.raises(AttributeError):
                setattr(getattr(module, name)(*ARGUMENTS[name]), member, 1)


def test_both_return_the_same_type_of_snapshot(core: ModuleType) -> None:
    assert {type(module.Histogram([1.0]).snapshot()) for module in (twin, core)} == {
        atomicx.HistogramSnapshot
    }
    assert {type(module.ExponentialHistogram().snapshot()) for module in (twin, core)} == {
        atomicx.ExponentialHistogramSnapshot
    }


def test_function(core: ModuleType) -> None:
    ours, theirs = twin.enable_deferred_refcount, core.enable_deferred_refcount
    assert parameters(ours) == parameters(theirs)
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)
    assert ours.__module__ == theirs.__module__ == "atomicx"
    assert ours.__name__ == theirs.__name__
    assert ours.__qualname__ == theirs.__qualname__


@pytest.mark.parametrize("name", MADE_BY_SEGMENTS)
def test_what_only_segments_make(core: ModuleType, name: str) -> None:
    ours, theirs = getattr(twin, name), getattr(core, name)
    with pytest.raises(RuntimeError, match=f"^{name} needs the C module"):
        ours()
    for made in (theirs, type("Derived", (theirs,), {})):
        with pytest.raises(TypeError, match="cannot create"):
            made()
