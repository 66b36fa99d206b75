"""The file of a Segment: damaged, foreign, truncated, with another layout, not writable, or without room."""

import errno
import os
import resource
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from atomicx.shared import Segment
from support.marks import NEEDS_C, NEEDS_FORK
from support.shared import fork, status_of

pytestmark = NEEDS_C

HEADER_BYTES = 256
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NEEDS_ROOT = pytest.mark.skipif(not IS_ROOT, reason="only root can give files away and become others")
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    segment = Segment.create(tmp_path / "segment", 30)
    segment.int("first").add(1)
    segment.counter("second").add(2)
    return tmp_path / "segment"


def header_of(*numbers: int, version: int = 2, mark: int = 0x01020304, magic: bytes = b"atomicx\n") -> bytes:
    packed = magic + struct.pack("<II11Q16s", version, mark, *numbers, b"an id of 16 byte")
    packed = packed.ljust(HEADER_BYTES - 4, b"\0")
    return packed + struct.pack("<I", zlib.crc32(packed))


def numbers_of(contents: bytes) -> list[int]:
    return list(struct.unpack_from("<11Q", contents, 16))


def test_the_layout_of_the_header(path: Path) -> None:
    """Byte for byte, as docs/segment.md describes it."""
    contents = path.read_bytes()
    size, capacity, processes, index, slots, owners, heap, heap_bytes, stripes, stripe_bytes, words = (
        numbers_of(contents)
    )
    assert (size, capacity, processes) == (len(contents), 30, 64)
    assert (index, slots, owners) == (512, 128, 512 + 128 * 8)
    assert (heap, heap_bytes) == (owners + 65 * 128, 30 * 256 + 65536)
    assert (stripes, stripe_bytes, words) == (heap + heap_bytes, 256, 31)
    assert size == stripes + 65 * stripe_bytes
    assert any(contents[104:120])
    assert contents[:104] + contents[120:252] == header_of(*numbers_of(contents))[:104] + bytes(132)
    assert struct.unpack("<I", contents[252:256]) == (zlib.crc32(contents[:252]),)


def test_every_flipped_bit_of_the_header(path: Path) -> None:
    sound = path.read_bytes()
    with path.open("r+b") as file:
        for position in range(HEADER_BYTES):
            for bit in range(8):
                file.seek(position)
                file.write(bytes([sound[position] ^ 1 << bit]))
                file.flush()
                with pytest.raises(ValueError, match="not a segment" if position < 8 else "checksum"):
                    Segment.open(path)
                    pytest.fail(f"bit {bit} of byte {position} was flipped, and nobody saw it")
            file.seek(position)
            file.write(sound[position : position + 1])
    assert path.read_bytes() == sound
    assert Segment.open(path).int("first").load() == 1


def test_headers_with_the_right_checksum(path: Path) -> None:
    """Every number in it at its extremes."""
    sound = path.read_bytes()
    numbers = numbers_of(sound)
    for index in range(len(numbers)):
        for value in (
            0,
            1,
            numbers[index] - 1,
            numbers[index] + 1,
            2**31,
            2**32,
            2**63,
            2**64 - 1,
            2**64 - 8,
        ):
            changed = [*numbers[:index], value, *numbers[index + 1 :]]
            if changed != numbers:
                path.write_bytes(header_of(*changed) + sound[HEADER_BYTES:])
                with pytest.raises(ValueError, match="header that no version of atomicx writes"):
                    Segment.open(path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"version": 3}, "has a newer layout"),
        ({"version": 0}, "no version of atomicx writes"),
        ({"version": 1}, "no version of atomicx writes"),
        ({"mark": 0x04030201}, "big-endian machine"),
        ({"mark": 0x02010403}, "no version of atomicx writes"),
        ({"magic": b"ATOMICX\n"}, "is not a segment of atomicx"),
    ],
)
def test_other_headers_with_the_right_checksum(path: Path, options: dict[str, object], says: str) -> None:
    sound = path.read_bytes()
    path.write_bytes(header_of(*numbers_of(sound), **options) + sound[HEADER_BYTES:])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=says):
        Segment.open(path)


