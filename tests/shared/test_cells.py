"""SharedInt and SharedFloat: where they can be, and for how long. The tables define their operations."""

import array
import ctypes
import gc
import importlib.util
import inspect
import mmap
import subprocess
import sys
import weakref
from collections.abc import Callable
from multiprocessing import shared_memory
from pathlib import Path
from sysconfig import get_config_var, get_path
from typing import Any

import pytest

from atomicx import AtomicInt, SharedFloat, SharedInt
from core.run import compiler
from support.marks import NEEDS_C, NEEDS_FORK
from support.shared import fork, shared, status_of

pytestmark = NEEDS_C

TOP = Path(__file__).parent.parent.parent
BOTH = pytest.mark.parametrize("cell_type", [SharedInt, SharedFloat])
NO_BUFFER = "the cell has no buffer: it was released, or never got one"


class Structure(ctypes.Structure):
    _fields_ = (("first", ctypes.c_int64), ("second", ctypes.c_int64))


def numpy_array() -> Any:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    return numpy.zeros(2, dtype="int64")


BUFFERS = {
    "bytearray": lambda: bytearray(16),
    "array": lambda: array.array("q", [0, 0]),
    "memoryview": lambda: memoryview(bytearray(16)),
    "memoryview of others": lambda: memoryview(array.array("d", [0, 0])),
    "mmap": lambda: mmap.mmap(-1, mmap.PAGESIZE),
    "ctypes array": lambda: (ctypes.c_int64 * 2)(),
    "ctypes structure": Structure,
    "numpy": numpy_array,
}


def bytes_of(buffer: Any) -> bytes:
    return memoryview(buffer).cast("B").tobytes()[:16] if not isinstance(buffer, mmap.mmap) else buffer[:16]


@pytest.mark.parametrize("name", BUFFERS)
def test_any_writable_buffer(name: str) -> None:
    buffer = BUFFERS[name]()
    first, second = SharedInt(buffer), SharedInt(buffer, offset=8)
    first.add(1)
    second.add(-2)
    assert bytes_of(buffer) == (1).to_bytes(8, sys.byteorder) + (-2).to_bytes(8, sys.byteorder, signed=True)
    assert SharedInt(buffer=buffer, offset=8).load() == -2
    second.release()
    SharedFloat(buffer, 8).store(0.5)
    assert bytes_of(buffer)[8:] == bytes(ctypes.c_double(0.5))


def test_shared_memory() -> None:
    block = shared_memory.SharedMemory(create=True, size=64)
    try:
        cell = SharedInt(block.buf, 8)
        cell.inc()
        other = shared_memory.SharedMemory(block.name)
        same = SharedInt(other.buf, 8)
        assert same.add_fetch() == 2
        for one in (cell, same):
            one.release()
        other.close()
    finally:
        block.close()
        block.unlink()


@BOTH
@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((bytes(8),), TypeError, "needs a writable buffer"),
        ((memoryview(bytearray(8)).toreadonly(),), TypeError, "needs a writable buffer"),
        ((None,), TypeError, ""),
        ((8,), TypeError, ""),
        ((), TypeError, "buffer"),
        ((bytearray(8), 1.0), TypeError, ""),
        ((bytearray(8), None), TypeError, ""),
        ((bytearray(8), 0, 0), TypeError, ""),
        (
            (bytearray(7),),
            ValueError,
            "a shared cell needs 8 bytes: offset 0 is out of range for a buffer of 7 bytes",
        ),
        ((bytearray(0),), ValueError, "is out of range for a buffer"),
        ((bytearray(16), 9), ValueError, "offset 9 is out of range"),
        ((bytearray(16), 16), ValueError, "is out of range for a buffer"),
        ((bytearray(16), -8), ValueError, "offset -8 is out of range"),
        ((bytearray(16), 2**100), ValueError, "is out of range for a buffer"),
        ((bytearray(16), -(2**100)), ValueError, "is out of range for a buffer"),
        ((bytearray(16), 4), ValueError, "the address at offset 4 is not a multiple of 8"),
        ((memoryview(bytearray(32))[1:], 0), ValueError, "not a multiple of 8"),
        ((memoryview(bytearray(32))[::2],), ValueError, "contiguous"),
    ],
)
def test_buffers_that_have_no_room_for_a_cell(
    cell_type: Any, arguments: tuple[Any, ...], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        cell_type(*arguments)
    assert says in str(caught.value)
    if arguments and isinstance(arguments[0], bytearray):
        arguments[0].append(0)  # nothing holds the buffer
        arguments[0].pop()


def test_a_read_only_map_and_array_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory,
        pytest.raises(TypeError),
    ):
        SharedInt(memory)
    if importlib.util.find_spec("numpy") is not None:
        read_only = numpy_array()
        read_only.flags.writeable = False
        with pytest.raises(TypeError):
            SharedInt(read_only)


