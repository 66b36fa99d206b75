"""SharedInt and SharedFloat, which Python alone cannot make.

What the twin stands on is atomic within one process. To write to memory that others write to as well would be
to lose counts in silence, so there is never an instance. The classes are here for what can be asked of them:
members, signatures and docstrings. That is all for which they inherit; in C they are types of their own.
"""

from __future__ import annotations

from .chain import InitSignature
from .type_float import AtomicFloat
from .type_int import AtomicInt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from inspect import Signature
    from typing import ClassVar, NoReturn
    from typing import SupportsIndex as _Integer

    from typing_extensions import Buffer


def missing_core(name: str) -> RuntimeError:
    return RuntimeError(
        f"there is no {name} without the C module of atomicx: it is atomic across processes,"
        " which no Python code is. Install atomicx where there is a C compiler (with ATOMICX_REQUIRE_C=1"
        " pip tells what is missing), and do not set ATOMICX_PURE=1"
    )


class Shared:
    """What the two have beside their operations."""

    __slots__ = ()

    def __new__(cls, *args: object, **kwargs: object) -> NoReturn:
        raise missing_core(cls.__name__)

    def __init__(self, buffer: Buffer, offset: _Integer = 0) -> None:  # pyright: ignore[reportInconsistentConstructor]
        pass  # never called; what it takes is what the signature shows

    if TYPE_CHECKING:
        __signature__: ClassVar[Signature]  # what the descriptor gives
    else:
        __signature__ = InitSignature(__new__)

    def release(self, /) -> None:
        """Give the buffer back. Returns None.

        Operations that come later raise ValueError. Those that other threads are in the middle of are waited
        for: they run no Python code, and wait for nobody. So who closes the buffer next meets no BufferError
        on the cell's account. The value stays in the buffer. To release again does nothing.
        """


class SharedInt(Shared, AtomicInt):
    """An atomic signed 64-bit integer in eight bytes of a buffer, atomic across processes.

    The buffer is anything that can be written to: a shared mmap, a multiprocessing.shared_memory block's buf,
    a bytearray, an array, a ctypes object. The value is what lies there, in the machine's byte order.

    Raises TypeError if buffer is none, or is read-only; ValueError if it is not contiguous, has no eight
    bytes at offset, or if their address is not a multiple of eight; RuntimeError where 64-bit atomics take a
    lock, and in the pure-Python twin.

    The operations are AtomicInt's, with its results and errors, sequentially consistent among all processes
    that have the memory. None waits for a thread or a process, be it running, stopped or dead.

    The cell holds the buffer, so that it cannot be closed or resized, until release(). After that each
    operation raises ValueError.
    """

    __slots__ = ()
    __module__ = "atomicx"


class SharedFloat(Shared, AtomicFloat):
    """An atomic double-precision number in eight bytes of a buffer, atomic across processes.

    The buffer is anything that can be written to: a shared mmap, a multiprocessing.shared_memory block's buf,
    a bytearray, an array, a ctypes object. The value is what lies there, in the machine's byte order.

    Raises TypeError if buffer is none, or is read-only; ValueError if it is not contiguous, has no eight
    bytes at offset, or if their address is not a multiple of eight; RuntimeError where 64-bit atomics take a
    lock, and in the pure-Python twin.

    The operations are AtomicFloat's, with its results and errors, sequentially consistent among all processes
    that have the memory. None waits for a thread or a process, be it running, stopped or dead.

    The cell holds the buffer, so that it cannot be closed or resized, until release(). After that each
    operation raises ValueError.
    """

    __slots__ = ()
    __module__ = "atomicx"