def test_the_older_layout_is_refused_by_name(tmp_path: Path) -> None:
    fields = struct.pack("<8sIIQII28x", b"atomicx\n", 1, 0x01020304, 3, 256, 128)
    (tmp_path / "old").write_bytes(fields + struct.pack("<I", zlib.crc32(fields)) + bytes(64 + 3 * 256))
    with pytest.raises(ValueError, match=r"'.*old' has the layout of an older atomicx \(version 1\)"):
        Segment.open(tmp_path / "old")


def test_truncated_and_longer_files(path: Path) -> None:
    sound = path.read_bytes()
    for size in (0, 1, 8, 63, 64, 103, 104, 128, 255, 256, 400, len(sound) - 1):
        path.write_bytes(sound[:size])
        with pytest.raises(ValueError):
            Segment.open(path)
    path.write_bytes(sound + b"\0")
    with pytest.raises(ValueError, match="is truncated, or something was appended"):
        Segment.open(path)


@pytest.mark.parametrize("contents", [b"", b"text\n" * 1000, bytes(10_000), os.urandom(10_000)], ids=range(4))
def test_foreign_files(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "foreign").write_bytes(contents)
    with pytest.raises(ValueError, match="is not a segment of atomicx"):
        Segment.open(tmp_path / "foreign")
    with pytest.raises(FileExistsError):
        Segment.create(tmp_path / "foreign", 1)
    assert (tmp_path / "foreign").read_bytes() == contents


