"""Situations where a lock would deadlock or a count would be lost: one program per hazard, for each subject.

    python hazards.py HAZARD SUBJECT OPERATION PATIENCE

Prints DONE if everything that was counted is in a scrape at the end, LOST if not, QUIET if the hazard never
came up, and HUNG if nothing moved for PATIENCE seconds: then standard error says where, and SIGKILL ends the
process. Runs in multiprocess mode if PROMETHEUS_MULTIPROC_DIR is set. This is not a test module.
"""

import faulthandler
import gc
import mmap
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from integrations.subjects import SAMPLES, SUBJECTS, HazardSubject

BEATS = 3000
MEETINGS = 1000
TIMER_SECONDS = 100e-6
NESTED = 3
CHILDREN = 200
CHILD_BEATS = 10
KILLED = 20
THREADS = 2
POLL_SECONDS = 0.001


class Count:
    """Counts, and lists each count: the list is compared with the totals, and is a sign of life."""

    def __init__(self, subject: HazardSubject, operation: str, patience: int) -> None:
        self.subject = subject
        self.beat: Callable[[], None] = getattr(subject, operation)
        self.samples = SAMPLES[operation]
        self.patience = patience
        self.beats: list[None] = []
        self.met: list[None] = []  # how often the hazard came up
        self.in_doubt = 0  # beats that may or may not have counted, since a worker was killed in their middle

    def __call__(self) -> None:
        self.beat()
        self.beats.append(None)

    def meet(self, *_: object) -> None:
        """Count in the dangerous situation."""
        self.met.append(None)
        self()

    def agrees(self, found: dict[str, float], beats: int) -> bool:
        return all(
            each * beats <= found.get(name, 0.0) <= each * beats + (each or 1) * self.in_doubt
            for name, each in self.samples.items()
        )


def end(verdict: str) -> None:
    print(verdict, flush=True)
    os._exit(0)


def hung() -> None:
    """End the process and its children, which may hang where no alarm is set yet."""
    faulthandler.dump_traceback()
    print("HUNG", flush=True)
    os.killpg(0, signal.SIGKILL)


def watch(count: Count) -> None:
    """End the process if nothing has moved for PATIENCE seconds."""
    before, now = None, (0, 0)
    while now != before:
        time.sleep(count.patience)
        before, now = now, (len(count.beats), len(count.met))
    hung()


def in_a_signal_handler(count: Count) -> None:
    depth = 0

    def handle(*_: object) -> None:
        nonlocal depth
        if len(count.met) >= MEETINGS:
            return
        depth += 1
        if depth < NESTED:
            signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)
        count.meet()
        depth -= 1
        signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, TIMER_SECONDS)
    while len(count.met) < MEETINGS:
        count()
    signal.setitimer(signal.ITIMER_REAL, 0)


def collect_soon(step: int) -> None:
    """Collect after a varying number of allocations, so that collections happen everywhere."""
    # Without the GIL the second number makes it independent of how many objects there are.
    gc.set_threshold(1 + step % 10, 0)


def in_a_collectors_callback(count: Count) -> None:
    gc.callbacks.append(count.meet)
    kept: list[Any] = []
    while len(kept) < BEATS or (len(count.met) < MEETINGS and len(kept) < 100 * BEATS):
        collect_soon(len(kept))
        count()
        kept.append([])
    gc.callbacks.clear()
    gc.disable()


def in_a_finalizer(count: Count) -> None:
    class Trash:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            count.meet()

    for step in range(BEATS):
        collect_soon(step)
        Trash()
        count()
    if not count.met:
        end("QUIET")  # the collector did not run meanwhile
    gc.collect()
    gc.disable()


def in_forked_children(count: Count) -> None:
    """Have the parent's threads count non-stop, while each child counts a little more."""
    gc.disable()  # it would copy everything, in each child
    stopped = False
    beats = [0] * THREADS  # nothing that grows: a fork copies it

    # An argument: without the GIL a variable of the outer function has a lock, which a child may find taken.
    def work(place: int, beat: Callable[[], None] = count.beat) -> None:
        while not stopped:
            beat()
            beats[place] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    while not all(beats):
        time.sleep(POLL_SECONDS)
    for _ in range(CHILDREN):
        child = os.fork()
        if not child:
            count_in_a_child(count)
        status = os.waitpid(child, 0)[1]
        if status:
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
                hung()
            end("LOST")
        count.met.append(None)
    stopped = True
    for thread in threads:
        thread.join()
    count.beats.extend([None] * sum(beats))
    if count.subject.shared:
        count.beats.extend([None] * (CHILDREN * CHILD_BEATS))


def count_in_a_child(count: Count) -> None:
    """End the child, with status 0 if it counted, and counted exactly where nothing else counts."""
    signal.alarm(count.patience)
    status = 1
    try:
        before = {} if count.subject.shared else count.subject.scrape()
        for _ in range(CHILD_BEATS):
            count.beat()
        if not count.subject.shared:
            after = count.subject.scrape()
            assert count.agrees({name: after[name] - before[name] for name in count.samples}, CHILD_BEATS)
        status = 0
    finally:
        os._exit(status)


def in_killed_workers(count: Count) -> None:
    """Kill each worker while its threads count. After each beat a thread stores how many it has done."""
    said = memoryview(mmap.mmap(-1, 8 * THREADS)).cast("q")

    def work(place: int) -> None:
        while True:
            count.beat()
            said[place] += 1

    for _ in range(KILLED):
        child = os.fork()
        if not child:
            for place in range(THREADS):
                threading.Thread(target=work, args=(place,)).start()
            signal.pause()
        while not all(said):
            time.sleep(POLL_SECONDS)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        count.met.append(None)
        count.beats.extend([None] * sum(said))
        count.in_doubt += THREADS
        said[:] = memoryview(bytearray(8 * THREADS)).cast("q")


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


def main(hazard: str, subject: str, operation: str, patience: str) -> None:
    warnings.filterwarnings(
        "ignore", ".*multi-threaded", DeprecationWarning
    )  # a watcher thread is always running
    os.setpgid(0, 0)
    count = Count(SUBJECTS[subject](), operation, int(patience))
    threading.Thread(target=watch, args=(count,), daemon=True).start()
    HAZARDS[hazard](count)
    if not count.met:
        end("QUIET")
    found = count.subject.scrape()
    if not count.agrees(found, len(count.beats)):
        print(
            {name: found.get(name) for name in count.samples},
            len(count.beats),
            count.in_doubt,
            file=sys.stderr,
        )
        end("LOST")
    end("DONE")


if __name__ == "__main__":
    main(*sys.argv[1:])