def test_an_offset_that_is_converted() -> None:
    class Offset:
        def __index__(self) -> int:
            return 8

    class Refusing:
        def __index__(self) -> int:
            raise LookupError

    buffer = bytearray(16)
    SharedInt(buffer, Offset()).inc()
    assert buffer[8] == 1
    with pytest.raises(LookupError):
        SharedInt(buffer, Refusing())


# Release


def calls(cell: Any) -> dict[str, Callable[[], Any]]:
    """Yield every operation, with arguments that would be accepted."""
    common: dict[str, Callable[[], Any]] = {
        "load": cell.load,
        "store": lambda: cell.store(1),
        "exchange": lambda: cell.exchange(1),
        "compare_and_set": lambda: cell.compare_and_set(0, 1),
        "compare_exchange": lambda: cell.compare_exchange(0, 1),
        "add": lambda: cell.add(1),
        "fetch_add": lambda: cell.fetch_add(1),
        "fetch_sub": lambda: cell.fetch_sub(1),
        "add_fetch": lambda: cell.add_fetch(1),
        "sub_fetch": lambda: cell.sub_fetch(1),
        "fetch_max": lambda: cell.fetch_max(1),
        "fetch_min": lambda: cell.fetch_min(-1),
        "update": lambda: cell.update(lambda now: now + 1),
        "fetch_update": lambda: cell.fetch_update(lambda now: now + 1),
        "__iadd__": lambda: cell.__iadd__(1),
        "__isub__": lambda: cell.__isub__(1),
        "__bool__": lambda: bool(cell),
        "__str__": lambda: str(cell),
        "__format__": lambda: format(cell, ""),
    }
    if isinstance(cell, SharedFloat):
        return {**common, "__float__": lambda: float(cell)}
    return {
        **common,
        "inc": cell.inc,
        "dec": cell.dec,
        "fetch_and": lambda: cell.fetch_and(1),
        "fetch_or": lambda: cell.fetch_or(1),
        "fetch_xor": lambda: cell.fetch_xor(1),
        "try_add": lambda: cell.try_add(1, 5),
        "fetch_inc_mod": lambda: cell.fetch_inc_mod(5),
        "advance": lambda: cell.advance(5),
        "track": lambda: cell.track().__enter__(),
        "admit": lambda: cell.admit(5).__enter__(),
        "__iand__": lambda: cell.__iand__(1),
        "__ior__": lambda: cell.__ior__(1),
        "__ixor__": lambda: cell.__ixor__(1),
        "__int__": lambda: int(cell),
    }


@BOTH
def test_every_operation_after_release_is_a_value_error(cell_type: Any) -> None:
    buffer = bytearray(8)
    released, unbound = cell_type(buffer), cell_type.__new__(cell_type)
    assert released.release() is None
    for cell in (released, unbound):
        operations = calls(cell)
        public = {name for name in dir(cell) if not name.startswith("_")} - {"release"}
        assert public <= operations.keys()
        for name, call in operations.items():
            with pytest.raises(ValueError, match=NO_BUFFER):
                call()
                pytest.fail(f"{name} after release")
        assert repr(cell) == f"<released {cell_type.__name__}>"
    assert bytes(buffer) == bytes(8)


@BOTH
def test_release_again_does_nothing(cell_type: Any) -> None:
    unbound = cell_type.__new__(cell_type)
    unbound.release()
    cell = shared(cell_type)
    cell.release()
    cell.release()


@BOTH
def test_release_lets_the_buffer_go(cell_type: Any) -> None:
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    cells = [cell_type(memory, offset) for offset in (0, 8, 16)]
    with pytest.raises(BufferError):
        memory.close()
    for cell in cells:
        cell.release()
    memory.close()
    buffer = bytearray(8)
    cell = cell_type(buffer)
    with pytest.raises(BufferError):
        buffer.append(0)
    del cell
    gc.collect()
    buffer.append(0)


@BOTH
def test_a_cell_is_given_its_buffer_once(cell_type: Any) -> None:
    one, other = bytearray(8), bytearray(8)
    cell = cell_type(one)
    for _ in range(2):
        with pytest.raises(ValueError, match="already has a buffer"):
            cell.__init__(other)
        other.append(0)
        cell.release()
    cell = cell_type.__new__(cell_type)
    with pytest.raises(TypeError):
        cell.__init__(b"read-only")
    cell.__init__(one)  # the call that failed does not count
    cell.store(3)
    assert one[0] == 3 or cell_type is SharedFloat


def test_update_whose_function_releases() -> None:
    """The conversion runs without holding the buffer, so the swap finds the cell released."""
    buffer = bytearray(8)
    cell = SharedInt(buffer)

    def function(now: int) -> int:
        cell.release()
        buffer.append(0)
        return now + 1

    with pytest.raises(ValueError, match=NO_BUFFER):
        cell.update(function)
    assert bytes(buffer) == bytes(9)


