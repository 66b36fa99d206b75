"""Files with arbitrary bytes: a ValueError or wrong numbers, but no crash and no hang.

Each campaign runs in its own process; if a signal ends that process, the test fails.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from support.marks import NEEDS_C

pytestmark = NEEDS_C

PRELUDE = """
import os, random, sys, warnings
from pathlib import Path
from shared.layout import *
from atomicx._core import SharedPart
from atomicx.shared import Segment, SharedFamily
warnings.simplefilter("ignore")
path = Path(sys.argv[1])

def fresh(capacity=30):
    path.unlink(missing_ok=True)
    segment = Segment.create(path, capacity, processes=3)
    segment.int("int").inc()
    segment.counter("counter").inc()
    segment.gauge("gauge").inc()
    segment.histogram("histogram", [1, 2]).observe(1)
    for kind in ("int", "float", "counter", "gauge"):
        family = getattr(segment, kind)(kind + " family", "a", "b")
        family.add(1, "x", "y")
        family.add(1, "x", "z")
    family = segment.histogram("histogram family", [1, 2], "a")
    family.observe(1, "x")
    family.observe(1, "y")
    for apart in (False, True):
        SharedPart(segment, b"\\0metric %d" % apart, b"series", apart).add(1)
    return segment

seen = {}
def attempt(call):
    try:
        call()
        seen["ok"] = seen.get("ok", 0) + 1
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        # TypeError and KeyError where a name or a kind was made another; the file decides.
        seen[type(error).__name__] = seen.get(type(error).__name__, 0) + 1

def walk(segment):
    for name, cell in segment.items():
        if isinstance(cell, SharedFamily):
            for _, child in cell.items():
                repr(child)
            len(cell)
            cell.label_names, cell.bounds, cell.overflow, cell.kind
        else:
            repr(cell)

def use(segment):
    attempt(lambda: walk(segment))
    attempt(segment.usage)
    attempt(segment._parts)
    for apart in (False, True):
        for key in (b"series", b"new"):
            attempt(lambda: SharedPart(segment, b"\\0metric %d" % apart, key, apart).add(1))
            attempt(lambda: SharedPart(segment, b"\\0metric %d" % apart, key, apart).load())
    for kind in ("int", "counter", "gauge"):
        attempt(lambda: getattr(segment, kind)(kind).inc())
        attempt(lambda: getattr(segment, kind)(kind).load())
        attempt(lambda: getattr(segment, kind)("new " + kind).inc())
        for value in ("y", "z", "new"):
            attempt(lambda: getattr(segment, kind)(kind + " family", "a", "b").inc("x", value))
            attempt(lambda: getattr(segment, kind)(kind + " family", "a", "b")["x", value].load())
        attempt(lambda: getattr(segment, kind)(kind + " family", "a", "b").remove("x", "y"))
        attempt(lambda: len(getattr(segment, kind)(kind + " family", "a", "b")))
    attempt(lambda: segment.float("float family", "a", "b").add(0.5, "x", "y"))
    attempt(lambda: segment.histogram("histogram", [1, 2]).observe(1))
    attempt(lambda: segment.histogram("histogram", [1, 2]).snapshot())
    for value in ("x", "new"):
        attempt(lambda: segment.histogram("histogram family", [1, 2], "a").observe(1, value))
        attempt(lambda: segment.histogram("histogram family", [1, 2], "a")[value].snapshot())

def try_with(change):
    segment = fresh()
    known = [segment.counter("counter family", "a", "b"), segment.gauge("gauge")]
    file = File(path)
    change(file)
    for opened in (Segment.open(path), Segment.open(path, readonly=True), segment):
        use(opened)
    attempt(lambda: known[0].inc("x", "w"))
    attempt(known[1].load)
"""

FIELDS = """
EXTREMES = (0, 1, 2, 7, 63, 64, 127, 128, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 2**64 - 64)
SIZES = [(at, 8) for at in range(0, 128, 8)] + [(at, 4) for at in range(16, 56, 4)]
SIZES += [(32 + at, 2) for at in (0, 2, 4, 6)]
shard, shards = int(sys.argv[2]), int(sys.argv[3])
number = 0
file = File(path) if fresh() else None
entries = file.entries()
for entry in range(-1, len(entries)):
    for at, size in SIZES:
        # Every value for a few entries of each sort, and two values for the others.
        for extreme in EXTREMES if entry in (-1, 1, 3, 7, 8, len(entries) - 1) else (0, 2**64 - 1):
            number += 1
            if number % shards == shard:
                def change(file):
                    place = file.heap if entry < 0 else file.entries()[entry]
                    file.put(place + at, extreme, size)
                try_with(change)
for at in (CURSOR, LAST):
    for extreme in (*EXTREMES, file.heap, file.heap + 64, file.stripes - 64, *entries[:3]):
        number += 1
        if number % shards == shard:
            try_with(lambda file: file.put(at, extreme))
assert seen["ok"] and seen["ValueError"] > 100, seen
"""

INDEX = """
chance = random.Random(3)
file = File(path) if fresh() else None
def full_index(file):
    for slot in range(file.slots):
        file.put(file.index + 8 * slot, chance.getrandbits(64) | 1)