def test_a_machine_of_the_other_byte_order(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[12:16] = contents[12:16][::-1]
    path.write_bytes(contents)
    with pytest.raises(ValueError, match="big-endian machine, and cannot be read"):
        Segment.open(path)


# Files of other users


def test_what_is_not_a_regular_file(tmp_path: Path, path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Segment.open(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        Segment.create(tmp_path / "nothing" / "segment", 1)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "dangling").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for readonly in (False, True):
        with pytest.raises(IsADirectoryError):
            Segment.open(tmp_path, readonly=readonly)
        for name in ("link", "dangling"):
            with pytest.raises(PermissionError, match="must not be a symbolic link") as caught:
                Segment.open(tmp_path / name, readonly=readonly)
            assert caught.value.filename == str(tmp_path / name)
        for other in (tmp_path / "pipe", tmp_path / "socket", Path("/dev/null"), Path("/dev/tty")):
            with pytest.raises(PermissionError, match="must be a regular file"):
                Segment.open(other, readonly=readonly)
    for name in ("", "pipe", "link", "dangling", "socket"):
        with pytest.raises(FileExistsError):
            Segment.create(tmp_path / name, 1)
    # A file below a link is found: the folder is the administrator's.
    (tmp_path / "folder").symlink_to(tmp_path)
    assert Segment.open(tmp_path / "folder" / "segment").int("first").load() == 1


@NEEDS_ROOT
def test_the_file_of_a_stranger(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o666)
    for readonly in (False, True):
        with pytest.raises(
            PermissionError, match="belongs to neither this user nor root nor the given owner"
        ):
            Segment.open(path, readonly=readonly)
        with pytest.raises(PermissionError):
            Segment.open(path, owner=NOBODY - 1)
        assert Segment.open(path, readonly=readonly, owner=NOBODY).int("first").load() == 1

    def work() -> None:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        Segment.open(path).int("first").inc()

    path.parent.chmod(0o755)
    with open_folders(path.parent):
        assert status_of(fork(work)) == 0
        os.chown(path, 0, 0)
        assert status_of(fork(work)) == 0, "root's files are trusted"
        assert Segment.open(path).int("first").load() == 3
        os.chown(path, NOBODY - 1, 0)
        assert status_of(fork(lambda: expect(PermissionError, work))) == 0


def expect(error: type[BaseException], function: Callable[[], object]) -> None:
    with pytest.raises(error):
        function()


class open_folders:
    """Let every user into a folder, since pytest's own folders are closed."""

    def __init__(self, folder: Path) -> None:
        self.folders = [folder, *folder.parents]
        self.modes = [parent.stat().st_mode for parent in self.folders]

    def __enter__(self) -> None:
        for folder, mode in zip(self.folders, self.modes, strict=True):
            folder.chmod(mode | 0o111)

    def __exit__(self, *exc_info: object) -> None:
        for folder, mode in zip(self.folders, self.modes, strict=True):
            folder.chmod(mode)


# Permissions


@pytest.mark.parametrize("umask", [0, 0o027, 0o777])
@pytest.mark.parametrize("mode", [None, 0o666, 0o640])
def test_the_mode_is_what_was_asked_for(tmp_path: Path, umask: int, mode: int | None) -> None:
    options = {} if mode is None else {"mode": mode}
    before = os.umask(umask)
    try:
        Segment.create(tmp_path / "segment", 1, **options)
        Segment.open_or_create(tmp_path / "another", 1, **options)
    finally:
        os.umask(before)
    for name in ("segment", "another"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == (0o600 if mode is None else mode)


@NEEDS_FORK
def test_permission_denied() -> None:
    """In a child that is not root; root is never denied anything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Segment.create(folder / "segment", 1)
        (folder / "segment").chmod(0o444)
        folder.chmod(0o555)

        def work() -> None:
            if IS_ROOT:
                os.seteuid(NOBODY)
            with pytest.raises(PermissionError) as caught:
                Segment.open(folder / "segment")
            assert caught.value.filename == str(folder / "segment")
            assert list(Segment.open(folder / "segment", readonly=True).items()) == []
            with pytest.raises(PermissionError) as caught:
                Segment.create(folder / "new", 1)
            assert caught.value.filename == str(folder / "new")

        assert status_of(fork(work)) == 0
        folder.chmod(0o755)
        assert [path.name for path in folder.iterdir()] == ["segment"]


@NEEDS_ROOT
@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_a_worker_that_changes_its_user(mode: int) -> None:
    """As under gunicorn --user: the inherited segment works, new names too; 0o666 allows the path."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        segment = Segment.create(os.path.join(name, "segment"), 10, mode=mode)
        inherited, family = segment.counter("inherited"), segment.counter("family", "a")

        def work() -> None:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            inherited.inc()
            family.inc("new child")
            segment.gauge("new name").inc()
            assert segment.gauge("new name").load() == 1
            if mode == 0o666:
                Segment.open(segment.path).counter("inherited").inc()
            else:
                expect(PermissionError, lambda: Segment.open(segment.path))

        assert status_of(fork(work)) == 0
        assert inherited.load() == (2 if mode == 0o666 else 1)
        assert family["new child"].load() == 1
        assert segment.gauge("new name").load() == 0


# No room


@NEEDS_FORK
def test_a_file_that_may_not_be_so_long(tmp_path: Path) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        with pytest.raises(OSError) as caught:
            Segment.create(tmp_path / "segment", 100)
        assert caught.value.errno == errno.EFBIG
        assert caught.value.filename == str(tmp_path / "segment")

    assert status_of(fork(work)) == 0
    assert list(tmp_path.iterdir()) == []


SMALL_DISK = """
import ctypes, errno, gc, os, sys, warnings
from atomicx.shared import Segment

warnings.simplefilter("ignore")
libc = ctypes.CDLL(None, use_errno=True)
folder = sys.argv[1]
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH, MS_REMOUNT, MS_RDONLY = 0x20000, 0x4000, 0x40000, 2, 32, 1
if libc.unshare(CLONE_NEWNS):
    sys.exit(77)
libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)
if libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, b"size=512k"):
    sys.exit(77)

def refused(number, *arguments, **options):
    before = os.listdir(folder)
    try:
        Segment.create(*arguments, **options)
    except OSError as error:
        assert error.errno == number, error
        assert error.filename == arguments[0], error.filename
    else:
        raise AssertionError(f"{arguments} was made")
    assert os.listdir(folder) == before

try:
    refused(errno.ENOSPC, f"{folder}/segment", 5000)
    segment = Segment.create(f"{folder}/segment", 100)
    with open(f"{folder}/rest", "wb", buffering=0) as rest:
        try:
            while rest.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
    refused(errno.ENOSPC, f"{folder}/another", 1)
    refused(errno.ENOSPC, f"{folder}/segment", 1, replace=True)
    # A hole in the file would end the process here.
    for number in range(100):
        segment.counter(f"name {number}").add(number)
    assert [cell.load() for _, cell in Segment.open(segment.path).items()] == list(range(100))
    segment.close()
    del segment
    gc.collect()
    assert libc.mount(b"tmpfs", folder.encode(), b"tmpfs", MS_REMOUNT | MS_RDONLY, b"") == 0
    refused(errno.EROFS, f"{folder}/another", 1)
    assert len(list(Segment.open(f"{folder}/segment", readonly=True).items())) == 100
    try:
        Segment.open(f"{folder}/segment")
    except OSError as error:
        assert (error.errno, error.filename) == (errno.EROFS, f"{folder}/segment")
finally:
    libc.umount2(folder.encode(), MNT_DETACH)
"""


@pytest.mark.skipif(sys.platform != "linux", reason=f"{sys.platform} has no tmpfs to fill")
def test_a_full_and_a_read_only_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(tmp_path)], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("no right to mount a small disk; test_a_file_that_may_not_be_so_long runs in its place")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_byte_has_its_place(tmp_path: Path) -> None:
    Segment.create(tmp_path / "segment", 500)
    status = (tmp_path / "segment").stat()
    assert status.st_blocks * 512 >= status.st_size


# File systems that lack something: a library loaded before libc gives the answers of the system calls


PRELOADED = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
int posix_fallocate(int file, off_t at, off_t size) { (void)file; (void)at; (void)size; return EOPNOTSUPP; }
int posix_fallocate64(int file, off_t offset, off_t size) { return posix_fallocate(file, offset, size); }
int link(const char *one, const char *other) { (void)one; (void)other; errno = EPERM; return -1; }
"""
LACKING = """
import os, sys
from atomicx.shared import Segment
path = sys.argv[1]
Segment.create(path, 50).int("n").inc()
try:
    Segment.create(path, 50)
except FileExistsError as error:
    assert error.filename == path
else:
    raise AssertionError("replaced a file")
assert Segment.open(path).int("n").load() == 1
assert Segment.create(path, 60, replace=True).capacity == 60
status = os.stat(path)
assert status.st_blocks * 512 >= status.st_size
assert os.listdir(os.path.dirname(path)) == ["segment"]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
def test_a_file_system_without_reservation_and_links(tmp_path: Path) -> None:
    (tmp_path / "lacking.c").write_text(PRELOADED)
    library = tmp_path / "lacking.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "lacking.c"], check=True)
    (tmp_path / "folder").mkdir()
    # A sanitizer's library that is loaded here has to stay first.
    preloaded = [*os.environ.get("LD_PRELOAD", "").split(), str(library)]
    done = subprocess.run(
        [sys.executable, "-c", LACKING, str(tmp_path / "folder" / "segment")],
        env={**os.environ, "LD_PRELOAD": " ".join(preloaded)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_names_of_files_at_the_limit(tmp_path: Path) -> None:
    for name in ("x" * 255, "ä" * 127, "\U0001f600" * 63):
        Segment.create(tmp_path / name, 10).int("n").inc()
        assert Segment.open(tmp_path / name).int("n").load() == 1
    with pytest.raises(OSError) as caught:
        Segment.create(tmp_path / ("x" * 256), 1)
    assert caught.value.errno == errno.ENAMETOOLONG
    raw = os.fsencode(tmp_path) + b"/\xff\xfe"
    Segment.create(raw, 1)
    assert os.fsencode(Segment.open(raw).path) == raw  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Segment.open(tmp_path / "nul\0")
    assert len(list(tmp_path.iterdir())) == 4


# Descriptors


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_no_descriptor_is_kept(path: Path) -> None:
    before = descriptors()
    segments = [Segment.open(path), Segment.open(path, readonly=True), Segment.anonymous(10)]
    segments.append(Segment.create(f"{path}-new", 10))
    for segment in segments:
        list(segment.items())
        if not segment.readonly:
            segment.gauge("third").inc()
    for wrong in (lambda: Segment.open("/dev/null"), lambda: Segment.open(path.parent),
                  lambda: Segment.create(path, 1), lambda: Segment.open(f"{path}-nothing")):  # fmt: skip
        with pytest.raises(OSError):
            wrong()
    path.write_bytes(b"")
    with pytest.raises(ValueError):
        Segment.open(path)
    assert descriptors() == before


def test_a_daemon_that_closes_all_descriptors(tmp_path: Path) -> None:
    """close() must not close what other code opened under the number of a descriptor of its own."""
    program = """
import gc, os, sys
from atomicx.shared import Segment
segment = Segment.create(sys.argv[1], 10)
cell, counter = segment.int("a"), segment.counter("b")
os.closerange(3, 256)
mine = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
cell.inc()
counter.inc()
segment.close()
del segment, cell, counter
gc.collect()
for descriptor in mine:
    os.fstat(descriptor)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "s"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
