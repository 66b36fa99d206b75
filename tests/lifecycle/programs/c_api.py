"""An extension that uses the C API: in several interpreters, and when atomicx or the extension goes first."""

import ctypes
import gc
import sys
import weakref
from types import BuiltinFunctionType, ModuleType
from typing import Any

from lifecycle.programs.imports import import_again
from lifecycle.programs.subinterpreters import (
    INTERPRETERS,
    create,
    run,
    without_interpreters,
    without_own_gil,
)
from support.child import program
from support.native import build, load, native
from support.race import GIL

MADE = 5
ROUNDS = 1000

# Runs inside each interpreter; {path} is the extension.
INSIDE = """
import sys, threading
from atomicx import AtomicInt, Counter
from support.native import load
api = load("c_api", {path!r})
assert api.owner() is sys.modules["atomicx._core"]
assert type(api.int_new(3)) is AtomicInt and api.int_check(AtomicInt()) == 1
source, target, counter = AtomicInt(), api.int_new(0), api.counter_new(0)
work = (source, target, counter, {rounds}, "attached")
threads = [threading.Thread(target=api.race, args=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert (source.load(), target.load(), counter.load()) == (-2 * {rounds}, 2 * {rounds}, 2 * {rounds})
# Left behind for the end of the interpreter: the extension, and cells that it made.
sys.modules["left_behind"] = [api, source, target, counter]
"""


def on_the_twin(backend: str) -> str | None:
    return "the twin has no C API" if backend == "atomicx._reference" else None


def without_own_gil_or_c(backend: str) -> str | None:
    return on_the_twin(backend) or without_own_gil(backend)


def without_interpreters_or_c(backend: str) -> str | None:
    return on_the_twin(backend) or without_interpreters(backend)


def each_interpreter_has_a_table_of_its_own(own_gil: bool) -> None:
    api: Any = native("c_api")
    mine, table = api.int_new(0), api.owner()
    for _ in range(MADE):
        interpreter = create(own_gil)
        try:
            run(interpreter, INSIDE.format(path=str(build("c_api")), rounds=ROUNDS))
        finally:
            INTERPRETERS.destroy(interpreter)
        assert api.owner() is table
        api.int_add(mine, 1)
        assert api.int_check(mine) == api.int_check(api.int_new(0)) == 1
    assert mine.load() == MADE


@program(unless=without_own_gil_or_c)
def interpreters_with_a_gil_of_their_own(module: ModuleType) -> None:
    each_interpreter_has_a_table_of_its_own(own_gil=True)


@program(unless=without_interpreters_or_c)
def interpreters_with_the_shared_gil(module: ModuleType) -> None:
    each_interpreter_has_a_table_of_its_own(own_gil=False)


@program(unless=on_the_twin)
def an_extension_keeps_its_atomicx(module: ModuleType) -> None:
    """When atomicx is imported again, the extension keeps its types, and accepts no others."""
    old: Any = load("c_api", build("c_api"))
    again = import_again("atomicx._core")
    new: Any = load("c_api", build("c_api"))
    gc.collect()
    assert old.owner() is module and new.owner() is again
    for extension, ours, theirs in [(old, module, again), (new, again, module)]:
        assert type(extension.int_new(1)) is ours.AtomicInt
        assert extension.int_check(ours.AtomicInt()) == 1
        assert extension.int_check(theirs.AtomicInt()) == 0
        assert extension.counter_check(theirs.Counter()) == 0


@program(unless=on_the_twin)
def an_extension_that_nobody_uses_lets_its_atomicx_go(module: ModuleType) -> None:
    for together in (False, True):
        again = import_again("atomicx._core")
        extension: Any = load("c_api", build("c_api"))
        assert extension.owner() is again
        watchers = [weakref.ref(again.AtomicInt), weakref.ref(again.Counter)]
        if together:
            # A cycle through the table's owner, which the collector has to see.
            again.held_by_what_it_holds = extension
        del extension
        gc.collect()
        del again
        import_again("atomicx._core")
        gc.collect()
        assert [watcher() for watcher in watchers] == [None, None], together


class Late:
    """Made by a finalizer, so it dies while the collector clears, and uses the extension then."""

    def __init__(self, found: list[object]) -> None:
        self.found = found

    def __del__(self) -> None:
        # It must not refer to the extension, which would then stay alive; the collector's own list finds it.
        for thing in gc.get_objects():
            if isinstance(thing, BuiltinFunctionType) and thing.__name__ in ("int_new", "int_check"):
                self.found.append(thing(3))


class Early:
    """Is cleared after older objects. Then what it made dies first; a tuple is not cleared before."""

    def __init__(self, found: list[object], functions: tuple[object, ...]) -> None:
        self.found = found
        self.late: Late | None = None
        self.held = (functions, self)

    def __del__(self) -> None:
        self.late = Late(self.found)


def without_a_view_or_c(backend: str) -> str | None:
    hidden = "free-threaded, and from 3.14 on, gc.get_objects() does not show what is being cleared"
    return on_the_twin(backend) or (None if GIL and sys.version_info < (3, 14) else hidden)


@program(unless=without_a_view_or_c)
def an_extension_is_used_while_its_atomicx_is_cleared(module: ModuleType) -> None:
    gc.disable()  # everything has to be found in one collection
    found: list[object] = []
    again = import_again("atomicx._core")
    extension: Any = load("c_api", build("c_api"))
    Early(found, (extension.int_new, extension.int_check))
    again.held_by_what_it_holds = extension
    del again, extension
    import_again("atomicx._core")
    gc.collect()
    assert sorted(type(each).__name__ for each in found) == ["AtomicInt", "int"], found


@program(unless=on_the_twin)
def a_capsule_that_outlives_its_module_is_useless(module: ModuleType) -> None:
    again = import_again("atomicx._core")
    capsule = again.c_api
    watcher = weakref.ref(again.AtomicInt)
    find = ctypes.pythonapi.PyCapsule_GetPointer
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    assert find(capsule, b"atomicx._core.c_api")
    del again
    import_again("atomicx._core")
    gc.collect()
    assert watcher() is None
    try:
        find(capsule, b"atomicx._core.c_api")
    except ValueError:
        return
    raise AssertionError("the table of a module that is gone was handed out")


class Last:
    """Uses an extension when it dies."""

    def __init__(self, extension: Any) -> None:
        self.extension = extension

    def __del__(self) -> None:
        self.extension.int_add(self.extension.int_new(3), 1)


@program(unless=on_the_twin)
def an_extension_is_used_while_the_interpreter_ends(module: ModuleType) -> None:
    extension: Any = load("c_api", build("c_api"))
    sys.modules["dies_late"] = Last(extension)  # type: ignore[assignment]
    extension.me = [extension, Last(extension)]