def one_tag(file):
    # Every slot leads to one entry.
    entry = file.entries()[1]
    for slot in range(file.slots):
        file.put(file.index + 8 * slot, file.word(entry) >> 48 << 48 | entry // 64)
def emptied(file):
    for slot in range(file.slots):
        file.put(file.index + 8 * slot, 0)
def circle(file):
    entries = file.entries()
    file.put(entries[-1] + NEXT, entries[0])
def itself(file):
    entries = file.entries()
    file.put(entries[2] + NEXT, entries[2])
def siblings(file):
    for entry in file.entries():
        file.put(entry + 72, entry)
        file.put(entry + 80, entry)
def owners(file):
    for stripe in range(file.processes + 1):
        for at in range(0, 128, 8):
            file.put(file.owner(stripe) + at, chance.getrandbits(64))
def not_utf8(file):
    for entry in file.entries():
        file.put(entry + 128, 0xFF, 1)
def not_utf8_labels(file):
    for entry in file.entries():
        file.put(entry + 130, 0xFFFF, 2)
for change in (full_index, one_tag, emptied, circle, itself, siblings, owners, not_utf8, not_utf8_labels):
    try_with(change)
for _ in range(60):
    def change(file):
        for _ in range(chance.randrange(1, 30)):
            place = chance.choice([file.index, file.heap, file.owners, file.stripes, 256])
            file.put(min(place + chance.randrange(0, 3000), file.size - 1), chance.getrandbits(8), 1)
    try_with(change)
"""

BEYOND = """
segment = fresh(60)
file = File(path)
# Each entry is as long as its lengths say: longer than the file.
for entry in file.entries():
    kind, bounds = file.word(entry + 32) % 2**16, file.word(entry + 40) % 2**32
    file.put(entry + 36, 65535, 2)
    file.put(entry + 44, 2**20, 4)
    size = 128 + 65536 + 2**20 + (8 * bounds + 63) // 64 * 64
    file.put(entry + 28, size + 64 * (kind in (1, 2)), 4)
for kind in ("int", "counter", "gauge"):
    try:
        cell = getattr(Segment.open(path), kind)(kind)
    except ValueError as error:
        assert "damaged" in str(error), error  # not full: there is room for a new one
        continue
    raise AssertionError(cell)
"""

UNINDEXED = """
# Making a child enters the last entry in the index first. Here that closes the gap before an entry of another
# kind, at the end of a stripe, which looking for the child did not find. A histogram would count far beyond.
bounds = list(range(1, 2000))
segment = Segment.create(path, 6000, processes=1)
segment.histogram("family", bounds, "a").observe(1, "x")
segment.counter("last")
family = Segment.open(path).histogram("family", bounds, "a")
file = File(path)
_, child, last = file.entries()
hash_of_child = file.word(child)
file.put(child + 16, file.words - 1, 4)  # its first word
file.put(child + 20, 1, 4)  # and the number of them
file.put(child + 32, 3, 2)  # a counter
file.put(last, hash_of_child ^ 1 << 63)
with path.open("r+b") as opened:
    os.pwrite(opened.fileno(), bytes(8 * file.slots), file.index)
slot = (hash_of_child + 1) % file.slots
file.put(file.index + 8 * slot, hash_of_child >> 48 << 48 | child // 64)
try:
    family.observe(1e9, "x")
except ValueError as error:
    assert "is damaged" in str(error), error
else:
    raise AssertionError("a counter took a value for a histogram")
"""

TOGETHER = """
# Another process writes all the time, while this one uses the file, until it has met enough of that.
import signal
segment = fresh()
file = File(path)
child = os.fork()
if not child:
    signal.alarm(60)
    chance = random.Random(5)
    places = [file.heap + 64 * number for number in range(80)] + [file.index, file.owners, file.owners + 128]
    while True:
        place = chance.choice(places) + 8 * chance.randrange(16)
        before = file.word(place)
        for _ in range(20):
            file.put(place, chance.choice([0, 2**64 - 1, chance.getrandbits(64), chance.getrandbits(16)]))
            file.put(place, before)
try:
    while seen.get("ValueError", 0) < 5000:
        use(segment)
        use(Segment.open(path))
finally:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
assert seen["ok"] > 100, seen
"""


def run(tmp_path: Path, program: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PRELUDE + program, tmp_path / "segment", *arguments],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shard", range(4))
def test_every_field_of_every_entry(tmp_path: Path, shard: int) -> None:
    run(tmp_path, FIELDS, str(shard), "4")


def test_the_index_the_chain_and_the_owners(tmp_path: Path) -> None:
    run(tmp_path, INDEX)


def test_entries_that_are_longer_than_the_file(tmp_path: Path) -> None:
    run(tmp_path, BEYOND)


def test_a_child_that_only_making_finds(tmp_path: Path) -> None:
    run(tmp_path, UNINDEXED)


def test_a_file_that_changes_all_the_time(tmp_path: Path) -> None:
    run(tmp_path, TOGETHER)
