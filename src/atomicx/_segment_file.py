"""The file under a Segment: what its first bytes say, how it comes to be, and the lock for new names.

docs/segment.md has the layout for readers in other languages.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
import threading
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress

from . import AtomicRef

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MAGIC = b"atomicx\n"
VERSION = 1
BYTE_ORDER_MARK = 0x01020304
_MARK_OFFSET = 12
HEADER_BYTES = 64
TABLE_OFFSET = 128
# A multiple of 128: two values are never on one cache line, nor on two that are fetched together.
ENTRY_BYTES = 256
MOST_ENTRIES = 2**32

_FIELDS = struct.Struct("<8sIIQII28x")  # magic, version, byte order mark, capacity, ENTRY_BYTES, TABLE_OFFSET
_CHECKSUM = struct.Struct("<I")
_ZEROS = bytes(2**20)
_BINARY: int = getattr(os, "O_BINARY", 0)
# What file systems say that cannot do it at all.
_NO_FALLOCATE = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
_NO_LINKS = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EPERM}

# The header


def file_bytes(capacity: int) -> int:
    """How long the file of so many entries is."""
    return TABLE_OFFSET + ENTRY_BYTES * capacity


def packed_header(capacity: int) -> bytes:
    """The first bytes of a segment of this capacity."""
    fields = _FIELDS.pack(MAGIC, VERSION, BYTE_ORDER_MARK, capacity, ENTRY_BYTES, TABLE_OFFSET)
    return fields + _CHECKSUM.pack(zlib.crc32(fields))


def capacity_of(header: bytes, size: int, path: str) -> int:
    """The capacity that the header of a file of this size tells. Raises ValueError if it is not sound."""
    if len(header) < HEADER_BYTES or header[: len(MAGIC)] != MAGIC:
        raise ValueError(f"{path!r} is no segment of atomicx, or its first bytes are damaged")
    if header[_MARK_OFFSET : _MARK_OFFSET + 4] == BYTE_ORDER_MARK.to_bytes(4, "big"):
        raise ValueError(f"{path!r} is of a big-endian machine: its values mean other numbers on this one")
    fields = header[: _FIELDS.size]
    if header[_FIELDS.size :] != _CHECKSUM.pack(zlib.crc32(fields)):
        raise ValueError(f"{path!r} is damaged: its header does not have the checksum that stands in it")
    _, version, _, capacity, _, _ = _FIELDS.unpack(fields)
    if version > VERSION:
        raise ValueError(f"{path!r} has layout {version}, and this atomicx knows them up to {VERSION}")
    if header != packed_header(capacity):
        raise ValueError(f"{path!r} has a header that no version of atomicx writes")
    if size != file_bytes(capacity):
        raise ValueError(f"{path!r} has {size} bytes, and not the {file_bytes(capacity)} of its capacity")
    return int(capacity)


# The file


def open_file(path: str) -> tuple[int, int]:
    """A descriptor of the file, and its capacity. Raises OSError, or ValueError if it is no sound segment."""
    file = os.open(path, os.O_RDWR | _BINARY)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path!r} is not a regular file")
        return file, capacity_of(os.read(file, HEADER_BYTES), status.st_size, path)
    except BaseException:
        os.close(file)
        raise


def create_file(path: str, capacity: int) -> None:
    """Make the file aside, and give it its name when it is whole. Raises OSError, and nothing is left then.

    A process that is killed in the middle leaves a file that begins with a dot and ends in .tmp.
    """
    folder, name = os.path.split(path)
    aside = os.path.join(folder, f".{name[:100]}.{os.urandom(8).hex()}.tmp")
    file = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        try:
            _fill(file, packed_header(capacity), file_bytes(capacity))
        finally:
            os.close(file)
        _give_name(aside, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(aside)


def _fill(file: int, header: bytes, size: int) -> None:
    """Write the header, and zeros up to size, each with its place on the disk.

    A write through a map to a place that the file system then cannot find would end the process.
    """
    if not _reserve(file, size):
        written = 0
        while written < size:
            written += os.write(file, _ZEROS[: size - written])
        os.lseek(file, 0, os.SEEK_SET)
    if os.write(file, header) != len(header):
        raise OSError(errno.EIO, "could not write the header of a segment")


def _reserve(file: int, size: int) -> bool:
    """Whether the system could reserve the space; where it cannot do that, nothing has happened."""
    if not hasattr(os, "posix_fallocate"):
        return False
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in _NO_FALLOCATE:
            raise
        return False
    return True


def _give_name(aside: str, path: str) -> None:
    """Make path the name of the file, unless there is such a file: FileExistsError."""
    if sys.platform == "win32":
        os.rename(aside, path)  # which replaces nothing there
        return
    try:
        os.link(aside, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename_alone(aside, path)


def _rename_alone(aside: str, path: str) -> None:
    """The same where there are no hard links: a lock keeps other creators of segments out of the folder."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        _acquire(folder)
        if os.path.lexists(path):
            raise _exists(path)
        os.rename(aside, path)
    finally:
        _unlock(folder)
        os.close(folder)


def _exists(path: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


# The lock for new names. It is the system's, which takes it from a process that dies. It belongs to what one
# os.open made, so each time takes one of its own: then threads exclude each other as processes do.

_thread = threading.local()
# The descriptors with which this process may hold a lock; a tuple, replaced and never changed, so that a
# child that is forked at any moment finds it whole.
_held: AtomicRef[tuple[int, ...]] = AtomicRef(())


@contextmanager
def locked(path: str, identity: tuple[int, int]) -> Generator[None, None, None]:
    """Nobody else is inside, in any process, with the same file.

    Raises FileNotFoundError if the file under path has another identity by now, and RuntimeError where the
    thread is inside already, as a signal handler may find it: it would wait for itself.
    """
    if getattr(_thread, "inside", False):
        raise RuntimeError("this thread was interrupted when it named a cell, and would wait for itself")
    _thread.inside = True
    try:
        lock = os.open(path, os.O_RDWR | _BINARY)
        _held.update(lambda held: (*held, lock))
        try:
            if identity_of(lock) != identity:
                raise FileNotFoundError(errno.ENOENT, "the segment has another file now, or none", path)
            _acquire(lock)
            yield
        finally:
            # Not in a child that was forked in here, by a signal handler: there it was closed at the fork.
            if lock in _held.load():
                # To close it would not do: a child that was just forked may have it open too.
                _unlock(lock)
                _held.update(lambda held: tuple(other for other in held if other != lock))
                os.close(lock)
    finally:
        _thread.inside = False


def identity_of(file: int) -> tuple[int, int]:
    """What tells an open file from all others, whatever their names."""
    status = os.fstat(file)
    return status.st_dev, status.st_ino


def _acquire(file: int) -> None:
    if sys.platform == "win32":
        os.lseek(file, HEADER_BYTES, os.SEEK_SET)  # a byte that nobody reads: there the lock is of bytes
        msvcrt.locking(file, msvcrt.LK_LOCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX)


def _unlock(file: int) -> None:
    if sys.platform == "win32":
        os.lseek(file, HEADER_BYTES, os.SEEK_SET)
        with suppress(OSError):  # it was not acquired
            msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_UN)


def _close_inherited() -> None:
    """In a forked child: a lock that another thread of the parent holds must die with the parent."""
    for lock in _held.exchange(()):
        with suppress(OSError):
            os.close(lock)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
