"""release() while other threads operate: the memory goes at once, and no thread writes to it afterwards."""

import gc
import mmap
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from atomicx.shared import Segment
from support.child import program
from support.race import hasty_switching

ROUNDS = 100
THREADS = 3
LABELS = 300  # enough to replace the tables of a family, the first of which has room for 8


def add_until_released(cell: Any) -> int:
    """Add until the cell is released; return how many additions were done."""
    done = 0
    try:
        while True:
            cell.add(1)
            done += 1
            cell.fetch_add(1)
            done += 1
            cell.update(lambda now: now + 1)
            done += 1
    except ValueError:
        return done


def race_with_release(cell: Any, release: Callable[[], None]) -> int:
    """Release the cell while threads are adding; return how many additions they have done."""
    counts = [0] * THREADS
    started = threading.Barrier(THREADS + 1)

    def act(me: int) -> None:
        started.wait()
        counts[me] = add_until_released(cell)

    threads = [threading.Thread(target=act, args=(me,)) for me in range(THREADS)]
    for thread in threads:
        thread.start()
    started.wait()
    while not cell.load():
        pass
    release()
    for thread in threads:
        thread.join()
    return sum(counts)


@program(dev=False)
def a_map_is_closed_under_counting_threads(module: ModuleType) -> None:
    """Writing to memory that is no longer mapped would end the process."""
    with hasty_switching():
        for _ in range(ROUNDS):
            memory = mmap.mmap(-1, mmap.PAGESIZE)
            cell = module.SharedInt(memory)
            total = []

            def release(memory: Any = memory, cell: Any = cell, total: Any = total) -> None:
                watcher = module.SharedInt(memory)
                cell.release()
                total.append(watcher.load())  # no thread adds any more
                watcher.release()
                memory.close()  # raises BufferError if the cell still holds it

            done = race_with_release(cell, release)
            assert [done] == total, f"{done} additions were done, and {total} had been when it was released"


@program(dev=False)
def many_release_at_once(module: ModuleType) -> None:
    """The buffer is given back once, whichever thread is first."""

    class Buffer(bytearray):
        pass

    with hasty_switching():
        for _ in range(ROUNDS):
            buffer = Buffer(8)
            before = sys.getrefcount(buffer)
            cell = module.SharedFloat(buffer)

            def release(cell: Any = cell) -> None:
                releasing = [threading.Thread(target=cell.release) for _ in range(3)]
                for thread in releasing:
                    thread.start()
                for thread in releasing:
                    thread.join()

            race_with_release(cell, release)
            assert sys.getrefcount(buffer) == before
            buffer.append(0)


@program(dev=False)
def cells_die_with_their_last_user(module: ModuleType) -> None:
    with hasty_switching():
        for _ in range(2 * ROUNDS):
            buffer = bytearray(8)
            cell = module.SharedInt(buffer)
            threads = [threading.Thread(target=lambda cell=cell: cell.add(1)) for _ in range(THREADS)]  # type: ignore[misc]
            for thread in threads:
                thread.start()
            del cell
            for thread in threads:
                thread.join()
            del threads, thread
            assert buffer[0] == THREADS
            buffer.append(0)


@program()
def a_family_drops_its_labels_once(module: ModuleType) -> None:
    """A family keeps label values in a table that larger ones replace. It drops each of them once."""
    for threads in (1, THREADS):
        labels = [f"label {number}" for number in range(LABELS)]
        before = [sys.getrefcount(label) for label in labels]
        segment = Segment.anonymous(2 * LABELS)
        family = segment.counter("family", "label")
        started = threading.Barrier(threads)

        def count(family: Any = family, labels: Any = labels, started: Any = started) -> None:
            started.wait()
            for label in labels:
                family.inc(label)

        with hasty_switching():
            counting = [threading.Thread(target=count) for _ in range(threads)]
            for thread in counting:
                thread.start()
            for thread in counting:
                thread.join()
        kept = [sys.getrefcount(label) for label in labels]
        assert sum(kept) >= sum(before) + LABELS // 2, "the family keeps no label values: this proves nothing"
        del family, count, segment, counting, thread
        gc.collect()
        assert [sys.getrefcount(label) for label in labels] == before
