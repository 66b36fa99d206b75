"""The file under a Segment: damaged, foreign, truncated, newer, not to be written to, or without room."""

import errno
import os
import resource
import stat
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest

from atomicx import _segment_file
from atomicx._segment_file import ENTRY_BYTES, HEADER_BYTES, TABLE_OFFSET, packed_header
from atomicx.shared import Segment
from support.shared import NEEDS_C, NEEDS_FORK, fork, status_of

pytestmark = NEEDS_C


@pytest.fixture
def path(tmp_path: Path) -> Path:
    segment = Segment.create(tmp_path / "segment", 3)
    segment.int("first").add(1)
    segment.float("second").add(0.5)
    return tmp_path / "segment"


def test_the_layout(path: Path) -> None:
    """Byte for byte, as docs/segment.md tells it."""
    contents = path.read_bytes()
    header = b"atomicx\n" + struct.pack("<IIQII28x", 1, 0x01020304, 3, 256, 128)
    first = struct.pack("<qq240s", 1, 1, b"first")
    second = struct.pack("<dq240s", 0.5, 2, b"second")
    assert contents[:64] == header + struct.pack("<I", zlib.crc32(header))
    assert contents[64:128] == bytes(64)
    assert contents[128:] == first + second + bytes(256)


def test_every_flipped_bit_of_the_header(path: Path) -> None:
    sound = path.read_bytes()
    for position in range(HEADER_BYTES):
        for bit in range(8):
            damaged = bytearray(sound)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match="no segment" if position < 8 else "checksum"):
                Segment.open(path)
                pytest.fail(f"bit {bit} of byte {position} was flipped, and nobody saw it")
            assert path.read_bytes() == damaged
    path.write_bytes(sound)
    assert Segment.open(path).int("first").load() == 1


def test_every_byte_of_the_header(path: Path) -> None:
    sound = path.read_bytes()
    for position in range(HEADER_BYTES):
        for value in (0, 255):
            damaged = sound[:position] + bytes([value]) + sound[position + 1 :]
            path.write_bytes(damaged)
            if damaged != sound:
                with pytest.raises(ValueError):
                    Segment.open(path)


def header_of(*fields: object) -> bytes:
    packed = struct.pack("<8sIIQII28x", *fields)
    return packed + struct.pack("<I", zlib.crc32(packed))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ((b"atomicx\n", 2, 0x01020304, 3, 256, 128), "has layout 2, and this atomicx knows them up to 1"),
        ((b"atomicx\n", 0, 0x01020304, 3, 256, 128), "no version of atomicx writes"),
        ((b"atomicx\n", 1, 0x04030201, 3, 256, 128), "is of a big-endian machine"),
        ((b"atomicx\n", 1, 0x02010403, 3, 256, 128), "no version of atomicx writes"),
        ((b"atomicx\n", 1, 0x01020304, 3, 128, 128), "no version of atomicx writes"),
        ((b"atomicx\n", 1, 0x01020304, 3, 256, 64), "no version of atomicx writes"),
        ((b"atomicx\n", 1, 0x01020304, 4, 256, 128), "has 896 bytes, and not the 1152"),
        ((b"atomicx\n", 1, 0x01020304, 2, 256, 128), "has 896 bytes, and not the 640"),
        ((b"atomicx\n", 1, 0x01020304, 2**64 - 1, 256, 128), "has 896 bytes"),
        ((b"ATOMICX\n", 1, 0x01020304, 3, 256, 128), "is no segment of atomicx"),
    ],
)
def test_headers_with_the_right_checksum(path: Path, fields: tuple[object, ...], says: str) -> None:
    path.write_bytes(header_of(*fields) + path.read_bytes()[64:])
    with pytest.raises(ValueError, match=says):
        Segment.open(path)


