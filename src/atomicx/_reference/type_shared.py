"""SharedInt and SharedFloat, which Python alone cannot make.

The twin is atomic within one process only. If it wrote to memory that other processes write to as well, it
would silently lose counts, so these classes have no instances. They exist for introspection: members,
signatures and docstrings. That is also the only reason why they inherit; in C they are separate types.
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
        f"{name} needs the C module of atomicx, since Python code cannot be atomic across processes: install"
        " atomicx where there is a C compiler (with ATOMICX_REQUIRE_C=1, pip says what is missing), and do"
        " not set ATOMICX_PURE=1"
    )


class Shared:
    """What the two have in common, apart from their operations."""

    __slots__ = ()

    def __new__(cls, *args: object, **kwargs: object) -> NoReturn:
        raise missing_core(cls.__name__)

    def __init__(self, buffer: Buffer, offset: _Integer = 0) -> None:  # pyright: ignore[reportInconsistentConstructor]
        pass  # never called; only its signature is shown

    if TYPE_CHECKING:
        __signature__: ClassVar[Signature]  # what the descriptor returns
    else:
        __signature__ = InitSignature(__new__)

    def release(self, /) -> None:
        """Give the buffer back. Returns None.

        Later operations raise ValueError. release() waits for operations that other threads are in the middle
        of; these run no Python code and wait for nothing. So closing the buffer afterwards raises no
        BufferError because of this cell. The value stays in the buffer. Releasing again does nothing.
        """


class SharedInt(Shared, AtomicInt):
    """An atomic signed 64-bit integer in eight bytes of a buffer, atomic across processes.

    The buffer is any writable buffer: a shared mmap, a multiprocessing.shared_memory block's buf, a
    bytearray, an array, a ctypes object. The value is what those bytes hold, in the machine's byte order.

    Raises TypeError if buffer is not a buffer, or is read-only; ValueError if it is not contiguous, has no
    eight bytes at offset, or if their address is not a multiple of eight; RuntimeError where 64-bit atomics
    take a lock, and in the pure-Python twin.

    The operations are AtomicInt's, with its results and errors, sequentially consistent among all processes
    that map the memory. None waits for a thread or a process, whether it is running, stopped or dead.

    The cell holds the buffer until release(), so until then it cannot be closed or resized. After that every
    operation raises ValueError.
    """

    __slots__ = ()
    __module__ = "atomicx"


class SharedFloat(Shared, AtomicFloat):
    """An atomic double-precision number in eight bytes of a buffer, atomic across processes.

    The buffer is any writable buffer: a shared mmap, a multiprocessing.shared_memory block's buf, a
    bytearray, an array, a ctypes object. The value is what those bytes hold, in the machine's byte order.

    Raises TypeError if buffer is not a buffer, or is read-only; ValueError if it is not contiguous, has no
    eight bytes at offset, or if their address is not a multiple of eight; RuntimeError where 64-bit atomics
    take a lock, and in the pure-Python twin.

    The operations are AtomicFloat's, with its results and errors, sequentially consistent among all processes
    that map the memory. None waits for a thread or a process, whether it is running, stopped or dead.

    The cell holds the buffer until release(), so until then it cannot be closed or resized. After that every
    operation raises ValueError.
    """

    __slots__ = ()
    __module__ = "atomicx"
