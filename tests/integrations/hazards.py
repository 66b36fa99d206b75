"""Where a lock would deadlock or lose: a program a hazard, on prometheus_client as it is or after install().

    python hazards.py HAZARD stock|atomic PATIENCE

Prints DONE and the total, if all that was counted is there, LOST if not; and ends with status HUNG if nothing
moves for PATIENCE seconds. In multiprocess mode if PROMETHEUS_MULTIPROC_DIR is set. This is no test module.
"""

import gc
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

HUNG = 42
BEATS = 3000
TIMER_SECONDS = 100e-6
NESTED = 3
CHILDREN = 200
CHILD_BEATS = 10
KILLED = 3

beats: list[None] = []  # of all threads, handlers and callbacks


class Count:
    """Counts, and notes that it did."""

    def __init__(self, inc: Callable[[], None]) -> None:
        self.inc = inc

    def __call__(self) -> None:
        self.inc()
        beats.append(None)


def watch(patience: float) -> None:
    """Ends the process if nothing moves for so many seconds."""
    seen = -1
    while len(beats) != seen:
        seen = len(beats)
        time.sleep(patience)
    os._exit(HUNG)


def in_a_signal_handler(count: Count) -> None:
    depth = 0
    stopped = False

    def handle(*_: object) -> None:
        nonlocal depth
        if stopped:
            return
        depth += 1
        if depth < NESTED:
            signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)
        count()
        depth -= 1
        signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)
    while len(beats) < 50 * BEATS:
        count()
    stopped = True
    signal.setitimer(signal.ITIMER_REAL, 0)


def in_a_collectors_callback(count: Count) -> None:
    gc.callbacks.append(lambda *_: count())
    gc.set_threshold(1)
    kept: list[Any] = []
    for _ in range(BEATS):
        count()
        kept.append([])
    gc.callbacks.clear()


def in_a_finalizer(count: Count) -> None:
    class Trash:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            count()

    gc.set_threshold(1)
    for _ in range(BEATS):
        Trash()
        count()
    gc.collect()


def in_forked_children(count: Count) -> None:
    """The parent's threads count non-stop, and each child counts a little more."""
    warnings.simplefilter("ignore", DeprecationWarning)
    stopped = False

    # An argument: without the GIL a variable of the function around has a lock, which a child may find taken.
    def work(count: Count = count) -> None:
        while not stopped:
            count()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    statuses = []
    for _ in range(CHILDREN):
        child = os.fork()
        if not child:
            signal.alarm(PATIENCE)
            for _ in range(CHILD_BEATS):
                count.inc()  # without the GIL, the list may be locked for ever in a child
            os._exit(0)
        statuses.append(os.waitpid(child, 0)[1])
        if statuses[-1]:
            os._exit(HUNG)
    stopped = True
    for thread in threads:
        thread.join()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        beats.extend([None] * (CHILDREN * CHILD_BEATS))  # their files are read with the parent's


def in_killed_workers(count: Count) -> None:
    """Each counts, says so, and counts nothing more until it is killed."""
    for _ in range(KILLED):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            threads = [
                threading.Thread(target=lambda: [count.inc() for _ in range(BEATS)] and None)
                for _ in range(3)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            os.write(writer, b".")
            signal.pause()
        os.read(reader, 1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        beats.extend([None] * (3 * BEATS))


HAZARDS = {
    hazard.__name__: hazard
    for hazard in (
        in_a_signal_handler,
        in_a_collectors_callback,
        in_a_finalizer,
        in_forked_children,
        in_killed_workers,
    )
}


def total() -> float:
    from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    (line,) = (
        line for line in generate_latest(registry).decode().splitlines() if line.startswith("events_total ")
    )
    return float(line.split()[1])


def main(hazard: str, values: str, patience: str) -> None:
    global PATIENCE
    PATIENCE = int(patience)
    if values == "atomic":
        from atomicx.prometheus import install

        install()
    from prometheus_client import Counter

    events = Counter("events", "What happened.")

    threading.Thread(target=watch, args=(PATIENCE,), daemon=True).start()
    HAZARDS[hazard](Count(events.inc))
    found = total()
    print("DONE" if found == len(beats) else "LOST", found, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