def test_truncated_and_longer_files(path: Path) -> None:
    sound = path.read_bytes()
    for size in (0, 1, 8, 63, 64, 127, 128, 400, len(sound) - 1):
        path.write_bytes(sound[:size])
        with pytest.raises(ValueError):
            Segment.open(path)
    path.write_bytes(sound + b"\0")
    with pytest.raises(ValueError, match="has 897 bytes, and not the 896"):
        Segment.open(path)


@pytest.mark.parametrize("contents", [b"", b"text\n" * 1000, bytes(10_000), os.urandom(10_000)], ids=range(4))
def test_foreign_files(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "foreign").write_bytes(contents)
    with pytest.raises(ValueError, match="is no segment of atomicx"):
        Segment.open(tmp_path / "foreign")
    with pytest.raises(FileExistsError):
        Segment.create(tmp_path / "foreign", 1)
    assert (tmp_path / "foreign").read_bytes() == contents


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Segment.open(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        Segment.create(tmp_path / "nothing" / "segment", 1)
    with pytest.raises(IsADirectoryError):
        Segment.open(tmp_path)
    with pytest.raises(FileExistsError):
        Segment.create(tmp_path, 1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        Segment.open(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        Segment.create(tmp_path / "dangling", 1)


@pytest.mark.parametrize(
    ("position", "value", "says"),
    [
        (TABLE_OFFSET + 8, 3, "has no kind, or no name"),
        (TABLE_OFFSET + 8, 255, "has no kind, or no name"),
        (TABLE_OFFSET + 15, 255, "has no kind, or no name"),
        (TABLE_OFFSET + 16, 255, "utf-8"),
    ],
)
def test_a_damaged_entry(path: Path, position: int, value: int, says: str) -> None:
    contents = bytearray(path.read_bytes())
    contents[position] = value
    path.write_bytes(contents)
    segment = Segment.open(path)
    for call in (lambda: segment.int("first"), lambda: segment.int("new"), segment.items):
        with pytest.raises(ValueError, match=says):
            call()
    assert path.read_bytes() == contents


def test_two_entries_of_one_name(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[TABLE_OFFSET + ENTRY_BYTES : TABLE_OFFSET + 2 * ENTRY_BYTES] = contents[
        TABLE_OFFSET : TABLE_OFFSET + ENTRY_BYTES
    ]
    path.write_bytes(contents)
    segment = Segment.open(path)
    for call in (lambda: segment.int("new"), segment.items):
        with pytest.raises(ValueError, match="two entries have one name"):
            call()
    assert path.read_bytes() == contents


def test_what_a_killed_maker_leaves_is_no_entry(path: Path) -> None:
    """It had written a name, and not yet the kind."""
    contents = bytearray(path.read_bytes())
    place = TABLE_OFFSET + 2 * ENTRY_BYTES + 16
    contents[place : place + 200] = b"x" * 200
    path.write_bytes(contents)
    segment = Segment.open(path)
    assert [name for name, _ in segment.items()] == ["first", "second"]
    segment.int("third").inc()
    assert [(name, cell.load()) for name, cell in Segment.open(path).items()][2:] == [("third", 1)]


@pytest.mark.parametrize("checksum", ["<I", ">I"])
def test_a_segment_of_the_other_byte_order(path: Path, checksum: str) -> None:
    """Every number in it as a big-endian machine writes it: the same layout, whole, and none of ours."""
    fields = struct.pack(">8sIIQII28x", b"atomicx\n", 1, 0x01020304, 3, 256, 128)
    header = fields + struct.pack(checksum, zlib.crc32(fields)) + bytes(64)
    contents = header + struct.pack(">qq240s", 1, 1, b"first") + bytes(2 * 256)
    path.write_bytes(contents)
    with pytest.raises(ValueError, match="is of a big-endian machine: its values mean other numbers"):
        Segment.open(path)
    with pytest.raises(FileExistsError):
        Segment.create(path, 3)
    assert path.read_bytes() == contents


def test_a_machine_of_the_other_byte_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "byteorder", "big")
    for make in (lambda: Segment.open(path), lambda: Segment.create(f"{path}-new", 1)):
        with pytest.raises(RuntimeError, match="little-endian"):
            make()
    assert list(path.parent.iterdir()) == [path]


# Permissions


def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        Segment.create(tmp_path / "segment", 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "segment").stat().st_mode) == 0o640


@NEEDS_FORK
def test_permission_denied() -> None:
    """In a child that is not root, to which nothing is denied."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Segment.create(folder / "segment", 1)
        (folder / "segment").chmod(0o444)
        folder.chmod(0o555)

        def work() -> None:
            if os.geteuid() == 0:
                os.seteuid(65534)
            with pytest.raises(PermissionError):
                Segment.open(folder / "segment")
            with pytest.raises(PermissionError):
                Segment.create(folder / "new", 1)

        assert status_of(fork(work)) == 0
        folder.chmod(0o755)
        assert [path.name for path in folder.iterdir()] == ["segment"]


# No room


@NEEDS_FORK
def test_a_file_that_may_not_be_so_long(tmp_path: Path) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        for fallocate in (True, False):
            if not fallocate:
                del os.posix_fallocate
            with pytest.raises(OSError) as caught:
                Segment.create(tmp_path / "segment", 100)
            assert caught.value.errno == errno.EFBIG

    assert status_of(fork(work)) == 0
    assert list(tmp_path.iterdir()) == []


SMALL_DISK = """
import ctypes, errno, os, sys
from atomicx.shared import Segment

libc = ctypes.CDLL(None, use_errno=True)
folder = sys.argv[1]
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 0x40000, 2
if libc.unshare(CLONE_NEWNS):
    sys.exit(77)
libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
if libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, b"size=64k"):
    sys.exit(77)
try:
    for without in ((), ("posix_fallocate",)):
        for name in without:
            delattr(os, name)
        try:
            Segment.create(f"{folder}/segment", 1000)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
        else:
            raise AssertionError("there was room for 256 kB in 64")
        assert os.listdir(folder) == []

        segment = Segment.create(f"{folder}/segment", 100)
        with open(f"{folder}/rest", "wb", buffering=0) as rest:
            try:
                while rest.write(bytes(4096)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
        try:
            Segment.create(f"{folder}/another", 1)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
        else:
            raise AssertionError("there was room on a full disk")
        # A hole in the file would end the process here.
        for number in range(100):
            segment.int(f"name {number}").add(number)
        assert [cell.load() for _, cell in Segment.open(segment.path).items()] == list(range(100))
        segment.close()
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
finally:
    libc.umount2(folder.encode(), MNT_DETACH)
"""


@pytest.mark.skipif(sys.platform != "linux", reason=f"{sys.platform} has no tmpfs to fill")
def test_a_full_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(tmp_path)], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("no right to mount a small disk; test_a_file_that_may_not_be_so_long runs in its place")
    assert (done.returncode, done.stderr) == (0, "")


def test_where_space_cannot_be_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then zeros are written: the file is whole, and without holes."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    monkeypatch.setattr(_segment_file, "_ZEROS", bytes(1000))
    Segment.create(tmp_path / "segment", 50)
    contents = (tmp_path / "segment").read_bytes()
    assert contents == packed_header(50) + bytes(64 + 50 * 256)
    assert (tmp_path / "segment").stat().st_blocks * 512 >= len(contents)


def test_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    Segment.create(tmp_path / "segment", 1).int("n").inc()
    with pytest.raises(FileExistsError):
        Segment.create(tmp_path / "segment", 1)
    assert list(tmp_path.iterdir()) == [tmp_path / "segment"]
    assert Segment.open(tmp_path / "segment").int("n").load() == 1


@pytest.mark.parametrize("what", ["write", "rename"])
def test_what_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "link" if what == "rename" else what, refuse)
    with pytest.raises(OSError) as caught:
        Segment.create(tmp_path / "segment", 1)
    assert caught.value.errno == errno.EIO
    assert list(tmp_path.iterdir()) == []
