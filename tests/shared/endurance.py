"""Workers that come and go, kills, signals and forks, as many as you like: the long form of the tests.

    PYTHONPATH=tests python -m shared.endurance 10000 [--to FOLDER]

10,000 workers count and end, or are killed at a random instant, as with gunicorn's --max-requests; as many
signal handlers raise; a tenth as many children are forked while threads count. Prints how often, and how many
hung; with --to it writes a results file there. The status is 1 if anything hung. An AssertionError says what
is wrong.
"""

import argparse
import importlib
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections import deque
from pathlib import Path
from typing import Any

from atomicx.shared import Segment

AT_A_TIME = 16
COUNTS = 20
KILLED = 0.3  # of the workers


def work(segment: Segment, number: int, killed: bool) -> None:
    """Count one round. A worker that is to be killed counts many; the counter `done` says how many."""
    requests, histogram = (
        segment.counter("requests", "route"),
        segment.histogram("latency", [0.5, 1], "route"),
    )
    gauge, done = segment.gauge("in flight"), segment.counter("done")
    while True:
        with gauge.track():
            for count in range(COUNTS):
                requests.inc(count % 5)
                histogram.observe(count % 2, number % 3)
            done.inc()
        if not killed:
            return


def endure(workers: int) -> dict[str, int]:
    """Let `workers` of them come and go. Return what was observed; raise AssertionError if it is wrong."""
    chance = random.Random(workers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment"
        segment = Segment.create(path, 100, processes=2 * AT_A_TIME)
        size = path.stat().st_size
        own = segment.gauge("in flight")
        own.store(7)
        running: deque[tuple[int, bool]] = deque()
        kills = 0
        for number in range(workers + AT_A_TIME):
            if number < workers:
                killed = chance.random() < KILLED
                pid = os.fork()
                if not pid:
                    status = 1
                    try:
                        signal.alarm(60)
                        work(segment, number, killed)
                        status = 0
                    finally:
                        os._exit(status)
                running.append((pid, killed))
            if len(running) == AT_A_TIME or (number >= workers and running):
                pid, killed = running.popleft()
                if killed:
                    time.sleep(chance.random() * 0.001)
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                assert status == (-signal.SIGKILL if killed else 0), status
        assert path.stat().st_size == size
        usage = segment.usage()
        assert (usage.alive, own.load()) == (1, 7)
        assert usage.stripes <= AT_A_TIME + 1, usage
        assert usage.overflowed == 0
        done = segment.counter("done").load()
        requests = sum(child.load() for _, child in segment.counter("requests", "route").items())
        family = segment.histogram("latency", [0.5, 1], "route")
        observed = sum(sum(child.snapshot().counts) for _, child in family.items())
        # A killed worker had counted at most a part of one round.
        assert done * COUNTS <= observed <= requests <= done * COUNTS + kills * COUNTS
        assert requests - observed <= kills
        return {
            "workers": workers,
            "killed": kills,
            "bytes_before": size,
            "bytes_after": path.stat().st_size,
            "stripes": usage.stripes,
            "complete": done * COUNTS,
            "requests": requests,
            "observed": observed,
            "gauge": own.load(),
        }


def records(workers: int) -> list[dict[str, Any]]:
    """Do everything. Return a record for each kind of trouble."""
    from lifecycle.programs.families import fork_while_threads_use_it
    from shared.programs.interruptions import (
        interrupt_at_random,
        kill_at_every_opcode,
        raise_at_every_opcode,
    )
    from shared.programs.processes import fork_while_threads_count

    found: list[dict[str, Any]] = []

    def note(name: str, times: int, statuses: list[int] = [], **more: Any) -> None:  # noqa: B006
        hung = sum(status == -signal.SIGALRM for status in statuses)
        assert len(statuses) - hung == statuses.count(0), statuses
        found.append({"name": name, "times": times, "hung": hung, **more})
        print(found[-1], flush=True)

    seen = endure(workers)
    note("workers that come and go", workers, **seen)
    note("SIGKILL at every opcode", kill_at_every_opcode())
    note("SIGKILL at a random instant", seen["killed"])
    note("an exception at every opcode", raise_at_every_opcode())
    note("a signal handler that raises at a random instant", interrupt_at_random(workers))
    forks = workers // 10
    note("forks while threads count in a segment", forks, fork_while_threads_count(forks))
    core = importlib.import_module("atomicx._core")
    note("forks while threads use a `Family`", forks, fork_while_threads_use_it(core, forks))
    return found


def main() -> int:
    """Run the command."""
    from benchmarks import results

    parser = argparse.ArgumentParser(prog="python -m shared.endurance", description=__doc__)
    parser.add_argument("workers", type=int, nargs="?", default=10_000)
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="write a results file there")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
    began = time.monotonic()
    found = records(options.workers)
    print(f"{time.monotonic() - began:.0f} s")
    if options.to is not None:
        print(results.write(results.ENDURANCE, results.circumstances() | {"cases": found}, options.to))
    return 1 if any(record["hung"] for record in found) else 0


if __name__ == "__main__":
    sys.exit(main())