def test_a_conversion_that_releases() -> None:
    class Releasing:
        def __index__(self) -> int:
            cell.release()
            return 1

    for name in ("add", "store", "fetch_add", "fetch_inc_mod", "__iadd__"):
        cell = shared(SharedInt)
        with pytest.raises(ValueError, match=NO_BUFFER):
            getattr(cell, name)(Releasing())


def test_a_guard_of_a_released_cell() -> None:
    cell = shared(SharedInt)
    guard = cell.track()
    with pytest.raises(ValueError, match=NO_BUFFER), guard:
        cell.release()
    with pytest.raises(ValueError, match=NO_BUFFER):
        guard.__enter__()


# The collector, subclasses, what both types have in common


@BOTH
def test_a_cycle_through_the_buffer_is_collected(cell_type: Any) -> None:
    class Buffer(bytearray):
        pass

    buffer = Buffer(8)
    buffer.cell = cell_type(buffer)
    assert buffer in gc.get_referents(buffer.cell)
    gone = weakref.ref(buffer.cell)
    del buffer
    gc.collect()
    assert gone() is None


@BOTH
def test_finalizers_of_a_cycle_use_the_cell(cell_type: Any) -> None:
    found: list[BaseException] = []

    class Buffer(bytearray):
        pass

    class Last:
        def __init__(self, cell: Any) -> None:
            self.cell = cell

        def __del__(self) -> None:
            self.cell.store(1)  # finalizers come before anything is cleared
            found.append(self.cell.load())

    buffer = Buffer(8)
    buffer.last = Last(cell_type(buffer))
    del buffer
    gc.collect()
    assert found == [1]


@BOTH
def test_subclass(cell_type: Any) -> None:
    class Named(cell_type):  # type: ignore[misc]
        def __init__(self, name: str, buffer: Any) -> None:
            super().__init__(buffer)
            self.name = name

    cell = Named("requests", bytearray(8))
    cell += 2
    assert (cell.name, cell.load(), repr(cell)) == ("requests", 2, f"Named({cell.load()!r})")
    cell.release()
    assert repr(cell) == "<released Named>"


def test_the_shared_types_are_no_local_ones() -> None:
    assert not issubclass(SharedInt, AtomicInt)
    assert str(inspect.signature(SharedInt)) == "(buffer, offset=0)"


@NEEDS_FORK
def test_memory_that_is_shared_and_memory_that_is_not() -> None:
    everybodys, own = SharedInt(mmap.mmap(-1, mmap.PAGESIZE)), shared(SharedInt)

    def work() -> None:
        everybodys.add(5)
        own.add(5)

    assert status_of(fork(work)) == 0
    assert (everybodys.load(), own.load()) == (5, 0)


# Platforms where 64-bit atomics take a lock


def build(target: Path, *flags: str) -> str:
    """Return the compiler's output: nothing if the module was built."""
    sources = sorted(map(str, (TOP / "csrc/binding").glob("*.c")))
    command = [*compiler(), "-shared", "-fPIC", "-std=c11", "-O0", *flags]
    command += [f"-I{folder}" for folder in (get_path("include"), TOP / "csrc/core", TOP / "csrc/binding")]
    target /= f"_core{get_config_var('EXT_SUFFIX')}"
    done = subprocess.run(
        [*command, *sources, "-o", str(target)], capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == (done.stderr == "") == target.exists(), done.stderr
    return done.stderr


REFUSAL = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("atomicx._core", sys.argv[1])
core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(core)
for cell_type in (core.SharedInt, core.SharedFloat):
    try:
        cell_type(bytearray(8))
    except RuntimeError as error:
        print(error)
number, counter, histogram = core.AtomicInt(-(2**40)), core.Counter(2**40), core.Histogram([1.0])
number.dec()
counter.inc()
histogram.observe(0.5)
assert (number.load(), counter.drain(), histogram.drain()) == (-(2**40) - 1, 2**40 + 1, ((1, 0), 0.5))
"""


@pytest.mark.skipif(
    sys.platform == "win32", reason="the module is built by hand, with flags of gcc and clang"
)
def test_where_atomics_take_a_lock(tmp_path: Path) -> None:
    """With the GIL only the shared cells are missing; without it there is no module: the twin runs."""
    said = build(tmp_path, "-DAX_WORD_IS_LOCK_FREE=0")
    if get_config_var("Py_GIL_DISABLED"):
        assert "64-bit atomics must be lock-free" in said
        return
    assert said == ""
    (module,) = tmp_path.glob("_core*")
    done = subprocess.run(
        [sys.executable, "-c", REFUSAL, str(module)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    refused = "64-bit atomic operations take a lock on this platform, which does not exclude other processes"
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [refused] * 2
